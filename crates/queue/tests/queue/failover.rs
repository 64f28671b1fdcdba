//! A Redis that is there and does not take writes: demoted, full, in cluster mode.

use stack::Proxy;

use super::*;

/// A primary and its replica behind one address.
struct Pair {
    primary: Private<stack::Redis>,
    replica: Private<stack::Redis>,
    proxy: Proxy,
    redis: RedisClient,
}

impl Pair {
    /// Both, with the client's connection to the primary made.
    async fn start() -> Self {
        let (primary, replica) = (stack::testing::redis().unwrap(), stack::testing::redis().unwrap());
        replica.replicate(Some(primary.port())).unwrap();
        let proxy = Proxy::to(primary.port()).unwrap();
        let redis = RedisClient::open(&format!("redis://127.0.0.1:{}", proxy.port())).unwrap();
        QueueMonitor::new(redis.clone()).stats().await.unwrap();
        Self { primary, replica, proxy, redis }
    }

    /// Swaps their roles. Connections that are open stay with the old primary.
    fn fail_over(&self) {
        self.replica.replicate(None).unwrap();
        self.primary.replicate(Some(self.replica.port())).unwrap();
        self.proxy.redirect(self.replica.port());
    }

    fn watch(&self) {
        let redis = self.redis.clone();
        tokio::spawn(async move { redis.watch().await });
    }
}

#[tokio::test]
async fn a_demoted_redis_is_not_up() {
    let pair = Pair::start().await;
    pair.fail_over();
    let stats = QueueMonitor::new(pair.redis.clone()).stats().await;
    assert!(matches!(stats, Err(QueueError::WrongNode(_))), "{stats:?}");
}

#[tokio::test]
async fn the_shared_connection_follows_a_failover() {
    let pair = Pair::start().await;
    pair.watch();
    pair.fail_over();
    let producer = Producer::new(pair.redis.clone(), 100);
    let submit = async || producer.submit([&mut submission(10)], true).await.ok();
    eventually("the new primary takes a submission", TEST_TIMEOUT, submit).await;
    assert_eq!(pair.replica.cli(&["XLEN", "jobs"]).unwrap(), "1");
}

#[tokio::test]
async fn a_subscription_ends_at_a_failover() {
    let pair = Pair::start().await;
    let mut subscription = Subscription::open(&pair.redis, Channel::Results).await.unwrap();
    pair.watch();
    pair.fail_over();
    assert_eq!(tokio::time::timeout(TEST_TIMEOUT, subscription.next()).await.unwrap(), None);
}

#[tokio::test]
async fn a_full_redis_is_not_up_until_it_has_memory() {
    let queue = TestQueue::start().await;
    queue.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(matches!(queue.monitor.stats().await, Err(QueueError::Refused(_))));
    queue.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    queue.monitor.stats().await.unwrap();
}

#[tokio::test]
async fn whether_redis_accepts_writes_is_known_within_seconds() {
    let queue = TestQueue::start().await;
    let redis = queue.redis.clone();
    tokio::spawn(async move { redis.watch().await });
    queue.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = async || queue.redis.until_writable().now_or_never().is_none().then_some(());
    eventually("the refusal is known", TEST_TIMEOUT, refused).await;
    queue.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    tokio::time::timeout(TEST_TIMEOUT, queue.redis.until_writable()).await.unwrap();
}

#[tokio::test]
async fn a_redis_in_cluster_mode_does_not_suit() {
    let server = stack::testing::redis_in_cluster_mode().unwrap();
    let redis = RedisClient::open(&server.url()).unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    assert_eq!(redis.check_suitable(10).await, Err(UnsuitableRedis::ClusterMode { address }));
}
