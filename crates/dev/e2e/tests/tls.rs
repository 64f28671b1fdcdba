//! Managed databases: TLS that is verified, a password, and nothing but variables of the environment to ask for it.
//!
//! A visitor's TLS ends before the edge, at the load balancer, and is not tested here.

use std::time::Duration;

use e2e::{Authority, binary, eventually};
use stack::testing::Private;
use stack::{Port, Postgres, PostgresOptions, Process, Redis, RedisOptions, Service, answers, http_get};

/// For what takes a moment on a machine that runs other tests.
const BOUND: Duration = Duration::from_secs(30);

/// A password with everything that an address would have to escape.
const PASSWORD: &str = "p@ss/w:rd?#%";

/// What of it stands in no other word, escaped or not.
const SECRET: [&str; 2] = ["ss/w:rd", "ss%2Fw"];

/// The databases as a provider runs them, with server and worker beside them.
struct Managed {
    // Dropped in this order.
    server: Service,
    worker: Service,
    port: Port,
    metrics: [Port; 2],
    _redis: Redis,
    postgres: Private<Postgres>,
}

impl Managed {
    /// The databases have a certificate for `host`; they are reached as localhost, and `trusted` is who is believed.
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
            Process::builder(name, binary(name).expect("cargo build -p server -p worker"))
                .env("LISTEN_ADDR", "127.0.0.1")
                .env("METRICS_PORT", metrics.number().to_string())
                .env("REDIS_HOST", "localhost")
                .env("REDIS_PORT", &tls_port)
                .env("REDIS_PASSWORD", PASSWORD)
                .env("REDIS_TLS", "true")
                .env("RUST_LOG", "trace")
                // Where a program finds the certificates that its system trusts.
                .env("SSL_CERT_FILE", &trust)
                .env_remove("REDIS_URL")
                .env_remove("DATABASE_URL")
        };
        let ready = |port: &Port| {
            let url = format!("http://127.0.0.1:{}/health/ready", port.number());
            move || answers(&url)
        };
        let of_server = with_redis("server", &server)
            .env("PORT", port.number().to_string())
            .env("PGHOST", "localhost")
            .env("PGPORT", postgres.port().to_string())
            .env("PGUSER", "postgres")
            // Not asked for by this Postgres; still a secret.
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", "postgres")
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &trust);
        let managed = Self {
            server: Service::new(of_server, BOUND, ready(&port)),
            worker: Service::new(with_redis("worker", &worker), BOUND, ready(&worker)),
            port,
            metrics: [server, worker],
            _redis: redis,
            postgres,
        };
        managed.server.launch().expect("the server should start");
        managed.worker.launch().expect("the worker should start");
        managed
    }

    fn get(&self, path: &str) -> String {
        http_get(&format!("http://127.0.0.1:{}{path}", self.port.number()))
            .map_or(String::new(), |answer| answer.body)
    }

    /// However much is logged, and whatever the operator asks: no password is told.
    fn tells_no_secret(&self) {
        let metrics = self.metrics.each_ref().map(|port| {
            http_get(&format!("http://127.0.0.1:{}/metrics", port.number())).expect("metrics").body
        });
        let logs = [self.server.log(), self.worker.log()];
        assert!(logs.iter().any(|log| log.contains("DEBUG")), "everything should be logged");
        for text in logs.iter().chain(&metrics) {
            for secret in SECRET {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "a secret is told");
            }
        }
    }

    /// Waits until server and worker have said why they do not connect; they must not be connected then.
    async fn is_refused(&self, why: &str) {
        eventually(&format!("both logs name {why}"), BOUND, async || {
            let named = |service: &Service| service.log().contains(why);
            (named(&self.server) && named(&self.worker)).then_some(())
        })
        .await;
        let readiness = self.get("/health/ready");
        assert!(readiness.contains(r#""postgres":"down","redis":"down""#), "{readiness}");
        assert!(!self.worker.is_ready());
        self.tells_no_secret();
    }
}

#[tokio::test]
async fn with_a_trusted_certificate_everything_goes_through_tls() {
    let authority = Authority::new("trusted").expect("an authority");
    let managed = Managed::start(&authority, "localhost", &authority);
    for service in [&managed.server, &managed.worker] {
        service.wait_ready().expect("it should become ready");
    }
    eventually("the worker is seen", BOUND, async || {
        managed.get("/health/ready").contains(r#""status":"ready""#).then_some(())
    })
    .await;
    let encrypted = "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE application_name = 'fibonacci-server'";
    assert_eq!(managed.postgres.psql("postgres", encrypted).expect("psql should answer").trim(), "t");

    let url = format!("http://127.0.0.1:{}/values", managed.port.number());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let body = serde_json::json!({ "index": 10 });
    let answer = http.post(url).json(&body).send().await.expect("the server should answer");
    assert!(answer.status().is_success());
    eventually("the value is there", BOUND, async || {
        managed.get("/values/current").contains(r#""10":"55""#).then_some(())
    })
    .await;
    managed.tells_no_secret();
}

#[tokio::test]
async fn a_certificate_that_nobody_trusted_signed_is_refused() {
    let [somebody, trusted] = ["somebody", "trusted"].map(|name| Authority::new(name).expect("an authority"));
    let managed = Managed::start(&somebody, "localhost", &trusted);
    managed.is_refused("UnknownIssuer").await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new("trusted").expect("an authority");
    let managed = Managed::start(&authority, "elsewhere.example", &authority);
    managed.is_refused("not valid for name").await;
}
