//! The curves of a training as a picture: loss and validation over the steps.

use serde::Deserialize;

use super::Validation;
use crate::evaluation::{Anchor, Canvas, Turn, text_width};

const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [32, 36, 44];
const FAINT: [u8; 3] = [110, 116, 126];
const GRID: [u8; 3] = [228, 231, 236];
/// The loss of every line of the log.
const PALE: [u8; 3] = [178, 205, 235];
const LOSS: [u8; 3] = [8, 84, 160];
/// Of the sets, one after the other.
const SETS: [[u8; 3]; 6] = [
    [213, 94, 0],
    [0, 140, 100],
    [130, 80, 180],
    [200, 60, 120],
    [120, 120, 30],
    [0, 130, 170],
];
/// Width and height of the picture.
const SIZE: (usize, usize) = (1400, 1000);
/// Left, right edge of the panels.
const ACROSS: (f32, f32) = (110.0, 1370.0);
/// Height of letters.
const TEXT: f32 = 24.0;
/// Points of the smoothed loss that differ: it is the mean of about so many parts
/// of the log.
const PARTS: f64 = 25.0;

/// A line of the log, as far as it is drawn.
#[derive(Deserialize)]
struct Line {
    step: usize,
    loss: Option<f64>,
    validation: Option<Validation>,
}

/// Values over steps.
type Series = Vec<(f64, f64)>;

/// The curves of a log (`log.jsonl`): above the loss, line by line and smoothed,
/// below the mean IoU of the validations, and of each set if there are several.
/// Lines that are none are left out.
pub fn chart(log: &str) -> Canvas {
    let lines: Vec<Line> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let last = lines.iter().map(|line| line.step).max().unwrap_or(1).max(1) as f64;
    let mut canvas = Canvas::new(SIZE.0, SIZE.1, PAPER);
    draw_loss(&mut canvas, &lines, last);
    draw_scores(&mut canvas, &lines, last);
    canvas
}

fn draw_loss(canvas: &mut Canvas, lines: &[Line], last: f64) {
    let loss = |line: &Line| Some((line.step as f64, line.loss.filter(|loss| loss.is_finite())?));
    let losses: Series = lines.iter().filter_map(loss).collect();
    let panel = Panel {
        rows: (70.0, 480.0),
        steps: last,
        top: high(&losses),
    };
    panel.draw(canvas, "Loss");
    panel.line(canvas, &losses, 2, PALE);
    panel.line(canvas, &smoothed(&losses), 4, LOSS);
}

fn draw_scores(canvas: &mut Canvas, lines: &[Line], last: f64) {
    let panel = Panel {
        rows: (570.0, 930.0),
        steps: last,
        top: 1.0,
    };
    panel.draw(canvas, "mIoU on photos to validate on");
    let below = (ACROSS.1, panel.rows.1 + 54.0);
    canvas.text("steps", below, TEXT, (Anchor::End, Turn::Level), FAINT);
    let seen = || {
        lines
            .iter()
            .filter_map(|line| Some((line.step as f64, line.validation.as_ref()?)))
    };
    let Some((_, newest)) = seen().next_back() else {
        return;
    };
    let several = newest.sets.len() > 1;
    let mut names = vec![("mean".to_owned(), INK)];
    for (at, set) in newest.sets.iter().enumerate().filter(|_| several) {
        let color = SETS[at % SETS.len()];
        let of_set = |(step, validation): (f64, &Validation)| {
            let found = validation.sets.iter().find(|other| other.name == set.name);
            Some((step, found?.mean_iou))
        };
        panel.line(canvas, &seen().filter_map(of_set).collect(), 3, color);
        names.push((set.name.clone(), color));
    }
    let mean: Series = seen()
        .map(|(step, validation)| (step, validation.mean_iou))
        .collect();
    panel.line(canvas, &mean, 4, INK);
    for point in &mean {
        panel.dot(canvas, *point, INK);
    }
    if several {
        draw_names(canvas, &names, panel.rows.0 - 24.0);
    }
}

/// Names in their colours, from the right edge on.
fn draw_names(canvas: &mut Canvas, names: &[(String, [u8; 3])], row: f32) {
    let mut right = ACROSS.1;
    for (name, color) in names.iter().rev() {
        let place = (Anchor::End, Turn::Level);
        canvas.text(name, (right, row), TEXT, place, *color);
        right -= text_width(name, TEXT) + 28.0;
    }
}

/// One chart of the picture.
struct Panel {
    /// Top and bottom, in pixels.
    rows: (f32, f32),
    /// The last step.
    steps: f64,
    /// The value at the top; 0 is at the bottom.
    top: f64,
}

impl Panel {
    /// Where a value is drawn.
    fn at(&self, (step, value): (f64, f64)) -> (f32, f32) {
        let along = (step / self.steps) as f32;
        let up = (value / self.top).clamp(0.0, 1.0) as f32;
        let (top, bottom) = self.rows;
        (
            ACROSS.0 + along * (ACROSS.1 - ACROSS.0),
            bottom - up * (bottom - top),
        )
    }

