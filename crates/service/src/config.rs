//! Reads a service's configuration from arguments and environment.
//!
//! Each binary has one clap struct, and `--help` is the reference. An option and its environment
//! variable have the same name. A wrong value ends the process with exit code 2 and one line that
//! names the variable.

use std::net::Ipv6Addr;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Not 1, so that the operator can tell a wrong configuration from a failure that a restart may
/// repair.
const MISCONFIGURED_EXIT_CODE: u8 = 2;

/// The address of Redis.
#[derive(Args, Clone, Debug)]
pub struct RedisConfig {
    /// The whole address: `redis://[:PASSWORD@]HOST[:PORT][/DB]`, or `rediss://…` for TLS.
    /// Overrides the other options
    #[arg(long, env, hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Host of Redis
    #[arg(long, env, default_value = "localhost", value_parser = parse_host)]
    pub redis_host: String,
    /// Port of Redis
    #[arg(long, env, default_value_t = 6379, value_parser = parse_peer_port)]
    pub redis_port: u16,
    /// Password of Redis, if it requires one
    #[arg(long, env, hide_env_values = true)]
    pub redis_password: Option<String>,
    /// Use TLS, and verify Redis against the system's certificates
    #[arg(long, env, default_value_t = false, action = clap::ArgAction::Set)]
    pub redis_tls: bool,
}

impl RedisConfig {
    /// The address as one URL.
    #[must_use]
    pub fn url(&self) -> String {
        if let Some(url) = self.redis_url.as_ref().filter(|url| !url.is_empty()) {
            return url.clone();
        }
        let scheme = if self.redis_tls { "rediss" } else { "redis" };
        let password = self.redis_password.as_ref().filter(|password| !password.is_empty());
        let login = password
            .map(|password| format!(":{}@", utf8_percent_encode(password, NON_ALPHANUMERIC)));
        let login = login.unwrap_or_default();
        let host = &self.redis_host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("{scheme}://{login}{host}:{}", self.redis_port)
    }
}

/// A host for an option whose port is another option. The error says what is wrong with it.
pub fn parse_host(host: &str) -> Result<String, String> {
    let without_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = without_brackets.unwrap_or(host);
    let is_name = host.chars().all(|c| c.is_alphanumeric() || "-._".contains(c));
    if host.is_empty() || !(is_name || host.parse::<Ipv6Addr>().is_ok()) {
        return Err("a host alone is needed, without a scheme or a port".to_owned());
    }
    Ok(host.to_owned())
}

/// The port of a host that this process connects to. 0 is not one.
pub fn parse_peer_port(port: &str) -> Result<u16, String> {
    let number = parse_port(port)?;
    if number == 0 { Err("a port is needed, from 1 to 65535".to_owned()) } else { Ok(number) }
}

/// A port, also in the form that Kubernetes and Docker's links give to such variables:
/// `tcp://10.0.0.7:6379`.
pub fn parse_port(port: &str) -> Result<u16, String> {
    let address = port.strip_prefix("tcp://").and_then(|address| address.rsplit_once(':'));
    let number = address.map_or(port, |(_, number)| number);
    number.parse().map_err(|_| "a port is needed, a number up to 65535".to_owned())
}

/// Logs, traces, and the operator's port.
#[derive(Args, Clone, Debug)]
pub struct OperatorConfig {
    /// Format of log lines: `json` for machines, `text` for people
    #[arg(long, env, value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// Which log lines: `info`, `debug`, or a filter such as `server=debug,sqlx=warn`
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub rust_log: String,
    /// Address to listen on
    #[arg(long, env, default_value = "0.0.0.0")]
    pub listen_addr: std::net::IpAddr,
    /// Port of `/metrics`, and of `/health` in the worker; do not expose it
    #[arg(long, env, default_value_t = 9100, value_parser = parse_port)]
    pub metrics_port: u16,
    /// Which traces are sent, and where.
    #[command(flatten)]
    pub traces: TracesConfig,
}

