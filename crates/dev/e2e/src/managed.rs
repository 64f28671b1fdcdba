//! Postgres and Redis as RDS and ElastiCache run them: on hosts of their own, only with TLS,
//! without a superuser, and without Redis's commands for administrators.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use stack::testing::compose_file;

use crate::{Authority, Containers, docker, site_properties};

/// The password of both databases. ElastiCache requires at least 16 characters.
const PASSWORD: &str = "of-the-rehearsal-only";

const POSTGRES_HOST: &str = "postgres.rds.example";
const REDIS_HOST: &str = "redis.elasticache.example";

/// The superuser of RDS, as which customers cannot log in.
const SUPERUSER: &str = "rdsadmin";

/// The commands that ElastiCache refuses, as far as Redis has them without modules.
const REFUSED_COMMANDS: &str = "-acl|setuser -acl|deluser -acl|load -acl|save -bgrewriteaof \
                                -bgsave -config -debug -failover -migrate -module -psync -replicaof -save \
                                -shutdown -slaveof -sync";

#[derive(Debug)]
pub struct ManagedDatabases {
    postgres: String,
    redis: String,
    ca_path: String,
    _containers: Containers,
}

impl ManagedDatabases {
    /// Starts both. Their certificates are in `dir`, which they must be able to read.
    pub fn start(dir: &Path) -> Self {
        let authority = Authority::new("substitute for Amazon's").expect("an authority");
        let certificate = authority.sign(&[POSTGRES_HOST, REDIS_HOST]).expect("a certificate");
        let tls = dir.join("tls");
        fs::create_dir(&tls).expect("a folder");
        // The servers in the containers run as other users.
        for dir in [dir, &tls] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        let roles = format!(
            "CREATE ROLE postgres LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}';\n\
             CREATE DATABASE fibonacci OWNER postgres;\n"
        );
        for (name, content) in [
            ("ca.pem", authority.pem()),
            ("server.pem", &certificate.chain),
            ("server.key", &certificate.key),
            // Refuses connections without TLS, as RDS does since version 15.
            ("pg_hba.conf", "local all all trust\nhostssl all all all scram-sha-256\n"),
            ("roles.sql", &roles),
        ] {
            fs::write(tls.join(name), content).expect("a file");
        }
        let containers = Containers::default();
        let volume = format!("--volume={}:/tls:ro", tls.display());
        let serve = "install -o postgres -m 600 /tls/server.key /var/lib/postgresql/server.key && \
                     cp /tls/roles.sql /docker-entrypoint-initdb.d && \
                     exec docker-entrypoint.sh postgres -c ssl=on -c ssl_cert_file=/tls/server.pem \
                     -c ssl_key_file=/var/lib/postgresql/server.key -c hba_file=/tls/pg_hba.conf";
        let superuser = format!("--env=POSTGRES_USER={SUPERUSER}");
        let secret = format!("--env=POSTGRES_PASSWORD={PASSWORD}");
        let image_of_postgres = image("postgres");
        let postgres = [&superuser, &secret, &volume, "--entrypoint=bash", &image_of_postgres];
        let postgres = containers.run(&[&postgres[..], &["-c", serve]].concat());
        let redis = format!(
            "{volume} {} redis-server --port 0 --tls-port 6379 --tls-cert-file /tls/server.pem \
             --tls-key-file /tls/server.key --tls-ca-cert-file /tls/ca.pem --tls-auth-clients no \
             --user default on >{PASSWORD} ~* &* +@all {REFUSED_COMMANDS}",
            image("redis")
        );
        let redis = containers.run(&redis.split(' ').collect::<Vec<_>>());
        Self {
            postgres: postgres.expect("Postgres should start"),
            redis: redis.expect("Redis should start"),
            ca_path: tls.join("ca.pem").display().to_string(),
            _containers: containers,
        }
    }

    /// Runs an SQL statement in the site's database, and returns what psql prints.
    pub fn sql(&self, statement: &str) -> String {
        let psql = ["psql", "--username", SUPERUSER, "--dbname", "fibonacci", "--tuples-only"];
        let args = [&["exec", &self.postgres][..], &psql, &["--no-align", "--command", statement]];
        docker(&args.concat()).expect("psql should run")
    }

    /// The properties of `aws/site.yaml`, as they are in a stack without a domain.
    pub fn properties(&self) -> Vec<(String, String)> {
        let resolve = |value: &Value| match value {
            // `!If [HasDomain, with one, without]`
            Value::Array(branches) => branches[2].as_str().expect("a text").to_owned(),
            value => match value.as_str().expect("a text") {
                "Postgres.Endpoint.Address" => POSTGRES_HOST.to_owned(),
                "Redis.PrimaryEndPoint.Address" => REDIS_HOST.to_owned(),
                secret if secret.starts_with("{{resolve:secretsmanager:") => PASSWORD.to_owned(),
                text => text.to_owned(),
            },
        };
        site_properties().iter().map(|(name, value)| (name.clone(), resolve(value))).collect()
    }

    /// Arguments of `docker run` for the names of the databases, and for an authority in the place
    /// of Amazon's: in the system's certificates, and in the file of `PGSSLROOTCERT`.
    pub fn docker_args(&self) -> Vec<String> {
        let trusted = ["/etc/ssl/certs/ca-certificates.crt", "/usr/local/share/rds-ca.pem"];
        let volumes = trusted.map(|path| format!("--volume={}:{path}:ro", self.ca_path));
        let hosts = [(POSTGRES_HOST, &self.postgres), (REDIS_HOST, &self.redis)];
        let hosts = hosts.map(|(name, id)| format!("--add-host={name}:{}", address(id)));
        volumes.into_iter().chain(hosts).collect()
    }
}

/// The image of a database in docker-compose.yml.
fn image(service: &str) -> String {
    compose_file()["services"][service]["image"].as_str().expect("an image").to_owned()
}

/// A container's address on the default bridge.
fn address(id: &str) -> String {
    docker(&["inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", id])
        .expect("the container should exist")
}
