//! The binary: hands the command line to [`liaison::cli`] and turns the result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    liaison::cli::main()
}
