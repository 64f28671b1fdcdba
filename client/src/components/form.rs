//! The one input: an index goes to the server, or what is wrong with it is said beside it.
//!
//! What was typed stays until the server has accepted it. The highest index is the server's to know, so the
//! page itself refuses only what no server could accept.

use api::Index;
use leptos::ev::SubmitEvent;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::http;
use crate::live::Store;
use crate::state::Change;

/// The field, its button, and the error near them.
#[component]
pub fn SubmitForm(
    /// Where an accepted submission is reported.
    store: Store,
) -> impl IntoView {
    let field = NodeRef::<html::Input>::new();
    let error = RwSignal::new(None::<String>);
    let sending = RwSignal::new(false);

    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(input) = field.get_untracked() else { return };
        if sending.get_untracked() {
            return;
        }
        // Blanks around a pasted number are nobody's intention.
        let typed = input.value().trim().to_owned();
        if let Err(refused) = Index::parse(&typed, Index::LARGEST) {
            error.set(Some(sentence(&refused.to_string())));
            let _ = input.focus();
            return;
        }
        sending.set(true);
        spawn_local(async move {
            match http::submit(&typed).await {
                Ok(answer) => {
                    error.set(None);
                    // Whatever was typed while the answer was on its way is the next index.
                    if input.value().trim() == typed {
                        input.set_value("");
                    }
                    store.apply(Change::Submitted(answer));
                }
                Err(refused) => error.set(Some(sentence(&refused.to_string()))),
            }
            sending.set(false);
            let _ = input.focus();
        });
    };

    view! {
        <form class="submit" on:submit=submit novalidate aria-busy=move || sending.get().to_string()>
            <label for="index">"Enter your index:"</label>
            <div class="field">
                <input
                    id="index"
                    name="index"
                    type="text"
                    inputmode="numeric"
                    autocomplete="off"
                    autofocus
                    data-testid="index"
                    aria-describedby="index-error"
                    aria-invalid=move || error.with(Option::is_some).to_string()
                    on:input=move |_| error.set(None)
                    node_ref=field
                />
                <button type="submit" data-testid="submit" disabled=move || sending.get()>
                    "Submit"
                </button>
            </div>
            <p id="index-error" class="error" role="alert" data-testid="error">
                {move || error.get()}
            </p>
        </form>
    }
}

/// The same words with a capital in front, and a stop at the end unless there is one.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let stop = if words.ends_with(['.', '…', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn an_error_becomes_a_sentence() {
        assert_eq!(sentence("an index is needed"), "An index is needed.");
        assert_eq!(sentence("written in digits: 0, 1, …"), "Written in digits: 0, 1, …");
        assert_eq!(sentence("élan"), "Élan.");
        assert_eq!(sentence(""), ".");
    }
}
