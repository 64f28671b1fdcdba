//! The HTTP contract: request and response bodies, events, and which index is valid.
//!
//! The server, the queue, the worker and the page share these types. The feature `openapi` adds
//! their schemas for the server's OpenAPI description. The page is built without this feature.

#![warn(missing_docs)]

mod events;
mod health;
mod index;
mod messages;
mod value;

pub use events::{DeadLetterEvent, Hops, SubmissionEvent, ValueEvent};
pub use health::{ComponentStatus, Readiness, ReadinessStatus};
pub use index::{Index, IndexError, MAX_SMALL_INDEX};
pub use messages::{
    IgnoredFields, IndexInput, KnownIndex, Problem, Submission, SubmissionState, SubmitRequest,
    SubmitResponse, ValueResponse,
};
pub use value::{
    END_DIGITS, FIRST_PAGE_SIZE, LAST_WHOLE_INDEX, MAX_WHOLE_DIGITS, MAX_WHOLE_DIGITS_ON_PAGE,
    MIN_DIGITS_LIMIT, PENDING, abbreviate, digit_count, is_whole, shorten,
};
