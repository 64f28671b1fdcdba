use leptos::prelude::*;

use crate::components::deferred::Deferred;
use crate::components::diagram::SystemCard;
use crate::components::journey::JourneysCard;
use crate::components::lesson::LessonCards;
use crate::components::replay::{ReplayCard, provide_replayed_hop};
use crate::components::submit_form::SubmitForm;
use crate::components::title::PageTitle;
use crate::lesson::provide_lesson;

/// `/how-it-works`: the diagram of the running system beside the form, and the lesson.
#[component]
pub(crate) fn HowItWorks() -> impl IntoView {
    provide_lesson();
    provide_replayed_hop();
    view! {
        <PageTitle text="How it works" />
        <div class="how-it-works">
            <h1>"How it works"</h1>
            <p class="lead">
                "Six kinds of containers and your browser. Submit an index, and watch its path."
            </p>
            <SubmitForm />
            <Deferred><SystemCard /></Deferred>
            <Deferred><ReplayCard /></Deferred>
            <Deferred><JourneysCard /></Deferred>
            <Deferred><LessonCards /></Deferred>
        </div>
    }
}
