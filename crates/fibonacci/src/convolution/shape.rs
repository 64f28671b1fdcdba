//! The dimensions of a convolution's matrix, with their FFT plans and roots of unity.
//!
//! The plan and the weights of each length are created on first use and kept for the life of the
//! process: less than 4 MB for all lengths. The roots for the twiddle factors are computed for each
//! [`Shape`]; their memory is proportional to the square root of the transform's length.

use std::f64::consts::TAU;
use std::sync::{Arc, OnceLock};

use rustfft::{Fft, FftPlanner};

use super::{BLOCK_COLUMNS, Coefficient};

/// The possible lengths of rows and columns, ascending: the numbers 2^a·3^b·5^c·7^d whose transform
/// takes no longer than that of the next larger one (measured).
#[rustfmt::skip]
const LENGTHS: [usize; 66] = [
    1, 8, 12, 16, 24, 32, 36, 48, 64, 72, 80, 96, 108, 112, 120, 128, 144, 160, 168, 180, 192, 216,
    224, 256, 288, 320, 324, 384, 432, 448, 480, 512, 540, 576, 640, 648, 720, 768, 864, 896, 960,
    1024, 1080, 1152, 1280, 1296, 1440, 1536, 1728, 1792, 1920, 2048, 2160, 2304, 2560, 2592, 2688,
    2880, 3072, 3456, 3888, 4096, 4608, 5184, 6144, 8192,
];

/// The longest transform that is computed as a single row. It fits in a core's own caches.
const LONGEST_ROW: usize = 4096;

static PLANS: [OnceLock<Plan>; LENGTHS.len()] = [const { OnceLock::new() }; LENGTHS.len()];

/// The FFT and the weights for one of [`LENGTHS`].
pub(super) struct Plan {
    pub(super) fft: Arc<dyn Fft<f64>>,
    /// The weights of a right-angle convolution: exp(−2πi·j / (4·length)) for position j.
    pub(super) weights: Vec<Coefficient>,
}

/// The dimensions of a convolution's matrix, and what its transforms need.
pub(crate) struct Shape {
    /// The plan of a row. Its length is the number of columns.
    pub(super) row: &'static Plan,
    /// The plan of a column. Its length is the number of rows.
    pub(super) column: &'static Plan,
    /// The roots of unity of order 4·rows·columns. `None` for a single row, whose twiddle factors
    /// are the weights of its plan.
    roots: Option<Roots>,
}

impl Shape {
    /// The shape for products of `len` limbs; `None` above 2^27 limbs.
    pub(crate) fn for_product(len: usize) -> Option<Shape> {
        let (row, column) = dimensions(len.div_ceil(2))?;
        let (row, column) = (plan(row), plan(column));
        let transform_len = row.fft.len() * column.fft.len();
        let roots = (column.fft.len() > 1).then(|| Roots::new(4 * transform_len));
        Some(Shape { row, column, roots })
    }

    pub(crate) fn rows(&self) -> usize {
        self.column.fft.len()
    }

    pub(crate) fn columns(&self) -> usize {
        self.row.fft.len()
    }

    /// The number of complex coefficients. A product has twice as many limbs.
    pub(crate) fn transform_len(&self) -> usize {
        self.rows() * self.columns()
    }

    /// The twiddle factors of a row, times the part of the weights that depends on the column:
    /// exp(−2πi·c·(row + ¼) / transform_len) at column c. `buffer` holds them, unless there is only
    /// one row.
    pub(super) fn twiddles<'a>(
        &'a self,
        row: usize,
        buffer: &'a mut [Coefficient],
    ) -> &'a [Coefficient] {
        let Some(roots) = &self.roots else { return &self.row.weights };
        let angle = 4 * row + 1;
        let mut fine = [Coefficient::ONE; FINE_TWIDDLES];
        for (step, root) in fine.iter_mut().enumerate().take(self.columns()) {
            *root = roots.at(step * angle);
        }
        let twiddles = &mut buffer[..self.columns()];
        for (step, twiddles) in twiddles.chunks_mut(FINE_TWIDDLES).enumerate() {
            let coarse = roots.at(step * FINE_TWIDDLES * angle);
            for (twiddle, fine) in twiddles.iter_mut().zip(&fine) {
                *twiddle = coarse * fine;
            }
        }
        twiddles
    }
}

/// The number of adjacent twiddle factors in a row that are computed from one coarse root.
const FINE_TWIDDLES: usize = 32;

