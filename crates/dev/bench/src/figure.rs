//! Figures of BENCHMARKS.md: medians, their range, ratios to a peer in the same run, and goals.

/// The results of several runs, in one unit. Never empty.
#[derive(Clone)]
pub struct Sample(Vec<f64>);

#[derive(Clone, Copy)]
pub enum Goal {
    /// At least that many times as good as the peer.
    Times(f64),
    AtLeast(f64),
    Below(f64),
    /// None: the figure explains another one.
    Open,
}

pub struct Figure {
    what: String,
    unit: &'static str,
    ours: Sample,
    peer: Option<(&'static str, Sample)>,
    less_is_better: bool,
    goal: Goal,
}

impl Sample {
    pub fn new(mut runs: Vec<f64>) -> Self {
        assert!(!runs.is_empty(), "nothing was measured");
        runs.sort_by(f64::total_cmp);
        Self(runs)
    }

    pub fn median(&self) -> f64 {
        let (low, high) = (self.0[(self.0.len() - 1) / 2], self.0[self.0.len() / 2]);
        f64::midpoint(low, high)
    }

    /// A percentile: 0.99 for the 99th.
    pub fn percentile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    fn show(&self) -> String {
        let (least, most) = (self.0[0], self.0[self.0.len() - 1]);
        if self.0.len() == 1 {
            return number(least);
        }
        format!("{} ({}–{})", number(self.median()), number(least), number(most))
    }
}

impl Figure {
    /// More is better.
    pub fn more(what: impl Into<String>, unit: &'static str, ours: Sample, goal: Goal) -> Self {
        Self { what: what.into(), unit, ours, peer: None, less_is_better: false, goal }
    }

    pub fn less(what: impl Into<String>, unit: &'static str, ours: Sample, goal: Goal) -> Self {
        Self { less_is_better: true, ..Self::more(what, unit, ours, goal) }
    }

    /// Adds a peer's results in the same run.
    pub fn against(self, name: &'static str, peer: Sample) -> Self {
        Self { peer: Some((name, peer)), ..self }
    }

    /// How many times as good as the peer it is.
    fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peer.as_ref()?;
        let (ours, peer) = (self.ours.median(), peer.median());
        Some(if self.less_is_better { peer / ours } else { ours / peer })
    }

    fn is_reached(&self) -> bool {
        match self.goal {
            Goal::Times(times) => self.ratio().is_some_and(|ratio| ratio >= times),
            Goal::AtLeast(least) => self.ours.median() >= least,
            Goal::Below(bound) => self.ours.median() < bound,
            Goal::Open => true,
        }
    }

    fn row(&self) -> String {
        let (name, peer) =
            self.peer.as_ref().map(|(name, peer)| (*name, peer.show())).unwrap_or_default();
        let ratio = self.ratio().map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default();
        let goal = match self.goal {
            Goal::Times(times) => format!("{times} ×"),
            Goal::AtLeast(least) => format!("≥ {}", number(least)),
            Goal::Below(bound) => format!("< {}", number(bound)),
            Goal::Open => String::new(),
        };
        let reached = match self.is_reached() {
            _ if goal.is_empty() => "",
            true => "yes",
            false => "**no**",
        };
        let (what, unit, ours) = (&self.what, self.unit, self.ours.show());
        format!("| {what} | {unit} | {ours} | {name} | {peer} | {ratio} | {goal} | {reached} |")
    }
}

pub fn report(machine: &str, tables: &[(&str, Vec<Figure>)]) -> String {
    let mut text = format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench`.\n\n{machine}\n\n\
         What is compared was measured in turn in one run on this machine, with the load on it as well: read the ratios rather \
         than the absolute numbers. Each number is the median of several runs, with the lowest and the highest beside it; goals are \
         judged by medians.\n"
    );
    for (title, figures) in tables {
        text += &table(title, figures);
    }
    text
}

pub fn table(title: &str, figures: &[Figure]) -> String {
    let rows: Vec<String> = figures.iter().map(Figure::row).collect();
    format!(
        "\n## {title}\n\n| figure | unit | ours | peer | its figure | ratio | goal | reached |\n\
         |---|---|---:|---|---:|---:|---:|---|\n{}\n",
        rows.join("\n")
    )
}

/// Three significant digits, and commas between thousands.
fn number(value: f64) -> String {
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

    fn sample(runs: &[f64]) -> Sample {
        Sample::new(runs.to_vec())
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(sample(&[3.0]).median(), 3.0);
        assert_eq!(sample(&[9.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(sample(&[8.0, 1.0, 2.0, 4.0]).median(), 3.0);
    }

    #[test]
    fn a_percentile_is_the_least_result_that_so_many_do_not_exceed() {
        let hundred = Sample::new((1..=100).map(f64::from).collect());
        assert_eq!(hundred.percentile(0.99), 99.0);
        assert_eq!(hundred.percentile(0.5), 50.0);
        assert_eq!(sample(&[1.0, 7.0]).percentile(0.99), 7.0);
        assert_eq!(sample(&[1.0, 7.0]).percentile(0.0), 1.0);
    }

    #[test]
    fn a_ratio_is_above_one_when_ours_is_better_than_the_peer() {
        let more = Figure::more("requests", "1/s", sample(&[50.0]), Goal::Times(5.0));
        assert_eq!(more.ratio(), None);
        assert_eq!(more.against("a peer", sample(&[10.0])).ratio(), Some(5.0));
        let less = Figure::less("time", "ms", sample(&[2.0]), Goal::Times(5.0))
            .against("a peer", sample(&[10.0]));
        assert_eq!(less.ratio(), Some(5.0));
    }

    #[test]
    fn a_goal_is_reached_by_the_median_and_not_by_a_lucky_run() {
        let reached = |goal| Figure::more("", "", sample(&[1.0, 4.0, 100.0]), goal).is_reached();
        assert!(reached(Goal::AtLeast(4.0)) && !reached(Goal::AtLeast(4.1)));
        assert!(reached(Goal::Below(4.1)) && !reached(Goal::Below(4.0)));
        assert!(!reached(Goal::Times(0.1)), "without a peer there is nothing to be better than");
        let times = |times| {
            let figure = Figure::more("", "", sample(&[10.0]), Goal::Times(times));
            figure.against("a peer", sample(&[5.0])).is_reached()
        };
        assert!(times(2.0) && !times(2.1));
    }

    #[test]
    fn a_row_says_everything_and_a_goal_that_was_missed_in_bold() {
        let figure =
            Figure::more("jobs", "jobs/s", sample(&[1_234.0, 1_000.0, 2_000.0]), Goal::Times(2.0));
        let row = figure.against("a peer", sample(&[1_000.0])).row();
        assert_eq!(
            row,
            "| jobs | jobs/s | 1,234 (1,000–2,000) | a peer | 1,000 | 1.23 × | 2 × | **no** |"
        );
        let open = Figure::less("time", "ms", sample(&[2.0]), Goal::Open).row();
        assert_eq!(open, "| time | ms | 2.00 |  |  |  |  |  |");
    }

    #[test]
    fn numbers_have_three_significant_digits_and_commas() {
        let shown = [0.0, 0.012_345, 0.999, 1.0, 12.345, 999.4, 1_234.5, 1_234_567.0].map(number);
        assert_eq!(shown, ["0", "0.0123", "0.999", "1.00", "12.3", "999", "1,234", "1,234,567"]);
    }
}
