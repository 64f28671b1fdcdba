//! The lesson on `/how-it-works`: choosing a part, its sources, and that each experiment shows what
//! the lesson promises.

use std::collections::BTreeSet;

use e2e::{BrowserPage, ENTER, LocalSite, Site};
use stack::testing::TEST_TIMEOUT;
use stack::{SystemOptions, eventually};

const ROUTE: &str = "/how-it-works";

/// The link to a part in the list of all parts.
fn part_link(part: &str) -> String {
    format!("[data-testid=part-panel] a[href=\"/how-it-works?part={part}\"]")
}

async fn wait_for_title(page: &BrowserPage, title: &str) {
    let shown = format!("document.getElementById('part-title')?.textContent == '{title}'");
    page.wait_until(&format!("the panel shows {title}"), &shown).await;
}

async fn wait_for_warning(page: &BrowserPage, warning: &str) {
    let text = "document.querySelector('[data-testid=warning]').textContent";
    let shown = format!("{text}.startsWith('{warning}') && ({text} == '') == ('{warning}' == '')");
    page.wait_until(&format!("the page warns: {warning}"), &shown).await;
}

/// Waits until the box of a part in the diagram says this about its state.
async fn wait_for_state(page: &BrowserPage, part: &str, state: &str) {
    let selector = match part {
        "worker" => ".workers-title [data-testid=part]".to_owned(),
        _ => format!("[data-testid=part-box][data-part={part}] [data-testid=part]"),
    };
    let shown = format!("document.querySelector('{selector}')?.textContent == '{state}'");
    page.wait_until(&format!("the box of {part} says {state}"), &shown).await;
}

#[tokio::test]
async fn a_chosen_part_shows_its_lines_of_the_compose_file_until_back() {
    let (_site, page) = Site::open_shared(ROUTE).await;
    wait_for_title(&page, "What each container is for").await;
    page.click_selector(&part_link("api")).await;
    wait_for_title(&page, "api, an axum server").await;
    let lines = page.texts("part-compose").await.concat();
    assert!(lines.starts_with("api:\n") && lines.contains("image: usamaa96/server"), "{lines}");
    assert!(!lines.contains("worker:"), "{lines}");
    let is_focused = "document.activeElement.dataset.testid == 'part-panel'";
    page.wait_until("the panel has the focus", is_focused).await;
    page.back().await;
    wait_for_title(&page, "What each container is for").await;
    page.wait_until("the list of parts has the focus", is_focused).await;
    assert_eq!(page.texts("part-compose").await, [""; 0]);

    // By keyboard, and from the address alone.
    page.execute(&format!("document.querySelector('{}').focus()", part_link("redis"))).await;
    page.press(ENTER).await;
    wait_for_title(&page, "Redis").await;
    page.wait_until("the panel has the focus", is_focused).await;
    page.reload().await;
    wait_for_title(&page, "Redis").await;
    page.wait_for(".part[data-part=redis][aria-current]").await;
    page.click_selector(".part[data-part=redis]").await;
    page.wait_until("choosing it again shows the panel", is_focused).await;
    let lines = page.texts("part-compose").await.concat();
    assert!(lines.contains("--maxmemory"), "{lines}");
}

#[tokio::test]
async fn every_link_to_a_source_opens_it_as_text() {
    let site = Site::shared();
    let page = site.open(ROUTE).await;
    let find_links = "return [...document.querySelectorAll('a[href^=\"/source/\"]')]
        .map(link => link.getAttribute('href'))";
    let mut links = BTreeSet::new();
    for part in ["browser", "edge", "client", "api", "postgres", "redis", "worker"] {
        page.click_selector(&format!(".part[data-part={part}]")).await;
        page.wait_for(&format!(".part[data-part={part}][aria-current]")).await;
        page.wait_for(".part-panel li").await;
        let found = page.execute(find_links).await;
        let found = found.as_array().expect("links").iter();
        links.extend(found.map(|link| link.as_str().expect("an address").to_owned()));
    }
    assert!(links.len() > 20, "{links:?}");
    for path in &links {
        let response = site.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8", "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        let file = std::fs::read_to_string(e2e::root().join(path.trim_start_matches("/source/")));
        let served = response.text().await.expect("a text");
        assert_eq!(served, file.expect("a source"), "{path}");
    }
    assert_eq!(site.get("/source/.env.example").await.status(), 404);
}

#[tokio::test]
async fn a_missing_file_of_the_route_offers_to_reload() {
    let (_site, page) = Site::open_shared("/").await;
    page.block_requests(&["*/how_it_works-*"]).await;
    page.click_selector("nav a[href=\"/how-it-works\"]").await;
    page.wait_for("[data-testid=not-loaded]").await;
    page.block_requests(&[]).await;
    page.click_selector("[data-testid=not-loaded] a").await;
    page.wait_for("[data-testid=system]").await;
}

