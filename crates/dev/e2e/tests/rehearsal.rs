//! A deployment on one machine: the phases of .travis.yml, a registry, deploy.zip, and
//! Dockerrun.aws.json as ECS runs it. `cargo xtask rehearse` runs these tests. A local registry
//! stands in for Docker Hub, Postgres and Redis with TLS for RDS and ElastiCache, a certificate
//! authority of our own for Amazon's, `--add-host` for the VPC's DNS.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use e2e::{
    Authority, Containers, EcsHost, EcsTask, Site, Travis, contract, docker, eventually, root,
};
use serde_json::Value;
use stack::testing::{TEST_TIMEOUT, compose_file};
use stack::{HttpService, Port, Process, http_get};
use tempfile::TempDir;

const ID: &str = "somebody";
const PASSWORD: &str = "a password, with $pecial 'characters'";

/// The password of both databases; ElastiCache wants 16 characters or more.
const SECRET: &str = "of-the-rehearsal-only";

/// A registry that requires a login.
struct Registry {
    service: HttpService,
    dir: TempDir,
}

impl Registry {
    fn start() -> Self {
        let dir = TempDir::new().expect("a folder");
        let port = Port::free().expect("a port");
        let login = Process::builder("htpasswd", "htpasswd").args(["-Bbn", ID, PASSWORD]);
        let login = login.run(TEST_TIMEOUT).expect("htpasswd should run");
        fs::write(dir.path().join("htpasswd"), login.trim()).expect("a file");
        let config = serde_json::json!({
            "version": 0.1,
            "log": { "level": "warn" },
            "storage": { "filesystem": { "rootdirectory": dir.path().join("images") } },
            "http": { "addr": format!("127.0.0.1:{}", port.number()) },
            "auth": { "htpasswd": { "realm": "rehearsal", "path": dir.path().join("htpasswd") } },
        });
        // JSON is YAML.
        let file = dir.path().join("config.yml");
        fs::write(&file, config.to_string()).expect("a file");
        let registry =
            Process::builder("docker-registry", "docker-registry").arg("serve").arg(file);
        // A registry that requires the login is ready.
        let asks =
            |url: &str| http_get(&format!("{url}/v2/")).is_ok_and(|answer| answer.status == 401);
        let service = HttpService::new(registry, port, TEST_TIMEOUT, asks);
        service.start().expect("the registry should start");
        Self { service, dir }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.service.port())
    }

    /// The pushed images with their tags.
    async fn images(&self) -> Vec<(String, Vec<String>)> {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let ask = async |path: String| -> Value {
            let url = format!("http://{}/v2/{path}", self.host());
            let answer = http.get(url).basic_auth(ID, Some(PASSWORD)).send().await;
            answer.expect("the registry should answer").json().await.expect("JSON")
        };
        let texts = |value: &Value| -> Vec<String> {
            serde_json::from_value(value.clone()).expect("a list of texts")
        };
        let mut images = Vec::new();
        for name in texts(&ask("_catalog".to_owned()).await["repositories"]) {
            let tags = texts(&ask(format!("{name}/tags/list")).await["tags"]);
            images.push((name, tags));
        }
        images
    }

    /// Removes the images of this rehearsal from the engine: a new server has none of them.
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

/// A clone of the last commit, as Travis has it.
fn clone() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    let git = Process::builder("git", "git").args(["clone", "--quiet"]).arg(root()).arg(dir.path());
    git.run(TEST_TIMEOUT).expect("git should clone");
    dir
}

/// The variables of the repository's settings on Travis.
fn settings(registry: &str) -> [(&str, &str); 5] {
    [
        ("DOCKER_REGISTRY", registry),
        ("DOCKER_ID", ID),
        ("DOCKER_PASSWORD", PASSWORD),
        ("AWS_ACCESS_KEY", "not used: nothing is uploaded"),
        ("AWS_SECRET_KEY", "not used: nothing is uploaded"),
    ]
}

