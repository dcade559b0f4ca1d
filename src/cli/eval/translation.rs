//! The classes of the truth, and which of them those of a prediction are.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::cli::Failure;
use crate::cli::args::Parsed;
use crate::formats::folder_classes;
use crate::label::{Class, ClassId, Classes, IGNORE, voc_color};
use crate::models::Labels;

/// A class as lists of classes have it.
#[derive(Deserialize)]
struct Listed {
    id: ClassId,
    name: String,
    color: Option<[u8; 3]>,
}

/// A file with classes: `patchlens.json`, or any other object with them, or the
/// list alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListFile {
    Object { classes: Vec<Listed> },
    List(Vec<Listed>),
}

/// The classes that a JSON file lists.
///
/// # Errors
/// If it does not.
pub fn listed_classes(path: &Path) -> Result<Classes, Failure> {
    let shown = path.display();
    let unread = |error| Failure::Sentence(format!("{shown} cannot be read: {error}"));
    let text = fs::read(path).map_err(unread)?;
    let list = match serde_json::from_slice(&text) {
        Ok(ListFile::Object { classes } | ListFile::List(classes)) => classes,
        Err(_) => {
            return Err(Failure::Sentence(format!(
                "{shown} lists no classes: it should be JSON like {{\"classes\": [{{\"id\": 1, \"name\": \"cat\"}}]}}"
            )));
        }
    };
    let class = |listed: Listed| Class {
        id: listed.id,
        name: listed.name,
        color: listed.color.unwrap_or_else(|| voc_color(listed.id)),
    };
    Classes::from_list(list.into_iter().map(class).collect())
        .map_err(|error| Failure::Sentence(format!("in {shown}, {error}")))
}

/// The classes of the truth: those of the file, or of the `patchlens.json` that
/// the folder of class maps or the one around it has. `None` if there is none.
pub fn truth_classes(file: Option<&Path>, maps: &Path) -> Result<Option<Classes>, Failure> {
    if let Some(file) = file {
        return listed_classes(file).map(Some);
    }
    let real = maps.canonicalize().unwrap_or_else(|_| maps.to_owned());
    for folder in [Some(&*real), real.parent()].into_iter().flatten() {
        if let Some(classes) = folder_classes(folder)? {
            return Ok(Some(classes));
        }
    }
    Ok(None)
}

/// `FROM=TO`: that a class of the prediction is one of the truth. Names or
/// numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    from: String,
    to: String,
}

impl Renamed {
    /// Read the value of `--map`.
    pub fn parse(value: &str) -> Parsed<Self> {
        let parts = value.split_once('=');
        let parts = parts.map(|(from, to)| (from.trim(), to.trim()));
        match parts {
            Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok(Self {
                from: from.to_owned(),
                to: to.to_owned(),
            }),
            _ => {
                Err(format!("--map is FROM=TO, names or numbers of classes, not {value:?}").into())
            }
        }
    }
}

/// For each class of the prediction, the one of the truth that it is; [`IGNORE`]
/// for those that are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation([ClassId; 256]);

impl Translation {
    /// From the classes of the truth and of a model, as far as they are known.
    /// Where both are, they are matched by name; otherwise by number.
    ///
    /// # Errors
    /// If `renamed` names classes that there are not, or no class of the model
    /// is one of the truth.
    pub fn new(
        truth: Option<&Classes>,
        model: Option<&Labels>,
        renamed: &[Renamed],
    ) -> Result<Self, Failure> {
        let is_class = |id: ClassId| match truth {
            Some(truth) => truth.get(id).is_some(),
            None => id != IGNORE,
        };
        let by_number = |id: ClassId| if is_class(id) { id } else { IGNORE };
        let mut table: [ClassId; 256] = std::array::from_fn(|id| by_number(id as ClassId));
        if let (Some(truth), Some(model)) = (truth, model) {
            let by_name = |id: usize| {
                let class = model.classes.get(id)?;
                let same = |own: &&Class| own.name.eq_ignore_ascii_case(class.name.trim());
                truth.iter().find(same).map(|own| own.id)
            };
            table = std::array::from_fn(|id| by_name(id).unwrap_or(IGNORE));
        }
        table[usize::from(IGNORE)] = IGNORE;
        let mut translation = Self(table);
        for Renamed { from, to } in renamed {
            let from = model_class(model, from)?;
            translation.0[usize::from(from)] = truth_class(truth, to)?;
        }
        if translation.0.iter().all(|id| *id == IGNORE) {
            return Err(Failure::Sentence(
                "the model knows none of the truth's classes by name: say which is which with --map"
                    .to_owned(),
            ));
        }
        Ok(translation)
    }

    /// The class of the truth that a predicted one is.
    pub fn of(&self, predicted: ClassId) -> ClassId {
        self.0[usize::from(predicted)]
    }
}

/// A class of a prediction by its name or number.
fn model_class(model: Option<&Labels>, wanted: &str) -> Result<ClassId, Failure> {
    let named = |labels: &Labels| {
        let same = |class: &crate::models::ClassLabel| class.name.eq_ignore_ascii_case(wanted);
        labels.classes.iter().position(same)
    };
    let number = || wanted.parse::<usize>().ok();
    let found = model.and_then(named).or_else(number);
    let id = found.and_then(|id| ClassId::try_from(id).ok());
    id.filter(|id| *id != IGNORE).ok_or_else(|| {
        let hint = if model.is_some() {
            ""
        } else {
            ", which are known by numbers only"
        };
        Failure::Sentence(format!("{wanted:?} is no class of the predictions{hint}"))
    })
}

