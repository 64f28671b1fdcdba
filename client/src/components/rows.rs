//! A list whose rows come and go. A row that has not changed stays in the document as it is, with the focus that may be in it.
//!
//! Leptos' `For` does this for rows of any view; rows that are markup need a small part of it.

use leptos::prelude::*;
use web_sys::{Element, Node};

use super::element;
use crate::model::Model;
use crate::store::{Row, Store};

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
    let mut node = list.first_child();
    let mut left = Vec::new();
    for row in before {
        let Some(this) = node else { break };
        node = this.next_sibling();
        left.push((row, this));
    }
    let find = |row: &Row| left.iter().position(|(old, _)| old == row).map(|place| left.remove(place).1);
    let kept: Vec<Option<Node>> = after.iter().map(find).collect();
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
}

fn make(row: &Row) -> Option<Node> {
    let item = document().create_element("li").ok()?;
    item.set_inner_html(&row.0);
    Some(item.into())
}
