//! One truth for ports, host names, image names and memory: the Dockerfiles, docker-compose.yml, Dockerrun.aws.json, the
//! edge's entrypoint and the binaries' defaults say the same. No engine is needed: the files are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap::{CommandFactory, Parser};
use serde_json::Value;

/// A container of Dockerrun.aws.json, its service in docker-compose.yml, and the folder of its image.
const CONTAINERS: [(&str, &str, &str); 4] = [
    ("client", "client", "client"),
    ("server", "api", "server"),
    ("worker", "worker", "worker"),
    ("nginx", "nginx", "nginx"),
];

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace");
    fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).expect("docker-compose.yml should be YAML")
}

/// The container definitions by their names.
fn dockerrun() -> BTreeMap<String, Value> {
    let file: Value =
        serde_json::from_str(&read("Dockerrun.aws.json")).expect("Dockerrun.aws.json should be JSON");
    assert_eq!(file["AWSEBDockerrunVersion"], 2);
    let containers = file["containerDefinitions"].as_array().expect("containerDefinitions");
    let named: BTreeMap<_, _> = containers.iter().map(|each| (text(&each["name"]), each.clone())).collect();
    assert_eq!(named.len(), containers.len(), "names are unique");
    named
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} should be a string")).to_owned()
}

/// What follows `start` on the one line of `file` that begins with it.
fn line(file: &str, start: &str) -> String {
    let content = read(file);
    let found: Vec<_> = content.lines().filter_map(|line| line.strip_prefix(start)).collect();
    let [one] = found[..] else { panic!("one line of {file} begins with {start:?}, not {}", found.len()) };
    one.trim().to_owned()
}

/// Host and port of an upstream, as the edge has them when nobody says otherwise.
fn upstream(name: &str) -> (String, String) {
    let default = line("nginx/entrypoint.sh", &format!(": \"${{{name}:="));
    let address = default.split('}').next().expect("a default");
    let (host, port) = address.split_once(':').expect("host:port");
    (host.to_owned(), port.to_owned())
}

fn dockerfiles() -> impl Iterator<Item = String> {
    CONTAINERS
        .into_iter()
        .flat_map(|(.., dir)| [format!("{dir}/Dockerfile"), format!("{dir}/Dockerfile.dev")])
}

#[test]
fn base_images_have_exact_tags_and_rust_is_the_pinned_toolchain() {
    let channel = line("rust-toolchain.toml", "channel = ");
    let rust = format!("rust:{}-slim-bookworm", channel.trim_matches('"'));
    for file in dockerfiles() {
        let content = read(&file);
        let mut stages = BTreeSet::new();
        for from in content.lines().filter_map(|line| line.strip_prefix("FROM ")) {
            let (image, stage) = from.split_once(" AS ").unwrap_or((from, ""));
            if !stages.contains(image) {
                let (name, tag) =
                    image.rsplit_once(':').unwrap_or_else(|| panic!("{file}: {image} has no tag"));
                assert!(tag != "latest", "{file}: {image}");
                assert!(name != "rust" || image == rust, "{file}: {image} is not {rust}");
            }
            stages.insert(stage.to_owned());
        }
    }
}

