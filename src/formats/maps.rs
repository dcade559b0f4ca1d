//! Label PNGs on their own, without a photo and its record, for programs that
//! compare them.

use std::path::Path;

use super::import::class_ids;
use super::raster::{self, Raster};
use super::{StoreError, known};
use crate::label::{ClassId, Classes, SegmentId};
use crate::photo::Limits;

/// One value for each pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelMap<T> {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height` values.
    pub values: Vec<T>,
}

/// A class map: indexed or grey, its numbers being class ids, or in the colours
/// of `classes` or of PASCAL VOC.
///
/// # Errors
/// If the file is no such map, or larger than `limits` allow.
pub fn read_class_map(
    path: &Path,
    classes: &Classes,
    limits: &Limits,
) -> Result<PixelMap<ClassId>, StoreError> {
    let map = read_raster(path, limits)?;
    let ids = class_ids(map.1, classes);
    let values = ids.map_err(|why| unfit(path, &why))?;
    Ok(sized(map.0, values))
}

/// An instance map, or any other PNG of plain numbers: grey or indexed, of up to
/// 16 bits.
///
/// # Errors
/// If the file is no such map, or larger than `limits` allow.
pub fn read_instance_map(path: &Path, limits: &Limits) -> Result<PixelMap<SegmentId>, StoreError> {
    let (size, raster) = read_raster(path, limits)?;
    let values = match raster {
        Raster::Words(values) => values,
        Raster::Bytes(values) => values.into_iter().map(SegmentId::from).collect(),
        Raster::Colors(_) => {
            let why = "it is a colour picture, and numbers were expected: one grey value a pixel";
            return Err(unfit(path, why));
        }
    };
    Ok(sized(size, values))
}

fn sized<T>((width, height): (u32, u32), values: Vec<T>) -> PixelMap<T> {
    PixelMap {
        width,
        height,
        values,
    }
}

fn unfit(path: &Path, why: &str) -> StoreError {
    let why = format!("{} cannot be used: {why}", path.display());
    StoreError::Unfit { why }
}

/// The size of a PNG, and its numbers.
fn read_raster(path: &Path, limits: &Limits) -> Result<((u32, u32), Raster), StoreError> {
    let missing = || StoreError::Read {
        file: path.display().to_string(),
        why: "it does not exist".to_owned(),
    };
    let data = known::read(path, limits.max_bytes)?.ok_or_else(missing)?;
    let because = |why: String| StoreError::Unfit { why };
    let (width, height) = raster::size(&data, path).map_err(because)?;
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        let most = limits.max_pixels / 1_000_000;
        let why = format!(
            "it is {width} × {height} pixels, more than {most} million: allow it with --max-megapixels"
        );
        return Err(unfit(path, &why));
    }
    let raster = raster::decode(&data, (width, height), path).map_err(because)?;
    Ok(((width, height), raster))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(image: &image::DynamicImage) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        image.save(&path).unwrap();
        (folder, path)
    }

    fn refused<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn numbers_of_8_and_16_bits_are_read() {
        let words = image::ImageBuffer::from_vec(2, 1, vec![3u16, 40_000]).unwrap();
        let (_folder, path) = written(&image::DynamicImage::ImageLuma16(words));
        let map = read_instance_map(&path, &Limits::default()).unwrap();
        assert_eq!((map.width, map.height, map.values), (2, 1, vec![3, 40_000]));
        let told = refused(read_class_map(
            &path,
            &Classes::default(),
            &Limits::default(),
        ));
        assert!(told.contains("map.png") && told.contains("40000"), "{told}");

        let bytes = image::GrayImage::from_vec(1, 2, vec![7, 255]).unwrap();
        let (_folder, path) = written(&bytes.into());
        let map = read_class_map(&path, &Classes::default(), &Limits::default()).unwrap();
        assert_eq!((map.width, map.height, map.values), (1, 2, vec![7, 255]));
        let map = read_instance_map(&path, &Limits::default()).unwrap();
        assert_eq!(map.values, [7, 255]);
    }

    #[test]
    fn colours_are_classes_but_no_instances() {
        let picture = image::RgbImage::from_vec(2, 1, vec![0, 0, 0, 128, 0, 0]).unwrap();
        let (_folder, path) = written(&picture.into());
        let map = read_class_map(&path, &Classes::default(), &Limits::default()).unwrap();
        assert_eq!(map.values, [0, 1], "colours of PASCAL VOC");
        let told = refused(read_instance_map(&path, &Limits::default()));
        assert!(
            told.contains("map.png") && told.contains("colour"),
            "{told}"
        );
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        let told = refused(read_instance_map(&path, &Limits::default()));
        assert!(
            told.contains("map.png") && told.contains("not exist"),
            "{told}"
        );
        std::fs::write(&path, "Dear map,").unwrap();
        let told = refused(read_instance_map(&path, &Limits::default()));
        assert!(told.contains("map.png is no intact PNG"), "{told}");
        let (_folder, path) = written(&image::GrayImage::new(1001, 1000).into());
        let told = refused(read_instance_map(&path, &Limits::megapixels(1)));
        assert!(told.contains("--max-megapixels"), "{told}");
    }
}
