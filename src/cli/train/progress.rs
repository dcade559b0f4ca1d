//! How far a training is, on standard error: one line that is drawn anew on a
//! terminal, a line every so often elsewhere.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::train::Progress;
use crate::train::card::duration;

/// Between two drawings on a terminal.
const REDRAW: Duration = Duration::from_millis(150);
/// Between two lines elsewhere.
const LINE: Duration = Duration::from_secs(30);

/// Tells how far it is.
pub struct Teller {
    is_terminal: bool,
    /// When something was told last.
    told: Mutex<Option<Instant>>,
    began: Instant,
    /// Mean IoU of the last validation.
    score: Option<f64>,
}

impl Teller {
    /// Nothing has been told yet.
    pub fn new() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            told: Mutex::new(None),
            began: Instant::now(),
            score: None,
        }
    }

    /// A sentence that stays.
    pub fn note(&self, sentence: &str) {
        self.clear();
        // Nobody can be told that standard error is closed.
        let _ = writeln!(io::stderr(), "{sentence}");
    }

    /// That photo `at` of `all` is being encoded.
    pub fn encoding(&mut self, at: usize, all: usize, file: &Path) {
        if at == 0 {
            self.began = Instant::now();
        }
        let name = file.file_name().unwrap_or_default().display();
        let spent = self.began.elapsed().as_secs_f64();
        let left = match at {
            0 => String::new(),
            _ => format!("  {} left", duration(spent / at as f64 * (all - at) as f64)),
        };
        self.tell(&format!("encoding {}/{all} {name}{left}", at + 1), false);
    }

    /// How much of the work `what` is done, as a fraction 0..=1.
    pub fn part(&self, what: &str, part: f32) {
        self.tell(&format!("{what} {:.0} %", 100.0 * part), false);
    }

    /// That a step was done.
    pub fn step(&mut self, progress: &Progress) {
        if let Some(validation) = &progress.validation {
            self.score = Some(validation.mean_iou).filter(|_| !validation.sets.is_empty());
        }
        let is_last = progress.step == progress.steps;
        let is_due = progress.validation.is_some() || is_last;
        self.tell(&line(progress, self.score), is_due);
    }

    /// Take the line that is drawn anew away.
    pub fn clear(&self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn tell(&self, text: &str, is_due: bool) {
        let Ok(mut told) = self.told.lock() else {
            return;
        };
        let pause = if self.is_terminal { REDRAW } else { LINE };
        if !is_due && told.is_some_and(|told| told.elapsed() < pause) {
            return;
        }
        *told = Some(Instant::now());
        let mut out = io::stderr().lock();
        let _ = match self.is_terminal {
            true => write!(out, "\r\x1b[K{text}").and_then(|()| out.flush()),
            false => writeln!(out, "{text}"),
        };
    }
}

fn line(progress: &Progress, score: Option<f64>) -> String {
    let loss = progress
        .parts
        .map_or("-".to_owned(), |parts| format!("{:.3}", parts.total));
    let score = score.map_or(String::new(), |score| format!("  mIoU {score:.3}"));
    format!(
        "step {}/{}  loss {loss}{score}  {:.2} images/s  {} left",
        progress.step,
        progress.steps,
        progress.images_per_second,
        duration(progress.seconds_left)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_step_loss_score_speed_and_time() {
        let mut progress = Progress {
            step: 20,
            steps: 300,
            parts: Some(crate::train::loss::Parts {
                total: 0.5,
                ..Default::default()
            }),
            rate: 0.1,
            images_per_second: 4.0,
            seconds_left: 600.0,
            validation: None,
        };
        let told = line(&progress, Some(0.75));
        assert_eq!(
            told,
            "step 20/300  loss 0.500  mIoU 0.750  4.00 images/s  10 min left"
        );
        progress.parts = None;
        assert!(line(&progress, None).starts_with("step 20/300  loss -  4.00"));
    }
}
