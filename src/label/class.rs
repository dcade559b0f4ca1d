//! Classes: what a pixel can mean.

use serde::{Deserialize, Serialize};

use super::palette::{PALETTE, voc_color};

/// Number of a class.
pub type ClassId = u8;

/// The class of every pixel that no segment holds.
pub const BACKGROUND: ClassId = 0;

/// The class of pixels that training and evaluation leave out (PASCAL VOC's
/// "void"). Never in the list of classes; segments may have it.
pub const IGNORE: ClassId = 255;

/// Longest class name in characters; longer ones would not fit any list.
const LONGEST_NAME: usize = 100;

/// One class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Number in class maps, 0..=254.
    pub id: ClassId,
    /// Name as the user wrote it, trimmed.
    pub name: String,
    /// Red, green, blue.
    pub color: [u8; 3],
}

/// The classes of a document, sorted by id.
///
/// Always holds [`BACKGROUND`], never [`IGNORE`]; ids and names are unique.
/// Deserialising checks that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Class>", into = "Vec<Class>")]
pub struct Classes(Vec<Class>);

/// Why a list of classes could not be changed or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// No class has this id.
    #[error("there is no class {0}")]
    Unknown(ClassId),
    /// The name has no characters.
    #[error("a class needs a name: type at least one character")]
    NoName,
    /// The name is longer than a list can show.
    #[error("this class name has {0} characters: use at most {LONGEST_NAME}")]
    LongName(usize),
    /// Another class has the name.
    #[error("there is already a class named \"{0}\": choose another name")]
    NameTaken(String),
    /// Two classes have the same id.
    #[error("two classes have the number {0}: give each class its own number")]
    IdTaken(ClassId),
    /// All of 1..=254 are taken.
    #[error("all 254 class numbers are taken: delete a class first")]
    Full,
    /// Background and ignore stay as they are.
    #[error("the number {0} is reserved: 0 is the background and 255 is \"ignore\"")]
    Reserved(ClassId),
}

impl Default for Classes {
    /// Background and one class named "object".
    fn default() -> Self {
        let object = Class {
            id: 1,
            name: "object".to_owned(),
            color: PALETTE[0],
        };
        Self(vec![background(), object])
    }
}

fn background() -> Class {
    Class {
        id: BACKGROUND,
        name: "background".to_owned(),
        color: [0, 0, 0],
    }
}

impl Classes {
    /// Background alone.
    pub fn only_background() -> Self {
        Self(vec![background()])
    }

    /// These classes, in any order; background is added where it is missing.
    ///
    /// # Errors
    /// If an id or a name occurs twice, a name is empty or too long, or an id
    /// is 255.
    pub fn from_list(list: Vec<Class>) -> Result<Self, ClassError> {
        let mut classes = Self(Vec::with_capacity(list.len() + 1));
        for mut class in list {
            if class.id == IGNORE {
                return Err(ClassError::Reserved(IGNORE));
            }
            if classes.get(class.id).is_some() {
                return Err(ClassError::IdTaken(class.id));
            }
            class.name = classes.checked_name(&class.name, class.id)?;
            classes.insert(class);
        }
        if classes.get(BACKGROUND).is_none() {
            let class = background();
            classes.checked_name(&class.name, class.id)?;
            classes.insert(class);
        }
        Ok(classes)
    }

    /// All classes, background first, by increasing id.
    pub fn iter(&self) -> std::slice::Iter<'_, Class> {
        self.0.iter()
    }

    /// Number of classes, background included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: background is always there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The class with this id.
    pub fn get(&self, id: ClassId) -> Option<&Class> {
        self.index(id).ok().map(|index| &self.0[index])
    }

    /// Whether a segment may have this class: one of the list but background,
    /// or [`IGNORE`].
    pub fn is_assignable(&self, id: ClassId) -> bool {
        id != BACKGROUND && (id == IGNORE || self.get(id).is_some())
    }

    /// The name of class `id`; "ignore" for [`IGNORE`], "unknown" for one that
    /// is not in the list.
    pub fn name(&self, id: ClassId) -> &str {
        match self.get(id) {
            Some(class) => &class.name,
            None if id == IGNORE => "ignore",
            None => "unknown",
        }
    }

    /// The colour of class `id`: red, green, blue; that of PASCAL VOC for ids
    /// that are not in the list.
    pub fn color(&self, id: ClassId) -> [u8; 3] {
        self.get(id)
            .map_or_else(|| voc_color(id), |class| class.color)
    }

    /// Adds a class under the smallest free id, with a colour of [`PALETTE`]
    /// that is used least.
    ///
    /// # Errors
    /// If the name is empty, too long or taken, or all ids are.
    pub fn add(&mut self, name: &str) -> Result<ClassId, ClassError> {
        let free = (1..IGNORE).find(|&id| self.get(id).is_none());
        let id = free.ok_or(ClassError::Full)?;
        let name = self.checked_name(name, id)?;
        let color = self.next_color();
        self.insert(Class { id, name, color });
        Ok(id)
    }

    /// Gives class `id` another name.
    ///
    /// # Errors
    /// If there is no such class, or the name is empty, too long or taken.
    pub fn rename(&mut self, id: ClassId, name: &str) -> Result<(), ClassError> {
        let index = self.index(id)?;
        self.0[index].name = self.checked_name(name, id)?;
        Ok(())
    }

    /// Gives class `id` another colour: red, green, blue.
    ///
    /// # Errors
    /// If there is no such class.
    pub fn recolor(&mut self, id: ClassId, color: [u8; 3]) -> Result<(), ClassError> {
        let index = self.index(id)?;
        self.0[index].color = color;
        Ok(())
    }

    /// Takes class `id` off the list.
    ///
    /// # Errors
    /// If there is no such class, or it is the background.
    pub fn remove(&mut self, id: ClassId) -> Result<(), ClassError> {
        if id == BACKGROUND {
            return Err(ClassError::Reserved(id));
        }
        let index = self.index(id)?;
        self.0.remove(index);
        Ok(())
    }

    /// The first colour of [`PALETTE`] among those that the fewest classes have.
    fn next_color(&self) -> [u8; 3] {
        let uses = |color: &[u8; 3]| self.0.iter().filter(|c| c.color == *color).count();
        let least = PALETTE.iter().min_by_key(|color| uses(color));
        least.copied().unwrap_or_default()
    }

    fn checked_name(&self, name: &str, id: ClassId) -> Result<String, ClassError> {
        let name = name.trim();
        let length = name.chars().count();
        if length == 0 {
            return Err(ClassError::NoName);
        }
        if length > LONGEST_NAME {
            return Err(ClassError::LongName(length));
        }
        if self
            .0
            .iter()
            .any(|class| class.id != id && class.name == name)
        {
            return Err(ClassError::NameTaken(name.to_owned()));
        }
        Ok(name.to_owned())
    }

    fn index(&self, id: ClassId) -> Result<usize, ClassError> {
        let found = self.0.binary_search_by_key(&id, |class| class.id);
        found.map_err(|_| ClassError::Unknown(id))
    }

    fn insert(&mut self, class: Class) {
        let index = self.0.partition_point(|other| other.id < class.id);
        self.0.insert(index, class);
    }
}

