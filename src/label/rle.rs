//! COCO's compressed run lengths, as pycocotools writes and reads them.
//!
//! Pixels are counted down the columns, from the top left: so many outside, so
//! many inside, and so on. From the fourth count on, the difference to the
//! count two before is stored. Each number is written in groups of five bits,
//! least significant first, the sixth bit saying that more follow and the top
//! bit of the last group being the sign, each group as the character with code
//! 48 + group (`rleToString` in cocoapi's `maskApi.c`).

use serde::{Deserialize, Serialize};

use super::mask::{for_each_change, for_each_line};
use super::{Mask, Rect, Span};

/// A mask in COCO's compressed form, named like the object in its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CocoRle {
    /// Height and width of the photo in pixels.
    pub size: [u32; 2],
    /// The run lengths, as characters.
    pub counts: String,
}

/// Why a compressed mask cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    /// A character that no count is written with.
    #[error("the run lengths hold {0:?}, which is no part of a COCO mask")]
    Character(char),
    /// The text ends within a number.
    #[error("the run lengths end in the middle of a number: the text was cut off")]
    CutOff,
    /// A count is negative or beyond any photo.
    #[error("the run lengths hold an impossible count")]
    Count,
    /// The counts do not add up to the size.
    #[error("the run lengths cover {covered} pixels, but the size is {width} × {height}")]
    Size {
        /// Pixels counted.
        covered: u64,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// A side beyond [`CocoRle::LONGEST_SIDE`].
    #[error("a mask of {width} × {height} pixels is too large: the longest side is {max}", max = CocoRle::LONGEST_SIDE)]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
}

impl CocoRle {
    /// The longest side in pixels of a mask that is decoded; a short text could
    /// otherwise ask for any amount of memory.
    pub const LONGEST_SIDE: u32 = 1 << 20;

    /// The pixels of `mask` that are inside of `width` × `height`.
    pub fn encode(mask: &Mask, width: u32, height: u32) -> Self {
        let mask = mask.clip(Rect::of_size(width, height));
        let total = u64::from(width) * u64::from(height);
        let mut counts: Vec<u64> = Vec::new();
        let mut at = 0;
        for run in transposed(&mask) {
            let length = u64::from(run.len());
            let start = u64::from(run.y) * u64::from(height) + u64::from(run.x0);
            // A run that ends at the bottom goes on at the top of the next column.
            match counts.last_mut() {
                Some(last) if start == at => *last += length,
                _ => counts.extend([start - at, length]),
            }
            at = start + length;
        }
        if at < total || counts.is_empty() {
            counts.push(total - at);
        }
        Self {
            size: [height, width],
            counts: text_from_counts(&counts),
        }
    }

    /// The mask.
    ///
    /// # Errors
    /// If the text is not what [`encode`](Self::encode) or pycocotools would
    /// write for some mask of this size.
    pub fn decode(&self) -> Result<Mask, RleError> {
        let [height, width] = self.size;
        if width.max(height) > Self::LONGEST_SIDE {
            return Err(RleError::TooLarge { width, height });
        }
        let counts = counts_from_text(&self.counts)?;
        let total = u64::from(width) * u64::from(height);
        let sum = counts.iter().try_fold(0u64, |sum, &n| sum.checked_add(n));
        let covered = sum.ok_or(RleError::Count)?;
        if covered != total {
            return Err(RleError::Size {
                covered,
                width,
                height,
            });
        }
        let mut columns = Vec::new();
        let mut at = 0;
        for (index, count) in counts.into_iter().enumerate() {
            if index % 2 == 1 {
                push_columns(&mut columns, at, at + count, u64::from(height));
            }
            at += count;
        }
        let turned = Mask::from_spans(columns);
        Ok(Mask::from_sorted_spans(transposed(&turned)))
    }
}

/// Appends the pixels `from..to`, counted down the columns, as spans whose row
/// is the column.
fn push_columns(columns: &mut Vec<Span>, mut from: u64, to: u64, height: u64) {
    while from < to {
        let (column, y0) = (from / height, from % height);
        let y1 = height.min(y0 + to - from);
        // All three are at most the size, which fits.
        columns.push(Span::new(column as u32, y0 as u32, y1 as u32));
        from += y1 - y0;
    }
}

/// The spans of the mask with rows and columns exchanged, sorted. Time goes
/// with the number of spans before and after, and the width.
fn transposed(mask: &Mask) -> Vec<Span> {
    let left = mask.bounds().x0;
    let mut starts = vec![0; mask.bounds().width() as usize];
    let mut per_column = vec![0usize; mask.bounds().width() as usize + 1];
    let mut runs: Vec<Span> = Vec::new();
    for_each_line(mask.spans(), |y, above, below| {
        for_each_change(above, below, |x0, x1, enters| {
            for x in x0..x1 {
                let column = (x - left) as usize;
                if enters {
                    starts[column] = y;
                } else {
                    runs.push(Span::new(x, starts[column], y));
                    per_column[column + 1] += 1;
                }
            }
        });
    });
    // The runs come sorted by their ends; a counting sort by column keeps that.
    for column in 1..per_column.len() {
        per_column[column] += per_column[column - 1];
    }
    let mut sorted = vec![Span::new(0, 0, 0); runs.len()];
    for run in runs {
        let place = &mut per_column[(run.y - left) as usize];
        sorted[*place] = run;
        *place += 1;
    }
    sorted
}

fn text_from_counts(counts: &[u64]) -> String {
    let mut text = String::with_capacity(counts.len() * 2);
    for (index, &count) in counts.iter().enumerate() {
        let before = if index > 2 { counts[index - 2] } else { 0 };
        // Counts are at most 2^64 / 2 for any photo that fits into memory.
        let mut rest = count as i64 - before as i64;
        loop {
            let group = (rest & 0x1f) as u8;
            rest >>= 5;
            let done = rest == if group & 0x10 != 0 { -1 } else { 0 };
            text.push(char::from(48 + group + if done { 0 } else { 0x20 }));
            if done {
                break;
            }
        }
    }
    text
}

fn counts_from_text(text: &str) -> Result<Vec<u64>, RleError> {
    let mut counts: Vec<u64> = Vec::with_capacity(text.len());
    let (mut value, mut shift) = (0i64, 0);
    for character in text.chars() {
        if !('0'..'p').contains(&character) {
            return Err(RleError::Character(character));
        }
        if shift > 55 {
            return Err(RleError::Count);
        }
        let group = i64::from(u32::from(character) - 48);
        value |= (group & 0x1f) << shift;
        shift += 5;
        if group & 0x20 != 0 {
            continue;
        }
        if group & 0x10 != 0 {
            value |= -1 << shift;
        }
        if counts.len() > 2 {
            // Both are far below 2^62, so the sum fits.
            value += counts[counts.len() - 2] as i64;
        }
        if !(0..1 << 50).contains(&value) {
            return Err(RleError::Count);
        }
        counts.push(value as u64);
        (value, shift) = (0, 0);
    }
    if shift != 0 {
        return Err(RleError::CutOff);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests;
