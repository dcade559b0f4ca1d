//! Hostile and merely odd files.

mod folders;
mod headers;
mod torch;

use super::*;
use crate::nn::Linear;
use candle_core::{Device, Tensor};

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Tensors of f32, one after the other.
fn checkpoint(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(floats(values));
        entries.push(format!(
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{}]}}"#,
            data.len()
        ));
    }
    file(&format!("{{{}}}", entries.join(",")), &data)
}

#[test]
fn tensors_are_checked_one_by_one() {
    let bytes = checkpoint(&[
        ("a", &[2], &[1.0, 2.0]),
        ("nan", &[1], &[f32::NAN]),
        ("inf", &[1], &[f32::INFINITY]),
    ]);
    let weights = Weights::parse(bytes.clone(), "w").unwrap();
    assert_eq!(weights.get("a", &[2]).unwrap(), [1.0, 2.0]);
    assert_eq!(weights.parameters(), 4);
    let error = weights.get("b", &[3]).unwrap_err();
    assert!(
        matches!(&error, ModelError::MissingTensor { tensor, expected, .. } if tensor == "b" && expected == &[3])
    );
    let error = weights.get("a", &[1, 2]).unwrap_err();
    assert!(
        matches!(&error, ModelError::Shape { tensor, expected, found, .. } if tensor == "a" && expected == &[1, 2] && found == &[2])
    );
    assert_eq!(
        error.to_string(),
        "tensor a of w has shape [2], expected [1, 2]; the weights do not fit the configuration"
    );
    for name in ["nan", "inf"] {
        assert!(
            matches!(weights.get(name, &[1]), Err(ModelError::NotFinite { tensor, .. }) if tensor == name)
        );
    }
    let integers = file(
        r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#,
        &[0; 8],
    );
    let weights = Weights::parse(integers.clone(), "w").unwrap();
    assert!(matches!(
        weights.get("a", &[1]),
        Err(ModelError::NumberType { .. })
    ));
}

#[test]
fn half_precision_is_widened() {
    let data: Vec<u8> = [1.5f32, -2.0]
        .iter()
        .flat_map(|v| f16::from_f32(*v).to_le_bytes())
        .collect();
    let bytes = file(
        r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#,
        &data,
    );
    assert_eq!(
        Weights::parse(bytes.clone(), "w")
            .unwrap()
            .get("a", &[2])
            .unwrap(),
        [1.5, -2.0]
    );
    let data: Vec<u8> = [1.5f32, -2.0]
        .iter()
        .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
        .collect();
    let bytes = file(
        r#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#,
        &data,
    );
    assert_eq!(
        Weights::parse(bytes.clone(), "w")
            .unwrap()
            .get("a", &[2])
            .unwrap(),
        [1.5, -2.0]
    );
}

#[test]
fn batch_norm_is_folded() {
    let weight: &[f32] = &[1.0, -2.0, 0.5, 3.0];
    let (scale, shift) = ([2.0, 0.5], [0.1, -0.3]);
    let (mean, variance) = ([0.4, -1.0], [0.25, 4.0]);
    let bytes = checkpoint(&[
        ("m.c.weight", &[2, 2, 1, 1], weight),
        ("m.bn.weight", &[2], &scale),
        ("m.bn.bias", &[2], &shift),
        ("m.bn.running_mean", &[2], &mean),
        ("m.bn.running_var", &[2], &variance),
    ]);
    let folded = Weights::parse(bytes.clone(), "w")
        .unwrap()
        .conv_bn("m", (2, 2, 1))
        .unwrap();
    let x = [0.7f32, -1.1];
    let got = Linear::from(&folded).forward(&Tensor::from_slice(&x, (1, 2), &Device::Cpu).unwrap());
    let got = got.unwrap().to_vec2::<f32>().unwrap();
    for i in 0..2 {
        let y = x[0] * weight[2 * i] + x[1] * weight[2 * i + 1];
        let want = (y - mean[i]) / (variance[i] + 1e-5).sqrt() * scale[i] + shift[i];
        assert!((got[0][i] - want).abs() < 1e-5);
    }
    let plain = checkpoint(&[
        ("m.c.weight", &[1, 1, 1, 1], &[2.0]),
        ("m.c.bias", &[1], &[3.0]),
    ]);
    let plain = Weights::parse(plain.clone(), "w")
        .unwrap()
        .conv_bn("m", (1, 1, 1))
        .unwrap();
    assert_eq!((plain.weight, plain.bias), (vec![2.0], Some(vec![3.0])));
}
