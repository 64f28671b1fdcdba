//! The lines of a long value: where each digit stands, which lines are in view, and how digits are
//! found. A number of two million digits is nothing to hold and far too much to lay out.

use std::ops::Range;

/// Width of ten digits and the space after them, in heights of a line.
const GROUP_WIDTH: f64 = 4.5;

/// Lines rendered above and below those in view.
const OVERSCAN: usize = 12;

/// A value of `digits` digits in lines of `per_line` digits. Lengths are in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DigitLines {
    digits: usize,
    per_line: usize,
    line_height: usize,
}

impl DigitLines {
    /// As many groups of ten digits as fit into lines of this `width`.
    pub(crate) fn new(digits: usize, width: usize, line_height: usize) -> Self {
        let line_height = line_height.max(1);
        let groups = (width as f64 / (GROUP_WIDTH * line_height as f64)) as usize;
        Self { digits, per_line: groups.max(1) * 10, line_height }
    }

    pub(crate) fn count(self) -> usize {
        self.digits.div_ceil(self.per_line)
    }

    pub(crate) fn line_height(self) -> usize {
        self.line_height
    }

    /// The line that has the digit at `place`, counted from 0.
    pub(crate) fn line_of(self, place: usize) -> usize {
        place / self.per_line
    }

    /// The lines to render when a box of this `height` is scrolled to `top`.
    pub(crate) fn in_view(self, top: usize, height: usize) -> Range<usize> {
        let first = (top / self.line_height).saturating_sub(OVERSCAN).min(self.count());
        first..(top.saturating_add(height) / self.line_height + 1 + OVERSCAN).min(self.count())
    }

    /// The position of the first digit of each of these lines, counted from 1.
    pub(crate) fn positions(self, lines: Range<usize>) -> String {
        let position = |line: usize| crate::format::grouped((line * self.per_line + 1) as u64);
        lines.map(position).collect::<Vec<_>>().join("\n")
    }

    /// The text of these lines in groups of ten digits, in three parts: before, in and after the
    /// `marked` places.
    pub(crate) fn text(
        self,
        digits: &str,
        lines: Range<usize>,
        marked: &Range<usize>,
    ) -> [String; 3] {
        let first = (lines.start * self.per_line).min(digits.len());
        let bytes = &digits.as_bytes()[first..(lines.end * self.per_line).min(digits.len())];
        let mut parts =
            [String::with_capacity(bytes.len() * 11 / 10), String::new(), String::new()];
        for (offset, digit) in bytes.iter().enumerate() {
            let place = first + offset;
            let part = if place < marked.start {
                0
            } else if place < marked.end {
                1
            } else {
                2
            };
            if offset > 0 && offset.is_multiple_of(10) {
                // Between two parts, the separator belongs to neither digit: it is not marked.
                let before = if part == 1 && place == marked.start { 0 } else { part };
                parts[before].push(if offset.is_multiple_of(self.per_line) { '\n' } else { ' ' });
            }
            parts[part].push(char::from(*digit));
        }
        parts
    }
}

/// The place of the next occurrence of `wanted` behind the place `after`, from the beginning again
/// when there is none.
pub(crate) fn find(digits: &str, wanted: &str, after: Option<usize>) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    let from = after.map_or(0, |place| place + 1).min(digits.len());
    digits[from..].find(wanted).map(|place| from + place).or_else(|| digits.find(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_in_view_are_rendered() {
        let lines = DigitLines::new(2_089_877, 640, 22);
        assert_eq!(lines, DigitLines { digits: 2_089_877, per_line: 60, line_height: 22 });
        assert_eq!(lines.count(), 34_832);
        assert_eq!(lines.in_view(0, 440), 0..33);
        assert_eq!(lines.in_view(22_000, 440), 988..1_033);
        assert_eq!(lines.in_view(usize::MAX / 2, 440), 34_832..34_832);
        assert_eq!(lines.in_view(34_832 * 22 - 440, 440).end, 34_832);
    }

    #[test]
    fn digits_stand_in_groups_of_ten_with_their_positions() {
        let digits = "12345678901234567890123";
        let text = |width, lines| {
            DigitLines::new(digits.len(), width, 22).text(digits, lines, &(0..0)).concat()
        };
        assert_eq!(text(220, 0..2), "1234567890 1234567890\n123");
        assert_eq!(text(220, 1..2), "123");
        assert_eq!(text(0, 0..1), "1234567890");
        assert_eq!(DigitLines::new(0, 300, 22).text("", 0..0, &(0..0)).concat(), "");
        assert_eq!(DigitLines::new(2_000, 220, 22).positions(49..51), "981\n1,001");
    }

    #[test]
    fn twice_as_large_text_halves_a_line() {
        let lines = DigitLines::new(1_000, 640, 44);
        assert_eq!(lines.per_line, 30);
        assert_eq!(DigitLines::new(1_000, 0, 0).count(), 100, "before it is measured");
    }

    #[test]
    fn marked_digits_are_a_part_of_their_own() {
        let lines = DigitLines::new(23, 220, 22);
        let parts = lines.text("12345678901234567890123", 0..2, &(10..21));
        assert_eq!(parts, ["1234567890 ", "1234567890\n1", "23"]);
    }

    #[test]
    fn a_search_goes_on_behind_the_last_match_and_starts_again() {
        assert_eq!(find("5512551", "55", None), Some(0));
        assert_eq!(find("5512551", "55", Some(0)), Some(4));
        assert_eq!(find("5512551", "55", Some(4)), Some(0));
        assert_eq!(find("5512551", "9", None), None);
        assert_eq!(find("55", "", None), None);
    }
}
