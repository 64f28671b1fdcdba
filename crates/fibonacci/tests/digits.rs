//! Compares the digits with those of an independent big-integer library. For large n, where that
//! would take too long, compares the digit count, the first and last digits, and residues.

use std::num::NonZeroUsize;

use dashu_int::UBig;
use fibonacci::{CROSSOVER, Value, calculate, digits};

/// F(`n`) in binary integers, by formulas that the engine does not use for its digits:
/// F(2k) = F(k)·(2F(k+1) − F(k)) and F(2k+1) = F(k)² + F(k+1)².
fn reference(n: u64) -> String {
    let (mut a, mut b) = (UBig::ZERO, UBig::ONE);
    for bit in (0..u64::BITS - n.leading_zeros()).rev() {
        let even = &a * ((&b << 1) - &a);
        let odd = a.sqr() + b.sqr();
        (a, b) = if n >> bit & 1 == 1 { (odd.clone(), even + odd) } else { (even, odd) };
    }
    a.to_string()
}

fn value(n: u64, threads: usize) -> Value {
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    calculate(n, threads).expect("the check should pass")
}

fn assert_correct(n: u64) {
    let value = value(n, 1);
    // Not `assert_eq`, which would print both numbers.
    assert!(value.digits == reference(n), "F({n}) is wrong");
    assert!(!value.corrected, "F({n}) was uncertain");
}

/// Pseudorandom numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[test]
fn every_n_up_to_5000_is_the_sum_of_the_two_before_it() {
    let (mut a, mut b) = (UBig::ZERO, UBig::ONE);
    for n in 0..=5_000 {
        assert_eq!(digits(n).unwrap(), a.to_string(), "n = {n}");
        (a, b) = (b.clone(), a + b);
    }
}

#[test]
fn neighbours_of_powers_of_two_and_ten_are_correct() {
    let powers_of_two = (8..=20).map(|power| 1_u64 << power);
    let powers_of_ten = (3..=6).map(|power| 10_u64.pow(power));
    for power in powers_of_two.chain(powers_of_ten) {
        for n in power - 2..=power + 2 {
            assert_correct(n);
        }
    }
}

#[test]
fn both_sides_of_the_crossover_are_correct() {
    for n in CROSSOVER - 100..=CROSSOVER + 100 {
        assert_correct(n);
    }
}

#[test]
fn both_sides_of_the_change_of_limb_size_are_correct() {
    (2_999_999..=3_000_002).chain([3_300_001]).for_each(assert_correct);
}

#[test]
fn both_sides_of_each_new_digit_are_correct() {
    // At some of these n, the highest limb is just full.
    let mut digits_before = 0;
    for n in 100_000..100_200 {
        let value = digits(n).unwrap();
        if value.len() > digits_before {
            assert_correct(n - 1);
            assert_correct(n);
        }
        digits_before = value.len();
    }
}

#[test]
fn random_n_of_all_magnitudes_are_correct() {
    // Uniform logarithms, so that small n are as frequent as large ones.
    let mut state = 1;
    for _ in 0..3_000 {
        let n = 5_000.0 * 200_f64.powf(random(&mut state) as f64 / u64::MAX as f64);
        assert_correct(n as u64);
    }
}

#[test]
fn random_n_up_to_a_million_are_correct() {
    let mut state = 2;
    for _ in 0..50 {
        assert_correct(random(&mut state) % 1_000_001);
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    for n in [0, 93, 20_000, 99_999, 500_000, 1_234_567, 2_345_678, 4_000_001] {
        let one = digits(n).unwrap();
        for threads in [2, 3, 7] {
            let value = value(n, threads);
            assert!(value.digits == one && !value.corrected, "F({n}) on {threads} threads");
        }
    }
}

#[test]
fn neighbours_of_large_powers_of_two_have_the_expected_residues() {
    for power in 21..=24 {
        for n in (1 << power) - 1..=(1 << power) + 1 {
            let value = value(n, 2);
            assert!(!value.corrected, "F({n}) was uncertain");
            assert_congruent(n, &value.digits);
        }
    }
}

/// Compares the digit count and the first digits, then the last digits and residues. The expected
/// count and first digits come from n·log10 φ − log10 √5, computed with 400 bits by GNU MPFR.
fn assert_known(n: u64, digit_count: usize, first_digits: &str) {
    let value = value(n, 2);
    assert!(!value.corrected);
    assert_eq!(value.digits.len(), digit_count);
    assert_eq!(&value.digits[..first_digits.len()], first_digits);
    assert_congruent(n, &value.digits);
}

/// Compares the last 18 digits, and the residues modulo primes.
fn assert_congruent(n: u64, digits: &str) {
    let number = |digits: &[u8]| {
        digits.iter().fold(0, |number, digit| number * 10 + u128::from(digit - b'0'))
    };
    let (first, others) = digits.as_bytes().split_at(digits.len() % 18);
    let groups = others.chunks_exact(18);
    assert_eq!(
        groups.clone().last().map(number),
        Some(fibonacci_modulo(n, 10_u128.pow(18))),
        "F({n})"
    );
    for prime in [998_244_353, 1_000_000_007, 4_294_967_291, 18_446_744_073_709_551_557] {
        let append = |residue: u128, group| (residue * 10_u128.pow(18) + number(group)) % prime;
        let residue = groups.clone().fold(number(first) % prime, append);
        assert_eq!(residue, fibonacci_modulo(n, prime), "F({n}) modulo {prime}");
    }
}

/// F(`n`) modulo a number below 2^64, by powers of the matrix (1 1; 1 0), which is
/// (F(2) F(1); F(1) F(0)).
fn fibonacci_modulo(n: u64, modulus: u128) -> u128 {
    let multiply = |[a, b, c]: [u128; 3], [d, e, f]: [u128; 3]| {
        let add = |a: u128, b: u128| (a % modulus + b % modulus) % modulus;
        [
            add(a * d % modulus, b * e % modulus),
            add(a * e % modulus, b * f % modulus),
            add(b * e % modulus, c * f % modulus),
        ]
    };
    let (mut power, mut square) = ([1, 0, 1], [1, 1, 0]);
    for bit in 0..u64::BITS - n.leading_zeros() {
        if n >> bit & 1 == 1 {
            power = multiply(power, square);
        }
        square = multiply(square, square);
    }
    power[1]
}

#[test]
fn ten_million_has_the_known_digits_and_residues() {
    assert_known(10_000_000, 2_089_877, "1129834378225399760317063637745866372944");
}

#[test]
fn a_hundred_million_has_the_known_digits_and_residues() {
    assert_known(100_000_000, 20_898_764, "4737103473456336962548971313351038657548");
}
