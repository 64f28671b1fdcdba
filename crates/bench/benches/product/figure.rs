//! What was measured, and how it is written down: medians, their spread, ratios within the run, the goal beside it.

/// What one thing did in several runs, in one unit. Never empty.
#[derive(Clone, Debug)]
pub(crate) struct Sample(Vec<f64>);

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// At least so many times as good as the peer.
    Times(f64),
    /// At least this.
    AtLeast(f64),
    /// Below this.
    Below(f64),
}

/// One line of a table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    what: String,
    unit: &'static str,
    ours: Sample,
    peer: Option<(&'static str, Sample)>,
    less_is_better: bool,
    goal: Goal,
}

impl Sample {
    /// The outcome of some runs.
    ///
    /// # Panics
    /// Without any.
    pub(crate) fn new(mut runs: Vec<f64>) -> Self {
        assert!(!runs.is_empty(), "nothing was measured");
        runs.sort_by(f64::total_cmp);
        Self(runs)
    }

    /// The run in the middle.
    pub(crate) fn median(&self) -> f64 {
        let (low, high) = (self.0[(self.0.len() - 1) / 2], self.0[self.0.len() / 2]);
        f64::midpoint(low, high)
    }

    /// The `share`-th part of them is not above this: 0.99 for the 99th percentile.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
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
    /// `ours` in `unit`, of which more is better.
    pub(crate) fn more(what: impl Into<String>, unit: &'static str, ours: Sample, goal: Goal) -> Self {
        Self { what: what.into(), unit, ours, peer: None, less_is_better: false, goal }
    }

    /// `ours` in `unit`, of which less is better.
    pub(crate) fn less(what: impl Into<String>, unit: &'static str, ours: Sample, goal: Goal) -> Self {
        Self { less_is_better: true, ..Self::more(what, unit, ours, goal) }
    }

    /// What a peer did in the same run.
    pub(crate) fn against(self, name: &'static str, peer: Sample) -> Self {
        Self { peer: Some((name, peer)), ..self }
    }

    /// How many times as good as the peer.
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
        }
    }

    fn row(&self) -> String {
        let (name, peer) = match &self.peer {
            Some((name, peer)) => (*name, peer.show()),
            None => ("", String::new()),
        };
        let ratio = self.ratio().map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default();
        let goal = match self.goal {
            Goal::Times(times) => format!("{times} ×"),
            Goal::AtLeast(least) => format!("≥ {}", number(least)),
            Goal::Below(bound) => format!("< {}", number(bound)),
        };
        let reached = if self.is_reached() { "yes" } else { "**no**" };
        let (what, unit, ours) = (&self.what, self.unit, self.ours.show());
        format!("| {what} | {unit} | {ours} | {name} | {peer} | {ratio} | {goal} | {reached} |")
    }
}

/// The whole of BENCHMARKS.md.
pub(crate) fn report(machine: &str, tables: &[(&str, Vec<Figure>)]) -> String {
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

/// One table of it.
pub(crate) fn table(title: &str, figures: &[Figure]) -> String {
    let rows: Vec<String> = figures.iter().map(Figure::row).collect();
    format!(
        "\n## {title}\n\n| figure | unit | ours | peer | its figure | ratio | goal | reached |\n\
         |---|---|---:|---|---:|---:|---:|---|\n{}\n",
        rows.join("\n")
    )
}

/// Three digits that mean something, and thousands apart.
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
