//! The page's connection to the server, and its reaction to blocked, buffered or broken event
//! streams and to unavailable services. These tests are slow, because they wait for the page's own
//! timeouts.

use e2e::{BrowserPage, Site, eventually};
use serde_json::json;
use stack::testing::TEST_TIMEOUT;

/// What the page shows while it has no values.
const NO_VALUES: &str = "None yet. Submit an index above, or choose an example.";

/// What the page shows while it polls.
const POLLING: &str = "No live updates, asking every 2 s";

/// An index that is submitted while the worker is stopped.
const PENDING_INDEX: &str = "6000000";

/// Place of the edge in the list of a submission's stations.
const EDGE_STATION: usize = 1;

/// Reloads the page with event streams blocked, and waits until it polls.
async fn reload_without_streams(page: &BrowserPage) {
    page.block_requests(&["*/api/events"]).await;
    page.reload().await;
    page.wait_for_text("connection", POLLING).await;
}

#[tokio::test]
async fn the_page_polls_where_streams_are_blocked() {
    let (site, page) = Site::open_new("/").await;
    reload_without_streams(&page).await;
    site.submit(12).await;
    page.wait_for_text("value", "For index 12 I calculated 144").await;
    page.submit("13").await;
    page.wait_for_text("value", "For index 13 I calculated 233").await;
    page.wait_until_calculated().await;
}

#[tokio::test]
async fn the_lists_load_before_a_stream_opens() {
    let (site, page) = Site::open_new("/").await;
    site.submit(11).await;
    page.wait_for_text("value", "For index 11 I calculated 89").await;
    // Records all states of the connection, and the one in which the first row appears.
    let record_states = "window.states = new Set();
        new MutationObserver(() => {
            const state = document.querySelector('[data-testid=connection]')?.dataset.state;
            if (state) window.states.add(state);
            if (document.querySelector('#values .row')) window.filled ??= state;
        }).observe(document, { attributes: true, childList: true, subtree: true })";
    page.add_init_script(record_states).await;
    reload_without_streams(&page).await;
    assert_eq!(page.execute("return window.filled").await, "connecting");
    let states = page.execute("return [...window.states]").await;
    assert_eq!(states, json!(["connecting", "polling"]), "it is never shown as lost");
}

#[tokio::test]
async fn a_stream_replaces_polling_when_it_opens() {
    let (_site, page) = Site::open_new("/").await;
    reload_without_streams(&page).await;
    page.block_requests(&[]).await;
    page.wait_for("[data-testid=connection][data-state=live]").await;
}

#[tokio::test]
async fn the_page_polls_where_a_proxy_buffers_streams() {
    let (_site, page) = Site::open_shared("/").await;
    // A stream without errors and events.
    page.add_init_script("window.EventSource = class extends EventTarget { close() {} }").await;
    page.reload().await;
    page.wait_for_text("connection", POLLING).await;
    page.submit("14").await;
    page.wait_for_text("value", "For index 14 I calculated 377").await;
}

#[tokio::test]
async fn a_stream_without_heartbeats_is_replaced() {
    let (site, page) = Site::open_new("/").await;
    site.servers[0].freeze().expect("the server should freeze");
    page.wait_for("[data-testid=connection][data-state=lost]").await;
    site.servers[0].thaw().expect("the server should continue");
    page.wait_for("[data-testid=connection][data-state=live]").await;
    page.submit("16").await;
    page.wait_for_text("value", "For index 16 I calculated 987").await;
}

#[tokio::test]
async fn leaving_the_page_closes_its_stream() {
    let (site, page) = Site::open_new("/").await;
    // Browsers open at most six connections to a host.
    for _ in 0..8 {
        page.goto("about:blank").await;
        page.goto_live(&site.url()).await;
        page.wait_for_text("values-empty", NO_VALUES).await;
    }
    let longest = "return Math.max(
        ...performance.getEntriesByType('resource').map(entry => entry.duration))";
    let longest_ms = page.execute(longest).await.as_f64().expect("a duration");
    assert!(longest_ms < 10_000.0, "a request took {longest_ms} ms");
}

