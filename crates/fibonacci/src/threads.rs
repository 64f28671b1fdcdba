//! Data-parallel work on scoped threads, which live for one pass over the numbers; there is no
//! pool.

/// Runs `work` on each part, on a thread per part, and returns the results in order. The first part
/// runs on the calling thread. A panic in any of them is resumed on the calling thread.
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

/// The length of a part when `count` items are split into at most `parts` of about the same size,
/// each but the last a multiple of `unit`.
pub(crate) fn part_len(count: usize, parts: usize, unit: usize) -> usize {
    count.div_ceil(parts).next_multiple_of(unit).max(1)
}
