//! What the diagram draws, as data. Lengths are in units of the drawing's `viewBox`.

use crate::state::health::SystemPart::{self, Api, Browser, Client, Edge, Postgres, Redis, Worker};

pub(super) const VIEW_BOX: &str = "0 0 360 606";

pub(super) const BOX_WIDTH: i32 = 156;
/// A box is at least 44 pixels high on the narrowest usual phone (360 pixels).
pub(super) const BOX_HEIGHT: i32 = 66;
pub(super) const SHORT_BOX_HEIGHT: i32 = 54;

/// The box of a part.
pub(super) struct PartBox {
    pub(super) part: SystemPart,
    pub(super) label: &'static str,
    /// The upper left corner.
    pub(super) at: (i32, i32),
    pub(super) height: i32,
    /// The animated outlines of the box, one for each direction of the path: classes in style.css,
    /// which order the animations along the path.
    pub(super) pulses: &'static [&'static str],
}

const fn part_box(
    part: SystemPart,
    label: &'static str,
    at: (i32, i32),
    pulses: &'static [&'static str],
) -> PartBox {
    PartBox { part, label, at, height: BOX_HEIGHT, pulses }
}

/// The boxes of all parts but the workers.
pub(super) const BOXES: [PartBox; 6] = [
    PartBox {
        height: SHORT_BOX_HEIGHT,
        ..part_box(Browser, "your browser", (10, 2), &["pulse sent", "pulse up last"])
    },
    part_box(Edge, "edge", (10, 102), &["pulse down"]),
    part_box(Client, "client", (194, 102), &[]),
    part_box(Api, "api", (10, 198), &["pulse down", "pulse up later"]),
    part_box(Postgres, "Postgres", (194, 302), &["pulse down later"]),
    part_box(Redis, "Redis", (10, 302), &["pulse down later"]),
];

/// The frame around the boxes of the workers.
pub(super) const WORKERS: PartBox =
    PartBox { height: 172, ..part_box(Worker, "worker", (10, 424), &[]) };
pub(super) const WORKERS_WIDTH: i32 = 340;

/// The upper left corners of the boxes of workers, in the order in which they are used.
pub(super) const WORKER_BOXES: [(i32, i32); 4] = [(18, 452), (186, 452), (18, 514), (186, 514)];

/// What travels along an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArrowKind {
    Request,
    Job,
    Event,
}

impl ArrowKind {
    pub(super) const ALL: [Self; 3] = [Self::Request, Self::Job, Self::Event];

    /// Its name in the legend; style.css selects by it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Job => "job",
            Self::Event => "event",
        }
    }
}

/// An arrow between two parts.
pub(super) struct Arrow {
    pub(super) kind: ArrowKind,
    pub(super) from: SystemPart,
    pub(super) to: SystemPart,
    /// As an SVG path.
    pub(super) line: &'static str,
    /// The tip, and the direction in which it points.
    tip: (i32, i32),
    direction: Direction,
    /// As the pulses of a box.
    pub(super) pulse: &'static str,
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
    Right,
}
use ArrowKind::{Event, Job, Request};
use Direction::{Down, Right, Up};

const fn arrow(
    kind: ArrowKind,
    (from, to): (SystemPart, SystemPart),
    line: &'static str,
    direction: Direction,
    tip: (i32, i32),
    pulse: &'static str,
) -> Arrow {
    Arrow { kind, from, to, line, tip, direction, pulse }
}

/// The arrows. Responses are not drawn: each takes its request's way back.
pub(super) const ARROWS: [Arrow; 10] = [
    arrow(Request, (Browser, Edge), "M62 56V102", Down, (62, 102), "pulse sent"),
    arrow(Request, (Edge, Client), "M166 135H194", Right, (194, 135), ""),
    arrow(Request, (Edge, Api), "M62 168V198", Down, (62, 198), "pulse down"),
    arrow(Request, (Api, Postgres), "M166 238H272V302", Down, (272, 302), "pulse down later"),
    arrow(Job, (Api, Redis), "M62 264V302", Down, (62, 302), "pulse down later"),
    arrow(Job, (Redis, Worker), "M28 368V424", Down, (28, 424), "pulse up"),
    arrow(Event, (Worker, Redis), "M46 424V368", Up, (46, 368), "pulse up later"),
    arrow(Event, (Redis, Api), "M114 302V264", Up, (114, 264), "pulse up later"),
    arrow(Event, (Api, Edge), "M114 198V168", Up, (114, 168), "pulse up last"),
    arrow(Event, (Edge, Browser), "M114 102V56", Up, (114, 56), "pulse up last"),
];

impl Arrow {
    /// The head, as an SVG path.
    pub(super) fn head(&self) -> String {
        let (x, y) = self.tip;
        let sides = match self.direction {
            Up => "l5 9h-10z",
            Down => "l5-9h-10z",
            Right => "l-9-5v10z",
        };
        format!("M{x} {y}{sides}")
    }
}

/// A network, with the parts that are in it.
pub(super) struct Network {
    pub(super) name: &'static str,
    /// Its area, as an SVG path.
    pub(super) area: &'static str,
    /// Where its lines of text end.
    pub(super) label_at: (i32, i32),
    pub(super) labels: &'static [&'static str],
    pub(super) parts: &'static [SystemPart],
}

pub(super) const NETWORKS: [Network; 2] = [
    Network {
        name: "front",
        area: "M14 80H346a12 12 0 0 1 12 12V166a12 12 0 0 1-12 12H188a12 12 0 0 0-12 12V262\
            a12 12 0 0 1-12 12H14a12 12 0 0 1-12-12V92a12 12 0 0 1 12-12z",
        label_at: (350, 98),
        labels: &["network front"],
        parts: &[Edge, Client, Api],
    },
    Network {
        name: "back",
        area: "M17 188H343a12 12 0 0 1 12 12V592a12 12 0 0 1-12 12H17a12 12 0 0 1-12-12V200\
            a12 12 0 0 1 12-12z",
        label_at: (347, 208),
        labels: &["network back", "no internet access"],
        parts: &[Api, Postgres, Redis, Worker],
    },
];

/// A volume, below the box of its part.
pub(super) struct Volume {
    pub(super) label: &'static str,
    /// Its left edge.
    pub(super) x: i32,
    pub(super) width: i32,
}

pub(super) const VOLUMES: [Volume; 2] = [
    Volume { label: "volume redis", x: 58, width: 108 },
    Volume { label: "volume postgres", x: 206, width: 132 },
];

impl Volume {
    /// The outline, as an SVG path: a cylinder.
    pub(super) fn outline(&self) -> String {
        let Self { x, width, .. } = self;
        let radius = width / 2;
        format!(
            "M{x} 378v20a{radius} 6 0 0 0 {width} 0v-20a{radius} 6 0 0 0-{width} 0\
             a{radius} 6 0 0 0 {width} 0"
        )
    }
}
