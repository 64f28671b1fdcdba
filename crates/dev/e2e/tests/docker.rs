//! The production images and the stack of docker-compose.yml on a Docker Engine. `cargo xtask test
//! --docker` builds the images and runs these; each test has a stack of its own.

use std::process::Command;

use e2e::{Compose, Containers, Site, contract, docker, eventually};
use reqwest::StatusCode;
use serde_json::Value;
use stack::testing::TEST_TIMEOUT;

const IMAGES: [&str; 4] =
    ["usamaa96/server", "usamaa96/worker", "usamaa96/front-end", "usamaa96/nginx"];

fn start() -> Site<Compose> {
    Compose::up(&[], &[])
}

fn inspect(what: &str) -> Value {
    let text = docker(&["inspect", what]).expect("docker should know it");
    let mut all: Vec<Value> = serde_json::from_str(&text).expect("docker should answer JSON");
    all.remove(0)
}

/// The id of a service's first container.
fn container(stack: &Compose, service: &str) -> String {
    stack.containers(service).remove(0)
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn images_run_as_an_unprivileged_user() {
    for image in IMAGES {
        let user = inspect(image)["Config"]["User"].to_string();
        assert!(
            !matches!(user.as_str(), "null" | r#""""# | r#""root""# | r#""0""# | r#""0:0""#),
            "{image}: {user}"
        );
    }
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn images_of_the_binaries_add_at_most_20_mb_to_their_base() {
    for image in ["usamaa96/server", "usamaa96/worker"] {
        // The only layer of ours is the COPY of the binary.
        let layers =
            docker(&["history", "--no-trunc", "--format", "{{.Size}}|{{.CreatedBy}}", image])
                .expect("docker should know it");
        let copied: Vec<&str> =
            layers.lines().filter(|layer| layer.contains("COPY /src/target")).collect();
        let [layer] = copied[..] else { panic!("one layer of ours in {image}:\n{layers}") };
        let size = layer.split('|').next().unwrap_or_default();
        let megabytes: f64 =
            size.strip_suffix("MB").and_then(|size| size.parse().ok()).expect(size);
        println!("{image}: {size} above its base");
        assert!(megabytes <= 20.0, "{image}: {size}");
    }
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn the_page_has_at_most_a_megabyte_and_a_half_of_files() {
    let files =
        ["run", "--rm", "--entrypoint", "du", "usamaa96/front-end", "-sb", "/usr/share/nginx/html"];
    let size = docker(&files).expect("the page should be there");
    let bytes: u64 =
        size.split_whitespace().next().and_then(|size| size.parse().ok()).expect("a size");
    println!("the page: {bytes} bytes, compressed copies included");
    assert!(bytes <= 1_500_000, "{bytes} bytes of static files");
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn images_hold_no_secret() {
    for image in IMAGES {
        let set = inspect(image)["Config"]["Env"].to_string().to_uppercase();
        let steps = docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", image]);
        let steps = steps.expect("docker should know it").to_uppercase();
        for name in ["PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "ACCESS_KEY"] {
            assert!(
                !set.contains(name) && !steps.contains(name),
                "{name} in {image}: {set} {steps}"
            );
        }
    }
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn images_hold_nothing_of_the_checkout() {
    for image in IMAGES {
        let container = docker(&["create", image]).expect("a container");
        let list = format!("docker export {container} | tar --list");
        let files = Command::new("sh").args(["-c", &list]).output().expect("sh should start");
        docker(&["rm", &container]).expect("the container should go");
        let files = String::from_utf8_lossy(&files.stdout);
        assert!(files.lines().count() > 100, "{image}: {files}");
        let ours = |file: &&str| {
            let name = file.rsplit('/').next().unwrap_or_default();
            matches!(
                name,
                ".env" | ".env.example" | ".travis.yml" | "Cargo.lock" | "docker-compose.yml"
            ) || file.contains(".git/")
        };
        assert_eq!(files.lines().find(ours), None, "{image}");
    }
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn every_open_page_shows_a_value() {
    let stack = start();
    stack.submit(10).await;
    let (mine, other) = (stack.open("/").await, stack.open("/").await);
    mine.submit("30").await;
    mine.shows("value", "For index 30 I calculated 832040").await;
    other.shows("value", "For index 30 I calculated 832040").await;
    other.shows("value", "For index 10 I calculated 55").await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn values_survive_down_and_up() {
    let stack = start();
    for (index, value) in [(10, "55"), (30, "832040")] {
        stack.submit(index).await;
        stack.wait_for_value(index, value).await;
    }
    stack.compose(&["down"]).expect("the stack should go down");
    stack
        .compose(&["up", "--detach", "--wait", "--no-build"])
        .expect("the stack should come up again");
    stack.wait_for_value(10, "55").await;
    stack.wait_for_value(30, "832040").await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn a_damaged_append_only_file_does_not_keep_the_stack_from_starting() {
    let stack = start();
    let damage = |file: &str| {
        let command = format!("echo damaged > /data/appendonlydir/{file}");
        stack
            .compose(&["exec", "-T", "redis", "sh", "-c", &command])
            .expect("a file should be written");
        stack.compose(&["kill", "redis"]).expect("Redis should be killed");
        stack
            .compose(&["up", "--detach", "--wait", "--no-build"])
            .expect("everything should be healthy");
    };
    stack.submit(10).await;
    for file in ["appendonly.aof.1.incr.aof", "appendonly.aof.manifest"] {
        damage(file);
        stack.wait_for_value(10, "55").await;
    }
    let log = stack.compose(&["logs", "redis"]).expect("there should be a log");
    assert_eq!(log.matches("starting it empty").count(), 2, "{log}");
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn the_contract_holds_through_the_edge() {
    contract(&start()).await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn replicas_of_the_api_and_the_worker_share_the_load() {
    let stack = Compose::up(&[], &["--scale", "worker=4", "--scale", "api=2"]);
    assert_eq!(stack.containers("api").len(), 2);
    assert_eq!(stack.containers("worker").len(), 4);
    // The edge has seen both by now, or within a second.
    eventually("the edge knows both apis and all workers have worked", TEST_TIMEOUT, async || {
        for index in 2_000..2_040 {
            stack.try_submit(index).await.ok()?;
        }
        let has_logged = |container: String, word: &str| {
            docker(&["logs", &container]).is_ok_and(|log| log.contains(word))
        };
        let apis = stack.containers("api").into_iter().all(|api| has_logged(api, "\"submitted\""));
        let mut workers = stack.containers("worker").into_iter();
        (apis && workers.all(|worker| has_logged(worker, "\"calculated\""))).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn a_recreated_api_is_found_without_a_restart_of_the_edge() {
    let stack = start();
    let edge = container(&stack, "nginx");
    let started = |container: &str| inspect(container)["State"]["StartedAt"].to_string();
    let before = started(&edge);
    let api = stack.containers("api");

    stack.compose(&["rm", "--stop", "--force", "api"]).expect("the api should go");
    eventually("the edge answers 502", TEST_TIMEOUT, async || {
        stack
            .try_get("/api/")
            .await
            .ok()
            .filter(|answer| answer.status() == StatusCode::BAD_GATEWAY)
    })
    .await;
    assert_eq!(stack.get("/").await.status(), StatusCode::OK);

    // Another container gets the address that the api had.
    let other =
        ["run", "--detach", "--rm", "--network", &stack.network("front"), "usamaa96/front-end"];
    let other = docker(&other).expect("another container should start");
    stack
        .compose(&["up", "--detach", "--wait", "--no-build", "api"])
        .expect("the api should come back");
    eventually("requests succeed again", TEST_TIMEOUT, async || stack.try_submit(10).await.ok())
        .await;
    stack.wait_for_value(10, "55").await;
    docker(&["rm", "--force", &other]).expect("the other container should go");
    assert_ne!(stack.containers("api"), api, "it is another container");
    assert_eq!(started(&edge), before, "the edge was not restarted");
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn containers_are_run_as_compose_describes_them() {
    let stack = start();
    for service in ["postgres", "redis", "api", "worker", "client", "nginx"] {
        let about = inspect(&container(&stack, service));
        assert_eq!(about["State"]["Health"]["Status"], "healthy", "{service}");
        let host = &about["HostConfig"];
        assert!(host["Memory"].as_u64().is_some_and(|limit| limit > 0), "{service} is bounded");
        assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped", "{service}");
        let is_ours = !matches!(service, "postgres" | "redis");
        assert_eq!(host["ReadonlyRootfs"], is_ours, "{service}");
    }
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn the_edge_and_the_page_do_not_reach_the_back_network() {
    let stack = start();
    stack
        .compose(&["exec", "-T", "nginx", "getent", "hosts", "api"])
        .expect("the edge should know the api");
    let worker: worker::config::WorkerConfig = stack::testing::parse_options(["worker"]);
    for (service, port) in
        [("postgres", 5432), ("redis", 6379), ("worker", worker.operator.metrics_port)]
    {
        let networks = &inspect(&container(&stack, service))["NetworkSettings"]["Networks"];
        let address = networks[stack.network("back")]["IPAddress"].as_str().expect("an address");
        let url = format!("telnet://{address}:{port}");
        for from in ["client", "nginx"] {
            let resolved = stack.compose(&["exec", "-T", from, "getent", "hosts", service]);
            assert!(resolved.is_err(), "{from} knows {service}");
            let dial = stack.compose(&["exec", "-T", from, "curl", "--max-time", "2", &url]);
            let refused = dial.expect_err("it was reached").to_string();
            assert!(
                refused.contains("(7)") || refused.contains("(28)"),
                "{from} to {service}: {refused}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn one_address_cannot_flood_the_edge() {
    let stack = Compose::up(&[("REQUEST_RATE", "1r/s"), ("REQUEST_BURST", "5")], &[]);
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(stack.get("/api/").await);
    }
    for status in [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert!(answers.iter().any(|answer| answer.status() == status), "{status}");
    }
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn the_seed_profile_submits_some_hundred_indices() {
    let stack = start();
    let said = stack
        .compose(&["--profile", "seed", "run", "--rm", "-T", "seed"])
        .expect("the seed should run");
    assert!(said.contains("305 indices"), "{said}");
    stack
        .wait_for_value(300, "222232244629420445529739893461909967206666939096499764990979600")
        .await;
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn the_edge_finds_its_upstreams_by_legacy_links() {
    // As Dockerrun.aws.json has it, on a platform without Docker's DNS: the default bridge, and
    // names in /etc/hosts only.
    let made = Containers::default();
    let api = made.run(&["--hostname", "api", "usamaa96/server"]).expect("the server should start");
    let client = made.run(&["usamaa96/front-end"]).expect("the client should start");
    let links = [format!("{api}:server"), format!("{client}:client")];
    let edge =
        ["--link", &links[0], "--link", &links[1], "--publish", "127.0.0.1::80", "usamaa96/nginx"];
    let edge = made.run(&edge).expect("the edge should start");
    let resolv = docker(&["exec", &edge, "cat", "/etc/resolv.conf"]).expect("the edge should run");
    assert!(!resolv.contains("127.0.0.11"), "Docker's DNS must not be there: {resolv}");

    let port = docker(&["port", &edge, "80"]).expect("the port should be published");
    let get = |path: &str| stack::http_get(&format!("http://{port}{path}"));
    // There are no databases, so the api is live but not ready.
    stack::wait_until("the edge reaches the api", TEST_TIMEOUT, || {
        get("/api/health/live").is_ok_and(|answer| answer.status == 200)
    })
    .expect("it should");
    let page = get("/").expect("the edge should answer");
    assert!(page.body.contains("<title>Fibonacci calculator</title>"), "{}", page.body);
}
