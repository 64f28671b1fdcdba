//! What the pages are made of: each with its markup, its behaviour and what it says.

pub mod copy_button;
pub mod diagram;
pub mod digit_chart;
pub mod digits;
pub mod digits_dialog;
pub mod digits_viewer;
pub mod header;
pub mod indices;
pub mod journey;
pub mod keyed_list;
pub mod show_more;
pub mod submit_form;
pub mod time_chart;
pub mod title;
pub mod values;
pub mod warning;
