//! The api's configuration, from arguments and environment. `server --help` is the reference.

use std::str::FromStr;

use axum::http::HeaderValue;
use axum::http::uri::Uri;
use clap::{Args, Parser, Subcommand};
use service::config::{OperatorConfig, RedisConfig, parse_host, parse_peer_port, parse_port};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The Fibonacci calculator's api. Every option can be given as the environment variable of the
/// same name.
#[derive(Parser, Clone, Debug)]
#[command(name = "server", version)]
pub struct ServerConfig {
    /// Command to run instead of the api
    #[command(subcommand)]
    pub command: Option<ServerCommand>,
    /// Port of the api
    #[arg(long, env, default_value_t = 5000, value_parser = parse_port)]
    pub port: u16,
    /// The highest index that may be submitted
    #[arg(
        long,
        env,
        default_value_t = 10_000_000,
        value_parser = clap::value_parser!(u32).range(..=i64::from(contract::Index::LARGEST))
    )]
    pub max_index: u32,
    /// Maximum number of jobs in the queue: half for indices up to 100,000, a quarter for larger
    /// ones, a quarter for missing values of earlier submissions. When its share is full, a
    /// submission that adds a job is refused with 503
    #[arg(long, env, default_value_t = 10_000)]
    pub max_queue: usize,
    /// Number of submissions to keep in Postgres; older ones are deleted; 0 keeps all. Each POST
    /// adds a row of about 75 bytes, even for a known index. Distinct indices and their counts are
    /// always kept
    #[arg(long, env, default_value_t = 0)]
    pub max_submissions: u64,
    /// Maximum number of open event streams; further ones are refused with 503
    #[arg(long, env, default_value_t = 10_000)]
    pub max_streams: usize,
    /// Origins whose pages may call the api from a browser, such as `https://example.com`,
    /// separated by commas; or `*` for all
    #[arg(long, env, default_value = "", hide_default_value = true)]
    pub cors_allowed_origins: AllowedOrigins,
    /// Size of the connection pool for Postgres; submissions use one connection of it. Health
    /// checks and migrations have one connection each beside the pool
    #[arg(long, env, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    pub pg_connections: u32,
    #[command(flatten)]
    pub postgres: PostgresConfig,
    #[command(flatten)]
    pub redis: RedisConfig,
    #[command(flatten)]
    pub operator: OperatorConfig,
}

#[derive(Subcommand, Clone, Debug)]
pub enum ServerCommand {
    /// Check whether the api on this host is ready; exit code 0 if it is
    Healthcheck,
    /// List or retry dead letters: jobs that failed three deliveries
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
}

#[derive(Subcommand, Clone, Debug)]
pub enum DeadLettersCommand {
    /// List the dead letters, the oldest first
    List,
    /// Delete dead letters; the api then queues the indices whose value is missing, usually within
    /// a second
    Retry {
        /// Indices to retry
        #[arg(required_unless_present = "all")]
        indices: Vec<u32>,
        /// Retry all dead letters
        #[arg(long)]
        all: bool,
    },
}

/// The origins of `CORS_ALLOWED_ORIGINS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// No CORS headers: only pages of the api's own origin may read responses.
    None,
    Any,
    /// In lower case, as browsers send them.
    List(Vec<HeaderValue>),
}

impl FromStr for AllowedOrigins {
    type Err = String;

    fn from_str(origins: &str) -> Result<Self, String> {
        match origins.trim() {
            "" => Ok(Self::None),
            "*" => Ok(Self::Any),
            origins => origins
                .split(',')
                .map(|origin| parse_origin(origin.trim()))
                .collect::<Result<_, _>>()
                .map(Self::List),
        }
    }
}

/// An origin is a scheme, a host and an optional port, without a path.
fn parse_origin(origin: &str) -> Result<HeaderValue, String> {
    let lower = origin.to_ascii_lowercase();
    let uri = lower.parse::<Uri>().ok();
    let without_path =
        uri.as_ref().and_then(|uri| Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?)));
    match HeaderValue::try_from(&lower) {
        Ok(value) if without_path.as_ref() == Some(&lower) => Ok(value),
        _ => Err(format!("{origin:?} is not an origin such as https://example.com")),
    }
}

/// How to connect to Postgres. The variables are those of libpq.
#[derive(Args, Clone, Debug)]
pub struct PostgresConfig {
    /// Connection URL: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`. Takes precedence
    /// over the PG variables, except PGSSLROOTCERT; they fill in the parts that it leaves out
    #[arg(long, env, hide_env_values = true)]
    pub database_url: Option<String>,
    /// Host of Postgres
    #[arg(long, env, default_value = "localhost", value_parser = parse_host)]
    pub pghost: String,
    /// Port of Postgres
    #[arg(long, env, default_value_t = 5432, value_parser = parse_peer_port)]
    pub pgport: u16,
    /// User of Postgres
    #[arg(long, env, default_value = "postgres")]
    pub pguser: String,
    /// Password of that user
    #[arg(long, env, hide_env_values = true)]
    pub pgpassword: Option<String>,
    /// Name of the database
    #[arg(long, env, default_value = "postgres")]
    pub pgdatabase: String,
    /// TLS to Postgres: disable, allow, prefer, require, verify-ca, verify-full
    #[arg(long, env, default_value = "prefer")]
    pub pgsslmode: PgSslMode,
    /// File with the CA certificates for verify-ca and verify-full; the system's by default
    #[arg(long, env)]
    pub pgsslrootcert: Option<std::path::PathBuf>,
}

impl PostgresConfig {
    /// The error is one line that says what is wrong with `DATABASE_URL`.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, String> {
        let mut options = match self.database_url.as_ref().filter(|url| !url.is_empty()) {
            Some(url) => {
                // sqlx accepts any scheme.
                if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
                    return Err("DATABASE_URL must begin with postgres://".to_owned());
                }
                url.parse().map_err(|error| format!("DATABASE_URL is not a URL: {error}"))?
            }
            None => {
                let options = PgConnectOptions::new_without_pgpass()
                    .host(&self.pghost)
                    .port(self.pgport)
                    .username(&self.pguser)
                    .database(&self.pgdatabase)
                    .ssl_mode(self.pgsslmode);
                match self.pgpassword.as_ref().filter(|password| !password.is_empty()) {
                    Some(password) => options.password(password),
                    None => options,
                }
            }
        };
        if let Some(file) = self.pgsslrootcert.as_ref().filter(|file| !file.as_os_str().is_empty())
        {
            options = options.ssl_root_cert(file);
        }
        // PgBouncer and RDS Proxy refuse most startup parameters, such as the extra_float_digits
        // that sqlx sends by default.
        Ok(options.application_name("fibonacci-server").extra_float_digits(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_origins_are_none_any_or_a_list() {
        assert_eq!("".parse(), Ok(AllowedOrigins::None));
        assert_eq!("*".parse(), Ok(AllowedOrigins::Any));
        let list = ["https://a.test", "http://localhost:8080"].map(HeaderValue::from_static);
        assert_eq!(
            "https://A.test, http://localhost:8080".parse(),
            Ok(AllowedOrigins::List(list.into()))
        );
    }

    #[test]
    fn invalid_origins_are_rejected() {
        for origin in [
            "a.test",
            "https://",
            "https://a.test/",
            "https://a.test/path",
            "*, https://a.test",
            ",",
        ] {
            assert!(origin.parse::<AllowedOrigins>().is_err(), "{origin}");
        }
    }
}
