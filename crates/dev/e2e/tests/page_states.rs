//! Screenshots of every state of the page, on a desktop and on a phone, in light and in dark, as
//! `page/*.png` in the target folder for a person to look at. The tests check that no state is
//! wider than its window and that text in SVG is large enough. States that take minutes are faked.
//!
//! The README's pictures are the upper parts of `values-desktop-light` and
//! `how-passed-desktop-dark`.

use std::sync::Arc;

use e2e::{BrowserPage, DESKTOP, LocalSite, PHONE, Site, row};
use serde_json::json;
use stack::SystemOptions;

/// The narrowest phone.
const NARROW: (u32, u32) = (320, 640);

/// Keeps four screenshots of the state.
async fn keep(page: &BrowserPage, state: &str) {
    page.resize(NARROW).await;
    let wide = page.script("return document.documentElement.scrollWidth").await;
    assert!(wide.as_u64().is_some_and(|wide| wide <= NARROW.0.into()), "{state} is {wide} px wide");
    let small = "return [...document.querySelectorAll('svg text')].filter(text => text.getClientRects().length
        && parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a < 10).map(text => text.textContent)";
    assert_eq!(page.script(small).await, json!([]), "{state} has writing of less than 10 px");
    page.pictures(state).await;
    page.resize(DESKTOP).await;
}

async fn keep_narrow(page: &BrowserPage, state: &str) {
    page.picture(&format!("{state}-narrow-light"), NARROW, "light").await;
    page.resize(DESKTOP).await;
}

/// Fails when the page is wider than its window.
async fn fits(page: &BrowserPage, what: &str) {
    let excess = page.script("return document.documentElement.scrollWidth - innerWidth").await;
    assert!(excess.as_i64().is_some_and(|excess| excess <= 0), "{what} is {excess} px too wide");
}

async fn open(page: &BrowserPage, system: &LocalSite, path: &str) {
    page.open_live(&format!("{}{path}", system.url())).await;
}

/// Submits indices on the page, and waits until it shows their values.
async fn calculate(page: &BrowserPage, indices: &[u32]) {
    for index in indices {
        page.submit(&index.to_string()).await;
        page.has(&format!(".row[data-index=\"{index}\"][data-state=done]")).await;
        page.accepted().await;
    }
}

/// Has the page get `answer` from now on for requests below `path`.
async fn fake(page: &BrowserPage, path: &str, answer: &str) {
    let script = format!(
        "{{ const real = window.fetch;
            window.fetch = (request, init) => new URL(request.url ?? request, location).pathname.startsWith('{path}')
                ? {answer} : real(request, init) }}"
    );
    page.run_first(&script).await;
}

#[tokio::test]
async fn every_state_of_a_healthy_system() {
    let system = Site::start_with(SystemOptions { workers: 2, ..Default::default() });
    let page = system.open("/").await;
    page.shows("values-empty", "None yet. Submit an index above, or choose an example.").await;
    page.shows("hint", "Whole numbers from 0 to 10,000,000.").await;
    keep(&page, "empty").await;
    page.type_in("1000").await;
    page.shows("hint", "F(1,000) has 209 digits. Press Enter to calculate.").await;
    keep(&page, "foretold").await;
    page.type_in("x").await;
    keep(&page, "invalid").await;

    open(&page, &system, "/").await;
    calculate(&page, &[7, 300, 40, 3, 100_000, 90, 9_570_000, 12, 2_000, 10]).await;
    keep(&page, "values").await;
    keep_narrow(&page, "values").await;
    page.submit("90").await;
    page.shows("seen-times", "×2").await;
    keep(&page, "known").await;
    page.script("document.querySelector('details').open = true").await;
    keep(&page, "earlier").await;
    page.click_selector(&row(9_570_000, "show-all")).await;
    page.shows("digits-state", "2,000,012 digits").await;
    keep(&page, "digits").await;

    open(&page, &system, "/how-it-works").await;
    page.shows("system-words", "All services up.").await;
    keep(&page, "how").await;
    keep_narrow(&page, "how").await;
    page.submit("77").await;
    page.shows("journey-value", "5527939700884757").await;
    keep(&page, "how-passed").await;

    page.goto(&format!("{}/numbers/2000", system.url())).await;
    page.shows("digits-state", "418 digits").await;
    keep(&page, "number").await;
    keep_narrow(&page, "number").await;
    page.goto(&format!("{}/numbers/2001", system.url())).await;
    page.shows(
        "number-lead",
        "Nobody has submitted this index yet. Its number would have 418 digits.",
    )
    .await;
    keep(&page, "number-unsubmitted").await;
    page.goto(&format!("{}/nowhere", system.url())).await;
    page.shows("not-found", "There is no page at /nowhere.").await;
    keep(&page, "not-found").await;
    page.goto(&format!("{}/numbers/1e3", system.url())).await;
    page.shows("no-number", "“e” is not a digit. Use digits only, e.g. 1000.").await;
    keep(&page, "no-number").await;

    // A button shows its result for two seconds, which is too short for four screenshots.
    open(&page, &system, "/").await;
    page.allow_clipboard().await;
    page.script(
        "const real = window.setTimeout;
         window.setTimeout = (then, after) => after == 2000 ? 0 : real(then, after)",
    )
    .await;
    page.shows("value", "For index 77 I calculated 5527939700884757").await;
    page.click("copy").await;
    page.shows("copy", "Copied").await;
    keep(&page, "copied").await;

    system.submit_all(1_000..1_060).await;
    page.shows("seen-index", "1,059").await;
    page.until("nothing is pending", "document.title == 'Fibonacci calculator'").await;
    keep(&page, "more").await;

    // Without the bound, the page leaves it to the server.
    fake(&page, "/api/health/ready", "new Promise(() => {})").await;
    open(&page, &system, "/").await;
    page.submit("2000000000").await;
    page.shows("error", "Index too high: the highest index that is calculated here is 10000000.")
        .await;
    assert_eq!(page.typed().await, "2000000000");
    keep(&page, "refused").await;
}

