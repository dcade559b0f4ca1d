//! The record of a photo (`instances/NAME.json`): its segments, its review
//! status and the checksums that tie the other two files to it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::document::{Document, SegmentRecord};
use crate::label::{ClassId, Segment, SegmentId};

/// The version that is written; later ones are not opened for editing.
pub(super) const VERSION: u32 = 1;

/// What `instances/NAME.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub version: u32,
    /// The photo's file name (not exact where it is not Unicode).
    pub photo: String,
    pub width: u32,
    pub height: u32,
    /// Checksum of `labels/NAME.png`, hexadecimal.
    pub labels_sha256: String,
    /// Checksum of `instances/NAME.png`, hexadecimal.
    pub instances_sha256: String,
    #[serde(default)]
    pub reviewed: bool,
    pub segments: Vec<SegmentEntry>,
    /// What others, or later versions, added: kept when the record is rewritten.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A segment as files list it; its pixels are in the segment map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SegmentEntry {
    pub id: SegmentId,
    pub class: ClassId,
    #[serde(default)]
    pub locked: bool,
    #[serde(default)]
    pub hidden: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
}

impl From<&Segment> for SegmentEntry {
    fn from(segment: &Segment) -> Self {
        Self {
            id: segment.id,
            class: segment.class,
            locked: segment.locked,
            hidden: segment.hidden,
            // JSON has no other numbers
            score: segment.score.filter(|score| score.is_finite()),
        }
    }
}

/// The segments of a document as files list them.
pub(super) fn entries(document: &Document) -> Vec<SegmentEntry> {
    document.segments().iter().map(SegmentEntry::from).collect()
}

/// Listed segments as a document takes them.
pub(super) fn records(entries: &[SegmentEntry]) -> Vec<SegmentRecord> {
    let record = |e: &SegmentEntry| (e.id, e.class, e.locked, e.hidden, e.score);
    entries.iter().map(record).collect()
}

/// SHA-256, hexadecimal.
pub(super) fn checksum(data: &[u8]) -> String {
    hexadecimal(&Sha256::digest(data))
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value as JSON for people and other programs to read.
pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}
