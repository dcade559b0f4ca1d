use std::io::Cursor;

use serde_json::{Value, json};

use super::super::tests::folder;
use super::*;
use crate::label::{Mask, Rect};
use crate::worker::fake::{FakeControl, FakeEngine};

fn settings() -> Settings {
    Settings {
        model: "mobile-sam".into(),
        takes_prompts: true,
        limits: Limits::default(),
    }
}

/// A conversation with `pipe`: the answers to these lines.
fn talk(engine: &mut FakeEngine, lines: &[String]) -> Vec<Value> {
    let mut session = Session::new(engine, settings());
    let mut output = Vec::new();
    serve(
        &mut Cursor::new(lines.join("\n")),
        &mut output,
        &mut session,
    )
    .unwrap();
    let output = String::from_utf8(output).unwrap();
    let answers: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), lines.len(), "{output}");
    answers
}

fn talk_alone(lines: &[Value]) -> (Vec<Value>, FakeControl) {
    let (mut engine, control) = FakeEngine::new();
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    (talk(&mut engine, &lines), control)
}

fn error_of(answer: &Value) -> &str {
    assert_eq!(answer["ok"], json!(false), "{answer}");
    answer["error"].as_str().unwrap()
}

#[test]
fn pipe_opens_and_segments() {
    let (_folder, photo) = folder();
    let (answers, control) = talk_alone(&[
        json!({"id": 1, "op": "open", "path": photo}),
        json!({"id": "b", "op": "segment", "points": [[20, 15, 1], [1, 1, 0]], "box": null, "reset": true}),
        json!({"op": "segment", "points": [[20.5, 15]], "reset": false}),
        json!({"id": [2], "op": "segment", "box": [30, 20, 10, 5]}),
    ]);
    assert_eq!(answers[0]["id"], json!(1));
    assert_eq!(
        (&answers[0]["width"], &answers[0]["height"]),
        (&json!(40), &json!(30))
    );
    assert!(answers[0]["encode_ms"].is_number());
    assert_eq!(
        (&answers[1]["id"], &answers[1]["score"]),
        (&json!("b"), &json!(0.95))
    );
    assert_eq!(
        (&answers[2]["id"], &answers[3]["id"]),
        (&Value::Null, &json!([2]))
    );
    let rle: CocoRle = serde_json::from_value(answers[3]["mask"].clone()).unwrap();
    assert_eq!(
        rle,
        CocoRle::encode(&Mask::from_rect(Rect::new(10, 5, 30, 20)), 40, 30)
    );
    let priors: Vec<bool> = control.prompts().iter().map(|p| p.mask.is_some()).collect();
    assert_eq!(
        priors,
        [false, true, false],
        "a prior is used only where it is asked for"
    );
}

