//! Fast doubling on binary big integers: F(2k) = F(k)·(2F(k+1) − F(k)), F(2k+1) = F(k)² + F(k+1)².
//!
//! One step for each bit of n, from the highest; numbers of twice the size each time, so that the last step
//! is most of the work.

use dashu_int::UBig;

/// F(`n`).
pub(crate) fn fibonacci(n: u64) -> UBig {
    let (mut a, mut b) = (UBig::ZERO, UBig::ONE);
    for bit in (0..u64::BITS - n.leading_zeros()).rev() {
        let even = &a * ((&b << 1) - &a);
        // The last step needs one of the two only.
        let last = bit == 0;
        let odd_needed = !last || n & 1 == 1;
        let odd = if odd_needed { a.sqr() + b.sqr() } else { UBig::ZERO };
        if n >> bit & 1 == 1 {
            b = if last { UBig::ZERO } else { &even + &odd };
            a = odd;
        } else {
            a = even;
            b = odd;
        }
    }
    a
}
