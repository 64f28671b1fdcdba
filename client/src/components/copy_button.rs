//! The button that copies a value, and says whether it could.

use std::time::Duration;

use leptos::html::Button;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::clipboard::{self, CopyError};
use crate::state::{self, use_page_state};
use crate::{api, format};

/// How long the button says what came of it.
const RESULT_TIME: Duration = Duration::from_secs(2);

#[component]
pub(crate) fn CopyButton(
    index: u32,
    /// All its digits, where they are here. They are fetched otherwise.
    whole: Option<String>,
    name: &'static str,
) -> impl IntoView {
    let state = use_page_state();
    let button = NodeRef::<Button>::new();
    let words = RwSignal::new("Copy");
    let label = Signal::derive(move || format!("{} {}", words.get(), format::fibonacci(index)));
    let on_click = move |_| {
        let Some(button) = button.get_untracked() else { return };
        let whole = whole.clone();
        let digits = async move {
            match whole {
                Some(whole) => Some(whole),
                None => api::digits(index).await.ok().flatten().map(|digits| digits.to_string()),
            }
        };
        spawn_local(async move {
            let result = match clipboard::copy(digits, button.into()).await {
                Ok(()) => "Copied",
                Err(CopyError::Missing) => "Not there",
                Err(CopyError::Refused) => "Cannot copy",
            };
            state::announce(state, format!("{result}: {}", format::fibonacci(index)));
            // The row may be gone by now.
            let _ = words.try_set(result);
            set_timeout(move || _ = words.try_set("Copy"), RESULT_TIME);
        });
    };
    view! {
        <button id=format!("{name}-{index}") type="button" class="plain copy" data-testid=name
            aria-label=label node_ref=button on:click=on_click>
            {words}
        </button>
    }
}
