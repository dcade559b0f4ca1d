//! Reading candle tensors as slices.

use candle_core::{CpuStorage, Result, Storage, StorageRef, Tensor, bail};
use std::ops::{Deref, Range};

/// The values of a contiguous f32 tensor in main memory, borrowed.
pub struct Values<'a> {
    storage: StorageRef<'a>,
    range: Range<usize>,
}

impl<'a> Values<'a> {
    /// Borrow the values of `tensor`.
    ///
    /// # Errors
    /// If the tensor is on another device, not f32 or not contiguous.
    pub fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        if !matches!(&*storage, Storage::Cpu(CpuStorage::F32(_))) {
            bail!(
                "expected an f32 tensor in main memory, got {:?}",
                tensor.dtype()
            );
        }
        match layout.contiguous_offsets() {
            Some((start, end)) => Ok(Self {
                storage,
                range: start..end,
            }),
            None => bail!("expected a contiguous tensor, got {layout:?}"),
        }
    }
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.clone()],
            // `of` lets no other storage in.
            _ => &[],
        }
    }
}

/// Height, width and channels of a map, checked against what a module takes.
///
/// # Errors
/// If the tensor is not (height, width, `channels`) or is empty.
pub fn map_size(map: &Tensor, channels: usize) -> Result<(usize, usize)> {
    let (height, width, found) = map.dims3()?;
    if found != channels || height == 0 || width == 0 {
        bail!(
            "expected a map with {channels} channels, got {:?}",
            map.dims()
        );
    }
    Ok((height, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn only_plain_tensors_are_read() {
        let tensor = Tensor::arange(0f32, 6.0, &Device::Cpu)
            .unwrap()
            .reshape((2, 3))
            .unwrap();
        assert_eq!(
            &*Values::of(&tensor).unwrap(),
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        );
        assert_eq!(
            &*Values::of(&tensor.narrow(0, 1, 1).unwrap()).unwrap(),
            &[3.0, 4.0, 5.0]
        );
        assert!(Values::of(&tensor.t().unwrap()).is_err());
        assert!(Values::of(&tensor.to_dtype(DType::F64).unwrap()).is_err());
        assert!(map_size(&tensor, 3).is_err());
    }
}
