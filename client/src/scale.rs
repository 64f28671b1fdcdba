//! A logarithmic axis of a chart.

/// Maps values from 1 to 10^`decades` to coordinates from `from` to `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LogScale {
    pub(crate) from: i32,
    pub(crate) to: i32,
    pub(crate) decades: f64,
}

impl LogScale {
    /// The coordinate of a value. Values below 1 are where 1 is.
    pub(crate) fn place(self, value: f64) -> i32 {
        self.from + (f64::from(self.to - self.from) * value.max(1.0).log10() / self.decades).round() as i32
    }

    /// The decades of its grid: the exponent and the coordinate of each.
    pub(crate) fn grid(self) -> impl Iterator<Item = (u32, i32)> {
        (0..=self.decades as u32).map(move |decade| (decade, self.place(10_f64.powi(decade as i32))))
    }
}

pub(crate) fn decades(max: u32) -> f64 {
    // log₁₀ of 10,000,000 is 7, however it is rounded.
    (f64::from(max.max(10)).log10() - 1e-9).ceil()
}

/// A power of ten as an axis has it: `1`, `10`, `100`, `1k`, … `1M`.
pub(crate) fn power_of_ten(decade: u32) -> String {
    let unit = ["", "k", "M", "G"].get(decade as usize / 3).copied().unwrap_or_default();
    format!("{}{unit}", 10_u32.pow(decade % 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_within_the_axis() {
        let scale = LogScale { from: 64, to: 616, decades: decades(10_000_000) };
        assert_eq!(scale.decades, 7.0);
        for (value, place) in [(0.0, 64), (1.0, 64), (10_000_000.0, 616), (1_000.0, 301)] {
            assert_eq!(scale.place(value), place, "{value}");
        }
        assert_eq!(scale.grid().last(), Some((7, 616)));
    }

    #[test]
    fn powers_of_ten_are_short() {
        let names: Vec<_> = (0..8).map(power_of_ten).collect();
        assert_eq!(names, ["1", "10", "100", "1k", "10k", "100k", "1M", "10M"]);
    }
}
