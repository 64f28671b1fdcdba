//! The page when event streams are blocked, buffered or dead, and when services are unavailable: it
//! says so, and recovers by itself. Waits are long here: they are the page's own.

use e2e::{BrowserPage, Site, eventually};
use serde_json::json;
use stack::testing::TEST_TIMEOUT;

/// Reloads the page without event streams, and waits until it polls.
async fn reload_without_streams(page: &BrowserPage) {
    page.block(&["*/api/events"]).await;
    page.reload().await;
    page.shows("connection", "No live updates, asking every 2 s").await;
}

#[tokio::test]
async fn the_page_polls_where_streams_are_blocked() {
    let (system, page) = Site::open_new("/").await;
    reload_without_streams(&page).await;
    system.submit(12).await;
    page.shows("value", "For index 12 I calculated 144").await;
    page.submit("13").await;
    page.shows("value", "For index 13 I calculated 233").await;
    page.journey_ends().await;
}

#[tokio::test]
async fn the_lists_are_there_before_a_stream_is_open() {
    let (system, page) = Site::open_new("/").await;
    system.submit(11).await;
    page.shows("value", "For index 11 I calculated 89").await;
    // Every state of the connection, and the one in which the first row came.
    let watch = "window.states = new Set();
        new MutationObserver(() => {
            const state = document.querySelector('[data-testid=connection]')?.dataset.state;
            if (state) window.states.add(state);
            if (document.querySelector('#values .row')) window.filled ??= state;
        }).observe(document, { attributes: true, childList: true, subtree: true })";
    page.run_first(watch).await;
    reload_without_streams(&page).await;
    assert_eq!(page.script("return window.filled").await, "connecting");
    let states = page.script("return [...window.states]").await;
    assert_eq!(states, json!(["connecting", "polling"]), "what never was is not lost");
}

#[tokio::test]
async fn a_stream_takes_the_place_of_polling_as_soon_as_one_opens() {
    let (_system, page) = Site::open_new("/").await;
    reload_without_streams(&page).await;
    page.block(&[]).await;
    page.has("[data-testid=connection][data-state=live]").await;
}

#[tokio::test]
async fn the_page_polls_where_a_proxy_buffers_streams() {
    let (_system, page) = Site::open_shared("/").await;
    // A stream that is never refused and never brings anything.
    page.run_first("window.EventSource = class extends EventTarget { close() {} }").await;
    page.reload().await;
    page.shows("connection", "No live updates, asking every 2 s").await;
    page.submit("14").await;
    page.shows("value", "For index 14 I calculated 377").await;
}

#[tokio::test]
async fn a_silent_stream_is_detected_and_replaced() {
    let (system, page) = Site::open_new("/").await;
    system.servers[0].freeze().expect("the server should freeze");
    page.has("[data-testid=connection][data-state=lost]").await;
    system.servers[0].thaw().expect("the server should continue");
    page.has("[data-testid=connection][data-state=live]").await;
    page.submit("16").await;
    page.shows("value", "For index 16 I calculated 987").await;
}

#[tokio::test]
async fn a_page_closes_its_stream_when_left() {
    let (system, page) = Site::open_new("/").await;
    // A browser has six connections to a server.
    for _ in 0..8 {
        page.goto("about:blank").await;
        page.open_live(&system.url()).await;
        page.shows("values-empty", "None yet. Submit an index above, or choose an example.").await;
    }
    let longest =
        "Math.max(...performance.getEntriesByType('resource').map(part => part.duration))";
    let longest = page.script(&format!("return {longest}")).await;
    assert!(
        longest.as_f64().is_some_and(|longest| longest < 10_000.0),
        "something waited {longest} ms"
    );
}

#[tokio::test]
async fn a_restored_page_opens_its_stream_again() {
    let (system, page) = Site::open_new("/").await;
    page.goto("about:blank").await;
    system.submit(15).await;
    page.back().await;
    page.shows("connection", "Live").await;
    page.shows("value", "For index 15 I calculated 610").await;
}

#[tokio::test]
async fn how_it_works_shows_the_workers_and_the_queue() {
    let (system, page) = Site::open_new("/how-it-works").await;
    page.shows("system-words", "All services up.").await;
    page.shows("workers", "1").await;
    page.shows("queue", "0").await;
    system.workers[0].stop().expect("the worker should stop");
    page.shows("workers", "0").await;
    page.submit("6000000").await;
    page.shows("queue", "1").await;
    system.workers[0].start().expect("the worker should start");
    page.shows("system-words", "All services up.").await;
}

#[tokio::test]
async fn how_it_works_survives_a_reload() {
    let (_system, page) = Site::open_shared("/how-it-works").await;
    page.reload().await;
    page.until(
        "the same page is shown",
        "document.querySelector('h1')?.textContent == 'How it works'",
    )
    .await;
    page.shows("system-words", "All services up.").await;
}

