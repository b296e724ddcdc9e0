//! One task per pod: the newest wish wins.