/// Traces, with the variables of the OpenTelemetry specification.
#[derive(Args, Clone, Debug, Default)]
pub struct TracesConfig {
    /// Address of a collector that gets traces by OTLP over HTTP, such as `http://collector:4318`;
    /// without it there are none
    #[arg(long, env, value_parser = parse_endpoint)]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// Which traces are sent
    #[arg(long, env, value_enum, default_value_t)]
    pub otel_traces_sampler: TracesSampler,
    /// For `traceidratio`: the fraction of traces that are sent, from 0 to 1
    #[arg(long, env, default_value_t = 1.0, value_parser = parse_fraction)]
    pub otel_traces_sampler_arg: f64,
}

/// The samplers of the OpenTelemetry specification. The names with `parentbased_` mean the same
/// here: a service always follows another one of ours, and never a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[clap(rename_all = "snake_case")]
pub enum TracesSampler {
    /// All of them.
    #[default]
    #[value(alias = "parentbased_always_on")]
    AlwaysOn,
    /// None.
    #[value(alias = "parentbased_always_off")]
    AlwaysOff,
    /// A fraction, OTEL_TRACES_SAMPLER_ARG.
    #[value(name = "traceidratio", alias = "parentbased_traceidratio")]
    Fraction,
}

impl TracesConfig {
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.otel_exporter_otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty())
    }

    pub(crate) fn sampled_fraction(&self) -> f64 {
        match self.otel_traces_sampler {
            TracesSampler::AlwaysOn => 1.0,
            TracesSampler::AlwaysOff => 0.0,
            TracesSampler::Fraction => self.otel_traces_sampler_arg,
        }
    }
}

fn parse_endpoint(endpoint: &str) -> Result<String, String> {
    let address = endpoint.strip_prefix("http://");
    let has_host = |address: &str| !(address.is_empty() || address.starts_with(['/', ':']));
    if endpoint.is_empty() || address.is_some_and(has_host) {
        return Ok(endpoint.to_owned());
    }
    Err("an address such as http://collector:4318 is needed; https is not supported".to_owned())
}

