//! The parts of the page. What they show are functions of `view`; what a person does with them, `act` takes in for all.
//!
//! What changes in them is a `Signal<String>`, a `Signal<bool>` or a list of rows, and nothing else; and none of them listens by
//! itself. Each further type and each listener is code that every visitor fetches before anything is seen.

mod act;
pub mod cards;
pub mod digits;
pub mod form;
pub mod how_it_works;
pub mod rows;

use leptos::prelude::*;
use wasm_bindgen::JsCast;

pub(crate) use act::listen;
pub use cards::{Journeys, Pictures, SeenIndices, Values};
pub use digits::Digits;
pub use form::SubmitForm;
pub use how_it_works::HowItWorks;

/// The element of that id.
fn element<E: JsCast>(id: &str) -> Option<E> {
    document().get_element_by_id(id).map(JsCast::unchecked_into)
}
