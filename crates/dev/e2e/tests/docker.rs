//! The production images and the stack of docker-compose.yml on a real Docker Engine. `cargo xtask test --docker` builds
//! the images and runs these; each test has a stack of its own.
//!
//! What needs no container, the edge's own rules for one, is tested without.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use e2e::{Compose, Containers, browsers, contract, docker, eventually, header};
use reqwest::StatusCode;
use serde_json::Value;

/// For what takes a container a moment: starting, being found, being given up.
const BOUND: Duration = Duration::from_secs(30);

const IMAGES: [&str; 4] = ["usamaa96/server", "usamaa96/worker", "usamaa96/front-end", "usamaa96/nginx"];

fn stack() -> Compose {
    Compose::up(&[]).expect("the stack should come up")
}

fn inspect(what: &str) -> Value {
    let text = docker(&["inspect", what]).expect("docker should know it");
    let mut all: Vec<Value> = serde_json::from_str(&text).expect("docker should answer JSON");
    all.remove(0)
}

async fn shows(stack: &Compose, index: u32, value: &str) {
    eventually(&format!("index {index} has its value"), BOUND, async || {
        (stack.value(index).await? == value).then_some(())
    })
    .await;
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn images_run_as_nobody_know_their_health_and_are_small() {
    for image in IMAGES {
        let about = inspect(image);
        let config = &about["Config"];
        let user = config["User"].as_str().unwrap_or_default();
        assert!(!matches!(user, "" | "root" | "0" | "0:0"), "{image} runs as {user:?}");
        let check = config["Healthcheck"]["Test"].to_string();
        let own = if image.ends_with("server") || image.ends_with("worker") { "healthcheck" } else { "curl" };
        assert!(check.contains(own), "{image} checks its health by {check}");
    }
    for (image, base) in [("usamaa96/server", "distroless"), ("usamaa96/worker", "distroless")] {
        // All layers of ours are the COPY of the binary.
        let layers = docker(&["history", "--no-trunc", "--format", "{{.Size}}|{{.CreatedBy}}", image])
            .expect("docker should know it");
        let copied: Vec<&str> = layers.lines().filter(|layer| layer.contains("COPY /src/target")).collect();
        let [layer] = copied[..] else { panic!("one layer of ours above {base} in {image}:\n{layers}") };
        let size = layer.split('|').next().unwrap_or_default();
        let megabytes: f64 = size.strip_suffix("MB").and_then(|size| size.parse().ok()).expect(size);
        println!("{image}: {size} above {base}");
        assert!(megabytes <= 20.0, "{image}: {size}");
    }
    let files = ["run", "--rm", "--entrypoint", "du", "usamaa96/front-end", "-sb", "/usr/share/nginx/html"];
    let size = docker(&files).expect("the page should be there");
    let bytes: u64 = size.split_whitespace().next().and_then(|size| size.parse().ok()).expect("a size");
    println!("the page: {bytes} bytes, compressed copies included");
    assert!(bytes <= 1_000_000, "{bytes} bytes of static files");
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn images_hold_no_secret_and_nothing_of_the_checkout() {
    for image in IMAGES {
        let set = inspect(image)["Config"]["Env"].to_string().to_uppercase();
        let steps = docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", image]);
        let steps = steps.expect("docker should know it").to_uppercase();
        for name in ["PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "ACCESS_KEY"] {
            assert!(
                !set.contains(name) && !steps.contains(name),
                "{image} was made with a {name}: {set} {steps}"
            );
        }
        let container = docker(&["create", image]).expect("a container");
        let container = container.trim();
        let list = format!("docker export {container} | tar --list");
        let files = Command::new("sh").args(["-c", &list]).output().expect("sh should start");
        docker(&["rm", container]).expect("the container should go");
        let files = String::from_utf8_lossy(&files.stdout);
        assert!(files.lines().count() > 100, "{image}: {files}");
        let ours = |file: &&str| {
            let name = file.rsplit('/').next().unwrap_or_default();
            matches!(name, ".env" | ".env.example" | ".travis.yml" | "Cargo.lock" | "docker-compose.yml")
                || file.contains(".git/")
        };
        assert_eq!(files.lines().find(ours), None, "{image}");
    }
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn a_newcomer_sees_55_and_it_outlives_down_and_up() {
    let stack = stack();
    let answer = stack.submit(10).await.expect("the edge should answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["working"], true);
    shows(&stack, 10, "55").await;

    browsers(&stack.url(), async |[mine, other]| {
        mine.submit("30").await;
        mine.shows("value", "For index 30 I calculated 832040").await;
        other.shows("value", "For index 30 I calculated 832040").await;
        other.shows("value", "For index 10 I calculated 55").await;
    })
    .await;

    stack.compose(&["down"]).expect("the stack should go down");
    stack.compose(&["up", "--detach", "--wait", "--no-build"]).expect("the stack should come up again");
    shows(&stack, 10, "55").await;
    shows(&stack, 30, "832040").await;
    stack.compose(&["restart"]).expect("everything should restart");
    shows(&stack, 10, "55").await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn the_contract_holds_through_the_edge() {
    contract(&stack().url()).await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn four_workers_share_the_queue_and_two_apis_the_requests() {
    let stack = Compose::new(None, &["docker-compose.yml"], &[]).expect("a port should be free");
    let up = ["up", "--detach", "--wait", "--no-build", "--scale", "worker=4", "--scale", "api=2"];
    stack.compose(&up).expect("the stack should come up");
    for (service, count) in [("api", 2), ("worker", 4)] {
        assert_eq!(stack.containers(service).expect("compose should answer").len(), count);
    }
    // The edge has seen both by now, or within a second.
    eventually("the edge knows both apis and all workers have worked", BOUND, async || {
        for index in 2_000..2_040 {
            stack.submit(index).await.ok()?;
        }
        let mut busy = BTreeMap::new();
        for service in ["api", "worker"] {
            for container in stack.containers(service).ok()? {
                let log = docker(&["logs", &container]).ok()?;
                let word = if service == "api" { "\"submitted\"" } else { "\"calculated\"" };
                busy.insert(container, log.contains(word));
            }
        }
        busy.values().all(|busy| *busy).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn an_api_made_anew_is_found_without_a_restart_of_the_edge() {
    let stack = stack();
    let edge = stack.containers("nginx").expect("compose should answer").remove(0);
    let started = |container: &str| inspect(container)["State"]["StartedAt"].to_string();
    let before = started(&edge);
    let api = stack.containers("api").expect("compose should answer");

    stack.compose(&["rm", "--stop", "--force", "api"]).expect("the api should go");
    let away = eventually("the edge says that the api is away", BOUND, async || {
        stack.get("/api/").await.ok().filter(|answer| answer.status() == StatusCode::BAD_GATEWAY)
    })
    .await;
    assert_eq!(header(&away, "content-type"), "application/problem+json");
    assert_eq!(header(&away, "retry-after"), "1");
    assert_eq!(stack.get("/").await.expect("the edge should answer").status(), StatusCode::OK);

    // Somebody else gets the address that the api had.
    let other = ["run", "--detach", "--rm", "--network", &stack.network("front"), "usamaa96/front-end"];
    let other = docker(&other).expect("another container should start");
    stack.compose(&["up", "--detach", "--wait", "--no-build", "api"]).expect("the api should come back");
    eventually("requests succeed again", BOUND, async || {
        stack.submit(10).await.ok().filter(|answer| answer.status() == StatusCode::OK)
    })
    .await;
    shows(&stack, 10, "55").await;
    docker(&["rm", "--force", &other]).expect("the other container should go");
    assert_ne!(stack.containers("api").expect("compose should answer"), api, "it is another container");
    assert_eq!(started(&edge), before, "the edge was not restarted");
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn only_the_edge_is_reachable_and_the_page_cannot_reach_the_databases() {
    let stack = stack();
    for service in ["postgres", "redis", "api", "worker", "client", "nginx"] {
        let container = stack.containers(service).expect("compose should answer").remove(0);
        let about = inspect(&container);
        assert_eq!(about["State"]["Health"]["Status"], "healthy", "{service}");
        let bound = about["HostConfig"]["PortBindings"].as_object().is_some_and(|ports| !ports.is_empty());
        assert_eq!(bound, service == "nginx", "{service} has a published port");
        assert!(
            about["HostConfig"]["Memory"].as_u64().is_some_and(|limit| limit > 0),
            "{service} is bounded"
        );
        assert_eq!(about["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped", "{service}");
        let is_ours = !matches!(service, "postgres" | "redis");
        assert_eq!(about["HostConfig"]["ReadonlyRootfs"], is_ours, "{service}");
    }
    // "sh" is there because nginx's image has it; the server's and the worker's have none.
    for (service, name, is_known) in [
        ("client", "postgres", false),
        ("client", "redis", false),
        ("nginx", "postgres", false),
        ("nginx", "redis", false),
        ("nginx", "worker", false),
        ("nginx", "api", true),
    ] {
        let asked = stack.compose(&["exec", "-T", service, "getent", "hosts", name]);
        assert_eq!(asked.is_ok(), is_known, "{service} knows {name}");
    }
    // Nor by an address that it was told.
    let address = |service: &str| {
        let container = stack.containers(service).expect("compose should answer").remove(0);
        let networks = &inspect(&container)["NetworkSettings"]["Networks"];
        networks[stack.network("back")]["IPAddress"].as_str().expect("an address").to_owned()
    };
    let metrics = server::config::Config::parse_from(["server"]).operator.metrics_port;
    for (service, port) in [("postgres", 5432), ("redis", 6379), ("worker", metrics)] {
        let to = format!("telnet://{}:{port}", address(service));
        for from in ["client", "nginx"] {
            let dial = ["exec", "-T", from, "curl", "--max-time", "2", &to];
            let refused = stack.compose(&dial).expect_err("it was reached").to_string();
            assert!(refused.contains("(7)") || refused.contains("(28)"), "{from} to {service}: {refused}");
        }
    }
    // The metrics' port is published nowhere, and no path of the one that is leads there.
    for path in ["/metrics", "/api/metrics", "/api/%2e%2e/metrics", &format!("/api/@api:{metrics}/metrics")] {
        let answer = stack.get(path).await.expect("the edge should answer");
        let text = answer.text().await.expect("a body");
        assert!(!text.contains("# TYPE"), "{path}: {text}");
    }
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn one_address_cannot_flood_the_edge() {
    let stack =
        Compose::up(&[("REQUEST_RATE", "1r/s"), ("REQUEST_BURST", "5")]).expect("the stack should come up");
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(stack.get("/api/").await.expect("the edge should answer"));
    }
    let refused = answers.iter().find(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS);
    let refused = refused.expect("the rate should be bounded");
    assert_eq!(header(refused, "content-type"), "application/problem+json");
    assert_eq!(header(refused, "retry-after"), "1");
    assert!(answers.iter().any(|answer| answer.status() == StatusCode::OK));
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn the_seed_profile_submits_some_hundred_indices() {
    let stack = stack();
    let said =
        stack.compose(&["--profile", "seed", "run", "--rm", "-T", "seed"]).expect("the seed should run");
    assert!(said.contains("305 indices"), "{said}");
    shows(&stack, 300, "222232244629420445529739893461909967206666939096499764990979600").await;
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn the_edge_finds_what_legacy_links_name_in_etc_hosts() {
    // As Dockerrun.aws.json has it, on a platform without Docker's DNS: the default bridge, and names in /etc/hosts only.
    let made = Containers::default();
    let api = made.run(&["--hostname", "api", "usamaa96/server"]).expect("the server should start");
    let client = made.run(&["usamaa96/front-end"]).expect("the client should start");
    let links = [format!("{api}:server"), format!("{client}:client")];
    let edge = ["--link", &links[0], "--link", &links[1], "--publish", "127.0.0.1::80", "usamaa96/nginx"];
    let edge = made.run(&edge).expect("the edge should start");
    let resolv = docker(&["exec", &edge, "cat", "/etc/resolv.conf"]).expect("the edge should run");
    assert!(!resolv.contains("127.0.0.11"), "this is to be seen without Docker's DNS: {resolv}");

    let port = docker(&["port", &edge, "80"]).expect("the port should be published");
    let get = |path: &str| stack::http_get(&format!("http://{port}{path}"));
    // Neither database is there: the api lives and says so.
    stack::wait_until("the edge reaches the api", BOUND, || {
        get("/api/health/live").is_ok_and(|answer| answer.status == 200)
    })
    .expect("it should");
    let page = get("/").expect("the edge should answer");
    assert!(page.body.contains("<title>Fibonacci calculator</title>"), "{}", page.body);
}
