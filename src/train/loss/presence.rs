//! Which classes are in the picture.

use super::{Graded, Parts, Target, sigmoid, softplus};

/// Binary cross-entropy of `(photos, classes)` logits where the labels tell.
pub(super) fn graded(logits: &[f32], targets: &[Target], share: f32) -> Graded {
    let known: Vec<Option<bool>> = targets.iter().flat_map(Target::presence).collect();
    let count = known.iter().flatten().count().max(1) as f64;
    let factor = share / count as f32;
    let mut sum = 0.0;
    let one = |(logit, known): (&f32, &Option<bool>)| match known {
        None => 0.0,
        Some(is_there) => {
            let truth = f32::from(u8::from(*is_there));
            sum += f64::from(softplus(*logit) - truth * logit);
            factor * (sigmoid(*logit) - truth)
        }
    };
    let gradient = logits.iter().zip(&known).map(one).collect();
    let presence = sum / count;
    Graded {
        gradient,
        parts: Parts {
            presence,
            total: presence * f64::from(share),
            ..Parts::default()
        },
    }
}
