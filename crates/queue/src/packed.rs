//! The two formats of whole values in Redis: text, and packed with two decimal digits per byte.
//!
//! Packed digits take half the memory, half the space on disk and half the time to transfer. The
//! high nibble of the first byte is 15, which no digit of text has. Its low nibble is the first
//! digit if the number of digits is odd, else 15. Two digits per byte follow. The bytes in
//! hexadecimal, without the leading `f`s, read as the number.
//!
//! `consumer.rs` decides which values are packed; `enqueue.lua` reads the ends of both formats.

use redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};

/// A nibble that is not a digit.
const NO_DIGIT: u8 = 0xf;

/// Decimal digits, packed when they are sent to Redis.
pub(crate) struct Packed<'a>(pub(crate) &'a str);

impl ToRedisArgs for Packed<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        out.write_arg(&pack(self.0));
    }
}

impl ToSingleRedisArg for Packed<'_> {}

fn pack(digits: &str) -> Vec<u8> {
    let value = |digit: u8| digit & NO_DIGIT;
    let digits = digits.as_bytes();
    let (first, pairs) = digits.split_at(digits.len() % 2);
    let mut packed = Vec::with_capacity(1 + pairs.len() / 2);
    packed.push(NO_DIGIT << 4 | first.first().map_or(NO_DIGIT, |digit| value(*digit)));
    packed.extend(pairs.as_chunks().0.iter().map(|[high, low]| value(*high) << 4 | value(*low)));
    packed
}

/// Reads digits in either format; `None` if they are not a number.
pub(crate) fn unpack(stored: Vec<u8>) -> Option<String> {
    let text = match stored.split_first() {
        Some((first, pairs)) if first >> 4 == NO_DIGIT => unpack_pairs(*first, pairs),
        _ => stored,
    };
    String::from_utf8(text).ok().filter(|text| contract::is_whole(text))
}

/// A nibble above 9 becomes a character that is not a digit.
fn unpack_pairs(first: u8, pairs: &[u8]) -> Vec<u8> {
    let digit = |value: u8| b'0' + value;
    let odd = usize::from(first & NO_DIGIT != NO_DIGIT);
    let mut text = vec![digit(first & NO_DIGIT); odd + 2 * pairs.len()];
    for (digits, pair) in text[odd..].as_chunks_mut().0.iter_mut().zip(pairs) {
        *digits = [digit(pair >> 4), digit(pair & NO_DIGIT)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_digits_of_any_length_are_unpacked_unchanged() {
        let digits = "1234567890".repeat(3);
        for length in 1..digits.len() {
            let packed = pack(&digits[..length]);
            assert_eq!(packed.len(), 1 + length / 2);
            assert_eq!(unpack(packed).unwrap(), digits[..length]);
        }
    }

    #[test]
    fn packed_digits_can_be_read_in_hexadecimal() {
        assert_eq!(pack("55"), [0xff, 0x55]);
        assert_eq!(pack("144"), [0xf1, 0x44]);
    }

    #[test]
    fn text_is_returned_unchanged() {
        assert_eq!(unpack(b"144".to_vec()).unwrap(), "144");
    }

    #[test]
    fn data_that_is_not_a_number_is_none() {
        for stored in [
            &b""[..],
            b"12x",
            b"\xff",
            b"\xfa\x12",
            b"\xff\x1a",
            b"\xff\xa1",
            b"\xe1\x44",
            b"\xff\x12\xff",
        ] {
            assert_eq!(unpack(stored.to_vec()), None, "{stored:x?}");
        }
    }
}
