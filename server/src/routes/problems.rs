//! The error responses in the OpenAPI description. The handlers return [`crate::error::ApiError`].
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

/// The index is not a whole number from 0 to MAX_INDEX: `Index too high` or `Not an index`.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct NotAnIndex(Problem);

/// A query parameter is malformed or out of range.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct WrongParameter(Problem);

/// An internal error; the log has its cause under the request id.
#[derive(ToResponse)]
#[response(content_type = "application/problem+json")]
pub(super) struct Internal(Problem);

/// Unavailable: Postgres or Redis is down, the queue is full, too many event streams are open, too
/// many large values are being sent, the server is shutting down, or the job is a dead letter.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    headers(("retry-after" = u32, description = "Seconds, when a retry can help"))
)]
pub(super) struct Unavailable(Problem);

/// The request took longer than ten seconds; it may still have been carried out.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    headers(("retry-after" = u32, description = "Seconds"))
)]
pub(super) struct TookTooLong(Problem);
