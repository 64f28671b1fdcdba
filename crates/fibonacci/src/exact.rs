//! F(n) in integers alone: fast doubling on limbs in base 10^18, which are decimal already.
//!
//! The faster way for small n, where a transform would not pay, and the exact one for any n, when a result of the
//! transforms is not certain. It knows no threads, and at n = 10^8 takes some ten seconds; its memory is a few
//! bytes a digit.

mod product;

use product::{BASE, multiply, scratch_len, split, square};

/// F(0) to F(186), all that fit 128 bits.
const FIRST: [u128; 187] = {
    let mut first = [0; 187];
    first[1] = 1;
    let mut n = 2;
    while n < first.len() {
        first[n] = first[n - 1] + first[n - 2];
        n += 1;
    }
    first
};

/// The largest index whose Lucas number fits 128 bits.
const LAST_LUCAS: u64 = 184;

/// F(k) and L(k), the Fibonacci and the Lucas number of one index.
///
/// Limbs in base 10^18, the lowest first.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) f: Vec<u64>,
    pub(crate) l: Vec<u64>,
}

/// F(`n`): limbs in base 10^18, the lowest first, without leading zeros; none for F(0).
pub(crate) fn fibonacci(n: u64) -> Vec<u64> {
    if let Some(value) = FIRST.get(n as usize) {
        return limbs(*value);
    }
    let (k, odd) = (n / 2, n % 2 == 1);
    let Pair { mut f, l } = pair(k);
    if odd {
        // F(k+1) = (F(k) + L(k)) / 2
        add(&mut f, &l);
        halve(&mut f);
        f.truncate(l.len());
    }
    // F(2k) = F(k)·L(k), F(2k+1) = F(k+1)·L(k) − (−1)^k
    let mut value = vec![0; 2 * l.len()];
    multiply(&f, &l, &mut value, &mut vec![0; scratch_len(l.len())]);
    if odd {
        add_small(&mut value, -sign(k));
    }
    trim(&mut value);
    value
}

/// F(`k`) and L(`k`), both of the same length.
pub(crate) fn pair(k: u64) -> Pair {
    // The leading bits are looked up.
    let bits = (0..u64::BITS).find(|bits| k >> bits <= LAST_LUCAS).unwrap_or(0);
    let Pair { mut f, mut l } = looked_up((k >> bits) as usize);
    if bits == 0 {
        return Pair { f, l };
    }
    let most = decimal_limbs(k);
    let (mut product, mut squared) = (Vec::with_capacity(most), Vec::with_capacity(most));
    let mut scratch = vec![0; scratch_len(most / 2)];
    for bit in (0..bits).rev() {
        // F(2k) = F(k)·L(k), L(2k) = L(k)² − 2(−1)^k
        product.resize(2 * l.len(), 0);
        squared.resize(2 * l.len(), 0);
        multiply(&f, &l, &mut product, &mut scratch);
        square(&l, &mut squared, &mut scratch);
        add_small(&mut squared, -2 * sign(k >> (bit + 1)));
        if k >> bit & 1 == 1 {
            // F(m+1) = (F(m) + L(m)) / 2, L(m+1) = 2F(m) + F(m+1)
            add(&mut squared, &product);
            halve(&mut squared);
            double(&mut product);
            add(&mut product, &squared);
            std::mem::swap(&mut product, &mut squared);
        }
        trim(&mut squared);
        product.resize(squared.len(), 0);
        std::mem::swap(&mut f, &mut product);
        std::mem::swap(&mut l, &mut squared);
    }
    Pair { f, l }
}

fn looked_up(k: usize) -> Pair {
    // L(k) = F(k−1) + F(k+1)
    let lucas = if k == 0 { 2 } else { FIRST[k - 1] + FIRST[k + 1] };
    let (mut f, l) = (limbs(FIRST[k]), limbs(lucas));
    f.resize(l.len(), 0);
    Pair { f, l }
}

/// (−1)^k
fn sign(k: u64) -> i64 {
    if k.is_multiple_of(2) { 1 } else { -1 }
}

/// Room for the limbs of F(k), L(k) and what becomes of them in a step.
fn decimal_limbs(k: u64) -> usize {
    // A limb holds 18 digits, 18 / 0.20899 = 86.1 indices.
    (k / 86) as usize + 4
}

fn limbs(value: u128) -> Vec<u64> {
    let (rest, low) = split(value);
    let (high, middle) = split(rest);
    let mut limbs = Vec::with_capacity(4);
    limbs.extend([low, middle, high as u64]);
    trim(&mut limbs);
    limbs
}

fn trim(limbs: &mut Vec<u64>) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

/// `a` += `b`, which is no longer than `a`.
fn add(a: &mut Vec<u64>, b: &[u64]) {
    let mut carry = 0;
    for (a, b) in a.iter_mut().zip(b) {
        let sum = *a + b + carry;
        (carry, *a) = if sum >= BASE { (1, sum - BASE) } else { (0, sum) };
    }
    carry_on(a, b.len(), carry);
}

fn double(a: &mut Vec<u64>) {
    let mut carry = 0;
    for limb in &mut *a {
        let sum = 2 * *limb + carry;
        (carry, *limb) = if sum >= BASE { (1, sum - BASE) } else { (0, sum) };
    }
    carry_on(a, a.len(), carry);
}

fn carry_on(a: &mut Vec<u64>, from: usize, mut carry: u64) {
    for limb in a.iter_mut().skip(from) {
        if carry == 0 {
            return;
        }
        let sum = *limb + carry;
        (carry, *limb) = if sum >= BASE { (1, sum - BASE) } else { (0, sum) };
    }
    if carry > 0 {
        a.push(carry);
    }
}

/// `a` /= 2, for an even number.
fn halve(a: &mut [u64]) {
    let mut odd = 0;
    for limb in a.iter_mut().rev() {
        let value = *limb + odd * BASE;
        (odd, *limb) = (value & 1, value >> 1);
    }
}

/// `a` += `value`, where the result is not negative and no longer than `a`.
fn add_small(a: &mut [u64], value: i64) {
    let mut carry = value;
    for limb in a {
        let sum = *limb as i64 + carry;
        carry = sum.div_euclid(BASE as i64);
        *limb = sum.rem_euclid(BASE as i64) as u64;
        if carry == 0 {
            return;
        }
    }
}
