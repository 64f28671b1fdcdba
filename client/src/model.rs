//! All that the page knows, in one place: the lists, one's own submissions, the system, the form, and what is being looked at.
//!
//! Plain logic, and so are the functions of `view` that turn it into words and markup: what the page shows for what it knows is
//! tested without a browser. It asks nobody and draws nothing.

use contract::SubmitResponse as Submitted;

use crate::http::Error;
use crate::journey::Journeys;
use crate::route::Route;
use crate::state::{Change, Lists, Shown, State};
use crate::system::Look;
use crate::text;
use crate::times::Times;

/// Rows of values, and of indices, shown at first, and added by each "more".
const VALUES: usize = 20;
const SEEN: usize = 40;

/// In µs: a beat is late; two are missed.
const SILENT: u64 = 12_000_000;
const DEAD: u64 = 25_000_000;

/// Whether changes arrive by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Nothing was heard yet.
    #[default]
    Connecting,
    /// Changes arrive as they happen.
    Live,
    /// They do not, for whatever stands in between; the page asks every few seconds.
    Polling,
    /// The server cannot be reached.
    Lost,
}

/// How often something passed, of what the diagram shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Requests that this page sent.
    pub sent: u32,
    /// Indices that were submitted, by anybody.
    pub seen: u32,
    /// Values that were calculated.
    pub calculated: u32,
}

/// The form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// What stands in the field.
    pub typed: String,
    /// What is wrong with what was sent, until something else is typed.
    pub refused: String,
    /// What was sent and is not answered yet.
    sending: Vec<String>,
    /// Whether the field was changed since something was sent: then what stands there is the next index.
    touched: bool,
}

impl Form {
    /// Something else stands in the field: what was wrong with the last is past.
    pub fn type_in(&mut self, typed: String) {
        self.typed = typed;
        self.refused.clear();
        self.touched = true;
    }

    /// What was sent is answered. Whether it still stands in the field; accepted, it goes from there.
    fn end_sending(&mut self, sent: &str, accepted: bool) -> bool {
        self.sending.retain(|other| other != sent);
        let stands = !self.touched && self.typed.trim() == sent;
        if stands && accepted {
            self.typed.clear();
        }
        stands
    }
}

/// The digits that are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Digits {
    /// They are being fetched.
    #[default]
    Loading,
    /// They are being calculated.
    Pending,
    /// They cannot be had, for this reason.
    Failed(String),
    /// All of them.
    Here(String),
}

impl Digits {
    /// Those that are here.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Here(digits) => digits,
            _ => "",
        }
    }
}

/// What the page knows.
#[derive(Clone, Debug)]
pub struct Model {
    /// Which of the two pages is shown.
    pub route: Route,
    /// The lists.
    pub state: State,
    /// One's own submissions on their way.
    pub journeys: Journeys,
    /// How long the newest calculations took.
    pub times: Times,
    /// Events as they pass.
    pub flow: Flow,
    /// The parts of the system.
    pub look: Look,
    /// The highest index, once the server has said it.
    pub max_index: Option<u32>,
    /// Whether changes arrive.
    pub connection: Connection,
    /// Why the last fetch of the lists failed; empty when it did not.
    pub trouble: String,
    /// Why more values, and more indices, could not be had; empty when they could.
    pub no_more: [String; 2],
    /// What a screen reader speaks.
    pub announcement: String,
    /// The form.
    pub form: Form,
    /// The index that was submitted last on this page, and how many were before it.
    pub marked: Option<(u32, u32)>,
    /// Rows of values to show.
    pub values: usize,
    /// Rows of indices to show.
    pub seen: usize,
    /// The index whose digits are open.
    pub opened: Option<u32>,
    /// They themselves.
    pub digits: Digits,
    /// How often digits were opened: what was fetched for an earlier time is not waited for any more.
    pub openings: u32,
}

impl Model {
    /// A page that knows nothing yet.
    #[must_use]
    pub fn new(route: Route) -> Self {
        Self {
            route,
            state: State::default(),
            journeys: Journeys::default(),
            times: Times::default(),
            flow: Flow::default(),
            look: Look::default(),
            max_index: None,
            connection: Connection::default(),
            trouble: String::new(),
            no_more: Default::default(),
            announcement: String::new(),
            form: Form::default(),
            marked: None,
            values: VALUES,
            seen: SEEN,
            opened: None,
            digits: Digits::default(),
            openings: 0,
        }
    }

    /// Goes to a route. What passed and lit up was on the other one: here it would all light up again.
    pub fn go(&mut self, route: Route) {
        if self.route != route {
            self.route = route;
            self.flow = Flow::default();
            self.marked = None;
        }
    }

    /// Takes in changes, each with the time when it came, that are shown together: however many pass, it is one beat, because
    /// two would be none. Whether they leave something open that only the lists say.
    pub fn apply_all(&mut self, changes: Vec<(Change, u64)>) -> bool {
        let before = self.flow;
        let mut doubts = false;
        for (change, at) in changes {
            doubts |= self.doubts(&change);
            self.apply(change, at);
        }
        let Flow { seen, calculated, .. } = &mut self.flow;
        for (count, before) in [(seen, before.seen), (calculated, before.calculated)] {
            if *count != before {
                *count = before.wrapping_add(1);
            }
        }
        doubts
    }

