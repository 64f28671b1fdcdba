//! What the pages are made of: each with its markup, its behaviour and what it says.
//!
//! Text that changes is a `Signal<String>`, not a closure in the view: all of them share one
//! compiled view, while each closure has its own. The compressed program is 225.6 kB this way, and
//! was 229.5 kB.
//!
//! Links are `<a>` where they are never to the page that is open: the router follows them all the
//! same, and each `<A>` tracks the address.

pub(crate) mod chart_link;
pub(crate) mod copy_button;
pub(crate) mod deferred;
pub(crate) mod diagram;
pub(crate) mod digit_chart;
pub(crate) mod digits;
pub(crate) mod digits_dialog;
pub(crate) mod digits_viewer;
pub(crate) mod header;
pub(crate) mod indices;
pub(crate) mod journey;
pub(crate) mod long_list;
pub(crate) mod submit_form;
pub(crate) mod time_chart;
pub(crate) mod title;
pub(crate) mod values;
