//! Work between two frames of a window.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::LazyLock;

/// Threads of their own: those of a forward pass have queues that a frame would
/// have to wait for.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let name = |index| format!("frame {index}");
    let pool = ThreadPoolBuilder::new()
        .num_threads(rayon::current_num_threads())
        .thread_name(name);
    pool.build().ok()
});

/// Do short parallel work that a window waits for, also while a model runs.
pub fn between_frames<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match &*POOL {
        Some(pool) => pool.install(work),
        // The system gives no threads: better late than never.
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_on_other_threads_than_a_models() {
        let name = || std::thread::current().name().map(str::to_owned);
        let of_frame = between_frames(|| rayon::join(name, name).0);
        assert!(of_frame.is_some_and(|name| name.starts_with("frame ")));
    }
}
