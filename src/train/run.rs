//! A training, from its beginning or from where it was left.

mod report;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::batch::{Batch, supply};
use super::checkpoint::{self, Position};
use super::journal::Log;
use super::loss::{self, Measure};
use super::optimizer::{self, AdamW, Shown};
use super::sampler::Sampler;
use super::validate::{Validation, validate};
use super::{Config, Examples, TrainError, Variables};
use crate::models::ModelError;
use crate::models::deeplab::{Network, Source};
use crate::task::Task;
pub use report::Progress;
use report::{Pace, StepReport, ValidationReport};

/// A checkpoint is written at least this often.
const CHECKPOINT_TIME: Duration = Duration::from_secs(300);
/// Batches that are made ahead.
const AHEAD: usize = 2;
/// Steps in a row without a finite gradient that end a training.
const MOST_SKIPPED: usize = 10;

/// One set to train on.
pub struct TrainingSet {
    /// Name.
    pub name: String,
    /// Share of the samples, relative to that of the other sets.
    pub weight: f32,
    /// For each class of the merged space whether the set has it.
    pub own: Vec<bool>,
    /// What is trained on.
    pub train: Box<dyn Examples>,
    /// What is validated on.
    pub dev: Option<Box<dyn Examples>>,
}

/// Why a training returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Finished,
    /// The time was up; it can be continued.
    TimeLimit,
    /// It was cancelled; it can be continued.
    Cancelled,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why it returned.
    pub ended: Ended,
    /// Steps done, over all runs.
    pub step: usize,
    /// The best mean IoU, and after which step.
    pub best: Option<(f64, usize)>,
    /// Steps that were left out because their gradient was not finite.
    pub skipped: usize,
    /// The last validation of this run.
    pub validation: Option<Validation>,
}

/// A training in a folder: `checkpoint.safetensors` to go on from,
/// `best.safetensors` with the averaged weights of the best validation,
/// `config.json` and `log.jsonl`.
pub struct Run {
    sets: Vec<TrainingSet>,
    learner: Learner,
}

/// Everything but the sets, which another thread reads meanwhile.
struct Learner {
    config: Config,
    folder: PathBuf,
    network: Box<dyn Network>,
    optimizer: AdamW,
    measure: Measure,
    photos: Vec<usize>,
    position: Position,
    log: Log,
    /// Tensors that the weights to begin with lacked.
    missing: Vec<String>,
}

impl Run {
    /// Begin a training in `folder`, or go on with the one that is there.
    /// `build` makes the network from its parameters.
    ///
    /// # Errors
    /// If the configuration is impossible, there is no photo, the network cannot
    /// be built, or the folder holds another training.
    pub fn open(
        mut config: Config,
        folder: &Path,
        build: impl FnOnce(&dyn Source) -> Result<Box<dyn Network>, ModelError>,
        sets: Vec<TrainingSet>,
    ) -> Result<Self, TrainError> {
        check(&config, &sets)?;
        std::fs::create_dir_all(folder)
            .map_err(|error| TrainError::data(folder, error.to_string()))?;
        let path = folder.join("checkpoint.safetensors");
        let init = config.init.as_ref().filter(|_| !path.exists());
        let variables = match init {
            Some(file) => Variables::beginning_with(config.seed, file)?,
            None => Variables::new(config.seed),
        };
        let network = build(&variables)?;
        let missing = variables.missing();
        if let Some(file) = init.filter(|_| !missing.is_empty() && !config.init_partly) {
            return Err(TrainError::Weights {
                file: file.display().to_string(),
                why: missing.join("; "),
            });
        }
        let mut optimizer = AdamW::new(variables.into_list(), &config)?;
        let photos: Vec<usize> = sets.iter().map(|set| set.train.photos()).collect();
        let begun = checkpoint::load(&path, &config, &photos, &mut optimizer)?;
        let position = match begun {
            Some((position, begun)) => {
                // What it began with is past, whatever is asked for now.
                (config.init, config.init_partly) = (begun.init, begun.init_partly);
                position
            }
            None => Position::default(),
        };
        optimizer.show(Shown::Weights)?;
        let text = serde_json::to_vec_pretty(&config).unwrap_or_default();
        crate::formats::write_files(&[(folder.join("config.json"), text)])?;
        Ok(Self {
            learner: Learner {
                measure: measure(&config, &sets),
                log: Log::open(&folder.join("log.jsonl"), position.log)?,
                folder: folder.to_owned(),
                config,
                network,
                optimizer,
                photos,
                position,
                missing,
            },
            sets,
        })
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.learner.optimizer.count()
    }

