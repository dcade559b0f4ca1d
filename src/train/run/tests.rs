use super::*;
use crate::task::{self, Cancel};
use crate::train::testing::{self, Tiny};

fn open(folder: &Path, config: &Config) -> Result<Run, TrainError> {
    Run::open(config.clone(), folder, Tiny::build, testing::squares(7))
}

/// The averaged weights and the trained ones.
fn state(run: &Run) -> Vec<(Vec<f32>, Vec<f32>)> {
    let parameters = run.learner.optimizer.parameters.iter();
    parameters
        .map(|p| (p.average.clone(), p.weights.clone()))
        .collect()
}

fn train(run: &mut Run, until: usize) -> Outcome {
    let cancel = Cancel::new();
    let task = Task::new(&cancel, &|_| {});
    let outcome = run.train(None, task, &mut |progress| {
        if progress.step >= until {
            cancel.cancel();
        }
    });
    outcome.unwrap()
}

#[test]
fn a_resumed_training_equals_an_uninterrupted_one_bit_for_bit() {
    let config = testing::small();
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let mut run = open(&whole, &config).unwrap();
    assert_eq!(train(&mut run, usize::MAX).ended, Ended::Finished);
    let expected = state(&run);
    for until in [5, 8, usize::MAX] {
        let mut run = open(&parts, &config).unwrap();
        let outcome = train(&mut run, until);
        assert_eq!(outcome.step, until.min(config.steps));
    }
    let run = open(&parts, &config).unwrap();
    assert_eq!(state(&run), expected);
    assert_eq!(run.position().step, config.steps);
    let best = |folder: &Path| std::fs::read(folder.join("best.safetensors")).unwrap();
    assert_eq!(best(&whole), best(&parts));
}

#[test]
fn a_run_that_goes_on_remembers_what_it_began_with() {
    let config = testing::small();
    let folder = tempfile::tempdir().unwrap();
    let mut run = open(folder.path(), &config).unwrap();
    train(&mut run, 2);
    let mut other = config;
    other.init = Some("elsewhere.safetensors".into());
    other.init_partly = true;
    let run = open(folder.path(), &other).unwrap();
    assert_eq!(
        (&run.config().init, run.config().init_partly),
        (&None, false)
    );
    let kept = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    assert!(!kept.contains("elsewhere"), "{kept}");
}

#[test]
fn a_run_that_was_killed_goes_on_from_its_last_checkpoint() {
    let mut config = testing::small();
    config.checkpoint_every = 4;
    let folder = tempfile::tempdir().unwrap();
    let mut run = open(&folder.path().join("a"), &config).unwrap();
    train(&mut run, usize::MAX);
    let expected = state(&run);
    let path = folder.path().join("b");
    let mut run = open(&path, &config).unwrap();
    let checkpoint = path.join("checkpoint.safetensors");
    let kept = folder.path().join("kept");
    let outcome = run.train(None, Task::new(&Cancel::new(), &|_| {}), &mut |progress| {
        if progress.step == 6 {
            std::fs::copy(&checkpoint, &kept).unwrap();
        }
    });
    outcome.unwrap();
    std::fs::copy(&kept, &checkpoint).unwrap();
    let mut run = open(&path, &config).unwrap();
    assert_eq!(run.position().step, 4);
    train(&mut run, usize::MAX);
    assert_eq!(state(&run), expected);
    let log = std::fs::read_to_string(path.join("log.jsonl")).unwrap();
    let validations = log.lines().filter(|line| line.contains("validation"));
    assert_eq!(validations.count(), 3);
}

#[test]
fn another_configuration_or_other_photos_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = testing::small();
    train(&mut open(folder.path(), &config).unwrap(), 2);
    config.validate_every = 2;
    assert!(open(folder.path(), &config).is_ok());
    config.batch = 2;
    let said = open(folder.path(), &config).err().unwrap().to_string();
    assert!(said.contains("`batch` is 2 and was 3"), "{said}");
    config.batch = 3;
    let other = Run::open(config, folder.path(), Tiny::build, testing::squares(8));
    let said = other.err().unwrap().to_string();
    assert!(said.contains("[8] photos and had [7]"), "{said}");
}

#[test]
fn a_few_photos_are_learned_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = testing::small();
    config.steps = 200;
    config.learning_rate = 0.05;
    config.validate_every = 0;
    let mut run = open(folder.path(), &config).unwrap();
    let mut losses = Vec::new();
    let outcome = run.train(None, Task::new(&Cancel::new(), &|_| {}), &mut |progress| {
        losses.push(progress.parts.unwrap().total);
    });
    assert_eq!(outcome.unwrap().skipped, 0);
    assert!(
        losses[199] < 0.1 * losses[0],
        "{} {}",
        losses[0],
        losses[199]
    );
    let validation = task::detached(|task| run.scores(None, task)).unwrap();
    assert!(validation.mean_iou > 0.95, "{validation:?}");
    let names: Vec<&str> = validation.sets[0]
        .classes
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["background", "blob"]);
}

#[test]
fn a_time_limit_ends_a_training_that_can_be_continued() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = open(folder.path(), &testing::small()).unwrap();
    let limit = Some(Duration::ZERO);
    let outcome = task::detached(|task| run.train(limit, task, &mut |_| {})).unwrap();
    assert_eq!((outcome.ended, outcome.step), (Ended::TimeLimit, 0));
    assert!(folder.path().join("checkpoint.safetensors").is_file());
}

#[test]
fn a_run_begins_with_the_weights_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = testing::small();
    let first = folder.path().join("first");
    train(&mut open(&first, &config).unwrap(), usize::MAX);
    config.init = Some(first.join("best.safetensors"));
    let second = folder.path().join("second");
    let run = open(&second, &config).unwrap();
    assert!(run.missing().is_empty());
    let file =
        candle_core::safetensors::load(first.join("best.safetensors"), &candle_core::Device::Cpu)
            .unwrap();
    for (name, _, values) in run.weights() {
        let kept: Vec<f32> = file[name].flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(kept, values);
    }
    config.init = Some(first.join("checkpoint.safetensors"));
    let said = open(&folder.path().join("third"), &config)
        .err()
        .unwrap()
        .to_string();
    assert!(said.contains("first.weight is missing"), "{said}");
    config.init_partly = true;
    let run = open(&folder.path().join("third"), &config).unwrap();
    assert_eq!(run.missing().len(), 4);
}

#[test]
fn a_loss_that_stays_infinite_ends_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = open(folder.path(), &testing::small()).unwrap();
    run.learner.measure.shares.cross_entropy = f32::INFINITY;
    let outcome = task::detached(|task| run.train(None, task, &mut |_| {}));
    let said = outcome.unwrap_err().to_string();
    assert!(said.contains("10 steps in a row"), "{said}");
}
