//! Encodings of photos kept in files: a frozen encoder sees each photo once,
//! however long its decode head is trained.

use super::data::Pictures;
use super::pictures::{Raw, rims};
use super::{Example, Examples, Map, OUTSIDE, Random, Target, TrainError};
use crate::formats::write_files;
use crate::models::{Encoding, FeatureMap, PromptableModel};
use crate::nn::Watch;
use crate::task::Task;
use half::f16;
use half::slice::HalfFloatSliceExt;
use safetensors::tensor::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of feature maps, named by the content of the photo's file.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// Side of the encoder's frame in pixels.
    frame: usize,
}

impl Store {
    /// Files go to `folder`, which exists when they are written; they are of an encoder whose frame
    /// has sides of `frame` pixels.
    pub fn new(folder: PathBuf, frame: usize) -> Self {
        Self { folder, frame }
    }

    /// Where they lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the maps of a photo whose file has these bytes belong; `mirrored`
    /// photos have their own.
    pub fn path(&self, photo: &[u8], mirrored: bool) -> PathBuf {
        let digest = Sha256::digest(photo);
        let name: String = digest[..12].iter().map(|b| format!("{b:02x}")).collect();
        let side = if mirrored { "-mirrored" } else { "" };
        self.folder.join(format!("{name}{side}.safetensors"))
    }
}

/// A photo that has no maps yet.
#[derive(Clone, Copy)]
pub struct Missing<'p> {
    pictures: &'p Pictures,
    photo: usize,
    mirrored: bool,
}

impl Missing<'_> {
    /// Its file.
    pub fn file(&self) -> &Path {
        self.pictures.file(self.photo)
    }

    /// Encode it into `store`.
    ///
    /// # Errors
    /// If it cannot be read or its maps not be written; [`crate::models::ModelError::Cancelled`].
    pub fn encode(
        &self,
        encoder: &PromptableModel,
        store: &Store,
        task: Task<'_>,
    ) -> Result<(), TrainError> {
        let raw = self.pictures.raw(self.photo)?;
        let (width, height) = (raw.columns as u32, raw.rows as u32);
        let mut rgb = Cow::Borrowed(&raw.rgb);
        if self.mirrored {
            for row in rgb.to_mut().chunks_exact_mut(3 * raw.columns) {
                row.as_chunks_mut::<3>().0.reverse();
            }
        }
        let encoding = encoder.encode(&rgb, width, height, &Watch::default(), task)?;
        write(
            &store.path(&bytes_of(self.file())?, self.mirrored),
            &encoding,
        )
    }
}

/// The photos of `pictures` that have no maps in `store`; with `mirrored`, also
/// those whose mirror image has none.
///
/// # Errors
/// If a photo cannot be read.
pub fn missing<'p>(
    pictures: &'p Pictures,
    store: &Store,
    mirrored: bool,
) -> Result<Vec<Missing<'p>>, TrainError> {
    let mut missing = Vec::new();
    for photo in 0..pictures.photos() {
        let bytes = bytes_of(pictures.file(photo))?;
        let kinds = [false, true].into_iter().take(1 + usize::from(mirrored));
        let lacking = kinds.filter(|mirrored| !store.path(&bytes, *mirrored).is_file());
        missing.extend(lacking.map(|mirrored| Missing {
            pictures,
            photo,
            mirrored,
        }));
    }
    Ok(missing)
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, TrainError> {
    fs::read(file).map_err(|error| TrainError::data(file, error.to_string()))
}

/// Write the feature maps of an encoding: all of them, or nothing.
///
/// # Errors
/// If they cannot be written.
pub fn write(path: &Path, encoding: &Encoding) -> Result<(), TrainError> {
    let failed = |why: String| TrainError::data(path, why);
    let maps = encoding.feature_maps()?;
    let tensors = maps.iter().enumerate().map(|(i, map)| {
        let name = format!("{i}.stride{}", map.stride);
        (name, Kept(map))
    });
    let bytes = safetensors::serialize(tensors, None).map_err(|error| failed(error.to_string()))?;
    Ok(write_files(&[(path.to_owned(), bytes)])?)
}

