//! Fast doubling in integers, on limbs in base 10^18. It is exact for every n.
//!
//! It computes F(n) below `CROSSOVER`, and every F(n) whose FFT result is rejected. It runs on one
//! thread, takes about 15 s at n = 10^8, and needs about four bytes of memory per digit. The
//! formulas are those of `fast`.

mod product;

use crate::{Seed, text};
use product::{BASE, multiply, scratch_len, square};

/// The decimal digits of F(`n`).
pub(crate) fn digits(n: u64) -> String {
    let (k, odd) = (n / 2, n % 2 == 1);
    let mut memory = vec![0; memory_len(n)];
    let Pair { f, l, len, product, scratch, .. } = Pair::new(n, &mut memory);
    if odd {
        // F(k+1) = (F(k) + L(k)) / 2 has no more limbs than L(k).
        f[len] = add(&mut f[..len], &l[..len]);
        halve(&mut f[..=len]);
    }
    // F(2k) = F(k)·L(k), F(2k+1) = F(k+1)·L(k) − (−1)^k.
    let value = &mut product[..2 * len];
    multiply(&f[..len], &l[..len], value, scratch);
    if odd {
        add_small(value, -sign(k));
    }
    text::from_limbs(value)
}

/// F(k) and L(k), lowest limb first, with buffers for the next doubling.
struct Pair<'a> {
    f: &'a mut [u64],
    l: &'a mut [u64],
    /// The number of limbs of L(k). F(k) has the same number; its highest may be zero.
    len: usize,
    product: &'a mut [u64],
    squared: &'a mut [u64],
    scratch: &'a mut [u64],
}

/// The number of limbs that holds every intermediate number for F(`n`). F gains the 18 digits of a
/// limb when n grows by 86.1; a product is up to two limbs longer than its value; and a sum may
/// carry into one more limb.
fn capacity(n: u64) -> usize {
    (n / 86) as usize + 4
}

/// The number of limbs in the memory of a [`Pair`] for F(`n`).
fn memory_len(n: u64) -> usize {
    4 * capacity(n) + scratch_len(capacity(n) / 2)
}

impl<'a> Pair<'a> {
    /// F(n / 2) and L(n / 2), in `memory`, which must be [`memory_len`] zeros.
    fn new(n: u64, memory: &'a mut [u64]) -> Self {
        let (f, rest) = memory.split_at_mut(capacity(n));
        let (l, rest) = rest.split_at_mut(capacity(n));
        let (product, rest) = rest.split_at_mut(capacity(n));
        let (squared, scratch) = rest.split_at_mut(capacity(n));
        let mut pair = Pair { f, l, len: 1, product, squared, scratch };
        let k = n / 2;
        let seed = Seed::new(k);
        (pair.f[0], pair.l[0]) = (seed.f as u64, seed.l as u64);
        for bit in (0..seed.remaining_bits).rev() {
            pair.double(sign(k >> (bit + 1)), k >> bit & 1 == 1);
        }
        pair
    }

    /// Moves from k to 2k, or to 2k + 1 if `odd`; `sign` is (−1)^k.
    fn double(&mut self, sign: i64, odd: bool) {
        // F(2k) = F(k)·L(k), L(2k) = L(k)² − 2(−1)^k.
        let len = 2 * self.len;
        multiply(&self.f[..self.len], &self.l[..self.len], &mut self.product[..len], self.scratch);
        square(&self.l[..self.len], &mut self.squared[..len], self.scratch);
        add_small(&mut self.squared[..len], -2 * sign);
        self.product[len] = 0;
        self.squared[len] = 0;
        if odd {
            // F(m+1) = (F(m) + L(m)) / 2, L(m+1) = 2F(m) + F(m+1).
            let (product, squared) = (&mut self.product[..=len], &mut self.squared[..=len]);
            add(squared, product);
            halve(squared);
            double(product);
            add(product, squared);
            std::mem::swap(&mut self.product, &mut self.squared);
        }
        self.len = self.squared[..=len]
            .iter()
            .rposition(|limb| *limb != 0)
            .map_or(0, |highest| highest + 1);
        std::mem::swap(&mut self.f, &mut self.product);
        std::mem::swap(&mut self.l, &mut self.squared);
    }
}

/// (−1)^k.
fn sign(k: u64) -> i64 {
    if k.is_multiple_of(2) { 1 } else { -1 }
}

/// `a` += `b`, up to the length of the shorter one. Returns the carry out of the last limb.
fn add(a: &mut [u64], b: &[u64]) -> u64 {
    a.iter_mut().zip(b).fold(0, |carry, (a, b)| {
        let sum = *a + b + carry;
        let carries = sum >= BASE;
        *a = if carries { sum - BASE } else { sum };
        u64::from(carries)
    })
}

/// `a` *= 2. The result must fit.
fn double(a: &mut [u64]) {
    a.iter_mut().fold(0, |carry, limb| {
        let sum = 2 * *limb + carry;
        let carries = sum >= BASE;
        *limb = if carries { sum - BASE } else { sum };
        u64::from(carries)
    });
}

/// `a` /= 2. `a` must be even.
fn halve(a: &mut [u64]) {
    a.iter_mut().rev().fold(0, |remainder, limb| {
        let value = *limb + remainder * BASE;
        *limb = value / 2;
        value % 2
    });
}

/// `a` += `value`. The result must fit and must not be negative.
fn add_small(a: &mut [u64], value: i64) {
    let mut carry = value;
    for limb in a {
        if carry == 0 {
            break;
        }
        let sum = *limb as i64 + carry;
        carry = sum.div_euclid(BASE as i64);
        *limb = sum.rem_euclid(BASE as i64) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_the_sum_of_the_two_before_it() {
        let sum = |a: &str, b: &str| {
            (a.parse::<dashu_int::UBig>().unwrap() + b.parse::<dashu_int::UBig>().unwrap())
                .to_string()
        };
        // At 65,536, a product has 381 limbs, and Karatsuba's method splits it four times.
        for start in [2, 180, 255, 340, 5_000, 8_190, 20_000, 33_333, 65_536] {
            let numbers: Vec<String> = (start - 2..start + 6).map(digits).collect();
            for (n, window) in (start..).zip(numbers.windows(3)) {
                assert_eq!(sum(&window[0], &window[1]), window[2], "n = {n}");
            }
        }
    }
}
