//! Data-parallel work on scoped threads, which are started for each pass over the numbers.

/// Runs `work` on each part in a thread of its own, the first part on the calling thread, and
/// returns the outcomes in order. A panic of any thread resumes on the calling thread.
pub(crate) fn map<Part: Send, Outcome: Send>(
    parts: impl IntoIterator<Item = Part>,
    work: impl Fn(Part) -> Outcome + Sync,
) -> Vec<Outcome> {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return Vec::new() };
    let work = &work;
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let mut outcomes = vec![work(first)];
        for other in others {
            outcomes.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        outcomes
    })
}

/// The length of a part when `count` items are split into at most `parts` parts of similar length.
/// Each part but the last is a multiple of `unit`.
pub(crate) fn part_len(count: usize, parts: usize, unit: usize) -> usize {
    count.div_ceil(parts).next_multiple_of(unit).max(1)
}
