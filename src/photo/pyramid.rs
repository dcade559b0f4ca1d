//! The pyramid: each level half the size of the one before, by averaging
//! 2 × 2 pixels.

use rayon::prelude::*;

use super::Level;

/// The side that the smallest level does not exceed.
const SMALLEST: u32 = 256;

/// All levels of a photo; the first is the photo itself.
pub(super) fn build(width: u32, height: u32, rgb: Vec<u8>) -> Vec<Level> {
    let mut last = Level { width, height, rgb };
    let mut levels = Vec::new();
    while last.width > SMALLEST || last.height > SMALLEST {
        let next = halved(&last);
        levels.push(std::mem::replace(&mut last, next));
    }
    levels.push(last);
    levels
}

/// Half the size, rounded up: where a side is odd, the last column or row is
/// the average of what there is.
fn halved(level: &Level) -> Level {
    let (width, height) = (level.width.div_ceil(2), level.height.div_ceil(2));
    let row = level.width as usize * 3;
    let mut rgb = vec![0; width as usize * height as usize * 3];
    rgb.par_chunks_exact_mut(width as usize * 3)
        .zip(level.rgb.par_chunks(row * 2))
        .for_each(|(out, rows)| {
            let (upper, lower) = rows.split_at(row);
            // the last row of an odd height stands alone: average it with itself
            let lower = if lower.is_empty() { upper } else { lower };
            average(out, upper, lower);
        });
    Level { width, height, rgb }
}

fn average(out: &mut [u8], upper: &[u8], lower: &[u8]) {
    let (upper, upper_rest) = upper.as_chunks::<6>();
    let (lower, lower_rest) = lower.as_chunks::<6>();
    let (out, _) = out.as_chunks_mut::<3>();
    for ((out, a), b) in out.iter_mut().zip(upper).zip(lower) {
        for (c, out) in out.iter_mut().enumerate() {
            let sum = u16::from(a[c]) + u16::from(a[c + 3]) + u16::from(b[c]) + u16::from(b[c + 3]);
            *out = ((sum + 2) >> 2) as u8;
        }
    }
    if let ([.., last], false) = (out, upper_rest.is_empty()) {
        for (out, (a, b)) in last.iter_mut().zip(upper_rest.iter().zip(lower_rest)) {
            *out = ((u16::from(*a) + u16::from(*b) + 1) >> 1) as u8;
        }
    }
}
