//! A confusion matrix as a picture.

use super::canvas::{Anchor, Canvas, Turn, text_width};
use super::confusion::Confusion;

const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [32, 36, 44];
const FAINT: [u8; 3] = [110, 116, 126];
/// The colours of no pixel and of all pixels of a row.
const SCALE: [[u8; 3]; 2] = [[240, 244, 248], [8, 64, 129]];
/// Pixels around everything.
const MARGIN: usize = 16;
/// Pixels between two cells.
const GAP: usize = 1;
/// The longest a class name may be, in pixels; the rest is cut off.
const LONGEST: f32 = 220.0;
/// Height of the lines above the matrix.
const LINE: usize = 24;

/// How large things are.
struct Sizes {
    /// Side of a cell in pixels.
    cell: usize,
    /// Of the names, in pixels.
    names: f32,
    /// Of the numbers; `None` where they do not fit.
    numbers: Option<f32>,
}

impl Sizes {
    fn of(classes: usize) -> Self {
        let (cell, names, numbers) = match classes {
            0..=25 => (52, 16.0, Some(16.0)),
            26..=60 => (34, 13.0, Some(12.0)),
            _ => (15, 12.0, None),
        };
        Self {
            cell,
            names,
            numbers,
        }
    }
}

/// The matrix as a grid: a row for each class that occurs, a column for each,
/// and one for pixels of no class if there are any. Each row is normalised: a
/// cell says which share of the row's pixels were taken for the column's class.
/// `names` are those of the classes `0..`.
pub fn confusion_chart(confusion: &Confusion, names: &[String]) -> Canvas {
    let classes = 0..confusion.classes();
    let shown: Vec<usize> = classes.filter(|class| confusion.occurs(*class)).collect();
    let sizes = Sizes::of(shown.len());
    let name = |class: &usize| names.get(*class).map_or("", String::as_str);
    let mut labels: Vec<String> = shown
        .iter()
        .map(|class| cut(name(class), sizes.names))
        .collect();
    let rows = labels.len();
    if shown.iter().any(|class| confusion.missed(*class) > 0) {
        labels.push("no class".to_owned());
    }
    let room = labels.iter().map(|label| text_width(label, sizes.names));
    let room = room.fold(0.0, f32::max).ceil() as usize + 8;
    let step = sizes.cell + GAP;
    let (left, top) = (MARGIN + room, MARGIN + 2 * LINE + room);
    let width = (left + labels.len() * step + MARGIN).max(440);
    let mut canvas = Canvas::new(width, top + rows * step + MARGIN, PAPER);
    write_title(&mut canvas, confusion);
    for (index, label) in labels.iter().enumerate() {
        let middle = (index * step + sizes.cell / 2) as f32;
        let above = (left as f32 + middle, top as f32 - 6.0);
        canvas.text(label, above, sizes.names, (Anchor::Start, Turn::Up), INK);
        if index < rows {
            let beside = (left as f32 - 6.0, top as f32 + middle);
            canvas.text(label, beside, sizes.names, (Anchor::End, Turn::Level), INK);
        }
    }
    for (row, truth) in shown.iter().enumerate() {
        let all = confusion.truth_pixels(*truth);
        for column in 0..labels.len() {
            let taken = shown.get(column);
            let count =
                taken.map_or_else(|| confusion.missed(*truth), |p| confusion.count(*truth, *p));
            let corner = (left + column * step, top + row * step);
            draw_cell(&mut canvas, corner, &sizes, count, all);
        }
    }
    canvas
}

fn write_title(canvas: &mut Canvas, confusion: &Confusion) {
    let start = (Anchor::Start, Turn::Level);
    let line = |number: usize| (MARGIN as f32, (MARGIN + number * LINE + LINE / 2) as f32);
    canvas.text(
        "Rows: truth. Columns: prediction. Percent of the row.",
        line(0),
        16.0,
        start,
        INK,
    );
    let measure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let told = format!(
        "mIoU {}, pixel accuracy {}",
        measure(confusion.mean_iou()),
        measure(confusion.pixel_accuracy())
    );
    canvas.text(&told, line(1), 16.0, start, FAINT);
}

