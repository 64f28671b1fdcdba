//! The URL of Redis.

use super::*;

#[tokio::test]
async fn an_invalid_url_is_a_configuration_error() {
    for url in ["", "localhost", "http://localhost", "redis://localhost:port"] {
        assert!(matches!(RedisClient::open(url), Err(QueueError::InvalidUrl(_))), "{url:?}");
    }
}
