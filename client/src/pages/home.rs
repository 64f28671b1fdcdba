use leptos::prelude::*;

use crate::components::deferred::Deferred;
use crate::components::digit_chart::DigitChart;
use crate::components::digits_dialog::DigitsDialog;
use crate::components::indices::IndicesCard;
use crate::components::journey::JourneysCard;
use crate::components::submit_form::SubmitForm;
use crate::components::time_chart::TimeChart;
use crate::components::title::PageTitle;
use crate::components::values::ValuesCard;

/// `/`, the calculator: the form, the journeys of this page's submissions, the values, and two
/// charts.
#[component]
pub(crate) fn Home() -> impl IntoView {
    view! {
        <PageTitle />
        <h1>"Any Fibonacci number, to the last digit"</h1>
        <p class="lead">
            "Submit an index: its number appears here, and in every other open browser."
        </p>
        <SubmitForm />
        <Deferred><JourneysCard /></Deferred>
        <div class="columns">
            <Deferred><ValuesCard /></Deferred>
            <div class="aside">
                <Deferred><DigitChart /></Deferred>
                <Deferred><TimeChart /></Deferred>
                <Deferred><IndicesCard /></Deferred>
            </div>
        </div>
        <Deferred><DigitsDialog /></Deferred>
    }
}
