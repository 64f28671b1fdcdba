//! Convolution by FFT: the limbs of two numbers in, the coefficients of their products out. `shape`
//! has the dimensions, the plans and the roots of unity; [`Convolution`] describes the method.

mod shape;

use rustfft::num_complex::Complex;

pub(crate) use shape::Shape;

use crate::threads;

/// Two coefficients of a product: the real part belongs to its lower half, the imaginary part to
/// the same position of its upper half.
pub(crate) type Coefficient = Complex<f64>;

/// Columns that are transformed together: two cache lines of a row.
const BLOCK: usize = 8;

/// Added to the length of columns and rows, because lengths that are powers of two would map to few
/// sets of the cache.
const PADDING: usize = 8;

/// Coefficients for each thread at least: with fewer, starting a thread takes longer than it saves
/// (measured).
const COEFFICIENTS_PER_THREAD: usize = 20 << 10;

/// Which products of the numbers f and l to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Products {
    /// f·l and l².
    Both,
    /// f·l.
    First,
    /// f·l + l².
    Sum,
}

/// Multiplies two numbers of m limbs modulo x^2m + 1, in buffers that all products share.
///
/// With x^m = −i, the 2m real coefficients of a product become m complex ones, and no zero padding
/// is needed (right-angle convolution: Crandall and Pomerance, Prime Numbers, 2nd edition, section
/// 9.5).
///
/// The m values form a matrix that is transformed by columns and by rows (four-step FFT: Bailey,
/// "FFTs in external or hierarchical memory", Journal of Supercomputing 4, 1990). A pass then goes
/// through memory once, and each transform stays in the cache. There is no transposition: a
/// pointwise product may have its frequencies in any order, and the inverse transform restores the
/// coefficients' order.
pub(crate) struct Convolution {
    /// In each row, the first number or product, then the second.
    matrix: Vec<Coefficient>,
    buffers: Vec<ThreadBuffers>,
}

struct ThreadBuffers {
    columns: Vec<Coefficient>,
    twiddles: Vec<Coefficient>,
    scratch: Vec<Coefficient>,
}

/// A range of columns of one half of the matrix, row by row.
type ColumnRange<'a> = Vec<&'a mut [Coefficient]>;

impl Convolution {
    /// Allocates for transforms of all these shapes on at most `threads` threads.
    pub(crate) fn new(shapes: &[Shape], threads: usize) -> Convolution {
        let most = |len: &dyn Fn(&Shape) -> usize| shapes.iter().map(len).max().unwrap_or(0);
        let zeros = |len| vec![Coefficient::ZERO; len];
        let buffers = || ThreadBuffers {
            columns: zeros(most(&|shape| BLOCK * (shape.rows() + PADDING))),
            twiddles: zeros(most(&Shape::columns)),
            scratch: zeros(most(&|shape| {
                shape
                    .row
                    .fft
                    .get_inplace_scratch_len()
                    .max(shape.column.fft.get_inplace_scratch_len())
            })),
        };
        let matrix = zeros(most(&|shape| shape.rows() * stride(shape)));
        let threads = threads.min(most(&Shape::area) / COEFFICIENTS_PER_THREAD).max(1);
        Convolution { matrix, buffers: (0..threads).map(|_| buffers()).collect() }
    }

