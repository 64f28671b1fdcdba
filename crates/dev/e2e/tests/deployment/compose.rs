//! docker-compose.yml: mounts, ports, networks, and the same settings as the crate `stack`.

use std::collections::BTreeSet;

use stack::testing::compose_file;
use stack::{RedisOptions, RequestLimits};

use crate::{development_file, read, text};

#[test]
fn bind_mounts_are_labelled_for_selinux() {
    let services = development_file()["services"].clone();
    let services = services.as_object().expect("services").values();
    let volumes = services.flat_map(|service| service["volumes"].as_array().into_iter().flatten());
    let mounts: Vec<String> = volumes.map(text).filter(|volume| volume.starts_with('.')).collect();
    assert_eq!(mounts.len(), 4, "{mounts:?}");
    for mount in mounts {
        let options = mount.rsplit(':').next().unwrap_or_default();
        assert!(options.split(',').any(|option| option == "z"), "{mount}");
    }
}

#[test]
fn compose_publishes_only_the_edge_and_isolates_the_databases() {
    let compose = compose_file();
    let services = compose["services"].as_object().expect("services");
    let networks = |service: &str| -> BTreeSet<String> {
        services[service]["networks"].as_array().expect("networks").iter().map(text).collect()
    };
    for (name, service) in services {
        let ports = service["ports"].as_array().into_iter().flatten().map(text);
        let public = ports.filter(|port| !port.starts_with("127.0.0.1:")).count();
        assert_eq!(public, usize::from(name == "nginx"), "published ports of {name}");
        let mode = &service["network_mode"];
        assert!(mode.is_null(), "{name} shares the network of another container");
    }
    let database_networks: BTreeSet<String> =
        ["postgres", "redis"].into_iter().flat_map(networks).collect();
    for name in ["nginx", "client", "seed"] {
        let shared = networks(name);
        assert!(shared.is_disjoint(&database_networks), "{name} is in {shared:?}");
    }
    let edge_reaches_worker = !networks("worker").is_disjoint(&networks("nginx"));
    assert!(!edge_reaches_worker, "the edge could reach the worker's metrics");
    for name in database_networks {
        let is_internal = &compose["networks"][&name]["internal"];
        assert_eq!(*is_internal, true, "{name} has access to the internet");
    }
}

#[test]
fn compose_and_stack_have_the_same_request_limits() {
    let RequestLimits { rate, burst, connections } = RequestLimits::PRODUCTION;
    let environment = &compose_file()["services"]["nginx"]["environment"];
    assert_eq!(environment["REQUEST_RATE"], format!("${{REQUEST_RATE:-{rate}}}"));
    assert_eq!(environment["REQUEST_BURST"], format!("${{REQUEST_BURST:-{burst}}}"));
    assert_eq!(
        environment["REQUEST_CONNECTIONS"],
        format!("${{REQUEST_CONNECTIONS:-{connections}}}")
    );
}

#[test]
fn env_example_has_the_default_values_of_compose() {
    let (compose, example) = (read("docker-compose.yml"), read(".env.example"));
    for variable in compose.split("${").skip(1) {
        let (variable, _) = variable.split_once('}').expect("a variable ends with }");
        let line = variable.replacen(":-", "=", 1);
        assert!(example.lines().any(|each| each == line), ".env.example has no line {line}");
    }
}

#[test]
fn stack_and_compose_run_redis_with_the_same_settings() {
    let options = RedisOptions { durable: true, ..RedisOptions::default() };
    let redis = stack::testing::redis_with(options).expect("Redis should start");
    let compose = compose_file();
    let command = compose["services"]["redis"]["command"].as_array().expect("a list");
    // `sh -uc SCRIPT redis` comes first.
    let options: Vec<String> = command[4..].iter().map(text).collect();
    let settings: Vec<&[String]> =
        options.chunks(2).filter(|pair| pair[0] != "--requirepass").collect();
    assert_eq!(settings.len(), 6, "{options:?}");
    for setting in settings {
        let name = setting[0].trim_start_matches('-');
        let reply = redis.cli(&["CONFIG", "GET", name]).expect("Redis should respond");
        let megabytes = setting[1].strip_suffix("mb").and_then(|number| number.parse::<u64>().ok());
        let expected = megabytes.map_or(setting[1].clone(), |number| (number << 20).to_string());
        assert_eq!(reply, format!("{name}\n{expected}").trim());
    }
}
