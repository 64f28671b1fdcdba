//! Fetches all digits of one value, and shows the status of the fetch until they arrive.

use std::sync::Arc;
use std::time::Duration;

use leptos::html::Div;
use leptos::prelude::*;

use super::digits_viewer::DigitsViewer;
use crate::api::{self, RequestError};
use crate::format;
use crate::state::{PageStateStoreFields, use_page_state};

/// Time between two requests while the value is being calculated.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DigitsStatus {
    Loading,
    /// The value is being calculated.
    Pending,
    Failed(RequestError),
    Whole(Arc<str>),
}

/// The fetch of the digits of one value.
#[derive(Clone, Copy)]
pub(crate) struct DigitsFetch {
    pub(crate) status: Memo<DigitsStatus>,
    /// Not a `LocalResource`, which would fetch known digits again after each change of the lists.
    fetch: Action<(), Result<Option<Arc<str>>, RequestError>>,
}

/// Fetches the digits of F(`index`) now, whenever the index changes in the lists, and once a second
/// while they are being calculated.
pub(crate) fn use_digits(index: u32) -> DigitsFetch {
    let state = use_page_state();
    let fetch = Action::new_local(move |(): &()| api::digits(index));
    let (fetched, is_fetching) = (fetch.value(), fetch.pending());
    let status = Memo::new(move |previous| match fetched.get() {
        None => DigitsStatus::Loading,
        Some(Ok(Some(digits))) => DigitsStatus::Whole(digits),
        Some(Ok(None)) => DigitsStatus::Pending,
        // The calculation continues although the api did not respond.
        Some(Err(error))
            if error.is_outcome_unknown() && previous == Some(&DigitsStatus::Pending) =>
        {
            DigitsStatus::Pending
        }
        Some(Err(error)) => DigitsStatus::Failed(error),
    });
    // Changes when somebody submits the index, and when its value is calculated.
    let listed = Memo::new(move |_| state.lists().read().value(index).cloned());
    let fetch_unless_known = move || {
        if !is_fetching.get_untracked() && !matches!(status.get_untracked(), DigitsStatus::Whole(_))
        {
            fetch.dispatch_local(());
        }
    };
    Effect::watch(move || listed.get(), move |_, _, _| fetch_unless_known(), true);
    let poll = move || {
        if status.get_untracked() == DigitsStatus::Pending {
            fetch_unless_known();
        }
    };
    if let Ok(interval) = set_interval_with_handle(poll, POLL_INTERVAL) {
        on_cleanup(move || interval.clear());
    }
    DigitsFetch { status, fetch }
}

/// The status of the fetch, and below it the digits, or after an error a button to try again.
#[component]
pub(crate) fn DigitsFrame(index: u32, digits: DigitsFetch) -> impl IntoView {
    let status = digits.status;
    let frame = NodeRef::<Div>::new();
    let status_text = Signal::derive(move || match status.get() {
        DigitsStatus::Loading => "Loading…".to_owned(),
        DigitsStatus::Pending => "It is being calculated…".to_owned(),
        DigitsStatus::Failed(error) => error.to_string(),
        DigitsStatus::Whole(digits) => format::digit_count(digits.len()),
    });
    let retry = move |_| {
        digits.fetch.dispatch_local(());
        // The button is about to be removed, so the frame takes the focus.
        if let Some(frame) = frame.get_untracked() {
            let _ = frame.focus();
        }
    };
    view! {
        <div class="digits-frame" tabindex="-1" node_ref=frame data-testid="digits-frame">
            <p class="digits-state" role="status" data-testid="digits-state">{status_text}</p>
            {move || match status.get() {
                DigitsStatus::Whole(digits) => view! { <DigitsViewer index digits /> }.into_any(),
                DigitsStatus::Failed(_) => view! {
                    <p class="about">
                        <button type="button" class="plain" data-testid="again" on:click=retry>
                            "Try again"
                        </button>
                    </p>
                }
                .into_any(),
                DigitsStatus::Loading | DigitsStatus::Pending => ().into_any(),
            }}
        </div>
    }
}