#[tokio::test]
async fn the_title_says_which_index_is_pending() {
    let (system, page) = Site::open_new("/how-it-works").await;
    system.workers[0].stop().expect("the worker should stop");
    page.submit("6000000").await;
    page.until("the title says it", "document.title.startsWith('F(6,000,000) pending')").await;
    system.workers[0].start().expect("the worker should start");
    page.until("nothing is pending", "document.title == 'How it works – Fibonacci calculator'")
        .await;
}

#[tokio::test]
async fn the_diagram_lights_up_in_order_however_soon_the_value_is_there() {
    let (_system, page) = Site::open_new("/how-it-works").await;
    // The class says which part of the way it is.
    page.script(
        "window.lit = [];
         document.addEventListener('animationstart', event => {
            const way = event.target.getAttribute('class');
            if (way?.startsWith('pulse ')) window.lit.push(way.slice(6));
         })",
    )
    .await;
    page.submit("5").await;
    page.shows("journey-value", "5").await;
    let lit = "['sent', 'submitted', 'calculated'].every(beat =>
        document.querySelector('[data-testid=system]').dataset[beat] != 'no')";
    page.until("the path was lit", lit).await;
    page.until("the last part is lit", "window.lit.filter(way => way == 'up last').length == 2")
        .await;
    let lit = page.script("return window.lit").await;
    let lit: Vec<String> = serde_json::from_value(lit).expect("names");
    let mut before = 0;
    // Sending and arriving at the edge may be one frame.
    for part in ["down later", "up", "up later", "up last"] {
        let first = lit.iter().position(|way| way == part);
        let first = first.unwrap_or_else(|| panic!("{part}: {lit:?}"));
        assert!(first > before, "{part}: {lit:?}");
        before = lit.iter().rposition(|way| way == part).unwrap_or(first);
    }
}

#[tokio::test]
async fn a_download_before_the_number_is_there_has_another_name() {
    let (system, page) = Site::open_new("/").await;
    let downloads = tempfile::tempdir().expect("a folder");
    page.download_to(downloads.path()).await;
    page.submit("1000").await;
    page.shows("digit-count", "209 digits").await;

    system.workers[0].stop().expect("the worker should stop");
    system.redis.cli(&["FLUSHALL"]).expect("Redis should answer");
    page.click("download").await;
    let kept = async |name: &str| {
        let path = downloads.path().join(name);
        // The file is there before its content.
        let content =
            async || std::fs::read_to_string(&path).ok().filter(|content| !content.is_empty());
        eventually(name, TEST_TIMEOUT, content).await
    };
    let words = kept("fibonacci-1000-not-there-yet.json").await;
    assert!(words.contains("\"working\":true"), "{words}");

    system.workers[0].start().expect("the worker should start");
    eventually("it is calculated", TEST_TIMEOUT, async || system.digits(1000).await).await;
    page.click("download").await;
    assert_eq!(kept("fibonacci-1000.txt").await.len(), 209);
}

#[tokio::test]
async fn reduced_motion_stops_endless_animations() {
    let (system, page) = Site::open_new("/").await;
    system.workers[0].stop().expect("the worker should stop");
    page.submit("10").await;
    page.shows("value", "For index 10: Nothing yet!").await;
    let turning = "document.getAnimations().some(a => a.effect.getTiming().iterations == Infinity)";
    page.until("what is pending turns", turning).await;
    page.prefer("reduced-motion", "reduce").await;
    page.until("nothing turns", &format!("!{turning}")).await;
}

#[tokio::test]
async fn twelve_open_tabs_all_work() {
    let (system, page) = Site::open_new("/").await;
    let client = page.client();
    for _ in 1..12 {
        let tab = client.new_window(true).await.expect("a tab should open");
        client.switch_to_window(tab.handle).await.expect("the tab should be there");
        page.open_live(&system.url()).await;
        page.shows("values-empty", "None yet. Submit an index above, or choose an example.").await;
    }
    page.submit("17").await;
    for tab in client.windows().await.expect("the tabs") {
        client.switch_to_window(tab).await.expect("the tab should be there");
        page.shows("value", "For index 17 I calculated 1597").await;
        page.shows("connection", "Live").await;
    }
}

/// A script that hides the page, or shows it again: `hidden` or `visible`.
fn set_visibility(state: &str) -> String {
    format!(
        "Object.defineProperty(document, 'visibilityState', {{ value: '{state}', configurable: true }});
         Object.defineProperty(document, 'hidden', {{ value: '{state}' == 'hidden', configurable: true }});
         document.dispatchEvent(new Event('visibilitychange', {{ bubbles: true }}))"
    )
}

/// Hides the page, and waits until its stream is closed.
async fn hide(page: &BrowserPage) {
    page.script(&set_visibility("hidden")).await;
    page.shows("connection", "Connecting…").await;
}

