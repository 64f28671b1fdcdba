//! The form that submits an index, and the notices about refused submissions.

use std::time::Duration;

use leptos::ev::SubmitEvent;
use leptos::html::Input;
use leptos::prelude::*;

use crate::state::form::IndexForm;
use crate::state::{self, PageStateStoreFields, SubmitAction, use_page_state};
use crate::{clock, format};

const SUGGESTIONS: [u32; 4] = [10, 100, 1_000, 1_000_000];

/// The field for an index, with its button, hint and examples. Validates the index during typing,
/// and keeps it in the field until the server has accepted it.
#[component]
pub(crate) fn SubmitForm() -> impl IntoView {
    let state = use_page_state();
    let form = state.form();
    let submit_action = expect_context::<SubmitAction>();
    let field = NodeRef::<Input>::new();

    let error = Memo::new(move |_| form.read().error(state::max_index(state)).unwrap_or_default());
    let aria_invalid = Signal::derive(move || (!error.read().is_empty()).to_string());
    let notice = use_notice(IndexForm::notice);
    // Empty beside an error, which already says what is allowed, and beside a notice, which needs
    // its space.
    let hint = Signal::derive(move || {
        let has_space = error.read().is_empty() && notice.read().is_empty();
        if has_space { form.read().hint(state.max_index().get()) } else { String::new() }
    });
    let typed = Signal::derive(move || form.read().typed.clone());
    let submit = move || {
        let max = untrack(|| state::max_index(state));
        // Not in the condition, which would hold the store's lock while the action starts.
        let index = form.write().submit(max);
        if let Some(index) = index {
            submit_action.dispatch_local(index);
        }
        // Selects the text, so that typing the next index replaces it.
        if let Some(field) = field.get_untracked() {
            let _ = field.focus();
            field.select();
        }
    };
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        submit();
    };
    let suggestions = SUGGESTIONS.map(|index| {
        let suggest = move |_| {
            form.update(|form| form.type_in(index.to_string()));
            submit();
        };
        view! {
            <button type="button" class="chip" on:click=suggest>{format::fibonacci(index)}</button>
        }
    });

    view! {
        <form class="submit-form card" novalidate on:submit=on_submit>
            <label for="index">"Index"</label>
            <div class="field">
                <span class="prefix" aria-hidden="true">"n ="</span>
                <input id="index" name="index" type="text" inputmode="numeric" autocomplete="off"
                    maxlength="40" data-testid="index" aria-describedby="index-error index-hint"
                    aria-invalid=aria_invalid node_ref=field
                    prop:value=typed
                    on:input:target=move |event| {
                        form.update(|form| form.type_in(event.target().value()))
                    } />
                <button type="submit" class="primary" data-testid="submit">"Calculate"</button>
            </div>
            <div class="form-messages">
                <p id="index-error" class="error" role="alert" data-testid="error">{error}</p>
                <p class="notice" role="status" data-testid="form-notice">
                    {notice}
                </p>
                <p id="index-hint" class="quiet" data-testid="hint">{hint}</p>
            </div>
            <p class="suggestions" data-testid="suggestions">
                <span class="quiet">"For example"</span>
                {suggestions}
            </p>
        </form>
    }
}

/// The text that `notice` returns for the form and the current time in µs; empty if it returns
/// `None`. Updated every second while there is a countdown to the next attempt.
pub(crate) fn use_notice(
    notice: impl Fn(&IndexForm, u64) -> Option<String> + Send + Sync + 'static,
) -> Memo<String> {
    let form = use_page_state().form();
    let count_down = move || form.maybe_update(|form| form.count_down(clock::now()));
    if let Ok(interval) = set_interval_with_handle(count_down, Duration::from_secs(1)) {
        on_cleanup(move || interval.clear());
    }
    Memo::new(move |_| notice(&form.read(), clock::now()).unwrap_or_default())
}
