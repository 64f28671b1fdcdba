//! All digits of one value: how they are fetched, and what is shown until they are here.

use std::sync::Arc;
use std::time::Duration;

use leptos::html::Div;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::digits_viewer::DigitsViewer;
use crate::api::{self, RequestError};
use crate::format;
use crate::state::{PageStateStoreFields, use_page_state};

/// Time until the next request while the value is being calculated.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DigitsStatus {
    Loading,
    Pending,
    Failed(RequestError),
    Whole(Arc<str>),
}

/// Fetches the digits of F(`index`), again and again while they are being calculated.
pub(crate) fn use_digits(index: u32) -> RwSignal<DigitsStatus> {
    let state = use_page_state();
    let status = RwSignal::new(DigitsStatus::Loading);
    fetch_digits(index, status);
    // Somebody submitted it, or it was calculated.
    let listed = Memo::new(move |_| state.lists().with(|lists| lists.value(index).cloned()));
    Effect::watch(
        move || listed.get(),
        move |_, _, _| {
            if matches!(status.get_untracked(), DigitsStatus::Pending | DigitsStatus::Failed(_)) {
                fetch_digits(index, status);
            }
        },
        false,
    );
    status
}

fn fetch_digits(index: u32, status: RwSignal<DigitsStatus>) {
    spawn_local(async move {
        let is_pending = move || status.try_get_untracked() == Some(DigitsStatus::Pending);
        let fetched = match api::digits(index).await {
            Ok(Some(digits)) => DigitsStatus::Whole(digits),
            Ok(None) => DigitsStatus::Pending,
            // The calculation goes on, whatever is unavailable for a moment.
            Err(error) if error.is_unanswered() && is_pending() => DigitsStatus::Pending,
            Err(error) => DigitsStatus::Failed(error),
        };
        // The page may have been left meanwhile.
        let _ = status.try_set(fetched);
        if is_pending() {
            let retry = move || {
                if is_pending() {
                    fetch_digits(index, status);
                }
            };
            set_timeout(retry, RETRY_INTERVAL);
        }
    });
}

#[component]
pub(crate) fn DigitsView(index: u32, status: RwSignal<DigitsStatus>) -> impl IntoView {
    let frame = NodeRef::<Div>::new();
    let words = Signal::derive(move || match status.get() {
        DigitsStatus::Loading => "Loading…".to_owned(),
        DigitsStatus::Pending => "It is being calculated…".to_owned(),
        DigitsStatus::Failed(error) => error.to_string(),
        DigitsStatus::Whole(digits) => format::digit_count(digits.len()),
    });
    let retry = move |_| {
        fetch_digits(index, status);
        // The button goes.
        if let Some(frame) = frame.get_untracked() {
            let _ = frame.focus();
        }
    };
    view! {
        <div class="digits-frame" tabindex="-1" node_ref=frame data-testid="digits-frame">
            <p class="digits-state" role="status" data-testid="digits-state">{words}</p>
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
