use super::*;
use crate::attention::testing::{every_kind, grid, plain, tokens, with_weights};
use crate::nn::testing::close;
use crate::task::{Cancel, detached};

/// Two layers of two tokens and two attention heads, by hand.
fn layers() -> [QueryKey; 2] {
    let tokens = tokens(1, grid(1, 1));
    let first = with_weights(tokens, &[&[0.5, 0.5, 0.2, 0.8], &[0.7, 0.3, 0.4, 0.6]]);
    let last = with_weights(tokens, &[&[0.1, 0.9, 0.5, 0.5], &[0.3, 0.7, 0.7, 0.3]]);
    [first, last]
}

fn of(records: &[QueryKey], options: &RolloutOptions) -> Vec<f32> {
    let rollout = detached(|task| rollout(records, options, task)).unwrap();
    rollout.matrix().to_vec()
}

#[test]
fn it_is_the_product_of_normalised_layers() {
    // Means: [[.6, .4], [.3, .7]] and [[.2, .8], [.6, .4]]; with the identity,
    // halved: [[.8, .2], [.15, .85]] and [[.6, .4], [.3, .7]]. Last · first.
    let got = of(&layers(), &RolloutOptions::default());
    let want = [
        0.6 * 0.8 + 0.4 * 0.15,
        0.6 * 0.2 + 0.4 * 0.85,
        0.3 * 0.8 + 0.7 * 0.15,
        0.3 * 0.2 + 0.7 * 0.85,
    ];
    close(&got, &want, 1e-5);
}

#[test]
fn layers_before_the_start_do_not_count() {
    let options = RolloutOptions {
        start_layer: 1,
        ..RolloutOptions::default()
    };
    close(&of(&layers(), &options), &[0.6, 0.4, 0.3, 0.7], 1e-5);
}

#[test]
fn fused_heads_are_normalised_again() {
    let options = |fusion| RolloutOptions {
        fusion,
        start_layer: 1,
        ..RolloutOptions::default()
    };
    // Maxima [[.3, .9], [.7, .5]]: rows of 2.2 with the identity.
    let want = [1.3 / 2.2, 0.9 / 2.2, 0.7 / 2.2, 1.5 / 2.2];
    close(&of(&layers(), &options(Fusion::Max)), &want, 1e-5);
    // Minima [[.1, .7], [.5, .3]]: rows of 1.8.
    let want = [1.1 / 1.8, 0.7 / 1.8, 0.5 / 1.8, 1.3 / 1.8];
    close(&of(&layers(), &options(Fusion::Min)), &want, 1e-5);
}

#[test]
fn the_lowest_weights_are_discarded_but_never_the_class_token() {
    let weights = [0.05, 0.15, 0.8, 0.1, 0.3, 0.6, 0.02, 0.9, 0.08];
    let options = RolloutOptions {
        discard_ratio: 0.34,
        ..RolloutOptions::default()
    };
    // Three of nine: without a class token those are 0.02, 0.05 and 0.08.
    let record = with_weights(tokens(0, grid(1, 3)), &[&weights]);
    let want = [
        1.0 / 1.95,
        0.15 / 1.95,
        0.8 / 1.95,
        0.1 / 2.0,
        1.3 / 2.0,
        0.6 / 2.0,
        0.0,
        0.9 / 1.9,
        1.0 / 1.9,
    ];
    close(&of(&[record], &options), &want, 1e-5);
    // With one, its column is spared: 0.08, 0.15 and 0.3 go.
    let record = with_weights(tokens(1, grid(1, 2)), &[&weights]);
    let want = [
        1.05 / 1.85,
        0.0,
        0.8 / 1.85,
        0.1 / 1.7,
        1.0 / 1.7,
        0.6 / 1.7,
        0.02 / 1.92,
        0.9 / 1.92,
        1.0 / 1.92,
    ];
    close(&of(&[record], &options), &want, 1e-5);
}

