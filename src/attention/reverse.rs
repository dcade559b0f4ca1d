//! Who attends here: columns of attention matrices, laid out on the photo.

use super::row::BLOCK;
use super::{AttentionError, Fusion, Heads, Query, Row};
use crate::nn::capture::{Group, PackedHead, QueryKey};
use crate::task::Task;
use rayon::prelude::*;

/// How much of its attention each query token spends on `target`, a token of
/// the key side (or the sum over several). The result lies on the query side of
/// the layer and does not sum to 1. Queries that are window padding are left
/// out.
///
/// The softmax of every query that can see the target has to be known; for
/// hovering, prepare them once with [`Reverse`].
///
/// # Errors
/// If there are no such attention heads or tokens.
pub fn reverse(record: &QueryKey, heads: &Heads, target: &Query) -> Result<Row, AttentionError> {
    let (heads, fusion) = heads.of(record)?;
    let targets = Targets::new(record, target)?;
    let one = |head: &usize| targets.row(*head, |_, group| log_sums(&group.packed(*head)?));
    let rows: Result<Vec<Row>, AttentionError> = heads.par_iter().map(one).collect();
    Row::fused(rows?, fusion).ok_or(AttentionError::NoHeads)
}

/// A layer prepared for [`reverse`]: the softmax denominator of every query is
/// known (4 bytes per query and attention head), so that asking for another
/// target costs no more than a row.
#[derive(Clone, Debug)]
pub struct Reverse {
    record: QueryKey,
    /// By group and attention head; one per query.
    log_sums: Vec<Vec<Vec<f32>>>,
}

impl Reverse {
    /// Prepare a layer: costs about as much as its part of a forward pass.
    ///
    /// # Errors
    /// [`AttentionError::Cancelled`].
    pub fn new(record: &QueryKey, task: Task<'_>) -> Result<Self, AttentionError> {
        let groups = (0..record.group_count()).into_par_iter();
        let one = |index| {
            let group = record.open(index)?;
            let heads = (0..record.attention_heads).into_par_iter();
            let sums = heads.map(|head| {
                task.check()?;
                log_sums(&group.packed(head)?)
            });
            sums.collect()
        };
        let log_sums: Result<_, AttentionError> = groups.map(one).collect();
        Ok(Self {
            record: record.clone(),
            log_sums: log_sums?,
        })
    }

    /// The layer's record.
    pub fn record(&self) -> &QueryKey {
        &self.record
    }

    /// Bytes held beside the record.
    pub fn bytes(&self) -> usize {
        let sums = self.log_sums.iter().flatten();
        4 * sums.map(Vec::len).sum::<usize>()
    }

    /// As [`reverse`].
    ///
    /// # Errors
    /// If there are no such attention heads or tokens.
    pub fn row(&self, heads: &Heads, target: &Query) -> Result<Row, AttentionError> {
        let (heads, fusion) = heads.of(&self.record)?;
        Row::fused(self.rows(&heads, target)?, fusion).ok_or(AttentionError::NoHeads)
    }

    /// As [`reverse`], through each attention head by itself.
    ///
    /// # Errors
    /// If there are no such tokens.
    pub fn all_heads(&self, target: &Query) -> Result<Vec<Row>, AttentionError> {
        let heads: Vec<usize> = (0..self.record.attention_heads).collect();
        self.rows(&heads, target)
    }

    fn rows(&self, heads: &[usize], target: &Query) -> Result<Vec<Row>, AttentionError> {
        let targets = Targets::new(&self.record, target)?;
        let known = |index: usize, head: usize| {
            let sums = self.log_sums.get(index).and_then(|heads| heads.get(head));
            Ok(sums.cloned().unwrap_or_default())
        };
        let one = |head: &usize| targets.row(*head, |index, _| known(index, *head));
        heads.par_iter().map(one).collect()
    }
}

/// The logarithms of the softmax denominators of all queries.
fn log_sums(head: &PackedHead) -> Result<Vec<f32>, AttentionError> {
    let places: Vec<usize> = (0..head.queries()).collect();
    let blocks = places.par_chunks(BLOCK).map(|places| head.log_sums(places));
    let blocks: Result<Vec<_>, _> = blocks.collect();
    Ok(blocks?.concat())
}

/// The keys that are looked at, with their groups' queries.
struct Targets<'r> {
    record: &'r QueryKey,
    groups: Vec<(usize, Group<'r>, Vec<usize>)>,
}

impl<'r> Targets<'r> {
    fn new(record: &'r QueryKey, target: &Query) -> Result<Self, AttentionError> {
        let places = target.places(record, record.key_tokens)?;
        let open = |(index, places)| Ok((index, record.open(index)?, places));
        let groups: Result<Vec<_>, AttentionError> = places.into_par_iter().map(open).collect();
        let groups = groups?;
        Ok(Self { record, groups })
    }

    /// The sum of the columns, through one attention head.
    fn row(
        &self,
        head: usize,
        log_sums: impl Fn(usize, &Group<'_>) -> Result<Vec<f32>, AttentionError>,
    ) -> Result<Row, AttentionError> {
        let tokens = self.record.query_tokens;
        let mut row = Row::zeros(tokens);
        for (index, group, places) in &self.groups {
            let log_sums = log_sums(*index, group)?;
            let mut sum = vec![0.0; group.queries()];
            for place in places {
                Fusion::Mean.take(&mut sum, &group.column(head, *place, &log_sums)?);
            }
            row.add(tokens, self.record.grouping, *index, &sum);
        }
        // Padding asks too, but stands for nothing.
        row.padding = 0.0;
        Ok(row)
    }
}

#[cfg(test)]
mod tests;
