//! A deployment on one machine: the phases of .travis.yml, the push to a registry, deploy.zip, and
//! Dockerrun.aws.json as ECS runs it. `cargo xtask rehearse` runs these tests. Local substitutes
//! take the place of Docker Hub, of RDS and ElastiCache with their TLS certificates and rights, and
//! of the VPC's DNS (`--add-host`). The containers get the properties of aws/site.yaml.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{
    EcsHost, EcsTask, ManagedDatabases, Site, Travis, check_contract, docker, eventually, root,
};
use serde_json::{Value, json};
use stack::testing::TEST_TIMEOUT;
use stack::{HttpService, Port, Process, http_get};
use tempfile::TempDir;

const REGISTRY_USER: &str = "somebody";
const REGISTRY_PASSWORD: &str = "a password, with $pecial 'characters'";

/// The bucket that has the file `.dockercfg`.
const BUCKET: &str = "elasticbeanstalk-of-the-rehearsal";

const BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// A registry that requires a login.
struct Registry {
    service: HttpService,
    dir: TempDir,
}

impl Registry {
    fn start() -> Self {
        let dir = TempDir::new().expect("a folder");
        let port = Port::free().expect("a port");
        let htpasswd = Process::builder("htpasswd", "htpasswd")
            .args(["-Bbn", REGISTRY_USER, REGISTRY_PASSWORD])
            .run(TEST_TIMEOUT)
            .expect("htpasswd should run");
        fs::write(dir.path().join("htpasswd"), htpasswd.trim()).expect("a file");
        let config = json!({
            "version": 0.1,
            "log": { "level": "warn" },
            "storage": { "filesystem": { "rootdirectory": dir.path().join("images") } },
            "http": { "addr": format!("127.0.0.1:{}", port.number()) },
            "auth": { "htpasswd": { "realm": "rehearsal", "path": dir.path().join("htpasswd") } },
        });
        // JSON is valid YAML.
        let file = dir.path().join("config.yml");
        fs::write(&file, config.to_string()).expect("a file");
        let registry =
            Process::builder("docker-registry", "docker-registry").arg("serve").arg(file);
        let requires_login =
            |url: &str| http_get(&format!("{url}/v2/")).is_ok_and(|reply| reply.status == 401);
        let service = HttpService::new(registry, port, TEST_TIMEOUT, requires_login);
        service.start().expect("the registry should start");
        Self { service, dir }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.service.port())
    }

    /// The pushed images with their tags.
    async fn images(&self) -> Vec<(String, Vec<String>)> {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let get = async |path: String| -> Value {
            let url = format!("http://{}/v2/{path}", self.host());
            let request = http.get(url).basic_auth(REGISTRY_USER, Some(REGISTRY_PASSWORD));
            let response = request.send().await.expect("the registry should respond");
            response.json().await.expect("JSON")
        };
        let strings = |value: &Value| -> Vec<String> {
            serde_json::from_value(value.clone()).expect("a list of strings")
        };
        let mut images = Vec::new();
        for name in strings(&get("_catalog".to_owned()).await["repositories"]) {
            let tags = strings(&get(format!("{name}/tags/list")).await["tags"]);
            images.push((name, tags));
        }
        images
    }

    /// Removes the images of this registry from the engine, so that it must pull them like a new
    /// server.
    fn remove_local_images(&self) {
        let all = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).unwrap_or_default();
        for image in all.lines().filter(|image| image.starts_with(&self.host())) {
            let _ = docker(&["rmi", "--force", image]);
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.remove_local_images();
        let _ = self.service.stop();
    }
}

/// Clones the last commit, as Travis does.
fn clone_checkout() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    // As on Windows: the images are built from such a checkout too.
    let clone = ["clone", "--quiet", "--config", "core.autocrlf=true"];
    let git = Process::builder("git", "git").args(clone).arg(root()).arg(dir.path());
    git.run(TEST_TIMEOUT).expect("git should clone");
    dir
}

/// The variables from the repository's settings on Travis.
fn settings<'a>(registry: &'a str, site: &'a str) -> [(&'a str, &'a str); 8] {
    let not_used = "not used: nothing is uploaded";
    [
        ("DOCKER_REGISTRY", registry),
        ("DOCKER_ID", REGISTRY_USER),
        ("DOCKER_PASSWORD", REGISTRY_PASSWORD),
        ("AWS_ACCESS_KEY", not_used),
        ("AWS_SECRET_KEY", not_used),
        ("AWS_BUCKET", BUCKET),
        ("DOCKERCFG_BUCKET", BUCKET),
        ("SITE_URL", site),
    ]
}

