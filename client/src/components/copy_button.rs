//! The button that copies a value, and says whether it could. leptos-use's `use_clipboard` takes
//! text that is there already, works in secure contexts only, and does not tell failures.

use std::cell::OnceCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use js_sys::{Array, Object, Promise, Reflect};
use leptos::html::Button;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{
    Blob, BlobPropertyBag, ClipboardItem, HtmlDocument, HtmlElement, HtmlTextAreaElement,
};

use crate::state::{self, use_page_state};
use crate::{api, format};

/// How long the button says what came of it.
const RESULT_TIME: Duration = Duration::from_secs(2);

const MISSING: &str = "Not there";
const REFUSED: &str = "Cannot copy";

const TEXT: &str = "text/plain";

#[component]
pub(crate) fn CopyButton(
    index: u32,
    /// All its digits, where they are here. They are fetched otherwise.
    whole: Option<Arc<str>>,
    name: &'static str,
) -> impl IntoView {
    let state = use_page_state();
    let button = NodeRef::<Button>::new();
    let words = RwSignal::new("Copy".to_owned());
    let label = Signal::derive(move || format!("{} {}", words.get(), format::fibonacci(index)));
    let copy_digits = Action::new_local(move |button: &HtmlElement| {
        let (whole, button) = (whole.clone(), button.clone());
        let digits = async move {
            match whole {
                Some(whole) => Ok(whole),
                None => match api::digits(index).await {
                    Ok(digits) => digits.ok_or_else(|| MISSING.to_owned()),
                    Err(error) => Err(error.title()),
                },
            }
        };
        async move {
            let result = copy(digits, button).await.err().unwrap_or_else(|| "Copied".to_owned());
            state::announce(state, format!("{result}: {}", format::fibonacci(index)));
            // The row may be gone by now.
            let _ = words.try_set(result);
            set_timeout(move || _ = words.try_set("Copy".to_owned()), RESULT_TIME);
        }
    });
    let on_click = move |_| {
        if let Some(button) = button.get_untracked() {
            copy_digits.dispatch_local(button.into());
        }
    };
    view! {
        <button type="button" class="plain copy" data-testid=name aria-label=label node_ref=button
            on:click=on_click>
            {words}
        </button>
    }
}

/// Copies the text that `text` resolves to. `button` was clicked for it: browsers want that. The
/// error says why there is no copy.
async fn copy(
    text: impl Future<Output = Result<Arc<str>, String>> + 'static,
    button: HtmlElement,
) -> Result<(), String> {
    // The clipboard needs HTTPS, which a classroom's network may not have; older browsers lack
    // `ClipboardItem`. Then the text is selected and copied.
    let has_clipboard = window().is_secure_context()
        && Reflect::has(&window(), &"ClipboardItem".into()).unwrap_or(false);
    if !has_clipboard {
        return copy_by_selection(&text.await?, &button).map_err(|_| REFUSED.to_owned());
    }
    // Safari wants the clipboard to be written at the click, and takes a promise of the text.
    let failure = Rc::new(OnceCell::new());
    let text_failure = Rc::clone(&failure);
    let blob = future_to_promise(async move {
        let text =
            text.await.map_err(|why| _ = text_failure.set(why)).map_err(|()| JsValue::NULL)?;
        let options = BlobPropertyBag::new();
        options.set_type(TEXT);
        Blob::new_with_str_sequence_and_options(&Array::of1(&JsValue::from_str(&text)), &options)
            .map(JsValue::from)
    });
    write_promise(&blob)
        .await
        .map_err(|_| failure.get().cloned().unwrap_or_else(|| REFUSED.to_owned()))
}

async fn write_promise(blob: &Promise) -> Result<(), JsValue> {
    let record = Object::new();
    Reflect::set(&record, &TEXT.into(), blob)?;
    let item = ClipboardItem::new_with_record_from_str_to_blob_promise(&record)?;
    JsFuture::from(window().navigator().clipboard().write(&Array::of1(&item))).await.map(drop)
}

/// Selects the text in a field beside the button: outside of an open dialog nothing can be
/// selected.
fn copy_by_selection(text: &str, button: &HtmlElement) -> Result<(), JsValue> {
    let field: HtmlTextAreaElement = document().create_element("textarea")?.dyn_into()?;
    field.set_class_name("visually-hidden");
    field.set_value(text);
    button.insert_adjacent_element("afterend", &field)?;
    field.select();
    let copied = document().unchecked_into::<HtmlDocument>().exec_command("copy");
    field.remove();
    button.focus()?;
    if copied? { Ok(()) } else { Err(JsValue::NULL) }
}