#[tokio::test]
async fn experiment_four_workers() {
    let site = LocalSite::start_with(SystemOptions { workers: 4, ..SystemOptions::default() });
    let page = site.open(ROUTE).await;
    page.wait_for_text("workers", "4").await;
    assert_eq!(page.texts("worker-box").await.len(), 4);
    for worker in &site.workers[1..] {
        worker.stop().expect("the worker should stop");
    }
    page.wait_for_text("workers", "1").await;
}

#[tokio::test]
async fn experiment_no_worker() {
    let (site, page) = Site::open_new(ROUTE).await;
    site.workers[0].stop().expect("the worker should stop");
    page.wait_for_text("workers", "0").await;
    wait_for_state(&page, "worker", "none alive").await;
    wait_for_warning(&page, "No worker is alive").await;
    page.submit("1234").await;
    page.wait_until_accepted().await;
    page.wait_for_text("queue", "1").await;
    assert_eq!(last_passed_hop(&page).await, "queued");
    site.workers[0].start().expect("the worker should start");
    page.wait_until_calculated().await;
    wait_for_warning(&page, "").await;
}

/// What happened at the last hop that the newest submission has passed.
async fn last_passed_hop(page: &BrowserPage) -> String {
    let script = "return [...document.querySelectorAll('.newest [data-state=passed] span')]
        .filter(e => !e.classList.contains('time')).at(-1).textContent";
    page.execute(script).await.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn experiment_an_emptied_redis() {
    let (site, page) = Site::open_new(ROUTE).await;
    let values = [(10, "55"), (20, "6765"), (30, "832040")];
    site.submit_all(values.map(|(index, _)| index)).await;
    for (index, value) in values {
        site.wait_for_value(index, value).await;
    }
    site.redis.cli(&["FLUSHALL"]).expect("Redis should be emptied");
    for (index, value) in values {
        // In Redis itself: whatever is there has been written since.
        eventually(&format!("Redis has F({index}) again"), TEST_TIMEOUT, async || {
            let stored = site.redis.cli(&["HGET", "values", &index.to_string()]).ok()?;
            (stored == value).then_some(())
        })
        .await;
    }
    eventually("Redis has a heartbeat again", TEST_TIMEOUT, async || {
        (site.redis.cli(&["ZCARD", "workers"]).ok()? == "1").then_some(())
    })
    .await;
    wait_for_state(&page, "worker", "1 alive").await;
    wait_for_state(&page, "redis", "up, queue empty").await;
    page.goto_live(&format!("{}/", site.url())).await;
    page.wait_for_text("value", "For index 30 I calculated 832040").await;
}

#[tokio::test]
async fn experiment_a_stopped_postgres() {
    let (site, page) = Site::open_new(ROUTE).await;
    page.submit("77").await;
    page.wait_until_calculated().await;
    site.postgres.stop().expect("Postgres should stop");
    wait_for_state(&page, "postgres", "no response").await;
    wait_for_warning(&page, "Postgres is unavailable").await;
    page.submit("2345").await;
    page.wait_for("[data-testid=hop][data-state=stopped]").await;
    let stopped = page.execute(
        "return document.querySelector('[data-testid=hop][data-state=stopped] b').textContent",
    );
    assert_eq!(stopped.await, "API");
    assert_eq!(page.field_text().await, "2345");
    site.postgres.start().expect("Postgres should start");
    wait_for_warning(&page, "").await;
    page.submit("").await;
    page.wait_until_accepted().await;
    site.wait_for_value(77, "5527939700884757").await;
    let indices: Vec<_> = site.submissions().await.iter().map(|row| row.number.get()).collect();
    assert_eq!(indices, [77, 2345]);
}

#[tokio::test]
async fn experiment_a_killed_api() {
    let (site, page) = Site::open_new(ROUTE).await;
    site.servers[0].kill().expect("the api should be killed");
    page.wait_for_text("connection", "Connection lost, reconnecting…").await;
    wait_for_state(&page, "api", "no response").await;
    wait_for_state(&page, "edge", "up").await;
    page.wait_for_text("system-summary", "Unavailable: api. Unknown: Postgres, Redis, workers.")
        .await;
    page.reload().await;
    wait_for_title(&page, "What each container is for").await;
    site.servers[0].start().expect("the api should start");
    page.wait_for_text("connection", "Live").await;
    page.wait_for_text("system-summary", "All services up.").await;
}
