//! `patchlens pipe` as a script talks to it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{Bench, PROGRAM, fixture, patchlens, sample, succeeded, text};

/// The answers to these lines, one each.
fn talk(lines: &[u8]) -> Vec<Value> {
    let output = patchlens(["pipe"]).write_stdin(lines).output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(0), "")
    );
    let output = text(&output.stdout);
    output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn pipe_lives_through_everything() {
    let bench = Bench::new();
    let mut lines = Vec::new();
    let mut say = |line: &[u8]| lines.extend_from_slice(&[line, b"\n"].concat());
    let mut say_json = |value: Value| say(value.to_string().as_bytes());
    say_json(json!({"id": 0, "op": "segment", "points": [[1, 1]]}));
    say_json(json!({"id": 1, "op": "open", "path": bench.path("missing.png")}));
    say(b"hello");
    say(b"\xff\xfe");
    say(&vec![b'['; 2 << 20]);
    say(&[b'['; 5000]);
    let mut say_json = |value: Value| say(value.to_string().as_bytes());
    say_json(json!({"id": {"a": 1}, "op": "open", "path": sample("chelsea.png")}));
    say_json(json!({"id": 7, "op": "segment", "points": [[451, 10]]}));
    say_json(json!({"id": 8, "op": "segment", "points": [[200, 120, 1], [5, 5, 0]], "box": null}));
    say_json(json!({"id": 9, "op": "segment", "points": [[200, 120, 1]], "reset": false}));
    say_json(json!({"id": 10, "op": "predict", "model": "x"}));
    say_json(json!({"id": 11, "op": "open", "path": bench.photo("tall.png", 1, 5000)}));
    say_json(json!({"id": 12, "op": "segment", "points": [[0, 4999, 1]]}));
    say_json(json!({"id": 13, "op": "open", "path": bench.photo("dot.png", 1, 1)}));
    say_json(json!({"id": 14, "op": "segment", "box": [0, 0, 1, 1]}));
    // The last line has no line feed, as from `printf`.
    lines.pop();

    let answers = talk(&lines);
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    let expected = json!([0, 1, null, null, null, null, {"a": 1}, 7, 8, 9, 10, 11, 12, 13, 14]);
    assert_eq!(json!(ids), expected);
    let good: Vec<usize> = (0..15)
        .filter(|at| answers[*at]["ok"] == json!(true))
        .collect();
    assert_eq!(good, [6, 8, 9, 11, 12, 13, 14]);
    assert_eq!(
        (&answers[6]["width"], &answers[6]["height"]),
        (&json!(451), &json!(300))
    );
    assert_eq!(answers[8]["mask"]["size"], json!([300, 451]));
    assert_eq!(answers[12]["mask"]["size"], json!([5000, 1]));
    assert!(
        answers[8]["score"].as_f64().unwrap() > 0.5,
        "{}",
        answers[8]["score"]
    );
    assert!(answers[4]["error"].as_str().unwrap().contains("at most"));
    assert!(answers[7]["error"].as_str().unwrap().contains("outside"));
}