#[tokio::test]
#[ignore = "builds images: cargo xtask rehearse"]
async fn a_failing_page_test_stops_the_pipeline_before_any_push() {
    let (registry, checkout) = (Registry::start(), clone_checkout());
    let tests = checkout.path().join("client/tests/page.rs");
    let failing = "\n#[wasm_bindgen_test]\nfn it_fails() {\n    panic!(\"on purpose\");\n}\n";
    let all = fs::read_to_string(&tests).expect("the page's tests") + failing;
    fs::write(tests, all).expect("a file");

    let travis = Travis::read(checkout.path()).expect(".travis.yml");
    assert!(travis.deploys("master", false), "a passing build should be deployed");
    let error = travis.run_push_job("master", &settings(&registry.host(), "nowhere"));
    let error = error.expect_err("the job should fail");
    assert!(error.to_string().contains("the job failed"), "{error:#}");
    assert_eq!(registry.images().await, [], "an image was pushed");
    assert!(!checkout.path().join("deploy.zip").exists());
}

/// The commit that is checked out.
fn head(checkout: &Path) -> String {
    let git = Process::builder("git", "git").args(["rev-parse", "HEAD"]).dir(checkout);
    git.run(TEST_TIMEOUT).expect("git should run").trim().to_owned()
}

/// The only file in deploy.zip.
fn packed_dockerrun(checkout: &Path) -> String {
    let unzip = |args: &[&str]| {
        let output = Command::new("unzip").args(args).current_dir(checkout).output();
        String::from_utf8(output.expect("unzip should start").stdout).expect("text")
    };
    assert_eq!(unzip(&["-Z1", "deploy.zip"]).trim(), "Dockerrun.aws.json", "one file in the zip");
    let dockerrun = unzip(&["-p", "deploy.zip"]);
    assert_eq!(dockerrun.matches(&format!(":{}\"", head(checkout))).count(), 4, "{dockerrun}");
    dockerrun
}

/// Commits one more migration, and pushes and packs that version. Only the server differs from the
/// previous version, so the other images get one more tag instead of a build.
fn next_version(checkout: &Path, images: &str) -> String {
    let migration = "ALTER TABLE \"values\" ADD COLUMN rehearsed boolean NOT NULL DEFAULT true;\n";
    fs::write(checkout.join("server/migrations/9999_rehearsal.sql"), migration).expect("a file");
    let previous = head(checkout);
    let script = r#"set -eu
        git add server/migrations
        git -c user.name=rehearsal -c user.email=rehearsal@localhost commit --quiet -m "Version 2"
        export TRAVIS_COMMIT=$(git rev-parse HEAD)
        docker build --quiet --tag "$IMAGES/server:$TRAVIS_COMMIT" --file server/Dockerfile .
        for image in front-end worker nginx; do
            docker tag "$IMAGES/$image:$PREVIOUS" "$IMAGES/$image:$TRAVIS_COMMIT"
        done
        for image in front-end server worker nginx; do
            docker push --quiet "$IMAGES/$image:$TRAVIS_COMMIT"
        done
        ./deploy.sh"#;
    let build = Process::builder("version 2", "sh").args(["-c", script]).dir(checkout);
    let build = build.env("IMAGES", images).env("PREVIOUS", previous);
    let build = build.env("DOCKERCFG_BUCKET", BUCKET).env("DOCKER_BUILDKIT", "1");
    build.run(BUILD_TIMEOUT).expect("version 2 should be built");
    packed_dockerrun(checkout)
}

