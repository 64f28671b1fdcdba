//! The problem responses in the OpenAPI description. Handlers return [`crate::error::Error`] for them.
#![expect(dead_code, reason = "only their descriptions are used")]

use contract::Problem;
use utoipa::ToResponse;

/// The JSON is malformed, or the path is not UTF-8.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct Malformed(Problem);

/// This index has not been submitted.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct NeverSubmitted(Problem);

/// The body is larger than 16 KiB.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct BodyTooLarge(Problem);

/// The body is not application/json.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct NotJson(Problem);

/// Not a whole number from 0 to MAX_INDEX: `Index too high`, or `Not an index`.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct NotAnIndex(Problem);

/// A parameter is missing, malformed or out of range.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct WrongParameter(Problem);

/// Something failed inside; the log has the cause under the request's id.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct Internal(Problem);

/// Temporarily unavailable: Postgres or Redis is down, the queue is full, or too many event streams or large
/// values are open. Retry-After says when to try again.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct Unavailable(Problem);
