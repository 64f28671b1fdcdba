//! The shapes a transform may have, and the roots of unity that go with them.
//!
//! Both sides of the matrix are lengths with small factors, of which the fast ones are listed. What belongs to a
//! length (a plan of `rustfft` and a table of roots) is made when first asked for and kept for the life of the
//! process: less than 4 MB for all of them. What belongs to a whole shape is made for each use; its size is in
//! proportion to a side, not to the area.

use std::f64::consts::TAU;
use std::sync::{Arc, OnceLock};

use rustfft::{Fft, FftPlanner};

use super::{BLOCK, Coefficient};

/// The lengths in use, ascending: those of 2^a·3^b·5^c·7^d that take no longer than the next larger one.
#[rustfmt::skip]
const LENGTHS: [usize; 66] = [
    1, 8, 12, 16, 24, 32, 36, 48, 64, 72, 80, 96, 108, 112, 120, 128, 144, 160, 168, 180, 192, 216, 224, 256, 288, 320,
    324, 384, 432, 448, 480, 512, 540, 576, 640, 648, 720, 768, 864, 896, 960, 1024, 1080, 1152, 1280, 1296, 1440, 1536,
    1728, 1792, 1920, 2048, 2160, 2304, 2560, 2592, 2688, 2880, 3072, 3456, 3888, 4096, 4608, 5184, 6144, 8192,
];

/// The longest transform that is done as one row: so long it stays in the nearest caches by itself.
const LONGEST_ROW: usize = 4096;

static PLANS: [OnceLock<Plan>; LENGTHS.len()] = [const { OnceLock::new() }; LENGTHS.len()];

/// A transform of one length.
pub(super) struct Plan {
    pub(super) fft: Arc<dyn Fft<f64>>,
    /// The first quarter of the unit circle, clockwise, in as many steps as the transform is long.
    pub(super) quarter: Vec<Coefficient>,
}

/// A transform as a matrix of rows and columns.
pub(crate) struct Shape {
    pub(super) row: &'static Plan,
    pub(super) column: &'static Plan,
    /// The roots of order 4·rows·columns; none when there is one row, whose twiddles are the plan's quarter.
    roots: Option<Roots>,
}

impl Shape {
    /// The smallest shape for products of `len` limbs; `None` above 2^27 of them.
    pub(crate) fn for_product(len: usize) -> Option<Shape> {
        let (row, column) = sides(len.div_ceil(2))?;
        let (row, column) = (plan(row), plan(column));
        let area = row.fft.len() * column.fft.len();
        let roots = (column.fft.len() > 1).then(|| Roots::new(4 * area));
        Some(Shape { row, column, roots })
    }

    pub(crate) fn rows(&self) -> usize {
        self.column.fft.len()
    }

    pub(crate) fn columns(&self) -> usize {
        self.row.fft.len()
    }

    /// Complex coefficients of a product: half its limbs.
    pub(crate) fn area(&self) -> usize {
        self.rows() * self.columns()
    }

    /// The twiddle factors of a row: for each column c the root of the angle −c·(row + ¼) / area turns.
    pub(super) fn twiddles<'a>(&'a self, row: usize, room: &'a mut [Coefficient]) -> &'a [Coefficient] {
        let Some(roots) = &self.roots else { return &self.row.quarter };
        let angle = 4 * row + 1;
        let mut fine = [Coefficient::ONE; STRIDE];
        for (step, root) in fine.iter_mut().enumerate().take(self.columns()) {
            *root = roots.at(step * angle);
        }
        let room = &mut room[..self.columns()];
        for (step, twiddles) in room.chunks_mut(STRIDE).enumerate() {
            let coarse = roots.at(step * STRIDE * angle);
            for (twiddle, fine) in twiddles.iter_mut().zip(&fine) {
                *twiddle = coarse * fine;
            }
        }
        room
    }
}

/// Twiddles of a row that are one coarse root times as many fine ones.
const STRIDE: usize = 32;

