//! Which node an unbound pod gets.
