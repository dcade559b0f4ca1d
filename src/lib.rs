//! PatchLens: label images for segmentation with Vision Transformers, and see
//! what they see. This page is the architecture document: read it first.
//!
//! # The way of a click
//!
//! The window ([`ui`]) turns the pointer into a prompt and hands it to the state
//! ([`app`]), which sends a job to the [`worker`]. Its engine thread encodes the
//! photo once, runs the prompt decoder ([`models`], built from [`nn`]) and sends
//! the masks back as an event. The state shows them as a *proposal*. Accepting it
//! is an edit: a pure function from one [`document`] value to the next. Saving
//! hands a cheap clone of the document to the io thread, which writes the files
//! ([`formats`], [`dataset`]).
//!
//! # The way of a checkpoint
//!
//! A folder is read in three steps ([`models`]`::checkpoint`): the small files say
//! which [`models::Family`] it is, what its classes mean and how photos become its
//! input; the tensors come one by one through [`models::Weights`], which checks
//! names, shapes and values; the family's `load` builds a network from [`nn`]. Then
//! [`models::predict`] shows photos to it: whole, squashed, padded or tile by tile.
//! Networks record queries and keys ([`nn::capture`]) with a description of how
//! their tokens lie on the photo, so that [`attention`] needs no family's name. A
//! [`nn::Watch`] says what to record and which attention heads to switch off;
//! networks of one sequence also follow a score's gradient back
//! ([`models::Traceable`]).
//!
//! # The way of a look
//!
//! The inspector ([`app::inspector`]) has a photo shown to the chosen model once; the
//! job's answer is an [`worker::Inspection`], which shares the recorded queries and
//! keys. As the pointer moves, the state asks [`attention::Layers`] for the rows of
//! all attention heads, between two frames and on threads of their own, so that a
//! running model does not make it stutter: a *place* of the photo is other tokens in
//! each layer. What takes longer than a frame is a [`worker::Analysis`]; of each kind
//! the latest wins, and long series (all attention heads, a whole folder) are sent one
//! by one, so that a click never waits for them. Masks made of attention are proposals
//! like those of a model.
//!
//! # The way of a training
//!
//! [`train`] reads folders of labels as they are saved, draws examples from them and
//! moves the parameters of a [`models::deeplab`] network. Its layers are the
//! differentiable operations of [`nn::grad`]; the same code predicts. A backbone that
//! stands on MobileSAM's encodings sees each photo once, whatever the number of steps
//! ([`train::encodings`]), and in the window shares the encoding with the prompt
//! decoder. [`evaluation`] says how good it is; what comes out is a checkpoint folder
//! like any other.
//!
//! # Vocabulary
//!
//! | word | meaning |
//! |---|---|
//! | photo | a decoded image, upright, immutable, shared by `Arc` |
//! | class | what a pixel can mean: id 0..=254, name, colour; 0 background, 255 ignore |
//! | segment | one labelled region; has a class; a pixel belongs to at most one |
//! | label map | one `u16` segment id per pixel, in 256×256 copy-on-write tiles |
//! | document | label map + segments + classes of one photo: a cheap-to-clone value |
//! | edit | one user gesture on a document; one edit is one undo step |
//! | proposal | a mask that a model offers and the user has not accepted yet |
//! | prompt | points, a box or a mask given to a promptable model |
//! | encoding | what an encoder made of a photo, with captured queries and keys |
//! | head | *attention head* or *decode head*, never bare |
//! | token grid | the h×w patch grid that attention rows live on |
//! | job, event | what goes to a worker, what comes back |
//!
//! Functions that convert between spaces say so (`image_from_screen`). Dimensions
//! are written `(batch, heads, tokens, dim)`.
//!
//! # Layers, and what each must not know
//!
//! | module | what it is | knows nothing of |
//! |---|---|---|
//! | [`task`] | cancel flag and progress | anything |
//! | [`label`] | tiles, classes, segments, masks, contours, RLE | photos, models, files |
//! | [`document`] | documents, edits, history, brush geometry | photos, models, files, windows |
//! | [`photo`] | decoding with limits, pyramid, PIL-exact resampling | labels, models |
//! | [`dataset`] | a folder as a data set: naming, scan, order | models, windows |
//! | [`formats`] | label files, exports, the store, the journal | egui, candle |
//! | [`nn`] | layers; `nn::kernels` holds the fused CPU ops and the only `unsafe` | checkpoints |
//! | [`models`] | one folder per family, tensor names as in its checkpoints; checkpoints, preprocessing, asking | documents, windows |
//! | [`evaluation`] | measures of predictions: confusion, boundaries, objects, a robot's clicks | photos, models, files |
//! | [`train`] | training from folders of labels to a checkpoint, resumable | windows |
//! | [`attention`] | rows of attention, rollout, relevance, statistics, heatmaps, and masks from attention, out of recorded queries and keys | windows, files of labels |
//! | [`worker`] | jobs, events, the `engine` and the `io` thread | egui |
//! | [`app`] | the state and the one place that changes it | egui |
//! | [`ui`] | the window: canvas, panels, dialogs, theme | candle |
//! | [`cli`] | one file per subcommand | `app`, `ui` |
//!
//! `label` ← `evaluation`; `label` ← `document` ← `formats`, `dataset`; `nn` ← `models` ←
//! `attention`, `train`; all of these ← `worker` ← `app` ← `ui`. `models` may use `label::Mask` and
//! `photo::resample`, which know nothing of models. Only `nn`, `models`,
//! `attention`, `train` and `worker` see candle; only `ui` and `main` see egui and rfd.
//! `tests/architecture.rs` holds the code to this.
//!
//! # Invariants
//!
//! - The window never waits: sends never block, decoding, saving and inference run
//!   on the worker, and a save never waits for a forward pass.
//! - Every job gets exactly one final event. An event counts only while its job is
//!   awaited and its photo is open ([`app`]`::events`).
//! - Nothing is lost: writes go to a temporary file, are synced and renamed; the
//!   record with the checksums is written last; unsaved edits are journalled; a
//!   file that is not understood is opened read-only and never overwritten.
//! - Segment areas and boxes are kept by edits, never found by scanning the map.
//! - Class colours on screen and every size and colour of the window come from
//!   `ui::theme`.
//!
//! # Decisions
//!
//! - Jobs wait in queues under a lock that is held for moments (`worker::mailbox`),
//!   not in bounded channels: a full channel could only block the window or refuse a
//!   save, and superseding needs to look into the queue. Events return over a channel
//!   that is bounded by the jobs sent.
//! - The canvas draws with egui's own textures and meshes, not with shaders: it then
//!   runs on every OpenGL and in tests without a window. Label tiles are
//!   copy-on-write, so their addresses say what has to be drawn again.
//! - All networks run channels-last through fused CPU kernels; candle holds tensors
//!   and reads weights. TinyViT's queries and keys are captured as the layer's input
//!   and computed per window on demand, which costs nothing where nobody asks.
//! - Weights are read tensor by tensor from their files, not mapped: a mapped file
//!   that another program shortens ends the process, and mapping is `unsafe`.
//! - Prompts go to one model, other questions to the chosen one: whoever predicts
//!   classes with a SegFormer still corrects them with MobileSAM's clicks.
//! - Tiles are blended on the network's own grid, band by band: a photo of scores
//!   at full resolution would take gigabytes.
//!
//! - Networks are trained with layer norms and, where classes of several sets are
//!   merged, with a loss that is masked by what a set annotates: what a network makes
//!   of a photo depends on no other photo of its batch, nor on what a set leaves out.
//! - Everything random in a training is a function of the seed and a counter, and no
//!   sum depends on the number of threads: an interrupted training goes on bit for bit.
//! - Touching objects come apart by a boundary score and flooding
//!   ([`label::instances`]), on a grid of at most 1024 pixels, not at photo resolution.
//!
//! # Where to add things
//!
//! A tool: [`app::tool`], its pure part in [`document`], its pointer handling in
//! `ui::canvas::input`. A command: [`app::command`], `app::apply`, and a line in
//! `ui::keys`. A model family: a folder in [`models`], a line in its `family` and its
//! `registry`, a parity test and its fixture. A backbone to train: a file in
//! [`models::deeplab`]. A measure: a file in [`evaluation`].
//! A question about attention: a kind of [`worker::Analysis`], asked in
//! [`app::inspector`], shown in `ui::inspector`. A format: a file in [`formats`]. A subcommand: a file in [`cli`].

#![warn(missing_docs)]

pub mod app;
pub mod attention;
pub mod cli;
pub mod dataset;
pub mod document;
pub mod evaluation;
pub mod formats;
pub mod label;
pub mod models;
pub mod nn;
pub mod photo;
pub mod task;
pub mod train;
pub mod ui;
pub mod worker;
