//! The values of options.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::Parsed;
use crate::models::PromptPoint;
use crate::models::predict::Framing;

/// More threads than any machine has cores are a slip of the finger.
const MOST_THREADS: usize = 1024;
/// More seconds than anybody waits for: a year.
const LONGEST: f64 = 31_536_000.0;
/// The most pixels of a network's input.
const MOST_INPUT: u64 = 1 << 24;

/// An option's value as text.
pub fn text(value: OsString, option: &str) -> Parsed<String> {
    let complaint = |value: OsString| format!("{option} {value:?} is not readable text");
    Ok(value.into_string().map_err(complaint)?)
}

/// A number of things that may be none.
pub fn index(value: &OsStr, option: &str) -> Parsed<usize> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    Ok(number.ok_or_else(|| format!("{option} takes a whole number from 0 on, not {value:?}"))?)
}

/// A whole number from 1 on.
pub fn whole(value: &OsStr, option: &str) -> Parsed<u32> {
    let number = value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|n| *n > 0);
    Ok(number.ok_or_else(|| format!("{option} takes a whole number from 1 on, not {value:?}"))?)
}

/// A number between two others, the ends included.
pub fn between(value: &OsStr, option: &str, range: std::ops::RangeInclusive<f64>) -> Parsed<f64> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    let (low, high) = (range.start(), range.end());
    let complaint = || format!("{option} takes a number from {low} to {high}, not {value:?}");
    Ok(number.filter(|n| range.contains(n)).ok_or_else(complaint)?)
}

/// `2h`, `30m`, `90s`, or several of them in a row.
pub fn duration(value: &OsStr, option: &str) -> Parsed<Duration> {
    let seconds = value.to_str().and_then(seconds);
    let seconds = seconds.filter(|seconds| *seconds > 0.0 && *seconds < LONGEST);
    let complaint = || format!("{option} takes a time such as 2h, 30m or 90s, not {value:?}");
    Ok(Duration::from_secs_f64(seconds.ok_or_else(complaint)?))
}

fn seconds(text: &str) -> Option<f64> {
    let (mut rest, mut all) = (text, None);
    while !rest.is_empty() {
        let unit = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let number: f64 = rest[..unit].parse().ok()?;
        let scale = match &rest[unit..=unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            _ => return None,
        };
        all = Some(all.unwrap_or(0.0) + number * scale);
        rest = &rest[unit + 1..];
    }
    all
}

/// One of several words.
pub fn one_of<T: Copy>(value: &OsStr, option: &str, choices: &[(&str, T)]) -> Parsed<T> {
    let known = choices.iter().find(|(name, _)| value == OsStr::new(name));
    let complaint = || {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let (last, others) = names.split_last().unwrap_or((&"", &[]));
        format!("{option} is {} or {last}, not {value:?}", others.join(", "))
    };
    Ok(known.map(|(_, choice)| *choice).ok_or_else(complaint)?)
}

/// How many threads.
pub fn threads(value: &OsStr) -> Parsed<usize> {
    let count = whole(value, "--threads")? as usize;
    if count > MOST_THREADS {
        return Err(format!("--threads takes at most {MOST_THREADS}, not {count}").into());
    }
    Ok(count)
}

/// How a photo is shown to a model.
pub fn framing(value: &OsStr) -> Parsed<Framing> {
    one_of(value, "--fit", &Framing::ALL.map(|fit| (fit.name(), fit)))
}

/// `N` for a square or `WxH`: width and height of a network's input.
pub fn input_size(value: &OsStr) -> Parsed<(usize, usize)> {
    let text = value.to_str().unwrap_or_default();
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    let side = |text: &str| text.parse::<u32>().ok().filter(|side| *side > 0);
    let size = side(width).zip(side(height));
    let size = size.filter(|(w, h)| u64::from(*w) * u64::from(*h) <= MOST_INPUT);
    let (width, height) = size
        .ok_or_else(|| format!("--size is N or WxH in pixels, at most 4096x4096, not {value:?}"))?;
    Ok((width as usize, height as usize))
}

/// Numbers between commas; `None` if one is no finite number.
pub fn numbers(value: &OsStr) -> Option<Vec<f32>> {
    let number = |part: &str| part.trim().parse::<f32>().ok().filter(|n| n.is_finite());
    value.to_str()?.split(',').map(number).collect()
}

/// `X,Y` or `X,Y,1` for a point inside the object, `X,Y,0` for one outside.
pub fn point(value: &OsStr) -> Parsed<PromptPoint> {
    let (x, y, label) = match numbers(value).as_deref() {
        Some([x, y]) => (*x, *y, 1.0),
        Some([x, y, label]) if *label == 0.0 || *label == 1.0 => (*x, *y, *label),
        _ => return Err(format!("--point is X,Y or X,Y,0 in pixels, not {value:?}").into()),
    };
    Ok(PromptPoint {
        x,
        y,
        positive: label == 1.0,
    })
}

/// Two opposite corners, in any order.
pub fn bbox(value: &OsStr) -> Parsed<[f32; 4]> {
    let Some([x0, y0, x1, y1]) = numbers(value).and_then(|n| <[f32; 4]>::try_from(n).ok()) else {
        return Err(format!("--box is X0,Y0,X1,Y1 in pixels, not {value:?}").into());
    };
    if x0 == x1 || y0 == y1 {
        return Err(format!("--box {value:?} has no area: give two opposite corners").into());
    }
    Ok([x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)])
}
