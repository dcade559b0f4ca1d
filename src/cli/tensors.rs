//! Tensors in a safetensors file, one after the other: the attention matrices of
//! all layers together may be larger than memory.
//!
//! Format: <https://github.com/huggingface/safetensors#format>. The header comes
//! first in the file but is known last, so room is left for it and filled up
//! with spaces, as the format allows.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::Failure;
use crate::formats::OutputFile;

/// Bytes of header per tensor: a short name, a shape of six numbers at most and
/// two offsets fit in.
const ROOM: usize = 320;
/// The format's unit of alignment.
const ALIGNMENT: usize = 8;

/// The values of one tensor.
pub enum Numbers<'a> {
    /// 32-bit floating point.
    F32(&'a [f32]),
    /// 16-bit whole numbers.
    U16(&'a [u16]),
    /// Bytes.
    U8(&'a [u8]),
}

impl Numbers<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::F32(_) => "F32",
            Self::U16(_) => "U16",
            Self::U8(_) => "U8",
        }
    }

    /// Little-endian.
    fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::F32(values) if cfg!(target_endian = "little") => {
                Cow::Borrowed(bytemuck::cast_slice(values))
            }
            Self::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::U16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::U8(values) => Cow::Borrowed(values),
        }
    }
}

/// A safetensors file that is being written.
pub struct TensorFile<'a, 'f> {
    file: &'a mut OutputFile<'f>,
    header: Map<String, Value>,
    room: usize,
    offset: u64,
}

impl<'a, 'f> TensorFile<'a, 'f> {
    /// Begin a file of up to `count` tensors that says `metadata` about itself.
    pub fn new(
        file: &'a mut OutputFile<'f>,
        count: usize,
        metadata: &[(&str, String)],
    ) -> Result<Self, Failure> {
        let metadata: Map<String, Value> = metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let header = Map::from_iter([("__metadata__".to_owned(), Value::Object(metadata))]);
        let text = Value::Object(header.clone()).to_string();
        let room = (text.len() + count * ROOM).next_multiple_of(ALIGNMENT);
        file.append(&vec![b' '; ALIGNMENT + room])?;
        Ok(Self {
            file,
            header,
            room,
            offset: 0,
        })
    }

    /// Append a tensor. Wide numbers come first, so that all are aligned.
    pub fn put(
        &mut self,
        name: &str,
        shape: &[usize],
        numbers: &Numbers<'_>,
    ) -> Result<(), Failure> {
        let bytes = numbers.bytes();
        self.file.append(&bytes)?;
        let end = self.offset + bytes.len() as u64;
        let entry = json!({
            "dtype": numbers.kind(),
            "shape": shape,
            "data_offsets": [self.offset, end],
        });
        self.header.insert(name.to_owned(), entry);
        self.offset = end;
        Ok(())
    }

    /// Write the header.
    pub fn finish(self) -> Result<(), Failure> {
        let mut header = Value::Object(self.header).to_string().into_bytes();
        if header.len() > self.room {
            return Err(Failure::Sentence(
                "the tensors' names take more room than was left for them".to_owned(),
            ));
        }
        header.resize(self.room, b' ');
        let length = self.room as u64;
        self.file.rewind()?;
        self.file.append(&length.to_le_bytes())?;
        Ok(self.file.append(&header)?)
    }
}

/// The values of a map of `shape` (rows, columns, channels) as PyTorch has them,
/// (1, channels, rows, columns), with that shape.
pub fn channels_first(shape: &[usize], values: &[f32]) -> (Vec<usize>, Vec<f32>) {
    let channels = shape.last().copied().unwrap_or(0);
    let mut turned = Vec::with_capacity(values.len());
    for channel in 0..channels {
        turned.extend(values.iter().skip(channel).step_by(channels));
    }
    let places = shape.split_last().map_or(&[][..], |(_, places)| places);
    let shape = [&[1, channels], places].concat();
    (shape, turned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::write_file_with;
    use safetensors::SafeTensors;

    #[test]
    fn files_are_read_back_by_the_formats_own_library() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let metadata = [("model", "a \"model\"".to_owned())];
        write_file_with(&path, |file| {
            let mut tensors = TensorFile::new(file, 3, &metadata)?;
            tensors.put("x", &[2, 1], &Numbers::F32(&[1.5, -2.0]))?;
            tensors.put("y", &[1], &Numbers::U16(&[513]))?;
            tensors.put("z", &[3], &Numbers::U8(&[7, 8, 9]))?;
            tensors.finish()
        })
        .unwrap_or_else(|error: Failure| panic!("{error:?}"));
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["model"], metadata[0].1);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |name: &str| {
            let tensor = file.tensor(name).unwrap();
            (tensor.shape().to_vec(), tensor.data().to_vec())
        };
        assert_eq!(
            tensor("x"),
            (
                vec![2, 1],
                [1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat()
            )
        );
        assert_eq!(tensor("y"), (vec![1], vec![1, 2]));
        assert_eq!(tensor("z"), (vec![3], vec![7, 8, 9]));
    }

    #[test]
    fn channels_come_first() {
        let map = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
        let (shape, values) = channels_first(&[1, 3, 2], &map);
        assert_eq!(shape, [1, 2, 1, 3]);
        assert_eq!(values, [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
    }
}