#[tokio::test]
async fn a_hidden_page_closes_its_stream() {
    let (system, page) = Site::open_new("/").await;
    hide(&page).await;
    system.submit(18).await;
    system.wait_for_value(18, "2584").await;
    assert!(page.texts("value").await.is_empty());
}

#[tokio::test]
async fn a_page_that_is_shown_again_catches_up() {
    let (system, page) = Site::open_new("/").await;
    hide(&page).await;
    system.submit(18).await;
    system.wait_for_value(18, "2584").await;
    let watch = "window.states = new Set();
        new MutationObserver(([change]) => window.states.add(change.target.dataset.state))
            .observe(document.querySelector('[data-testid=connection]'), { attributes: true })";
    page.script(watch).await;
    page.script(&set_visibility("visible")).await;
    page.shows("connection", "Live").await;
    page.shows("value", "For index 18 I calculated 2584").await;
    assert_eq!(
        page.script("return [...window.states]").await,
        json!(["live"]),
        "no other is shown before"
    );
}

#[tokio::test]
async fn a_hidden_page_opens_no_stream_when_the_network_returns() {
    let (_system, page) = Site::open_shared("/").await;
    let count = "window.streams = 0;
        window.EventSource = class extends EventSource {
            constructor(address) { super(address); window.streams += 1 }
        }";
    page.run_first(count).await;
    page.reload().await;
    page.shows("connection", "Live").await;
    hide(&page).await;
    page.script("['offline', 'online'].forEach(name => window.dispatchEvent(new Event(name)))")
        .await;
    // A fetch that was on its way ends the lost state, too: that may be before this looks.
    page.has("[data-testid=connection]:not([data-state=connecting])").await;
    assert_eq!(page.script("return window.streams").await, 1);
    page.script(&set_visibility("visible")).await;
    page.shows("connection", "Live").await;
    assert_eq!(page.script("return window.streams").await, 2);
}

/// Disconnects the page from the network, or connects it again.
async fn set_offline(page: &BrowserPage, offline: bool) {
    page.devtools("Network.enable", json!({})).await;
    let network = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    page.devtools("Network.emulateNetworkConditions", network).await;
}

#[tokio::test]
async fn a_lost_network_is_shown_at_once() {
    let (_system, page) = Site::open_shared("/how-it-works").await;
    set_offline(&page, true).await;
    page.shows("connection", "Connection lost, reconnecting…").await;
    let words = "Unavailable: edge. Unknown: client, api, Postgres, Redis, workers.";
    page.shows("system-words", words).await;
    set_offline(&page, false).await;
    page.shows("connection", "Live").await;
}

#[tokio::test]
async fn a_submission_without_a_network_is_kept_until_it_is_back() {
    let (_system, page) = Site::open_shared("/").await;
    set_offline(&page, true).await;
    page.shows("connection", "Connection lost, reconnecting…").await;
    page.submit("19").await;
    let notice = "The server cannot be reached. Try again when the connection is back.";
    page.shows("form-notice", notice).await;
    assert_eq!(page.texts("hint").await, [""], "there is room for one of them");
    assert_eq!(page.texts("hop").await[1], "Edge stopped here ×");
    set_offline(&page, false).await;
    page.shows("form-notice", "").await;
    assert_eq!(page.typed().await, "19");
}

#[tokio::test]
async fn the_connection_is_lost_as_soon_as_the_diagram_says_so() {
    let (_system, page) = Site::open_shared("/how-it-works").await;
    page.shows("system-words", "All services up.").await;
    let watch = "window.states = [];
        new MutationObserver(() => window.states.push(document.querySelector('[data-testid=connection]').dataset.state))
            .observe(document.querySelector('[data-testid=system-words]'), { characterData: true, childList: true, subtree: true })";
    page.script(watch).await;
    page.block(&["*/api/health/ready"]).await;
    page.until("a check has failed", "window.states.length > 0").await;
    assert_eq!(page.script("return window.states[0]").await, "lost");
}

#[tokio::test]
async fn a_page_of_another_version_offers_to_reload() {
    let (system, page) = Site::open_shared("/").await;
    // The program, then the loader: the files of another build are not there.
    for missing in ["*/client-*.js", "*/client-*.wasm", "*/loader-*.js"] {
        page.block(&[missing]).await;
        page.goto(&system.url()).await;
        let offered = "getComputedStyle(document.getElementById('late')).visibility == 'visible'
            && !!document.querySelector('#late a')";
        page.until(&format!("without {missing} it offers to reload"), offered).await;
    }
    page.block(&[]).await;
    page.click_selector("#late a").await;
    page.shows("connection", "Live").await;
}

#[tokio::test]
async fn a_page_that_cannot_be_mounted_offers_to_reload_at_once() {
    let (system, page) = Site::open_shared("/").await;
    page.run_first("Document.prototype.createElement = () => { throw new Error('refused') }").await;
    page.goto(&system.url()).await;
    page.has("#late.failed").await;
}
