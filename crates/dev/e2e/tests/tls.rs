//! Databases with verified TLS and a password, as a provider manages them, configured by environment
//! variables alone. A visitor's TLS ends at the load balancer and is not tested here.

use std::time::Duration;

use e2e::{Authority, binaries, eventually};
use stack::testing::Private;
use stack::{Port, Postgres, PostgresOptions, Process, Redis, RedisOptions, Service, http_get, is_healthy};

/// On a machine that runs other tests.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A password with everything that an address would have to escape.
const PASSWORD: &str = "p@ss/w:rd?#%";

/// Parts of it that appear in no other text, escaped or not.
const SECRETS: [&str; 2] = ["ss/w:rd", "ss%2Fw"];

/// The databases, a server and a worker.
struct TlsSystem {
    // Dropped in this order.
    server: Service,
    worker: Service,
    port: Port,
    metrics: [Port; 2],
    _redis: Redis,
    postgres: Private<Postgres>,
}

impl TlsSystem {
    /// The databases have a certificate of `authority` for `host`, and are reached as localhost. Server and
    /// worker trust `trusted`.
    fn start(authority: &Authority, host: &str, trusted: &Authority) -> Self {
        let tls = Some(authority.sign(&[host]).expect("a certificate"));
        let options = PostgresOptions { throwaway: true, tls: tls.clone(), ..Default::default() };
        let postgres = Private::start(|dir| Postgres::start(dir, options)).expect("Postgres should start");
        let dir = postgres.dir();
        let options = RedisOptions { tls, password: Some(PASSWORD.to_owned()), ..Default::default() };
        let redis = Redis::start(&dir.join("redis"), options).expect("Redis should start");
        let trust = dir.join("trusted.pem");
        std::fs::write(&trust, trusted.pem()).expect("a file");

        let [port, server, worker] = [(); 3].map(|()| Port::free().expect("a port"));
        let tls_port = redis.tls_port().expect("Redis should speak TLS").to_string();
        let with_redis = |name: &str, metrics: &Port| {
            Process::builder(name, binaries().expect("server and worker").join(name))
                .env_clear()
                .env("LISTEN_ADDR", "127.0.0.1")
                .env("METRICS_PORT", metrics.number().to_string())
                .env("REDIS_HOST", "localhost")
                .env("REDIS_PORT", &tls_port)
                .env("REDIS_PASSWORD", PASSWORD)
                .env("REDIS_TLS", "true")
                .env("RUST_LOG", "trace")
                // In place of the system's trusted certificates.
                .env("SSL_CERT_FILE", &trust)
        };
        let ready = |port: &Port| {
            let url = format!("http://127.0.0.1:{}/health/ready", port.number());
            move || is_healthy(&url)
        };
        let of_server = with_redis("server", &server)
            .env("PORT", port.number().to_string())
            .env("PGHOST", "localhost")
            .env("PGPORT", postgres.port().to_string())
            .env("PGUSER", "postgres")
            // This Postgres does not require it; it is a secret all the same.
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", "postgres")
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &trust);
        let system = Self {
            server: Service::new(of_server, TIMEOUT, ready(&port)),
            worker: Service::new(with_redis("worker", &worker), TIMEOUT, ready(&worker)),
            port,
            metrics: [server, worker],
            _redis: redis,
            postgres,
        };
        system.server.launch().expect("the server should start");
        system.worker.launch().expect("the worker should start");
        system
    }

    fn get(&self, path: &str) -> String {
        http_get(&format!("http://127.0.0.1:{}{path}", self.port.number()))
            .map_or(String::new(), |answer| answer.body)
    }

    /// Checks that no log line, at any level, and no metric contains a password.
    fn check_secrets(&self) {
        let metrics = self.metrics.each_ref().map(|port| {
            http_get(&format!("http://127.0.0.1:{}/metrics", port.number())).expect("metrics").body
        });
        let logs = [self.server.log(), self.worker.log()];
        assert!(logs.iter().any(|log| log.contains("DEBUG")), "everything should be logged");
        for text in logs.iter().chain(&metrics) {
            for secret in SECRETS {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "a secret is in the log or the metrics");
            }
        }
    }

    /// Waits until server and worker have logged `why` they do not connect, and checks that they are not
    /// ready.
    async fn wait_for_refusal(&self, why: &str) {
        eventually(&format!("both logs name {why}"), TIMEOUT, async || {
            let named = |service: &Service| service.log().contains(why);
            (named(&self.server) && named(&self.worker)).then_some(())
        })
        .await;
        let readiness = self.get("/health/ready");
        assert!(readiness.contains(r#""postgres":"down","redis":"down""#), "{readiness}");
        assert!(!self.worker.is_ready());
        self.check_secrets();
    }
}

#[tokio::test]
async fn all_connections_use_tls_with_a_trusted_certificate() {
    let authority = Authority::new("trusted").expect("an authority");
    let system = TlsSystem::start(&authority, "localhost", &authority);
    for service in [&system.server, &system.worker] {
        service.wait_ready().expect("it should become ready");
    }
    eventually("the system is ready", TIMEOUT, async || {
        system.get("/health/ready").contains(r#""status":"ready""#).then_some(())
    })
    .await;
    let encrypted = "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE application_name = 'fibonacci-server'";
    assert_eq!(system.postgres.psql("postgres", encrypted).expect("psql should answer").trim(), "t");

    let url = format!("http://127.0.0.1:{}/values", system.port.number());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let body = serde_json::json!({ "index": 10 });
    let answer = http.post(url).json(&body).send().await.expect("the server should answer");
    assert!(answer.status().is_success());
    eventually("the value is there", TIMEOUT, async || {
        system.get("/values/current").contains(r#""10":"55""#).then_some(())
    })
    .await;
    system.check_secrets();
}

#[tokio::test]
async fn a_certificate_of_an_untrusted_authority_is_refused() {
    let [untrusted, trusted] =
        ["untrusted", "trusted"].map(|name| Authority::new(name).expect("an authority"));
    let system = TlsSystem::start(&untrusted, "localhost", &trusted);
    system.wait_for_refusal("UnknownIssuer").await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new("trusted").expect("an authority");
    let system = TlsSystem::start(&authority, "elsewhere.example", &authority);
    system.wait_for_refusal("not valid for name").await;
}
