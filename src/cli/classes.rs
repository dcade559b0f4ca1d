//! A model's class map as files have it: one byte a pixel, the model's own
//! numbers, and a legend.

use serde::Serialize;

use crate::label::{IGNORE, voc_color};
use crate::models::{ClassMap, Labels, ModelInfo, OUTSIDE};

/// The most classes that a byte can tell apart beside [`IGNORE`].
const MOST_CLASSES: usize = IGNORE as usize;

/// The pixels of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassPixels {
    /// The model's number of it, which is also the pixels' value.
    pub id: usize,
    /// Its name.
    pub name: String,
    /// Its colour: red, green, blue.
    pub color: [u8; 3],
    /// How many pixels have it.
    pub pixels: u64,
}

/// A class map that can be written.
#[derive(Debug)]
pub struct Legend {
    /// The class of each pixel, row by row; [`IGNORE`] where the model has not
    /// looked.
    pub ids: Vec<u8>,
    /// The classes that occur, in the order of their numbers.
    pub classes: Vec<ClassPixels>,
    /// Pixels that the model has not looked at.
    pub unseen: u64,
}

/// Refuse a model with more classes than a byte can tell apart.
pub fn check_count(info: &ModelInfo) -> Result<(), String> {
    let count = info.labels.classes.len();
    if count <= MOST_CLASSES {
        return Ok(());
    }
    Err(format!(
        "{} knows {count} classes, more than the {MOST_CLASSES} that an indexed PNG can hold: use dump for its scores",
        info.title
    ))
}

/// A class map as bytes and a legend.
///
/// # Errors
/// If a class has a number that no byte holds.
pub fn legend(map: &ClassMap, labels: &Labels) -> Result<Legend, String> {
    let byte = |id: &u16| match *id {
        OUTSIDE => Ok(IGNORE),
        id => u8::try_from(id)
            .ok()
            .filter(|id| *id != IGNORE)
            .ok_or_else(|| format!("class {id} does not fit into an indexed PNG")),
    };
    let ids = map.ids.iter().map(byte).collect::<Result<Vec<u8>, _>>()?;
    let counts = map.counts(MOST_CLASSES);
    let unseen = map.ids.len() as u64 - counts.iter().sum::<u64>();
    let occurring = counts
        .into_iter()
        .enumerate()
        .filter(|(_, pixels)| *pixels > 0);
    let classes = occurring.map(|(id, pixels)| ClassPixels {
        id,
        name: labels.name(id),
        color: color(labels, id),
        pixels,
    });
    Ok(Legend {
        classes: classes.collect(),
        ids,
        unseen,
    })
}

/// The colours of all bytes.
pub fn palette(labels: &Labels) -> [[u8; 3]; 256] {
    std::array::from_fn(|id| color(labels, id))
}

fn color(labels: &Labels, id: usize) -> [u8; 3] {
    match labels.classes.get(id) {
        Some(class) if id != usize::from(IGNORE) => class.color,
        _ => voc_color(u8::try_from(id).unwrap_or(IGNORE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Capability, ClassLabel, Family};
    use std::sync::Arc;

    fn labels(names: impl IntoIterator<Item = String>) -> Labels {
        let classes = names.into_iter().enumerate().map(|(id, name)| ClassLabel {
            id,
            name,
            color: [id as u8, 7, 9],
        });
        Labels {
            classes: classes.collect(),
        }
    }

    fn map(ids: &[u16]) -> ClassMap {
        ClassMap {
            width: ids.len(),
            height: 1,
            ids: ids.into(),
        }
    }

    #[test]
    fn legends_name_what_occurs() {
        let labels = labels(["wall", "door", "cat"].map(String::from));
        let legend = legend(&map(&[2, 0, 2, OUTSIDE, 2]), &labels).unwrap();
        assert_eq!(legend.ids, [2, 0, 2, 255, 2]);
        assert_eq!(legend.unseen, 1);
        let brief: Vec<_> = legend
            .classes
            .iter()
            .map(|c| (c.id, &c.name[..], c.pixels))
            .collect();
        assert_eq!(brief, [(0, "wall", 1), (2, "cat", 3)]);
        assert_eq!(legend.classes[1].color, labels.classes[2].color);
        assert_eq!(palette(&labels)[2], labels.classes[2].color);
        assert_eq!(palette(&labels)[255], voc_color(255));
    }

    #[test]
    fn more_classes_than_bytes_are_refused() {
        let info = |count: usize| ModelInfo {
            name: "many".into(),
            title: "Many".into(),
            family: Family::SegFormer,
            parameters: 1,
            licence: "CC0-1.0".into(),
            capabilities: (&[Capability::ClassMap][..]).into(),
            labels: Arc::new(labels((0..count).map(|id| id.to_string()))),
            embedded: false,
            crops: false,
        };
        assert_eq!(check_count(&info(255)), Ok(()));
        let told = check_count(&info(256)).unwrap_err();
        assert!(told.contains("Many knows 256 classes"), "{told}");
    }

    #[test]
    fn numbers_that_no_byte_holds_are_refused() {
        let labels = Labels::default();
        assert!(legend(&map(&[254]), &labels).is_ok());
        for id in [255, 256, 65534] {
            assert!(
                legend(&map(&[id]), &labels)
                    .unwrap_err()
                    .contains("does not fit"),
                "{id}"
            );
        }
    }
}