#[tokio::test]
async fn a_page_restored_by_back_reopens_its_stream() {
    let (site, page) = Site::open_new("/").await;
    page.goto("about:blank").await;
    site.submit(15).await;
    page.back().await;
    page.wait_for_text("connection", "Live").await;
    page.wait_for_text("value", "For index 15 I calculated 610").await;
}

#[tokio::test]
async fn how_it_works_shows_the_workers_and_the_queue() {
    let (site, page) = Site::open_new("/how-it-works").await;
    page.wait_for_text("system-summary", "All services up.").await;
    page.wait_for_text("workers", "1").await;
    page.wait_for_text("queue", "0").await;
    site.workers[0].stop().expect("the worker should stop");
    page.wait_for_text("workers", "0").await;
    page.submit(PENDING_INDEX).await;
    page.wait_for_text("queue", "1").await;
    site.workers[0].start().expect("the worker should start");
    page.wait_for_text("system-summary", "All services up.").await;
}

#[tokio::test]
async fn how_it_works_survives_a_reload() {
    let (_site, page) = Site::open_shared("/how-it-works").await;
    page.reload().await;
    let is_same_page = "document.querySelector('h1')?.textContent == 'How it works'";
    page.wait_until("the same page is shown", is_same_page).await;
    page.wait_for_text("system-summary", "All services up.").await;
}

#[tokio::test]
async fn the_title_names_the_pending_index() {
    let (site, page) = Site::open_new("/how-it-works").await;
    site.workers[0].stop().expect("the worker should stop");
    page.submit(PENDING_INDEX).await;
    let names_index = "document.title.startsWith('F(6,000,000) pending')";
    page.wait_until("the title names the index", names_index).await;
    site.workers[0].start().expect("the worker should start");
    page.wait_until(
        "nothing is pending",
        "document.title == 'How it works – Fibonacci calculator'",
    )
    .await;
}

#[tokio::test]
async fn the_diagram_lights_up_in_order_even_for_a_fast_value() {
    let (_site, page) = Site::open_new("/how-it-works").await;
    // Records the classes after `pulse`, which name the parts of the path.
    let record_pulses = "window.lit = [];
        document.addEventListener('animationstart', event => {
            const way = event.target.getAttribute('class');
            if (way?.startsWith('pulse ')) window.lit.push(way.slice(6));
        })";
    page.execute(record_pulses).await;
    page.submit("5").await;
    page.wait_for_text("journey-value", "5").await;
    let all_passed = "['sent', 'submitted', 'calculated'].every(name =>
        document.querySelector('[data-testid=system]').dataset[name] != 'no')";
    page.wait_until("all events have passed", all_passed).await;
    let is_last_lit = "window.lit.filter(way => way == 'up last').length == 3";
    page.wait_until("the last part is lit", is_last_lit).await;
    let lit = page.execute("return window.lit").await;
    let lit: Vec<String> = serde_json::from_value(lit).expect("names");
    let mut previous = 0;
    // `sent` and `down` are not compared, because they may light up in the same frame.
    for part in ["down later", "up", "up later", "up last"] {
        let first = lit.iter().position(|way| way == part);
        let first = first.unwrap_or_else(|| panic!("{part}: {lit:?}"));
        assert!(first > previous, "{part}: {lit:?}");
        previous = lit.iter().rposition(|way| way == part).unwrap_or(first);
    }
}

#[tokio::test]
async fn a_download_of_a_missing_value_has_another_name() {
    let (site, page) = Site::open_new("/").await;
    let downloads = tempfile::tempdir().expect("a folder");
    page.download_to(downloads.path()).await;
    page.submit("1000").await;
    page.wait_for_text("digit-count", "209 digits").await;

    site.workers[0].stop().expect("the worker should stop");
    site.redis.cli(&["FLUSHALL"]).expect("Redis should reply");
    page.click("download").await;
    let read_download = async |name: &str| {
        let path = downloads.path().join(name);
        // The browser creates the file before it writes the content.
        let content =
            async || std::fs::read_to_string(&path).ok().filter(|content| !content.is_empty());
        eventually(&format!("{name} is downloaded"), TEST_TIMEOUT, content).await
    };
    let status = read_download("fibonacci-1000-not-there-yet.json").await;
    assert!(status.contains("\"working\":true"), "{status}");

    site.workers[0].start().expect("the worker should start");
    eventually("it is calculated", TEST_TIMEOUT, async || site.digits(1000).await).await;
    page.click("download").await;
    assert_eq!(read_download("fibonacci-1000.txt").await.len(), 209);
}

