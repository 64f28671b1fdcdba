//! The chart of the newest calculation times.

use leptos::prelude::*;

use super::chart_link::ChartLink;
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
    let times = Memo::new(move |_| journeys.read().calculation_times());
    let bar = |CalculationTime { number, index, micros }: CalculationTime| {
        let height = height(micros).clamp(3, BOTTOM - TOP);
        let duration = format::duration(micros);
        view! {
            <ChartLink index>
                <rect x=BAR_WIDTH * number as i32 y=BOTTOM - height width=BAR_WIDTH - 2
                    height=height>
                    <title>{format!("{}: {duration}", format::fibonacci(index))}</title>
                </rect>
            </ChartLink>
        }
    };
    // A new bar moves the whole group; the other bars are not rendered again.
    let newest = move || times.read().last().map_or(0, |time| time.number as i32);
    let shift =
        Signal::derive(move || format!("translate({} 0)", RIGHT - BAR_WIDTH * (newest() + 1)));
    let summary = Signal::derive(move || summary_text(&times.read()));
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
                    <For each=move || times.get() key=|time| time.number children=bar />
                </g>
            </svg>
            <p class="quiet" data-testid="times-words">
                {summary}
            </p>
        </section>
    }
}

/// The height of a bar on a logarithmic scale that starts at 0.1 ms.
fn height(micros: u64) -> i32 {
    (((micros.max(100) as f64).log10() - 2.0) * DECADE_HEIGHT).round() as i32
}

fn summary_text(times: &[CalculationTime]) -> String {
    let mut sorted: Vec<u64> = times.iter().map(|time| time.micros).collect();
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
            let time = |micros: &u64| CalculationTime { number: 0, index: 7, micros: *micros };
            summary_text(&micros.iter().map(time).collect::<Vec<_>>())
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