#[tokio::test]
async fn every_state_of_an_unhealthy_system() {
    let (system, page) = Site::open_new("/").await;
    calculate(&page, &[7, 10, 1_000]).await;
    system.workers[0].stop().expect("the worker should stop");
    page.submit("6000000").await;
    page.shows("value", "For index 6,000,000: Nothing yet!").await;
    let warns =
        "document.querySelector('[data-testid=warning]').textContent.startsWith('No worker')";
    page.until("it is said why", warns).await;
    keep(&page, "pending").await;
    page.click_selector("#chip-6000000").await;
    page.shows("digits-state", "It is being calculated…").await;
    keep(&page, "number-pending").await;
    open(&page, &system, "/how-it-works").await;
    page.shows("workers", "0").await;
    keep(&page, "how-degraded").await;

    system.redis.stop().expect("Redis should stop");
    page.shows("system-words", "Unavailable: Redis. Unknown: workers.").await;
    keep(&page, "how-redis-unavailable").await;
    system.redis.start().expect("Redis should start");
    page.shows("workers", "0").await;
    system.postgres.stop().expect("Postgres should stop");
    page.shows("system-words", "Unavailable: Postgres, workers. All others are up.").await;
    keep(&page, "how-postgres-unavailable").await;
    system.postgres.restart().expect("Postgres should start");
    page.shows("system-words", "Unavailable: workers. All others are up.").await;

    open(&page, &system, "/").await;
    page.shows("value", "For index 10 I calculated 55").await;
    system.servers[0].stop().expect("the server should stop");
    page.shows("connection", "Connection lost, reconnecting…").await;
    page.submit("11").await;
    page.shows("why", "The server is unavailable: it does not respond at the moment; try again.")
        .await;
    keep(&page, "unavailable").await;
    page.click_selector(&row(1_000, "show-all")).await;
    page.shows(
        "digits-state",
        "The server is unavailable: it does not respond at the moment; try again.",
    )
    .await;
    keep(&page, "digits-failed").await;
    page.click("close").await;
    page.click_selector("nav a[href=\"/how-it-works\"]").await;
    page.shows("system-words", "Unavailable: api. Unknown: Postgres, Redis, workers.").await;
    keep(&page, "how-unavailable").await;
    system.servers[0].start().expect("the server should start");
    page.shows("connection", "Live").await;
    assert_eq!(page.typed().await, "11");

    // It would take minutes for real.
    fake(&page, "/api/values/failed", "Promise.resolve(new Response('[6000000]'))").await;
    open(&page, &system, "/").await;
    page.shows("value", "For index 6,000,000: The calculation failed several times.").await;
    keep(&page, "dead-lettered").await;

    page.run_first("window.EventSource = class extends EventTarget { close() {} }").await;
    page.reload().await;
    page.shows("connection", "No live updates, asking every 2 s").await;
    keep(&page, "polling").await;

    fake(&page, "/api/", "new Promise(() => {})").await;
    page.reload().await;
    page.shows("values-empty", "Loading…").await;
    keep(&page, "loading").await;

    fake(&page, "/api/", "Promise.reject(new TypeError('Failed to fetch'))").await;
    page.reload().await;
    page.shows("warning", "The server cannot be reached. Trying again…").await;
    keep(&page, "unreachable").await;
}

