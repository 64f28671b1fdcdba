//! The number of digits of F(n) over n, with a point for each calculated value.

use leptos::prelude::*;

use super::chart_link::{ChartMarks, Mark};
use crate::state::lists::NumberLists;
use crate::state::{PageStateStoreFields, use_page_state};
use crate::{format, formula};

/// Size of the chart in its own units, and where its axes are.
const LEFT: i32 = 64;
const RIGHT: i32 = 616;
const TOP: i32 = 14;
const BOTTOM: i32 = 298;

/// Points at most: more would hide each other.
const POINTS: usize = 300;

const USUAL_MAX_INDEX: u32 = 10_000_000;

#[component]
pub(crate) fn DigitChart() -> impl IntoView {
    let state = use_page_state();
    let axes = Memo::new(move |_| Axes::up_to(state.max_index().get().unwrap_or(USUAL_MAX_INDEX)));
    let points = Memo::new(move |_| state.lists().with(plotted_points));
    let plot = move || {
        let axes = axes.get();
        let point = move |(_, index, digits): Mark| {
            view! {
                <circle cx=axes.x(index.into()) cy=axes.y(digits as f64) r="7">
                    <title>{format!("{}: {}", format::fibonacci(index), format::digit_count(digits as usize))}</title>
                </circle>
            }
            .into_any()
        };
        view! {
            <Grid axes />
            <ChartMarks marks=points shape=Callback::new(point) />
        }
    };
    let words = Signal::derive(move || state.lists().with(largest_words));
    view! {
        <section class="card" aria-labelledby="chart-title">
            <h2 id="chart-title">"Number of digits in F(n)"</h2>
            <svg class="picture" viewBox="0 0 640 340" aria-hidden="true">
                {plot}
            </svg>
            <p class="quiet" data-testid="plot-words">
                {words}
            </p>
        </section>
    }
}

#[component]
fn Grid(axes: Axes) -> impl IntoView {
    let grid = (0..=axes.decades).map(|decade| {
        let (x, y) = (axes.x(10_f64.powi(decade)), axes.y(10_f64.powi(decade)));
        // Where there is no room for all labels, every other one is hidden.
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

/// Two logarithmic axes, of an index and of its digit count, from 1 to 10^`decades`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Axes {
    decades: i32,
}

impl Axes {
    fn up_to(max: u32) -> Self {
        // log₁₀ of 10,000,000 is 7, however it is rounded.
        Self { decades: (f64::from(max.max(10)).log10() - 1e-9).ceil() as i32 }
    }

    fn x(self, index: f64) -> i32 {
        LEFT + self.part(index, RIGHT - LEFT)
    }

    fn y(self, digits: f64) -> i32 {
        BOTTOM - self.part(digits, BOTTOM - TOP)
    }

    /// How far along an axis of this length a value is. Values below 1 are where 1 is.
    fn part(self, value: f64, length: i32) -> i32 {
        (f64::from(length) * value.max(1.0).log10() / f64::from(self.decades)).round() as i32
    }

    /// The path of the digit count, in eight steps for each decade.
    fn curve(self) -> String {
        let points = (0..=8 * self.decades).map(|step| {
            let n = 10_f64.powf(f64::from(step) / 8.0);
            format!("{} {}", self.x(n), self.y(n * formula::LOG_PHI - formula::LOG_SQRT5))
        });
        format!("M{}", points.collect::<Vec<_>>().join(" "))
    }
}

fn plotted_points(lists: &NumberLists) -> Vec<Mark> {
    lists.digit_counts().take(POINTS).map(|(index, digits)| (index, index, digits as u64)).collect()
}

/// A power of ten as an axis has it: `1`, `10`, `100`, `1k`, … `1M`.
fn power_of_ten(decade: i32) -> String {
    let unit = ["", "k", "M", "G"].get(decade as usize / 3).copied().unwrap_or_default();
    format!("{}{unit}", 10_u32.pow(decade as u32 % 3))
}

fn largest_words(lists: &NumberLists) -> String {
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
    fn values_are_within_the_axes() {
        let axes = Axes::up_to(10_000_000);
        assert_eq!(axes.decades, 7);
        for (value, place) in [(0.0, 64), (1.0, 64), (10_000_000.0, 616), (1_000.0, 301)] {
            assert_eq!(axes.x(value), place, "{value}");
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
    fn the_chart_is_said_in_words() {
        let words = "F(n) has about n ÷ 4.785 digits. Each calculated value becomes a point.";
        assert_eq!(largest_words(&NumberLists::default()), words);
    }
}