/// Read what [`write`] wrote.
///
/// # Errors
/// If there is no such file, or it is something else.
pub fn read(path: &Path) -> Result<Vec<FeatureMap>, TrainError> {
    let failed = |why: String| TrainError::data(path, why);
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| failed(error.to_string()))?;
    let mut names = file.names();
    names.sort_unstable();
    let map = |name: &&str| -> Result<FeatureMap, TrainError> {
        let odd = || failed(format!("its tensor {name:?} is no feature map"));
        let tensor = file.tensor(name).map_err(|_| odd())?;
        let stride = name.split_once(".stride");
        let stride = stride.and_then(|(_, stride)| stride.parse().ok());
        let (Some(stride), Dtype::F16, Ok(size)) = (
            stride,
            tensor.dtype(),
            <[usize; 3]>::try_from(tensor.shape()),
        ) else {
            return Err(odd());
        };
        let pairs = tensor.data().as_chunks::<2>().0.iter();
        let values = pairs.map(|pair| f16::from_le_bytes(*pair)).collect();
        Ok(FeatureMap::new(stride, size, values)?)
    };
    names.iter().map(map).collect()
}

/// A map as safetensors takes it.
struct Kept<'a>(&'a FeatureMap);

impl safetensors::View for Kept<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F16
    }

    fn shape(&self) -> &[usize] {
        &self.0.size
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.0.values().reinterpret_cast().iter();
        Cow::Owned(values.flat_map(|v| v.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.0.bytes()
    }
}

/// Labelled photos as the maps that a frozen encoder made of them.
pub struct EncodedPictures {
    pictures: Pictures,
    store: Store,
    files: Vec<PathBuf>,
    /// Side of the parts that are trained on, in places of the coarsest map.
    crop: usize,
}

impl EncodedPictures {
    /// The photos of `pictures`, all of which have been encoded into `store`.
    /// Parts of `crop` × `crop` pixels of the encoder's frame are trained on.
    ///
    /// # Errors
    /// If a photo cannot be read, or has not been encoded.
    pub fn open(pictures: Pictures, store: Store, crop: usize) -> Result<Self, TrainError> {
        let file = |photo: usize| {
            let file = pictures.file(photo);
            let path = store.path(&bytes_of(file)?, false);
            match path.is_file() {
                true => Ok(path),
                false => Err(TrainError::data(file, "it has not been encoded")),
            }
        };
        let files = (0..pictures.photos()).map(file).collect::<Result<_, _>>()?;
        Ok(Self {
            files,
            crop: crop.div_ceil(COARSEST).max(1),
            pictures,
            store,
        })
    }

    /// The file of a photo's maps, and whether they are of the mirrored photo.
    fn file(&self, photo: usize, mirrored: bool) -> (PathBuf, bool) {
        let plain = &self.files[photo];
        if mirrored && let Some(name) = plain.file_stem() {
            let mut name = name.to_owned();
            name.push("-mirrored.safetensors");
            let mirrored = plain.with_file_name(name);
            if mirrored.is_file() {
                return (mirrored, true);
            }
        }
        (plain.clone(), false)
    }
}

/// Stride of the coarsest maps and of the finest, in pixels of the frame.
const COARSEST: usize = 16;
const FINEST: usize = 4;

impl Examples for EncodedPictures {
    fn photos(&self) -> usize {
        self.files.len()
    }

    fn training(&self, photo: usize, random: &mut Random) -> Result<Example, TrainError> {
        let raw = self.pictures.raw(photo)?;
        let mirror = random.chance(0.5);
        let (file, is_mirrored) = self.file(photo, mirror);
        let maps = read(&file)?;
        let coarse = maps.iter().find(|map| map.stride == COARSEST);
        let coarse = coarse.ok_or_else(|| TrainError::data(&file, "it has no coarse map"))?;
        let window = Window {
            row: random.below(coarse.size[0].saturating_sub(self.crop) + 1),
            column: random.below(coarse.size[1].saturating_sub(self.crop) + 1),
            side: self.crop,
            // Maps of the photo as it is are mirrored themselves: nearly the
            // same, as convolutions and windows hardly care.
            flip: mirror && !is_mirrored,
            turn: self.pictures.any_orientation() && random.chance(0.5),
        };
        let inputs = maps.iter().map(|map| window.of(map)).collect();
        let sampled = Sampled {
            raw: &raw,
            frame: self.store.frame,
            mirrored: is_mirrored,
        };
        let side = self.crop * COARSEST / FINEST;
        let labels = window.sample(|row, column| sampled.label(row, column));
        let boundary = self.pictures.has_boundary().then(|| match &raw.instances {
            Some(ids) => {
                let ids: Vec<u16> = window.sample(|row, column| sampled.id(ids, row, column));
                rims(&ids, &labels, [side, side])
            }
            None => vec![u8::MAX; labels.len()],
        });
        Ok(Example {
            inputs,
            target: Target {
                rows: side,
                columns: side,
                labels,
                boundary,
                annotated: self.pictures.annotated(),
            },
        })
    }

    fn whole(&self, photo: usize) -> Result<Example, TrainError> {
        let mut example = self.pictures.whole(photo)?;
        example.inputs = whole_maps(&read(&self.files[photo])?);
        Ok(example)
    }

    fn covers(&self, photo: usize) -> [f32; 2] {
        let size = self.pictures.size(photo);
        let scale = self.store.frame as f32 / size[0].max(size[1]) as f32;
        size.map(|side| {
            let side = (side as f32 * scale).round();
            side / (side / FINEST as f32).ceil() / FINEST as f32
        })
    }

    fn pixels(&self) -> Vec<u64> {
        self.pictures.pixels()
    }
}

fn whole_maps(maps: &[FeatureMap]) -> Vec<Map> {
    let whole = |map: &FeatureMap| {
        let mut values = vec![0.0; map.values().len()];
        map.values().convert_to_f32_slice(&mut values);
        Map {
            values,
            size: map.size,
        }
    };
    maps.iter().map(whole).collect()
}

/// A square part of a photo's maps, in places of the coarsest.
#[derive(Clone, Copy, Debug)]
struct Window {
    row: usize,
    column: usize,
    side: usize,
    /// Left and right exchanged.
    flip: bool,
    /// Upside down.
    turn: bool,
}

impl Window {
    /// Row and column of the maps at a place of the part, at `scale` places of
    /// a finer map to each of the coarsest.
    fn source(self, (row, column): (usize, usize), scale: usize) -> (usize, usize) {
        let last = self.side * scale - 1;
        let row = if self.turn { last - row } else { row };
        let column = if self.flip { last - column } else { column };
        (self.row * scale + row, self.column * scale + column)
    }

    /// The part of a map; zeros beyond its edges.
    fn of(self, map: &FeatureMap) -> Map {
        let scale = (COARSEST / map.stride.max(1)).max(1);
        let side = self.side * scale;
        let [rows, columns, channels] = map.size;
        let mut values = vec![0.0; side * side * channels];
        for (i, place) in values.chunks_exact_mut(channels).enumerate() {
            let (row, column) = self.source((i / side, i % side), scale);
            if row < rows && column < columns {
                let from = (row * columns + column) * channels;
                map.values()[from..from + channels].convert_to_f32_slice(place);
            }
        }
        Map {
            values,
            size: [side, side, channels],
        }
    }

    /// What `value` gives for the rows and columns of the finest map, of which
    /// some may lie beyond the photo.
    fn sample<T>(self, value: impl Fn(usize, usize) -> T) -> Vec<T> {
        let scale = COARSEST / FINEST;
        let side = self.side * scale;
        let places = (0..side * side).map(|i| self.source((i / side, i % side), scale));
        places.map(|(row, column)| value(row, column)).collect()
    }
}

/// Labels of a photo where the places of the finest map have their centres.
struct Sampled<'a> {
    raw: &'a Raw,
    frame: usize,
    mirrored: bool,
}

impl Sampled<'_> {
    fn index(&self, row: usize, column: usize) -> Option<usize> {
        let scale = self.raw.rows.max(self.raw.columns) as f64 / self.frame as f64;
        let pixel = |place: usize| ((place as f64 + 0.5) * FINEST as f64 * scale) as usize;
        let (row, column) = (pixel(row), pixel(column));
        let inside = row < self.raw.rows && column < self.raw.columns;
        let column = match self.mirrored {
            true if inside => self.raw.columns - 1 - column,
            _ => column,
        };
        inside.then_some(row * self.raw.columns + column)
    }

    fn label(&self, row: usize, column: usize) -> u8 {
        self.index(row, column)
            .map_or(OUTSIDE, |index| self.raw.labels[index])
    }

    fn id(&self, ids: &[u16], row: usize, column: usize) -> u16 {
        self.index(row, column).map_or(u16::MAX, |index| ids[index])
    }
}
