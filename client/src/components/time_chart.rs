//! The chart of the newest calculation times.

use leptos::prelude::*;

use super::chart_marks::{ChartMark, ChartMarks};
use crate::format;
use crate::state::journeys::{CalculationTime, KEPT_ARRIVALS};
use crate::state::{PageStateStoreFields, use_page_state};

/// The plot area, in units of the chart's `viewBox`.
const LEFT: i32 = 64;
const RIGHT: i32 = 616;
const TOP: i32 = 14;
const BOTTOM: i32 = 176;

/// Width of a bar with the gap after it.
const BAR_WIDTH: i32 = (RIGHT - LEFT) / KEPT_ARRIVALS as i32;

/// Height of a tenfold increase.
const DECADE_HEIGHT: f64 = 27.0;

/// The times in µs at which there is a line, and their labels.
const GRID_LINES: [(u64, &str); 3] = [(1_000, "1 ms"), (100_000, "0.1 s"), (10_000_000, "10 s")];

/// A bar for each of the newest calculations, the newest on the right.
#[component]
pub(crate) fn TimeChart() -> impl IntoView {
    let journeys = use_page_state().journeys();
    let bars = Memo::new(move |_| {
        let times = journeys.with(|log| log.calculation_times());
        times.into_iter().map(ChartMark::from).collect::<Vec<_>>()
    });
    let bar = |ChartMark { key, index, value: micros }: ChartMark| {
        let height = height(micros).clamp(3, BOTTOM - TOP);
        let duration = format::duration(micros);
        view! {
            <rect x=BAR_WIDTH * key as i32 y=BOTTOM - height width=BAR_WIDTH - 2 height=height>
                <title>{format!("{}: {duration}", format::fibonacci(index))}</title>
            </rect>
        }
        .into_any()
    };
    // A new bar moves the whole group; the other bars are not rendered again.
    let newest = move || bars.with(|bars| bars.last().map_or(0, |bar| bar.key as i32));
    let shift =
        Signal::derive(move || format!("translate({} 0)", RIGHT - BAR_WIDTH * (newest() + 1)));
    let summary = Signal::derive(move || bars.with(|bars| summary_text(bars)));
    let grid = GRID_LINES.map(|(micros, label)| {
        let y = BOTTOM - height(micros);
        view! {
            <path class="grid" d=format!("M{LEFT} {y}H{RIGHT}") />
            <text x=LEFT - 12 y=y + 7 text-anchor="end">{label}</text>
        }
    });
    view! {
        <section class="card" aria-labelledby="times-title">
            <h2 id="times-title">"Calculation time"</h2>
            <svg class="picture" viewBox="0 0 640 184" aria-hidden="true">
                {grid}
                <path class="axis" d=format!("M{LEFT} {BOTTOM}H{RIGHT}") />
                <g transform=shift>
                    <ChartMarks marks=bars shape=Callback::new(bar) />
                </g>
            </svg>
            <p class="quiet" data-testid="times-words">
                {summary}
            </p>
        </section>
    }
}

impl From<CalculationTime> for ChartMark {
    fn from(CalculationTime { number, index, micros }: CalculationTime) -> Self {
        Self { key: number, index, value: micros }
    }
}

/// The height of a bar on a logarithmic scale that starts at 0.1 ms.
fn height(micros: u64) -> i32 {
    (((micros.max(100) as f64).log10() - 2.0) * DECADE_HEIGHT).round() as i32
}

fn summary_text(bars: &[ChartMark]) -> String {
    let mut sorted: Vec<u64> = bars.iter().map(|bar| bar.value).collect();
    sorted.sort_unstable();
    let Some(longest) = sorted.last() else {
        return "Nothing has been calculated since this page was opened.".to_owned();
    };
    let (count, longest) = (sorted.len(), format::duration(*longest));
    // The median of an even number of times is halfway between the two in the middle.
    let median = format::duration(sorted[(count - 1) / 2].midpoint(sorted[count / 2]));
    format!("The last {count}: median {median}, longest {longest}, from request to stored value.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_the_median_and_the_longest_time() {
        assert!(summary_text(&[]).starts_with("Nothing has been calculated"));
        let text = |micros: &[u64]| {
            let bar = |value: &u64| ChartMark { key: 0, index: 7, value: *value };
            summary_text(&micros.iter().map(bar).collect::<Vec<_>>())
        };
        assert!(text(&[7_000]).starts_with("The last 1: median 7.0 ms, longest 7.0 ms"));
        assert!(text(&[4_000, 2_000]).starts_with("The last 2: median 3.0 ms, longest 4.0 ms"));
        let of_three = text(&[9_000, 1_000, 5_000]);
        assert!(of_three.starts_with("The last 3: median 5.0 ms, longest 9.0 ms"));
    }

    #[test]
    fn bars_are_logarithmic() {
        assert_eq!([1, 1_000, 100_000].map(height), [0, 27, 81]);
    }
}
