//! The two pictures, as the markup of SVG elements: how many digits F(n) has, and how long the newest calculations took.
//!
//! Plain functions of numbers to text. Both axes are logarithmic, because indices and times go over many orders of magnitude.
//! What a picture shows is also said in words beside it; that is `view`'s business.

use std::fmt::Write;

use crate::text::{self, LOG_PHI, LOG_SQRT5};
use crate::times::{KEPT, Times};

/// Size of the plot in its own units, and where its axes are.
const WIDTH: i32 = 640;
const HEIGHT: i32 = 340;
const LEFT: i32 = 64;
const RIGHT: i32 = WIDTH - 24;
const TOP: i32 = 14;
const BOTTOM: i32 = HEIGHT - 42;

/// Where the strip's bars stand, and how much higher one decade of time is.
const FLOOR: i32 = 176;
const DECADE: f64 = 27.0;

/// Eight steps to a decade: 10^(1/8).
const STEP: f64 = 1.333_521_432_163_324;

/// Points of the plot at most; more would hide each other.
const POINTS: usize = 300;

/// The number of digits of F(n) for n up to `max`, with a dot for each index in `points`: (index, digits).
#[must_use]
pub(crate) fn digits(points: impl Iterator<Item = (u32, usize)>, max: u32) -> String {
    // Log of 10,000,000 is 7, however it is rounded.
    let decades = (f64::from(max.max(10)).log10() - 1e-9).ceil();
    let place = |from: i32, to: i32, value: f64| {
        from + (f64::from(to - from) * value.max(1.0).log10() / decades).round() as i32
    };
    let mut svg = String::new();
    let mut value = 1.0;
    // Where there is no room for all names, every other one goes.
    let minor = |decade: u32| if decade.is_multiple_of(2) { "" } else { " class=\"minor\"" };
    // Writing to a string cannot fail.
    for decade in 0..=decades as u32 {
        let (x, y) = (place(LEFT, RIGHT, value), place(BOTTOM, TOP, value));
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{x} {TOP}V{BOTTOM}M{LEFT} {y}H{RIGHT}\"/>\
             <g{}><text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{name}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text></g>",
            minor(decade),
            BOTTOM + 30,
            LEFT - 12,
            y + 7,
            name = power(decade)
        );
        value *= 10.0;
    }
    let _ = write!(
        svg,
        "<text x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">n</text>\
         <text x=\"{}\" y=\"{}\">digits</text>",
        BOTTOM - 8,
        LEFT + 8,
        TOP + 18
    );
    svg.push_str("<path class=\"curve\" d=\"M");
    let mut n = 1.0;
    for _ in 0..=8 * decades as u32 {
        let y = place(BOTTOM, TOP, n * LOG_PHI - LOG_SQRT5);
        let _ = write!(svg, "{} {y} ", place(LEFT, RIGHT, n));
        n *= STEP;
    }
    svg.push_str("\"/>");
    for (index, digits) in points.take(POINTS) {
        let (x, y) = (place(LEFT, RIGHT, f64::from(index)), place(BOTTOM, TOP, digits as f64));
        let _ = write!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"7\"><title>F({}): {}</title></circle>",
            text::grouped(index),
            text::digits(digits)
        );
    }
    svg
}

/// A bar for each time, the newest at the right.
#[must_use]
pub(crate) fn times(times: &Times) -> String {
    let mut svg = String::new();
    // From 0.1 ms on.
    let height = |micros: u64| ((micros.max(1) as f64).log10() - 2.0) * DECADE;
    for (micros, name) in [(1_000, "1 ms"), (100_000, "0.1 s"), (10_000_000, "10 s")] {
        let y = FLOOR - height(micros) as i32;
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y}H{RIGHT}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>",
            LEFT - 12,
            y + 7
        );
    }
    let _ = write!(svg, "<path class=\"axis\" d=\"M{LEFT} {FLOOR}H{RIGHT}\"/>");
    let width = (RIGHT - LEFT) / KEPT as i32;
    let first = KEPT - times.iter().len();
    for (place, micros) in times.iter().enumerate() {
        let height = (height(micros) as i32).clamp(3, FLOOR - TOP);
        let x = LEFT + width * (first + place) as i32;
        let _ = write!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{height}\"><title>{}</title></rect>",
            FLOOR - height,
            width - 2,
            text::time(micros)
        );
    }
    svg
}

/// `1`, `10`, `100`, `1k`, `10k`, … `1M`.
fn power(decade: u32) -> String {
    let unit = ["", "k", "M", "G"].get(decade as usize / 3).copied().unwrap_or_default();
    format!("{}{unit}", 10_u32.pow(decade % 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plot_has_a_dot_for_each_point_within_its_bounds() {
        let svg = digits([(0, 1), (10, 2), (10_000_000, 2_089_877)].into_iter(), 10_000_000);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains(&format!("<circle cx=\"{LEFT}\" cy=\"{BOTTOM}\"")), "F(0) has one digit: {svg}");
        assert!(svg.contains("<title>F(10,000,000): 2,089,877 digits</title>"));
        for (name, bound) in [("cx=\"", WIDTH), ("cy=\"", HEIGHT)] {
            for part in svg.split(name).skip(1) {
                let number: i32 = part.split('"').next().unwrap().parse().unwrap();
                assert!((0..=bound).contains(&number), "{name}{number}");
            }
        }
        for name in ["1", "10", "100", "1k", "10k", "100k", "1M", "10M"] {
            assert!(svg.contains(&format!(">{name}</text>")), "{name}");
        }
        assert!(!svg.contains("100M"));
        assert!(svg.contains(">n</text>") && svg.contains(">digits</text>"), "the axes have names: {svg}");
    }

    #[test]
    fn the_strip_has_a_bar_for_each_time_and_its_length_in_words() {
        let mut all = Times::default();
        for micros in [1, 3_141, 100_000_000_000] {
            all.add(&contract::Hops { received: 1, stored: 1 + micros, ..contract::Hops::default() });
        }
        let svg = times(&all);
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(svg.contains("<title>3.1 ms</title>"));
        assert!(!svg.contains("height=\"-") && !svg.contains("y=\"-"), "{svg}");
    }
}
