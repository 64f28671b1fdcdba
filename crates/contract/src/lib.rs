//! The HTTP contract: request and response bodies, events, and the rules of an index.
//!
//! The server, the queue, the worker and the page share these types. The feature `openapi` adds
//! their schemas for the server's OpenAPI description; the page is built without it.

#![warn(missing_docs)]

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
    END_DIGITS, FIRST_PAGE_SIZE, LAST_WHOLE_INDEX, MIN_DIGITS_LIMIT, PAGE_WHOLE_DIGITS, PENDING,
    WHOLE_DIGITS, abbreviate, digit_count, is_whole, shorten,
};
