//! The page's two addresses, and going from one to the other without a reload.
//!
//! Two fixed paths need no router's weight. Whatever else is asked for is the calculator: the server answers every path
//! with the page.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`: submit and see.
    Calculator,
    /// `/how-it-works`: the system, alive.
    HowItWorks,
}

impl Route {
    /// Its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Calculator => "/",
            Self::HowItWorks => "/how-it-works",
        }
    }

    /// Which one a path is.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if path.trim_end_matches('/') == Self::HowItWorks.path() {
            Self::HowItWorks
        } else {
            Self::Calculator
        }
    }

    /// A name for the style.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Calculator => "calculator",
            Self::HowItWorks => "how-it-works",
        }
    }

    /// The one in the address bar.
    pub(crate) fn current() -> Self {
        Self::of(&window().location().pathname().unwrap_or_default())
    }
}

/// Calls `show` whenever the person goes back or forward.
pub(crate) fn follow(show: impl Fn(Route) + 'static) {
    let listener = Closure::<dyn Fn()>::new(move || show(Route::current()));
    // Cannot fail: the event's name is right.
    let _ = window().add_event_listener_with_callback("popstate", listener.as_ref().unchecked_ref());
    listener.forget();
}

/// Puts `to` into the address bar, unless it stands there; whether that could be done.
pub(crate) fn go(to: Route) -> bool {
    // Back leads to another page, not to this one again.
    Route::current() == to
        || window().history().is_ok_and(|history| {
            history.push_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(to.path())).is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_page() {
        for (path, route) in [
            ("/", Route::Calculator),
            ("/how-it-works", Route::HowItWorks),
            ("/how-it-works/", Route::HowItWorks),
            ("/how", Route::Calculator),
            ("", Route::Calculator),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
        assert_eq!(Route::of(Route::HowItWorks.path()), Route::HowItWorks);
    }
}
