//! The command `factlog`.
fn main() {}