/// A class of the truth by its name or number.
fn truth_class(truth: Option<&Classes>, wanted: &str) -> Result<ClassId, Failure> {
    let mut all = truth.into_iter().flatten();
    let named = all.find(|class| class.name.eq_ignore_ascii_case(wanted));
    let number = || wanted.parse::<ClassId>().ok().filter(|id| *id != IGNORE);
    let listed = |id: &ClassId| truth.is_none_or(|truth| truth.get(*id).is_some());
    let found = named.map(|class| class.id).or_else(number).filter(listed);
    found.ok_or_else(|| Failure::Sentence(format!("{wanted:?} is no class of the truth")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::ClassLabel;

    fn truth(names: &[(u8, &str)]) -> Classes {
        let class = |&(id, name): &(u8, &str)| Class {
            id,
            name: name.to_owned(),
            color: [0; 3],
        };
        Classes::from_list(names.iter().map(class).collect()).unwrap()
    }

    fn labels(names: &[&str]) -> Labels {
        let classes = names.iter().enumerate().map(|(id, name)| ClassLabel {
            id,
            name: (*name).to_owned(),
            color: [0; 3],
        });
        Labels {
            classes: classes.collect(),
        }
    }

    fn renamed(texts: &[&str]) -> Vec<Renamed> {
        texts
            .iter()
            .map(|text| Renamed::parse(text).unwrap())
            .collect()
    }

    fn table(
        truth: Option<&Classes>,
        model: Option<&Labels>,
        texts: &[&str],
        count: u8,
    ) -> Result<Vec<u8>, String> {
        match Translation::new(truth, model, &renamed(texts)) {
            Ok(found) => Ok((0..count).map(|id| found.of(id)).collect()),
            Err(Failure::Sentence(sentence)) => Err(sentence),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_match_where_both_sides_have_them_and_numbers_otherwise() {
        let truth = truth(&[(0, "background"), (1, "leaf"), (2, "symptom")]);
        let model = labels(&["background", "nucleus", "Leaf", "leaf symptom"]);
        let all = |texts: &[&str]| table(Some(&truth), Some(&model), texts, 4);
        assert_eq!(all(&[]).unwrap(), [0, 255, 1, 255]);
        assert_eq!(all(&["leaf symptom=symptom"]).unwrap(), [0, 255, 1, 2]);
        assert_eq!(all(&["3=2", "nucleus = 0"]).unwrap(), [0, 0, 1, 2]);
        assert!(all(&["cat=leaf"]).unwrap_err().contains("\"cat\""));
        assert!(all(&["leaf=cat"]).unwrap_err().contains("\"cat\""));
        assert!(
            all(&["leaf=3"])
                .unwrap_err()
                .contains("no class of the truth")
        );

        assert_eq!(table(Some(&truth), None, &[], 4).unwrap(), [0, 1, 2, 255]);
        assert_eq!(table(None, Some(&model), &[], 4).unwrap(), [0, 1, 2, 3]);
        assert_eq!(table(None, None, &["3=1"], 4).unwrap(), [0, 1, 2, 1]);
        let told = table(None, None, &["leaf=1"], 1).unwrap_err();
        assert!(told.contains("numbers only"), "{told}");
        let found = Translation::new(None, None, &[]).unwrap();
        assert_eq!(found.of(255), 255);
    }

    #[test]
    fn a_model_without_a_common_class_is_refused() {
        let truth = truth(&[(0, "nothing"), (1, "leaf")]);
        let model = labels(&["wall", "door"]);
        let told = table(Some(&truth), Some(&model), &[], 1).unwrap_err();
        assert!(told.contains("--map"), "{told}");
        assert!(table(Some(&truth), Some(&model), &["door=leaf"], 1).is_ok());
    }

    #[test]
    fn maps_of_classes_are_pairs() {
        for wrong in ["", "a", "=a", "a=", " = "] {
            assert!(Renamed::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_of_classes_are_read_as_objects_and_as_lists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.json");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            listed_classes(&path)
        };
        let list = r#"[{"id": 1, "name": "leaf"}, {"id": 0, "name": "none", "color": [1, 2, 3]}]"#;
        let object = format!("{{\"name\": \"set\", \"classes\": {list}}}");
        for text in [list, &object] {
            let classes = read(text).unwrap();
            assert_eq!((classes.name(0), classes.name(1)), ("none", "leaf"));
            assert_eq!(classes.color(1), voc_color(1));
        }
        for wrong in ["", "{}", "[1]", r#"[{"id": 300, "name": "x"}]"#] {
            let Err(Failure::Sentence(told)) = read(wrong) else {
                panic!("{wrong}")
            };
            assert!(told.contains("classes.json lists no classes"), "{told}");
        }
        let twice = r#"[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]"#;
        assert!(read(twice).is_err());
    }

    #[test]
    fn a_data_sets_own_classes_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let maps = folder.path().join("labels");
        fs::create_dir(&maps).unwrap();
        assert_eq!(truth_classes(None, &maps).unwrap(), None);
        let text = r#"{"version": 1, "classes": [{"id": 3, "name": "cat", "color": [0, 0, 0]}]}"#;
        fs::write(folder.path().join("patchlens.json"), text).unwrap();
        let found = truth_classes(None, &maps).unwrap().unwrap();
        assert_eq!(found.name(3), "cat");
    }
}
