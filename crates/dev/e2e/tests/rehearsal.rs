//! A deployment on one machine: the phases of .travis.yml, the push to a registry, deploy.zip, and
//! Dockerrun.aws.json as ECS runs it. `cargo xtask rehearse` runs these tests. Local substitutes
//! take the place of Docker Hub, of RDS and ElastiCache with their TLS certificates, and of the
//! VPC's DNS (`--add-host`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use e2e::{
    Authority, Containers, EcsHost, EcsTask, Site, Travis, check_contract, docker, eventually, root,
};
use serde_json::Value;
use stack::testing::{TEST_TIMEOUT, compose_file};
use stack::{HttpService, Port, Process, http_get};
use tempfile::TempDir;

const REGISTRY_USER: &str = "somebody";
const REGISTRY_PASSWORD: &str = "a password, with $pecial 'characters'";

/// The password of both databases. ElastiCache requires at least 16 characters.
const DATABASE_PASSWORD: &str = "of-the-rehearsal-only";

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
        let config = serde_json::json!({
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
    let git = Process::builder("git", "git").args(["clone", "--quiet"]).arg(root()).arg(dir.path());
    git.run(TEST_TIMEOUT).expect("git should clone");
    dir
}

/// The variables from the repository's settings on Travis.
fn settings(registry: &str) -> [(&str, &str); 5] {
    [
        ("DOCKER_REGISTRY", registry),
        ("DOCKER_ID", REGISTRY_USER),
        ("DOCKER_PASSWORD", REGISTRY_PASSWORD),
        ("AWS_ACCESS_KEY", "not used: nothing is uploaded"),
        ("AWS_SECRET_KEY", "not used: nothing is uploaded"),
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
    let error = travis.run_push_job("master", &settings(&registry.host()));
    let error = error.expect_err("the job should fail");
    assert!(error.to_string().contains("the job failed"), "{error:#}");
    assert_eq!(registry.images().await, [], "an image was pushed");
    assert!(!checkout.path().join("deploy.zip").exists());
}

#[tokio::test]
#[ignore = "builds images: cargo xtask rehearse"]
async fn a_push_to_master_becomes_a_running_site() {
    let (registry, checkout) = (Registry::start(), clone_checkout());
    let travis = Travis::read(checkout.path()).expect(".travis.yml");
    travis.run_push_job("master", &settings(&registry.host())).expect("the job should pass");

    let head = Process::builder("git", "git").args(["rev-parse", "HEAD"]).dir(checkout.path());
    let commit = head.run(TEST_TIMEOUT).expect("git should run").trim().to_owned();
    let images = registry.images().await;
    assert_eq!(images.len(), 4, "{images:?}");
    for ((image, tags), name) in images.iter().zip(["front-end", "nginx", "server", "worker"]) {
        assert!(image.ends_with(&format!("/{name}")), "{image}");
        assert!(tags.contains(&commit) && tags.contains(&"latest".to_owned()), "{image}: {tags:?}");
        let label = r#"{{index .Config.Labels "org.opencontainers.image.revision"}}"#;
        let tagged = format!("{}/{image}:{commit}", registry.host());
        let revision = docker(&["inspect", "--format", label, &tagged]);
        assert_eq!(revision.expect("the image should exist"), commit, "{image}");
    }

    let zip = checkout.path().join(travis.deployment()["zip_file"].as_str().expect("a zip_file"));
    let unzip = |args: &[&str]| {
        let output = Command::new("unzip").args(args).output().expect("unzip should start");
        String::from_utf8(output.stdout).expect("text")
    };
    let zip = zip.to_str().expect("a readable path");
    assert_eq!(unzip(&["-Z1", zip]).trim(), "Dockerrun.aws.json", "the zip should have one file");
    let dockerrun = unzip(&["-p", zip]);
    assert_eq!(dockerrun.matches(&format!(":{commit}\"")).count(), 4, "{dockerrun}");

    registry.remove_local_images();
    deploy(&registry, &dockerrun).await;
}

/// Deploys the zip's Dockerrun.aws.json as Elastic Beanstalk does, and checks the site.
async fn deploy(registry: &Registry, dockerrun: &str) {
    let databases = ManagedDatabases::start(registry.dir.path());
    let port = std::env::var("REHEARSAL_PORT").expect("REHEARSAL_PORT: see `cargo xtask rehearse`");
    let port = Port::exactly(port.parse().expect("a port")).expect("the port should be free");
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
    check_contract(&site).await;
    println!("the contract holds on {url}");
    site.wait_for_value(7, "13").await;

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

/// The databases as Amazon runs them: on their own hosts, and only with TLS.
struct ManagedDatabases {
    postgres_address: String,
    redis_address: String,
    ca_path: String,
    _containers: Containers,
}

impl ManagedDatabases {
    const POSTGRES: &str = "postgres.rds.example";
    const REDIS: &str = "redis.elasticache.example";

    fn start(dir: &Path) -> Self {
        let authority = Authority::new("substitute for Amazon's").expect("an authority");
        let certificate = authority.sign(&[Self::POSTGRES, Self::REDIS]).expect("a certificate");
        let tls = dir.join("tls");
        fs::create_dir(&tls).expect("a folder");
        // The servers in the containers run as other users, which must be able to read it.
        for dir in [dir, &tls] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        for (name, content) in [
            ("ca.pem", authority.pem()),
            ("server.pem", &certificate.chain),
            ("server.key", &certificate.key),
            // Refuses connections without TLS, as RDS does since version 15.
            ("pg_hba.conf", "local all all trust\nhostssl all all all scram-sha-256\n"),
        ] {
            fs::write(tls.join(name), content).expect("a file");
        }
        let containers = Containers::default();
        let volume = format!("--volume={}:/tls:ro", tls.display());
        let secret = format!("--env=POSTGRES_PASSWORD={DATABASE_PASSWORD}");
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
             --requirepass {DATABASE_PASSWORD}",
            image("redis")
        );
        let redis = containers.run(&redis.split(' ').collect::<Vec<_>>());
        let (postgres, redis) =
            (postgres.expect("Postgres should start"), redis.expect("Redis should start"));
        Self {
            postgres_address: address(&postgres),
            redis_address: address(&redis),
            ca_path: tls.join("ca.pem").display().to_string(),
            _containers: containers,
        }
    }

    /// A host that reaches the databases, with the environment's properties of DEPLOY.md.
    fn host(&self, port: u16) -> EcsHost {
        let properties = vec![
            ("PGHOST", Self::POSTGRES),
            ("PGUSER", "postgres"),
            ("PGPASSWORD", DATABASE_PASSWORD),
            ("PGDATABASE", "fibonacci"),
            ("REDIS_HOST", Self::REDIS),
            ("REDIS_PASSWORD", DATABASE_PASSWORD),
        ];
        let docker_args = vec![
            format!("--add-host={}:{}", Self::POSTGRES, self.postgres_address),
            format!("--add-host={}:{}", Self::REDIS, self.redis_address),
            format!("--volume={}:/etc/ssl/certs/ca-certificates.crt:ro", self.ca_path),
        ];
        EcsHost { properties, docker_args, port }
    }
}

/// The image of a database in docker-compose.yml.
fn image(service: &str) -> String {
    compose_file()["services"][service]["image"].as_str().expect("an image").to_owned()
}

/// A container's address on the default bridge.
fn address(id: &str) -> String {
    docker(&["inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", id])
        .expect("the container should exist")
}
