//! One number: its name, its neighbours and its digits. Showing a number does not submit its index.

use leptos::html::{Button, Div};
use leptos::prelude::*;

use super::deferred::Deferred;
use super::digits::{DigitsFetch, DigitsFrame, DigitsStatus, use_digits};
use super::submit_form::use_notice;
use super::title::PageTitle;
use crate::focus::focus_without_scrolling;
use crate::state::{self, PageStateStoreFields, SubmitAction, use_page_state};
use crate::{format, formula};

/// Number of first digits that are shown for a number that was not calculated.
const FORMULA_DIGITS: usize = 8;

/// The number's name, its neighbours, and its digits: all of them if somebody has submitted the
/// index, or else the first ones.
#[component]
pub(crate) fn Number(index: u32) -> impl IntoView {
    let state = use_page_state();
    let digits = use_digits(index);
    let name = format::fibonacci(index);
    let count = format::digit_count(formula::digit_count(index));
    let is_not_found =
        |status: &_| matches!(status, DigitsStatus::Failed(error) if error.status() == Some(404));
    let is_unsubmitted = Memo::new(move |_| is_not_found(&digits.status.read()));
    let lead = Signal::derive(move || {
        if is_unsubmitted.get() {
            format!("Nobody has submitted this index yet. Its number would have {count}.")
        } else {
            format!("The Fibonacci number at index {} has {count}.", format::grouped(index))
        }
    });
    let neighbour =
        |other| view! { <a href=format!("/numbers/{other}")>{format::fibonacci(other)}</a> };
    let previous = index.checked_sub(1).map(neighbour);
    let container = NodeRef::<Div>::new();
    let next = move || (index < state::max_index(state)).then(|| neighbour(index + 1));
    view! {
        <PageTitle text=name.clone() />
        <h1 data-testid="number-name">{name}</h1>
        <p class="lead" data-testid="number-lead">{lead}</p>
        <nav class="neighbours" aria-label="Neighbours" data-testid="neighbours">
            <span>{previous}</span>
            <span>{next}</span>
        </nav>
        <div class="number-place" tabindex="-1" node_ref=container data-testid="number-place">
            <Deferred>
                <Show when=move || is_unsubmitted.get()
                    fallback=move || view! { <Submitted index digits /> }>
                    <Unsubmitted index container />
                </Show>
            </Deferred>
        </div>
    }
}

/// A number that somebody has submitted: its digits, and facts about its calculation.
#[component]
fn Submitted(index: u32, digits: DigitsFetch) -> impl IntoView {
    let state = use_page_state();
    let submissions = move || {
        let row = state.lists().read().submitted_index(index)?;
        let times = format::times(row.submissions.unsigned_abs());
        Some(format!("{}{times}", if row.is_partial { "at least " } else { "" }))
    };
    let calculation = move || state.journeys().read().calculation_of(index).cloned();
    let time = move || {
        let stored = calculation()?.hops.stored;
        let date = js_sys::Date::new(&(stored as f64 / 1_000.0).into());
        // In the reader's locale: 1/2/2026 means different days in different countries.
        let locale = window().navigator().language().unwrap_or_else(|| "en".to_owned());
        (stored > 0).then(|| {
            String::from(date.to_locale_string(&locale, &wasm_bindgen::JsValue::UNDEFINED))
        })
    };
    let worker = move || calculation().map(|value| value.worker);
    view! {
        <section class="card number-card" aria-labelledby="digits-title">
            <h2 id="digits-title">"Its digits"</h2>
            <DigitsFrame index digits />
            <dl class="facts" data-testid="facts">
                <Fact name="Submitted" value=Signal::derive(submissions) />
                <Fact name="Calculated" value=Signal::derive(time) />
                <Fact name="By worker" value=Signal::derive(worker) />
            </dl>
        </section>
    }
}

/// A row of the list of facts; nothing while its value is unknown.
#[component]
fn Fact(name: &'static str, value: Signal<Option<String>>) -> impl IntoView {
    move || {
        value.get().map(|value| {
            view! {
                <div>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                </div>
            }
        })
    }
}

/// A number that nobody has submitted: its first digits by formula, and a button that submits it.
#[component]
fn Unsubmitted(
    index: u32,
    /// Gets the focus of the button when the button is removed.
    container: NodeRef<Div>,
) -> impl IntoView {
    let submit = expect_context::<SubmitAction>();
    let first_digits = formula::first_digits(index, FORMULA_DIGITS);
    let (title, digits) = if formula::digit_count(index) <= first_digits.len() {
        ("Its digits", first_digits)
    } else {
        ("Its first digits", format!("{first_digits}…"))
    };
    let notice = use_notice(move |form, now| form.notice_of(index, now));
    let button = NodeRef::<Button>::new();
    on_cleanup(move || {
        let (Some(button), Some(container)) = (button.get_untracked(), container.get_untracked())
        else {
            return;
        };
        if document().active_element().as_ref() == Some(button.as_ref()) {
            focus_without_scrolling(&container);
        }
    });
    view! {
        <section class="card number-card" aria-labelledby="foretold-title"
            data-testid="unsubmitted">
            <h2 id="foretold-title">{title}</h2>
            <p class="number" data-testid="foretold">{digits}</p>
            <p class="quiet">
                "By the formula F(n) ≈ φⁿ/√5, without calculating the number itself."
            </p>
            <p class="about">
                <button type="button" class="primary" data-testid="submit-number" node_ref=button
                    on:click=move |_| { submit.dispatch_local(index); }>
                    {format!("Calculate {}", format::fibonacci(index))}
                </button>
            </p>
            <p class="notice" role="status" data-testid="number-notice">{notice}</p>
        </section>
    }
}
