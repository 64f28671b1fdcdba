//! Convolution by FFT: takes the limbs of two numbers, and returns the coefficients of their
//! products. [`Convolution`] describes the method; `shape` has the dimensions, the FFT plans and
//! the roots of unity.

mod shape;

use rustfft::num_complex::Complex;

pub(crate) use shape::Shape;

use crate::threads;

/// Two coefficients of a product: the real part is from its lower half, the imaginary part from the
/// same position in its upper half.
pub(crate) type Coefficient = Complex<f64>;

/// The number of columns that are transformed together: two cache lines of a row.
const BLOCK_COLUMNS: usize = 8;

/// Coefficients added to each column and row in memory. Without them, columns and rows whose
/// lengths are powers of two would share few sets of the cache.
const PADDING: usize = 8;

/// The minimum for each thread. With fewer, starting a thread takes longer than it saves
/// (measured).
const MIN_COEFFICIENTS_PER_THREAD: usize = 20 << 10;

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

/// Multiplies two numbers of m limbs each, in buffers that all products share.
///
/// Evaluated modulo x^m + i, where x^m = −i, the 2m real coefficients of a product become m complex
/// ones: the lower half minus i times the upper half. No zero padding is needed (right-angle
/// convolution: Crandall and Pomerance, Prime Numbers, 2nd edition, section 9.5).
///
/// The m values form a matrix of [`Shape::rows`] by [`Shape::columns`], which is transformed first
/// by columns and then by rows (four-step FFT: Bailey, "FFTs in external or hierarchical memory",
/// Journal of Supercomputing 4, 1990). Each pass goes through memory once, and each transform stays
/// in the cache. No transposition is needed: pointwise products do not depend on the order of the
/// frequencies, and the inverse transform restores the order of the coefficients.
pub(crate) struct Convolution {
    /// Row by row. Each row has the first number or product, then the second.
    matrix: Vec<Coefficient>,
    buffers: Vec<ThreadBuffers>,
}

struct ThreadBuffers {
    columns: Vec<Coefficient>,
    twiddles: Vec<Coefficient>,
    scratch: Vec<Coefficient>,
}

/// A range of columns of one number's half of the matrix: a slice for each row.
type ColumnRange<'a> = Vec<&'a mut [Coefficient]>;

impl Convolution {
    /// Allocates buffers for products of all these shapes, on at most `threads` threads.
    pub(crate) fn new(shapes: &[Shape], threads: usize) -> Convolution {
        let largest = |len: &dyn Fn(&Shape) -> usize| shapes.iter().map(len).max().unwrap_or(0);
        let zeros = |len| vec![Coefficient::ZERO; len];
        let buffers = || ThreadBuffers {
            columns: zeros(largest(&|shape| BLOCK_COLUMNS * (shape.rows() + PADDING))),
            twiddles: zeros(largest(&Shape::columns)),
            scratch: zeros(largest(&|shape| {
                shape
                    .row
                    .fft
                    .get_inplace_scratch_len()
                    .max(shape.column.fft.get_inplace_scratch_len())
            })),
        };
        let matrix = zeros(largest(&|shape| shape.rows() * stride(shape)));
        let useful_threads = largest(&Shape::transform_len) / MIN_COEFFICIENTS_PER_THREAD;
        let threads = threads.min(useful_threads).max(1);
        Convolution { matrix, buffers: (0..threads).map(|_| buffers()).collect() }
    }

