//! Frames of the window while the pointer moves with the attention inspector
//! open, everything but the graphics card's part:
//! `cargo bench --bench inspector`.
//!
//! A plain frame without the inspector is measured beside them, so that what the
//! inspector costs is the difference of two figures of one run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use divan::Bencher;
use egui::{Event, Key, Modifiers, Pos2, Vec2};
use egui_kittest::Harness;
use patchlens::app::{AttentionCommand, Command, Settings};
use patchlens::models::registry::{MOBILE_SAM, PLAIN_DEEPLAB};
use patchlens::ui::Window;
use patchlens::worker::{DEFAULT_MODEL, ModelEngine, Worker};

/// No model takes longer on a slow machine.
const LIMIT: Duration = Duration::from_secs(300);

fn main() {
    divan::main();
}

/// A window on a photo, with a model chosen.
struct Desk {
    harness: Harness<'static, Window>,
    step: usize,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn new(model: &str, inspecting: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("photo.png");
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/samples/coffee.png");
        std::fs::copy(sample, &photo).unwrap();
        let model = match model {
            SMALL_VIT => small_vit(folder.path()),
            name => PathBuf::from(name),
        };
        let mut settings = Settings::load_from(&folder.path().join("settings.json"));
        settings.first_steps_done = true;
        let harness = Harness::builder()
            .with_size(Vec2::new(1440.0, 900.0))
            .with_accessibility_check(false)
            .build_eframe(move |creation| {
                let engine = Box::new(ModelEngine::new(DEFAULT_MODEL));
                let worker = Worker::spawn(engine, Arc::new(|| {}));
                Window::new(&creation.egui_ctx, worker, settings, Some(photo))
            });
        let mut desk = Self {
            harness,
            step: 0,
            _folder: folder,
        };
        desk.until(|window| window.app.open.as_ref().is_some_and(|open| open.encoded));
        let chosen = model.as_os_str().to_owned();
        let choice = Command::ChooseModel(chosen.clone());
        desk.harness.state_mut().app.apply(choice);
        desk.until(|window| window.app.chosen_model() == chosen);
        if inspecting {
            desk.harness.key_press_modifiers(Modifiers::NONE, Key::A);
            desk.until(|window| window.app.inspector.inspection().is_some());
            desk.hover();
            let bytes = desk.harness.state().app.inspector.bytes();
            eprintln!("{}: {:.1} MB recorded", model.display(), bytes as f64 / 1e6);
        }
        desk
    }

    fn until(&mut self, done: impl Fn(&Window) -> bool) {
        let end = Instant::now() + LIMIT;
        while !done(self.harness.state()) {
            assert!(Instant::now() < end, "waited too long");
            self.harness.step();
        }
    }

    /// The pointer moves to another token, and the window shows what that sees.
    fn hover(&mut self) {
        self.step += 1;
        // Over the whole photo, in strides that leave the token of the last frame.
        let at = |stride: usize, range: f32| (self.step * stride) as f32 % range;
        let pos = Pos2::new(200.0 + at(37, 700.0), 250.0 + at(23, 400.0));
        self.harness.event(Event::PointerMoved(pos));
        self.harness.step();
    }
}

/// ViT-S/8 at 224 pixels: 12 layers, 6 attention heads, 28 × 28 tokens.
const SMALL_VIT: &str = "vit-small";

#[divan::bench(args = [MOBILE_SAM, PLAIN_DEEPLAB, SMALL_VIT], max_time = 6)]
fn hover_with_the_grid_open(bencher: Bencher, model: &str) {
    let mut desk = Desk::new(model, true);
    bencher.bench_local(|| desk.hover());
}

/// The engine tries MobileSAM's attention heads one by one meanwhile.
#[divan::bench(max_time = 6)]
fn hover_while_the_engine_works(bencher: Bencher) {
    let mut desk = Desk::new(MOBILE_SAM, true);
    let app = &mut desk.harness.state_mut().app;
    app.add_point(300.0, 200.0, true);
    desk.until(|window| {
        window
            .app
            .open
            .as_ref()
            .is_some_and(|open| open.prompting.offer.is_some())
    });
    let app = &mut desk.harness.state_mut().app;
    app.apply(Command::Attention(AttentionCommand::Rank));
    bencher.bench_local(|| desk.hover());
    assert!(desk.harness.state().app.is_model_busy());
}

#[divan::bench(max_time = 3)]
fn hover_without_the_inspector(bencher: Bencher) {
    let mut desk = Desk::new(MOBILE_SAM, false);
    bencher.bench_local(|| desk.hover());
}

/// A checkpoint of random weights.
fn small_vit(folder: &Path) -> PathBuf {
    const WIDTH: usize = 384;
    const HIDDEN: usize = 1536;
    let folder = folder.join("vit-small");
    std::fs::create_dir(&folder).unwrap();
    let config = r#"{"architectures": ["ViTModel"], "model_type": "vit", "hidden_size": 384,
        "intermediate_size": 1536, "num_attention_heads": 6, "num_hidden_layers": 12,
        "image_size": 224, "patch_size": 8, "hidden_act": "gelu", "qkv_bias": true}"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
    let preprocessor = r#"{"do_normalize": true, "do_resize": true, "size": 224, "resample": 2,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}"#;
    std::fs::write(folder.join("preprocessor_config.json"), preprocessor).unwrap();
    let mut tensors = HashMap::new();
    let mut add = |name: String, shape: &[usize]| {
        let values = Tensor::randn(0f32, 0.05, shape, &Device::Cpu).unwrap();
        tensors.insert(name, values);
    };
    let mut linear = |name: String, outputs: usize, inputs: usize| {
        add(format!("{name}.weight"), &[outputs, inputs]);
        add(format!("{name}.bias"), &[outputs]);
    };
    for layer in 0..12 {
        let root = format!("encoder.layer.{layer}");
        for part in ["query", "key", "value"] {
            linear(format!("{root}.attention.attention.{part}"), WIDTH, WIDTH);
        }
        linear(format!("{root}.attention.output.dense"), WIDTH, WIDTH);
        linear(format!("{root}.intermediate.dense"), HIDDEN, WIDTH);
        linear(format!("{root}.output.dense"), WIDTH, HIDDEN);
    }
    let norms = (0..12).flat_map(|layer| {
        ["before", "after"].map(|part| format!("encoder.layer.{layer}.layernorm_{part}"))
    });
    for norm in norms.chain(["layernorm".to_owned()]) {
        add(format!("{norm}.weight"), &[WIDTH]);
        add(format!("{norm}.bias"), &[WIDTH]);
    }
    add("embeddings.cls_token".into(), &[1, 1, WIDTH]);
    add("embeddings.position_embeddings".into(), &[1, 785, WIDTH]);
    let patches = "embeddings.patch_embeddings.projection";
    add(format!("{patches}.weight"), &[WIDTH, 3, 8, 8]);
    add(format!("{patches}.bias"), &[WIDTH]);
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
    folder
}
