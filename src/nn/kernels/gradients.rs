//! What training needs of the kernels: gradients, and forward passes that the
//! inference modules do not have.
//!
//! Sums over rows are taken in pieces of a fixed size that are then added in
//! order, so results do not depend on the number of threads.

mod activation;
mod attention;
mod convolution;
mod depthwise;
mod norm;
mod products;
mod resize;
mod walk;

pub use activation::{activation_gradient, gelu_gradient};
pub use attention::{Heads, attention, attention_gradient};
pub use convolution::Neighbourhoods;
pub use depthwise::{Depthwise, depthwise, depthwise_input, depthwise_weights};
pub use norm::layer_norm_gradient;
pub use products::{column_sums, transpose, weight_gradient};
pub use resize::{Resize, resize, resize_gradient};

/// Rows whose sum is taken at once.
const ROWS: usize = 64;

/// Adds up equally long lists, in order.
fn sum_in_order(parts: Vec<Vec<f32>>, len: usize) -> Vec<f32> {
    parts.into_iter().fold(vec![0.0; len], |mut sum, part| {
        super::add_assign(&mut sum, &part);
        sum
    })
}
