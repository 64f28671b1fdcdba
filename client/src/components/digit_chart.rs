//! The number of digits of F(n) over n, with a point for each calculated value.

use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use crate::scale::{LogScale, decades, power_of_ten};
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
    let max = Signal::derive(move || state.max_index().get().unwrap_or(USUAL_MAX_INDEX));
    let points =
        Memo::new(move |_| state.lists().with(|lists| lists.digit_counts().take(POINTS).collect::<Vec<_>>()));
    let navigate = use_navigate();
    let point = move |(index, digits): (u32, usize)| {
        let navigate = navigate.clone();
        let (across, up) = scales(max.get_untracked());
        // Not a link: the list has one for each, and 300 more would be in the way of the Tab key.
        view! {
            <circle cx=across.place(index.into()) cy=up.place(digits as f64) r="7"
                on:click=move |_| navigate(&format!("/numbers/{index}"), Default::default())>
                <title>{format!("{}: {}", format::fibonacci(index), format::digit_count(digits))}</title>
            </circle>
        }
    };
    let words = Signal::derive(move || state.lists().with(largest_words));
    view! {
        <section class="card" aria-labelledby="chart-title">
            <h2 id="chart-title">"Number of digits in F(n)"</h2>
            <svg class="picture" viewBox="0 0 640 340" role="img" aria-labelledby="chart-title chart-words">
                {move || view! { <Axes max=max.get() /> }}
                <For each=move || points.get() key=move |point| (*point, max.get()) children=point />
            </svg>
            <p id="chart-words" class="quiet" data-testid="plot-words">{words}</p>
        </section>
    }
}

/// The axes of an index and of its digit count.
fn scales(max: u32) -> (LogScale, LogScale) {
    let decades = decades(max);
    (LogScale { from: LEFT, to: RIGHT, decades }, LogScale { from: BOTTOM, to: TOP, decades })
}

#[component]
fn Axes(max: u32) -> impl IntoView {
    let (across, up) = scales(max);
    let grid = across.grid().zip(up.grid()).map(|((decade, x), (_, y))| {
        // Where there is no room for all labels, every other one is hidden.
        view! {
            <path class="grid" d=format!("M{x} {TOP}V{BOTTOM}M{LEFT} {y}H{RIGHT}") />
            <g class:minor=!decade.is_multiple_of(2)>
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
            <path class="curve" d=curve(max) />
        </g>
    }
}

/// The path of the digit count, in eight steps for each decade.
fn curve(max: u32) -> String {
    let (across, up) = scales(max);
    let steps = 8 * across.decades as i32;
    let points = (0..=steps).map(|step| {
        let n = 10_f64.powf(f64::from(step) / 8.0);
        format!("{} {}", across.place(n), up.place(n * formula::LOG_PHI - formula::LOG_SQRT5))
    });
    format!("M{}", points.collect::<Vec<_>>().join(" "))
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
    fn the_curve_stays_within_the_axes() {
        for max in [10, 10_000_000, i32::MAX as u32] {
            let numbers: Vec<i32> =
                curve(max)[1..].split(' ').map(|number| number.parse().unwrap()).collect();
            for point in numbers.chunks(2) {
                assert!(
                    (LEFT..=RIGHT).contains(&point[0]) && (TOP..=BOTTOM).contains(&point[1]),
                    "{point:?}"
                );
            }
        }
    }

    #[test]
    fn the_chart_is_said_in_words() {
        let words = "F(n) has about n ÷ 4.785 digits. Each calculated value becomes a point.";
        assert_eq!(largest_words(&NumberLists::default()), words);
    }
}
