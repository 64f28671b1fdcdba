//! Products of two numbers of the same length in base 10^18: the schoolbook method, one column at a
//! time, for short numbers, and Karatsuba's method for long ones.

use super::{add, add_small};

/// 10^18. The sum of up to 340 products of limbs fits 128 bits.
pub(super) const BASE: u64 = 1_000_000_000_000_000_000;

/// The number of limbs from which Karatsuba's method is faster (measured). Below it, a column is
/// the sum of at most 47 products.
const KARATSUBA_MIN_LIMBS: usize = 48;

/// The number of limbs of scratch space for a product of `len` by `len` limbs: four halves at each
/// level of Karatsuba's method, which may round up at each of them.
pub(super) const fn scratch_len(len: usize) -> usize {
    if len < KARATSUBA_MIN_LIMBS { 0 } else { 4 * len + 4 * usize::BITS as usize }
}

/// `out` = `a`·`b`. `out` has twice their length, `scratch` at least [`scratch_len`] limbs.
pub(super) fn multiply(a: &[u64], b: &[u64], out: &mut [u64], scratch: &mut [u64]) {
    product::<false>(a, b, out, scratch);
}

/// `out` = `a`². `out` has twice its length, `scratch` at least [`scratch_len`] limbs.
pub(super) fn square(a: &[u64], out: &mut [u64], scratch: &mut [u64]) {
    product::<true>(a, a, out, scratch);
}

fn product<const SQUARE: bool>(a: &[u64], b: &[u64], out: &mut [u64], scratch: &mut [u64]) {
    debug_assert!(a.len() == b.len() && out.len() == 2 * a.len());
    match (a.len() < KARATSUBA_MIN_LIMBS, SQUARE) {
        (true, true) => square_by_columns(a, out),
        (true, false) => multiply_by_columns(a, b, out),
        (false, _) => karatsuba::<SQUARE>(a, b, out, scratch),
    }
}

fn multiply_by_columns(a: &[u64], b: &[u64], out: &mut [u64]) {
    let len = a.len();
    let mut carry = 0;
    for (column, limb) in out.iter_mut().enumerate() {
        let (from, to) = (column.saturating_sub(len - 1), len.min(column + 1));
        let partners = b[column + 1 - to..column + 1 - from].iter().rev();
        // The sum does not depend on the carry, so it need not wait for the previous division.
        let sum = a[from..to].iter().zip(partners).fold(0, |sum, (a, b)| sum + wide(*a, *b));
        (carry, *limb) = split(sum + carry);
    }
}

fn square_by_columns(a: &[u64], out: &mut [u64]) {
    let len = a.len();
    let mut carry = 0;
    for (column, limb) in out.iter_mut().enumerate() {
        // Each pair of different limbs counts twice.
        let (from, to) = (column.saturating_sub(len - 1), column.div_ceil(2));
        let partners = a[column + 1 - to..column + 1 - from].iter().rev();
        let pairs = a[from..to].iter().zip(partners).fold(0, |sum, (a, b)| sum + wide(*a, *b));
        let middle =
            if column % 2 == 0 { a.get(column / 2).map_or(0, |a| wide(*a, *a)) } else { 0 };
        (carry, *limb) = split(2 * pairs + middle + carry);
    }
}

/// Karatsuba's method, as in Knuth, The Art of Computer Programming, 4.3.3: three products of half
/// the length in
///
///   (a₁X + a₀)(b₁X + b₀) = a₁b₁X² + (a₁b₁ + a₀b₀ − (a₁ − a₀)(b₁ − b₀))X + a₀b₀.
fn karatsuba<const SQUARE: bool>(a: &[u64], b: &[u64], out: &mut [u64], scratch: &mut [u64]) {
    let half = a.len().div_ceil(2);
    let ((a0, a1), (b0, b1)) = (a.split_at(half), b.split_at(half));
    let (differences, rest) = scratch.split_at_mut(2 * half);
    let (middle, rest) = rest.split_at_mut(2 * half);
    let (a_difference, b_difference) = differences.split_at_mut(half);
    let mut negative = difference(a0, a1, a_difference);
    if SQUARE {
        negative = false;
        product::<true>(a_difference, a_difference, middle, rest);
    } else {
        negative ^= difference(b0, b1, b_difference);
        product::<false>(a_difference, b_difference, middle, rest);
    }
    let (low, high) = out.split_at_mut(2 * half);
    product::<SQUARE>(a0, b0, low, rest);
    product::<SQUARE>(a1, b1, high, rest);

    // middle = low + high ± middle; the last carry is 0 or 1.
    let mut carry = 0;
    let highs = high.iter().copied().chain(std::iter::repeat(0));
    for ((middle, low), high) in middle.iter_mut().zip(&*low).zip(highs) {
        let both = (low + high) as i64 + carry;
        let sum = if negative { both + *middle as i64 } else { both - *middle as i64 };
        (carry, *middle) = carry_and_limb(sum);
    }
    let carries = add(&mut out[half..], middle) as i64;
    add_small(&mut out[3 * half..], carry + carries);
}