    /// Multiplies the numbers in the first [`Shape::area`] limbs of `f` and `l`.
    pub(crate) fn multiply(&mut self, shape: &Shape, f: &[i32], l: &[i32], products: Products) {
        let threads = self.threads(shape);
        let matrix = &mut self.matrix[..shape.rows() * stride(shape)];
        let width = threads::part_len(shape.columns(), threads, BLOCK);
        let height = threads::part_len(shape.rows(), threads, 1);

        let (f, l) = (&f[..shape.area()], &l[..shape.area()]);
        if shape.rows() == 1 {
            let (first, second) = matrix.split_at_mut(shape.columns());
            for (half, limbs) in [(first, f), (second, l)] {
                for ((value, limb), weight) in half.iter_mut().zip(limbs).zip(&shape.row.weights) {
                    *value = weight * f64::from(*limb);
                }
            }
        } else {
            let parts =
                column_ranges(matrix, shape, width).into_iter().zip(&mut self.buffers).enumerate();
            threads::map(parts, |(part, ([first, second], buffers))| {
                buffers.transform_limbs(shape, f, part * width, first);
                buffers.transform_limbs(shape, l, part * width, second);
            });
        }
        let parts = matrix.chunks_mut(height * stride(shape)).zip(&mut self.buffers).enumerate();
        threads::map(parts, |(part, (rows, buffers))| {
            for (row, values) in rows.chunks_exact_mut(stride(shape)).enumerate() {
                buffers.multiply_row(shape, part * height + row, values, products);
            }
        });
        if shape.rows() > 1 {
            let parts = column_ranges(matrix, shape, width).into_iter().zip(&mut self.buffers);
            threads::map(parts, |([first, second], buffers)| {
                buffers.invert_columns(shape, first);
                if products == Products::Both {
                    buffers.invert_columns(shape, second);
                }
            });
        }
    }

    /// How many threads work on a product of this shape.
    pub(crate) fn threads(&self, shape: &Shape) -> usize {
        (shape.area() / COEFFICIENTS_PER_THREAD).clamp(1, self.buffers.len())
    }

    /// The rows of coefficients of the first product and of the second, if there is one.
    pub(crate) fn rows(
        &self,
        shape: &Shape,
    ) -> impl Iterator<Item = (&[Coefficient], &[Coefficient])> {
        let columns = shape.columns();
        self.matrix
            .chunks_exact(stride(shape))
            .take(shape.rows())
            .map(move |row| row[..2 * columns].split_at(columns))
    }
}

impl ThreadBuffers {
    /// Transforms columns of weighted limbs into a range of the matrix that starts at column
    /// `first`.
    fn transform_limbs(
        &mut self,
        shape: &Shape,
        limbs: &[i32],
        first: usize,
        mut range: ColumnRange,
    ) {
        for start in (0..range[0].len()).step_by(BLOCK) {
            let mut columns = self.block(shape);
            let limbs = limbs[first + start..].chunks(shape.columns());
            for (row, (limbs, weight)) in limbs.zip(&shape.column.weights).enumerate() {
                for (column, limb) in columns.iter_mut().zip(&limbs[..BLOCK]) {
                    column[row] = weight * f64::from(*limb);
                }
            }
            self.transform_columns(shape);
            let columns = self.block(shape);
            for (row, values) in range.iter_mut().enumerate() {
                for (value, column) in values[start..start + BLOCK].iter_mut().zip(&columns) {
                    *value = column[row];
                }
            }
        }
    }

    /// Transforms a range of the matrix by columns and removes the weights.
    fn invert_columns(&mut self, shape: &Shape, mut range: ColumnRange) {
        for start in (0..range[0].len()).step_by(BLOCK) {
            let mut columns = self.block(shape);
            for (row, values) in range.iter().enumerate() {
                for (column, value) in columns.iter_mut().zip(&values[start..start + BLOCK]) {
                    column[row] = *value;
                }
            }
            self.transform_columns(shape);
            let columns = self.block(shape);
            for (row, (values, weight)) in range.iter_mut().zip(&shape.column.weights).enumerate() {
                for (value, column) in values[start..start + BLOCK].iter_mut().zip(&columns) {
                    *value = column[row] * weight;
                }
            }
        }
    }

    /// The columns of a block, each with its padding.
    fn block(&mut self, shape: &Shape) -> [&mut [Coefficient]; BLOCK] {
        let mut columns = self.columns.chunks_mut(shape.rows() + PADDING);
        std::array::from_fn(|_| columns.next().unwrap_or_default())
    }