    /// Multiplies the numbers in the first [`Shape::transform_len`] limbs of `f` and `l`.
    pub(crate) fn multiply(&mut self, shape: &Shape, f: &[i32], l: &[i32], products: Products) {
        let threads = self.threads(shape);
        let matrix = &mut self.matrix[..shape.rows() * stride(shape)];
        let width = threads::part_len(shape.columns(), threads, BLOCK_COLUMNS);
        let height = threads::part_len(shape.rows(), threads, 1);

        let (f, l) = (&f[..shape.transform_len()], &l[..shape.transform_len()]);
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

    /// The number of threads that work on a product of this shape.
    pub(crate) fn threads(&self, shape: &Shape) -> usize {
        (shape.transform_len() / MIN_COEFFICIENTS_PER_THREAD).clamp(1, self.buffers.len())
    }

    /// The coefficients of the first and of the second product, row by row. The second ones are
    /// meaningless unless [`Products::Both`] was computed.
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
    /// Weights and transforms limbs by columns, and stores them in `range`, which starts at column
    /// `first` of the matrix.
    fn transform_limbs(
        &mut self,
        shape: &Shape,
        limbs: &[i32],
        first: usize,
        mut range: ColumnRange,
    ) {
        for start in (0..range[0].len()).step_by(BLOCK_COLUMNS) {
            let mut columns = self.block(shape);
            let limbs = limbs[first + start..].chunks(shape.columns());
            for (row, (limbs, weight)) in limbs.zip(&shape.column.weights).enumerate() {
                for (column, limb) in columns.iter_mut().zip(&limbs[..BLOCK_COLUMNS]) {
                    column[row] = weight * f64::from(*limb);
                }
            }
            self.transform_columns(shape);
            let columns = self.block(shape);
            for (row, values) in range.iter_mut().enumerate() {
                let values = &mut values[start..start + BLOCK_COLUMNS];
                for (value, column) in values.iter_mut().zip(&columns) {
                    *value = column[row];
                }
            }
        }
    }

    /// Transforms a range of the matrix by columns and removes the weights. [`Self::multiply_row`]
    /// has conjugated the values, so this is the inverse transform.
    fn invert_columns(&mut self, shape: &Shape, mut range: ColumnRange) {
        for start in (0..range[0].len()).step_by(BLOCK_COLUMNS) {
            let mut columns = self.block(shape);
            for (row, values) in range.iter().enumerate() {
                let values = &values[start..start + BLOCK_COLUMNS];
                for (column, value) in columns.iter_mut().zip(values) {
                    column[row] = *value;
                }
            }
            self.transform_columns(shape);
            let columns = self.block(shape);
            for (row, (values, weight)) in range.iter_mut().zip(&shape.column.weights).enumerate() {
                let values = &mut values[start..start + BLOCK_COLUMNS];
                for (value, column) in values.iter_mut().zip(&columns) {
                    *value = column[row] * weight;
                }
            }
        }
    }

    /// The buffers of a block's columns, each with its padding.
    fn block(&mut self, shape: &Shape) -> [&mut [Coefficient]; BLOCK_COLUMNS] {
        let mut columns = self.columns.chunks_mut(shape.rows() + PADDING);
        std::array::from_fn(|_| columns.next().unwrap_or_default())
    }

    fn transform_columns(&mut self, shape: &Shape) {
        let columns = self.columns.chunks_exact_mut(shape.rows() + PADDING);
        for column in columns.take(BLOCK_COLUMNS) {
            shape.column.fft.process_with_scratch(&mut column[..shape.rows()], &mut self.scratch);
        }
    }

    /// Transforms a row, multiplies pointwise, and transforms the products back.
    ///
    /// The products are conjugated, so that another forward transform serves as the inverse and
    /// returns the conjugates of the coefficients. Their imaginary parts are the upper half of the
    /// product, without the minus sign of x^m = −i.
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
        let scale = 1.0 / shape.transform_len() as f64;
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

/// The number of coefficients from one row of the matrix to the next: two numbers and the padding.
fn stride(shape: &Shape) -> usize {
    2 * shape.columns() + if shape.rows() > 1 { PADDING } else { 0 }
}

/// The two numbers' halves of the matrix, split into ranges of `width` columns.
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

    /// The coefficients of a·b, by the schoolbook method.
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
        // One row, several rows, and a number of columns that three threads cannot share evenly.
        for len in [1, 7, 100, 1_000, 4_096, 4_500, 20_000] {
            let shape = Shape::for_product(2 * len).unwrap();
            let transform_len = shape.transform_len();
            let (f, l) = (limbs(len, transform_len, 1), limbs(len, transform_len, 2));
            let (product, squared) = (
                convolution(&f[..len], &l[..len], 2 * transform_len),
                convolution(&l[..len], &l[..len], 2 * transform_len),
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
            let difference = *found - Coefficient::new(*low, *high);
            assert!(difference.norm() < 0.01, "{found} is not {low} and {high}");
        }
    }
}