#[tokio::test]
async fn reduced_motion_stops_endless_animations() {
    let (site, page) = Site::open_new("/").await;
    site.workers[0].stop().expect("the worker should stop");
    page.submit("10").await;
    page.wait_for_text("value", "For index 10: Nothing yet!").await;
    let has_endless = "document.getAnimations()
        .some(animation => animation.effect.getTiming().iterations == Infinity)";
    page.wait_until("the pending row is animated", has_endless).await;
    page.emulate_preference("reduced-motion", "reduce").await;
    page.wait_until("no endless animation runs", &format!("!{has_endless}")).await;
}

#[tokio::test]
async fn twelve_open_tabs_all_receive_a_value() {
    let (site, page) = Site::open_new("/").await;
    let client = page.client();
    for _ in 1..12 {
        let tab = client.new_window(true).await.expect("a tab should open");
        client.switch_to_window(tab.handle).await.expect("the tab should be there");
        page.goto_live(&site.url()).await;
        page.wait_for_text("values-empty", NO_VALUES).await;
    }
    page.submit("17").await;
    for tab in client.windows().await.expect("the tabs") {
        client.switch_to_window(tab).await.expect("the tab should be there");
        page.wait_for_text("value", "For index 17 I calculated 1597").await;
        page.wait_for_text("connection", "Live").await;
    }
}

/// Makes the page `hidden` or `visible`, as if its tab was switched.
async fn set_visibility(page: &BrowserPage, state: &str) {
    let script = format!(
        "Object.defineProperty(document, 'visibilityState',
            {{ value: '{state}', configurable: true }});
        Object.defineProperty(document, 'hidden',
            {{ value: '{state}' == 'hidden', configurable: true }});
        document.dispatchEvent(new Event('visibilitychange', {{ bubbles: true }}))"
    );
    page.execute(&script).await;
}

/// Hides the page, and waits until its stream is closed.
async fn hide(page: &BrowserPage) {
    set_visibility(page, "hidden").await;
    page.wait_for_text("connection", "Connecting…").await;
}

#[tokio::test]
async fn a_hidden_page_closes_its_stream() {
    let (site, page) = Site::open_new("/").await;
    hide(&page).await;
    site.submit(18).await;
    site.wait_for_value(18, "2584").await;
    assert!(page.texts("value").await.is_empty());
}

#[tokio::test]
async fn a_page_that_is_shown_again_catches_up() {
    let (site, page) = Site::open_new("/").await;
    hide(&page).await;
    site.submit(18).await;
    site.wait_for_value(18, "2584").await;
    let record_states = "window.states = new Set();
        new MutationObserver(([change]) => window.states.add(change.target.dataset.state))
            .observe(document.querySelector('[data-testid=connection]'), { attributes: true })";
    page.execute(record_states).await;
    set_visibility(&page, "visible").await;
    page.wait_for_text("connection", "Live").await;
    page.wait_for_text("value", "For index 18 I calculated 2584").await;
    let states = page.execute("return [...window.states]").await;
    assert_eq!(states, json!(["live"]), "no other state is shown before");
}

#[tokio::test]
async fn a_hidden_page_opens_no_stream_when_the_network_returns() {
    let (_site, page) = Site::open_shared("/").await;
    let count_streams = "window.streams = 0;
        window.EventSource = class extends EventSource {
            constructor(address) { super(address); window.streams += 1 }
        }";
    page.add_init_script(count_streams).await;
    page.reload().await;
    page.wait_for_text("connection", "Live").await;
    hide(&page).await;
    let reconnect_network =
        "['offline', 'online'].forEach(name => window.dispatchEvent(new Event(name)))";
    page.execute(reconnect_network).await;
    // Not the state `lost`: the response to an earlier request may have ended it already.
    page.wait_for("[data-testid=connection]:not([data-state=connecting])").await;
    assert_eq!(page.execute("return window.streams").await, 1);
    set_visibility(&page, "visible").await;
    page.wait_for_text("connection", "Live").await;
    assert_eq!(page.execute("return window.streams").await, 2);
}

