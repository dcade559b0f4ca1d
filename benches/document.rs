//! How long edits take on a photo of 8192 × 8192 pixels.
//!
//! `cargo bench --bench document`. A dab has to be far below the 16 ms of a
//! frame, however large the photo and however many segments there are.

use divan::{Bencher, black_box};
use patchlens::document::{
    Classified, Document, History, Target, accept, accept_all, brush, delete_segment, paint,
};
use patchlens::label::{Classes, CocoRle, Mask, Rect, contours};

const SIDE: u32 = 8192;

fn main() {
    divan::main();
}

fn disc(x: f32, y: f32, radius: f32) -> Mask {
    brush::dab([x, y], radius, (SIDE, SIDE))
}

fn blank() -> Document {
    Document::new(SIDE, SIDE, Classes::default())
}

/// A photo full of cells: `across` × `across` discs, a segment each.
fn cells(across: u32) -> Document {
    let step = SIDE as f32 / across as f32;
    let at = |i: u32| (i as f32 + 0.5) * step;
    let masks: Vec<Classified> = (0..across * across)
        .map(|i| Classified {
            mask: disc(at(i % across), at(i / across), step * 0.45),
            class: 1,
            score: None,
        })
        .collect();
    match accept_all(&blank(), &masks) {
        Ok(edited) => edited.document,
        Err(error) => panic!("{error}"),
    }
}

/// What a model might find: a blob over most of the photo with a rough edge
/// and many holes.
fn rough(side: u32) -> Mask {
    let wave = |v: u32, period: f32| (v as f32 / period).sin();
    Mask::from_fn(Rect::of_size(side, side), |x, y| {
        let bump = wave(x, 31.0) * wave(y, 23.0) + 0.3 * wave(x * 7 + y * 3, 11.0);
        let (dx, dy) = (x as f32 / side as f32 - 0.5, y as f32 / side as f32 - 0.5);
        bump > 4.0 * (dx * dx + dy * dy) - 0.9
    })
}

#[divan::bench(args = [0.5, 20.0, 100.0, 400.0])]
fn dab(bencher: Bencher, radius: f32) {
    let document = cells(20);
    let target = Target::Segment(210);
    let places = (0u32..).map(|i| (i * 997 % SIDE, i * 577 % SIDE));
    let mut masks = places.map(|(x, y)| disc(x as f32, y as f32, radius));
    bencher
        .with_inputs(|| masks.next())
        .bench_local_values(|mask| paint(&document, &mask?, target).ok());
}

#[divan::bench(args = [20, 70, 200])]
fn dab_among_segments(bencher: Bencher, across: u32) {
    let document = cells(across);
    let mask = disc(4000.0, 4000.0, 20.0);
    bencher.bench(|| paint(&document, black_box(&mask), Target::Segment(1)));
}

#[divan::bench]
fn dab_with_its_geometry_within_a_gesture(bencher: Bencher) {
    let mut history = History::new(cells(20), 1 << 28);
    history.begin_gesture();
    let mut at = 0.0;
    bencher.bench_local(|| {
        at = (at + 7.0) % 8000.0;
        let mask = brush::capsule([at, 3000.0], [at + 7.0, 3003.0], 30.0, (SIDE, SIDE));
        if let Ok(edited) = paint(history.current(), &mask, Target::Segment(7)) {
            history.replace(edited.document);
        }
    });
}

#[divan::bench(args = [20, 200])]
fn undo_and_redo(bencher: Bencher, across: u32) {
    let mut history = History::new(cells(across), 1 << 30);
    let mask = disc(4000.0, 4000.0, 400.0);
    if let Ok(edited) = paint(history.current(), &mask, Target::Segment(1)) {
        history.apply("Brush", edited.document);
    }
    bencher.bench_local(|| (history.undo(), history.redo()));
}

#[divan::bench]
fn accept_a_mask_of_most_of_the_photo(bencher: Bencher) {
    let (document, mask) = (blank(), rough(SIDE));
    bencher.bench(|| accept(&document, black_box(&mask), 1, None));
}

#[divan::bench]
fn accept_400_masks_at_once(bencher: Bencher) {
    bencher.bench(|| cells(black_box(20)));
}

#[divan::bench]
fn delete_a_cell(bencher: Bencher) {
    let document = cells(20);
    bencher.bench(|| delete_segment(&document, black_box(210)));
}

#[divan::bench]
fn mask_of_a_cell(bencher: Bencher) {
    let document = cells(20);
    bencher.bench(|| document.labels().mask_of(black_box(210)));
}

#[divan::bench(args = [1024, 8192])]
fn contours_of_a_rough_mask(bencher: Bencher, side: u32) {
    let mask = rough(side);
    bencher.bench(|| contours(black_box(&mask)));
}

#[divan::bench(args = [1024, 8192])]
fn rle_of_a_rough_mask(bencher: Bencher, side: u32) {
    let mask = rough(side);
    bencher.bench(|| CocoRle::encode(black_box(&mask), side, side));
}

#[divan::bench]
fn clean_a_rough_mask(bencher: Bencher) {
    let mask = rough(SIDE);
    bencher.bench(|| {
        black_box(&mask)
            .fill_holes_below(100)
            .drop_islands_below(100)
    });
}

#[divan::bench]
fn union_with_a_rough_mask(bencher: Bencher) {
    let (mask, disc) = (rough(SIDE), disc(4000.0, 4000.0, 3000.0));
    bencher.bench(|| black_box(&mask).union(&disc));
}
