//! Matrix products with a weight matrix that was repacked once.
//!
//! `out = a · b (+ bias) (+ out)` with `a` row-major (m × k) and `b` packed
//! into panels of sixteen columns, so that the inner loop reads it straight
//! through: six rows by one panel of sums stay in registers, or twelve by two
//! with AVX-512. Packing once at loading and starting the sums from bias and residual is what makes
//! this faster here than a general product.

mod parallel;
mod tile;

pub use parallel::{linear, linear_add};

use tile::{Left, NR, Right, Start, Width, tile};

/// Largest depth per pass, so that a tile's panels (24 KiB each) and rows stay
/// close.
const KC: usize = 384;

/// A (k × n) matrix in panels of sixteen columns, zero-filled at the right,
/// with an optional bias of n.
#[derive(Clone, Debug)]
pub struct Packed {
    k: usize,
    n: usize,
    panels: Vec<f32>,
    bias: Option<Vec<f32>>,
}

/// A borrowed packed matrix; see [`Packed`].
#[derive(Clone, Copy, Debug)]
pub struct PackedView<'a> {
    k: usize,
    n: usize,
    panels: &'a [f32],
    bias: Option<&'a [f32]>,
}

/// A buffer that matrices met during a forward pass (keys, values) are packed
/// into again and again.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Vec<f32>);

impl Packed {
    /// Pack a linear layer: `weight` (n, k) row-major, as checkpoints store it
    /// (out features, in features), and `bias` (n).
    ///
    /// # Panics
    /// If a length does not fit n and k.
    pub fn from_linear(weight: &[f32], bias: Option<&[f32]>, n: usize, k: usize) -> Self {
        assert_eq!(weight.len(), n * k, "weight of a linear layer");
        let mut panels = Vec::new();
        pack_transposed(weight, k, n, k, &mut panels);
        let bias = bias.map(|bias| {
            assert_eq!(bias.len(), n, "bias of a linear layer");
            let mut padded = bias.to_vec();
            padded.resize(n.next_multiple_of(NR), 0.0);
            padded
        });
        Self { k, n, panels, bias }
    }

    /// Pack `matrix` (k, n), row-major, as it is.
    ///
    /// # Panics
    /// If its length does not fit.
    pub fn from_matrix(matrix: &[f32], k: usize, n: usize) -> Self {
        assert_eq!(matrix.len(), k * n, "matrix to pack");
        let mut panels = Vec::new();
        pack(matrix, n, k, n, &mut panels);
        let bias = None;
        Self { k, n, panels, bias }
    }

    /// The transpose, without the bias: from output features back to input
    /// features. Unpacks and packs again.
    pub fn transposed(&self) -> Self {
        let (k, n) = (self.k, self.n);
        let mut weight = vec![0.0; n * k];
        let panels = self.panels.chunks_exact((k * NR).max(1));
        for (rows, panel) in weight.chunks_mut((k * NR).max(1)).zip(panels) {
            for (column, row) in rows.chunks_exact_mut(k).enumerate() {
                let values = panel.iter().skip(column).step_by(NR);
                row.iter_mut()
                    .zip(values)
                    .for_each(|(to, value)| *to = *value);
            }
        }
        Self::from_matrix(&weight, n, k)
    }

    /// Rows of the matrix: input features.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of the matrix: output features.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        4 * (self.panels.len() + self.bias.as_ref().map_or(0, Vec::len))
    }

    /// The matrix, borrowed.
    pub fn view(&self) -> PackedView<'_> {
        PackedView {
            k: self.k,
            n: self.n,
            panels: &self.panels,
            bias: self.bias.as_deref(),
        }
    }
}

impl PackedView<'_> {
    /// The same matrix with its zero columns counted, up to a multiple of 16:
    /// for results whose rows have room for them, which is faster.
    pub fn padded(self) -> Self {
        Self {
            n: self.n.next_multiple_of(NR),
            ..self
        }
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.n
    }
}

impl<'a> PackedView<'a> {
    /// Some of the panels, as a matrix of its own: `count` from `first` on, or
    /// as many as there are.
    fn some(self, first: usize, count: usize) -> Self {
        let from = first * NR;
        let n = (count * NR).min(self.n - from);
        let panels = &self.panels[from * self.k..][..n.next_multiple_of(NR) * self.k];
        let bias = self.bias.map(|bias| &bias[from..]);
        Self {
            n,
            panels,
            bias,
            ..self
        }
    }
}

impl Scratch {
    /// Pack the transpose of `rows` (n rows of k values, `stride` apart), so
    /// that multiplying by it gives each row's dot products.
    pub fn pack_transposed(
        &mut self,
        rows: &[f32],
        stride: usize,
        n: usize,
        k: usize,
    ) -> PackedView<'_> {
        pack_transposed(rows, stride, n, k, &mut self.0);
        PackedView {
            k,
            n,
            panels: &self.0,
            bias: None,
        }
    }

    /// Pack `rows` (k rows of n values, `stride` apart) as they are, so that
    /// multiplying by it mixes the rows.
    pub fn pack(&mut self, rows: &[f32], stride: usize, k: usize, n: usize) -> PackedView<'_> {
        pack(rows, stride, k, n, &mut self.0);
        PackedView {
            k,
            n,
            panels: &self.0,
            bias: None,
        }
    }
}