/// One cell; empty where the row has no pixels.
fn draw_cell(canvas: &mut Canvas, corner: (usize, usize), sizes: &Sizes, count: u64, all: u64) {
    let share = if all == 0 {
        0.0
    } else {
        count as f64 / all as f64
    };
    canvas.fill(corner, (sizes.cell, sizes.cell), color(share));
    let Some(size) = sizes.numbers.filter(|_| count > 0) else {
        return;
    };
    let middle = |corner: usize| (corner + sizes.cell / 2) as f32;
    let ink = if share > 0.5 { PAPER } else { INK };
    let place = (middle(corner.0), middle(corner.1));
    canvas.text(
        &percent(share),
        place,
        size,
        (Anchor::Middle, Turn::Level),
        ink,
    );
}

/// A share as percent, with as many digits as a cell has room for.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 0.05 {
        "<0.1".to_owned()
    } else if percent < 9.95 {
        format!("{percent:.1}")
    } else {
        format!("{percent:.0}")
    }
}

fn color(share: f64) -> [u8; 3] {
    let mix = |low: u8, high: u8| {
        let mixed = f64::from(low) * (1.0 - share) + f64::from(high) * share;
        mixed.round() as u8
    };
    std::array::from_fn(|channel| mix(SCALE[0][channel], SCALE[1][channel]))
}

/// A name, with its end cut off if it is too long.
fn cut(name: &str, size: f32) -> String {
    if text_width(name, size) <= LONGEST {
        return name.to_owned();
    }
    let mut short: String = name.to_owned();
    while !short.is_empty() && text_width(&short, size) + text_width("…", size) > LONGEST {
        short.pop();
    }
    short.trim_end().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    #[test]
    fn cells_are_coloured_by_their_share_of_the_row() {
        let mut confusion = Confusion::new(3);
        confusion.add(&[0, 0, 2, 2, 2, 2], &[0, 0, 0, 2, 2, 2]);
        let chart = confusion_chart(&confusion, &names(3));
        let seen = |share: f64| {
            let pixels = chart.rgb().as_chunks::<3>().0;
            pixels
                .iter()
                .filter(|pixel| **pixel == color(share))
                .count()
        };
        // Some pixels of a cell are text.
        for (share, cells) in [(0.0, 1), (0.25, 1), (0.75, 1), (1.0, 1)] {
            let area = 52 * 52;
            assert!(
                (cells * area / 2..=cells * area).contains(&seen(share)),
                "{share}"
            );
        }
    }

    #[test]
    fn missed_pixels_have_a_column() {
        let mut confusion = Confusion::new(2);
        confusion.add(&[0; 20], &[0; 20]);
        let without = confusion_chart(&confusion, &names(2));
        let many = (0..=20).collect::<Vec<u8>>();
        let mut wide = Confusion::new(21);
        wide.add(&many, &many);
        let before = confusion_chart(&wide, &names(21));
        wide.add(&[1], &[255]);
        let after = confusion_chart(&wide, &names(21));
        assert!(after.width() > before.width());
        assert_eq!(without.width(), 440, "room for the title");
    }

    #[test]
    fn any_number_of_classes_and_any_name_can_be_drawn() {
        assert!(confusion_chart(&Confusion::new(0), &[]).height() > 0);
        let all: Vec<u8> = (0..255).collect();
        let mut confusion = Confusion::new(255);
        confusion.add(&all, &all);
        let chart = confusion_chart(&confusion, &[]);
        assert!(chart.width() > 255 * 15 && chart.width() < 6000);
        let long = "a very long name ".repeat(20);
        assert!(text_width(&cut(&long, 16.0), 16.0) <= LONGEST);
        assert!(cut(&long, 16.0).ends_with('…'));
    }

    #[test]
    fn percents_are_short() {
        let told = [0.0001, 0.004, 0.0994, 0.0996, 0.5, 1.0].map(percent);
        assert_eq!(told, ["<0.1", "0.4", "9.9", "10", "50", "100"]);
    }
}
