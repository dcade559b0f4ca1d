//! `patchlens pipe` as a script talks to it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{Bench, PROGRAM, patchlens, sample, text};

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