    /// Where the training stands.
    pub fn position(&self) -> &Position {
        &self.learner.position
    }

    /// Tensors that the weights to begin with lacked, with what is wrong.
    pub fn missing(&self) -> &[String] {
        &self.learner.missing
    }

    /// What is trained on what.
    pub fn config(&self) -> &Config {
        &self.learner.config
    }

    /// Where the training is kept.
    pub fn folder(&self) -> &Path {
        &self.learner.folder
    }

    /// The averaged weights: name, shape and values.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        let parameters = self.learner.optimizer.parameters.iter();
        parameters.map(|p| (p.name.as_str(), p.shape.as_slice(), p.average.as_slice()))
    }

    /// Train until all steps are done, the time is up or `task` is cancelled;
    /// then write a checkpoint. `observe` is told of every step.
    ///
    /// # Errors
    /// If an example cannot be read, a file not be written, or the loss is not a
    /// number again and again.
    pub fn train(
        &mut self,
        time_limit: Option<Duration>,
        task: Task<'_>,
        observe: &mut dyn FnMut(&Progress),
    ) -> Result<Outcome, TrainError> {
        let Self { sets, learner } = self;
        let (seed, count) = (learner.config.seed, learner.config.batch);
        let done = learner.position.step;
        let steps = learner.config.steps.saturating_sub(done);
        let shares = sets.iter().map(|set| (set.weight, set.train.photos()));
        let sampler = Sampler::new(seed, shares, (done * count) as u64);
        let sets: &[TrainingSet] = sets;
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(AHEAD);
            scope.spawn(move || supply(sets, sampler, (seed, count), steps, &sender));
            learner.go_on(sets, receiver, time_limit, task, observe)
        })
    }

    /// How well the averaged weights do on up to `photos` photos of each set, or
    /// on all.
    ///
    /// # Errors
    /// If an example cannot be read, or `task` is cancelled.
    pub fn scores(&self, photos: Option<usize>, task: Task<'_>) -> Result<Validation, TrainError> {
        self.learner.validation(&self.sets, photos, task)
    }

    /// How well another network of the same classes does on all photos to
    /// validate on; `None` if there are none.
    ///
    /// # Errors
    /// If an example cannot be read, or `task` is cancelled.
    pub fn scores_of(
        &self,
        network: &dyn Network,
        task: Task<'_>,
    ) -> Result<Option<Validation>, TrainError> {
        let names = self.learner.config.class_names();
        let validation = validate(network, &self.sets, &names, None, task)?;
        Ok(Some(validation).filter(|validation| !validation.sets.is_empty()))
    }
}

fn check(config: &Config, sets: &[TrainingSet]) -> Result<(), TrainError> {
    let wrong = |why: String| TrainError::Config {
        file: "the configuration".to_owned(),
        why,
    };
    config.check().map_err(wrong)?;
    if sets.is_empty() {
        return Err(wrong("there is no set to train on".to_owned()));
    }
    for set in sets {
        if set.train.photos() == 0 {
            return Err(wrong(format!("the set {:?} has no photo", set.name)));
        }
        if set.own.len() != config.classes.len() {
            return Err(wrong(format!("the set {:?} is of other classes", set.name)));
        }
    }
    Ok(())
}

fn measure(config: &Config, sets: &[TrainingSet]) -> Measure {
    let classes = config.classes.len();
    let pixels = sets.iter().map(|set| (set.weight, set.train.pixels()));
    let pixels: Vec<(f32, Vec<u64>)> = pixels.collect();
    Measure {
        shares: config.loss,
        class_weights: match config.class_weights {
            true => loss::class_weights(&pixels, classes),
            false => vec![1.0; classes],
        },
    }
}