    fn transform_columns(&mut self, shape: &Shape) {
        for column in self.columns.chunks_exact_mut(shape.rows() + PADDING).take(BLOCK) {
            shape.column.fft.process_with_scratch(&mut column[..shape.rows()], &mut self.scratch);
        }
    }

    /// The forward transform of a row, the pointwise products, and their inverse transform.
    ///
    /// The products are conjugated, so that a forward transform serves as the inverse and yields
    /// the conjugate. That turns x^m = −i into i: the imaginary part is the upper half with its
    /// sign.
    fn multiply_row(
        &mut self,
        shape: &Shape,
        row: usize,
        values: &mut [Coefficient],
        products: Products,
    ) {
        let columns = shape.columns();
        let twiddles = shape.twiddles(row, &mut self.twiddles);
        let values = &mut values[..2 * columns];
        if shape.rows() > 1 {
            for half in values.chunks_exact_mut(columns) {
                scale_by(half, twiddles);
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
            scale_by(half, twiddles);
        }
    }
}

fn scale_by(values: &mut [Coefficient], factors: &[Coefficient]) {
    for (value, factor) in values.iter_mut().zip(factors) {
        *value *= factor;
    }
}

/// Coefficients from one row to the next: two numbers and the padding.
fn stride(shape: &Shape) -> usize {
    2 * shape.columns() + if shape.rows() > 1 { PADDING } else { 0 }
}

/// Both halves of the matrix, split into ranges of `width` columns.
fn column_ranges<'a>(
    matrix: &'a mut [Coefficient],
    shape: &Shape,
    width: usize,
) -> Vec<[ColumnRange<'a>; 2]> {
    let half = || Vec::with_capacity(shape.rows());
    let mut ranges: Vec<[ColumnRange; 2]> =
        (0..shape.columns().div_ceil(width)).map(|_| [half(), half()]).collect();
    for row in matrix.chunks_exact_mut(stride(shape)) {
        for (half, values) in row.chunks_exact_mut(shape.columns()).take(2).enumerate() {
            for (range, values) in ranges.iter_mut().zip(values.chunks_mut(width)) {
                range[half].push(values);
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coefficients of a·b, by definition.
    fn convolution(a: &[i32], b: &[i32], len: usize) -> Vec<f64> {
        let mut out = vec![0; len];
        for (i, a) in a.iter().enumerate() {
            for (j, b) in b.iter().enumerate() {
                out[i + j] += i64::from(*a) * i64::from(*b);
            }
        }
        out.into_iter().map(|coefficient| coefficient as f64).collect()
    }

    fn limbs(len: usize, capacity: usize, seed: usize) -> Vec<i32> {
        let limb = |index| ((index * 7_919 + seed) * (index + 31) % 10_007) as i32 - 5_003;
        (0..len).map(limb).chain(std::iter::repeat_n(0, capacity - len)).collect()
    }

    #[test]
    fn products_have_the_coefficients_of_the_convolution() {
        // One row, several, and a number of columns that threads share unevenly.
        for len in [1, 7, 100, 1_000, 4_096, 4_500, 20_000] {
            let shape = Shape::for_product(2 * len).unwrap();
            let area = shape.area();
            let (f, l) = (limbs(len, area, 1), limbs(len, area, 2));
            let (product, squared) = (
                convolution(&f[..len], &l[..len], 2 * area),
                convolution(&l[..len], &l[..len], 2 * area),
            );
            let sum: Vec<f64> =
                product.iter().zip(&squared).map(|(product, squared)| product + squared).collect();
            for threads in [1, 3] {
                let mut convolution =
                    Convolution::new(&[Shape::for_product(2 * len).unwrap()], threads);
                for products in [Products::Both, Products::First, Products::Sum] {
                    convolution.multiply(&shape, &f, &l, products);
                    let first = if products == Products::Sum { &sum } else { &product };
                    let rows = || convolution.rows(&shape);
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