#[test]
fn pipe_predicts_and_shows_attention() {
    let bench = Bench::new();
    let (dense, vit, dino) = (fixture("segformer"), fixture("vit"), fixture("dino"));
    let out = bench.path("out.png");
    let requests = [
        json!({"op": "attention", "layer": 0}),
        json!({"op": "open", "path": dense.join("image.png")}),
        json!({"op": "predict"}),
        json!({"op": "predict", "out": out, "fit": "pad"}),
        json!({"op": "predict", "model": vit, "top": 2}),
        json!({"op": "predict", "model": "mobile-sam"}),
        json!({"op": "segment", "points": [[1, 1]]}),
        json!({"op": "attention", "model": dino, "layer": 1, "attention_head": 2}),
        json!({"op": "attention", "model": dino, "layer": 9}),
        json!({"op": "attention", "query": [5, 5]}),
    ];
    let lines: String = requests
        .iter()
        .map(|request| format!("{request}\n"))
        .collect();
    let mut command = patchlens([OsStr::new("pipe"), OsStr::new("--model"), dense.as_os_str()]);
    let output = command.write_stdin(lines).output().unwrap();
    assert_eq!(
        (output.status.code(), &*text(&output.stderr)),
        (Some(0), "")
    );
    let answers: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ok: Vec<bool> = answers
        .iter()
        .map(|answer| answer["ok"] == json!(true))
        .collect();
    let expected = [
        false, true, true, true, true, false, false, true, false, true,
    ];
    assert_eq!(ok, expected, "{answers:#?}");
    let error = |at: usize| answers[at]["error"].as_str().unwrap();
    assert!(error(0).contains("open") && error(5).contains("cannot give each pixel"));
    assert!(error(6).contains("cannot take points") && error(8).contains("3 attention layers"));

    let size = answers[2]["size"].clone();
    let pixels = |at: usize| -> u64 {
        let classes = answers[at]["classes"].as_array().unwrap();
        classes
            .iter()
            .map(|class| class["pixels"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(size, json!([answers[1]["height"], answers[1]["width"]]));
    let all = size[0].as_u64().unwrap() * size[1].as_u64().unwrap();
    assert_eq!((pixels(2), pixels(3)), (all, all));
    let labels = Path::new(answers[2]["labels"].as_str().unwrap());
    assert!(!labels.exists(), "{labels:?} outlives the program");
    assert_eq!(answers[3]["labels"], json!(out));
    let (width, height) = image::image_dimensions(&out).unwrap();
    assert_eq!(size, json!([height, width]));

    let mut classify = patchlens(["classify", "--json", "--top", "2"]);
    classify.arg(dense.join("image.png")).arg("-m").arg(&vit);
    let classified: Value = serde_json::from_str(&succeeded(&mut classify)).unwrap();
    assert_eq!(answers[4]["classes"], classified["classes"]);
    assert_eq!(classified["classes"].as_array().unwrap().len(), 2);
    assert_eq!(answers[7]["grid"], json!([6, 6]));
    let values = answers[7]["values"].as_array().unwrap();
    let sum: f64 = values.iter().map(|value| value.as_f64().unwrap()).sum();
    let prefix = answers[7]["prefix"][0].as_f64().unwrap();
    assert!(
        values.len() == 36 && (sum + prefix - 1.0).abs() < 1e-4,
        "{sum} {prefix}"
    );
}

#[test]
fn a_class_map_is_there_while_the_program_runs() {
    let dense = fixture("segformer");
    let mut child = std::process::Command::new(PROGRAM)
        .args([OsStr::new("pipe"), OsStr::new("-m"), dense.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut requests = child.stdin.take().unwrap();
    writeln!(
        requests,
        "{}",
        json!({"op": "open", "path": dense.join("image.png")})
    )
    .unwrap();
    writeln!(requests, "{}", json!({"op": "predict"})).unwrap();
    answers.next().unwrap().unwrap();
    let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
    let labels = image::open(answer["labels"].as_str().unwrap()).unwrap();
    assert_eq!(answer["size"], json!([labels.height(), labels.width()]));
    drop(requests);
    assert!(child.wait().unwrap().success());
}

fn spawn_pipe(stdout: Stdio) -> Child {
    let mut command = Command::new(PROGRAM);
    command
        .arg("pipe")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(stdout);
    command.spawn().unwrap()
}

#[test]
fn an_answer_comes_before_the_next_request() {
    let mut child = spawn_pipe(Stdio::piped());
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut requests = child.stdin.take().unwrap();
    for id in 0..3 {
        writeln!(requests, "{{\"id\":{id},\"op\":\"dance\"}}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], json!(id));
    }
    drop(requests);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_has_left_ends_the_program_quietly() {
    let mut child = spawn_pipe(Stdio::piped());
    drop(child.stdout.take());
    // The program may be gone before it has read this.
    let _ = writeln!(child.stdin.take().unwrap(), "hello");
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(0), "")
    );
}
