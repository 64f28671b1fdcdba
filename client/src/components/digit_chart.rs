//! The chart of the number of digits of F(n) over n.

use leptos::prelude::*;

use super::chart_link::ChartLink;
use crate::state::lists::NumberLists;
use crate::state::{PageStateStoreFields, use_page_state};
use crate::{format, formula};

/// The plot area, in units of the chart's `viewBox`.
const LEFT: i32 = 64;
const RIGHT: i32 = 616;
const TOP: i32 = 14;
const BOTTOM: i32 = 298;

/// More points would overlap.
const MAX_POINTS: usize = 300;

/// Assumed until the server has sent its `MAX_INDEX`.
const DEFAULT_MAX_INDEX: u32 = 10_000_000;

/// The curve of the digit count on logarithmic axes, with a point for each calculated value.
#[component]
pub(crate) fn DigitChart() -> impl IntoView {
    let state = use_page_state();
    let axes =
        Memo::new(move |_| Axes::up_to(state.max_index().get().unwrap_or(DEFAULT_MAX_INDEX)));
    let points = Memo::new(move |_| {
        state.lists().read().digit_counts().take(MAX_POINTS).collect::<Vec<_>>()
    });
    let plot = move || {
        let axes = axes.get();
        let point = move |(index, digits): (u32, usize)| {
            let digit_count = format::digit_count(digits);
            view! {
                <ChartLink index>
                    <circle cx=axes.x(index.into()) cy=axes.y(digits as f64) r="7">
                        <title>{format!("{}: {digit_count}", format::fibonacci(index))}</title>
                    </circle>
                </ChartLink>
            }
        };
        view! {
            <Grid axes />
            <For each=move || points.get() key=|(index, _)| *index children=point />
        }
    };
    let summary = Signal::derive(move || summary_text(&state.lists().read()));
    view! {
        <section class="card" aria-labelledby="chart-title">
            <h2 id="chart-title">"Number of digits in F(n)"</h2>
            <svg class="picture" viewBox="0 0 640 340" aria-hidden="true">
                {plot}
            </svg>
            <p class="quiet" data-testid="plot-words">
                {summary}
            </p>
        </section>
    }
}

/// The lines and labels of both axes, and the curve.
#[component]
fn Grid(axes: Axes) -> impl IntoView {
    let grid = (0..=axes.decades).map(|decade| {
        let (x, y) = (axes.x(10_f64.powi(decade)), axes.y(10_f64.powi(decade)));
        // On a narrow window, style.css hides every other label (`minor`).
        view! {
            <path class="grid" d=format!("M{x} {TOP}V{BOTTOM}M{LEFT} {y}H{RIGHT}") />
            <g class:minor=decade % 2 != 0>
                <text x=x y=BOTTOM + 30 text-anchor="middle">{power_of_ten(decade)}</text>
                <text x=LEFT - 12 y=y + 7 text-anchor="end">{power_of_ten(decade)}</text>
            </g>
        }
    });
    view! {
        <g>
            {grid.collect_view()}
            <text x=RIGHT y=BOTTOM - 8 text-anchor="end">"n"</text>
            <text x=LEFT + 8 y=TOP + 18>"digits"</text>
            <path class="curve" d=axes.curve() />
        </g>
    }
}

/// Two logarithmic axes, for indices and digit counts from 1 to 10^`decades`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Axes {
    decades: i32,
}

impl Axes {
    fn up_to(max: u32) -> Self {
        // The subtraction keeps rounding from making log₁₀ of a power of ten too large.
        Self { decades: (f64::from(max.max(10)).log10() - 1e-9).ceil() as i32 }
    }

    fn x(self, index: f64) -> i32 {
        LEFT + self.scale(index, RIGHT - LEFT)
    }

    fn y(self, digits: f64) -> i32 {
        BOTTOM - self.scale(digits, BOTTOM - TOP)
    }

    /// The distance of a value from the start of an axis of this length. Values below 1 count as 1.
    fn scale(self, value: f64, length: i32) -> i32 {
        (f64::from(length) * value.max(1.0).log10() / f64::from(self.decades)).round() as i32
    }

    /// The digit count over the index as an SVG path, with eight segments per decade.
    fn curve(self) -> String {
        let points = (0..=8 * self.decades).map(|step| {
            let n = 10_f64.powf(f64::from(step) / 8.0);
            format!("{} {}", self.x(n), self.y(n * formula::LOG_PHI - formula::LOG_SQRT5))
        });
        format!("M{}", points.collect::<Vec<_>>().join(" "))
    }
}

/// The label of 10^`decade`: `1`, `10`, `100`, `1k`, … `1M`.
fn power_of_ten(decade: i32) -> String {
    let unit = ["", "k", "M", "G"].get(decade as usize / 3).copied().unwrap_or_default();
    format!("{}{unit}", 10_u32.pow(decade as u32 % 3))
}

fn summary_text(lists: &NumberLists) -> String {
    let largest = match lists.digit_counts().next_back() {
        None => "Each calculated value becomes a point.".to_owned(),
        Some((index, digits)) => {
            format!("Largest here: {}, {}.", format::fibonacci(index), format::digit_count(digits))
        }
    };
    format!("F(n) has about n ÷ 4.785 digits. {largest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_are_within_the_axes() {
        let axes = Axes::up_to(10_000_000);
        assert_eq!(axes.decades, 7);
        for (value, x) in [(0.0, 64), (1.0, 64), (10_000_000.0, 616), (1_000.0, 301)] {
            assert_eq!(axes.x(value), x, "{value}");
        }
        for max in [10, 10_000_000, i32::MAX as u32] {
            let curve = Axes::up_to(max).curve();
            let numbers: Vec<i32> =
                curve[1..].split(' ').map(|number| number.parse().unwrap()).collect();
            for point in numbers.chunks(2) {
                let is_within =
                    (LEFT..=RIGHT).contains(&point[0]) && (TOP..=BOTTOM).contains(&point[1]);
                assert!(is_within, "{point:?}");
            }
        }
    }

    #[test]
    fn powers_of_ten_are_short() {
        let names: Vec<_> = (0..8).map(power_of_ten).collect();
        assert_eq!(names, ["1", "10", "100", "1k", "10k", "100k", "1M", "10M"]);
    }

    #[test]
    fn an_empty_chart_has_a_summary() {
        let text = "F(n) has about n ÷ 4.785 digits. Each calculated value becomes a point.";
        assert_eq!(summary_text(&NumberLists::default()), text);
    }
}
