//! The losses of pixels.

use rayon::prelude::*;

use super::{Graded, Measure, Parts, Target, sigmoid, softplus};

/// Pixels that one thread takes at a time.
const BAND: usize = 8192;
/// How much more a pixel on a rim counts than one beside it: rims are thin.
const RIM_WEIGHT: f32 = 3.0;
/// Added to both sides of a Dice fraction, in pixels, so that a class of a few
/// pixels does not shake the loss.
const SMOOTH: f64 = 1.0;

/// Sums over pixels.
#[derive(Clone, Debug)]
struct Sums {
    cross_entropy: f64,
    weights: f64,
    /// Per class, of the probabilities on its own pixels.
    hits: Vec<f64>,
    /// Per class, of the probabilities on all labelled pixels.
    probabilities: Vec<f64>,
    /// Per class, of its pixels.
    pixels: Vec<f64>,
    boundary: f64,
    rims: f64,
}

impl Sums {
    fn new(classes: usize) -> Self {
        let zeros = vec![0.0; classes];
        Self {
            cross_entropy: 0.0,
            weights: 0.0,
            hits: zeros.clone(),
            probabilities: zeros.clone(),
            pixels: zeros,
            boundary: 0.0,
            rims: 0.0,
        }
    }

    fn add(&mut self, other: &Self) {
        self.cross_entropy += other.cross_entropy;
        self.weights += other.weights;
        self.boundary += other.boundary;
        self.rims += other.rims;
        let lists = [
            (&mut self.hits, &other.hits),
            (&mut self.probabilities, &other.probabilities),
            (&mut self.pixels, &other.pixels),
        ];
        for (ours, theirs) in lists {
            ours.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }
}

/// What the second pass needs to know of all pixels.
struct Factors {
    /// Of the cross-entropy, per class of the pixel.
    cross_entropy: Vec<f32>,
    /// Of the Dice loss to the probability of a class: everywhere, ...
    dice: Vec<f32>,
    /// ... and less by this on its own pixels.
    dice_hit: Vec<f32>,
    boundary: f32,
}

/// The losses of `(photos, pixels, channels)` logits.
pub(super) fn graded(
    logits: &[f32],
    channels: usize,
    targets: &[Target],
    measure: &Measure,
) -> Graded {
    let classes = measure.class_weights.len();
    let mut gradient = vec![0.0; logits.len()];
    let photo = logits.len() / targets.len().max(1);
    let bands = |gradient: &mut [f32], work: &(dyn Fn(&mut [f32], Band<'_>) -> Sums + Sync)| {
        let photos = gradient.par_chunks_mut(photo).zip(logits.par_chunks(photo));
        let sums: Vec<Vec<Sums>> = photos
            .zip(targets)
            .map(|((gradient, logits), target)| {
                let bands = gradient.par_chunks_mut(BAND * channels);
                let bands = bands.zip(logits.par_chunks(BAND * channels)).enumerate();
                let bands = bands.map(|(at, (gradient, logits))| {
                    work(gradient, Band::new(logits, channels, target, at * BAND))
                });
                bands.collect()
            })
            .collect();
        let mut total = Sums::new(classes);
        sums.iter().flatten().for_each(|sums| total.add(sums));
        total
    };
    let sums = bands(&mut gradient, &|out, band| {
        probabilities(out, &band, &measure.class_weights)
    });
    let (parts, factors) = joined(&sums, measure);
    bands(&mut gradient, &|out, band| {
        differentiate(out, &band, &factors);
        Sums::new(0)
    });
    Graded { parts, gradient }
}

/// Some pixels of one photo.
struct Band<'a> {
    logits: &'a [f32],
    channels: usize,
    labels: &'a [u8],
    boundary: Option<&'a [u8]>,
    annotated: &'a [bool],
    /// The classes that are annotated.
    listed: Vec<usize>,
}

impl<'a> Band<'a> {
    fn new(logits: &'a [f32], channels: usize, target: &'a Target, first: usize) -> Self {
        let count = logits.len() / channels;
        let annotated = &target.annotated;
        Self {
            logits,
            channels,
            labels: &target.labels[first..][..count],
            boundary: target.boundary.as_ref().map(|b| &b[first..][..count]),
            annotated,
            listed: (0..annotated.len()).filter(|at| annotated[*at]).collect(),
        }
    }

    /// The class of a pixel, if it counts.
    fn class(&self, pixel: usize) -> Option<usize> {
        let class = usize::from(self.labels[pixel]);
        self.annotated
            .get(class)
            .is_some_and(|a| *a)
            .then_some(class)
    }