#[tokio::test]
#[ignore = "builds images: cargo xtask rehearse"]
async fn a_failing_test_of_the_page_stops_the_pipeline_before_any_push() {
    let (registry, checkout) = (Registry::start(), clone());
    let tests = checkout.path().join("client/tests/page.rs");
    let broken = "\n#[wasm_bindgen_test]\nfn this_one_fails() {\n    panic!(\"on purpose\");\n}\n";
    let all = fs::read_to_string(&tests).expect("the page's tests") + broken;
    fs::write(tests, all).expect("a file");

    let travis = Travis::read(checkout.path()).expect(".travis.yml");
    assert!(travis.deploys("master", false), "it would be deployed if it passed");
    let failed = travis.push("master", &settings(&registry.host())).expect_err("the job passed");
    assert!(failed.to_string().contains("the job failed"), "{failed:#}");
    assert_eq!(registry.images().await, [], "something was pushed");
    assert!(!checkout.path().join("deploy.zip").exists());
}

#[tokio::test]
#[ignore = "builds images: cargo xtask rehearse"]
async fn a_push_to_master_becomes_a_running_site() {
    let (registry, checkout) = (Registry::start(), clone());
    let travis = Travis::read(checkout.path()).expect(".travis.yml");
    travis.push("master", &settings(&registry.host())).expect("the job should pass");

    let head = Process::builder("git", "git").args(["rev-parse", "HEAD"]).dir(checkout.path());
    let commit = head.run(TEST_TIMEOUT).expect("git should answer").trim().to_owned();
    let images = registry.images().await;
    assert_eq!(images.len(), 4, "{images:?}");
    for ((image, tags), name) in images.iter().zip(["front-end", "nginx", "server", "worker"]) {
        assert!(image.ends_with(&format!("/{name}")), "{image}");
        assert!(tags.contains(&commit) && tags.contains(&"latest".to_owned()), "{image}: {tags:?}");
    }

    let zip = checkout.path().join(travis.deployment()["zip_file"].as_str().expect("a zip_file"));
    let unzip = |args: &[&str]| {
        let output = Command::new("unzip").args(args).output().expect("unzip should start");
        String::from_utf8(output.stdout).expect("text")
    };
    let zip = zip.to_str().expect("a readable path");
    assert_eq!(unzip(&["-Z1", zip]).trim(), "Dockerrun.aws.json", "nothing else is deployed");
    let dockerrun = unzip(&["-p", zip]);
    assert_eq!(dockerrun.matches(&format!(":{commit}\"")).count(), 4, "{dockerrun}");

    registry.remove_local_images();
    deploy(&registry, &dockerrun).await;
}

/// Deploys the zip's Dockerrun.aws.json as Elastic Beanstalk does, and checks the site.
async fn deploy(registry: &Registry, dockerrun: &str) {
    let databases = ManagedDatabases::start(registry.dir.path());
    let port = std::env::var("REHEARSAL_PORT").expect("REHEARSAL_PORT: see `cargo xtask rehearse`");
    let port =
        Port::exactly(port.parse().expect("REHEARSAL_PORT is a port")).expect("it should be free");
    let host = databases.host(port.number());
    let task = EcsTask::run(dockerrun, &host).expect("the containers should start");
    for name in task.names() {
        println!("{name} runs as {}", &task.id(name)[..12]);
    }
    let url = format!("http://127.0.0.1:{}", port.number());
    let site = Site::new(task, url.clone());
    eventually("the site is ready", TEST_TIMEOUT, async || {
        let ready = site.try_get("/api/health/ready").await.ok()?.text().await.ok()?;
        ready.contains("\"ready\"").then_some(())
    })
    .await;
    contract(&site).await;
    println!("the contract holds on {url}");
    site.wait_for_value(7, "13").await;

    site.kill("worker").expect("it should run");
    eventually("the worker has ended", TEST_TIMEOUT, async || (!site.runs("worker")).then_some(()))
        .await;
    for name in ["client", "server", "nginx"] {
        assert!(site.runs(name), "{name} ended with the worker");
    }
    for path in ["/", "/api/values/current", "/api/health/live"] {
        assert_eq!(site.get(path).await.status(), 200, "{path}");
    }
    println!("the worker was killed, the others run");

    site.kill("nginx").expect("it should run");
    eventually("all containers have stopped", TEST_TIMEOUT, async || {
        (!site.names().any(|name| site.runs(name))).then_some(())
    })
    .await;
    println!("nginx was killed, and all were stopped");
}

