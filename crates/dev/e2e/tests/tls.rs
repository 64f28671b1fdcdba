//! Databases with verified TLS and a password, as a provider manages them, configured by
//! environment variables alone. A visitor's TLS ends at the load balancer and is not tested here.

use e2e::{Authority, Site, binaries, eventually, root};
use stack::testing::{Private, TEST_TIMEOUT};
use stack::{System, SystemOptions, Variables, http_get};

/// A password with everything that an address would have to escape.
const PASSWORD: &str = "p@ss/w:rd?#%";

/// Parts of it that appear in no other text, escaped or not.
const SECRETS: [&str; 2] = ["ss/w:rd", "ss%2Fw"];

/// A system whose server and worker connect by TLS.
struct TlsSystem(Private<System>);

impl TlsSystem {
    /// The databases have a certificate of `authority` for `host`, and are reached as localhost.
    /// Server and worker trust `trusted`.
    fn prepare(authority: &Authority, host: &str, trusted: &Authority) -> Self {
        let system = Private::new(|dir| {
            let trust = dir.join("trusted.pem");
            std::fs::write(&trust, trusted.pem())?;
            let trust = trust.display().to_string();
            let own = |(name, value): (&'static str, &str)| (name, value.to_owned());
            let redis: Variables = [
                ("REDIS_HOST", "localhost"),
                ("REDIS_PASSWORD", PASSWORD),
                ("REDIS_TLS", "true"),
                ("RUST_LOG", "trace"),
                // In place of the system's trusted certificates.
                ("SSL_CERT_FILE", &trust),
            ]
            .map(own)
            .into();
            let postgres = [
                ("PGHOST", "localhost"),
                // This Postgres does not require it; it is a secret all the same.
                ("PGPASSWORD", PASSWORD),
                ("PGSSLMODE", "verify-full"),
                ("PGSSLROOTCERT", &trust),
            ];
            let options = SystemOptions {
                server_env: redis.iter().cloned().chain(postgres.map(own)).collect(),
                worker_env: redis,
                tls: Some(authority.sign(&[host])?),
                redis_password: Some(PASSWORD.to_owned()),
                ..SystemOptions::default()
            };
            System::prepare(root(), &binaries()?, dir, &options)
        });
        Self(system.expect("the system should be prepared"))
    }

    fn logs(&self) -> Vec<String> {
        self.0.binaries().map(|binary| binary.log()).collect()
    }

    /// Checks that no log line, at any level, and no metric contains a password.
    fn check_secrets(&self) {
        let metrics = self.0.binaries().map(|binary| binary.metrics().expect("metrics"));
        let logs = self.logs();
        assert!(logs.iter().any(|log| log.contains("DEBUG")), "everything should be logged");
        for text in logs.into_iter().chain(metrics) {
            for secret in SECRETS {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "a secret is in the log or the metrics");
            }
        }
    }

    /// Starts server and worker, waits until they have logged `why` they do not connect, and checks
    /// that they are not ready.
    async fn wait_for_refusal(&self, why: &str) {
        self.0.postgres.start().expect("Postgres should start");
        self.0.redis.launch().expect("Redis should start");
        self.0.binaries().for_each(|binary| binary.launch().expect("it should start"));
        eventually(&format!("both logs name {why}"), TEST_TIMEOUT, async || {
            self.logs().iter().all(|log| log.contains(why)).then_some(())
        })
        .await;
        let readiness = http_get(&format!("{}/health/ready", self.0.servers[0].url()))
            .expect("it should answer");
        let readiness = readiness.body;
        assert!(readiness.contains(r#""postgres":"down","redis":"down""#), "{readiness}");
        assert!(!self.0.workers[0].is_ready());
        self.check_secrets();
    }
}

#[tokio::test]
async fn all_connections_use_tls_with_a_trusted_certificate() {
    let authority = Authority::new("trusted").expect("an authority");
    let system = TlsSystem::prepare(&authority, "localhost", &authority);
    system.0.start(&|| false).expect("the system should become ready");
    let encrypted =
        "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE application_name = 'fibonacci-server'";
    assert_eq!(system.0.psql(encrypted).expect("psql should answer").trim(), "t");

    let site = Site::new((), system.0.edge.url());
    site.submit(10).await;
    site.wait_for_value(10, "55").await;
    system.check_secrets();
}

#[tokio::test]
async fn a_certificate_of_an_untrusted_authority_is_refused() {
    let [untrusted, trusted] =
        ["untrusted", "trusted"].map(|name| Authority::new(name).expect("an authority"));
    let system = TlsSystem::prepare(&untrusted, "localhost", &trusted);
    system.wait_for_refusal("UnknownIssuer").await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new("trusted").expect("an authority");
    let system = TlsSystem::prepare(&authority, "elsewhere.example", &authority);
    system.wait_for_refusal("not valid for name").await;
}
