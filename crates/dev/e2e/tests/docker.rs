//! The production images, and the stack of docker-compose.yml on a Docker Engine. `cargo xtask test
//! --docker` builds the images and runs these tests. A test that needs a running stack starts one.

use std::process::Command;

use e2e::{
    Compose, Containers, Site, alerts, check_contract, dashboard_queries, docker, eventually,
};
use reqwest::StatusCode;
use serde_json::Value;
use stack::testing::TEST_TIMEOUT;

const IMAGES: [&str; 4] =
    ["usamaa96/server", "usamaa96/worker", "usamaa96/front-end", "usamaa96/nginx"];

/// Options of `docker compose` that start what does not run and wait until it is healthy.
const UP: [&str; 4] = ["up", "--detach", "--wait", "--no-build"];

fn start_stack() -> Site<Compose> {
    Compose::up(&[], &[])
}

/// The description of an image or a container.
fn inspect(object: &str) -> Value {
    let text = docker(&["inspect", object]).expect("the image or container should exist");
    let mut objects: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    objects.remove(0)
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
fn images_have_oci_labels() {
    for image in IMAGES {
        let labels = &inspect(image)["Config"]["Labels"];
        for name in ["title", "description", "licenses"] {
            let label = labels[format!("org.opencontainers.image.{name}")].as_str();
            assert!(label.is_some_and(|text| !text.is_empty()), "{name} of {image}: {labels}");
        }
    }
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn server_and_worker_add_at_most_20_mb_to_their_base_image() {
    for image in ["usamaa96/server", "usamaa96/worker"] {
        let format = "{{.Size}}|{{.CreatedBy}}";
        let layers = docker(&["history", "--no-trunc", "--format", format, image]);
        let layers = layers.expect("the image should exist");
        // The api's image has one more file, certificates of 40 kB in a layer of their own.
        let copied: Vec<&str> =
            layers.lines().filter(|layer| layer.contains("COPY /src/target")).collect();
        let [layer] = copied[..] else { panic!("not one COPY layer in {image}:\n{layers}") };
        let size = layer.split('|').next().unwrap_or_default();
        let megabytes: f64 =
            size.strip_suffix("MB").and_then(|size| size.parse().ok()).expect(size);
        println!("{image}: {size} above its base");
        assert!(megabytes <= 20.0, "{image}: {size}");
    }
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn static_files_of_the_page_take_at_most_2_mb() {
    let files =
        ["run", "--rm", "--entrypoint", "du", "usamaa96/front-end", "-sb", "/usr/share/nginx/html"];
    let size = docker(&files).expect("the page should be there");
    let bytes: u64 =
        size.split_whitespace().next().and_then(|size| size.parse().ok()).expect("a size");
    println!("the page: {bytes} bytes, compressed copies and sources included");
    assert!(bytes <= 2_000_000, "{bytes} bytes of static files");
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn images_contain_no_secret() {
    for image in IMAGES {
        let env = inspect(image)["Config"]["Env"].to_string().to_uppercase();
        let steps = docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", image]);
        let steps = steps.expect("the image should exist").to_uppercase();
        for name in ["PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "ACCESS_KEY"] {
            let has_secret = env.contains(name) || steps.contains(name);
            assert!(!has_secret, "{name} in {image}: {env} {steps}");
        }
    }
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn images_contain_no_stray_files_of_the_checkout() {
    for image in IMAGES {
        let container = docker(&["create", image]).expect("a container");
        let list = format!("docker export {container} | tar --list");
        let files = Command::new("sh").args(["-c", &list]).output().expect("sh should start");
        docker(&["rm", &container]).expect("the container should be removed");
        let files = String::from_utf8_lossy(&files.stdout);
        assert!(files.lines().count() > 100, "{image}: {files}");
        let unwanted = [".env", ".env.example", ".travis.yml", "Cargo.lock", "docker-compose.yml"];
        let is_unwanted = |file: &&str| {
            let name = file.rsplit('/').next().unwrap_or_default();
            // The page shows the Compose file.
            let is_shown = *file == "usr/share/nginx/html/source/docker-compose.yml";
            unwanted.contains(&name) && !is_shown || file.contains(".git/")
        };
        assert_eq!(files.lines().find(is_unwanted), None, "{image}");
    }
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn every_open_page_shows_a_new_value() {
    let stack = start_stack();
    stack.submit(10).await;
    let (mine, other) = (stack.open("/").await, stack.open("/").await);
    mine.submit("30").await;
    mine.wait_for_text("value", "For index 30 I calculated 832040").await;
    other.wait_for_text("value", "For index 30 I calculated 832040").await;
    other.wait_for_text("value", "For index 10 I calculated 55").await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn values_survive_compose_down_and_up() {
    let stack = start_stack();
    for (index, value) in [(10, "55"), (30, "832040")] {
        stack.submit(index).await;
        stack.wait_for_value(index, value).await;
    }
    stack.compose(&["down"]).expect("the stack should stop");
    stack.compose(&UP).expect("the stack should start again");
    stack.wait_for_value(10, "55").await;
    stack.wait_for_value(30, "832040").await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn the_stack_starts_with_a_damaged_append_only_file() {
    let stack = start_stack();
    let damage = |file: &str| {
        let command = format!("echo damaged > /data/appendonlydir/{file}");
        let command = ["exec", "-T", "redis", "sh", "-c", &command];
        stack.compose(&command).expect("the file should be written");
        stack.compose(&["kill", "redis"]).expect("Redis should be killed");
        stack.compose(&UP).expect("all services should be healthy");
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
    check_contract(&start_stack()).await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn replicas_of_the_api_and_the_worker_share_the_load() {
    let stack = Compose::up(&[], &["--scale", "worker=4", "--scale", "api=2"]);
    assert_eq!(stack.containers("api").len(), 2);
    assert_eq!(stack.containers("worker").len(), 4);
    // The edge resolves the name of the api every second.
    eventually("all replicas have worked", TEST_TIMEOUT, async || {
        for index in 2_000..2_040 {
            stack.try_submit(index).await.ok()?;
        }
        let has_logged = |container: String, word: &str| {
            docker(&["logs", &container]).is_ok_and(|log| log.contains(word))
        };
        let (mut apis, mut workers) =
            (stack.containers("api").into_iter(), stack.containers("worker").into_iter());
        let have_worked = apis.all(|api| has_logged(api, "\"submitted\""))
            && workers.all(|worker| has_logged(worker, "\"calculated\""));
        have_worked.then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn the_edge_finds_a_recreated_api_without_a_restart() {
    let stack = start_stack();
    let edge = container(&stack, "nginx");
    let start_time = |container: &str| inspect(container)["State"]["StartedAt"].to_string();
    let edge_start = start_time(&edge);
    let api = stack.containers("api");

    stack.compose(&["rm", "--stop", "--force", "api"]).expect("the api should be removed");
    eventually("the edge responds with 502", TEST_TIMEOUT, async || {
        let status = stack.try_get("/api/").await.ok()?.status();
        (status == StatusCode::BAD_GATEWAY).then_some(())
    })
    .await;
    assert_eq!(stack.get("/").await.status(), StatusCode::OK);

    // This container takes the address of the removed api, so the new api gets another one.
    let other =
        ["run", "--detach", "--rm", "--network", &stack.network("front"), "usamaa96/front-end"];
    let other = docker(&other).expect("another container should start");
    stack.compose(&[&UP[..], &["api"]].concat()).expect("the api should start");
    eventually("requests succeed again", TEST_TIMEOUT, async || stack.try_submit(10).await.ok())
        .await;
    stack.wait_for_value(10, "55").await;
    docker(&["rm", "--force", &other]).expect("the other container should be removed");
    assert_ne!(stack.containers("api"), api, "the api should be a new container");
    assert_eq!(start_time(&edge), edge_start, "the edge should not restart");
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn containers_are_healthy_limited_restarted_and_read_only() {
    let stack = start_stack();
    for service in ["postgres", "redis", "api", "worker", "client", "nginx"] {
        let description = inspect(&container(&stack, service));
        assert_eq!(description["State"]["Health"]["Status"], "healthy", "{service}");
        let host = &description["HostConfig"];
        let has_limit = host["Memory"].as_u64().is_some_and(|limit| limit > 0);
        assert!(has_limit, "{service} has no memory limit");
        assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped", "{service}");
        let is_ours = !matches!(service, "postgres" | "redis");
        assert_eq!(host["ReadonlyRootfs"], is_ours, "{service}");
    }
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn the_edge_and_the_client_cannot_reach_the_back_network() {
    let stack = start_stack();
    let lookup = ["exec", "-T", "nginx", "getent", "hosts", "api"];
    stack.compose(&lookup).expect("the edge should resolve the name of the api");
    let worker: worker::config::WorkerConfig = stack::testing::parse_options(["worker"]);
    for (service, port) in
        [("postgres", 5432), ("redis", 6379), ("worker", worker.operator.metrics_port)]
    {
        let networks = &inspect(&container(&stack, service))["NetworkSettings"]["Networks"];
        let address = networks[stack.network("back")]["IPAddress"].as_str().expect("an address");
        let url = format!("telnet://{address}:{port}");
        for from in ["client", "nginx"] {
            let resolved = stack.compose(&["exec", "-T", from, "getent", "hosts", service]);
            assert!(resolved.is_err(), "{from} resolves the name of {service}");
            let connection = stack.compose(&["exec", "-T", from, "curl", "--max-time", "2", &url]);
            let error = connection.expect_err("the service should be unreachable").to_string();
            // curl's exit codes: 7 is a failed connection, 28 a timeout.
            let is_unreachable = error.contains("(7)") || error.contains("(28)");
            assert!(is_unreachable, "{from} to {service}: {error}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn prometheus_has_data_for_every_query_of_the_dashboard() {
    let port = stack::Port::free().expect("a port");
    let number = port.number().to_string();
    let stack =
        Compose::up(&[("COMPOSE_PROFILES", "observe"), ("PROMETHEUS_PORT", number.as_str())], &[]);
    let prometheus = Site::new((), format!("http://127.0.0.1:{number}"));
    let get = async |path: &str, query: &str| -> Option<Value> {
        let url = format!("{}/api/v1/{path}", prometheus.url());
        let url = reqwest::Url::parse_with_params(&url, [("query", query)]).ok()?;
        let path = format!("{}?{}", url.path(), url.query()?);
        let response = prometheus.try_get(&path).await.ok()?;
        Some(response.json::<Value>().await.ok()?["data"].take())
    };
    // A rate needs two samples, 15 s apart.
    let timeout = 3 * TEST_TIMEOUT;
    stack.submit(1_000).await;
    for query in dashboard_queries() {
        let query = query.replace("$__rate_interval", "1m");
        eventually(&format!("there is data for {query}"), timeout, async || {
            stack.try_submit(1_000).await.ok()?;
            let data = get("query", &query).await?;
            data["result"].as_array().is_some_and(|series| !series.is_empty()).then_some(())
        })
        .await;
    }
    eventually("everything is scraped", timeout, async || {
        let up = get("query", "count(up == 1)").await?;
        (up["result"][0]["value"][1] == "4").then_some(())
    })
    .await;
    let rules = get("rules", "").await.expect("rules");
    let rules = rules["groups"][0]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), alerts().len());
    assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn an_address_that_exceeds_its_rate_gets_429() {
    let stack = Compose::up(&[("REQUEST_RATE", "1r/s"), ("REQUEST_BURST", "5")], &[]);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(stack.get("/api/").await.status());
    }
    for status in [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert!(statuses.contains(&status), "{statuses:?}");
    }
}

#[tokio::test]
#[ignore = "needs the images: cargo xtask test --docker"]
async fn the_seed_profile_submits_305_indices() {
    let stack = start_stack();
    let output = stack.compose(&["--profile", "seed", "run", "--rm", "-T", "seed"]);
    let output = output.expect("the seed should run");
    assert!(output.contains("305 indices"), "{output}");
    let value = "222232244629420445529739893461909967206666939096499764990979600";
    stack.wait_for_value(300, value).await;
}

#[test]
#[ignore = "needs the images: cargo xtask test --docker"]
fn the_edge_finds_its_upstreams_by_legacy_links() {
    // As with Dockerrun.aws.json: Docker's default bridge has no DNS, and links add names to
    // /etc/hosts only.
    let containers = Containers::default();
    let api =
        containers.run(&["--hostname", "api", "usamaa96/server"]).expect("the server should start");
    let client = containers.run(&["usamaa96/front-end"]).expect("the client should start");
    let links = [format!("{api}:server"), format!("{client}:client")];
    let edge = [
        "--link",
        &links[0],
        "--link",
        &links[1],
        "--publish",
        "127.0.0.1::8080",
        "usamaa96/nginx",
    ];
    let edge = containers.run(&edge).expect("the edge should start");
    let resolv = docker(&["exec", &edge, "cat", "/etc/resolv.conf"]).expect("the edge should run");
    assert!(!resolv.contains("127.0.0.11"), "the container should not use Docker's DNS: {resolv}");

    let port = docker(&["port", &edge, "8080"]).expect("the port should be published");
    let get = |path: &str| stack::http_get(&format!("http://{port}{path}"));
    // There are no databases, so the api is live but not ready.
    stack::wait_until("the edge reaches the api", TEST_TIMEOUT, || {
        get("/api/health/live").is_ok_and(|response| response.status == 200)
    })
    .expect("the edge should reach the api");
    let page = get("/").expect("the edge should respond");
    assert!(page.body.contains("<title>Fibonacci calculator</title>"), "{}", page.body);
}
