//! Settings that a process reads when it starts.

/// What makes training more than twice as fast. Its tensors are large, and there
/// are many of them at once: glibc would give each back to the system and get it
/// anew, page by page. Candle's own threads only get into the way of rayon's.
#[cfg(unix)]
const SETTINGS: [(&str, &str); 4] = [
    (CANDLE, "1"),
    ("MALLOC_TOP_PAD_", "268435456"),
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "2147483648"),
];

/// Who has set this knows better, or is the program that was started anew.
#[cfg(unix)]
const CANDLE: &str = "CANDLE_NUM_THREADS";

/// Start the program anew, as the same process and with the same words, with
/// settings that make training faster. Returns where they are made already or
/// cannot be.
pub fn with_settings() {
    #[cfg(unix)]
    {
        use std::env;
        use std::os::unix::process::CommandExt;
        use std::process::Command;

        if env::var_os(CANDLE).is_some() {
            return;
        }
        let mut words = env::args_os();
        let (Ok(program), Some(name)) = (env::current_exe(), words.next()) else {
            return;
        };
        // It comes back only if it failed, and training goes on slowly.
        let _ = Command::new(program)
            .arg0(name)
            .args(words)
            .envs(SETTINGS)
            .exec();
    }
}
