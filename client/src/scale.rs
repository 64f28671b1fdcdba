//! A logarithmic axis of a chart.

/// Maps values from 1 to 10^`decades` to coordinates from `from` to `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogScale {
    /// The coordinate of 1.
    pub from: f64,
    /// The coordinate of the largest value.
    pub to: f64,
    /// Number of decades.
    pub decades: f64,
}

impl LogScale {
    /// The coordinate of a value, to a tenth of a unit. Values below 1 are where 1 is.
    #[must_use]
    pub fn place(self, value: f64) -> f64 {
        let place = self.from + (self.to - self.from) * value.max(1.0).log10() / self.decades;
        (place * 10.0).round() / 10.0
    }

    /// The decades of its grid: the exponent and the coordinate of each.
    pub fn grid(self) -> impl Iterator<Item = (u32, f64)> {
        (0..=self.decades as u32).map(move |decade| (decade, self.place(10_f64.powi(decade as i32))))
    }
}

/// The number of decades that an axis up to `max` needs.
#[must_use]
pub fn decades(max: u32) -> f64 {
    // log₁₀ of 10,000,000 is 7, however it is rounded.
    (f64::from(max.max(10)).log10() - 1e-9).ceil()
}

/// A power of ten as an axis has it: `1`, `10`, `100`, `1k`, … `1M`.
#[must_use]
pub fn power_of_ten(decade: u32) -> String {
    let unit = ["", "k", "M", "G"].get(decade as usize / 3).copied().unwrap_or_default();
    format!("{}{unit}", 10_u32.pow(decade % 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_within_the_axis() {
        let scale = LogScale { from: 64.0, to: 616.0, decades: decades(10_000_000) };
        assert_eq!(scale.decades, 7.0);
        for (value, place) in [(0.0, 64.0), (1.0, 64.0), (10_000_000.0, 616.0), (1_000.0, 300.6)] {
            assert_eq!(scale.place(value), place, "{value}");
        }
        assert_eq!(scale.grid().last(), Some((7, 616.0)));
    }

    #[test]
    fn powers_of_ten_are_short() {
        let names: Vec<_> = (0..8).map(power_of_ten).collect();
        assert_eq!(names, ["1", "10", "100", "1k", "10k", "100k", "1M", "10M"]);
    }
}
