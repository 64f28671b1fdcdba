//! What the page says and shows, each a function of what it knows: words, or the markup of a list's row or of a picture.
//!
//! Markup is text here, not a tree of typed elements, because each of those is compiled code that every visitor fetches, and
//! because text is tested without a browser. Whatever comes from elsewhere goes through `text::escaped`. Buttons in it
//! carry `data-act` and `data-index`; `components::act` does what they say.

pub(crate) mod journeys;
pub(crate) mod lists;
pub(crate) mod pictures;
pub(crate) mod system;

use crate::http;
use crate::model::{Connection, Digits, Model};
use crate::route::Route;
use crate::text::{digits, expected_digits, grouped};

const NAME: &str = "Fibonacci calculator";

/// The window's title: what is pending comes first, where a narrow tab still shows it.
pub(crate) fn title(model: &Model) -> String {
    let page = match model.route {
        Route::Calculator => NAME.to_owned(),
        Route::HowItWorks => format!("How it works – {NAME}"),
    };
    match (model.state.pending(), model.state.pending_first()) {
        (0, _) => page,
        (1, Some(index)) => format!("F({}) pending – {page}", grouped(index)),
        (pending, _) => format!("{} pending – {page}", grouped(pending as u64)),
    }
}

/// `calculator` or `how-it-works`.
pub(crate) fn route(model: &Model) -> String {
    model.route.name().to_owned()
}

pub(crate) fn calculator_link(model: &Model) -> String {
    current(model, Route::Calculator)
}

pub(crate) fn how_link(model: &Model) -> String {
    current(model, Route::HowItWorks)
}

fn current(model: &Model, route: Route) -> String {
    if model.route == route { "page" } else { "false" }.to_owned()
}

pub(crate) fn heading(model: &Model) -> String {
    match model.route {
        Route::Calculator => "Any Fibonacci number, to the last digit",
        Route::HowItWorks => "How it works",
    }
    .to_owned()
}

pub(crate) fn lead(model: &Model) -> String {
    match model.route {
        Route::Calculator => "Submit an index: its number appears here, and in every other open browser.",
        Route::HowItWorks => "Six kinds of containers and your browser. Submit an index, and watch it pass.",
    }
    .to_owned()
}

/// For the style: how the connection is.
pub(crate) fn connection(model: &Model) -> String {
    match model.connection {
        Connection::Connecting => "connecting",
        Connection::Live => "live",
        Connection::Polling => "polling",
        Connection::Lost => "lost",
    }
    .to_owned()
}

/// In one or two words, for which there is always room.
pub(crate) fn connection_words(model: &Model) -> String {
    match model.connection {
        Connection::Connecting => "Connecting…",
        Connection::Live => "Live",
        Connection::Polling => "No live updates",
        Connection::Lost => "Connection lost",
    }
    .to_owned()
}

/// What there is to add.
pub(crate) fn connection_detail(model: &Model) -> String {
    match model.connection {
        Connection::Connecting | Connection::Live => "",
        Connection::Polling => ", asking every 2 s",
        Connection::Lost => ", reconnecting…",
    }
    .to_owned()
}

/// Why what is shown may be old, or why values will not come.
pub(crate) fn trouble(model: &Model) -> String {
    let why = match model.connection {
        _ if !model.trouble.is_empty() => &model.trouble,
        Connection::Lost => "The connection was lost.",
        _ => return model.look.warning().unwrap_or_default(),
    };
    let stale = if model.state.loaded() { "What you see may be out of date. " } else { "" };
    format!("{stale}{why} Trying again…")
}

pub(crate) fn calm(model: &Model) -> bool {
    trouble(model).is_empty()
}

/// What is wrong with what was typed. Nothing is wrong with a field that is only empty, until it is sent.
pub(crate) fn error(model: &Model) -> String {
    let form = &model.form;
    if form.refused.is_empty() && !form.typed.trim().is_empty() {
        return model.judge(&form.typed).err().unwrap_or_default();
    }
    form.refused.clone()
}

pub(crate) fn invalid(model: &Model) -> String {
    (!error(model).is_empty()).to_string()
}

/// What may be typed, or what to expect of what was.
pub(crate) fn hint(model: &Model) -> String {
    // What is wrong also says what would be right.
    if !error(model).is_empty() {
        return String::new();
    }
    if let Ok(index) = model.judge(&model.form.typed) {
        return format!("F({}) has {}. Enter calculates it.", grouped(index), digits(expected_digits(index)));
    }
    match model.max_index {
        Some(max) => format!("Whole numbers from 0 to {}.", grouped(max)),
        None => "Whole numbers: 0, 1, 2, …".to_owned(),
    }
}

pub(crate) fn announcement(model: &Model) -> String {
    model.announcement.clone()
}

pub(crate) fn not_calculator(model: &Model) -> bool {
    model.route != Route::Calculator
}

pub(crate) fn not_how(model: &Model) -> bool {
    model.route != Route::HowItWorks
}

/// The name of the digits that are open.
pub(crate) fn opened(model: &Model) -> String {
    model.opened.map_or(String::new(), |index| format!("F({})", grouped(index)))
}

/// How many they are, or why they are not here.
pub(crate) fn opened_words(model: &Model) -> String {
    match &model.digits {
        Digits::Loading => "Loading…".to_owned(),
        Digits::Pending => "It is being calculated…".to_owned(),
        Digits::Failed(why) => why.clone(),
        Digits::Here(all) => digits(all.len()),
    }
}

/// What can be done with them.
pub(crate) fn opened_tools(model: &Model) -> String {
    let tools = |index: u32| {
        format!(
            "<button type=\"button\" class=\"plain\" data-act=\"copy\" data-index=\"{index}\" \
             data-testid=\"copy-all\">Copy</button><a class=\"plain\" href=\"{}\" \
             download=\"fibonacci-{index}.txt\" data-testid=\"download-all\">Download</a>",
            http::digits_path(index)
        )
    };
    if matches!(model.digits, Digits::Failed(_)) {
        return "<button type=\"button\" class=\"plain\" data-act=\"again\" data-testid=\"again\">Try again</button>"
            .to_owned();
    }
    // Before they are here, what would be kept as a file is the words that say so.
    model.opened.filter(|_| !model.digits.text().is_empty()).map_or(String::new(), tools)
}

#[cfg(test)]
mod tests;
