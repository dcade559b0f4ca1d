//! `config.json`: fields of any kind, with errors that name file and field.

use super::read_small;
use crate::models::ModelError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::Path;

/// The largest configuration that is read: 21,841 classes of ImageNet, named
/// twice, take 3 MB.
const MAX_FILE: u64 = 16 << 20;

/// The fields of a JSON object in a file. Those that are `null` count as
/// missing, as they do in the reference implementation.
#[derive(Clone, Debug)]
pub struct Config {
    file: String,
    fields: Map<String, Value>,
}

impl Config {
    /// Read a file.
    ///
    /// # Errors
    /// [`ModelError::Read`]; [`ModelError::Config`] if it holds no JSON object.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::parse_bytes(&read_small(path, MAX_FILE)?, &path.display().to_string())
    }

    /// From JSON text; `file` is for errors.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no JSON object.
    pub fn parse_text(text: &str, file: &str) -> Result<Self, ModelError> {
        Self::parse_bytes(text.as_bytes(), file)
    }

    fn parse_bytes(bytes: &[u8], file: &str) -> Result<Self, ModelError> {
        let fields = serde_json::from_slice(bytes).map_err(|error| ModelError::Config {
            file: file.to_owned(),
            why: error.to_string(),
        })?;
        Ok(Self::new(file.to_owned(), fields))
    }

    fn new(file: String, mut fields: Map<String, Value>) -> Self {
        drop_nulls(&mut fields);
        Self { file, fields }
    }

    /// The file, as errors name it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A field.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key)
    }

    /// A field that is text.
    pub fn str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// A field that is an object, as a configuration of its own.
    pub fn section(&self, key: &str) -> Option<Self> {
        let fields = self.get(key)?.as_object()?.clone();
        Some(Self::new(self.file.clone(), fields))
    }

    /// A field that is a whole number, `default` where it is missing.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is something else.
    pub fn usize(&self, key: &str, default: usize) -> Result<usize, ModelError> {
        self.typed(key, default, "a whole number", |value| {
            value
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
        })
    }

    /// A field that is a number, `default` where it is missing.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is something else.
    pub fn f64(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        self.typed(key, default, "a number", Value::as_f64)
    }

    /// A field that is true or false, `default` where it is missing.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is something else.
    pub fn bool(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        self.typed(key, default, "true or false", Value::as_bool)
    }

    fn typed<T>(
        &self,
        key: &str,
        default: T,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, ModelError> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => read(value)
                .ok_or_else(|| self.bad(format!("{key} is {}, expected {expected}", brief(value)))),
        }
    }

    /// All fields as a structure. It says itself what is missing may mean.
    ///
    /// # Errors
    /// [`ModelError::Config`], naming the field.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ModelError> {
        let read = |fields: Map<String, Value>| serde_json::from_value::<T>(fields.into());
        read(self.fields.clone()).map_err(|error| {
            // serde does not say which field it was: the one without which the
            // error is gone or another.
            let culprit = self.fields.keys().find(|key| {
                let mut rest = self.fields.clone();
                rest.remove(*key);
                read(rest).err().map(|e| e.to_string()) != Some(error.to_string())
            });
            self.bad(match culprit {
                Some(key) => format!("{key}: {error}"),
                None => error.to_string(),
            })
        })
    }

    /// The error that this configuration is unusable because of `why`.
    pub fn bad(&self, why: impl Into<String>) -> ModelError {
        ModelError::Config {
            file: self.file.clone(),
            why: why.into(),
        }
    }
}

fn drop_nulls(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
    for value in fields.values_mut() {
        if let Value::Object(fields) = value {
            drop_nulls(fields);
        }
    }
}

/// A value in an error: its beginning.
pub(in crate::models) fn brief(value: &Value) -> String {
    const LENGTH: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