#[test]
fn rows_sum_to_one_and_can_be_had_singly() {
    let records: Vec<_> = (0..4).map(|seed| plain(2, grid(9, 12), seed)).collect();
    for discard_ratio in [0.0, 0.9] {
        let options = RolloutOptions {
            fusion: Fusion::Max,
            discard_ratio,
            start_layer: 1,
        };
        let all = detached(|task| rollout(&records, &options, task)).unwrap();
        for row in all.matrix().chunks_exact(110) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        assert_eq!(all.tokens(), records[0].query_tokens);
        let token = Query::Token { row: 3, column: 4 };
        let some = Query::Tokens(vec![(0, 0), (8, 11)]);
        for query in [Query::Prefix(1), token, some] {
            let whole = all.row(&query).unwrap();
            let task = |task: Task<'_>| rollout_row(&records, &query, &options, task);
            let alone = detached(task).unwrap();
            assert!((alone.total() - 1.0).abs() < 1e-5);
            close(&alone.prefix, &whole.prefix, 1e-5);
            let values = |row: Row| row.grid.unwrap().values;
            close(&values(alone), &values(whole), 1e-5);
        }
    }
    // The place in the sequence: two prefix tokens, then row by row.
    let options = RolloutOptions::default();
    let all = detached(|task| rollout(&records, &options, task)).unwrap();
    let row = all.row(&Query::Token { row: 3, column: 4 }).unwrap();
    assert_eq!(row.prefix, all.matrix()[42 * 110..][..2]);
}

#[test]
fn layers_must_share_one_sequence() {
    let options = RolloutOptions::default();
    let refused = |records: &[QueryKey]| {
        let error = detached(|task| rollout(records, &options, task)).unwrap_err();
        assert!(matches!(error, AttentionError::NotOneSequence { .. }));
        error.to_string()
    };
    let cases = [
        ("windows", "looks within windows"),
        ("tiny vit", "looks within windows"),
        ("phases", "looks within phases"),
        ("reduced", "other keys than queries"),
        ("to image", "other keys than queries"),
    ];
    let records = every_kind();
    for (name, why) in cases {
        let record = records.iter().find(|r| r.layer == name).unwrap();
        let text = refused(std::slice::from_ref(record));
        assert!(text.contains(why) && text.contains(name), "{text}");
    }
    let text = refused(&[plain(1, grid(2, 3), 1), plain(1, grid(3, 2), 1)]);
    assert!(text.contains("another grid"), "{text}");
    let global = records.iter().find(|r| r.layer == "global").unwrap();
    assert!(detached(|task| rollout(std::slice::from_ref(global), &options, task)).is_ok());
}

#[test]
fn impossible_options_are_refused() {
    let records = layers();
    let error = |records: &[QueryKey], discard_ratio, start_layer| {
        let options = RolloutOptions {
            discard_ratio,
            start_layer,
            ..RolloutOptions::default()
        };
        let run = |task: Task<'_>| rollout(records, &options, task);
        detached(run).unwrap_err().to_string()
    };
    assert!(error(&records, 1.0, 0).contains("discard ratio is 1"));
    assert!(error(&records, -0.1, 0).contains("discard ratio is -0.1"));
    assert!(error(&records, f64::NAN, 0).contains("discard ratio is NaN"));
    assert!(error(&records, 0.0, 2).contains("start layer is 2, expected 0 to 1"));
    assert!(error(&[], 0.0, 0).contains("no recorded"));
}

#[test]
fn it_reports_progress_and_can_be_cancelled() {
    let records: Vec<_> = (0..3).map(|seed| plain(1, grid(3, 3), seed)).collect();
    let seen = std::sync::Mutex::new(Vec::new());
    let (cancel, report) = (Cancel::new(), |done| seen.lock().unwrap().push(done));
    let options = RolloutOptions::default();
    rollout(&records, &options, Task::new(&cancel, &report)).unwrap();
    let done = seen.lock().unwrap().clone();
    assert!(done.is_sorted() && done.last() == Some(&1.0) && done.len() >= 3);
    cancel.cancel();
    let error = rollout(&records, &options, Task::new(&cancel, &report)).unwrap_err();
    assert_eq!(error, AttentionError::Cancelled);
}
