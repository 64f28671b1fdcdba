//! The transform behind long products: the limbs of two numbers in, the coefficients of their products out.
//!
//! A product of limbs is a convolution, here taken modulo x^2m + 1, where it wraps around negated: with x^m = −i
//! its 2m real coefficients are m complex ones (the right-angle convolution), and a number of up to m limbs needs
//! no folding at all. The m are laid out as a matrix and transformed by columns and by rows (the four-step
//! method), so that each pass goes through memory once and each single transform stays in the cache. Nothing is
//! transposed: products do not mind the order of the frequencies, and the way back undoes it.
//!
//! It does not round and does not carry, and it does not know what the numbers are.

mod shape;

use rustfft::num_complex::Complex;

pub(crate) use shape::Shape;

use crate::threads::{each, part_len};

/// A complex coefficient. The real parts are the lower half of a product, the imaginary parts its upper half.
pub(crate) type Coefficient = Complex<f64>;

/// Columns that are transformed together: two cache lines of a row.
const BLOCK: usize = 8;
/// Added to the length of a column and of a row, lest powers of two meet in the same few places of the cache.
const PADDING: usize = 8;

/// Coefficients of a thread at least, found by measurement: with fewer, starting it takes as long as it saves.
const WORTH_A_THREAD: usize = 20 << 10;

/// Which products of the numbers f and l are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Products {
    /// f·l, and l² beside it.
    Both,
    /// f·l alone.
    First,
    /// f·l + l² alone.
    Sum,
}

/// The memory of the transforms, kept from one product to the next.
pub(crate) struct Workspace {
    /// Rows of two halves: one number or product in the first, the other in the second.
    matrix: Vec<Coefficient>,
    lanes: Vec<Lane>,
}

/// What one thread works in.
struct Lane {
    columns: Vec<Coefficient>,
    twiddles: Vec<Coefficient>,
    scratch: Vec<Coefficient>,
}

/// Rows of one half of the matrix, or a range of columns of them.
type Half<'a> = Vec<&'a mut [Coefficient]>;

impl Workspace {
    /// Room for transforms of all these shapes, on at most so many threads.
    pub(crate) fn new(shapes: &[Shape], threads: usize) -> Workspace {
        let most = |len: &dyn Fn(&Shape) -> usize| shapes.iter().map(len).max().unwrap_or(0);
        let zeros = |len| vec![Coefficient::ZERO; len];
        let lane = || Lane {
            columns: zeros(most(&|shape| BLOCK * (shape.rows() + PADDING))),
            twiddles: zeros(most(&Shape::columns)),
            scratch: zeros(most(&|shape| {
                shape.row.fft.get_inplace_scratch_len().max(shape.column.fft.get_inplace_scratch_len())
            })),
        };
        let matrix = zeros(most(&|shape| shape.rows() * stride(shape)));
        let lanes = threads.min(most(&Shape::area) / WORTH_A_THREAD).max(1);
        Workspace { matrix, lanes: (0..lanes).map(|_| lane()).collect() }
    }

    /// Multiplies the numbers with the limbs `f` and `l`: the first [`Shape::area`] of each.
    pub(crate) fn multiply(&mut self, shape: &Shape, f: &[i32], l: &[i32], products: Products) {
        let threads = self.threads(shape);
        let matrix = &mut self.matrix[..shape.rows() * stride(shape)];
        let width = part_len(shape.columns(), threads, BLOCK);
        let height = part_len(shape.rows(), threads, 1);

        let (f, l) = (&f[..shape.area()], &l[..shape.area()]);
        if shape.rows() == 1 {
            let (first, second) = matrix.split_at_mut(shape.columns());
            for (half, limbs) in [(first, f), (second, l)] {
                for ((value, limb), twiddle) in half.iter_mut().zip(limbs).zip(&shape.row.quarter) {
                    *value = twiddle * f64::from(*limb);
                }
            }
        } else {
            let parts = by_columns(matrix, shape, width).into_iter().zip(&mut self.lanes).enumerate();
            each(parts, |(part, ([first, second], lane))| {
                lane.load(shape, f, part * width, first);
                lane.load(shape, l, part * width, second);
            });
        }
        let parts = matrix.chunks_mut(height * stride(shape)).zip(&mut self.lanes).enumerate();
        each(parts, |(part, (rows, lane))| {
            for (row, values) in rows.chunks_exact_mut(stride(shape)).enumerate() {
                lane.multiply_row(shape, part * height + row, values, products);
            }
        });
        if shape.rows() > 1 {
            let parts = by_columns(matrix, shape, width).into_iter().zip(&mut self.lanes);
            each(parts, |([first, second], lane)| {
                lane.unload(shape, first);
                if products == Products::Both {
                    lane.unload(shape, second);
                }
            });
        }
    }

