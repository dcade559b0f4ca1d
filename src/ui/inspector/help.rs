//! What attention is and what it is not, in short and with sources.

use egui::{CollapsingHeader, Hyperlink, RichText, Ui};

use crate::ui::theme::space;
use crate::ui::widgets::dim;

/// The text, a paragraph each.
const TEXT: [&str; 4] = [
    "A row of attention says from which tokens the query token takes its values, in one attention \
     head of one layer. It sums to 1.",
    "It is no causal evidence. Other attention heads, the values themselves and the residual \
     connections matter as much: what gets much attention may change nothing, and the other way \
     round. To see what a prediction depends on, switch attention heads off.",
    "Where layers work in windows, a token sees its window only. The dashed edge is the window's, \
     not an object's.",
    "Prefix tokens (class token, registers) have no place on the photo. What falls on them is \
     told as a number. Large models without registers store global information in a few tokens \
     of plain background.",
];

/// What to read, with its address.
const PAPERS: [(&str, &str); 5] = [
    (
        "Jain & Wallace 2019: Attention is not Explanation",
        "1902.10186",
    ),
    (
        "Wiegreffe & Pinter 2019: Attention is not not Explanation",
        "1908.04626",
    ),
    (
        "Abnar & Zuidema 2020: Quantifying Attention Flow in Transformers",
        "2005.00928",
    ),
    (
        "Chefer et al. 2021: Transformer Interpretability Beyond Attention Visualization",
        "2012.09838",
    ),
    (
        "Darcet et al. 2024: Vision Transformers Need Registers",
        "2309.16588",
    ),
];

/// Show it, closed at first.
pub fn show(ui: &mut Ui) {
    CollapsingHeader::new("What attention tells, and what not")
        .default_open(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = space::S;
            for paragraph in TEXT {
                ui.label(dim(ui, paragraph));
            }
            ui.spacing_mut().item_spacing.y = space::XS;
            for (title, number) in PAPERS {
                let address = format!("https://arxiv.org/abs/{number}");
                ui.add(Hyperlink::from_label_and_url(
                    RichText::new(title).small(),
                    address,
                ));
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    #[test]
    fn it_is_short() {
        let words: usize = TEXT
            .iter()
            .map(|text| text.split_whitespace().count())
            .sum();
        assert!(words <= 125, "{words}");
    }

    #[test]
    fn it_opens_on_request_and_names_its_sources() {
        let mut harness = Harness::new_ui(show);
        harness.run();
        assert!(
            harness
                .query_by_label_contains("Jain & Wallace 2019")
                .is_none()
        );
        harness
            .get_by_label("What attention tells, and what not")
            .click();
        harness.run();
        for (title, _) in PAPERS {
            harness.get_by_label(title);
        }
        harness.get_by_label_contains("no causal evidence");
    }
}
