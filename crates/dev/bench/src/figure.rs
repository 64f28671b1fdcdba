//! The figures of BENCHMARKS.md: medians with their range, ratios to a peer in the same run, goals.

/// The results of several runs in one unit. There is at least one.
#[derive(Clone)]
pub struct Sample {
    /// In ascending order.
    results: Vec<f64>,
}

#[derive(Clone, Copy)]
pub enum Goal {
    /// At least this many times as good as the peer.
    Times(f64),
    AtLeast(f64),
    Below(f64),
    /// No goal: the figure explains another one.
    Open,
}

pub struct Figure {
    title: String,
    unit: &'static str,
    ours: Sample,
    peer: Option<(&'static str, Sample)>,
    less_is_better: bool,
    goal: Goal,
}

impl Sample {
    /// Panics if there are no results.
    pub fn new(mut results: Vec<f64>) -> Self {
        assert!(!results.is_empty(), "nothing was measured");
        results.sort_by(f64::total_cmp);
        Self { results }
    }

    pub fn median(&self) -> f64 {
        let count = self.results.len();
        f64::midpoint(self.results[(count - 1) / 2], self.results[count / 2])
    }

    /// A percentile by the nearest-rank method. `fraction` is 0.99 for the 99th.
    pub fn percentile(&self, fraction: f64) -> f64 {
        let count = self.results.len();
        let rank = (fraction * count as f64).ceil() as usize;
        self.results[rank.clamp(1, count) - 1]
    }

    /// The median, with the lowest and the highest result in brackets.
    fn format(&self) -> String {
        let (lowest, highest) = (self.results[0], self.results[self.results.len() - 1]);
        if self.results.len() == 1 {
            return format_number(lowest);
        }
        let [median, lowest, highest] = [self.median(), lowest, highest].map(format_number);
        format!("{median} ({lowest}–{highest})")
    }
}

impl Figure {
    pub fn more_is_better(
        title: impl Into<String>,
        unit: &'static str,
        ours: Sample,
        goal: Goal,
    ) -> Self {
        Self { title: title.into(), unit, ours, peer: None, less_is_better: false, goal }
    }

    pub fn less_is_better(
        title: impl Into<String>,
        unit: &'static str,
        ours: Sample,
        goal: Goal,
    ) -> Self {
        Self { less_is_better: true, ..Self::more_is_better(title, unit, ours, goal) }
    }

    /// Adds the results of a peer in the same run.
    pub fn against(self, name: &'static str, peer: Sample) -> Self {
        Self { peer: Some((name, peer)), ..self }
    }

    /// The ratio of our median to the peer's, or its inverse if less is better: above 1, ours is
    /// the better one.
    fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peer.as_ref()?;
        let (ours, peer) = (self.ours.median(), peer.median());
        Some(if self.less_is_better { peer / ours } else { ours / peer })
    }

    fn is_reached(&self) -> bool {
        match self.goal {
            Goal::Times(times) => self.ratio().is_some_and(|ratio| ratio >= times),
            Goal::AtLeast(bound) => self.ours.median() >= bound,
            Goal::Below(bound) => self.ours.median() < bound,
            Goal::Open => true,
        }
    }

    fn row(&self) -> String {
        let (name, peer) =
            self.peer.as_ref().map(|(name, peer)| (*name, peer.format())).unwrap_or_default();
        let ratio = self.ratio().map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default();
        let goal = match self.goal {
            Goal::Times(times) => format!("{times} ×"),
            Goal::AtLeast(bound) => format!("≥ {}", format_number(bound)),
            Goal::Below(bound) => format!("< {}", format_number(bound)),
            Goal::Open => String::new(),
        };
        let reached = match self.is_reached() {
            _ if goal.is_empty() => "",
            true => "yes",
            false => "**no**",
        };
        let (title, unit, ours) = (&self.title, self.unit, self.ours.format());
        format!("| {title} | {unit} | {ours} | {name} | {peer} | {ratio} | {goal} | {reached} |")
    }
}