    /// Whether a pixel is on a rim, where the network says it and it is known.
    fn rim(&self, pixel: usize) -> Option<bool> {
        let has_channel = self.channels > self.annotated.len();
        let rim = self.boundary.filter(|_| has_channel)?[pixel];
        (rim < 2).then_some(rim == 1)
    }
}

/// The first pass: probabilities into `out`, sums over them.
fn probabilities(out: &mut [f32], band: &Band<'_>, weights: &[f32]) -> Sums {
    let classes = band.annotated.len();
    let mut sums = Sums::new(classes);
    let pixels = out.chunks_exact_mut(band.channels);
    let pixels = pixels.zip(band.logits.chunks_exact(band.channels));
    for (at, (out, logits)) in pixels.enumerate() {
        if let Some(class) = band.class(at) {
            let highest = |best: f32, at: &usize| best.max(logits[*at]);
            let highest = band.listed.iter().fold(f32::NEG_INFINITY, highest);
            let mut total = 0.0;
            for &listed in &band.listed {
                out[listed] = (logits[listed] - highest).exp();
                total += out[listed];
            }
            let share = 1.0 / total;
            for &listed in &band.listed {
                out[listed] *= share;
                sums.probabilities[listed] += f64::from(out[listed]);
            }
            let loss = total.ln() + highest - logits[class];
            sums.cross_entropy += f64::from(weights[class] * loss);
            sums.weights += f64::from(weights[class]);
            sums.hits[class] += f64::from(out[class]);
            sums.pixels[class] += 1.0;
        }
        if let Some(is_rim) = band.rim(at) {
            let logit = logits[classes];
            sums.boundary += f64::from(match is_rim {
                true => RIM_WEIGHT * softplus(-logit),
                false => softplus(logit),
            });
            sums.rims += 1.0;
        }
    }
    sums
}

/// The losses from the sums over all pixels, and the factors of the gradient.
fn joined(sums: &Sums, measure: &Measure) -> (Parts, Factors) {
    let shares = measure.shares;
    let classes = measure.class_weights.len();
    let weight = sums.weights.max(f64::MIN_POSITIVE);
    let there = sums.pixels.iter().filter(|pixels| **pixels > 0.0).count();
    let mut dice = 0.0;
    let (mut everywhere, mut hit) = (vec![0.0; classes], vec![0.0; classes]);
    for class in (0..classes).filter(|class| sums.pixels[*class] > 0.0) {
        let above = 2.0 * sums.hits[class] + SMOOTH;
        let below = sums.probabilities[class] + sums.pixels[class] + SMOOTH;
        dice += (1.0 - above / below) / there as f64;
        let share = f64::from(shares.dice) / there as f64;
        everywhere[class] = (share * above / (below * below)) as f32;
        hit[class] = (share * 2.0 / below) as f32;
    }
    let cross_entropy = sums.cross_entropy / weight;
    let rims = sums.rims.max(1.0);
    let boundary = sums.boundary / rims;
    let total = f64::from(shares.cross_entropy) * cross_entropy
        + f64::from(shares.dice) * dice
        + f64::from(shares.boundary) * boundary;
    let parts = Parts {
        total,
        cross_entropy,
        dice,
        boundary,
        presence: 0.0,
    };
    let of_class = |w: &f32| (f64::from(shares.cross_entropy * w) / weight) as f32;
    let factors = Factors {
        cross_entropy: match sums.weights > 0.0 {
            true => measure.class_weights.iter().map(of_class).collect(),
            false => vec![0.0; classes],
        },
        dice: everywhere,
        dice_hit: hit,
        boundary: (f64::from(shares.boundary) / rims) as f32,
    };
    (parts, factors)
}

/// The second pass: probabilities in `out` become the gradient.
fn differentiate(out: &mut [f32], band: &Band<'_>, factors: &Factors) {
    let classes = band.annotated.len();
    let pixels = out.chunks_exact_mut(band.channels);
    let pixels = pixels.zip(band.logits.chunks_exact(band.channels));
    for (at, (out, logits)) in pixels.enumerate() {
        if let Some(class) = band.class(at) {
            let slope = |at: usize| {
                let hit = if at == class {
                    factors.dice_hit[at]
                } else {
                    0.0
                };
                factors.dice[at] - hit
            };
            let mean: f32 = band.listed.iter().map(|&at| out[at] * slope(at)).sum();
            let factor = factors.cross_entropy[class];
            for &at in &band.listed {
                let truth = if at == class { 1.0 } else { 0.0 };
                let probability = out[at];
                out[at] = factor * (probability - truth) + probability * (slope(at) - mean);
            }
        }
        if let Some(is_rim) = band.rim(at) {
            let probability = sigmoid(logits[classes]);
            out[classes] = factors.boundary
                * match is_rim {
                    true => RIM_WEIGHT * (probability - 1.0),
                    false => probability,
                };
        }
    }
}