    /// Takes in a change that came at `at`, in µs since the Unix epoch.
    pub fn apply(&mut self, change: Change, at: u64) {
        match &change {
            Change::Seen(_) => self.flow.seen = self.flow.seen.wrapping_add(1),
            Change::Computed(value) => {
                self.flow.calculated = self.flow.calculated.wrapping_add(1);
                self.times.add(&value.hops);
                self.journeys.arrive(value, at);
            }
            Change::Failed(failed) => self.journeys.fail(|index| index == failed.index.get()),
            Change::Submitted(answer) => {
                let before = self.marked.map_or(0, |(_, count)| count);
                self.marked = Some((answer.index.get(), before.wrapping_add(1)));
            }
        }
        self.state.apply(change);
        self.announce();
    }

    /// Takes in what was fetched at `at`.
    pub fn fetched(&mut self, lists: Lists, at: u64) {
        self.trouble.clear();
        self.no_more = Default::default();
        self.state.finish_fetch(lists);
        let state = &self.state;
        self.journeys.find(|index| matches!(state.value(index), Some(Shown::Value(..))), at);
        self.journeys.fail(|index| state.value(index) == Some(&Shown::Failed));
        self.announce();
    }

    /// Takes in how the system is.
    pub fn looked(&mut self, look: Look) {
        if let Look::Api(ready) = &look {
            self.max_index = Some(ready.max_index);
        }
        self.look = look;
    }

    /// Judges `typed`, which is to be sent; whether it may be. Several may be on their way at once, the same text only once:
    /// who presses Enter twice means it once.
    pub fn begin_sending(&mut self, typed: &str) -> bool {
        self.form.refused = self.judge(typed).err().unwrap_or_default();
        if !self.form.refused.is_empty() {
            return false;
        }
        let form = &mut self.form;
        form.typed = typed.to_owned();
        form.touched = false;
        let go = form.sending.iter().all(|sent| sent != typed);
        if go {
            form.sending.push(typed.to_owned());
        }
        go
    }

    /// A request was answered at `at`; whether the field is to be emptied, because what was accepted still stands there.
    pub fn answered(
        &mut self,
        sent: &str,
        request_id: &str,
        answer: Result<Submitted, Error>,
        at: u64,
    ) -> bool {
        let stands = self.form.end_sending(sent, answer.is_ok());
        match answer {
            Ok(answer) => {
                self.journeys.answer(request_id, &answer, at);
                self.apply(Change::Submitted(answer), at);
            }
            Err(error) => {
                let why = text::sentence(&error.to_string());
                self.journeys.refuse(request_id, why.clone(), error.is_lost());
                // Beside another index, it says which one it is about.
                self.form.refused = if stands { why } else { format!("F({sent}): {why}") };
                return false;
            }
        }
        stands
    }

    /// A request is on its way since `at`.
    pub fn sent(&mut self, index: String, request_id: String, at: u64) {
        self.flow.sent = self.flow.sent.wrapping_add(1);
        self.journeys.send(index, request_id, at);
    }

    /// Opens the digits of an index.
    pub fn open(&mut self, index: u32) {
        self.opened = Some(index);
        self.digits = Digits::Loading;
        self.openings = self.openings.wrapping_add(1);
    }

    /// Closes them, and forgets them.
    pub fn close(&mut self) {
        self.opened = None;
        self.digits = Digits::Loading;
    }

    /// Shows more values; whether some have to be fetched for that.
    pub fn more_values(&mut self) -> bool {
        self.no_more[0].clear();
        self.values = self.values.min(self.state.value_count()) + VALUES;
        self.state.value_count() < self.values
    }

    /// Shows more indices; whether some have to be fetched for that.
    pub fn more_seen(&mut self) -> bool {
        self.no_more[1].clear();
        self.seen = self.seen.min(self.state.seen().len()) + SEEN;
        self.state.seen().len() < self.seen
    }

    /// What was asked for in addition, values or indices `seen`, came or did not; whether it did.
    pub fn fetched_more(&mut self, lists: Result<Lists, Error>, seen: bool) -> bool {
        match lists {
            Ok(lists) => {
                self.state.add_older(lists);
                true
            }
            Err(error) => {
                self.no_more[usize::from(seen)] = text::sentence(&error.brief());
                false
            }
        }
    }

    /// Whether a change leaves open what became of its index: what was given up is submitted again, and only the lists say
    /// whether it is tried again.
    #[must_use]
    pub fn doubts(&self, change: &Change) -> bool {
        matches!(change, Change::Seen(seen) if self.state.value(seen.index.get()) == Some(&Shown::Failed))
    }

    /// Whether a stream that is said to be live is dead, after `silence` in µs. It beats every ten seconds.
    #[must_use]
    pub fn is_dead(&self, silence: u64) -> bool {
        let away = matches!(self.look, Look::Nobody | Look::EdgeAlone);
        self.connection == Connection::Live && silence > if away { SILENT } else { DEAD }
    }

    /// Has a screen reader speak. The same words again are others to it when they end otherwise.
    pub fn say(&mut self, words: String) {
        self.announcement = if self.announcement == words { words + "\u{a0}" } else { words };
    }

    /// What is wrong with `typed`, as long as the server has not judged it.
    pub(crate) fn judge(&self, typed: &str) -> Result<u32, String> {
        // Blanks around a pasted number are nobody's intention.
        let typed = typed.trim();
        contract::Index::parse(typed, self.max_index.unwrap_or(contract::Index::LARGEST))
            .map(contract::Index::get)
            .map_err(|wrong| text::refusal(typed, &wrong))
    }

    fn announce(&mut self) {
        let mut all = String::new();
        while let Some(words) = self.state.announcement() {
            if !all.is_empty() {
                all.push_str(". ");
            }
            all.push_str(&words);
        }
        if !all.is_empty() {
            self.say(all);
        }
    }
}