/// The databases as Amazon runs them: on hosts of their own, with TLS only.
struct ManagedDatabases {
    postgres: String,
    redis: String,
    trusted: String,
    _containers: Containers,
}

impl ManagedDatabases {
    const POSTGRES: &str = "postgres.rds.example";
    const REDIS: &str = "redis.elasticache.example";

    fn start(dir: &Path) -> Self {
        let authority = Authority::new("in place of Amazon's").expect("an authority");
        let certificate = authority.sign(&[Self::POSTGRES, Self::REDIS]).expect("a certificate");
        let tls = dir.join("tls");
        fs::create_dir(&tls).expect("a folder");
        // Readable in the containers, where the servers are other users.
        for dir in [dir, &tls] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        for (name, content) in [
            ("ca.pem", authority.pem()),
            ("server.pem", &certificate.chain),
            ("server.key", &certificate.key),
            // As on RDS since version 15: no connection without TLS.
            ("pg_hba.conf", "local all all trust\nhostssl all all all scram-sha-256\n"),
        ] {
            fs::write(tls.join(name), content).expect("a file");
        }
        let containers = Containers::default();
        let volume = format!("--volume={}:/tls:ro", tls.display());
        let secret = format!("--env=POSTGRES_PASSWORD={SECRET}");
        let serve = "install -o postgres -m 600 /tls/server.key /var/lib/postgresql/server.key && \
                     exec docker-entrypoint.sh postgres -c ssl=on -c ssl_cert_file=/tls/server.pem \
                     -c ssl_key_file=/var/lib/postgresql/server.key -c hba_file=/tls/pg_hba.conf";
        let postgres = [
            "--env=POSTGRES_DB=fibonacci",
            &volume,
            &secret,
            "--entrypoint=bash",
            &image("postgres"),
        ];
        let postgres = containers.run(&[&postgres[..], &["-c", serve]].concat());
        let redis = format!(
            "{volume} {} redis-server --port 0 --tls-port 6379 --tls-cert-file /tls/server.pem \
             --tls-key-file /tls/server.key --tls-ca-cert-file /tls/ca.pem --tls-auth-clients no \
             --requirepass {SECRET}",
            image("redis")
        );
        let redis = containers.run(&redis.split(' ').collect::<Vec<_>>());
        let (postgres, redis) =
            (postgres.expect("Postgres should start"), redis.expect("Redis should start"));
        let trusted = tls.join("ca.pem").display().to_string();
        Self {
            postgres: address(&postgres),
            redis: address(&redis),
            trusted,
            _containers: containers,
        }
    }

    /// A host in the databases' network, with the environment's properties of DEPLOY.md.
    fn host(&self, port: u16) -> EcsHost {
        let properties = vec![
            ("PGHOST", Self::POSTGRES),
            ("PGUSER", "postgres"),
            ("PGPASSWORD", SECRET),
            ("PGDATABASE", "fibonacci"),
            ("REDIS_HOST", Self::REDIS),
            ("REDIS_PASSWORD", SECRET),
        ];
        let network = vec![
            format!("--add-host={}:{}", Self::POSTGRES, self.postgres),
            format!("--add-host={}:{}", Self::REDIS, self.redis),
            format!("--volume={}:/etc/ssl/certs/ca-certificates.crt:ro", self.trusted),
        ];
        EcsHost { properties, network, port }
    }
}

/// The image of a database in docker-compose.yml.
fn image(service: &str) -> String {
    compose_file()["services"][service]["image"].as_str().expect("an image").to_owned()
}

/// A container's address on the default bridge.
fn address(id: &str) -> String {
    docker(&["inspect", "--format", "{{.NetworkSettings.IPAddress}}", id])
        .expect("docker should know it")
}
