//! Class maps that other programs made, without segments.

use std::collections::HashMap;

use super::raster::Raster;
use crate::document::{Document, SegmentRecord};
use crate::label::{
    BACKGROUND, Class, ClassId, Classes, IGNORE, LabelMap, Mask, SegmentId, Span, voc_color,
};

/// How the pixels of a class map become segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelImport {
    /// Each connected area (corners connect) of a class becomes a segment; with
    /// more than 65535 areas, as [`LabelImport::OnePerClass`].
    #[default]
    ConnectedAreas,
    /// All pixels of a class become one segment.
    OnePerClass,
}

/// A class map as a document.
pub(super) struct Imported {
    /// Its classes include the unknown ones, named "class N".
    pub document: Document,
    /// Ids that are not in the list of classes, sorted.
    pub unknown: Vec<ClassId>,
}

/// Turn a class map of `size` into a document. The error follows "… cannot be
/// used: ".
pub(super) fn imported(
    raster: Raster,
    size: (u32, u32),
    classes: &Classes,
    how: LabelImport,
) -> Result<Imported, String> {
    let ids = class_ids(raster, classes)?;
    let mut used = [false; 256];
    ids.iter().for_each(|&id| used[usize::from(id)] = true);
    let unknown: Vec<ClassId> = (1..IGNORE)
        .filter(|&id| used[usize::from(id)] && classes.get(id).is_none())
        .collect();
    let classes = with_missing(classes, &unknown);
    let masks = class_masks(&ids, size.0);
    let (map, records) = segments(&masks, ids.len(), size.0, how);
    let labels = LabelMap::from_ids(size.0, size.1, &map);
    let document = Document::from_parts(labels, records, classes).map_err(|e| e.to_string())?;
    Ok(Imported { document, unknown })
}

/// The classes, and one named "class N" for each id that is missing.
pub(super) fn with_missing(classes: &Classes, missing: &[ClassId]) -> Classes {
    let mut out = classes.clone();
    for &id in missing {
        let taken = |name: &str| out.iter().any(|class| class.name == name);
        let mut name = format!("class {id}");
        while taken(&name) {
            name.push('\'');
        }
        let class = Class {
            id,
            name,
            color: voc_color(id),
        };
        let list = out.iter().cloned().chain([class]).collect();
        // reserved or double ids are not missing ones: keep what there was
        out = Classes::from_list(list).unwrap_or(out);
    }
    out
}

/// One class id per pixel, whatever way they are stored.
pub(super) fn class_ids(raster: Raster, classes: &Classes) -> Result<Vec<ClassId>, String> {
    match raster {
        Raster::Bytes(ids) => Ok(ids),
        Raster::Words(ids) => ids
            .into_iter()
            .map(|id| {
                ClassId::try_from(id)
                    .map_err(|_| format!("it holds the number {id}, and classes only go up to 255"))
            })
            .collect(),
        Raster::Colors(colors) => {
            let ours = classes.iter().map(|class| (class.color, class.id));
            let ours: HashMap<_, _> = ours.chain([(voc_color(IGNORE), IGNORE)]).collect();
            let voc = (0..=u8::MAX).map(|id| (voc_color(id), id)).collect();
            looked_up(&colors, &ours).or_else(|_| looked_up(&colors, &voc))
        }
    }
}

fn looked_up(
    colors: &[[u8; 3]],
    table: &HashMap<[u8; 3], ClassId>,
) -> Result<Vec<ClassId>, String> {
    // maps have long runs of one colour
    let mut last = ([0; 3], table.get(&[0; 3]).copied());
    let id = |&color: &[u8; 3]| {
        if last.0 != color {
            last = (color, table.get(&color).copied());
        }
        last.1.ok_or_else(|| {
            let [r, g, b] = color;
            format!(
                "it is a colour picture, and its colour ({r}, {g}, {b}) is neither that of a \
                 class nor one of PASCAL VOC"
            )
        })
    };
    colors.iter().map(id).collect()
}

/// The pixels of each class but the background, by id.
fn class_masks(ids: &[ClassId], width: u32) -> Vec<(ClassId, Mask)> {
    let mut spans: Vec<Vec<Span>> = vec![Vec::new(); 256];
    for (row, y) in ids.chunks_exact(width as usize).zip(0..) {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            let end = x + run.len() as u32;
            spans[usize::from(run[0])].push(Span::new(y, x, end));
            x = end;
        }
    }
    let classes = spans.into_iter().zip(0..=u8::MAX).skip(1);
    classes
        .filter(|(spans, _)| !spans.is_empty())
        .map(|(spans, id)| (id, Mask::from_sorted_spans(spans)))
        .collect()
}

/// Segment ids per pixel, and the list of segments.
fn segments(
    masks: &[(ClassId, Mask)],
    pixels: usize,
    width: u32,
    how: LabelImport,
) -> (Vec<SegmentId>, Vec<SegmentRecord>) {
    debug_assert!(masks.iter().all(|(id, _)| *id != BACKGROUND));
    let mut parts: Vec<(ClassId, Mask)> = Vec::new();
    for (class, mask) in masks {
        // the ignored rims of VOC's objects are one thing
        if how == LabelImport::OnePerClass || *class == IGNORE {
            parts.push((*class, mask.clone()));
        } else {
            parts.extend(mask.components().into_iter().map(|area| (*class, area)));
        }
        if parts.len() > usize::from(SegmentId::MAX) {
            return segments(masks, pixels, width, LabelImport::OnePerClass);
        }
    }
    let mut map = vec![0; pixels];
    let mut records = Vec::with_capacity(parts.len());
    for ((class, mask), id) in parts.iter().zip(1..) {
        records.push((id, *class, false, false, None));
        for span in mask.spans() {
            let row = span.y as usize * width as usize;
            map[row + span.x0 as usize..row + span.x1 as usize].fill(id);
        }
    }
    (map, records)
}