#[tokio::test]
#[ignore = "builds images: cargo xtask rehearse"]
async fn a_push_to_master_becomes_a_running_site() {
    let (registry, checkout) = (Registry::start(), clone_checkout());
    let (host, checkout) = (registry.host(), checkout.path());
    let travis = Travis::read(checkout).expect(".travis.yml");
    let start = Instant::now();
    travis.run_push_job("master", &settings(&host, "nowhere")).expect("the job should pass");
    println!("the job took {} minutes", start.elapsed().as_secs() / 60);

    let images = registry.images().await;
    assert_eq!(images.len(), 4, "{images:?}");
    for ((image, tags), name) in images.iter().zip(["front-end", "nginx", "server", "worker"]) {
        assert!(image.ends_with(&format!("/{name}")), "{image}");
        let commit = head(checkout);
        assert!(tags.contains(&commit) && tags.contains(&"latest".to_owned()), "{image}: {tags:?}");
        let label = r#"{{index .Config.Labels "org.opencontainers.image.revision"}}"#;
        let tagged = format!("{host}/{image}:{commit}");
        let revision = docker(&["inspect", "--format", label, &tagged]);
        assert_eq!(revision.expect("the image should exist"), commit, "{image}");
    }
    let version_1 = packed_dockerrun(checkout);
    let (account, _) = images[0].0.split_once('/').expect("account/name");
    let version_2 = next_version(checkout, &format!("{host}/{account}"));
    registry.remove_local_images();

    let port = std::env::var("REHEARSAL_PORT").expect("REHEARSAL_PORT: see `cargo xtask rehearse`");
    let port = Port::exactly(port.parse().expect("a port")).expect("the port should be free");
    let databases = ManagedDatabases::start(registry.dir.path());
    let deploy = |dockerrun: &str, port: u16| {
        let host = EcsHost {
            properties: databases.properties(),
            dockercfg: dockercfg(checkout, &host),
            docker_args: databases.docker_args(),
            port,
        };
        let task = EcsTask::run(dockerrun, &host)?;
        anyhow::Ok(Site::new(task, format!("http://127.0.0.1:{port}")))
    };
    let mut without_login: Value = serde_json::from_str(&version_1).expect("JSON");
    let login = without_login.as_object_mut().expect("an object").remove("authentication");
    assert_eq!(login, Some(json!({ "bucket": BUCKET, "key": ".dockercfg" })));
    let error = deploy(&without_login.to_string(), port.number()).expect_err("a private image");
    assert!(error.to_string().contains("pull"), "{error:#}");

    let site = deploy(&version_1, port.number()).expect("the containers should start");
    for name in site.names() {
        println!("{name} runs as {}", &site.id(name)[..12]);
    }
    travis.run_after_deploy("master", &settings(&host, &site.url())).expect("the site is ready");
    check_contract(&site).await;
    println!("the contract holds on {}", site.url());
    site.wait_for_value(7, "13").await;

    // An immutable deployment runs the new version beside the old one before it stops that one.
    let next_port = Port::free().expect("a port");
    let next = deploy(&version_2, next_port.number()).expect("version 2 should start");
    check_both_versions(&site, &next, &databases, 20).await;
    drop(site);
    next.submit(22).await;
    next.wait_for_value(22, "17711").await;
    println!("version 2 has replaced version 1");

    let site = deploy(&version_1, port.number()).expect("version 1 should start again");
    check_both_versions(&site, &next, &databases, 30).await;
    drop(next);
    site.wait_for_value(7, "13").await;
    site.wait_for_value(22, "17711").await;
    let count = site.submissions().await.len().to_string();
    assert_eq!(databases.sql("SELECT count(*) FROM \"values\" WHERE rehearsed"), count);
    println!("version 1 runs again, on the tables of version 2");
    check_that_containers_stop_as_in_ecs(&site).await;
}

/// Prints the file with the login, as `aws/deploy.sh` does before it uploads the file.
fn dockercfg(checkout: &Path, registry: &str) -> String {
    let print = Process::builder("deploy.sh", checkout.join("deploy.sh")).arg("dockercfg");
    let print = print.envs(settings(registry, "nowhere").iter().copied());
    print.run(TEST_TIMEOUT).expect("deploy.sh should print it")
}

/// Waits until both versions are ready on the tables of version 2, and submits an index to each.
async fn check_both_versions(
    old: &Site<EcsTask>,
    new: &Site<EcsTask>,
    databases: &ManagedDatabases,
    index: u32,
) {
    for site in [new, old] {
        eventually("the site is ready", TEST_TIMEOUT, async || {
            let ready = site.try_get("/api/health/ready").await.ok()?.text().await.ok()?;
            ready.contains("\"ready\"").then_some(())
        })
        .await;
    }
    let columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'rehearsed'";
    assert_eq!(databases.sql(columns), "1", "version 2 has not migrated the schema");
    old.submit(index).await;
    new.submit(index + 1).await;
    for (index, site) in [(index, new), (index + 1, old)] {
        let digits = fibonacci(index).to_string();
        site.wait_for_value(index, &digits).await;
    }
}

/// A small Fibonacci number.
fn fibonacci(index: u32) -> u64 {
    (0..index).fold((0, 1), |(value, next), _| (next, value + next)).0
}

async fn check_that_containers_stop_as_in_ecs(site: &Site<EcsTask>) {
    site.kill("worker").expect("the worker should run");
    let has_ended = async || (!site.is_running("worker")).then_some(());
    eventually("the worker has ended", TEST_TIMEOUT, has_ended).await;
    for name in ["client", "server", "nginx"] {
        assert!(site.is_running(name), "{name} ended with the worker");
    }
    for path in ["/", "/api/values/current", "/api/health/live"] {
        assert_eq!(site.get(path).await.status(), 200, "{path}");
    }
    println!("the worker was killed, and the others still run");

    site.kill("nginx").expect("nginx should run");
    let have_stopped = async || (!site.names().any(|name| site.is_running(name))).then_some(());
    eventually("all containers have stopped", TEST_TIMEOUT, have_stopped).await;
    println!("nginx was killed, and all others were stopped");
}
