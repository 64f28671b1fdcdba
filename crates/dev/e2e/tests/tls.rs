//! Connections to managed databases: TLS with verified certificates, and passwords, configured by
//! environment variables alone. HTTPS of visitors ends at the load balancer, which is not part of
//! this repository.

use e2e::{Authority, Site, binaries_dir, eventually, root};
use stack::testing::{Private, TEST_TIMEOUT};
use stack::{System, SystemOptions, Variables, http_get};

/// A password with characters that a URL must escape.
const PASSWORD: &str = "p@ss/w:rd?#%";

/// Parts of the password, plain and escaped, that occur in no other text.
const SECRETS: [&str; 2] = ["ss/w:rd", "ss%2Fw"];

/// A system whose server and worker connect to the databases by TLS.
struct TlsSystem {
    system: Private<System>,
}

impl TlsSystem {
    /// `authority` signs the databases' certificate for `host`; server and worker connect to
    /// localhost and trust only `trusted`.
    fn prepare(authority: &Authority, host: &str, trusted: &Authority) -> Self {
        let system = Private::new(|dir| {
            let trusted_path = dir.join("trusted.pem");
            // The certificates of RDS in the server's image must not keep it from connecting.
            let of_rds = std::fs::read_to_string(root().join("server/rds-ca.pem"))?;
            std::fs::write(&trusted_path, of_rds + trusted.pem())?;
            let trusted_path = trusted_path.display().to_string();
            let to_variable = |(name, value): (&'static str, &str)| (name, value.to_owned());
            let redis: Variables = [
                ("REDIS_HOST", "localhost"),
                ("REDIS_PASSWORD", PASSWORD),
                ("REDIS_TLS", "true"),
                ("RUST_LOG", "trace"),
                // Replaces the system's trusted certificates.
                ("SSL_CERT_FILE", &trusted_path),
            ]
            .map(to_variable)
            .into();
            let postgres = [
                ("PGHOST", "localhost"),
                // This Postgres accepts any password, but it must not be logged either.
                ("PGPASSWORD", PASSWORD),
                ("PGSSLMODE", "verify-full"),
                ("PGSSLROOTCERT", &trusted_path),
            ];
            let options = SystemOptions {
                server_env: redis.iter().cloned().chain(postgres.map(to_variable)).collect(),
                worker_env: redis,
                tls: Some(authority.sign(&[host])?),
                redis_password: Some(PASSWORD.to_owned()),
                ..SystemOptions::default()
            };
            System::prepare(root(), &binaries_dir()?, dir, &options)
        });
        Self { system: system.expect("the system should be prepared") }
    }

    fn logs(&self) -> Vec<String> {
        self.system.app_services().map(|service| service.log()).collect()
    }

    /// Checks that no log line of any level and no metric contains the password.
    fn check_that_no_output_has_the_password(&self) {
        let metrics = self.system.app_services().map(|service| service.metrics().expect("metrics"));
        let logs = self.logs();
        assert!(logs.iter().any(|log| log.contains("DEBUG")), "all levels should be logged");
        for text in logs.into_iter().chain(metrics) {
            for secret in SECRETS {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "the password is in a log or a metric");
            }
        }
    }

    /// Starts the databases, the server and the worker, waits until both log `reason` for a failed
    /// connection, and checks that they are not ready.
    async fn check_failed_connections(&self, reason: &str) {
        self.system.postgres.start().expect("Postgres should start");
        self.system.redis.launch().expect("Redis should start");
        self.system.app_services().for_each(|service| service.launch().expect("it should start"));
        eventually(&format!("both logs have {reason}"), TEST_TIMEOUT, async || {
            self.logs().iter().all(|log| log.contains(reason)).then_some(())
        })
        .await;
        let readiness = http_get(&format!("{}/health/ready", self.system.servers[0].url()))
            .expect("the server should respond")
            .body;
        assert!(readiness.contains(r#""postgres":"down","redis":"down""#), "{readiness}");
        assert!(!self.system.workers[0].is_ready());
        self.check_that_no_output_has_the_password();
    }
}

#[tokio::test]
async fn all_connections_use_tls_with_a_trusted_certificate() {
    let authority = Authority::new("trusted").expect("an authority");
    let tls = TlsSystem::prepare(&authority, "localhost", &authority);
    let system = &tls.system;
    system.start(&|| false).expect("the system should become ready");
    let are_encrypted = "SELECT count(*) > 0 AND bool_and(ssl)
        FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'fibonacci-server'";
    assert_eq!(system.psql(are_encrypted).expect("psql should run").trim(), "t");

    let site = Site::new((), system.edge.url());
    site.submit(10).await;
    site.wait_for_value(10, "55").await;
    tls.check_that_no_output_has_the_password();
}

#[tokio::test]
async fn a_certificate_of_an_untrusted_authority_is_refused() {
    let [untrusted, trusted] =
        ["untrusted", "trusted"].map(|name| Authority::new(name).expect("an authority"));
    let system = TlsSystem::prepare(&untrusted, "localhost", &trusted);
    system.check_failed_connections("UnknownIssuer").await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new("trusted").expect("an authority");
    let system = TlsSystem::prepare(&authority, "elsewhere.example", &authority);
    system.check_failed_connections("not valid for name").await;
}
