//! Fast doubling in integers, on limbs in base 10^18: exact for every n.
//!
//! It computes all numbers below `CROSSOVER`, and any number whose FFT result is rejected. It runs
//! on one thread and takes about 15 s at n = 10^8, with about four bytes of memory a digit.

mod product;

use crate::{seed, text};
use product::{BASE, multiply, scratch_len, square};

/// The decimal digits of F(`n`).
pub(crate) fn digits(n: u64) -> String {
    let (k, odd) = (n / 2, n % 2 == 1);
    let mut memory = vec![0; memory_len(n)];
    let Pair { f, l, len, product, scratch, .. } = Pair::new(n, &mut memory);
    if odd {
        // F(k+1) = (F(k) + L(k)) / 2, which is not longer than L(k).
        f[len] = add(&mut f[..len], &l[..len]);
        halve(&mut f[..=len]);
    }
    // F(2k) = F(k)·L(k), F(2k+1) = F(k+1)·L(k) − (−1)^k
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
    /// Limbs of L(k), and of F(k), whose highest may be zero.
    len: usize,
    product: &'a mut [u64],
    squared: &'a mut [u64],
    scratch: &'a mut [u64],
}

/// Limbs that every number on the way to F(`n`) fits in: 18 digits are those of 86.1 indices, a
/// product is up to two limbs longer than its value, and a sum may carry into one more.
fn capacity(n: u64) -> usize {
    (n / 86) as usize + 4
}

/// Limbs of memory for a [`Pair`] on the way to F(`n`).
fn memory_len(n: u64) -> usize {
    4 * capacity(n) + scratch_len(capacity(n) / 2)
}

impl<'a> Pair<'a> {
    /// F(n / 2) and L(n / 2), in `memory` of [`memory_len`] zeros.
    fn new(n: u64, memory: &'a mut [u64]) -> Self {
        let (f, rest) = memory.split_at_mut(capacity(n));
        let (l, rest) = rest.split_at_mut(capacity(n));
        let (product, rest) = rest.split_at_mut(capacity(n));
        let (squared, scratch) = rest.split_at_mut(capacity(n));
        let mut pair = Pair { f, l, len: 1, product, squared, scratch };
        let k = n / 2;
        let (bits, f, l) = seed(k);
        (pair.f[0], pair.l[0]) = (f as u64, l as u64);
        for bit in (0..bits).rev() {
            pair.double(sign(k >> (bit + 1)), k >> bit & 1 == 1);
        }
        pair
    }

    /// Moves from k to 2k, or to 2k + 1 if `odd`; `sign` is (−1)^k.
    fn double(&mut self, sign: i64, odd: bool) {
        // F(2k) = F(k)·L(k), L(2k) = L(k)² − 2(−1)^k
        let len = 2 * self.len;
        multiply(&self.f[..self.len], &self.l[..self.len], &mut self.product[..len], self.scratch);
        square(&self.l[..self.len], &mut self.squared[..len], self.scratch);
        add_small(&mut self.squared[..len], -2 * sign);
        self.product[len] = 0;
        self.squared[len] = 0;
        if odd {
            // F(m+1) = (F(m) + L(m)) / 2, L(m+1) = 2F(m) + F(m+1)
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

/// (−1)^k
fn sign(k: u64) -> i64 {
    if k.is_multiple_of(2) { 1 } else { -1 }
}

/// `a` += `b`, as far as the shorter one goes; returns the carry.
fn add(a: &mut [u64], b: &[u64]) -> u64 {
    a.iter_mut().zip(b).fold(0, |carry, (a, b)| {
        let sum = *a + b + carry;
        let over = sum >= BASE;
        *a = if over { sum - BASE } else { sum };
        u64::from(over)
    })
}

/// `a` *= 2, where the result fits.
fn double(a: &mut [u64]) {
    a.iter_mut().fold(0, |carry, limb| {
        let sum = 2 * *limb + carry;
        let over = sum >= BASE;
        *limb = if over { sum - BASE } else { sum };
        u64::from(over)
    });
}

/// `a` /= 2, for an even number.
fn halve(a: &mut [u64]) {
    a.iter_mut().rev().fold(0, |odd, limb| {
        let value = *limb + odd * BASE;
        *limb = value / 2;
        value % 2
    });
}

/// `a` += `value`, where the result fits and is not negative.
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
        // At 65,536, Karatsuba's method splits a product three times.
        for start in [2, 180, 255, 340, 5_000, 8_190, 20_000, 33_333, 65_536] {
            let numbers: Vec<String> = (start - 2..start + 6).map(digits).collect();
            for (n, window) in (start..).zip(numbers.windows(3)) {
                assert_eq!(sum(&window[0], &window[1]), window[2], "n = {n}");
            }
        }
    }
}
