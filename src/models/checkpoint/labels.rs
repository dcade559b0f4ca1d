//! What a model's classes mean.

use super::Config;
use crate::models::ModelError;
use serde_json::{Map, Value};

/// The most classes that are believed.
const MAX_CLASSES: usize = 1 << 20;
/// Classes of a model whose configuration does not count them, as the
/// reference implementation has it.
const DEFAULT_CLASSES: usize = 2;

/// The classes that a model knows, by its own numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// One per output, in order; empty for models without classes.
    pub classes: Vec<ClassLabel>,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassLabel {
    /// The model's number of it.
    pub id: usize,
    /// Its name.
    pub name: String,
    /// A colour for it: red, green, blue.
    pub color: [u8; 3],
}

impl Labels {
    /// From `id2label`, or else `num_labels`; two for classifiers and dense
    /// models that say neither. Colours are those of `palette`, or else PASCAL
    /// VOC's.
    ///
    /// # Errors
    /// [`ModelError::Config`] for an impossible number of classes.
    pub fn of(config: &Config) -> Result<Self, ModelError> {
        let names = names(config);
        let class = config
            .get("architectures")
            .and_then(|list| list.get(0)?.as_str());
        let default = match class {
            Some(class)
                if ["Classification", "Segmentation"]
                    .iter()
                    .any(|kind| class.contains(kind)) =>
            {
                DEFAULT_CLASSES
            }
            _ => 0,
        };
        let count = match &names {
            Some(names) => names.len(),
            None => config.usize("num_labels", default)?,
        };
        if count > MAX_CLASSES {
            return Err(config.bad(format!(
                "it has {count} classes, at most {MAX_CLASSES} are supported"
            )));
        }
        let names = names.unwrap_or_default();
        let classes = (0..count).map(|id| ClassLabel {
            id,
            name: name(&names, id),
            color: palette(config, id).unwrap_or_else(|| voc_color(id)),
        });
        Ok(Self {
            classes: classes.collect(),
        })
    }

    /// The name of a class; its number if it has none.
    pub fn name(&self, id: usize) -> String {
        match self.classes.get(id) {
            Some(class) => class.name.clone(),
            None => default_name(id),
        }
    }
}

/// `id2label`: an object with numbers as keys, or a list.
fn names(config: &Config) -> Option<Map<String, Value>> {
    match config.get("id2label")? {
        Value::Object(names) => Some(names.clone()),
        Value::Array(names) => {
            let numbered = names.iter().enumerate();
            Some(
                numbered
                    .map(|(id, name)| (id.to_string(), name.clone()))
                    .collect(),
            )
        }
        _ => None,
    }
}

fn name(names: &Map<String, Value>, id: usize) -> String {
    match names.get(&id.to_string()) {
        Some(Value::String(name)) => name.clone(),
        Some(other) => other.to_string(),
        None => default_name(id),
    }
}

fn default_name(id: usize) -> String {
    format!("LABEL_{id}")
}

fn palette(config: &Config, id: usize) -> Option<[u8; 3]> {
    let color = config.get("palette")?.get(id)?.as_array()?;
    let byte = |value: &Value| value.as_u64().and_then(|v| u8::try_from(v).ok());
    let bytes: Option<Vec<u8>> = color.iter().map(byte).collect();
    bytes?.try_into().ok()
}

/// PASCAL VOC's colours ([`crate::label::voc_color`]) for any number: its bits,
/// three at a time, from the top bits of red, green and blue down.
fn voc_color(id: usize) -> [u8; 3] {
    let mut color = [0; 3];
    for place in 0..8 {
        for (channel, value) in color.iter_mut().enumerate() {
            let bit = (id >> (3 * place + channel)) & 1;
            *value |= (bit as u8) << (7 - place);
        }
    }
    color
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(json: &str) -> Labels {
        Labels::of(&Config::parse_text(json, "config.json").unwrap()).unwrap()
    }

    fn names_of(json: &str) -> Vec<String> {
        labels(json).classes.into_iter().map(|c| c.name).collect()
    }

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let json = r#"{"id2label": {"10": "k", "2": "c", "0": "a", "1": "b"}}"#;
        assert_eq!(names_of(json), ["a", "b", "c", "LABEL_3"]);
        assert_eq!(names_of(r#"{"id2label": ["a", 7]}"#), ["a", "7"]);
        let labels = labels(json);
        assert!(labels.classes.iter().enumerate().all(|(i, c)| c.id == i));
        assert_eq!(
            (labels.name(2), labels.name(9)),
            ("c".into(), "LABEL_9".into())
        );
    }

    #[test]
    fn unnamed_classes_are_numbered() {
        assert_eq!(
            names_of(r#"{"num_labels": 3}"#),
            ["LABEL_0", "LABEL_1", "LABEL_2"]
        );
        let json = r#"{"architectures": ["ViTForImageClassification"]}"#;
        assert_eq!(names_of(json), ["LABEL_0", "LABEL_1"]);
        assert!(names_of(r#"{"architectures": ["ViTModel"]}"#).is_empty());
        assert!(names_of(r#"{"id2label": null}"#).is_empty());
    }

    #[test]
    fn impossible_numbers_of_classes_take_no_memory() {
        for json in [
            r#"{"num_labels": 1e300}"#,
            r#"{"num_labels": 4294967296}"#,
            r#"{"num_labels": -1}"#,
        ] {
            let error = Labels::of(&Config::parse_text(json, "c.json").unwrap()).unwrap_err();
            assert!(matches!(error, ModelError::Config { .. }), "{error}");
        }
        let json = r#"{"id2label": {"18446744073709551615": "far", "-1": "less"}}"#;
        assert_eq!(names_of(json), ["LABEL_0", "LABEL_1"]);
    }

    #[test]
    fn colours_are_vocs_and_all_different() {
        for id in 0..=255u8 {
            assert_eq!(voc_color(id.into()), crate::label::voc_color(id));
        }
        let mut seen: Vec<[u8; 3]> = (0..5000).map(voc_color).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5000);
    }

    #[test]
    fn a_palette_wins() {
        let json = r#"{"num_labels": 3, "palette": [[1, 2, 3], [1, 2, 300]]}"#;
        let colors: Vec<[u8; 3]> = labels(json).classes.iter().map(|c| c.color).collect();
        assert_eq!(colors, [[1, 2, 3], [128, 0, 0], [0, 128, 0]]);
    }
}
