//! The diagram of the system: which parts are up, in words, and whether something has just passed.
//!
//! The drawing itself is diagram.html, and the style moves it; from here come the attributes that it goes by, and the text that
//! changes. How a part is, `system` knows.

use crate::model::Model;
use crate::system::{Health, PARTS, Part};
use crate::text::{escaped, grouped};

/// The names of the parts that are up, for the style.
pub(crate) fn up(model: &Model) -> String {
    names(model, Health::Up)
}

/// And of those that are not.
pub(crate) fn down(model: &Model) -> String {
    names(model, Health::Down)
}

fn names(model: &Model, health: Health) -> String {
    joined(model, health, " ", Part::name)
}

fn joined(model: &Model, health: Health, between: &str, name: fn(Part) -> &'static str) -> String {
    let mut all = String::new();
    for part in PARTS.into_iter().filter(|part| model.look.health(*part) == health) {
        if !all.is_empty() {
            all.push_str(between);
        }
        all.push_str(name(part));
    }
    all
}

/// What each part says of itself, at its place in the diagram.
pub(crate) fn states(model: &Model) -> String {
    let text = |(part, x, y): (Part, u32, u32)| {
        let words = escaped(&model.look.words(part));
        format!(
            "<text x=\"{x}\" y=\"{y}\" data-testid=\"part\" data-part=\"{}\" class=\"part-state\">{words}</text>",
            part.name()
        )
    };
    PLACES.into_iter().map(text).collect()
}

/// The middle of each part's second line.
const PLACES: [(Part, u32, u32); 7] = [
    (Part::Browser, 180, 44),
    (Part::Edge, 180, 128),
    (Part::Client, 86, 212),
    (Part::Api, 274, 212),
    (Part::Postgres, 86, 296),
    (Part::Redis, 274, 296),
    (Part::Worker, 274, 380),
];

pub(crate) fn sent(model: &Model) -> String {
    beat(model.flow.sent)
}

pub(crate) fn seen(model: &Model) -> String {
    beat(model.flow.seen)
}

pub(crate) fn calculated(model: &Model) -> String {
    beat(model.flow.calculated)
}

/// Two names of the same movement, in turn: a change of the name begins it anew.
fn beat(count: u32) -> String {
    if count == 0 {
        "no"
    } else if count.is_multiple_of(2) {
        "even"
    } else {
        "odd"
    }
    .to_owned()
}

pub(crate) fn workers(model: &Model) -> String {
    number(model.look.ready().and_then(|ready| ready.workers))
}

pub(crate) fn queue(model: &Model) -> String {
    number(model.look.ready().and_then(|ready| ready.queue))
}

pub(crate) fn dead_letters(model: &Model) -> String {
    number(model.look.ready().and_then(|ready| ready.dead_letters))
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "–".to_owned(), grouped)
}

/// The diagram in words.
pub(crate) fn words(model: &Model) -> String {
    let of = |wanted: Health| joined(model, wanted, ", ", Part::title);
    match (of(Health::Down), of(Health::Unknown)) {
        (down, unknown) if down.is_empty() && unknown.is_empty() => "All parts answer.".to_owned(),
        (down, unknown) if down.is_empty() => format!("Not known yet: {unknown}."),
        (down, unknown) if unknown.is_empty() => format!("Away: {down}. All others answer."),
        (down, unknown) => format!("Away: {down}. Not known: {unknown}."),
    }
}