/// BENCHMARKS.md, with a section for each title and its figures.
pub fn report(machine: &str, tables: &[(&str, Vec<Figure>)]) -> String {
    let mut text = format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench`.\n\n{machine}\n\n\
         What is compared was measured in turn, in one run on this machine and under the same \
         other load: read the ratios rather than the absolute numbers. Each number is the median \
         of several runs, with the lowest and the highest in brackets. Medians decide whether a \
         goal is reached.\n"
    );
    for (title, figures) in tables {
        text += &table(title, figures);
    }
    text
}

/// A section of BENCHMARKS.md: a heading and a table.
pub fn table(title: &str, figures: &[Figure]) -> String {
    let rows: Vec<String> = figures.iter().map(Figure::row).collect();
    format!(
        "\n## {title}\n\n| figure | unit | ours | peer | peer's figure | ratio | goal | reached |\n\
         |---|---|---:|---|---:|---:|---:|---|\n{}\n",
        rows.join("\n")
    )
}

/// At least three significant digits, with commas between thousands.
fn format_number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size => (2 - size.log10().floor() as i32).clamp(0, 9) as usize,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(results: &[f64]) -> Sample {
        Sample::new(results.to_vec())
    }

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_in_the_middle() {
        assert_eq!(sample(&[3.0]).median(), 3.0);
        assert_eq!(sample(&[9.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(sample(&[8.0, 1.0, 2.0, 4.0]).median(), 3.0);
    }

    #[test]
    fn a_percentile_has_the_nearest_rank() {
        let hundred = Sample::new((1..=100).map(f64::from).collect());
        assert_eq!(hundred.percentile(0.99), 99.0);
        assert_eq!(hundred.percentile(0.5), 50.0);
        assert_eq!(sample(&[1.0, 7.0]).percentile(0.99), 7.0);
        assert_eq!(sample(&[1.0, 7.0]).percentile(0.0), 1.0);
    }

    #[test]
    fn a_ratio_is_above_one_when_ours_is_better() {
        let more = Figure::more_is_better("requests", "1/s", sample(&[50.0]), Goal::Times(5.0));
        assert_eq!(more.ratio(), None);
        assert_eq!(more.against("a peer", sample(&[10.0])).ratio(), Some(5.0));
        let less = Figure::less_is_better("time", "ms", sample(&[2.0]), Goal::Times(5.0))
            .against("a peer", sample(&[10.0]));
        assert_eq!(less.ratio(), Some(5.0));
    }

    #[test]
    fn the_median_decides_whether_a_goal_is_reached() {
        let results = sample(&[1.0, 4.0, 100.0]);
        let reached = |goal| Figure::more_is_better("", "", results.clone(), goal).is_reached();
        assert!(reached(Goal::AtLeast(4.0)) && !reached(Goal::AtLeast(4.1)));
        assert!(reached(Goal::Below(4.1)) && !reached(Goal::Below(4.0)));
        assert!(!reached(Goal::Times(0.1)), "a ratio needs a peer");
        let times = |times| {
            let figure = Figure::more_is_better("", "", sample(&[10.0]), Goal::Times(times));
            figure.against("a peer", sample(&[5.0])).is_reached()
        };
        assert!(times(2.0) && !times(2.1));
    }

    #[test]
    fn a_row_has_all_columns_and_a_missed_goal_in_bold() {
        let ours = sample(&[1_234.0, 1_000.0, 2_000.0]);
        let figure = Figure::more_is_better("jobs", "jobs/s", ours, Goal::Times(2.0));
        let row = figure.against("a peer", sample(&[1_000.0])).row();
        assert_eq!(
            row,
            "| jobs | jobs/s | 1,234 (1,000–2,000) | a peer | 1,000 | 1.23 × | 2 × | **no** |"
        );
        let open = Figure::less_is_better("time", "ms", sample(&[2.0]), Goal::Open).row();
        assert_eq!(open, "| time | ms | 2.00 |  |  |  |  |  |");
    }

    #[test]
    fn numbers_have_three_significant_digits_and_commas() {
        let numbers = [0.0, 0.012_345, 0.999, 1.0, 12.345, 999.4, 1_234.5, 1_234_567.0];
        assert_eq!(
            numbers.map(format_number),
            ["0", "0.0123", "0.999", "1.00", "12.3", "999", "1,234", "1,234,567"]
        );
    }
}
