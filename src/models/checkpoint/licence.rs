//! The licence that a snapshot states.

use super::read_head;
use std::path::Path;

/// As much of a model card or licence as is looked at, in bytes.
const HEAD: u64 = 64 << 10;
/// The longest name of a licence that is believed.
const LONGEST: usize = 80;

/// Names on the Hub and in SPDX that differ by more than capital letters.
const SPDX: [(&str, &str); 4] = [
    ("apache-2.0", "Apache-2.0"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("openrail", "OpenRAIL"),
];

/// How texts of licences begin.
const TEXTS: [(&str, &str); 4] = [
    ("Apache License", "Apache-2.0"),
    ("MIT License", "MIT"),
    ("BSD 3-Clause License", "BSD-3-Clause"),
    ("Attribution-NonCommercial 4.0", "CC-BY-NC-4.0"),
];

/// From the model card's front matter (`license:` in README.md), or else from
/// the text of a LICENSE file.
pub(super) fn of(folder: &Path) -> Option<String> {
    let read = |name: &str| {
        let bytes = read_head(&folder.join(name), HEAD).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let card = read("README.md").and_then(|text| from_card(&text));
    let text = || {
        ["LICENSE", "LICENSE.txt", "LICENSE.md"]
            .into_iter()
            .find_map(read)
    };
    card.or_else(|| text().map(|text| from_text(&text)))
}

/// Front matter is between two lines of `---`.
fn from_card(card: &str) -> Option<String> {
    let matter = card.trim_start().strip_prefix("---")?;
    let matter = matter.split("\n---").next()?;
    let field = |key: &str| {
        let mut lines = matter.lines().skip_while(|line| !line.starts_with(key));
        let value = lines.next()?[key.len()..].trim();
        // A list has its first entry on the next line.
        let value = if value.is_empty() {
            lines.next()?.trim().strip_prefix('-')?
        } else {
            value.trim_start_matches('[').trim_end_matches(']')
        };
        let value = value.trim().trim_matches(['"', '\'']);
        let plain = !value.is_empty() && value.chars().all(|c| !c.is_control());
        (plain && value.chars().count() <= LONGEST).then(|| value.to_owned())
    };
    let name = field("license:")?;
    if name == "other" {
        return field("license_name:").or(Some(name));
    }
    Some(spdx(&name))
}

fn spdx(name: &str) -> String {
    let known = SPDX.iter().find(|(hub, _)| *hub == name);
    match known {
        Some((_, spdx)) => (*spdx).to_owned(),
        None if name == "mit" || name.starts_with("cc") || name.contains("gpl") => {
            name.to_uppercase()
        }
        None => name.to_owned(),
    }
}

fn from_text(text: &str) -> String {
    let beginning: String = text.chars().take(400).collect();
    let known = TEXTS.iter().find(|(title, _)| beginning.contains(title));
    known
        .map_or("see its LICENSE file", |(_, spdx)| spdx)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_cards_state_licences() {
        for (card, expected) in [
            (
                "---\nlicense: apache-2.0\ntags:\n- vision\n---\n# Card",
                Some("Apache-2.0"),
            ),
            ("---\ntags:\n- vision\nlicense: mit\n---", Some("MIT")),
            (
                "---\r\nlicense: \"cc-by-nc-4.0\"\r\n---\r\n",
                Some("CC-BY-NC-4.0"),
            ),
            ("---\nlicense:\n- openrail\n---", Some("OpenRAIL")),
            (
                "---\nlicense: other\nlicense_name: apple-amlr\n---",
                Some("apple-amlr"),
            ),
            ("---\nlicense: other\n---", Some("other")),
            ("---\ntags: x\n---\nlicense: mit", None),
            ("# Card\nlicense: mit", None),
            ("---\nlicense:\n---", None),
            ("", None),
        ] {
            assert_eq!(from_card(card).as_deref(), expected, "{card:?}");
        }
        let long = format!("---\nlicense: {}\n---", "x".repeat(1000));
        assert_eq!(from_card(&long), None);
    }

    #[test]
    fn files_are_looked_at_in_turn() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(of(folder.path()), None);
        write("LICENSE", "Copyright by somebody");
        assert_eq!(of(folder.path()).as_deref(), Some("see its LICENSE file"));
        write("LICENSE", "\n   Apache License\n  Version 2.0");
        assert_eq!(of(folder.path()).as_deref(), Some("Apache-2.0"));
        write("README.md", "---\nlicense: mit\n---");
        assert_eq!(of(folder.path()).as_deref(), Some("MIT"));
    }
}
