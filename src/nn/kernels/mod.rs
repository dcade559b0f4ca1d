//! Fused CPU operations on plain `f32` slices, for where candle is slow.
//!
//! Everything here works channels-last: a map is `(height, width, channels)`
//! row-major, a token sequence `(tokens, channels)`. So a 1×1 convolution is a
//! matrix product and a depthwise convolution vectorises over channels.
//!
//! The distributed binary is built for baseline x86-64, so each kernel is
//! compiled twice: for AVX2 with FMA, chosen at run time, and portably; matrix
//! products, which nearly all time goes into, also for AVX-512. The portable
//! body is ordinary Rust and is what runs on other processors. This is
//! the only part of the program with `unsafe` code; the functions that it
//! exports are safe and check their slices' lengths.

mod activation;
mod attention;
mod bilinear;
mod depthwise;
mod dots;
mod gemm;
pub(in crate::nn) mod gradients;
mod im2col;
mod norm;
mod softmax;

pub use activation::{Activation, add_assign, gelu, relu, silu};
pub use attention::{mix_values, softmax_relative, token_softmax};
pub use bilinear::{Axis, add_resized_row, interpolate, resize_plane};
pub use depthwise::{depthwise_row, depthwise3x3, depthwise3x3_row};
pub use dots::dots;
pub use gemm::{Packed, PackedView, Scratch, gemm, gemm_turned, linear, linear_add};
pub use im2col::im2col3x3_row;
pub use norm::layer_norm;
pub use softmax::{Running, softmax_rows, softmax_step};

/// Whether this processor has AVX2 and FMA (the standard library caches the
/// answer, so asking is cheap).
#[inline]
fn wide_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// `a * b + c`: one instruction where the processor has it (`FMA`), else two.
/// Plain `mul_add` would call a slow library function without the feature.
#[inline(always)]
fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Defines a safe function that runs `body::<true>` compiled for AVX2 and FMA
/// where the processor has them and `body::<false>` compiled portably
/// elsewhere. `body` must be `#[inline(always)]` to be compiled for both.
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) => $body:ident) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($arg: $ty),*) {
                    $body::<true>($($arg),*);
                }
                if $crate::nn::kernels::wide_vectors() {
                    // SAFETY: `wide` is safe code whose only demand is that the
                    // processor has AVX2 and FMA, which was just checked.
                    return unsafe { wide($($arg),*) };
                }
            }
            $body::<false>($($arg),*);
        }
    };
}
use dispatch;