/// `out` = |`a` − `b`|, where `b` may be one limb shorter. Returns whether `a` < `b`.
fn difference(a: &[u64], b: &[u64], out: &mut [u64]) -> bool {
    let b_limbs = || b.iter().copied().chain(std::iter::repeat(0));
    let subtract = |out: &mut [u64], swapped: bool| {
        let mut borrow = 0;
        for ((out, a), b) in out.iter_mut().zip(a).zip(b_limbs()) {
            let (more, less) = if swapped { (b, *a) } else { (*a, b) };
            (borrow, *out) = if more < less + borrow {
                (1, more + BASE - less - borrow)
            } else {
                (0, more - less - borrow)
            };
        }
        borrow == 1
    };
    let negative = subtract(out, false);
    if negative {
        subtract(out, true);
    }
    negative
}

/// The carry and the limb of a `sum` between −2·10^18 and 3·10^18.
fn carry_and_limb(sum: i64) -> (i64, u64) {
    let carry = sum.div_euclid(BASE as i64);
    (carry, (sum - carry * BASE as i64) as u64)
}

#[inline(always)]
fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

/// Quotient and remainder of any `sum` divided by 10^18.
#[inline(always)]
fn split(sum: u128) -> (u128, u64) {
    let high = (sum >> 64) as u64;
    if high < BASE {
        let (quotient, limb) = split_short(sum);
        return (u128::from(quotient), limb);
    }
    // 2^64 = QUOTIENT · BASE + REMAINDER. Replacing 2^64 in the high word leaves a sum below
    // 2^64 · BASE.
    const QUOTIENT: u128 = (1 << 64) / BASE as u128;
    const REMAINDER: u64 = ((1 << 64) % BASE as u128) as u64;
    let (quotient, limb) = split_short(wide(high, REMAINDER) + u128::from(sum as u64));
    (u128::from(high) * QUOTIENT + u128::from(quotient), limb)
}

/// [`split`] for sums whose quotient fits in 64 bits, with two multiplications instead of a
/// division (Möller and Granlund, "Improved division by invariant integers", IEEE Transactions on
/// Computers 60, 2011, algorithm 4).
#[inline(always)]
fn split_short(sum: u128) -> (u64, u64) {
    /// Normalizes the divisor: shifts its highest bit to bit 63.
    const SHIFT: u32 = BASE.leading_zeros();
    const DIVISOR: u64 = BASE << SHIFT;
    const RECIPROCAL: u64 = (u128::MAX / DIVISOR as u128 - (1 << 64)) as u64;
    let shifted = sum << SHIFT;
    let (high, low) = ((shifted >> 64) as u64, shifted as u64);
    let estimate = wide(RECIPROCAL, high).wrapping_add(shifted);
    let mut quotient = ((estimate >> 64) as u64).wrapping_add(1);
    let mut remainder = low.wrapping_sub(quotient.wrapping_mul(DIVISOR));
    if remainder > estimate as u64 {
        quotient = quotient.wrapping_sub(1);
        remainder = remainder.wrapping_add(DIVISOR);
    }
    if remainder >= DIVISOR {
        quotient += 1;
        remainder -= DIVISOR;
    }
    (quotient, remainder >> SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_split_into_quotient_and_remainder() {
        let base = u128::from(BASE);
        let edges =
            [0, 1, base - 1, base, base << 64, u128::from(u64::MAX), base * base, u128::MAX];
        for sum in
            edges.iter().flat_map(|edge| [edge.saturating_sub(1), *edge, edge.saturating_add(1)])
        {
            assert_eq!(split(sum), (sum / base, (sum % base) as u64), "{sum}");
        }
        let mut sum = 1_u128;
        for _ in 0..10_000 {
            sum = sum.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
            for sum in [sum, sum >> 9, sum >> 64] {
                assert_eq!(split(sum), (sum / base, (sum % base) as u64), "{sum}");
            }
        }
    }

    #[test]
    fn products_of_extreme_limbs_are_exact_at_every_length() {
        for len in 1..5 * KARATSUBA_MIN_LIMBS {
            let (full, mut one) = (vec![BASE - 1; len], vec![0; len]);
            one[len - 1] = 1;
            let mut scratch = vec![0; scratch_len(len)];
            let mut out = vec![7; 2 * len];
            // (X − 1)² = X² − 2X + 1, where X is the base to the power of `len`.
            let mut expected = vec![0; 2 * len];
            (expected[0], expected[len]) = (1, BASE - 2);
            expected[len + 1..].fill(BASE - 1);
            square(&full, &mut out, &mut scratch);
            assert_eq!(out, expected, "{len}");
            multiply(&full, &full, &mut out, &mut scratch);
            assert_eq!(out, expected, "{len}");
            // Multiplying by the highest power of the base shifts the limbs.
            multiply(&full, &one, &mut out, &mut scratch);
            assert_eq!(out, [&vec![0; len - 1][..], &full, &[0]].concat(), "{len}");
            multiply(&one, &full, &mut out, &mut scratch);
            assert_eq!(out, [&vec![0; len - 1][..], &full, &[0]].concat(), "{len}");
        }
    }
}