fn parse_fraction(fraction: &str) -> Result<f64, String> {
    let number = fraction.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a number from 0 to 1 is needed".to_owned())
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Reads the configuration from arguments and environment. If the process should exit instead,
/// prints why and returns the exit code: 0 after `--help` and `--version`, 2 after an error.
pub fn read<C: Parser>() -> Result<C, ExitCode> {
    C::try_parse().map_err(|error| {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            // Fails if stdout is a closed pipe; then nobody reads it.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        report_misconfiguration(&one_line(&error))
    })
}

/// Prints what is wrong with the configuration, in one line, and returns the exit code for it.
pub(crate) fn report_misconfiguration(problem: &str) -> ExitCode {
    eprintln!("configuration: {problem}");
    ExitCode::from(MISCONFIGURED_EXIT_CODE)
}

/// The error as one line that names the variable. clap's own message has several lines and names
/// the option.
fn one_line(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue)) {
        (Some(argument), Some(value)) => {
            // The argument is `--port <PORT>`; the variable is between the brackets.
            let variable = argument.split(['<', '>']).nth(1).unwrap_or(&argument);
            let reason =
                match (std::error::Error::source(error), error.get(ContextKind::ValidValue)) {
                    (Some(source), _) => source.to_string(),
                    (None, Some(ContextValue::Strings(valid))) => {
                        format!("one of {}", valid.join(", "))
                    }
                    (None, _) => "not a valid value".to_owned(),
                };
            format!("{variable} is {value:?}: {reason}")
        }
        _ => {
            let rendered = error.to_string();
            let first = rendered.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser, Debug)]
    struct TestConfig {
        #[command(flatten)]
        redis: RedisConfig,
        #[command(flatten)]
        operator: OperatorConfig,
    }

    fn error_line(arguments: &[&str]) -> String {
        one_line(&TestConfig::try_parse_from([&["test"], arguments].concat()).unwrap_err())
    }

    #[test]
    fn a_wrong_value_is_one_line_that_names_the_variable() {
        assert_eq!(
            error_line(&["--redis-port", "many"]),
            r#"REDIS_PORT is "many": a port is needed, a number up to 65535"#
        );
        assert_eq!(
            error_line(&["--log-format", "xml"]),
            r#"LOG_FORMAT is "xml": one of json, text"#
        );
        assert_eq!(
            error_line(&["--listen-addr", ""]),
            r#"LISTEN_ADDR is "": invalid IP address syntax"#
        );
    }

    #[test]
    fn a_host_has_no_port() {
        assert_eq!(
            error_line(&["--redis-host", "redis:6379"]),
            r#"REDIS_HOST is "redis:6379": a host alone is needed, without a scheme or a port"#
        );
        for host in ["", "redis 1", "user@redis", "redis::1", "[]"] {
            assert!(error_line(&["--redis-host", host]).starts_with("REDIS_HOST is "), "{host}");
        }
        for host in ["localhost", "my-redis.example", "10.0.0.7", "::1"] {
            assert_eq!(parse_host(host).as_deref(), Ok(host));
        }
        assert_eq!(parse_host("[::1]").as_deref(), Ok("::1"));
    }

    #[test]
    fn the_variables_of_traces_have_the_values_of_the_specification() {
        let traces = |arguments: &str| {
            TestConfig::parse_from(format!("test {arguments}").split_whitespace()).operator.traces
        };
        assert_eq!((traces("").endpoint(), traces("").sampled_fraction()), (None, 1.0));
        let endpoint = traces("--otel-exporter-otlp-endpoint http://collector:4318");
        assert_eq!(endpoint.endpoint(), Some("http://collector:4318"));
        for (sampler, fraction) in [
            ("parentbased_always_on", 1.0),
            ("always_off", 0.0),
            ("traceidratio", 0.25),
            ("parentbased_traceidratio", 0.25),
        ] {
            let config = format!("--otel-traces-sampler {sampler} --otel-traces-sampler-arg 0.25");
            assert_eq!(traces(&config).sampled_fraction(), fraction, "{sampler}");
        }
        assert_eq!(
            error_line(&["--otel-exporter-otlp-endpoint", "https://collector"]),
            "OTEL_EXPORTER_OTLP_ENDPOINT is \"https://collector\": an address such as \
             http://collector:4318 is needed; https is not supported"
        );
        assert_eq!(
            error_line(&["--otel-traces-sampler-arg", "2"]),
            r#"OTEL_TRACES_SAMPLER_ARG is "2": a number from 0 to 1 is needed"#
        );
    }

    #[test]
    fn an_ipv6_address_has_brackets_in_the_url() {
        let config = TestConfig::parse_from(["test", "--redis-host", "::1"]);
        assert_eq!(config.redis.url(), "redis://[::1]:6379");
    }

    #[test]
    fn a_port_may_be_an_address_of_kubernetes() {
        let arguments = "test --redis-port tcp://10.0.0.7:6380 --metrics-port tcp://10.0.0.7:9200";
        let config = TestConfig::parse_from(arguments.split(' '));
        assert_eq!((config.redis.redis_port, config.operator.metrics_port), (6380, 9200));
    }

    #[test]
    fn only_a_port_to_listen_on_may_be_0() {
        assert_eq!(
            error_line(&["--redis-port", "0"]),
            r#"REDIS_PORT is "0": a port is needed, from 1 to 65535"#
        );
        assert_eq!(
            TestConfig::parse_from(["test", "--metrics-port", "0"]).operator.metrics_port,
            0
        );
    }

    #[test]
    fn a_password_is_percent_encoded_in_the_url() {
        let config = TestConfig::parse_from([
            "test",
            "--redis-password",
            "p@ss/w:rd",
            "--redis-tls",
            "true",
        ]);
        assert_eq!(config.redis.url(), "rediss://:p%40ss%2Fw%3Ard@localhost:6379");
    }
}
