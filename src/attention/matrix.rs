//! Whole attention matrices, as the reference implementations give them.

use super::row::BLOCK;
use super::{AttentionError, npy};
use crate::nn::capture::{Bias, Group, Grouping, QueryKey};
use candle_core::{Device, Tensor};
use rayon::prelude::*;

/// Bytes that a matrix may take: all attention heads of 16,384 tokens would be
/// more.
const LIMIT: u64 = 8 << 30;
/// Bytes that matrices may take in a file, of which there are three copies
/// while it is made.
const FILE_LIMIT: u64 = 2 << 30;

/// The attention matrix of one attention head in one group (0 where there is
/// but one): (queries, keys), padding included, each row summing to 1.
///
/// # Errors
/// If there is no such attention head or group, or the matrix would be huge.
pub fn matrix(record: &QueryKey, head: usize, group: usize) -> Result<Tensor, AttentionError> {
    if head >= record.attention_heads {
        return Err(AttentionError::NoHead {
            layer: record.layer.clone(),
            heads: record.attention_heads,
            head,
        });
    }
    let group = record.open(group)?;
    let (queries, keys) = (group.queries(), group.keys());
    check(&[queries, keys], LIMIT)?;
    let mut values = vec![0.0; queries * keys];
    fill(&group, head, &mut values)?;
    Ok(Tensor::from_vec(values, (queries, keys), &Device::Cpu)?)
}

/// All attention weights of a layer, in the shape that the reference
/// implementation (transformers, eager attention) gives them:
///
/// | layer | shape |
/// |---|---|
/// | one sequence (ViT kin, SegFormer, the prompt decoder) | (1, heads, queries, keys) |
/// | relative positions (SAM's global layers) | (heads, queries, keys) |
/// | windows (SAM, TinyViT) | (windows · heads, tokens, tokens), windows slower than heads |
/// | phases (MobileViT) | (phases, heads, tokens, tokens) |
///
/// # Errors
/// If the result would be huge.
pub fn attentions(record: &QueryKey) -> Result<Tensor, AttentionError> {
    let [groups, heads, queries, keys] = shape(record);
    check(&shape(record), LIMIT)?;
    let mut values = vec![0.0; groups * heads * queries * keys];
    let parts = values.par_chunks_mut(heads * queries * keys).enumerate();
    parts.try_for_each(|(index, part)| {
        let group = record.open(index)?;
        let heads = part.par_chunks_mut(queries * keys).enumerate();
        heads.try_for_each(|(head, part)| fill(&group, head, part))
    })?;
    let flat = matches!(record.grouping, Grouping::Windows(_))
        || matches!(record.bias, Bias::Relative { .. });
    let all = Tensor::from_vec(values, (groups, heads, queries, keys), &Device::Cpu)?;
    Ok(if flat { all.flatten(0, 1)? } else { all })
}

/// All attention weights of a layer, in the shape of [`attentions`], as the bytes
/// of an `.npy` file.
///
/// # Errors
/// If they take more than 2 GiB.
pub fn attentions_npy(record: &QueryKey) -> Result<Vec<u8>, AttentionError> {
    check(&shape(record), FILE_LIMIT)?;
    let all = attentions(record)?;
    let values: Vec<f32> = all.flatten_all()?.to_vec1()?;
    npy(all.dims(), &values)
}

/// Groups, attention heads, queries and keys of a group.
fn shape(record: &QueryKey) -> [usize; 4] {
    let members = |tokens| record.grouping.members(tokens);
    [
        record.group_count(),
        record.attention_heads,
        members(record.query_tokens),
        members(record.key_tokens),
    ]
}

/// The weights of one attention head to `out` (queries, keys).
fn fill(group: &Group<'_>, head: usize, out: &mut [f32]) -> Result<(), AttentionError> {
    let packed = group.packed(head)?;
    let places: Vec<usize> = (0..packed.queries()).collect();
    out.par_chunks_mut(BLOCK * packed.keys())
        .zip(places.par_chunks(BLOCK))
        .try_for_each(|(out, places)| packed.weights(places, out))?;
    Ok(())
}

fn check(shape: &[usize], limit: u64) -> Result<(), AttentionError> {
    let bytes = shape
        .iter()
        .fold(4u64, |bytes, side| bytes.saturating_mul(*side as u64));
    if bytes > limit {
        return Err(AttentionError::TooLarge {
            what: "the attention matrix",
            bytes,
            limit,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
