//! The memory of a busy worker and of an idle one.

use super::*;

/// Bound of an idle worker's allocated memory, in kB.
const MAX_IDLE_MEMORY: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn reclaimed_jobs_do_not_add_threads_or_memory() {
    let mut queue = ApiQueue::start().await;
    // As in docker-compose.yml.
    let threads = 2;
    queue.submit([MAX_INDEX]).await;
    let stopped = Consumer::new(queue.client.clone(), "stopped".to_owned());
    let mut connection = stopped.connect(TEST_TIMEOUT).await.unwrap();
    stopped.create_groups(&mut connection).await.unwrap();
    let preference = JobClass::ALL.map(|class| (class, 1));
    let job = stopped.take(&mut connection, preference, TEST_TIMEOUT).await.unwrap().remove(0);
    // Releases the job, so that the worker can reclaim it at once.
    stopped.deregister(&[job.id]).await.unwrap();
    queue.submit(MAX_INDEX - 5..MAX_INDEX).await;

    let worker = queue.start_worker_with(&[("WORKER_THREADS", &threads.to_string())]);
    let values = queue.next_values(6).await;
    assert!(worker.get("/metrics").contains(r#"jobs_total{outcome="reclaimed"} 1"#));
    let calculations_at = |time: u64| {
        values
            .iter()
            .filter(|value| (value.hops.taken..value.hops.computed).contains(&time))
            .count()
    };
    let most = values.iter().map(|value| calculations_at(value.hops.taken)).max().unwrap();
    assert_eq!(most, threads, "calculations at the same time: {values:?}");
    let peak = stack::memory(worker.service.pid().unwrap()).unwrap().peak;
    println!("peak of six of the largest values in {threads} threads: {peak} kB");
    assert!(peak < stack::testing::memory_limit("worker") / 1024, "{peak} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_returns_the_memory_of_large_jobs() {
    let mut queue = ApiQueue::start().await;
    let worker = queue.start_worker_with(&[("WORKER_THREADS", "2")]);
    // Does not count the program itself, which is several times larger in a debug build.
    let memory = || stack::memory(worker.service.pid().unwrap()).unwrap().anonymous;
    queue.submit(MAX_INDEX - 8..MAX_INDEX).await;
    queue.next_values(8).await;
    let busy = memory();
    let returned =
        wait_until("the worker returns its memory", TEST_TIMEOUT, || memory() < MAX_IDLE_MEMORY);
    println!("after eight of the largest values: {busy} kB, then {} kB", memory());
    returned.unwrap();
    assert!(busy > MAX_IDLE_MEMORY, "{busy} kB: there was nothing to return");
}
