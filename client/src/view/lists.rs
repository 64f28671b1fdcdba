//! The rows of the two lists: values, the one asked for last on top, and indices seen.
//!
//! Here a value gets its words for every state that it can be in, and a list its words for being empty. Which rows there are,
//! and in which order, is `state`'s.

use crate::http;
use crate::model::Model;
use crate::state::{Row as Seen, Shown, WHOLE};
use crate::store::Row;
use crate::text::{digits, escaped, expected_digits, grouped};

/// Digits of each end.
const END: usize = 20;

pub(crate) fn values(model: &Model) -> Vec<Row> {
    let marked = |index: u32| model.marked.filter(|(marked, _)| *marked == index).map(|(_, count)| count);
    let values = model.state.values(model.values);
    values.into_iter().map(|(index, shown)| value(index, shown, marked(index))).collect()
}

pub(crate) fn values_empty(model: &Model) -> String {
    match (model.state.loaded(), model.state.value_count()) {
        (false, 0) => loading(model),
        (true, 0) => "None yet. Submit an index above, or try one of these:",
        _ => "",
    }
    .to_owned()
}

/// Whether this is not the moment to suggest something.
pub(crate) fn no_suggestions(model: &Model) -> bool {
    !model.state.loaded() || model.state.value_count() > 0
}

fn loading(model: &Model) -> &'static str {
    if model.trouble.is_empty() { "Loading…" } else { "Not here: the server has not answered yet." }
}

/// Whether there is nothing to be said of there being none.
pub(crate) fn some_values(model: &Model) -> bool {
    values_empty(model).is_empty()
}

pub(crate) fn all_values(model: &Model) -> bool {
    model.state.value_count() <= model.values && !model.state.has_more_values()
}

/// Why what was asked for in addition did not come.
pub(crate) fn no_more_values(model: &Model) -> String {
    model.no_more[0].clone()
}

pub(crate) fn no_older(model: &Model) -> String {
    model.no_more[1].clone()
}

/// How many there are, and how many of them are awaited.
pub(crate) fn values_count(model: &Model) -> String {
    let (all, pending, known) =
        (model.state.value_count(), model.state.pending(), model.state.points().count());
    if all == 0 {
        return String::new();
    }
    let newest = if model.state.has_more_values() {
        format!("newest {}: ", grouped(all as u64))
    } else {
        String::new()
    };
    let mut words = format!("{newest}{} known", grouped(known as u64));
    for (count, what) in [(pending, "pending"), (all - pending - known, "given up")] {
        if count > 0 {
            words += &format!(", {} {what}", grouped(count as u64));
        }
    }
    words
}

pub(crate) fn seen(model: &Model) -> Vec<Row> {
    model.state.seen().iter().take(model.seen).map(chip).collect()
}

pub(crate) fn seen_empty(model: &Model) -> String {
    match (model.state.loaded(), model.state.seen().len()) {
        (false, 0) => loading(model),
        (true, 0) => "None yet.",
        _ => "",
    }
    .to_owned()
}

pub(crate) fn some_seen(model: &Model) -> bool {
    seen_empty(model).is_empty()
}

pub(crate) fn all_seen(model: &Model) -> bool {
    model.state.older().is_none() && model.state.seen().len() <= model.seen
}

/// What can have the focus has an id, by which `components::rows` finds it again.
///
/// `marked` counts this page's submissions: a row that is asked for again is another row, and lights up anew.
fn value(index: u32, shown: Shown, marked: Option<u32>) -> Row {
    let marked = marked.map_or(String::new(), |count| format!(" data-marked=\"{count}\""));
    let row = |state: &str, caption: &str, number: &str, about: &str| {
        Row(format!(
            "<div id=\"row-{index}\" class=\"row\" tabindex=\"-1\" data-index=\"{index}\" data-state=\"{state}\"{marked}>\
             <p class=\"value\" data-testid=\"value\"><span class=\"caption\">For index {}{caption} </span>\
             <span class=\"number\">{number}</span></p><p class=\"about\">{about}</p></div>",
            grouped(index)
        ))
    };
    let count = |words: &str| format!("<span class=\"count\" data-testid=\"digit-count\">{words}</span>");
    let (value, length) = match shown {
        Shown::Pending => {
            let about = count(&format!("{} to come", digits(expected_digits(index))));
            return row("pending", ":", contract::PENDING, &about);
        }
        Shown::Failed => {
            let about = count("It waits for an operator.");
            return row("failed", ":", "Gave up after several attempts.", &about);
        }
        Shown::Value(value, length) => (value, length),
    };
    let name = format!("F({})", grouped(index));
    let mut about = count(&digits(length));
    about += &format!(
        "<button id=\"copy-{index}\" type=\"button\" class=\"plain\" data-act=\"copy\" data-index=\"{index}\" data-testid=\"copy\" \
         aria-label=\"Copy {name}\">Copy</button>"
    );
    if length > WHOLE {
        about += &format!(
            "<button id=\"open-{index}\" type=\"button\" class=\"plain\" data-act=\"open\" data-index=\"{index}\" \
             data-testid=\"show-all\" aria-label=\"Show all digits of {name}\">Show all</button>\
             <a id=\"download-{index}\" class=\"plain\" href=\"{}\" download=\"fibonacci-{index}.txt\" data-testid=\"download\" \
             aria-label=\"Download {name}\">Download</a>",
            http::digits_path(index)
        );
    }
    row("done", " I calculated", &escaped(&ends(value)), &about)
}

/// A long value by its ends.
pub(crate) fn ends(value: String) -> String {
    if !contract::is_whole(&value) {
        // The server's own, with the number of digits in brackets, which is said below.
        return value.split('(').next().map(|ends| ends.trim_end().to_owned()).unwrap_or_default();
    }
    match (value.get(..END), value.get(value.len().saturating_sub(END)..)) {
        (Some(first), Some(last)) if value.len() > WHOLE => format!("{first}…{last}"),
        _ => value,
    }
}

fn chip(seen: &Seen) -> Row {
    let Seen { index, count, at_least, .. } = *seen;
    let times = match (count, at_least) {
        (1, false) => String::new(),
        (count, at_least) => {
            format!("×{}{}", grouped(count.unsigned_abs()), if at_least { "+" } else { "" })
        }
    };
    // What is seen comes first: who speaks to a computer says it.
    let unit = if count == 1 { "time" } else { "times" };
    Row(format!(
        "<div id=\"seen-{index}\" tabindex=\"-1\"><button id=\"chip-{index}\" type=\"button\" class=\"chip\" \
         data-act=\"open\" data-index=\"{index}\" aria-label=\"{name}{times}, index submitted {} {unit}: show its digits\">\
         <span data-testid=\"seen-index\">{name}</span><span class=\"times\" data-testid=\"seen-times\">{times}</span>\
         </button></div>",
        grouped(count.unsigned_abs()),
        name = grouped(index)
    ))
}
