//! The two pictures, and in words what they show.
//!
//! The words are the pictures' descriptions for who does not see them, and a caption for everybody else. How they are drawn is
//! `picture`'s.

use crate::model::Model;
use crate::picture;
use crate::text::{self, grouped};

/// Highest index of the plot until the server has said its own.
const USUAL: u32 = 10_000_000;

pub(crate) fn plot(model: &Model) -> String {
    picture::digits(model.state.points(), model.max_index.unwrap_or(USUAL))
}

pub(crate) fn plot_words(model: &Model) -> String {
    let largest = model.state.points().last().map_or_else(
        || "Each calculated one becomes a point.".to_owned(),
        |(index, digits)| format!("Largest here: F({}), {}.", grouped(index), text::digits(digits)),
    );
    format!("F(n) has about n ÷ 4.785 digits. {largest}")
}

pub(crate) fn strip(model: &Model) -> String {
    picture::times(&model.times)
}

pub(crate) fn strip_words(model: &Model) -> String {
    let Some((median, longest)) = model.times.typical() else {
        return "Nothing was calculated since this page was opened.".to_owned();
    };
    let (count, median, longest) = (model.times.iter().len(), text::time(median), text::time(longest));
    format!("The last {count}: median {median}, longest {longest}, from request to stored value.")
}
