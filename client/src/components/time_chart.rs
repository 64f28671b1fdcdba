//! How long the newest calculations took, with a bar for each.

use leptos::prelude::*;

use super::chart_link::{ChartMarks, Mark};
use crate::format;
use crate::state::journeys::{JourneyLog, KEPT_ARRIVALS};
use crate::state::{PageStateStoreFields, use_page_state};

const LEFT: i32 = 64;
const RIGHT: i32 = 616;
const TOP: i32 = 14;
const BOTTOM: i32 = 176;

/// Width of a bar with the gap behind it.
const WIDTH: i32 = (RIGHT - LEFT) / KEPT_ARRIVALS as i32;

const DECADE: f64 = 27.0;

const GRID: [(u64, &str); 3] = [(1_000, "1 ms"), (100_000, "0.1 s"), (10_000_000, "10 s")];

#[component]
pub(crate) fn TimeChart() -> impl IntoView {
    let journeys = use_page_state().journeys();
    let times = Memo::new(move |_| journeys.with(JourneyLog::calculation_times));
    let bar = |(number, index, micros): Mark| {
        let height = height(micros).clamp(3, BOTTOM - TOP);
        view! {
            <rect x=WIDTH * number as i32 y=BOTTOM - height width=WIDTH - 2 height=height>
                <title>{format!("{}: {}", format::fibonacci(index), format::duration(micros))}</title>
            </rect>
        }
        .into_any()
    };
    // All bars move at once, and each stays as it is.
    let newest = move || times.with(|times| times.last().map_or(0, |mark| mark.0 as i32));
    let shift = Signal::derive(move || format!("translate({} 0)", RIGHT - WIDTH * (newest() + 1)));
    let words = Signal::derive(move || times.with(|times| summary_words(times)));
    let grid = GRID.map(|(micros, name)| {
        let y = BOTTOM - height(micros);
        view! {
            <path class="grid" d=format!("M{LEFT} {y}H{RIGHT}") />
            <text x=LEFT - 12 y=y + 7 text-anchor="end">{name}</text>
        }
    });
    view! {
        <section class="card" aria-labelledby="times-title">
            <h2 id="times-title">"Calculation time"</h2>
            <svg class="picture" viewBox="0 0 640 184" aria-hidden="true">
                {grid}
                <path class="axis" d=format!("M{LEFT} {BOTTOM}H{RIGHT}") />
                <g transform=shift>
                    <ChartMarks marks=times shape=Callback::new(bar) />
                </g>
            </svg>
            <p class="quiet" data-testid="times-words">
                {words}
            </p>
        </section>
    }
}

/// Logarithmic, from 0.1 ms on.
fn height(micros: u64) -> i32 {
    (((micros.max(100) as f64).log10() - 2.0) * DECADE).round() as i32
}

fn summary_words(times: &[Mark]) -> String {
    let mut sorted: Vec<u64> = times.iter().map(|(.., micros)| *micros).collect();
    sorted.sort_unstable();
    let Some(longest) = sorted.last() else {
        return "Nothing was calculated since this page was opened.".to_owned();
    };
    let (count, longest) = (sorted.len(), format::duration(*longest));
    // Of an even number, between the two in the middle.
    let median = format::duration(sorted[(count - 1) / 2].midpoint(sorted[count / 2]));
    format!("The last {count}: median {median}, longest {longest}, from request to stored value.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_is_said_in_words() {
        assert!(summary_words(&[]).starts_with("Nothing was calculated"));
        let words = |micros: &[u64]| {
            summary_words(&micros.iter().map(|time| (0, 7, *time)).collect::<Vec<_>>())
        };
        assert!(words(&[7_000]).starts_with("The last 1: median 7.0 ms, longest 7.0 ms"));
        assert!(words(&[4_000, 2_000]).starts_with("The last 2: median 3.0 ms, longest 4.0 ms"));
        assert!(
            words(&[9_000, 1_000, 5_000]).starts_with("The last 3: median 5.0 ms, longest 9.0 ms")
        );
    }

    #[test]
    fn bars_grow_with_the_decades() {
        assert_eq!([1, 1_000, 100_000].map(height), [0, 27, 81]);
    }
}
