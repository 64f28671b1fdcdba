//! Where each digit of a long value stands when it is written in lines, and which lines to draw of the many.
//!
//! Plain arithmetic over the text; what draws it is `components::digits`.

use std::ops::Range;

/// Height of a line in CSS pixels, as style.css has it.
pub(crate) const LINE: usize = 22;
/// Width of ten digits and the space after them.
const GROUP: usize = 100;
/// Lines drawn above and below those that can be seen.
const SPARE: usize = 12;

/// Where the digits stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    digits: usize,
    a_line: usize,
}

impl Layout {
    /// As many groups of ten as fit into `width`.
    pub(crate) fn new(digits: usize, width: usize) -> Self {
        Self { digits, a_line: (width / GROUP).max(1) * 10 }
    }

    pub(crate) fn count(self) -> usize {
        self.digits.div_ceil(self.a_line)
    }

    /// The lines to draw when the box of this `height` is scrolled down to `top`.
    pub(crate) fn visible(self, top: usize, height: usize) -> Range<usize> {
        let first = (top / LINE).saturating_sub(SPARE).min(self.count());
        first..(top.saturating_add(height) / LINE + 1 + SPARE).min(self.count())
    }

    /// The text of those lines, in groups of ten digits.
    pub(crate) fn text(self, digits: &str, lines: Range<usize>) -> String {
        let bytes = &digits.as_bytes()
            [(lines.start * self.a_line).min(digits.len())..(lines.end * self.a_line).min(digits.len())];
        let mut text = String::with_capacity(bytes.len() * 11 / 10);
        for (place, digit) in bytes.iter().enumerate() {
            if place > 0 && place.is_multiple_of(10) {
                text.push(if place.is_multiple_of(self.a_line) { '\n' } else { ' ' });
            }
            text.push(char::from(*digit));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_that_are_looked_at_are_drawn() {
        let layout = Layout::new(2_089_877, 640);
        assert_eq!(layout, Layout { digits: 2_089_877, a_line: 60 });
        assert_eq!(layout.count(), 34_832);
        assert_eq!(layout.visible(0, 440), 0..33);
        assert_eq!(layout.visible(22_000, 440), 988..1_033);
        assert_eq!(layout.visible(usize::MAX / 2, 440), 34_832..34_832);
        assert_eq!(layout.visible(34_832 * LINE - 440, 440).end, 34_832);
    }

    #[test]
    fn digits_stand_in_groups_of_ten() {
        let digits = "12345678901234567890123";
        let text = |width, lines| Layout::new(digits.len(), width).text(digits, lines);
        assert_eq!(text(220, 0..2), "1234567890 1234567890\n123");
        assert_eq!(text(220, 1..2), "123");
        assert_eq!(text(0, 0..1), "1234567890");
        assert_eq!(Layout::new(0, 300).text("", 0..0), "");
    }
}
