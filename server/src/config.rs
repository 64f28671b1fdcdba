//! The api's configuration, read from the environment. `server --help` prints it as the reference.

use std::str::FromStr;

use axum::http::HeaderValue;
use axum::http::uri::Uri;
use clap::{Args, Parser, Subcommand};
use service::config::{OperatorConfig, RedisConfig};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The Fibonacci calculator's api. Every option can be given as the environment variable of the
/// same name.
#[derive(Parser, Clone, Debug)]
#[command(name = "server", version)]
pub struct ServerConfig {
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<ServerCommand>,
    /// Port of the api
    #[arg(long, env, default_value_t = 5000)]
    pub port: u16,
    /// The highest index that may be submitted
    #[arg(long, env, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(..=i64::from(contract::Index::LARGEST)))]
    pub max_index: u32,
    /// Jobs in the queue at most: half of them for indices up to 100,000, a quarter for larger
    /// ones, a quarter for the repair of lost values. Beyond its share, new work is refused with
    /// 503
    #[arg(long, env, default_value_t = 10_000)]
    pub max_queue: usize,
    /// Submissions to keep in Postgres: the newest, at most this many; 0 keeps all. Each POST adds
    /// a row of about 75 bytes, also for a known index. Distinct indices and their counts are
    /// always kept
    #[arg(long, env, default_value_t = 0)]
    pub max_submissions: u64,
    /// Open event streams beyond which further ones are refused with 503
    #[arg(long, env, default_value_t = 10_000)]
    pub max_streams: usize,
    /// Origins whose pages may call the api from a browser, separated by commas:
    /// `https://example.com`; or `*`
    #[arg(long, env, default_value = "", hide_default_value = true)]
    pub cors_allowed_origins: AllowedOrigins,
    /// Connections to Postgres: one for submissions, the others for everything else. One more is
    /// for health checks
    #[arg(long, env, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    pub pg_connections: u32,
    #[command(flatten)]
    pub postgres: PostgresConfig,
    #[command(flatten)]
    pub redis: RedisConfig,
    #[command(flatten)]
    pub operator: OperatorConfig,
}

/// What the binary can do besides serving.
#[derive(Subcommand, Clone, Debug)]
pub enum ServerCommand {
    /// Ask the api on this host whether it is ready; exit code 0 if it is
    Healthcheck,
    /// List or retry dead letters: jobs that failed three deliveries
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
}

#[derive(Subcommand, Clone, Debug)]
pub enum DeadLettersCommand {
    /// List the dead letters, the oldest first
    List,
    /// Delete dead letters; the api queues the indices without a value again within a second
    Retry {
        /// Indices to retry
        #[arg(required_unless_present = "all")]
        indices: Vec<u32>,
        /// Retry all of them
        #[arg(long)]
        all: bool,
    },
}

/// The origins of `CORS_ALLOWED_ORIGINS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// CORS is off: only pages of the api's own origin may call it.
    None,
    Any,
    /// As browsers send them.
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

/// An origin is a scheme and a host, perhaps with a port, and nothing after it.
fn parse_origin(origin: &str) -> Result<HeaderValue, String> {
    // As browsers send it.
    let lower = origin.to_ascii_lowercase();
    let uri = lower.parse::<Uri>().ok();
    let bare =
        uri.as_ref().and_then(|uri| Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?)));
    match HeaderValue::try_from(&lower) {
        Ok(value) if bare.as_ref() == Some(&lower) => Ok(value),
        _ => Err(format!("{origin:?} is not an origin such as https://example.com")),
    }
}

/// Where Postgres is. The names are those of Postgres's own tools.
#[derive(Args, Clone, Debug)]
pub struct PostgresConfig {
    /// Connection URL: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`. Overrides the PG
    /// variables, except PGSSLROOTCERT
    #[arg(long, env, hide_env_values = true)]
    pub database_url: Option<String>,
    /// Host of Postgres
    #[arg(long, env, default_value = "localhost")]
    pub pghost: String,
    /// Port of Postgres
    #[arg(long, env, default_value_t = 5432)]
    pub pgport: u16,
    /// User of Postgres
    #[arg(long, env, default_value = "postgres")]
    pub pguser: String,
    /// Password of that user
    #[arg(long, env, hide_env_values = true)]
    pub pgpassword: Option<String>,
    /// Database
    #[arg(long, env, default_value = "postgres")]
    pub pgdatabase: String,
    /// TLS to Postgres: disable, allow, prefer, require, verify-ca, verify-full
    #[arg(long, env, default_value = "prefer")]
    pub pgsslmode: PgSslMode,
    /// File with the certificates that verify-ca and verify-full trust; the system's when not given
    #[arg(long, env)]
    pub pgsslrootcert: Option<std::path::PathBuf>,
}

impl PostgresConfig {
    /// Options for sqlx, or one line on what is wrong with `DATABASE_URL`.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, String> {
        let mut options = match self.database_url.as_ref().filter(|url| !url.is_empty()) {
            Some(url) => {
                // The parser takes any scheme.
                if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
                    return Err(
                        "DATABASE_URL is not an address: it begins with postgres://".to_owned()
                    );
                }
                url.parse().map_err(|error| format!("DATABASE_URL is not an address: {error}"))?
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
        // PgBouncer and RDS Proxy refuse other startup parameters; sqlx sends extra_float_digits by
        // default.
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
    fn what_is_not_an_origin_is_rejected() {
        for wrong in [
            "a.test",
            "https://",
            "https://a.test/",
            "https://a.test/path",
            "*, https://a.test",
            ",",
        ] {
            assert!(wrong.parse::<AllowedOrigins>().is_err(), "{wrong}");
        }
    }
}
