use super::*;
use crate::attention::testing::{grid, plain};
use crate::attention::{Fusion, all_heads};
use serde_json::{json, to_value};

const VIEW: View = View {
    left: 0.0,
    top: -2.5,
    right: 30.0,
    bottom: 20.0,
};

#[test]
fn it_says_what_the_numbers_are_of() {
    let record = plain(2, grid(2, 3), 4);
    let query = Query::Token { row: 1, column: 2 };
    let rows = all_heads(&record, &query).unwrap();
    let maps: Vec<&Heatmap> = rows.iter().flat_map(|row| &row.grid).collect();
    let report = Report::new(
        &Subject {
            model: "some/folder",
            title: "A model",
            layer: 3,
            layers: 12,
            record: &record,
            kind: "row",
            heads: "all",
            query: Some(&query),
            view: VIEW,
        },
        &maps,
        &rows[0].prefix,
    );
    let json = to_value(&report).unwrap();
    assert_eq!(json["model"], "some/folder");
    assert_eq!(
        (&json["layer"], &json["layers"], &json["layer_name"]),
        (&json!(3), &json!(12), &json!("plain"))
    );
    assert_eq!(
        json["query"],
        json!({"text": "token at row 1, column 2", "tokens": [[1, 2]]})
    );
    assert_eq!(json["grid"], json!([2, 3]));
    assert_eq!(json["view"], json!([0.0, -2.5, 30.0, 20.0]));
    assert_eq!(report.prefix, rows[0].prefix);
    assert_eq!(
        (report.attention_heads, &*report.attention_head),
        (3, "all")
    );
    let values = || maps.iter().flat_map(|map| &map.values);
    assert_eq!(report.lowest, values().copied().fold(1.0, f32::min));
    assert_eq!(report.highest, values().copied().fold(0.0, f32::max));
    assert!(json.get("statistics").is_none());
}

#[test]
fn statistics_carry_the_attention_heads_number() {
    let record = plain(0, grid(1, 2), 4);
    let query = Query::Tokens(vec![(0, 0), (0, 1)]);
    let subject = Subject {
        model: "m",
        title: "M",
        layer: 0,
        layers: 1,
        record: &record,
        kind: "row",
        heads: "mean",
        query: Some(&query),
        view: VIEW,
    };
    let head = |entropy, mean_distance| HeadStatistics {
        entropy,
        mean_distance,
        prefix_mass: 0.25,
        padding_mass: 0.0,
    };
    let heads = [head(1.0, Some(8.5)), head(2.0, None)];
    let report = Report::new(&subject, &[], &[]).with_statistics(&heads);
    let json = to_value(&report).unwrap();
    assert_eq!(json["grid"], json!([0, 0]));
    assert_eq!(json["query"]["text"], "mean over 2 tokens");
    let nobody = Subject {
        query: None,
        ..subject
    };
    let json_of_nobody = to_value(Report::new(&nobody, &[], &[])).unwrap();
    assert!(json_of_nobody["query"].is_null());
    let second = json!({
        "attention_head": 1, "entropy": 2.0, "mean_distance": null,
        "prefix_mass": 0.25, "padding_mass": 0.0
    });
    assert_eq!(json["statistics"][0]["mean_distance"], 8.5);
    assert_eq!(json["statistics"][1], second);
}

#[test]
fn attention_heads_are_named_in_words() {
    assert_eq!(Heads::One(3).to_string(), "3");
    assert_eq!(Heads::Min.to_string(), "min");
    let some = Heads::Set(vec![1, 4], Fusion::Max);
    assert_eq!(some.to_string(), "max of 1, 4");
    let class = QueryReport::from(&Query::Prefix(0));
    assert_eq!(class.text, "token 0 without a place");
}
