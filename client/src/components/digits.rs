//! All digits of one value: how they are fetched, and what is shown until they are here.

use std::sync::Arc;
use std::time::Duration;

use leptos::html::Div;
use leptos::prelude::*;

use super::digits_viewer::DigitsViewer;
use crate::api::{self, DigitsResponse, RequestError};
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

/// The digits of one index, as they are fetched.
#[derive(Clone, Copy)]
pub struct DigitsQuery {
    pub(crate) status: Signal<DigitsStatus>,
    fetch: Action<(), ()>,
}

impl DigitsQuery {
    pub(crate) fn retry(self) {
        self.fetch.dispatch_local(());
    }
}

/// Fetches the digits of F(`index`), again and again while they are being calculated.
pub(crate) fn use_digits(index: u32) -> DigitsQuery {
    let state = use_page_state();
    let status = RwSignal::new(DigitsStatus::Loading);
    let fetch = Action::new_local(move |(): &()| async move {
        let is_pending = status.try_get_untracked() == Some(DigitsStatus::Pending);
        let fetched = match api::digits(index).await {
            Ok(DigitsResponse::Whole(digits)) => DigitsStatus::Whole(digits),
            Ok(DigitsResponse::Pending) => DigitsStatus::Pending,
            // The calculation goes on, whatever is unavailable for a moment.
            Err(error) if is_pending && error.is_unanswered() => DigitsStatus::Pending,
            Err(error) => DigitsStatus::Failed(error),
        };
        // The page may have been left meanwhile.
        let _ = status.try_set(fetched);
    });
    fetch.dispatch_local(());
    let query = DigitsQuery { status: status.into(), fetch };
    Effect::new(move || {
        // The status may be the same as before.
        fetch.version().track();
        if status.get() == DigitsStatus::Pending {
            let retry = move || {
                if status.try_get_untracked() == Some(DigitsStatus::Pending) {
                    query.retry();
                }
            };
            set_timeout(retry, RETRY_INTERVAL);
        }
    });
    // Somebody submitted it, or it was calculated.
    let listed = Memo::new(move |_| state.lists().with(|lists| lists.value(index).cloned()));
    Effect::watch(
        move || listed.get(),
        move |_, _, _| {
            let is_missing =
                matches!(status.get_untracked(), DigitsStatus::Pending | DigitsStatus::Failed(_));
            if is_missing {
                query.retry();
            }
        },
        false,
    );
    query
}

#[component]
pub(crate) fn DigitsView(index: u32, digits: DigitsQuery) -> impl IntoView {
    let frame = NodeRef::<Div>::new();
    let words = Signal::derive(move || match digits.status.get() {
        DigitsStatus::Loading => "Loading…".to_owned(),
        DigitsStatus::Pending => "It is being calculated…".to_owned(),
        DigitsStatus::Failed(error) => error.to_string(),
        DigitsStatus::Whole(digits) => format::digit_count(digits.len()),
    });
    let retry = move |_| {
        digits.retry();
        // The button goes.
        if let Some(frame) = frame.get_untracked() {
            let _ = frame.focus();
        }
    };
    view! {
        <div class="digits-frame" tabindex="-1" node_ref=frame data-testid="digits-frame">
            <p class="digits-state" role="status" data-testid="digits-state">{words}</p>
            {move || match digits.status.get() {
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
