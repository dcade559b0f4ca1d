//! Encoder and decoder of MobileSAM: `cargo bench --bench mobile_sam`.

use divan::Bencher;
use patchlens::models::{Encoding, EverythingOptions, Prompt, PromptableModel, mobile_sam};
use patchlens::nn::{Capture, Watch};
use patchlens::task::detached;
use std::path::Path;
use std::sync::OnceLock;

fn main() {
    divan::main();
}

fn bytes() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/mobile-sam/model.safetensors");
    std::fs::read(path).unwrap()
}

fn model() -> &'static PromptableModel {
    static MODEL: OnceLock<PromptableModel> = OnceLock::new();
    MODEL.get_or_init(|| mobile_sam::from_safetensors(bytes()).unwrap())
}

fn photo() -> (Vec<u8>, u32, u32) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/samples/coffee.png");
    let rgb = image::open(path).unwrap().to_rgb8();
    let (width, height) = rgb.dimensions();
    (rgb.into_raw(), width, height)
}

fn encode() -> Encoding {
    let (rgb, width, height) = photo();
    detached(|task| model().encode(&rgb, width, height, &Watch::default(), task)).unwrap()
}

#[divan::bench]
fn load(bencher: Bencher) {
    let bytes = bytes();
    bencher.bench_local(|| mobile_sam::from_safetensors(bytes.clone()));
}

#[divan::bench(args = [Capture::Off, Capture::QueriesAndKeys], sample_count = 10)]
fn encoder(bencher: Bencher, capture: Capture) {
    let ((rgb, width, height), watch) = (photo(), Watch::from(capture));
    bencher.bench_local(|| {
        detached(|task| model().encode(&rgb, width, height, &watch, task)).unwrap()
    });
}

#[divan::bench(args = [Capture::Off, Capture::QueriesAndKeys])]
fn decoder(bencher: Bencher, capture: Capture) {
    let (encoding, watch) = (encode(), Watch::from(capture));
    let prompt = Prompt::point(300.0, 180.0);
    bencher.bench_local(|| model().decode(&encoding, &prompt, &watch).unwrap());
}

/// From logits to a mask of 24 megapixels.
#[divan::bench]
fn upsample_24_megapixels(bencher: Bencher) {
    let (width, height) = (6000u32, 4000u32);
    let (rgb, w, h) = photo();
    let small = (w as usize, h as usize);
    let rgb = patchlens::photo::resample::resize(
        &rgb,
        small,
        3,
        (width as usize, height as usize),
        patchlens::photo::resample::Filter::Bilinear,
    );
    let encoding =
        detached(|task| model().encode(&rgb, width, height, &Watch::default(), task)).unwrap();
    let prompt = Prompt::point(3000.0, 1800.0);
    let prediction = model()
        .decode(&encoding, &prompt, &Watch::default())
        .unwrap();
    let best = &prediction.candidates[prediction.best];
    bencher.bench_local(|| best.mask(&encoding));
}

/// From 24 megapixels to the model's 1024.
#[divan::bench]
fn shrink_24_megapixels(bencher: Bencher) {
    let rgb = vec![77u8; 6000 * 4000 * 3];
    let filter = patchlens::photo::resample::Filter::Bilinear;
    bencher.bench_local(|| {
        patchlens::photo::resample::resize(&rgb, (6000, 4000), 3, (1024, 683), filter)
    });
}

#[divan::bench(sample_count = 2, sample_size = 1)]
fn everything_16_by_16(bencher: Bencher) {
    let encoding = encode();
    let options = EverythingOptions::default();
    bencher.bench_local(|| {
        detached(|task| model().segment_everything(&encoding, &options, task)).unwrap()
    });
}
