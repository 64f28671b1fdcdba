//! Ports, host names, image names, memory limits and options are the same in the Dockerfiles,
//! docker-compose.yml, Dockerrun.aws.json, the edge's entrypoint, the binaries' defaults and the
//! processes that the crate `stack` runs. These tests need no Docker Engine; `docker` tests the
//! images.

mod compose;
mod dockerfiles;
mod dockerrun;
mod edge;
mod versions;

use std::fs;

use e2e::root;
use serde_json::Value;

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
