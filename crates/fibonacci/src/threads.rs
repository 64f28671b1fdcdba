//! Work on parts that do not touch each other, on as many threads as there are parts.
//!
//! Threads live as long as one pass over the numbers; there is no pool. How many there are is the caller's choice.

/// The results of `work` on each part, in order. The first part is done by the calling thread.
pub(crate) fn each<Part: Send, Outcome: Send>(
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

/// Where to cut `count` things into at most `parts` of about the same size, each but the last a multiple of `unit`.
pub(crate) fn part_len(count: usize, parts: usize, unit: usize) -> usize {
    count.div_ceil(parts).next_multiple_of(unit).max(1)
}
