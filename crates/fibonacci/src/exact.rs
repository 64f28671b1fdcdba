//! F(n) in integers alone: fast doubling on limbs in base 10^18, which are decimal already.
//!
//! The faster way for small n, where a transform would not pay, and the exact one for any n, when a result of the
//! transforms is not certain. The formulas are those of `fast`. It knows no threads, and at n = 10^8 takes some
//! fifteen seconds; its memory is about four bytes a digit, with the text.

mod product;

use crate::text;
use product::{BASE, multiply, scratch_len, square};

/// Indices whose numbers are looked up: F and L have three limbs at most up to 256.
const KNOWN: usize = 257;

/// F(0), F(1) and so on.
static FIBONACCI: [[u64; 3]; KNOWN] = sums_of_two([[0, 0, 0], [1, 0, 0]]);
/// L(0), L(1) and so on.
static LUCAS: [[u64; 3]; KNOWN] = sums_of_two([[2, 0, 0], [1, 0, 0]]);

/// The digits of [`FIBONACCI`], since turning them into text would take as long as all the rest.
static TEXTS: [&str; KNOWN] = {
    static DIGITS: [[u8; 54]; KNOWN] = {
        let mut texts = [[b'0'; 54]; KNOWN];
        let mut n = 0;
        while n < KNOWN {
            let mut place = 0;
            while place < 54 {
                let limb = FIBONACCI[n][place / 18] / 10_u64.pow(place as u32 % 18);
                texts[n][53 - place] += (limb % 10) as u8;
                place += 1;
            }
            n += 1;
        }
        texts
    };
    let mut texts = [""; KNOWN];
    let mut n = 0;
    while n < KNOWN {
        let mut zeros = 0;
        while zeros < 53 && DIGITS[n][zeros] == b'0' {
            zeros += 1;
        }
        if let Ok(text) = str::from_utf8(DIGITS[n].split_at(zeros).1) {
            texts[n] = text;
        }
        n += 1;
    }
    texts
};

/// The sequence that starts with these two numbers, where each further one is the sum of the two before it.
const fn sums_of_two(start: [[u64; 3]; 2]) -> [[u64; 3]; KNOWN] {
    let mut numbers = [[0; 3]; KNOWN];
    numbers[0] = start[0];
    numbers[1] = start[1];
    let mut n = 2;
    while n < KNOWN {
        let (mut limb, mut carry) = (0, 0);
        while limb < 3 {
            let sum = numbers[n - 1][limb] + numbers[n - 2][limb] + carry;
            numbers[n][limb] = sum % BASE;
            carry = sum / BASE;
            limb += 1;
        }
        n += 1;
    }
    numbers
}

/// The decimal digits of F(`n`).
pub(crate) fn digits(n: u64) -> String {
    if let Some(text) = TEXTS.get(n as usize) {
        return (*text).to_owned();
    }
    let (k, odd) = (n / 2, n % 2 == 1);
    let (mut short, mut long);
    let memory: &mut [u64] = if memory_len(n) <= SHORT {
        short = [0; SHORT];
        &mut short
    } else {
        long = vec![0; memory_len(n)];
        &mut long
    };
    let mut numbers = Numbers::new(n, memory);
    numbers.double_up_to(k);
    let Numbers { f, l, product, scratch, len, .. } = numbers;
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

/// The decimal digits of F(`k`) and of L(`k`).
pub(crate) fn pair(k: u64) -> [String; 2] {
    let mut memory = vec![0; memory_len(k)];
    let mut numbers = Numbers::new(k, &mut memory);
    numbers.double_up_to(k);
    [numbers.f, numbers.l].map(|number| text::from_limbs(&number[..numbers.len]))
}

/// Limbs of memory up to which it is the stack's: an allocation would be a tenth of the calculation.
const SHORT: usize = 64;

/// F(k) and L(k), and room for what becomes of them: limbs in base 10^18, the lowest first.
struct Numbers<'a> {
    f: &'a mut [u64],
    l: &'a mut [u64],
    /// Limbs of L(k), and of F(k), which may have a zero on top.
    len: usize,
    product: &'a mut [u64],
    squared: &'a mut [u64],
    scratch: &'a mut [u64],
}