#[test]
fn pipe_answers_keep_the_order_of_their_fields() {
    let (_folder, photo) = folder();
    let (mut engine, _) = FakeEngine::new();
    let mut session = Session::new(&mut engine, settings());
    let input = format!("{}\n", json!({"id": 1, "op": "open", "path": photo}));
    let mut output = Vec::new();
    serve(&mut Cursor::new(input), &mut output, &mut session).unwrap();
    let output = String::from_utf8(output).unwrap();
    assert!(output.starts_with(r#"{"id":1,"ok":true,"width":40,"height":30,"encode_ms":"#));
}

#[test]
fn pipe_goes_on_after_bad_requests() {
    let (_folder, photo) = folder();
    let (mut engine, _) = FakeEngine::new();
    let open = json!({"id": 1, "op": "open", "path": photo}).to_string();
    let lines = [
        r#"{"id":1,"op":"segment","points":[[1,1]]}"#,
        "hello",
        "",
        "[1,2]",
        "null",
        r#"{"id":2}"#,
        r#"{"id":3,"op":7}"#,
        r#"{"id":4,"op":"dance"}"#,
        r#"{"id":5,"op":"open"}"#,
        r#"{"id":6,"op":"open","path":7}"#,
        r#"{"id":7,"op":"open","path":"nowhere.png"}"#,
        r#"{"id":8,"op":"predict","model":"m"}"#,
        r#"{"id":9,"op":"attention","model":"m","layer":5}"#,
        &open,
        r#"{"id":10,"op":"segment"}"#,
        r#"{"id":11,"op":"segment","points":[[1]]}"#,
        r#"{"id":12,"op":"segment","points":[[1,2,3]]}"#,
        r#"{"id":13,"op":"segment","points":[[1,"x"]]}"#,
        r#"{"id":14,"op":"segment","points":[[40,1]]}"#,
        r#"{"id":15,"op":"segment","points":[[1e300,1]]}"#,
        r#"{"id":16,"op":"segment","box":[5,5,5,9]}"#,
        r#"{"id":17,"op":"segment","box":[5,5,9]}"#,
        r#"{"id":18,"op":"segment","point":[[1,1]]}"#,
        r#"{"id":19,"op":"segment","points":[[1,1]],"reset":"no"}"#,
        r#"{"id":20,"op":"segment","points":[[1,1]]}"#,
    ]
    .map(str::to_owned);
    let answers = talk(&mut engine, &lines);
    let told = |at: usize| error_of(&answers[at]).to_owned();
    assert!(told(0).contains("open"), "segment before open");
    assert!(told(1).contains("not JSON") && told(2).contains("not JSON"));
    assert!(told(3).contains("JSON object") && told(4).contains("JSON object"));
    assert!(told(7).contains("dance"));
    assert!(told(10).contains("nowhere.png"));
    assert!(told(11).contains("open") && told(12).contains("open"));
    assert!(told(14).contains("no point and no box"));
    assert!(told(18).contains("outside") && told(19).contains("outside"));
    assert!(told(20).contains("no area"));
    assert!(
        told(22).contains("`point`"),
        "a misspelt field is not ignored: {}",
        told(22)
    );
    let good: Vec<usize> = (0..lines.len())
        .filter(|at| answers[*at]["ok"] == json!(true))
        .collect();
    assert_eq!(good, [13, 24]);
    for (at, answer) in answers
        .iter()
        .enumerate()
        .filter(|(at, _)| !good.contains(at))
    {
        assert!(!error_of(answer).contains('\n'), "{at}: {answer}");
    }
    assert_eq!(
        (&answers[0]["id"], &answers[1]["id"]),
        (&json!(1), &Value::Null)
    );
}

#[test]
fn predict_and_attention_check_what_they_are_asked() {
    let (folder, photo) = folder();
    let nowhere = folder.path().join("nowhere/a.png");
    let asked = [
        (json!({"op": "predict", "fit": "slide"}), "\"fit\" is"),
        (json!({"op": "predict", "fit": 7}), "not right"),
        (json!({"op": "predict", "out": nowhere}), "no folder"),
        (json!({"op": "predict", "out": photo}), "the photo itself"),
        (
            json!({"op": "predict", "out": folder.path()}),
            "is a folder",
        ),
        (json!({"op": "predict", "modle": "m"}), "`modle`"),
        (
            json!({"op": "attention", "attention_head": -1}),
            "\"attention_head\" is",
        ),
        (
            json!({"op": "attention", "attention_head": "best"}),
            "\"attention_head\" is",
        ),
        (json!({"op": "attention", "query": [1]}), "\"query\" is"),
        (json!({"op": "attention", "query": "patch"}), "\"query\" is"),
        (json!({"op": "attention", "layer": -1}), "not right"),
        (json!({"op": "attention", "head": 1}), "`head`"),
        // This engine has nothing to look at, but the request was understood.
        (
            json!({"op": "predict", "model": "m", "fit": "pad", "top": 3}),
            "no attention",
        ),
        (
            json!({"op": "attention", "layer": 0, "attention_head": 2, "query": [1, 2]}),
            "no attention",
        ),
        (
            json!({"op": "attention", "attention_head": "max", "query": "cls", "reverse": true}),
            "no attention",
        ),
    ];
    let mut lines = vec![json!({"op": "open", "path": photo})];
    lines.extend(asked.iter().map(|(line, _)| line.clone()));
    let (answers, _) = talk_alone(&lines);
    for ((line, expected), answer) in asked.iter().zip(&answers[1..]) {
        let told = error_of(answer);
        assert!(told.contains(expected), "{line}: {told}");
    }
}

#[test]
fn a_model_without_prompts_does_not_encode_what_is_opened() {
    let (_folder, photo) = folder();
    let (mut engine, control) = FakeEngine::new();
    let settings = Settings {
        takes_prompts: false,
        ..settings()
    };
    let mut session = Session::new(&mut engine, settings);
    let line = json!({"op": "open", "path": photo}).to_string();
    assert!(session.answer(line.as_bytes()).ok);
    assert!(control.stages().is_empty());
}

#[test]
fn an_open_that_failed_leaves_no_photo_open() {
    let (_folder, photo) = folder();
    let (answers, _) = talk_alone(&[
        json!({"op": "open", "path": photo}),
        json!({"op": "open", "path": "nowhere.png"}),
        json!({"op": "segment", "points": [[1, 1]]}),
    ]);
    assert!(error_of(&answers[2]).contains("no photo is open"));
}

#[test]
fn a_panic_is_one_bad_answer() {
    let (_folder, photo) = folder();
    let (mut engine, control) = FakeEngine::new();
    control.panic_next("ordered");
    let open = json!({"id": 1, "op": "open", "path": photo}).to_string();
    let answers = talk(&mut engine, &[open.clone(), open]);
    assert!(error_of(&answers[0]).contains("ordered"));
    assert_eq!(
        (&answers[0]["id"], &answers[1]["ok"]),
        (&json!(1), &json!(true))
    );
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
    let (mut engine, _) = FakeEngine::new();
    let sized = |length: usize| "x".repeat(length);
    let lines = [
        sized(LONGEST_LINE),
        sized(LONGEST_LINE + 1),
        "{}".to_owned(),
    ];
    let answers = talk(&mut engine, &lines);
    assert!(error_of(&answers[0]).contains("not JSON"));
    assert!(error_of(&answers[1]).contains("at most 1048576 bytes"));
    assert!(error_of(&answers[2]).contains("op"));
}
