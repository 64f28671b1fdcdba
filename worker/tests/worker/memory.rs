//! What a worker takes of the machine: while it calculates, and when it has nothing to do.
//!
//! The bound while it calculates is the memory of its container. How fast it is, only the benchmark can say.

use super::*;

/// The memory of the worker's container, in kB.
const LIMIT: u64 = 128 * 1024;

/// What an idle worker has allocated at most, in kB.
const IDLE: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn with_what_it_takes_over_a_worker_calculates_no_more_at_once_than_it_has_lanes() {
    let mut stage = Stage::start().await;
    // As many lanes as its container has.
    let lanes = 2;
    stage.submit([LARGEST]).await;
    let gone = Consumer::new(stage.redis.clone(), "gone".to_owned());
    let mut connection = gone.connect(SOON).await.unwrap();
    gone.create_group(&mut connection).await.unwrap();
    let abandoned = gone.read(&mut connection, 1, SOON).await.unwrap().remove(0);
    // Given back, so that it may be taken over at once.
    gone.deregister(&[abandoned.entry]).await.unwrap();
    stage.submit(LARGEST - 5..LARGEST).await;

    let worker = stage.worker_with(&[("WORKER_THREADS", &lanes.to_string())]);
    let values = stage.values(6).await;
    assert!(worker.get("/metrics").contains(r#"jobs_total{outcome="taken_over"} 1"#));
    let busy_at = |time: u64| {
        values.iter().filter(|value| (value.hops.taken..value.hops.computed).contains(&time)).count()
    };
    let most = values.iter().map(|value| busy_at(value.hops.taken)).max().unwrap();
    assert_eq!(
        most,
        lanes,
        "calculations at once: {:?}",
        values.iter().map(|value| value.hops).collect::<Vec<_>>()
    );
    let peak = stack::memory(worker.service.pid().unwrap()).unwrap().peak;
    println!("six of the largest values by {lanes} lanes: {peak} kB at most");
    assert!(peak < LIMIT, "{peak} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gives_back_what_large_jobs_took_as_soon_as_it_is_idle() {
    let mut stage = Stage::start().await;
    let worker = stage.worker_with(&[("WORKER_THREADS", "2")]);
    // Without the program itself, which is several times as large unoptimised.
    let memory = || stack::memory(worker.service.pid().unwrap()).unwrap().anonymous;
    stage.submit(LARGEST - 8..LARGEST).await;
    stage.values(8).await;
    let busy = memory();
    let given_back = wait_until("the worker gives its memory back", SOON, || memory() < IDLE);
    println!("after eight of the largest values: {busy} kB, then {} kB", memory());
    given_back.unwrap();
    assert!(busy > IDLE, "{busy} kB: there was nothing to give back");
}
