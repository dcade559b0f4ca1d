//! What of the photo the tokens of a layer can see at all: what they cannot see
//! gets no attention, which is not to be shown as a low one.

use super::query::{TokenRect, visible};
use super::{AttentionError, Direction, Heatmap, Query};
use crate::models::geometry::View;
use crate::nn::capture::{Grouping, QueryKey};

/// Side of the patches of `record` in tokens, of which a token sees those at its
/// own place only (MobileViT); 1 in all other layers. A map is then looked at by
/// whole patches: [`Heatmap::of_patches`].
pub fn patch_side(record: &QueryKey) -> usize {
    match record.grouping {
        Grouping::Phases { side, .. } => side.max(1),
        Grouping::Whole | Grouping::Windows(_) => 1,
    }
}

/// The windows that `query` looks into, or is looked at from: nothing in layers
/// without windows.
///
/// # Errors
/// If the query names tokens that do not exist.
pub fn windows(
    record: &QueryKey,
    query: &Query,
    direction: Direction,
) -> Result<Vec<TokenRect>, AttentionError> {
    match record.grouping {
        Grouping::Windows(_) => visible(record, query, direction),
        Grouping::Whole | Grouping::Phases { .. } => Ok(Vec::new()),
    }
}

/// `maps` of a layer, which lie on `view`, as far as `query` can see: the part
/// with its windows and what is under that, or whole patches. For pictures that
/// show nothing else.
///
/// # Errors
/// If the query names tokens that do not exist.
pub fn in_sight(
    record: &QueryKey,
    (query, direction): (&Query, Direction),
    (maps, view): (&[&Heatmap], View),
) -> Result<(Vec<Heatmap>, View), AttentionError> {
    let windows = windows(record, query, direction)?;
    let part = windows.into_iter().reduce(TokenRect::union);
    let Some((part, map)) = part.zip(maps.first()) else {
        let side = patch_side(record);
        return Ok((maps.iter().map(|map| map.of_patches(side)).collect(), view));
    };
    let cut = maps.iter().map(|map| map.part(part)).collect();
    let first = view.image_from_token(map.grid, part.top, part.left);
    let last = view.image_from_token(
        map.grid,
        part.bottom.saturating_sub(1),
        part.right.saturating_sub(1),
    );
    let view = View {
        right: last.right,
        bottom: last.bottom,
        ..first
    };
    Ok((cut, view))
}

#[cfg(test)]
mod tests;
