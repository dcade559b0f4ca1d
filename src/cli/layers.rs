//! The attention layers of a model that has seen a photo, and where their tokens
//! lie on it: for `attention` and `pipe`.

use std::ffi::OsStr;

use super::args::Parsed;
use super::args::value::numbers;
use crate::attention::{Heads, Query, key_view};
use crate::models::geometry::View;
use crate::nn::capture::{QueryKey, Tokens};
use crate::photo::Photo;
use crate::worker::Observed;

/// Whose attention is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked {
    /// The class token.
    Class,
    /// The token under a point of the photo, in pixels from its upper left corner.
    Point {
        /// To the right.
        x: f64,
        /// Down.
        y: f64,
    },
}

impl Asked {
    /// `cls` or `X,Y`.
    pub fn parse(value: &OsStr) -> Parsed<Self> {
        match numbers(value).as_deref() {
            Some([x, y]) => Ok(Self::at(*x, *y)),
            None if value == OsStr::new("cls") => Ok(Self::Class),
            _ => Err(format!("--query is X,Y in pixels of the photo or cls, not {value:?}").into()),
        }
    }

    /// A point.
    pub fn at(x: f32, y: f32) -> Self {
        Self::Point {
            x: x.into(),
            y: y.into(),
        }
    }
}

/// The attention heads of that name: a number from 0, mean, max or min.
pub fn heads(name: &str) -> Option<Heads> {
    Some(match name {
        "mean" => Heads::Mean,
        "max" => Heads::Max,
        "min" => Heads::Min,
        number => Heads::One(number.parse().ok()?),
    })
}

/// A side of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those who look.
    Queries,
    /// What they look at.
    Keys,
}

/// The layers of a model, with what it has recorded of a photo.
pub struct Layers<'a> {
    title: &'a str,
    records: &'a [QueryKey],
    /// The part of the photo under the query grids.
    view: View,
    photo: (u32, u32),
}

impl<'a> Layers<'a> {
    /// Of a model that has seen `photo`.
    pub fn of(observed: &'a Observed, photo: &Photo) -> Result<Self, String> {
        let title = &observed.model.info.title;
        let (records, view) = (observed.records(), observed.view());
        if records.is_empty() {
            return Err(format!(
                "{title} has no attention layers that look at the photo"
            ));
        }
        Ok(Self {
            title,
            records,
            view,
            photo: (photo.width(), photo.height()),
        })
    }

    /// How many layers there are.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// A layer by its number from 0, or the last one, with that number.
    pub fn get(&self, index: Option<usize>) -> Result<(usize, &'a QueryKey), String> {
        let index = index.unwrap_or(self.count() - 1);
        let record = self.records.get(index);
        Ok((index, record.ok_or_else(|| self.no_layer(index))?))
    }

    /// The layers up to that number, or all.
    pub fn up_to(&self, index: Option<usize>) -> Result<&'a [QueryKey], String> {
        let (index, _) = self.get(index)?;
        Ok(&self.records[..=index])
    }

    fn no_layer(&self, index: usize) -> String {
        let (title, count) = (self.title, self.count());
        format!("{title} has {count} attention layers, counted from 0: there is no layer {index}")
    }

    /// The part of the photo under the tokens of a side of a layer.
    pub fn view(&self, record: &QueryKey, side: Side) -> View {
        match side {
            Side::Queries => self.view,
            Side::Keys => key_view(record, self.view),
        }
    }

    /// The tokens of a side of a layer that are asked for: by default the class
    /// token.
    pub fn query(
        &self,
        record: &QueryKey,
        side: Side,
        asked: Option<Asked>,
    ) -> Result<Query, String> {
        let tokens = match side {
            Side::Queries => record.query_tokens,
            Side::Keys => record.key_tokens,
        };
        match asked {
            Some(Asked::Point { x, y }) => self.under(record, side, tokens, (x, y)),
            _ if tokens.prefix > 0 => Ok(Query::Prefix(0)),
            Some(Asked::Class) => Err(format!(
                "{} has no class token: ask for a point of the photo",
                self.title
            )),
            None => Err(format!(
                "{} has no class token to start from: say which point of the photo with --query X,Y",
                self.title
            )),
        }
    }

    fn under(
        &self,
        record: &QueryKey,
        side: Side,
        tokens: Tokens,
        (x, y): (f64, f64),
    ) -> Result<Query, String> {
        let (width, height) = self.photo;
        let inside = |at: f64, side: u32| (0.0..f64::from(side)).contains(&at);
        if !inside(x, width) || !inside(y, height) {
            return Err(format!(
                "the point {x},{y} is outside the photo, which is {width} × {height} pixels"
            ));
        }
        let layer = &record.layer;
        let grid = tokens.grid;
        let grid = grid.ok_or_else(|| format!("the tokens of layer {layer} have no place"))?;
        let token = self.view(record, side).token_from_image(grid, x, y);
        let (row, column) = token.ok_or_else(|| {
            format!(
                "the point {x},{y} is outside the part of the photo that {} was shown: fit the photo by squash or pad",
                self.title
            )
        })?;
        Ok(Query::Token { row, column })
    }
}
