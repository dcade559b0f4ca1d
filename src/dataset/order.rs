//! The order that people expect of file names: img2 before img10.

use std::cmp::Ordering;

/// Compare two names: digits by their value, letters without regard to case.
/// Names that only differ in case or leading zeros are put in byte order, so
/// that the order is total.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a, b);
    loop {
        let order = match (x.chars().next(), y.chars().next()) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(c), Some(d)) if c.is_ascii_digit() && d.is_ascii_digit() => {
                let (number_x, number_y) = (take_number(&mut x), take_number(&mut y));
                by_value(number_x, number_y)
            }
            (Some(c), Some(d)) => {
                x = &x[c.len_utf8()..];
                y = &y[d.len_utf8()..];
                c.to_lowercase().cmp(d.to_lowercase())
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The digits that `text` begins with, which are taken off it.
fn take_number<'a>(text: &mut &'a str) -> &'a str {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    number
}

/// Compare digits by value, however many there are.
fn by_value(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
