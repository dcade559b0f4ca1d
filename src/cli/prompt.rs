//! What `segment` and `pipe` ask of a prompt before a model sees it.

use crate::models::Prompt;

/// Check a prompt against the photo that it is about. The complaint is a sentence.
///
/// This is stricter than the model: a point must lie on a pixel
/// (`0 <= x < width`), since a script that asks beside the photo has mixed up its
/// photos or its coordinates, and a prior alone does not say what to segment.
pub fn check(prompt: &Prompt, width: u32, height: u32) -> Result<(), String> {
    if prompt.points.is_empty() && prompt.bbox.is_none() {
        return Err("there is no point and no box: give at least one".to_owned());
    }
    // Exact: a side of a photo that fits into memory is far below 2^24 pixels.
    let (w, h) = (width as f32, height as f32);
    let on_pixel = |x: f32, y: f32| (0.0..w).contains(&x) && (0.0..h).contains(&y);
    if let Some(point) = prompt
        .points
        .iter()
        .find(|point| !on_pixel(point.x, point.y))
    {
        let (x, y) = (point.x, point.y);
        return Err(format!(
            "the point {x},{y} is outside the photo, which is {width} × {height} pixels"
        ));
    }
    // The prior came from the same model, so its size is right.
    let prior = prompt.mask.as_ref().map_or(0, |mask| mask.values().len());
    prompt
        .check(width, height, prior)
        .map_err(|error| error.to_string())
}
