//! The digits against an independent big-integer library, and, where that would take too long, against what can be
//! known of a number without calculating it: how many digits it has, the first and the last, and residues. How the
//! engine comes to them is tested beside its parts.

use std::num::NonZeroUsize;

use dashu_int::UBig;
use fibonacci::{CROSSOVER, Value, calculate, digits};

/// F(`n`) by binary big integers and another pair of formulas: F(2k) = F(k)·(2F(k+1) − F(k)), F(2k+1) = F(k)² + F(k+1)².
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

fn assert_right(n: u64) {
    let value = value(n, 1);
    // Not by `assert_eq`, which would print both.
    assert!(value.digits == reference(n), "F({n}) is wrong");
    assert!(!value.corrected, "F({n}) was uncertain");
}

/// Numbers that look random and are the same in each run (Steele, Lea and Flood's SplitMix64).
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
fn the_neighbourhoods_of_powers_are_right() {
    let powers_of_two = (8..=20).map(|power| 1_u64 << power);
    let powers_of_ten = (3..=6).map(|power| 10_u64.pow(power));
    for power in powers_of_two.chain(powers_of_ten) {
        for n in power - 2..=power + 2 {
            assert_right(n);
        }
    }
}

#[test]
fn both_sides_of_the_crossover_are_right() {
    for n in CROSSOVER - 100..=CROSSOVER + 100 {
        assert_right(n);
    }
}

#[test]
fn both_sides_of_where_limbs_become_shorter_are_right_and_odd_n_beyond_it() {
    (2_999_999..=3_000_002).chain([3_300_001]).for_each(assert_right);
}

#[test]
fn numbers_that_just_fill_their_digits_are_right() {
    // The n at which a number gets one more digit: all limbs of one size are full at some of them.
    let mut digits_before = 0;
    for n in 100_000..100_200 {
        let value = digits(n).unwrap();
        if value.len() > digits_before {
            assert_right(n - 1);
            assert_right(n);
        }
        digits_before = value.len();
    }
}

#[test]
fn thousands_of_random_n_are_right() {
    // The logarithm is uniform: there are as many interesting sizes among small numbers as among large ones.
    let mut state = 1;
    for _ in 0..3_000 {
        let size = 5_000.0 * 200_f64.powf(random(&mut state) as f64 / u64::MAX as f64);
        assert_right(size as u64);
    }
}

#[test]
fn random_n_up_to_a_million_are_right() {
    let mut state = 2;
    for _ in 0..50 {
        assert_right(random(&mut state) % 1_000_001);
    }
}

#[test]
fn threads_change_nothing() {
    for n in [0, 93, 20_000, 99_999, 500_000, 1_234_567, 2_345_678, 4_000_001] {
        let one = digits(n).unwrap();
        for threads in [2, 3, 7] {
            let value = value(n, threads);
            assert!(value.digits == one && !value.corrected, "F({n}) on {threads} threads");
        }
    }
}

#[test]
fn the_neighbourhoods_of_large_powers_of_two_are_right_as_far_as_residues_tell() {
    for power in 21..=24 {
        for n in (1 << power) - 1..=(1 << power) + 1 {
            let value = value(n, 2);
            assert!(!value.corrected, "F({n}) was uncertain");
            assert_congruent(n, &value.digits);
        }
    }
}

/// What is known of a long number: by logarithms in 400 bits (GNU MPFR) how many digits it has and the first 40, of
/// n·log10 φ − log10 √5; the last ones and the residues by doubling modulo 10^18 and modulo primes, here.
fn assert_known(n: u64, count: usize, first: &str) {
    let value = value(n, 2);
    assert!(!value.corrected);
    assert_eq!(value.digits.len(), count);
    assert_eq!(&value.digits[..first.len()], first);
    assert_congruent(n, &value.digits);
}

/// Whether the last digits and the residues are those of F(`n`).
fn assert_congruent(n: u64, digits: &str) {
    let number =
        |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + u128::from(digit - b'0'));
    let (first, others) = digits.as_bytes().split_at(digits.len() % 18);
    let groups = others.chunks_exact(18);
    assert_eq!(groups.clone().last().map(number), Some(fibonacci_modulo(n, 10_u128.pow(18))), "F({n})");
    for prime in [998_244_353, 1_000_000_007, 4_294_967_291, 18_446_744_073_709_551_557] {
        let append = |residue: u128, group| (residue * 10_u128.pow(18) + number(group)) % prime;
        let residue = groups.clone().fold(number(first) % prime, append);
        assert_eq!(residue, fibonacci_modulo(n, prime), "F({n}) modulo {prime}");
    }
}

/// F(`n`) modulo a number below 2^64, by the square of the matrix (1 1; 1 0) and its powers.
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
fn ten_million_is_right_as_far_as_it_is_known() {
    assert_known(10_000_000, 2_089_877, "1129834378225399760317063637745866372944");
}

#[test]
fn a_hundred_million_is_right_as_far_as_it_is_known() {
    assert_known(100_000_000, 20_898_764, "4737103473456336962548971313351038657548");
}