/// Disconnects the browser from the network, or connects it again.
async fn set_offline(page: &BrowserPage, is_offline: bool) {
    page.devtools("Network.enable", json!({})).await;
    let unlimited = -1;
    let conditions = json!({
        "offline": is_offline,
        "latency": 0,
        "downloadThroughput": unlimited,
        "uploadThroughput": unlimited,
    });
    page.devtools("Network.emulateNetworkConditions", conditions).await;
}

#[tokio::test]
async fn a_lost_network_is_shown_at_once() {
    let (_site, page) = Site::open_shared("/how-it-works").await;
    set_offline(&page, true).await;
    page.wait_for_text("connection", "Connection lost, reconnecting…").await;
    let summary = "Unavailable: edge. Unknown: client, api, Postgres, Redis, workers.";
    page.wait_for_text("system-summary", summary).await;
    set_offline(&page, false).await;
    page.wait_for_text("connection", "Live").await;
}

#[tokio::test]
async fn an_index_submitted_offline_stays_in_the_field() {
    let (_site, page) = Site::open_shared("/").await;
    set_offline(&page, true).await;
    page.wait_for_text("connection", "Connection lost, reconnecting…").await;
    page.submit("19").await;
    let notice = "The server cannot be reached. Try again when the connection is back.";
    page.wait_for_text("form-notice", notice).await;
    assert_eq!(page.texts("hint").await, [""], "the notice replaces the hint");
    assert_eq!(page.texts("hop").await[EDGE_STATION], "Edge stopped here ×");
    set_offline(&page, false).await;
    page.wait_for_text("form-notice", "").await;
    assert_eq!(page.field_text().await, "19");
}

#[tokio::test]
async fn a_failed_health_check_marks_the_connection_as_lost() {
    let (_site, page) = Site::open_shared("/how-it-works").await;
    page.wait_for_text("system-summary", "All services up.").await;
    // Records the state of the connection at each change of the diagram's summary.
    let record_states = "window.states = [];
        new MutationObserver(() => window.states.push(
            document.querySelector('[data-testid=connection]').dataset.state
        )).observe(
            document.querySelector('[data-testid=system-summary]'),
            { characterData: true, childList: true, subtree: true })";
    page.execute(record_states).await;
    page.block_requests(&["*/api/health/ready"]).await;
    page.wait_until("the summary has changed", "window.states.length > 0").await;
    assert_eq!(page.execute("return window.states[0]").await, "lost");
}

#[tokio::test]
async fn a_page_with_missing_files_offers_to_reload() {
    let (site, page) = Site::open_shared("/").await;
    // The server no longer has the files of an older build.
    for missing in ["*/client-*.js", "*/client-*.wasm", "*/loader-*.js"] {
        page.block_requests(&[missing]).await;
        page.goto(&site.url()).await;
        let offers_reload =
            "getComputedStyle(document.getElementById('late')).visibility == 'visible'
            && !!document.querySelector('#late a')";
        let what = format!("the page without {missing} offers to reload");
        page.wait_until(&what, offers_reload).await;
    }
    page.block_requests(&[]).await;
    page.click_selector("#late a").await;
    page.wait_for_text("connection", "Live").await;
}

#[tokio::test]
async fn a_page_that_fails_to_mount_offers_to_reload_at_once() {
    let (site, page) = Site::open_shared("/").await;
    page.add_init_script("Document.prototype.createElement = () => { throw new Error('refused') }")
        .await;
    page.goto(&site.url()).await;
    page.wait_for("#late.failed").await;
}

#[tokio::test]
async fn a_known_value_that_the_page_has_not_loaded_appears_when_it_is_submitted_again() {
    let site = Site::start();
    // The page loads the newest 50.
    site.submit_all(0..=60).await;
    site.wait_for_value(60, "1548008755920").await;
    let page = site.open("/").await;
    page.wait_for(".row[data-index=\"60\"][data-state=done]").await;
    site.submit(0).await;
    page.wait_for(".row[data-index=\"0\"][data-state=done]").await;
}