#[test]
fn server_and_worker_are_built_by_the_same_lines() {
    let stages = |file: &str| {
        let content = read(file);
        let (stages, _) = content.rsplit_once("\nFROM ").expect("a last stage");
        stages.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(stages("server/Dockerfile"), stages("worker/Dockerfile"));
    let tools = |file: &str| {
        read(file).split("COPY . .").next().map(|tools| tools.split_once("FROM").map(|(_, t)| t.to_owned()))
    };
    assert_eq!(tools("server/Dockerfile.dev"), tools("worker/Dockerfile.dev"));
}

#[test]
fn dockerrun_has_the_images_and_the_memory_of_compose() {
    let (compose, dockerrun) = (compose(), dockerrun());
    assert_eq!(dockerrun.len(), CONTAINERS.len());
    for (container, service, dir) in CONTAINERS {
        let (ran, composed) = (&dockerrun[container], &compose["services"][service]);
        assert_eq!(ran["image"], composed["image"], "{container}");
        assert_eq!(composed["build"]["dockerfile"], format!("{dir}/Dockerfile"), "{service}");
        let memory = ran["memory"].as_u64().unwrap_or_else(|| panic!("{container} needs memory"));
        assert_eq!(composed["mem_limit"], format!("{memory}m"), "{container}");
        assert!(
            ran["logConfiguration"]["options"]["max-size"].is_string(),
            "{container}: its log is bounded"
        );
    }
}

#[test]
fn dockerrun_is_valid_for_ecs() {
    let dockerrun = dockerrun();
    for (name, container) in &dockerrun {
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
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
    assert_eq!(edge["portMappings"], serde_json::json!([{ "hostPort": 80, "containerPort": 80 }]));
}

#[test]
fn the_edge_looks_for_its_upstreams_where_they_are() {
    let (compose, dockerrun) = (compose(), dockerrun());
    let linked: Vec<String> =
        dockerrun["nginx"]["links"].as_array().into_iter().flatten().map(text).collect();
    // A link makes a container known by its name and by its host name.
    let names: BTreeSet<String> =
        linked.iter().flat_map(|link| [link.clone(), text(&dockerrun[link]["hostname"])]).collect();
    let of_client = line("client/Dockerfile", "RUN LISTEN=");
    let client_port = of_client.split(' ').next().expect("a port");
    let server = server::config::Config::parse_from(["server"]);
    let exposed = |dir: &str| line(&format!("{dir}/Dockerfile"), "EXPOSE ");
    for (variable, port, service, dir) in [
        ("API", server.port.to_string(), "api", "server"),
        ("CLIENT", client_port.to_owned(), "client", "client"),
    ] {
        let (host, asked) = upstream(variable);
        assert_eq!(asked, port, "{variable}");
        assert!(names.contains(&host), "{host} is none of {names:?}");
        assert_eq!(host, service);
        assert!(compose["services"][service].is_object(), "{service} is a service of docker-compose.yml");
        assert_eq!(exposed(dir).split(' ').next(), Some(port.as_str()), "{dir}");
    }
    let metrics = server.operator.metrics_port.to_string();
    assert_eq!(exposed("server").split(' ').nth(1), Some(metrics.as_str()));
    let worker = worker::config::Config::parse_from(["worker"]);
    assert_eq!(exposed("worker"), worker.operator.metrics_port.to_string());

    let edge = line("nginx/entrypoint.sh", "export LISTEN=");
    let edge = edge.split(' ').next().expect("a port");
    assert_eq!(exposed("nginx"), edge);
    assert_eq!(compose["services"]["nginx"]["ports"], serde_json::json!([format!("${{PORT:-3050}}:{edge}")]));
}

#[test]
fn every_variable_that_is_set_is_one_that_the_binary_reads() {
    let (compose, dockerrun) = (compose(), dockerrun());
    let known = |command: clap::Command| -> BTreeSet<String> {
        let names = command.get_arguments().filter_map(|argument| argument.get_env());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let of_edge = read("nginx/entrypoint.sh");
    let edge: BTreeSet<String> = of_edge
        .lines()
        .filter_map(|line| Some(line.strip_prefix(": \"${")?.split_once(":=")?.0.to_owned()))
        .collect();
    let readers = [
        ("server", "api", known(server::config::Config::command())),
        ("worker", "worker", known(worker::config::Config::command())),
        ("nginx", "nginx", edge),
        ("client", "client", BTreeSet::new()),
    ];
    for (container, service, reads) in readers {
        let composed = compose["services"][service]["environment"].as_object().into_iter().flatten();
        let ran = dockerrun[container]["environment"].as_array().into_iter().flatten();
        let set = composed.map(|(name, _)| name.clone()).chain(ran.map(|each| text(&each["name"])));
        for name in set {
            assert!(reads.contains(&name), "{container} does not read {name}, only {reads:?}");
        }
    }
}