/// The windows between which the style changes.
const WINDOWS: [(u32, u32); 4] = [NARROW, PHONE, (700, 900), DESKTOP];

#[tokio::test]
async fn the_page_takes_the_place_of_its_frame_and_nothing_moves() {
    let (system, page) = Site::open_shared("/").await;
    let place = "return document.querySelector('h1').getBoundingClientRect().top";
    for window in WINDOWS {
        page.resize(window).await;
        page.block(&["*/client-*.wasm"]).await;
        page.goto(&system.url()).await;
        page.has("#late.failed").await;
        let before = page.script(place).await;
        page.block(&[]).await;
        open(&page, &system, "/").await;
        assert_eq!(page.script(place).await, before, "{window:?}");
    }
    page.block(&["*/client-*.wasm"]).await;
    page.goto(&system.url()).await;
    page.has("#late.failed").await;
    keep(&page, "frame").await;
}

#[tokio::test]
async fn the_longest_texts_move_nothing_below_them() {
    let (system, page) = Site::open_shared("/").await;
    let places = "return ['.suggestions', '.shares'].map(below => Math.round(document.querySelector(below).getBoundingClientRect().top))";
    let notice =
        "F(10,000,000): The server cannot be reached. Try again when the connection is back.";
    let longest = format!(
        "for (const [name, text] of [['hint', ''], ['form-notice', '{notice}'], ['journey-value', '{}']])
            document.querySelector(`[data-testid=${{name}}]`).textContent = text",
        "8".repeat(60)
    );
    for path in ["/", "/how-it-works"] {
        for window in WINDOWS {
            page.resize(window).await;
            open(&page, &system, path).await;
            let before = page.script(places).await;
            page.script(&longest).await;
            assert_eq!(page.script(places).await, before, "{path} {window:?}");
        }
    }
}

/// The page with values of several lengths.
async fn open_with_values() -> (Arc<LocalSite>, BrowserPage) {
    let (system, page) = Site::open_shared("/").await;
    calculate(&page, &[7, 300, 100_000]).await;
    (system, page)
}

/// Pages with and without lists.
const PATHS: [&str; 3] = ["/", "/how-it-works", "/numbers/300"];

#[tokio::test]
async fn paper_is_light() {
    let (_system, page) = open_with_values().await;
    page.emulate_media("print", &[("prefers-color-scheme", "dark")]).await;
    let ink = page.script("return getComputedStyle(document.body).color").await;
    assert_eq!(ink, "rgb(27, 29, 34)");
    page.picture_as_it_is("print-dark", DESKTOP).await;
}

#[tokio::test]
async fn forced_colours() {
    let (_system, page) = open_with_values().await;
    for theme in ["light", "dark"] {
        page.emulate_media("", &[("forced-colors", "active"), ("prefers-color-scheme", theme)])
            .await;
        page.picture_as_it_is(&format!("forced-colors-{theme}"), DESKTOP).await;
    }
}

#[tokio::test]
async fn large_text_fits_its_window() {
    let (system, page) = open_with_values().await;
    page.set_font_size(32).await;
    for path in PATHS {
        open(&page, &system, path).await;
        let name = format!("large-text{}", path.replace('/', "-"));
        for (device, window) in [("phone", PHONE), ("desktop", DESKTOP)] {
            page.picture_as_it_is(&format!("{name}-{device}"), window).await;
            fits(&page, &format!("{path} with large text on a {device}")).await;
        }
    }
    // The last path has digits. They grow, and a phone shows them without scrolling sideways.
    page.resize(PHONE).await;
    // Its lines are broken anew in the frame after the window's change.
    let view = "document.getElementById('digits-view')";
    let size = format!("return getComputedStyle({view}.querySelector('.digits-lines')).fontSize");
    assert_eq!(page.script(&size).await, "28px");
    let fits = format!("{view}.scrollWidth === {view}.clientWidth");
    page.until("the digits fit their view", &fits).await;
}

#[tokio::test]
async fn targets_on_a_touched_phone_are_large_enough_for_a_finger() {
    let (system, page) = open_with_values().await;
    page.touch().await;
    for path in PATHS {
        page.resize(PHONE).await;
        open(&page, &system, path).await;
        let small = "return [...document.querySelectorAll('nav a, button, .plain, .chip, summary, input')]
            .filter(target => target.checkVisibility({ visibilityProperty: true }))
            .filter(target => !target.closest('.neighbours') && target.getBoundingClientRect().height < 44)
            .map(target => target.textContent)";
        assert_eq!(page.script(small).await, json!([]), "{path}");
        fits(&page, &format!("{path} on a touched phone")).await;
        page.picture_as_it_is(&format!("touched{}", path.replace('/', "-")), PHONE).await;
    }
}
