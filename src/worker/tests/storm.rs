//! Jobs of all kinds in any order, stopped, failing and panicking.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// One move of a storm.
#[derive(Clone, Debug)]
enum Move {
    Send {
        document: u64,
        photo: usize,
        kind: u8,
    },
    Cancel(usize),
    Hold(usize),
    Release(usize),
    Fail,
    Panic,
    Drain,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        8 => (0..4_u64, 0..2_usize, 0..9_u8)
            .prop_map(|(document, photo, kind)| Move::Send { document, photo, kind }),
        2 => (0..64_usize).prop_map(Move::Cancel),
        1 => (0..STAGES.len()).prop_map(Move::Hold),
        1 => (0..STAGES.len()).prop_map(Move::Release),
        1 => Just(Move::Fail),
        1 => Just(Move::Panic),
        1 => Just(Move::Drain),
    ];
    prop::collection::vec(one, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn in_any_storm_each_job_gets_exactly_one_final_event(moves in moves()) {
        let bench = Bench::new();
        let photos = [photo(), photo()];
        let (mut engine, _) = FakeEngine::new();
        let options = Options::default();
        let recorded = unwatched(|steps| engine.inspect(&photos[0], DENSE.as_ref(), &options, steps));
        let recorded = recorded.unwrap();
        let mut sent: Vec<JobId> = Vec::new();
        let mut ended = HashSet::new();
        let note = |event: Event, ended: &mut HashSet<JobId>| {
            assert!(!ended.contains(&event.id), "an event after the final one");
            if event.kind.is_final() {
                ended.insert(event.id);
            }
        };
        for step in moves {
            match step {
                Move::Send { document, photo, kind } => {
                    let photo = &photos[photo];
                    let kind = match kind {
                        0 => encode(photo),
                        1 | 2 => click(photo, 1.0, 1.0),
                        3 => everything(photo),
                        4 => load("mobile-sam"),
                        5 => inspect(photo),
                        6 => analyse(photo, &recorded, Analysis::Statistics),
                        7 => analyse(photo, &recorded, Analysis::WhatIf(WhatIf::default())),
                        _ => open("no-such-photo.png"),
                    };
                    sent.push(bench.send(document, kind));
                }
                Move::Cancel(n) => {
                    if let Some(id) = sent.get(n) {
                        bench.worker.cancel(*id);
                    }
                }
                Move::Hold(n) => bench.control.hold(STAGES[n]),
                Move::Release(n) => bench.control.release(STAGES[n]),
                Move::Fail => bench.control.fail_next("ordered"),
                Move::Panic => bench.control.panic_next("ordered"),
                Move::Drain => {
                    while let Some(event) = bench.worker.try_recv() {
                        note(event, &mut ended);
                    }
                }
            }
        }
        bench.release_all();
        while !sent.iter().all(|id| ended.contains(id)) {
            match bench.worker.try_recv() {
                Some(event) => note(event, &mut ended),
                None => bench.woken.recv_timeout(LIMIT).expect("a job has no final event"),
            }
        }
        // Whatever may come too much comes before this one, or from the other thread.
        let last = [bench.send(9, load("mobile-sam")), bench.send(9, open("no-such-photo.png"))];
        while !last.iter().all(|id| ended.contains(id)) {
            match bench.worker.try_recv() {
                Some(event) => note(event, &mut ended),
                None => bench.woken.recv_timeout(LIMIT).expect("a job has no final event"),
            }
        }
        prop_assert_eq!(ended.len(), sent.len() + 2);
    }
}