/// The roots of unity of one order. Each is the product of a coarse and a fine root, so that two
/// short tables are enough.
struct Roots {
    /// The low bits of an index, which select the fine root.
    fine_bits: u32,
    coarse: Vec<Coefficient>,
    fine: Vec<Coefficient>,
}

impl Roots {
    fn new(order: usize) -> Roots {
        let fine_bits = order.ilog2() / 2;
        let roots =
            |count: usize, step: usize| (0..count).map(|index| root(index * step, order)).collect();
        Roots {
            fine_bits,
            coarse: roots((order >> fine_bits) + 1, 1 << fine_bits),
            fine: roots(1 << fine_bits, 1),
        }
    }

    /// exp(−2πi·`index` / order), for an index below the order.
    #[inline(always)]
    fn at(&self, index: usize) -> Coefficient {
        self.coarse[index >> self.fine_bits] * self.fine[index & ((1 << self.fine_bits) - 1)]
    }
}

/// exp(−2πi·`index` / `order`). Integer arithmetic reduces the angle to an eighth of a turn, which
/// is exact.
fn root(index: usize, order: usize) -> Coefficient {
    let eighths = 8 * index / order;
    let odd = eighths % 2 == 1;
    let rest = 8 * index - eighths * order;
    let (sin, cos) =
        (TAU / 8.0 * if odd { order - rest } else { rest } as f64 / order as f64).sin_cos();
    let (x, y) = if odd { (sin, cos) } else { (cos, sin) };
    match eighths / 2 % 4 {
        0 => Coefficient::new(x, -y),
        1 => Coefficient::new(-y, -x),
        2 => Coefficient::new(-x, y),
        _ => Coefficient::new(y, x),
    }
}

/// The plan of the length at `index` in [`LENGTHS`].
fn plan(index: usize) -> &'static Plan {
    PLANS[index].get_or_init(|| {
        let len = LENGTHS[index];
        let weights = (0..len).map(|step| root(step, 4 * len)).collect();
        Plan { fft: FftPlanner::new().plan_fft_forward(len), weights }
    })
}

/// The lengths of a row and a column, as indices into [`LENGTHS`], for at least `transform_len`
/// coefficients. Their product is the smallest one among rows and columns of similar length.
fn dimensions(transform_len: usize) -> Option<(usize, usize)> {
    let at_least = |len: usize| LENGTHS.partition_point(|length| *length < len);
    if transform_len <= LONGEST_ROW {
        return Some((at_least(transform_len), 0));
    }
    let middle = at_least(transform_len.isqrt()).min(LENGTHS.len() - 1);
    (middle.saturating_sub(6)..LENGTHS.len().min(middle + 6))
        .filter(|row| LENGTHS[*row].is_multiple_of(BLOCK_COLUMNS))
        .map(|row| (row, at_least(transform_len.div_ceil(LENGTHS[row]))))
        .filter(|(_, column)| *column < LENGTHS.len())
        .min_by_key(|(row, column)| LENGTHS[*row] * LENGTHS[*column])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_hold_the_coefficients_and_waste_little() {
        for transform_len in (1..5_000).chain((5_000..4_000_000).step_by(9_973)).chain([67_108_864])
        {
            let (row, column) = dimensions(transform_len).unwrap();
            let (row, column) = (LENGTHS[row], LENGTHS[column]);
            assert!(row * column >= transform_len);
            assert!(column == 1 || row.is_multiple_of(BLOCK_COLUMNS));
            let waste = row as f64 * column as f64 / transform_len as f64;
            let allowed = match transform_len {
                0..64 => 8.0,
                64..=LONGEST_ROW => 1.25,
                4_097..10_000 => 1.12,
                _ => 1.07,
            };
            assert!(waste <= allowed, "{row} by {column} for {transform_len}");
        }
        assert!(dimensions(67_108_865).is_none());
    }

    #[test]
    fn roots_lie_on_the_unit_circle_at_their_angles() {
        for order in [64, 1_000, 4 * 320 * 448] {
            let roots = Roots::new(order);
            for index in (0..order).step_by(order / 64) {
                let (sin, cos) = (TAU * index as f64 / order as f64).sin_cos();
                let difference = roots.at(index) - Coefficient::new(cos, -sin);
                assert!(difference.norm() < 1e-15, "{index} of {order}: {difference}");
            }
        }
    }
}
