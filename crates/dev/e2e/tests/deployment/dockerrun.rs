//! Dockerrun.aws.json: ECS accepts it, and it agrees with docker-compose.yml and the programs.

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory;
use serde_json::{Value, json};
use stack::testing::{compose_file, parse_options};

use crate::{CONTAINERS, line, read, text};

/// The container definitions of Dockerrun.aws.json by name.
fn dockerrun() -> BTreeMap<String, Value> {
    let file: Value = serde_json::from_str(&read("Dockerrun.aws.json")).expect("JSON");
    assert_eq!(file["AWSEBDockerrunVersion"], 2);
    let containers = file["containerDefinitions"].as_array().expect("containerDefinitions");
    let named: BTreeMap<_, _> =
        containers.iter().map(|each| (text(&each["name"]), each.clone())).collect();
    assert_eq!(named.len(), containers.len(), "names should be unique");
    named
}

#[test]
fn dockerrun_and_compose_agree_on_images_and_memory_limits() {
    let (compose, dockerrun) = (compose_file(), dockerrun());
    assert_eq!(dockerrun.len(), CONTAINERS.len());
    for (container, service, dir) in CONTAINERS {
        let (definition, composed) = (&dockerrun[container], &compose["services"][service]);
        assert_eq!(definition["image"], composed["image"], "{container}");
        assert_eq!(composed["build"]["dockerfile"], format!("{dir}/Dockerfile"), "{service}");
        let memory = definition["memory"].as_u64();
        let memory = memory.unwrap_or_else(|| panic!("{container} has no memory limit"));
        assert_eq!(composed["mem_limit"], format!("{memory}m"), "{container}");
        let (log, composed_log) = (&definition["logConfiguration"], &composed["logging"]);
        assert!(log["options"]["max-size"].is_string(), "the log of {container} has no limit");
        assert_eq!(log["logDriver"], composed_log["driver"], "{container}");
        assert_eq!(log["options"], composed_log["options"], "{container}");
    }
}

#[test]
fn dockerrun_is_valid_for_ecs() {
    let dockerrun = dockerrun();
    for (name, container) in &dockerrun {
        let is_word =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        assert!(is_word && (1..=255).contains(&name.len()), "{name:?}");
        let image = text(&container["image"]);
        assert!(image.starts_with("usamaa96/"), "{image}");
        for link in container["links"].as_array().into_iter().flatten().map(text) {
            assert!(dockerrun.contains_key(&link) && link != *name, "{name} links to {link}");
        }
        let is_the_edge = name == "nginx";
        assert_eq!(container["essential"], is_the_edge, "{name}");
        assert_eq!(container["portMappings"].is_array(), is_the_edge, "{name}");
    }
    let edge = &dockerrun["nginx"];
    assert_eq!(edge["portMappings"], json!([{ "hostPort": 80, "containerPort": 8080 }]));
}

#[test]
fn the_edge_uses_the_host_names_and_ports_of_its_upstreams() {
    let (compose, dockerrun) = (compose_file(), dockerrun());
    let linked: Vec<String> =
        dockerrun["nginx"]["links"].as_array().into_iter().flatten().map(text).collect();
    // A link adds the container's name and its host name to /etc/hosts.
    let names: BTreeSet<String> =
        linked.iter().flat_map(|link| [link.clone(), text(&dockerrun[link]["hostname"])]).collect();
    let listens = |file: &str| line(file, "    listen ").trim_end_matches(';').to_owned();
    let server: server::config::ServerConfig = parse_options(["server"]);
    let exposed = |dir: &str| line(&format!("{dir}/Dockerfile"), "EXPOSE ");
    for (variable, port, service, dir) in [
        ("API", server.port.to_string(), "api", "server"),
        ("CLIENT", listens("client/nginx/default.conf"), "client", "client"),
    ] {
        let default = line("nginx/entrypoint.sh", &format!(": \"${{{variable}:="));
        assert_eq!(
            default.split('}').next(),
            Some(format!("{service}:{port}").as_str()),
            "{variable}"
        );
        assert!(names.contains(service), "{service} is not among {names:?}");
        let composed = &compose["services"][service];
        assert!(composed.is_object(), "{service} is not in docker-compose.yml");
        assert_eq!(exposed(dir).split(' ').next(), Some(port.as_str()), "{dir}");
    }
    let metrics = server.operator.metrics_port.to_string();
    assert_eq!(exposed("server").split(' ').nth(1), Some(metrics.as_str()));
    let worker: worker::config::WorkerConfig = parse_options(["worker"]);
    assert_eq!(exposed("worker"), worker.operator.metrics_port.to_string());

    let edge = listens("nginx/default.conf.template");
    assert_eq!(exposed("nginx"), edge);
    // Only root may listen on a lower port, unless the container's engine allows it.
    assert!(edge.parse::<u16>().expect("a port") >= 1024, "{edge}");
    assert_eq!(compose["services"]["nginx"]["ports"], json!([format!("${{PORT:-3050}}:{edge}")]));
}

#[test]
fn every_configured_environment_variable_is_read_by_its_container() {
    let (compose, dockerrun) = (compose_file(), dockerrun());
    let variables = |command: clap::Command| -> BTreeSet<String> {
        let names = command.get_arguments().filter_map(|argument| argument.get_env());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let entrypoint = read("nginx/entrypoint.sh");
    let default = |line: &str| Some(line.strip_prefix(": \"${")?.split_once(":=")?.0.to_owned());
    let edge: BTreeSet<String> = entrypoint.lines().filter_map(default).collect();
    let readers = [
        ("server", "api", variables(server::config::ServerConfig::command())),
        ("worker", "worker", variables(worker::config::WorkerConfig::command())),
        ("nginx", "nginx", edge),
        ("client", "client", BTreeSet::new()),
    ];
    for (container, service, reads) in readers {
        let composed =
            compose["services"][service]["environment"].as_object().into_iter().flatten();
        let defined = dockerrun[container]["environment"].as_array().into_iter().flatten();
        let defined = defined.map(|variable| text(&variable["name"]));
        for name in composed.map(|(name, _)| name.clone()).chain(defined) {
            assert!(reads.contains(&name), "{container} does not read {name}, only {reads:?}");
        }
    }
}