impl Learner {
    fn go_on(
        &mut self,
        sets: &[TrainingSet],
        batches: Receiver<Result<Batch, TrainError>>,
        time_limit: Option<Duration>,
        task: Task<'_>,
        observe: &mut dyn FnMut(&Progress),
    ) -> Result<Outcome, TrainError> {
        let steps = self.config.steps;
        let mut pace = Pace::new(self.position.seconds);
        let mut saved = Instant::now();
        let mut last = None;
        let ended = loop {
            if self.position.step >= steps {
                break Ended::Finished;
            }
            if task.check().is_err() {
                break Ended::Cancelled;
            }
            if time_limit.is_some_and(|limit| pace.is_over(limit)) {
                break Ended::TimeLimit;
            }
            // the other side ends early only after an error
            let batch = batches.recv().unwrap_or(Err(TrainError::Cancelled))?;
            let report = self.step(&batch)?;
            pace.step(&report, batch.targets.len());
            self.position.seconds = pace.seconds();
            let step = self.position.step;
            let validation = match self.is_validation_due(sets) {
                true => self.validated(sets, task)?,
                false => None,
            };
            if let Some(line) = pace.line(step, validation.is_some() || step == steps) {
                self.log.write(&line)?;
            }
            if let Some(validation) = &validation {
                self.log.write(&ValidationReport {
                    step,
                    seconds: pace.seconds(),
                    validation,
                })?;
            }
            task.progress(step as f32 / steps as f32);
            observe(&pace.progress(step, steps, &report, validation.clone()));
            last = validation.or(last);
            let is_due = step.is_multiple_of(self.config.checkpoint_every);
            if is_due || saved.elapsed() >= CHECKPOINT_TIME {
                self.save()?;
                saved = Instant::now();
            }
        };
        self.save()?;
        Ok(Outcome {
            ended,
            step: self.position.step,
            best: self.position.best,
            skipped: self.position.skipped,
            validation: last,
        })
    }

    /// One step of the optimizer.
    fn step(&mut self, batch: &Batch) -> Result<StepReport, TrainError> {
        let rate = optimizer::rate(&self.config, self.position.step);
        let scores = self.network.forward(&batch.inputs)?;
        let (loss, parts) = loss::of(&scores, &batch.targets, &self.measure)?;
        let mut norm = f32::NAN;
        let mut is_finite = parts.total.is_finite();
        if is_finite {
            let gradients = loss.backward()?;
            let moved = self.optimizer.step(&gradients, rate)?;
            (norm, is_finite) = (moved.norm, moved.is_finite);
        }
        let position = &mut self.position;
        position.step += 1;
        position.updates = self.optimizer.updates;
        if is_finite {
            position.skipped_in_a_row = 0;
        } else {
            position.skipped += 1;
            position.skipped_in_a_row += 1;
            if position.skipped_in_a_row >= MOST_SKIPPED {
                return Err(TrainError::NotFinite {
                    steps: position.skipped_in_a_row,
                    step: position.step,
                });
            }
        }
        Ok(StepReport {
            parts: is_finite.then_some(parts),
            rate,
            norm,
        })
    }

    fn is_validation_due(&self, sets: &[TrainingSet]) -> bool {
        let (step, every) = (self.position.step, self.config.validate_every);
        let has_photos = sets.iter().any(|set| set.dev.is_some());
        every > 0 && has_photos && (step.is_multiple_of(every) || step == self.config.steps)
    }

    /// Validate, and keep the averaged weights if they are the best so far;
    /// `None` if it was cancelled.
    fn validated(
        &mut self,
        sets: &[TrainingSet],
        task: Task<'_>,
    ) -> Result<Option<Validation>, TrainError> {
        let photos = self.config.validate_photos;
        let photos = (photos > 0).then_some(photos);
        // its part of the whole is not worth showing
        let validation = match self.validation(sets, photos, task.reporting_to(&|_| {})) {
            Ok(validation) => validation,
            Err(TrainError::Cancelled | TrainError::Model(ModelError::Cancelled)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let (score, step) = (validation.mean_iou, self.position.step);
        if self.position.best.is_none_or(|(best, _)| score > best) {
            self.position.best = Some((score, step));
            let about = format!("averaged weights after step {step}, mean IoU {score:.4}");
            let path = self.folder.join("best.safetensors");
            checkpoint::save_average(&path, &self.optimizer, about)?;
        }
        Ok(Some(validation))
    }

    fn validation(
        &self,
        sets: &[TrainingSet],
        photos: Option<usize>,
        task: Task<'_>,
    ) -> Result<Validation, TrainError> {
        let names = self.config.class_names();
        self.optimizer.show(Shown::Average)?;
        let validation = validate(self.network.as_ref(), sets, &names, photos, task);
        self.optimizer.show(Shown::Weights)?;
        validation
    }

    fn save(&mut self) -> Result<(), TrainError> {
        self.position.log = self.log.length();
        let path = self.folder.join("checkpoint.safetensors");
        let (config, photos) = (&self.config, &self.photos);
        checkpoint::save(&path, config, photos, &self.position, &self.optimizer)
    }
}

#[cfg(test)]
mod tests;
