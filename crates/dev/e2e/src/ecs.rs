//! Dockerrun.aws.json, run as Elastic Beanstalk's ECS platform runs it: each container on Docker's
//! default bridge (so without Docker's DNS), connected by legacy links, with its host name, memory
//! and ports, and with the environment's properties besides its own. When an essential container
//! ends, all are stopped.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Containers, docker};

pub struct EcsHost {
    /// The environment's properties, which every container gets.
    pub properties: Vec<(&'static str, &'static str)>,
    /// Arguments of `docker run` for the host's network: its names and trusted certificates.
    pub network: Vec<String>,
    /// The port of this machine in place of the host's port 80.
    pub port: u16,
}

#[derive(Debug)]
pub struct EcsTask {
    ids: BTreeMap<String, String>,
    _containers: Containers,
}

impl EcsTask {
    /// Starts all containers, the linked ones first.
    pub fn run(dockerrun: &str, host: &EcsHost) -> Result<Self> {
        let file: Value =
            serde_json::from_str(dockerrun).context("Dockerrun.aws.json is not JSON")?;
        ensure!(file["AWSEBDockerrunVersion"] == 2, "AWSEBDockerrunVersion is not 2");
        let definitions =
            file["containerDefinitions"].as_array().context("no containerDefinitions")?;
        let mut waiting: Vec<&Value> = definitions.iter().collect();
        let (containers, mut ids) = (Containers::default(), BTreeMap::new());
        while !waiting.is_empty() {
            let is_ready = |definition: &&Value| {
                texts(&definition["links"]).all(|link| ids.contains_key(link))
            };
            let next = waiting.iter().position(is_ready);
            let next = next.with_context(|| format!("missing or circular links: {waiting:?}"))?;
            let definition = waiting.remove(next);
            let arguments = arguments(definition, host, &ids)?;
            let id = containers.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
            ids.insert(text(definition, "name")?.to_owned(), id);
        }
        let task = Self { ids, _containers: containers };
        for definition in definitions.iter().filter(|definition| definition["essential"] != false) {
            task.watch(text(definition, "name")?);
        }
        Ok(task)
    }

    pub fn runs(&self, name: &str) -> bool {
        let state = docker(&["inspect", "--format", "{{.State.Running}}", &self.ids[name]]);
        state.is_ok_and(|state| state == "true")
    }

    pub fn kill(&self, name: &str) -> Result<()> {
        docker(&["kill", &self.ids[name]]).map(drop)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.ids.keys().map(String::as_str)
    }

    pub fn id(&self, name: &str) -> &str {
        &self.ids[name]
    }

    /// Stops all containers when this one has ended. The thread ends with the container.
    fn watch(&self, name: &str) {
        let essential = self.ids[name].clone();
        let others: Vec<String> =
            self.ids.values().filter(|id| **id != essential).cloned().collect();
        thread::spawn(move || {
            let _ = docker(&["wait", &essential]);
            for id in others {
                let _ = docker(&["stop", &id]);
            }
        });
    }
}

/// The arguments of `docker run` for a container.
fn arguments(
    definition: &Value,
    host: &EcsHost,
    ids: &BTreeMap<String, String>,
) -> Result<Vec<String>> {
    let memory =
        definition["memory"].as_u64().context("a container definition without `memory`")?;
    let mut arguments = vec![format!("--memory={memory}m"), format!("--memory-swap={memory}m")];
    if let Some(hostname) = definition["hostname"].as_str() {
        arguments.push(format!("--hostname={hostname}"));
    }
    for link in texts(&definition["links"]) {
        arguments.push(format!("--link={}:{link}", ids[link]));
    }
    for mapping in definition["portMappings"].as_array().into_iter().flatten() {
        ensure!(mapping["hostPort"] == 80, "the host publishes port 80 only");
        let port =
            mapping["containerPort"].as_u64().context("a port mapping without `containerPort`")?;
        arguments.push(format!("--publish=127.0.0.1:{}:{port}", host.port));
    }
    let log = &definition["logConfiguration"];
    if let Some(driver) = log["logDriver"].as_str() {
        arguments.push(format!("--log-driver={driver}"));
        for (name, value) in log["options"].as_object().into_iter().flatten() {
            arguments.push(format!("--log-opt={name}={}", value.as_str().unwrap_or_default()));
        }
    }
    for (name, value) in &host.properties {
        arguments.push(format!("--env={name}={value}"));
    }
    for variable in definition["environment"].as_array().into_iter().flatten() {
        arguments.push(format!("--env={}={}", text(variable, "name")?, text(variable, "value")?));
    }
    arguments.extend(host.network.iter().cloned());
    arguments.push(text(definition, "image")?.to_owned());
    Ok(arguments)
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("`{name}` is missing in {value}"))
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}