/// Limbs of the largest number on the way to F(`n`): 18 digits are those of 86.1 indices, a product of two numbers
/// whose highest limbs are not full is up to two limbs longer than its value, and a sum may carry into one more.
fn room(n: u64) -> usize {
    (n / 86) as usize + 4
}

/// Limbs of memory for all numbers on the way to F(`n`).
fn memory_len(n: u64) -> usize {
    4 * room(n) + scratch_len(room(n) / 2)
}

impl<'a> Numbers<'a> {
    /// Room for indices up to `n`, in its [`memory_len`] of `memory`.
    fn new(n: u64, memory: &'a mut [u64]) -> Numbers<'a> {
        let (f, rest) = memory.split_at_mut(room(n));
        let (l, rest) = rest.split_at_mut(room(n));
        let (product, rest) = rest.split_at_mut(room(n));
        let (squared, scratch) = rest.split_at_mut(room(n));
        Numbers { f, l, len: 0, product, squared, scratch }
    }

    /// F(`k`) and L(`k`): the leading bits of k are looked up, and each further one doubles.
    fn double_up_to(&mut self, k: u64) {
        let bits = (0..u64::BITS).find(|bits| k >> bits < KNOWN as u64).unwrap_or(0);
        self.look_up((k >> bits) as usize);
        for bit in (0..bits).rev() {
            self.double(sign(k >> (bit + 1)), k >> bit & 1 == 1);
        }
    }

    fn look_up(&mut self, k: usize) {
        self.f[..3].copy_from_slice(&FIBONACCI[k]);
        self.l[..3].copy_from_slice(&LUCAS[k]);
        self.len = significant(&self.l[..3]);
    }

    /// From k, whose (−1)^k is `sign`, to 2k or, when that is `odd`, 2k + 1.
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
        self.len = significant(&self.squared[..=len]);
        std::mem::swap(&mut self.f, &mut self.product);
        std::mem::swap(&mut self.l, &mut self.squared);
    }
}

/// (−1)^k
fn sign(k: u64) -> i64 {
    if k.is_multiple_of(2) { 1 } else { -1 }
}

/// Limbs up to the highest that is not zero.
fn significant(limbs: &[u64]) -> usize {
    limbs.iter().rposition(|limb| *limb != 0).map_or(0, |highest| highest + 1)
}

/// `a` += `b`, of the same length; the carry.
fn add(a: &mut [u64], b: &[u64]) -> u64 {
    a.iter_mut().zip(b).fold(0, |carry, (a, b)| {
        let sum = *a + b + carry;
        let over = sum >= BASE;
        *a = if over { sum - BASE } else { sum };
        u64::from(over)
    })
}

/// `a` *= 2, where there is room for it.
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

/// `a` += `value`, where the result is not negative and there is room for it.
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
    fn each_number_is_the_sum_of_the_two_before_it_and_lucas_numbers_are_theirs() {
        let sum = |a: &str, b: &str| {
            (a.parse::<dashu_int::UBig>().unwrap() + b.parse::<dashu_int::UBig>().unwrap()).to_string()
        };
        // As far as Karatsuba's method divides a product three times.
        for start in [2, 180, 255, 340, 5_000, 8_190, 20_000, 33_333, 65_536] {
            let numbers: Vec<String> = (start - 2..start + 6).map(digits).collect();
            for (n, window) in (start..).zip(numbers.windows(3)) {
                assert_eq!(sum(&window[0], &window[1]), window[2], "n = {n}");
                assert_eq!(pair(n - 1), [window[1].clone(), sum(&window[0], &window[2])], "n = {n}");
            }
        }
    }
}
