//! Runs Dockerrun.aws.json as Elastic Beanstalk's ECS platform does: each container is on Docker's
//! default bridge, so it has no DNS from Docker and finds others by legacy links. It gets its host
//! name, memory limit, ports and log options, its own variables and the environment's properties.
//! Images are pulled with the login of `.dockercfg`, if Dockerrun.aws.json names such a file, and
//! with no other. When an essential container ends, all others are stopped.

use std::collections::BTreeMap;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Containers, docker};

pub struct EcsHost {
    /// The environment's properties, which every container gets.
    pub properties: Vec<(String, String)>,
    /// The content of the file that `authentication` in Dockerrun.aws.json names.
    pub dockercfg: String,
    /// Further arguments of `docker run`: host names and trusted certificates.
    pub docker_args: Vec<String>,
    /// The local port that stands for the host's port 80.
    pub port: u16,
}

#[derive(Debug)]
pub struct EcsTask {
    ids: BTreeMap<String, String>,
    _containers: Containers,
}

impl EcsTask {
    /// Starts all containers. One that others link to starts before them.
    pub fn run(dockerrun: &str, host: &EcsHost) -> Result<Self> {
        let file: Value =
            serde_json::from_str(dockerrun).context("Dockerrun.aws.json is not JSON")?;
        ensure!(file["AWSEBDockerrunVersion"] == 2, "AWSEBDockerrunVersion is not 2");
        let definitions =
            file["containerDefinitions"].as_array().context("no containerDefinitions")?;
        let login = (!file["authentication"].is_null()).then_some(host.dockercfg.as_str());
        pull(definitions, login)?;
        let mut waiting: Vec<&Value> = definitions.iter().collect();
        let (containers, mut ids) = (Containers::default(), BTreeMap::new());
        while !waiting.is_empty() {
            let is_ready = |definition: &&Value| {
                texts(&definition["links"]).all(|link| ids.contains_key(link))
            };
            let next = waiting.iter().position(is_ready);
            let next = next.with_context(|| format!("missing or circular links: {waiting:?}"))?;
            let definition = waiting.remove(next);
            let args = docker_run_args(definition, host, &ids)?;
            let id = containers.run(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
            ids.insert(text(definition, "name")?.to_owned(), id);
        }
        let task = Self { ids, _containers: containers };
        for definition in definitions.iter().filter(|definition| definition["essential"] != false) {
            task.stop_all_after(text(definition, "name")?);
        }
        Ok(task)
    }

    pub fn is_running(&self, name: &str) -> bool {
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

    /// Stops all other containers when this one ends. Its thread ends then, too.
    fn stop_all_after(&self, name: &str) {
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

/// Pulls the images of all containers, without the login of the user who runs this.
fn pull(definitions: &[Value], dockercfg: Option<&str>) -> Result<()> {
    let dir = tempfile::tempdir().context("creating a folder for docker's configuration")?;
    // The file has what today's format has in `auths`.
    let config = format!(r#"{{"auths":{}}}"#, dockercfg.unwrap_or("{}"));
    fs::write(dir.path().join("config.json"), config)?;
    let dir = dir.path().to_str().context("the folder's name is not text")?;
    for definition in definitions {
        docker(&["--config", dir, "pull", "--quiet", text(definition, "image")?])?;
    }
    Ok(())
}

fn docker_run_args(
    definition: &Value,
    host: &EcsHost,
    ids: &BTreeMap<String, String>,
) -> Result<Vec<String>> {
    let memory =
        definition["memory"].as_u64().context("a container definition without `memory`")?;
    let mut args = vec![
        "--pull=never".to_owned(),
        format!("--memory={memory}m"),
        format!("--memory-swap={memory}m"),
    ];
    if let Some(hostname) = definition["hostname"].as_str() {
        args.push(format!("--hostname={hostname}"));
    }
    for link in texts(&definition["links"]) {
        args.push(format!("--link={}:{link}", ids[link]));
    }
    for mapping in definition["portMappings"].as_array().into_iter().flatten() {
        ensure!(mapping["hostPort"] == 80, "the host publishes port 80 only");
        let port =
            mapping["containerPort"].as_u64().context("a port mapping without `containerPort`")?;
        args.push(format!("--publish=127.0.0.1:{}:{port}", host.port));
    }
    let log = &definition["logConfiguration"];
    if let Some(driver) = log["logDriver"].as_str() {
        args.push(format!("--log-driver={driver}"));
        for (name, value) in log["options"].as_object().into_iter().flatten() {
            args.push(format!("--log-opt={name}={}", value.as_str().unwrap_or_default()));
        }
    }
    for (name, value) in &host.properties {
        args.push(format!("--env={name}={value}"));
    }
    for variable in definition["environment"].as_array().into_iter().flatten() {
        args.push(format!("--env={}={}", text(variable, "name")?, text(variable, "value")?));
    }
    args.extend(host.docker_args.iter().cloned());
    args.push(text(definition, "image")?.to_owned());
    Ok(args)
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("`{name}` is missing in {value}"))
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}
