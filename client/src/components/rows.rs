//! A list whose rows come and go. A row that has not changed stays in the document as it is.
//!
//! The focus stays where the person put it, when a row moves too, or is made anew; and it goes to the first of the rows that a
//! button below the list brings. Leptos' `For` does this for rows of any view; rows that are markup need a small part of it.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, FocusOptions, HtmlElement, Node};

use super::element;
use crate::model::Model;
use crate::store::{Row, Store};

/// On a list whose button was pressed: the focus is to go where the rows begin that come, also when the button has hidden itself.
pub(super) const MORE: &str = "data-more";

/// The list of that id shows `rows`.
#[component]
pub fn Rows(
    /// What is known.
    store: Store,
    /// The list's id, and its name for tests.
    id: &'static str,
    /// For the style.
    class: &'static str,
    /// What it shows.
    rows: fn(&Model) -> Vec<Row>,
) -> impl IntoView {
    let rows = store.rows(rows);
    Effect::new(move |before: Option<Vec<Row>>| {
        let rows = rows.get();
        if let Some(list) = element(id) {
            patch(&list, before.unwrap_or_default(), &rows);
        }
        rows
    });
    view! { <ul id=id class=class data-testid=id></ul> }
}

/// Makes the children of `list`, which are the rows `before`, the rows `after`.
fn patch(list: &Element, before: Vec<Row>, after: &[Row]) {
    let focused = document().active_element();
    let inside = list.contains(focused.as_deref());
    let mut node = list.first_child();
    let mut left = Vec::new();
    for row in before {
        let Some(this) = node else { break };
        node = this.next_sibling();
        left.push((row, this));
    }
    let find = |row: &Row| left.iter().position(|(old, _)| old == row).map(|place| left.remove(place).1);
    let kept: Vec<Option<Node>> = after.iter().map(find).collect();
    let end = kept.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    for (_, gone) in left {
        let _ = list.remove_child(&gone);
    }
    let mut next = list.first_child();
    for (row, kept) in after.iter().zip(kept) {
        if kept.is_some() && kept == next {
            next = next.and_then(|node| node.next_sibling());
        } else if let Some(node) = kept.or_else(|| make(row)) {
            let _ = list.insert_before(&node, next.as_ref());
        }
    }
    let Some(focused) = focused else { return };
    if inside && document().active_element().as_ref() != Some(&focused) {
        // It was moved or made anew, which takes the focus from it; where a row is gone, the last one is nearest.
        let again = element(&focused.id()).or_else(|| first_in(list.last_element_child()));
        let options = FocusOptions::new();
        // What somebody else did must not move what is being read.
        options.set_prevent_scroll(true);
        let _ = again.map(|again| again.focus_with_options(&options));
    } else if list.has_attribute(MORE)
        && focused.matches(".more, body").is_ok_and(|idle| idle)
        // The other list's button is not what was pressed.
        && focused.parent_element().is_some_and(|around| around.contains(Some(list)))
        && let Some(first) = first_in(list.children().item(end as u32))
    {
        let _ = list.remove_attribute(MORE);
        let _ = first.focus();
    }
}

/// What takes the focus for a row: all of it, not a button that a second Enter would press.
fn first_in(item: Option<Element>) -> Option<HtmlElement> {
    item?.first_element_child()?.dyn_into().ok()
}

fn make(row: &Row) -> Option<Node> {
    let item = document().create_element("li").ok()?;
    item.set_inner_html(&row.0);
    Some(item.into())
}
