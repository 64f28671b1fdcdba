//! Whole digits as Redis keeps them: as text, or packed, two decimal digits a byte.
//!
//! Packed they take half of Redis's memory, of its file, and of everyone's time on the way. The first byte tells the two
//! apart: its higher half is 15, which no digit of text has, and its lower half the first digit where their number is odd,
//! else 15 too. Two digits a byte follow, so that the bytes in hexadecimal, without the `f`s in front, read as the number.
//!
//! Which values are packed is the consumer's decision; `enqueue.lua` reads the ends of both.

use redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};

/// Half a byte that is no digit.
const NONE: u8 = 0xf;

/// Decimal digits that are sent packed.
pub(crate) struct Packed<'a>(pub(crate) &'a str);

impl ToRedisArgs for Packed<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        out.write_arg(&pack(self.0));
    }
}

impl ToSingleRedisArg for Packed<'_> {}

fn pack(digits: &str) -> Vec<u8> {
    let value = |digit: u8| digit & NONE;
    let digits = digits.as_bytes();
    let (first, pairs) = digits.split_at(digits.len() % 2);
    let mut packed = Vec::with_capacity(1 + pairs.len() / 2);
    packed.push(NONE << 4 | first.first().map_or(NONE, |digit| value(*digit)));
    packed.extend(pairs.as_chunks().0.iter().map(|[high, low]| value(*high) << 4 | value(*low)));
    packed
}

/// The text of what Redis keeps, packed or not; `None` when it is no number.
pub(crate) fn text(kept: Vec<u8>) -> Option<String> {
    let text = match kept.split_first() {
        Some((first, pairs)) if first >> 4 == NONE => unpack(*first, pairs),
        _ => kept,
    };
    String::from_utf8(text).ok().filter(|text| contract::is_whole(text))
}

/// What is no digit becomes a byte that is none.
fn unpack(first: u8, pairs: &[u8]) -> Vec<u8> {
    let digit = |value: u8| b'0' + value;
    let odd = usize::from(first & NONE != NONE);
    let mut text = vec![digit(first & NONE); odd + 2 * pairs.len()];
    for (digits, pair) in text[odd..].as_chunks_mut().0.iter_mut().zip(pairs) {
        *digits = [digit(pair >> 4), digit(pair & NONE)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_any_number_come_back_as_they_were() {
        let digits = "1234567890".repeat(3);
        for length in 1..digits.len() {
            let packed = pack(&digits[..length]);
            assert_eq!(packed.len(), 1 + length / 2);
            assert_eq!(text(packed).unwrap(), digits[..length]);
        }
    }

    #[test]
    fn packed_digits_can_be_read_in_hexadecimal() {
        assert_eq!(pack("55"), [0xff, 0x55]);
        assert_eq!(pack("144"), [0xf1, 0x44]);
    }

    #[test]
    fn text_is_taken_as_it_is() {
        assert_eq!(text(b"144".to_vec()).unwrap(), "144");
    }

    #[test]
    fn what_is_no_number_is_none() {
        for kept in
            [&b""[..], b"12x", b"\xff", b"\xfa\x12", b"\xff\x1a", b"\xff\xa1", b"\xe1\x44", b"\xff\x12\xff"]
        {
            assert_eq!(text(kept.to_vec()), None, "{kept:x?}");
        }
    }
}
