//! Heatmaps as pictures.

use std::ffi::OsStr;

use lexopt::Parser;

use super::args::What;
use super::find::Found;
use super::nothing;
use crate::attention::{ColorMap, Interpolation, Query, Style, TokenMask, blocky};
use crate::cli::Failure;
use crate::cli::args::Parsed;
use crate::cli::args::value::between;
use crate::cli::segment::{OBJECT, object};
use crate::formats::binary_mask_png;
use crate::label::Mask;
use crate::photo::Photo;
use crate::worker::{ContactSheet, HeatmapPicture, SheetLayer, heatmaps_png};

/// Opacity of a heatmap over the photo if nobody says.
const OPACITY: f32 = 0.6;

/// What a picture looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    style: Style,
    /// Without the photo.
    alone: bool,
    opacity: Option<f32>,
    /// Without the outline of the tokens asked for.
    unmarked: bool,
}

impl Default for Look {
    fn default() -> Self {
        let style = Style {
            interpolation: Interpolation::Bilinear,
            ..Style::default()
        };
        Self {
            style,
            alone: false,
            opacity: None,
            unmarked: false,
        }
    }
}

impl Look {
    /// Take the value of the option `name`. Whether there is such an option.
    pub fn take(&mut self, name: &str, parser: &mut Parser) -> Parsed<bool> {
        match name {
            "color" => self.style.colors = color_map(&parser.value()?)?,
            "nearest" => self.style.interpolation = Interpolation::Nearest,
            "alone" => self.alone = true,
            "no-mark" => self.unmarked = true,
            "opacity" => {
                self.opacity = Some(between(&parser.value()?, "--opacity", 0.0..=1.0)? as f32);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Complain about options that would do nothing.
    pub fn check(&self, what: &What, picture: bool) -> Parsed<()> {
        if !picture && *self != Self::default() {
            return Err(
                "--color, --nearest, --alone, --opacity and --no-mark need a picture: name it with -o"
                    .into(),
            );
        }
        let of_photo = self.alone || self.opacity.is_some() || self.unmarked;
        if matches!(what, What::Grid { .. }) && of_photo {
            return Err(
                "--grid shows no photo, so it goes without --alone, --opacity and --no-mark".into(),
            );
        }
        if self.alone && self.opacity.is_some() {
            return Err("--alone shows no photo, so it goes without --opacity".into());
        }
        Ok(())
    }

    /// The first map over the photo or alone, as a PNG of the photo's size, with
    /// the outlines of the tokens asked for and of the mask.
    pub fn picture(
        &self,
        found: &Found<'_>,
        mask: Option<&Mask>,
        photo: &Photo,
    ) -> Result<Vec<u8>, Failure> {
        let size = (photo.width() as usize, photo.height() as usize);
        let asked = (!self.unmarked).then(|| asked(found, size));
        let picture = HeatmapPicture {
            map: found.shown()?.ok_or_else(nothing)?,
            view: found.view,
            style: self.style,
            opacity: (!self.alone).then(|| self.opacity.unwrap_or(OPACITY)),
            windows: found.windows()?,
            marks: mask.cloned().into_iter().chain(asked).collect(),
        };
        Ok(heatmaps_png(&[picture], photo)?)
    }

    /// All maps beside each other with the numbers of their attention heads,
    /// layer by layer, without the tokens that lie on padding beside the photo.
    pub fn sheet(&self, found: &[Found<'_>], photo: &Photo) -> Result<Vec<u8>, Failure> {
        let layer = |found: &Found<'_>| {
            let (index, (maps, view)) = (found.index, found.in_sight()?);
            Ok::<_, Failure>(SheetLayer { index, maps, view })
        };
        let sheet = ContactSheet {
            layers: found.iter().map(layer).collect::<Result<_, _>>()?,
            style: self.style,
            shared: false,
        };
        Ok(sheet.png(photo)?)
    }
}

/// The tokens asked for as pixels of a photo of (width, height) pixels.
fn asked(found: &Found<'_>, size: (usize, usize)) -> Mask {
    let tokens = match &found.query {
        None | Some(Query::Prefix(_)) => return Mask::empty(),
        Some(Query::Token { row, column }) => vec![(*row, *column)],
        Some(Query::Tokens(tokens)) => tokens.clone(),
    };
    let mask = |(grid, view)| blocky(&TokenMask::from_tokens(grid, &tokens), view, size);
    found.asked.map_or_else(Mask::empty, mask)
}

/// A mask on the photo: 8-bit grey, 255 inside, 0 outside.
pub fn mask_png(mask: &Mask, photo: &Photo) -> Result<Vec<u8>, Failure> {
    let png = binary_mask_png(&object(photo, mask, None)?, OBJECT);
    png.map_err(|error| Failure::Sentence(error.to_string()))
}

/// The colour map of that name.
fn color_map(value: &OsStr) -> Parsed<ColorMap> {
    let known = value.to_str().and_then(ColorMap::from_name);
    let complaint = || format!("--color is viridis, magma, turbo or grey, not {value:?}");
    Ok(known.ok_or_else(complaint)?)
}
