//! Reading what the program writes: safetensors and NumPy files.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

/// A tensor of numbers of any kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Tensor {
    /// Whether these are the same numbers, up to a ten-thousandth of the largest;
    /// of `labels`, up to one in a thousand.
    pub fn check(&self, expected: &Self, labels: bool, name: &str) {
        assert_eq!(self.shape, expected.shape, "{name}");
        let pairs = || self.values.iter().zip(&expected.values);
        if labels {
            let wrong = pairs().filter(|(a, b)| a != b).count();
            assert!(wrong * 1000 <= self.values.len(), "{name}: {wrong} differ");
            return;
        }
        let most = expected
            .values
            .iter()
            .fold(0f32, |most, v| most.max(v.abs()));
        let error = pairs().fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(error <= 1e-4 * most, "{name}: off by {error} of {most}");
    }

    /// The part at `index` of the first axis.
    pub fn at(&self, index: usize) -> Self {
        let shape = self.shape[1..].to_vec();
        let count = shape.iter().product::<usize>();
        let values = self.values[index * count..][..count].to_vec();
        Self { shape, values }
    }
}

/// All tensors of a safetensors file.
pub fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => floats(data),
            Dtype::U8 => data.iter().map(|byte| f32::from(*byte)).collect(),
            Dtype::I64 => data
                .as_chunks()
                .0
                .iter()
                .map(|bytes| i64::from_le_bytes(*bytes) as f32)
                .collect(),
            other => panic!("{name} is of {other:?}"),
        };
        let shape = view.shape().to_vec();
        (name, Tensor { shape, values })
    };
    file.tensors().into_iter().map(read).collect()
}

/// A NumPy file of f32.
pub fn npy(path: &Path) -> Tensor {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(
        header.contains("'<f4'") && header.contains("'fortran_order': False"),
        "{header}"
    );
    let shape = header.split(['(', ')']).nth(1).unwrap().split(',');
    let shape = shape.map(str::trim).filter(|side| !side.is_empty());
    Tensor {
        shape: shape.map(|side| side.parse().unwrap()).collect(),
        values: floats(&bytes[10 + length..]),
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let chunks = bytes.as_chunks().0.iter();
    chunks.map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
