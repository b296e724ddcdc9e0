//! The pods that the API wants here.