    /// How many threads work on a product of this shape.
    pub(crate) fn threads(&self, shape: &Shape) -> usize {
        (shape.area() / WORTH_A_THREAD).clamp(1, self.lanes.len())
    }

    /// The rows with the coefficients: of the first product, and of the second when both were wanted.
    pub(crate) fn rows(&self, shape: &Shape) -> impl Iterator<Item = (&[Coefficient], &[Coefficient])> {
        let columns = shape.columns();
        self.matrix
            .chunks_exact(stride(shape))
            .take(shape.rows())
            .map(move |row| row[..2 * columns].split_at(columns))
    }
}

impl Lane {
    /// Limbs into columns, transformed; `first` is the index of the first column.
    fn load(&mut self, shape: &Shape, limbs: &[i32], first: usize, mut half: Half) {
        for start in (0..half[0].len()).step_by(BLOCK) {
            let mut columns = self.block(shape);
            let limbs = limbs[first + start..].chunks(shape.columns());
            for (row, (limbs, weight)) in limbs.zip(&shape.column.quarter).enumerate() {
                for (column, limb) in columns.iter_mut().zip(&limbs[..BLOCK]) {
                    column[row] = weight * f64::from(*limb);
                }
            }
            self.transform_columns(shape);
            let columns = self.block(shape);
            for (row, values) in half.iter_mut().enumerate() {
                for (value, column) in values[start..start + BLOCK].iter_mut().zip(&columns) {
                    *value = column[row];
                }
            }
        }
    }

    /// Columns transformed back to coefficients.
    fn unload(&mut self, shape: &Shape, mut half: Half) {
        for start in (0..half[0].len()).step_by(BLOCK) {
            let mut columns = self.block(shape);
            for (row, values) in half.iter().enumerate() {
                for (column, value) in columns.iter_mut().zip(&values[start..start + BLOCK]) {
                    column[row] = *value;
                }
            }
            self.transform_columns(shape);
            let columns = self.block(shape);
            for (row, (values, weight)) in half.iter_mut().zip(&shape.column.quarter).enumerate() {
                for (value, column) in values[start..start + BLOCK].iter_mut().zip(&columns) {
                    *value = column[row] * weight;
                }
            }
        }
    }

    /// The columns of a block, one after the other.
    fn block(&mut self, shape: &Shape) -> [&mut [Coefficient]; BLOCK] {
        let mut columns = self.columns.chunks_mut(shape.rows() + PADDING);
        std::array::from_fn(|_| columns.next().unwrap_or_default())
    }

    fn transform_columns(&mut self, shape: &Shape) {
        for column in self.columns.chunks_exact_mut(shape.rows() + PADDING).take(BLOCK) {
            shape.column.fft.process_with_scratch(&mut column[..shape.rows()], &mut self.scratch);
        }
    }

