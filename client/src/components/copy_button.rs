//! The button that copies a value.
//!
//! `use_clipboard` of leptos-use is no alternative: it takes text that is already loaded, works in
//! secure contexts only, and reports no failures.

use std::cell::OnceCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use js_sys::{Array, Object, Promise, Reflect};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{
    Blob, BlobPropertyBag, ClipboardItem, HtmlDocument, HtmlElement, HtmlTextAreaElement,
};

use crate::api;
use crate::state::{self, use_page_state};

/// Time for which the button shows the result.
const RESULT_DURATION: Duration = Duration::from_secs(2);

const NOT_READY: &str = "Not ready";
const CANNOT_COPY: &str = "Cannot copy";

const TEXT_MIME_TYPE: &str = "text/plain";

/// The text that a button copies.
#[derive(Clone, Copy)]
pub(crate) enum CopySource {
    Text(Signal<String>),
    /// All digits of the number at this index, which are fetched after the click.
    Digits(u32),
}

/// Copies a text, and shows for two seconds whether that worked.
#[component]
pub(crate) fn CopyButton(
    /// What it copies, for its label.
    name: String,
    source: CopySource,
    testid: &'static str,
) -> impl IntoView {
    let state = use_page_state();
    let text = RwSignal::new("Copy".to_owned());
    let name = StoredValue::new(name);
    let label = Signal::derive(move || format!("{} {}", text.get(), name.get_value()));
    let copy_source = Action::new_local(move |button: &HtmlElement| {
        let (source, button) = (source, button.clone());
        let source = async move {
            match source {
                CopySource::Text(text) => Ok(text.get_untracked().into()),
                CopySource::Digits(index) => match api::digits(index).await {
                    Ok(digits) => digits.ok_or_else(|| NOT_READY.to_owned()),
                    Err(error) => Err(error.title()),
                },
            }
        };
        async move {
            let result = copy(source, button).await.err().unwrap_or_else(|| "Copied".to_owned());
            state::announce(state, format!("{result}: {}", name.get_value()));
            // The button may have been removed meanwhile.
            let _ = text.try_set(result);
            set_timeout(move || _ = text.try_set("Copy".to_owned()), RESULT_DURATION);
        }
    });
    view! {
        <button type="button" class="plain copy" data-testid=testid aria-label=label
            on:click:target=move |event| {
                copy_source.dispatch_local(event.target().into());
            }>
            {text}
        </button>
    }
}

/// Copies the output of `text`. Called while `button` handles a click, because browsers require a
/// user's action for it. The error is a message for the user.
async fn copy(
    text: impl Future<Output = Result<Arc<str>, String>> + 'static,
    button: HtmlElement,
) -> Result<(), String> {
    // The Clipboard API needs HTTPS, which a classroom's network may not have, and older browsers
    // lack `ClipboardItem`. The fallback selects the text and copies the selection.
    let has_clipboard = window().is_secure_context()
        && Reflect::has(&window(), &"ClipboardItem".into()).unwrap_or(false);
    if !has_clipboard {
        return copy_by_selection(&text.await?, &button).map_err(|_| CANNOT_COPY.to_owned());
    }
    // Safari requires the write during the click, but accepts a promise of the text.
    let failure = Rc::new(OnceCell::new());
    let text_failure = Rc::clone(&failure);
    let blob = future_to_promise(async move {
        let text = text
            .await
            .map_err(|message| _ = text_failure.set(message))
            .map_err(|()| JsValue::NULL)?;
        let options = BlobPropertyBag::new();
        options.set_type(TEXT_MIME_TYPE);
        Blob::new_with_str_sequence_and_options(&Array::of1(&JsValue::from_str(&text)), &options)
            .map(JsValue::from)
    });
    write_promise(&blob)
        .await
        .map_err(|_| failure.get().cloned().unwrap_or_else(|| CANNOT_COPY.to_owned()))
}

/// Writes a blob to the clipboard. `blob` is a promise of it.
async fn write_promise(blob: &Promise) -> Result<(), JsValue> {
    let record = Object::new();
    Reflect::set(&record, &TEXT_MIME_TYPE.into(), blob)?;
    let item = ClipboardItem::new_with_record_from_str_to_blob_promise(&record)?;
    JsFuture::from(window().navigator().clipboard().write(&Array::of1(&item))).await.map(drop)
}

/// Copies the text by selecting it in a temporary field. The field is beside the button, because
/// nothing outside an open dialog can be selected.
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
