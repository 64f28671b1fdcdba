//! Decides which traces are sent.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

/// In the context of a parent in another process: that process is one of ours.
#[derive(Debug)]
pub(super) struct FollowParent;

/// Follows the decision of a parent in this process or in another service of ours. All other traces
/// are sent by chance. `TraceIdRatioBased` would let a client choose a trace id that is always
/// sent.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    fraction: f64,
}

impl Sampler {
    /// Sends this fraction of the traces, from 0 to 1.
    pub(super) fn new(fraction: f64) -> Self {
        Self { fraction }
    }
}

impl ShouldSample for Sampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.filter(|context| context.span().span_context().is_valid());
        let followed = parent.filter(|context| {
            let is_local = !context.span().span_context().is_remote();
            is_local || context.get::<FollowParent>().is_some()
        });
        let is_sampled = followed.map_or_else(
            || fastrand::f64() < self.fraction,
            |context| context.span().span_context().is_sampled(),
        );
        SamplingResult {
            decision: match is_sampled {
                true => SamplingDecision::RecordAndSample,
                false => SamplingDecision::Drop,
            },
            attributes: Vec::new(),
            trace_state: parent
                .map(|context| context.span().span_context().trace_state().clone())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};

    use super::*;

    fn parent(flags: TraceFlags, is_remote: bool) -> Context {
        let (trace, span) = (TraceId::from(1), SpanId::from(1));
        let span = SpanContext::new(trace, span, flags, is_remote, TraceState::default());
        Context::new().with_remote_span_context(span)
    }

    fn is_sampled(fraction: f64, parent: &Context) -> bool {
        let sampler = Sampler::new(fraction);
        let kind = SpanKind::Internal;
        let result = sampler.should_sample(Some(parent), TraceId::from(1), "", &kind, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_client_decides_neither_that_its_trace_is_sent_nor_that_it_is_not() {
        for flags in [TraceFlags::SAMPLED, TraceFlags::NOT_SAMPLED] {
            assert!(!is_sampled(0.0, &parent(flags, true)));
            assert!(is_sampled(1.0, &parent(flags, true)));
        }
    }

    #[test]
    fn spans_follow_their_parent_in_this_process_or_another_of_ours() {
        let ours = |flags| [parent(flags, false), parent(flags, true).with_value(FollowParent)];
        for (sampled, unsampled) in
            ours(TraceFlags::SAMPLED).iter().zip(&ours(TraceFlags::NOT_SAMPLED))
        {
            assert!(is_sampled(0.0, sampled));
            assert!(!is_sampled(1.0, unsampled));
        }
    }

    #[test]
    fn traces_without_a_parent_are_sent_by_the_fraction() {
        let sampled = (0..10_000).filter(|_| is_sampled(0.1, &Context::new())).count();
        assert!((700..1_300).contains(&sampled), "{sampled}");
    }
}
