//! The program: a subcommand of the command line, or the window.

use std::process::ExitCode;

fn main() -> ExitCode {
    patchlens::cli::run(std::env::args_os(), patchlens::ui::run)
}
