//! The program: everything it does begins in [`burnwatch`]'s `cli`.
fn main() {}
