//! The api with PgBouncer in transaction mode: each transaction may run in another session, and
//! startup parameters are refused, as by RDS Proxy.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use serde_json::{Value, json};
use stack::testing::{Private, TEST_TIMEOUT};
use stack::{AppService, Port, Process, eventually, isolated};

fn server(postgres_port: u16, redis: &Private<stack::Redis>) -> AppService {
    let (port, metrics_port) = (Port::free().unwrap(), Port::free().unwrap());
    let builder =
        isolated(Process::builder("server", env!("CARGO_BIN_EXE_server")), metrics_port.number())
            .env("PORT", port.number().to_string())
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", postgres_port.to_string())
            .env("REDIS_URL", redis.url());
    AppService::new(builder, port, metrics_port)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PgBouncer 1.21 or newer, as in `cargo xtask test --docker`"]
async fn two_apis_migrate_submit_and_list_through_a_pooler() {
    let (postgres, redis) = (stack::testing::postgres().unwrap(), stack::testing::redis().unwrap());
    let pooler = stack::testing::pgbouncer(postgres.port()).unwrap();
    let servers = [server(pooler.port(), &redis), server(pooler.port(), &redis)];
    servers.iter().for_each(|server| server.launch().unwrap());
    servers.iter().for_each(|server| server.wait_ready().unwrap());

    let http = reqwest::Client::new();
    for index in 0..200 {
        let url = format!("{}/values", servers[index % 2].url());
        let response = http.post(url).json(&json!({ "index": index })).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }
    for server in &servers {
        let list = reqwest::get(format!("{}/values/all", server.url())).await.unwrap();
        assert_eq!(list.json::<Vec<Value>>().await.unwrap().len(), 200);
    }
    let has_all_indices = async || {
        (postgres.psql("postgres", "SELECT count(*) FROM indices").unwrap().trim() == "200")
            .then_some(())
    };
    eventually("`indices` has all indices", TEST_TIMEOUT, has_all_indices).await;
    for server in &servers {
        let log = server.log();
        let warnings: Vec<_> =
            log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
        assert_eq!(warnings, [""; 0]);
    }
}
