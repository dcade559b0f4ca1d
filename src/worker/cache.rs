//! Encodings that may be needed again.

use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::photo::Photo;

/// How much of its budget a cache uses. Clones show the same cache.
#[derive(Clone, Debug)]
pub struct Memory {
    used: Arc<AtomicUsize>,
    budget: usize,
}

impl Memory {
    fn of(budget: usize) -> Self {
        Self {
            used: Arc::default(),
            budget,
        }
    }

    /// Bytes that are in use now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be in use; one entry alone may take more.
    pub fn budget(&self) -> usize {
        self.budget
    }
}

/// What an encoder made of photos, least recently used ones dropped above a
/// budget of bytes. A photo is known by its allocation, not by its path: another
/// display window or another file under the same name is another photo.
pub struct EncodingCache<V> {
    /// Least recently used first.
    entries: Vec<Entry<V>>,
    memory: Memory,
}

struct Entry<V> {
    // Weak, so that the cache keeps no closed photo's pixels; its allocation stays
    // reserved, so the address cannot come back as another photo.
    photo: Weak<Photo>,
    model: OsString,
    bytes: usize,
    value: V,
}

impl<V: Clone> EncodingCache<V> {
    /// An empty cache that holds up to `budget` bytes, but always the newest entry.
    pub fn new(budget: usize) -> Self {
        Self {
            entries: Vec::new(),
            memory: Memory::of(budget),
        }
    }

    /// How much is held, for whoever wants to watch.
    pub fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// The encoding of `photo` by `model`; it counts as used now.
    pub fn get(&mut self, photo: &Arc<Photo>, model: impl AsRef<OsStr>) -> Option<V> {
        let found = self
            .entries
            .iter()
            .position(|entry| entry.is(photo, model.as_ref()))?;
        let entry = self.entries.remove(found);
        let value = entry.value.clone();
        self.entries.push(entry);
        Some(value)
    }

    /// Keep an encoding that takes `bytes` bytes.
    pub fn insert(&mut self, photo: &Arc<Photo>, model: impl AsRef<OsStr>, bytes: usize, value: V) {
        let model = model.as_ref();
        // An encoding of a photo that nobody holds can never be asked for again.
        self.entries
            .retain(|entry| entry.photo.strong_count() > 0 && !entry.is(photo, model));
        let photo = Arc::downgrade(photo);
        self.entries.push(Entry {
            photo,
            model: model.to_owned(),
            bytes,
            value,
        });
        while self.bytes() > self.memory.budget && self.entries.len() > 1 {
            self.entries.remove(0);
        }
        self.tell();
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.tell();
    }

    fn tell(&self) {
        self.memory.used.store(self.bytes(), Ordering::Relaxed);
    }

    fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }
}

impl<V> Entry<V> {
    fn is(&self, photo: &Arc<Photo>, model: &OsStr) -> bool {
        std::ptr::eq(self.photo.as_ptr(), Arc::as_ptr(photo)) && self.model == model
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo() -> Arc<Photo> {
        Arc::new(Photo::from_rgb(1, 1, vec![0; 3], "p").unwrap())
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let (a, b, c) = (photo(), photo(), photo());
        let mut cache = EncodingCache::new(25);
        cache.insert(&a, "m", 10, 'a');
        cache.insert(&b, "m", 10, 'b');
        assert_eq!(cache.get(&a, "m"), Some('a'));
        cache.insert(&c, "m", 10, 'c');
        assert_eq!(cache.get(&b, "m"), None);
        assert_eq!(cache.get(&a, "m"), Some('a'));
        assert_eq!(cache.get(&c, "m"), Some('c'));
    }

    #[test]
    fn photo_and_model_are_both_the_key_and_a_second_insert_replaces() {
        let (a, b) = (photo(), photo());
        let mut cache = EncodingCache::new(100);
        cache.insert(&a, "m", 10, 1);
        assert_eq!(cache.get(&b, "m"), None);
        assert_eq!(cache.get(&a, "n"), None);
        cache.insert(&a, "m", 20, 2);
        assert_eq!((cache.get(&a, "m"), cache.bytes()), (Some(2), 20));
        let memory = cache.memory();
        assert_eq!((memory.used(), memory.budget()), (20, 100));
        cache.clear();
        assert_eq!(memory.used(), 0);
        assert_eq!(cache.get(&a, "m"), None);
    }

    #[test]
    fn one_too_large_is_kept_alone() {
        let (a, b) = (photo(), photo());
        let mut cache = EncodingCache::new(5);
        cache.insert(&a, "m", 3, 'a');
        cache.insert(&b, "m", 50, 'b');
        assert_eq!((cache.get(&a, "m"), cache.get(&b, "m")), (None, Some('b')));
    }

    #[test]
    fn a_closed_photo_keeps_neither_its_pixels_nor_its_encoding() {
        let (a, b) = (photo(), photo());
        let watch = Arc::downgrade(&a);
        let mut cache = EncodingCache::new(100);
        cache.insert(&a, "m", 10, 'a');
        drop(a);
        assert!(watch.upgrade().is_none());
        cache.insert(&b, "m", 10, 'b');
        assert_eq!(cache.bytes(), 10);
    }
}
