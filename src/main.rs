//! The program: everything it does begins in [`burnwatch::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    burnwatch::cli::run()
}