    /// The rest of the transform, the products, and the first part of the way back.
    ///
    /// What is multiplied is conjugated, so that the way back is the way there, and ends in the conjugate: that
    /// turns x^m = −i into i, and the upper half of a product into the imaginary part as it is.
    fn multiply_row(&mut self, shape: &Shape, row: usize, values: &mut [Coefficient], products: Products) {
        let columns = shape.columns();
        let twiddles = shape.twiddles(row, &mut self.twiddles);
        let values = &mut values[..2 * columns];
        if shape.rows() > 1 {
            for half in values.chunks_exact_mut(columns) {
                twist(half, twiddles);
            }
        }
        shape.row.fft.process_with_scratch(values, &mut self.scratch);
        let (first, second) = values.split_at_mut(columns);
        let scale = 1.0 / shape.area() as f64;
        for (f, l) in first.iter_mut().zip(&mut *second) {
            let scaled = l.conj() * scale;
            match products {
                Products::Both => (*f, *l) = (f.conj() * scaled, l.conj() * scaled),
                Products::First => *f = f.conj() * scaled,
                Products::Sum => *f = (*f + *l).conj() * scaled,
            }
        }
        let products = if products == Products::Both { values } else { &mut values[..columns] };
        shape.row.fft.process_with_scratch(products, &mut self.scratch);
        for half in products.chunks_exact_mut(columns) {
            twist(half, twiddles);
        }
    }
}

fn twist(values: &mut [Coefficient], twiddles: &[Coefficient]) {
    for (value, twiddle) in values.iter_mut().zip(twiddles) {
        *value *= twiddle;
    }
}

/// Coefficients from one row to the next: a second number beside the first, and padding.
fn stride(shape: &Shape) -> usize {
    2 * shape.columns() + if shape.rows() > 1 { PADDING } else { 0 }
}

/// Both halves of the matrix in parts of so many columns.
fn by_columns<'a>(matrix: &'a mut [Coefficient], shape: &Shape, width: usize) -> Vec<[Half<'a>; 2]> {
    let half = || Vec::with_capacity(shape.rows());
    let mut parts: Vec<[Half; 2]> = (0..shape.columns().div_ceil(width)).map(|_| [half(), half()]).collect();
    for row in matrix.chunks_exact_mut(stride(shape)) {
        for (half, values) in row.chunks_exact_mut(shape.columns()).take(2).enumerate() {
            for (part, values) in parts.iter_mut().zip(values.chunks_mut(width)) {
                part[half].push(values);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coefficients of a·b, one after the other.
    fn convolution(a: &[i32], b: &[i32], len: usize) -> Vec<f64> {
        let mut out = vec![0; len];
        for (i, a) in a.iter().enumerate() {
            for (j, b) in b.iter().enumerate() {
                out[i + j] += i64::from(*a) * i64::from(*b);
            }
        }
        out.into_iter().map(|coefficient| coefficient as f64).collect()
    }

    fn limbs(len: usize, room: usize, seed: usize) -> Vec<i32> {
        let limb = |index| ((index * 7_919 + seed) * (index + 31) % 10_007) as i32 - 5_003;
        (0..len).map(limb).chain(std::iter::repeat_n(0, room - len)).collect()
    }

    #[test]
    fn products_have_the_coefficients_of_the_convolution() {
        // One row, several, and a number of columns that threads share unevenly.
        for len in [1, 7, 100, 1_000, 4_096, 4_500, 20_000] {
            let shape = Shape::for_product(2 * len).unwrap();
            let area = shape.area();
            let (f, l) = (limbs(len, area, 1), limbs(len, area, 2));
            let (product, squared) =
                (convolution(&f[..len], &l[..len], 2 * area), convolution(&l[..len], &l[..len], 2 * area));
            let sum: Vec<f64> =
                product.iter().zip(&squared).map(|(product, squared)| product + squared).collect();
            for threads in [1, 3] {
                let mut workspace = Workspace::new(&[Shape::for_product(2 * len).unwrap()], threads);
                for products in [Products::Both, Products::First, Products::Sum] {
                    workspace.multiply(&shape, &f, &l, products);
                    let first = if products == Products::Sum { &sum } else { &product };
                    let rows = || workspace.rows(&shape);
                    assert_near(rows().flat_map(|(first, _)| first), first);
                    if products == Products::Both {
                        assert_near(rows().flat_map(|(_, second)| second), &squared);
                    }
                }
            }
        }
    }

    fn assert_near<'a>(found: impl Iterator<Item = &'a Coefficient>, expected: &[f64]) {
        let (low, high) = expected.split_at(expected.len() / 2);
        for (found, (low, high)) in found.zip(low.iter().zip(high)) {
            let off = *found - Coefficient::new(*low, *high);
            assert!(off.norm() < 0.01, "{found} is not {low} and {high}");
        }
    }
}