    /// Title, grid and numbers.
    fn draw(&self, canvas: &mut Canvas, title: &str) {
        let start = (Anchor::Start, Turn::Level);
        canvas.text(title, (ACROSS.0, self.rows.0 - 24.0), TEXT, start, INK);
        for value in ticks(self.top, 5) {
            let (_, row) = self.at((0.0, value));
            let length = (ACROSS.1 - ACROSS.0) as usize;
            canvas.fill((ACROSS.0 as usize, row as usize), (length, 2), GRID);
            let place = (ACROSS.0 - 12.0, row);
            canvas.text(
                &number(value),
                place,
                TEXT,
                (Anchor::End, Turn::Level),
                FAINT,
            );
        }
        for step in ticks(self.steps, 8) {
            let (column, bottom) = self.at((step, 0.0));
            canvas.fill((column as usize, bottom as usize), (2, 8), FAINT);
            let place = (column, bottom + 26.0);
            canvas.text(
                &number(step),
                place,
                TEXT,
                (Anchor::Middle, Turn::Level),
                FAINT,
            );
        }
    }

    fn line(&self, canvas: &mut Canvas, series: &Series, width: usize, color: [u8; 3]) {
        for pair in series.windows(2) {
            let (from, to) = (self.at(pair[0]), self.at(pair[1]));
            let (across, down) = (to.0 - from.0, to.1 - from.1);
            let count = across.abs().max(down.abs()).ceil().max(1.0) as usize;
            for i in 0..=count {
                let part = i as f32 / count as f32;
                square(
                    canvas,
                    (from.0 + part * across, from.1 + part * down),
                    width,
                    color,
                );
            }
        }
    }

    fn dot(&self, canvas: &mut Canvas, point: (f64, f64), color: [u8; 3]) {
        square(canvas, self.at(point), 9, color);
    }
}

fn square(canvas: &mut Canvas, (x, y): (f32, f32), side: usize, color: [u8; 3]) {
    let corner = |at: f32| (at - side as f32 / 2.0).round().max(0.0) as usize;
    canvas.fill((corner(x), corner(y)), (side, side), color);
}

/// A value that nearly all are below, so that the first steps do not squash the
/// others; never 0.
fn high(series: &Series) -> f64 {
    let mut values: Vec<f64> = series.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let most = values.get((values.len() * 98 / 100).min(values.len().saturating_sub(1)));
    most.copied().filter(|most| *most > 0.0).unwrap_or(1.0) * 1.08
}

fn smoothed(series: &Series) -> Series {
    let (mut mean, mut weight) = (0.0, 0.0);
    let new = (PARTS / series.len().max(1) as f64).min(1.0);
    let smooth = |(step, value): &(f64, f64)| {
        mean = (1.0 - new) * mean + new * value;
        weight = (1.0 - new) * weight + new;
        (*step, mean / weight)
    };
    series.iter().map(smooth).collect()
}

/// Round numbers from 0 to `top`, at most about `count`.
fn ticks(top: f64, count: usize) -> Vec<f64> {
    let least = top / count as f64;
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = steps
        .into_iter()
        .find(|step| *step >= least * 0.999)
        .unwrap_or(10.0 * power);
    let ticks = (0..=count + 1).map(|i| i as f64 * step);
    ticks.take_while(|tick| *tick <= top * 1.001).collect()
}

/// As few digits as tell it.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"step": 20, "loss": 2.0, "rate": 0.1}
{"step": 40, "loss": 1.0}
no line
{"step": 40, "seconds": 3.0, "validation": {"mean_iou": 0.5, "sets": [
{"step": 40, "seconds": 3.0, "validation": {"mean_iou": 0.5, "sets": []}}
{"step": 60, "loss": 0.5}
{"step": 80, "seconds": 3.0, "validation": {"mean_iou": 0.75, "sets": []}}"#;

    fn has(canvas: &Canvas, color: [u8; 3]) -> usize {
        canvas
            .rgb()
            .as_chunks::<3>()
            .0
            .iter()
            .filter(|pixel| **pixel == color)
            .count()
    }

    #[test]
    fn curves_are_drawn_and_broken_lines_left_out() {
        let canvas = chart(LOG);
        assert_eq!((canvas.width(), canvas.height()), SIZE);
        assert!(has(&canvas, LOSS) > 1000);
        // the last validation is at the right edge, three quarters up
        let row = 930.0 - 0.75 * (930.0 - 570.0);
        assert_eq!(canvas.pixel(ACROSS.1 as usize - 1, row as usize), Some(INK));
    }

    #[test]
    fn a_long_log_is_smoothed() {
        let lines = (0..200).map(|i| format!("{{\"step\": {i}, \"loss\": {}}}\n", 1 + i % 2));
        let canvas = chart(&lines.collect::<String>());
        assert!(has(&canvas, LOSS) > 1000 && has(&canvas, PALE) > 10_000);
    }

    #[test]
    fn an_empty_log_gives_empty_panels() {
        let canvas = chart("");
        assert_eq!(has(&canvas, LOSS), 0);
        assert!(has(&canvas, GRID) > 1000);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(
            ticks(6000.0, 8),
            [0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0]
        );
        assert_eq!(
            [0.6000000000000001, 1000.0, 0.05].map(number),
            ["0.6", "1000", "0.05"]
        );
        assert!((1..400).all(|top| ticks(f64::from(top) / 7.0, 8).len() <= 9));
    }

    #[test]
    fn smoothing_keeps_a_constant() {
        let flat: Series = (0..5).map(|i| (f64::from(i), 2.0)).collect();
        let smooth = smoothed(&flat);
        assert!(smooth.iter().all(|(_, value)| (value - 2.0).abs() < 1e-12));
        assert!((high(&flat) - 2.16).abs() < 1e-9);
    }
}