impl TryFrom<Vec<Class>> for Classes {
    type Error = ClassError;

    fn try_from(list: Vec<Class>) -> Result<Self, ClassError> {
        Self::from_list(list)
    }
}

impl From<Classes> for Vec<Class> {
    fn from(classes: Classes) -> Self {
        classes.0
    }
}

impl<'a> IntoIterator for &'a Classes {
    type Item = &'a Class;
    type IntoIter = std::slice::Iter<'a, Class>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_get_the_smallest_free_number_and_fresh_colours() {
        let mut classes = Classes::default();
        assert_eq!(classes.add("cat"), Ok(2));
        assert_eq!(classes.add(" dog "), Ok(3));
        assert_eq!(classes.name(3), "dog");
        classes.remove(2).unwrap();
        assert_eq!(classes.add("bird"), Ok(2));
        let mut colors: Vec<_> = classes.iter().map(|class| class.color).collect();
        colors.sort_unstable();
        colors.dedup();
        assert_eq!(colors.len(), 4);
    }

    #[test]
    fn names_are_unique_and_not_empty() {
        let mut classes = Classes::default();
        assert_eq!(classes.add("  "), Err(ClassError::NoName));
        assert_eq!(
            classes.add("object"),
            Err(ClassError::NameTaken("object".into()))
        );
        assert_eq!(
            classes.add(&"x".repeat(101)),
            Err(ClassError::LongName(101))
        );
        assert_eq!(classes.rename(1, "object"), Ok(()));
        assert_eq!(classes.rename(9, "cat"), Err(ClassError::Unknown(9)));
    }

    #[test]
    fn background_stays_and_there_are_254_more() {
        let mut classes = Classes::only_background();
        for n in 1..=254 {
            assert_eq!(classes.add(&format!("class {n}")), Ok(n));
        }
        assert_eq!(classes.add("one more"), Err(ClassError::Full));
        assert_eq!(classes.remove(0), Err(ClassError::Reserved(0)));
    }

    #[test]
    fn a_list_from_outside_is_sorted_completed_and_checked() {
        let class = |id, name: &str| Class {
            id,
            name: name.into(),
            color: [1, 2, 3],
        };
        let classes = Classes::from_list(vec![class(7, "b"), class(3, "a")]).unwrap();
        let ids: Vec<_> = classes.iter().map(|class| class.id).collect();
        assert_eq!(ids, [0, 3, 7]);
        assert_eq!(
            Classes::from_list(vec![class(3, "a"), class(3, "b")]),
            Err(ClassError::IdTaken(3))
        );
        assert_eq!(
            Classes::from_list(vec![class(255, "a")]),
            Err(ClassError::Reserved(255))
        );
        let twice = r#"[{"id":1,"name":"a","color":[0,0,0]},{"id":1,"name":"b","color":[0,0,0]}]"#;
        assert!(serde_json::from_str::<Classes>(twice).is_err());
    }

    #[test]
    fn ignore_can_be_assigned_and_background_cannot() {
        let classes = Classes::default();
        assert!(classes.is_assignable(IGNORE) && classes.is_assignable(1));
        assert!(!classes.is_assignable(BACKGROUND) && !classes.is_assignable(2));
        assert_eq!(classes.name(IGNORE), "ignore");
        assert_eq!(classes.color(IGNORE), [224, 224, 192]);
    }
}
