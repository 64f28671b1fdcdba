//! A Redis that answers but cannot be used: demoted, out of memory, loading, in cluster mode.

use stack::Proxy;
use stack::testing::RECOVERY_TIMEOUT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A primary and its replica behind one address.
struct ReplicatedRedis {
    primary: Private<stack::Redis>,
    replica: Private<stack::Redis>,
    proxy: Proxy,
    redis: RedisClient,
}

impl ReplicatedRedis {
    /// Starts both and connects the client to the primary.
    async fn start() -> Self {
        let (primary, replica) =
            (stack::testing::redis().unwrap(), stack::testing::redis().unwrap());
        replica.replicate(primary.port()).unwrap();
        let proxy = Proxy::to(primary.port()).unwrap();
        let redis = RedisClient::open(&format!("redis://127.0.0.1:{}", proxy.port())).unwrap();
        QueueMonitor::new(redis.clone()).stats().await.unwrap();
        Self { primary, replica, proxy, redis }
    }

    /// Swaps the roles. Open connections stay with the old primary.
    fn fail_over(&self) {
        self.replica.promote().unwrap();
        self.primary.replicate(self.replica.port()).unwrap();
        self.proxy.redirect(self.replica.port());
    }

    fn poll_health(&self) {
        tokio::spawn(self.redis.clone().poll_health());
    }
}

#[tokio::test]
async fn a_demoted_redis_is_a_wrong_node() {
    let pair = ReplicatedRedis::start().await;
    pair.fail_over();
    let stats = QueueMonitor::new(pair.redis.clone()).stats().await;
    assert!(matches!(stats, Err(QueueError::WrongNode(_))), "{stats:?}");
}

#[tokio::test]
async fn the_shared_connection_follows_a_failover() {
    let pair = ReplicatedRedis::start().await;
    pair.poll_health();
    pair.fail_over();
    let producer = Producer::new(pair.redis.clone(), 100);
    let submit = async || producer.submit([(&mut submission(10), "")]).await.ok();
    eventually("the new primary accepts a submission", RECOVERY_TIMEOUT, submit).await;
    assert_eq!(pair.replica.cli(&["XLEN", "jobs"]).unwrap(), "1");
}

#[tokio::test]
async fn a_subscription_ends_at_a_failover() {
    let pair = ReplicatedRedis::start().await;
    let mut subscription = Subscription::open(&pair.redis, Channel::Results).await.unwrap();
    pair.poll_health();
    pair.fail_over();
    assert_eq!(tokio::time::timeout(RECOVERY_TIMEOUT, subscription.next()).await.unwrap(), None);
}

#[tokio::test]
async fn a_redis_without_memory_refuses_writes() {
    let queue = TestQueue::start().await;
    queue.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(matches!(queue.monitor.stats().await, Err(QueueError::Refused(_))));
    queue.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    queue.monitor.stats().await.unwrap();
}

#[tokio::test]
async fn a_redis_whose_snapshot_failed_refuses_writes() {
    let queue = TestQueue::start().await;
    queue.command::<()>(&["CONFIG", "SET", "save", "3600 1"]).await;
    std::fs::remove_dir_all(queue.server.dir().join("redis")).unwrap();
    queue.command::<String>(&["BGSAVE"]).await;
    let refused = async || match queue.monitor.stats().await {
        Err(QueueError::Refused(error)) => error.code().map(str::to_owned),
        _ => None,
    };
    assert_eq!(eventually("it refuses writes", TEST_TIMEOUT, refused).await, "MISCONF");
}

/// The error of a call to a Redis that gives this reply to every command.
async fn error_of(reply: &'static str) -> QueueError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            while let Ok(1..) = connection.read(&mut request).await {
                // A reply for each command of a pipeline.
                let commands = request.split(|byte| *byte == b'*').count() - 1;
                connection.write_all(reply.repeat(commands).as_bytes()).await.unwrap();
                request.fill(0);
            }
        }
    });
    QueueMonitor::new(RedisClient::open(&url).unwrap()).stats().await.unwrap_err()
}

#[tokio::test]
async fn error_replies_of_a_wrong_node_are_recognized() {
    for reply in [
        "-READONLY You can't write against a read only replica.\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-MOVED 1234 127.0.0.1:6379\r\n",
        "-CLUSTERDOWN Hash slot not served\r\n",
    ] {
        assert!(matches!(error_of(reply).await, QueueError::WrongNode(_)), "{reply}");
    }
}

#[tokio::test]
async fn a_loading_redis_is_unavailable() {
    let error = error_of("-LOADING Redis is loading the dataset in memory\r\n").await;
    assert!(matches!(error, QueueError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_client_connects_once_redis_accepts_its_password() {
    let queue = TestQueue::start().await;
    queue.command::<()>(&["CONFIG", "SET", "requirepass", "old"]).await;
    let redis =
        RedisClient::open(&format!("redis://:new@127.0.0.1:{}", queue.server.port())).unwrap();
    tokio::spawn(redis.clone().poll_health());
    let monitor = QueueMonitor::new(redis);
    assert!(monitor.stats().await.is_err());
    let client =
        redis::Client::open(format!("redis://:old@127.0.0.1:{}", queue.server.port())).unwrap();
    let mut operator = client.get_multiplexed_async_connection().await.unwrap();
    let rotate = ["CONFIG", "SET", "requirepass", "new"];
    redis::Cmd::new().arg(&rotate).exec_async(&mut operator).await.unwrap();
    eventually("it is connected", TEST_TIMEOUT, async || monitor.stats().await.ok()).await;
}

#[tokio::test]
async fn until_writable_waits_while_redis_refuses_writes() {
    let queue = TestQueue::start().await;
    tokio::spawn(queue.redis.clone().poll_health());
    queue.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = async || queue.redis.until_writable().now_or_never().is_none().then_some(());
    eventually("the refusal is detected", TEST_TIMEOUT, refused).await;
    queue.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    tokio::time::timeout(TEST_TIMEOUT, queue.redis.until_writable()).await.unwrap();
}

#[tokio::test]
async fn a_redis_in_cluster_mode_is_not_supported() {
    let server = stack::testing::redis_in_cluster_mode().unwrap();
    let redis = RedisClient::open(&server.url()).unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    assert_eq!(redis.check_supported(10).await, Err(UnsupportedRedis::ClusterMode { address }));
}
