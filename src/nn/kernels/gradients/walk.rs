//! Going over a map's pixels and gathering what lies around each.

use std::ops::Range;

/// One direction of a [`Walk`].
#[derive(Clone, Debug)]
pub struct Axis {
    /// Places that are visited.
    pub places: usize,
    /// Source pixels from one place to the next.
    pub stride: usize,
    /// Pixels of the source.
    pub source: usize,
    /// Where around a place something is gathered, in source pixels, in
    /// ascending order.
    pub offsets: Vec<isize>,
}

impl Axis {
    /// The source pixel, unless that is outside.
    #[inline]
    fn at(&self, place: usize, offset: isize) -> Option<usize> {
        let at = (place * self.stride) as isize + offset;
        usize::try_from(at).ok().filter(|at| *at < self.source)
    }

    /// Whether no offset leads outside.
    #[inline]
    fn inside(&self, place: usize) -> bool {
        let ends = [self.offsets.first(), self.offsets.last()];
        let inside = |offset: &isize| self.at(place, *offset).is_some();
        ends.into_iter().flatten().all(inside)
    }
}

/// Places of maps, sample by sample, row by row, and taps around each, row by
/// row.
#[derive(Clone, Debug)]
pub struct Walk {
    down: Axis,
    across: Axis,
}

/// Values next to each other in the source and in what is gathered.
#[derive(Clone, Copy)]
struct Piece {
    down: isize,
    across: isize,
    /// The first channel.
    channel: usize,
    /// The first value of those gathered at a place.
    to: usize,
    len: usize,
}

impl Walk {
    /// A walk over all rows and columns.
    pub fn new(down: Axis, across: Axis) -> Self {
        Self { down, across }
    }

    /// Places of a sample.
    pub fn places(&self) -> usize {
        self.down.places * self.across.places
    }

    /// Places of a row.
    pub fn columns(&self) -> usize {
        self.across.places
    }

    /// What some places, counted over all samples, gather of `x` (samples,
    /// rows, columns, channels): of their (taps, channels) a `part`. Zeros
    /// outside of the map.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn gather(
        &self,
        x: &[f32],
        channels: usize,
        (places, part): (Range<usize>, Range<usize>),
        out: &mut [f32],
    ) {
        let single = self.pieces(channels, &part);
        let merged = merge(&single, channels);
        let map = self.down.source * self.across.source * channels;
        for (place, out) in places.zip(out.chunks_exact_mut(part.len())) {
            let (sample, place) = (place / self.places(), place % self.places());
            let (row, column) = (place / self.columns(), place % self.columns());
            let x = &x[sample * map..][..map];
            let pieces = match self.across.inside(column) {
                true => &merged,
                false => &single,
            };
            for piece in pieces {
                let out = &mut out[piece.to..][..piece.len];
                let at = self.down.at(row, piece.down);
                match at.zip(self.across.at(column, piece.across)) {
                    Some((row, column)) => {
                        let from = (row * self.across.source + column) * channels;
                        copy(&x[from + piece.channel..][..piece.len], out);
                    }
                    None => out.fill(0.0),
                }
            }
        }
    }

    /// The taps that a part of (taps, channels) touches.
    fn pieces(&self, channels: usize, part: &Range<usize>) -> Vec<Piece> {
        let across = self.across.offsets.len();
        (part.start / channels..part.end.div_ceil(channels))
            .map(|tap| {
                let from = part.start.max(tap * channels);
                let end = part.end.min((tap + 1) * channels);
                Piece {
                    down: self.down.offsets[tap / across],
                    across: self.across.offsets[tap % across],
                    channel: from - tap * channels,
                    to: from - part.start,
                    len: end - from,
                }
            })
            .collect()
    }
}

/// Joins the taps of neighbouring pixels.
fn merge(pieces: &[Piece], channels: usize) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if let Some(last) = merged.last_mut() {
            let end = last.across * channels as isize + (last.channel + last.len) as isize;
            let from = piece.across * channels as isize + piece.channel as isize;
            if last.down == piece.down && end == from {
                last.len += piece.len;
                continue;
            }
        }
        merged.push(*piece);
    }
    merged
}

/// Short pieces are not worth a call.
#[inline]
fn copy(from: &[f32], to: &mut [f32]) {
    if to.len() < 16 {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    } else {
        to.copy_from_slice(from);
    }
}