fn pack(rows: &[f32], stride: usize, k: usize, n: usize, panels: &mut Vec<f32>) {
    panels.clear();
    panels.resize(n.div_ceil(NR) * k * NR, 0.0);
    for (p, panel) in panels.chunks_exact_mut((k * NR).max(1)).enumerate() {
        let columns = NR.min(n - p * NR);
        for (row, packed) in panel.chunks_exact_mut(NR).enumerate() {
            let from = row * stride + p * NR;
            packed[..columns].copy_from_slice(&rows[from..from + columns]);
        }
    }
}

fn pack_transposed(rows: &[f32], stride: usize, n: usize, k: usize, panels: &mut Vec<f32>) {
    panels.clear();
    panels.resize(n.div_ceil(NR) * k * NR, 0.0);
    for (p, panel) in panels.chunks_exact_mut((k * NR).max(1)).enumerate() {
        for column in 0..NR.min(n - p * NR) {
            let from = (p * NR + column) * stride;
            let row = &rows[from..from + k];
            for (packed, value) in panel.chunks_exact_mut(NR).zip(row) {
                packed[column] = *value;
            }
        }
    }
}

/// `out = a · b + bias`, plus what is in `out` already if `accumulate`.
/// `a` is (m × k) with rows `lda` apart, `out` (m × n) with rows `ldc` apart;
/// the gaps of `out` are left alone. On the calling thread only.
///
/// # Panics
/// If a slice is too short for its shape.
pub fn gemm(
    a: &[f32],
    lda: usize,
    m: usize,
    b: PackedView<'_>,
    out: &mut [f32],
    ldc: usize,
    accumulate: bool,
) {
    let left = Left {
        values: a,
        row: lda,
        step: 1,
    };
    product_to(left, m, b, out, ldc, accumulate);
}

/// `out += aᵀ · b`, as [`gemm`]: `a` is (k × m) with rows `lda` apart.
///
/// # Panics
/// If a slice is too short for its shape.
pub fn gemm_turned(
    a: &[f32],
    lda: usize,
    m: usize,
    b: PackedView<'_>,
    out: &mut [f32],
    ldc: usize,
) {
    let left = Left {
        values: a,
        row: 1,
        step: lda,
    };
    product_to(left, m, b, out, ldc, true);
}

fn product_to(
    a: Left<'_>,
    m: usize,
    b: PackedView<'_>,
    out: &mut [f32],
    ldc: usize,
    accumulate: bool,
) {
    if m == 0 || b.n == 0 {
        return;
    }
    assert!(
        out.len() >= (m - 1) * ldc + b.n && (m == 1 || ldc >= b.n),
        "result too short"
    );
    let width = Width::of_processor();
    // SAFETY: the result has room for all rows and columns, as just checked,
    // and is borrowed for this call alone; the processor has that width.
    unsafe { product(width, a, m, b, out.as_mut_ptr(), ldc, accumulate) };
}

/// [`gemm`] to a place that other threads may write next to.
///
/// # Safety
/// `out` may be read and written by this thread alone at `row · ldc + column`
/// for all m rows and n columns. The processor has `width`.
///
/// # Panics
/// If `a` or `b` is too short for its shape.
unsafe fn product(
    width: Width,
    a: Left<'_>,
    m: usize,
    b: PackedView<'_>,
    out: *mut f32,
    ldc: usize,
    accumulate: bool,
) {
    let panels = b.n.div_ceil(NR);
    assert!(a.holds(m, b.k), "left matrix too short");
    assert!(
        b.panels.len() >= panels * b.k * NR,
        "right matrix too short"
    );
    assert!(
        b.bias.is_none_or(|bias| bias.len() >= panels * NR),
        "bias too short"
    );
    let depth = b.k.div_ceil(b.k.div_ceil(KC).max(1));
    let mut k0 = 0;
    loop {
        let k = depth.min(b.k - k0);
        for panel in (0..panels).step_by(width.panels()) {
            let together = width.panels().min(panels - panel);
            let columns = (together * NR).min(b.n - panel * NR);
            let right = Right {
                values: &b.panels[(panel * b.k + k0) * NR..],
                pitch: b.k * NR,
                k,
            };
            let bias = b.bias.filter(|_| k0 == 0);
            let start = Start {
                bias: bias.map(|bias| &bias[panel * NR..]),
                accumulate: accumulate || k0 > 0,
            };
            let mut row = 0;
            while row < m {
                let rows = width.rows_of(m - row);
                // SAFETY: rows and columns of the result, which the caller
                // vouches for, as for the processor.
                unsafe {
                    let to = out.add(row * ldc + panel * NR);
                    let sides = (a.at(row, k0), right);
                    tile(width, (rows, columns), sides, start, to, ldc);
                }
                row += rows;
            }
        }
        k0 += k;
        if k0 >= b.k {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
