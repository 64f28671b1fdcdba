//! The memory of a worker that calculates, and of an idle one.

use super::*;

/// Most that an idle worker has allocated, in kB.
const IDLE_MEMORY: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn reclaimed_jobs_do_not_exceed_the_worker_threads_and_their_memory() {
    let mut stage = Stage::start().await;
    // As in its container.
    let threads = 2;
    stage.submit([LARGEST]).await;
    let gone = Consumer::new(stage.redis.clone(), "gone".to_owned());
    let mut connection = gone.connect(TEST_TIMEOUT).await.unwrap();
    gone.create_groups(&mut connection).await.unwrap();
    let abandoned = gone
        .take(&mut connection, JobClass::ALL.map(|class| (class, 1)), TEST_TIMEOUT)
        .await
        .unwrap()
        .remove(0);
    // So that it may be reclaimed at once.
    gone.deregister(&[abandoned.id]).await.unwrap();
    stage.submit(LARGEST - 5..LARGEST).await;

    let worker = stage.worker_with(&[("WORKER_THREADS", &threads.to_string())]);
    let values = stage.values(6).await;
    assert!(worker.get("/metrics").contains(r#"jobs_total{outcome="taken_over"} 1"#));
    let busy_at = |time: u64| {
        values
            .iter()
            .filter(|value| (value.hops.taken..value.hops.computed).contains(&time))
            .count()
    };
    let most = values.iter().map(|value| busy_at(value.hops.taken)).max().unwrap();
    assert_eq!(most, threads, "calculations at once: {values:?}");
    let peak = stack::memory(worker.service.pid().unwrap()).unwrap().peak;
    println!("six of the largest values by {threads} threads: {peak} kB at most");
    assert!(peak < stack::testing::memory_limit("worker") / 1024, "{peak} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_returns_the_memory_of_large_jobs() {
    let mut stage = Stage::start().await;
    let worker = stage.worker_with(&[("WORKER_THREADS", "2")]);
    // Without the program itself, which is several times as large unoptimised.
    let memory = || stack::memory(worker.service.pid().unwrap()).unwrap().anonymous;
    stage.submit(LARGEST - 8..LARGEST).await;
    stage.values(8).await;
    let busy = memory();
    let returned =
        wait_until("the worker returns its memory", TEST_TIMEOUT, || memory() < IDLE_MEMORY);
    println!("after eight of the largest values: {busy} kB, then {} kB", memory());
    returned.unwrap();
    assert!(busy > IDLE_MEMORY, "{busy} kB: there was nothing to return");
}
