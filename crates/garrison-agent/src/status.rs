//! Pod status on its way to the API.
