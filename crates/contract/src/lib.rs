//! The HTTP contract: bodies, events, and the rules of an index.
//!
//! Server, worker and page share these types. With the feature `openapi` they have schemas for the
//! server's OpenAPI description; the page is built without it.

mod events;
mod health;
mod index;
mod messages;
mod value;

pub use events::{DeadLetterEvent, Hops, SubmissionEvent, ValueEvent};
pub use health::{ComponentStatus, Readiness, ReadinessStatus};
pub use index::{Index, IndexError};
pub use messages::{
    IgnoredFields, IndexInput, KnownIndex, Problem, Submission, SubmissionState, SubmitRequest,
    SubmitResponse, ValueResponse,
};
pub use value::{
    END_DIGITS, FIRST_DIGITS, FIRST_INDICES, LAST_WHOLE, LEAST_DIGITS, PENDING, WHOLE_DIGITS,
    abbreviate, digit_count, is_whole, shorten,
};
