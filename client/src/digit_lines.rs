//! Breaks a long value into lines, and finds digits in it.
//!
//! Two million digits fit into memory easily, but are far too many for the browser to lay out. So
//! only the lines in view are rendered. An offset counts digits from 0, a position from 1.

use std::ops::Range;

/// Width of a group of ten digits with the space after it, as a multiple of the line height.
const GROUP_WIDTH: f64 = 4.5;

/// Lines rendered above the view, and as many below it.
const OVERSCAN_LINES: usize = 12;

/// A value of `digits` digits, broken into lines of `per_line` digits. Lengths are in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DigitLines {
    digits: usize,
    per_line: usize,
    line_height: usize,
}

impl DigitLines {
    /// Puts as many groups of ten digits into a line as fit into `width`, at least one.
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

    /// The line of the digit at `offset`.
    pub(crate) fn line_of(self, offset: usize) -> usize {
        offset / self.per_line
    }

    /// The lines to render in a box of `height` that is scrolled down by `top`.
    pub(crate) fn in_view(self, top: usize, height: usize) -> Range<usize> {
        let first = (top / self.line_height).saturating_sub(OVERSCAN_LINES).min(self.count());
        first
            ..(top.saturating_add(height) / self.line_height + 1 + OVERSCAN_LINES).min(self.count())
    }

    /// The position of the first digit of each line, one per line of text.
    pub(crate) fn positions(self, lines: Range<usize>) -> String {
        let position = |line: usize| crate::format::grouped((line * self.per_line + 1) as u64);
        lines.map(position).collect::<Vec<_>>().join("\n")
    }

    /// The text of the lines in groups of ten digits, in three parts: before, in and after the
    /// offsets `marked`.
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
        for (i, digit) in bytes.iter().enumerate() {
            let offset = first + i;
            let part = if offset < marked.start {
                0
            } else if offset < marked.end {
                1
            } else {
                2
            };
            if i > 0 && i.is_multiple_of(10) {
                // A separator before the first marked digit is not marked.
                let is_before_mark = part == 1 && offset == marked.start;
                let separator_part = if is_before_mark { 0 } else { part };
                let separator = if i.is_multiple_of(self.per_line) { '\n' } else { ' ' };
                parts[separator_part].push(separator);
            }
            parts[part].push(char::from(*digit));
        }
        parts
    }
}

/// The offset of the first match of `wanted` after the offset `after`. If there is none, the search
/// starts again at the first digit.
pub(crate) fn find(digits: &str, wanted: &str, after: Option<usize>) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    let from = after.map_or(0, |offset| offset + 1).min(digits.len());
    digits[from..].find(wanted).map(|offset| from + offset).or_else(|| digits.find(wanted))
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
    fn digits_are_grouped_by_ten_and_lines_have_positions() {
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
    fn text_of_twice_the_size_has_half_the_digits_per_line() {
        let lines = DigitLines::new(1_000, 640, 44);
        assert_eq!(lines.per_line, 30);
        assert_eq!(DigitLines::new(1_000, 0, 0).count(), 100, "before the first measurement");
    }

    #[test]
    fn marked_digits_are_a_separate_part() {
        let lines = DigitLines::new(23, 220, 22);
        let parts = lines.text("12345678901234567890123", 0..2, &(10..21));
        assert_eq!(parts, ["1234567890 ", "1234567890\n1", "23"]);
    }

    #[test]
    fn a_search_continues_after_the_last_match_and_wraps_around() {
        assert_eq!(find("5512551", "55", None), Some(0));
        assert_eq!(find("5512551", "55", Some(0)), Some(4));
        assert_eq!(find("5512551", "55", Some(4)), Some(0));
        assert_eq!(find("5512551", "9", None), None);
        assert_eq!(find("55", "", None), None);
    }
}
