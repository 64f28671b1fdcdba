//! What crosses HTTP, and the rules of an index.
//!
//! Server, worker and page share these types, so that a change of the contract is a change here and the
//! compiler names everyone it concerns. The crate depends on serde alone and builds for wasm.
//!
//! It deliberately does no I/O and knows no status code, no SQL and no Redis key.

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
    FIRST_DIGITS, FIRST_INDICES, LAST_WHOLE, LEAST_DIGITS, PENDING, WHOLE_DIGITS, abbreviate, digit_count,
    is_whole, shorten,
};
