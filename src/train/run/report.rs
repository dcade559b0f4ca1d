//! What a training tells of itself.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::train::Validation;
use crate::train::loss::Parts;

/// Steps of a line of the log.
const LINE: usize = 20;

/// What an observer is told after each step.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps of the whole training.
    pub steps: usize,
    /// The loss of this step; `None` where it was not a finite number and the
    /// step was left out.
    pub parts: Option<Parts>,
    /// The learning rate of this step.
    pub rate: f32,
    /// Samples per second, lately.
    pub images_per_second: f64,
    /// Seconds until all steps are done.
    pub seconds_left: f64,
    /// The validation after this step, if there was one.
    pub validation: Option<Validation>,
}

/// What one step gave.
pub(super) struct StepReport {
    pub parts: Option<Parts>,
    pub rate: f32,
    pub norm: f32,
}

/// A line of the log: means over the steps since the last one.
#[derive(Serialize)]
pub(super) struct Line {
    step: usize,
    loss: f64,
    cross_entropy: f64,
    dice: f64,
    boundary: f64,
    presence: f64,
    gradient_norm: f64,
    rate: f32,
    images_per_second: f64,
    seconds: f64,
}

/// A line of the log.
#[derive(Serialize)]
pub(super) struct ValidationReport<'a> {
    pub step: usize,
    pub seconds: f64,
    pub validation: &'a Validation,
}

/// Measures time, and adds up what a line of the log says.
pub(super) struct Pace {
    before: f64,
    began: Instant,
    steps: usize,
    window: Window,
    images_per_second: f64,
}

struct Window {
    began: Instant,
    steps: usize,
    images: usize,
    counted: usize,
    sums: [f64; 6],
    rate: f32,
}

impl Window {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            steps: 0,
            images: 0,
            counted: 0,
            sums: [0.0; 6],
            rate: 0.0,
        }
    }

    fn images_per_second(&self) -> f64 {
        self.images as f64 / self.began.elapsed().as_secs_f64().max(1e-9)
    }
}

impl Pace {
    /// After `before` seconds of earlier runs.
    pub fn new(before: f64) -> Self {
        Self {
            before,
            began: Instant::now(),
            steps: 0,
            window: Window::new(),
            images_per_second: 0.0,
        }
    }

    /// Seconds of training, over all runs.
    pub fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    fn per_step(&self) -> f64 {
        self.began.elapsed().as_secs_f64() / self.steps.max(1) as f64
    }

    /// Whether a further step would last beyond the limit.
    pub fn is_over(&self, limit: Duration) -> bool {
        let step = if self.steps > 0 { self.per_step() } else { 0.0 };
        self.began.elapsed().as_secs_f64() + step >= limit.as_secs_f64()
    }

    pub fn step(&mut self, report: &StepReport, images: usize) {
        self.steps += 1;
        let window = &mut self.window;
        window.steps += 1;
        window.images += images;
        window.rate = report.rate;
        if let Some(p) = report.parts {
            window.counted += 1;
            let values = [
                p.total,
                p.cross_entropy,
                p.dice,
                p.boundary,
                p.presence,
                f64::from(report.norm),
            ];
            window
                .sums
                .iter_mut()
                .zip(values)
                .for_each(|(a, b)| *a += b);
        }
        if window.steps > LINE / 4 || self.images_per_second == 0.0 {
            self.images_per_second = window.images_per_second();
        }
    }

    /// The line after `step`, if it is due or `now` is true.
    pub fn line(&mut self, step: usize, now: bool) -> Option<Line> {
        if !(now || step.is_multiple_of(LINE)) {
            return None;
        }
        let window = std::mem::replace(&mut self.window, Window::new());
        let counted = window.counted.max(1) as f64;
        let [loss, cross_entropy, dice, boundary, presence, gradient_norm] =
            window.sums.map(|sum| sum / counted);
        Some(Line {
            step,
            loss,
            cross_entropy,
            dice,
            boundary,
            presence,
            gradient_norm,
            rate: window.rate,
            images_per_second: window.images_per_second(),
            seconds: self.seconds(),
        })
    }

    pub fn progress(
        &self,
        step: usize,
        steps: usize,
        report: &StepReport,
        validation: Option<Validation>,
    ) -> Progress {
        Progress {
            step,
            steps,
            parts: report.parts,
            rate: report.rate,
            images_per_second: self.images_per_second,
            seconds_left: self.per_step() * steps.saturating_sub(step) as f64,
            validation,
        }
    }
}
