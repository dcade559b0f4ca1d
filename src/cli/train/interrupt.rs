//! Ctrl+C: the first asks the training to stop where it can go on, the second
//! ends the program.

use std::process;

use crate::task::Cancel;

/// What a shell says of a program that was ended by Ctrl+C.
const INTERRUPTED: i32 = 130;

/// A flag that Ctrl+C raises. Where the system does not let a program know of
/// it, Ctrl+C ends the program as ever, and the training goes on from its last
/// checkpoint.
pub fn on_ctrl_c() -> Cancel {
    let cancel = Cancel::new();
    let raised = cancel.clone();
    let _ = ctrlc::set_handler(move || {
        if raised.is_cancelled() {
            process::exit(INTERRUPTED);
        }
        raised.cancel();
    });
    cancel
}