/// All the roots of unity of an order, each the product of a coarse and a fine one.
struct Roots {
    fine_bits: u32,
    coarse: Vec<Coefficient>,
    fine: Vec<Coefficient>,
}

impl Roots {
    fn new(order: usize) -> Roots {
        let fine_bits = order.ilog2() / 2;
        let roots = |count: usize, step: usize| (0..count).map(|index| root(index * step, order)).collect();
        Roots {
            fine_bits,
            coarse: roots((order >> fine_bits) + 1, 1 << fine_bits),
            fine: roots(1 << fine_bits, 1),
        }
    }

    /// The root of −`index` / order turns, for an index below the order.
    #[inline(always)]
    fn at(&self, index: usize) -> Coefficient {
        self.coarse[index >> self.fine_bits] * self.fine[index & ((1 << self.fine_bits) - 1)]
    }
}

/// The root of −`index` / `order` turns. The angle is brought below an eighth turn in integers, where nothing is lost.
fn root(index: usize, order: usize) -> Coefficient {
    let eighths = 8 * index / order;
    let odd = eighths % 2 == 1;
    let rest = 8 * index - eighths * order;
    let (sin, cos) = (TAU / 8.0 * if odd { order - rest } else { rest } as f64 / order as f64).sin_cos();
    let (x, y) = if odd { (sin, cos) } else { (cos, sin) };
    match eighths / 2 % 4 {
        0 => Coefficient::new(x, -y),
        1 => Coefficient::new(-y, -x),
        2 => Coefficient::new(-x, y),
        _ => Coefficient::new(y, x),
    }
}

/// The plan of the length at `index` in the list.
fn plan(index: usize) -> &'static Plan {
    PLANS[index].get_or_init(|| {
        let len = LENGTHS[index];
        let quarter = (0..len).map(|step| root(step, 4 * len)).collect();
        Plan { fft: FftPlanner::new().plan_fft_forward(len), quarter }
    })
}

/// The lengths of a row and a column, as indices into the list, with the smallest area of at least `area`.
fn sides(area: usize) -> Option<(usize, usize)> {
    let at_least = |len: usize| LENGTHS.partition_point(|length| *length < len);
    if area <= LONGEST_ROW {
        return Some((at_least(area), 0));
    }
    // The sides are of about the same length: a row, of which two are transformed at once, half of a column's.
    let middle = at_least(area.isqrt()).min(LENGTHS.len() - 1);
    (middle.saturating_sub(6)..LENGTHS.len().min(middle + 6))
        .filter(|row| LENGTHS[*row].is_multiple_of(BLOCK))
        .map(|row| (row, at_least(area.div_ceil(LENGTHS[row]))))
        .filter(|(_, column)| *column < LENGTHS.len())
        .min_by_key(|(row, column)| LENGTHS[*row] * LENGTHS[*column])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_room_for_its_product_and_little_more() {
        for area in (1..5_000).chain((5_000..4_000_000).step_by(9_973)).chain([67_108_864]) {
            let (row, column) = sides(area).unwrap();
            let (row, column) = (LENGTHS[row], LENGTHS[column]);
            assert!(row * column >= area);
            assert!(column == 1 || row.is_multiple_of(BLOCK));
            let waste = row as f64 * column as f64 / area as f64;
            let allowed = match area {
                0..64 => 8.0,
                64..=LONGEST_ROW => 1.25,
                4_097..10_000 => 1.12,
                _ => 1.07,
            };
            assert!(waste <= allowed, "{row} by {column} for {area}");
        }
        assert!(sides(67_108_865).is_none());
    }

    #[test]
    fn roots_from_a_coarse_and_a_fine_one_are_those_of_the_unit_circle() {
        for order in [64, 1_000, 4 * 320 * 448] {
            let roots = Roots::new(order);
            for index in (0..order).step_by(order / 64) {
                let (sin, cos) = (TAU * index as f64 / order as f64).sin_cos();
                let off = roots.at(index) - Coefficient::new(cos, -sin);
                assert!(off.norm() < 1e-15, "{index} of {order}: {off}");
            }
        }
    }
}
