//! Screenshots of every state of the page for review, on a desktop and a phone, in both themes:
//! `page/*.png` in the target folder. The tests check that no state is wider than its window, and
//! that text in SVG is large enough. States that would take minutes come from fake responses.
//!
//! The README's pictures are the upper parts of `values-desktop-light` and
//! `how-passed-desktop-dark`.

use std::sync::Arc;

use e2e::{BrowserPage, DESKTOP, LocalSite, PHONE, Site, row_selector};
use serde_json::json;
use stack::SystemOptions;

/// The narrowest phone.
const NARROW: (u32, u32) = (320, 640);

/// The smallest text in SVG, in pixels on the screen.
const MIN_SVG_TEXT: u32 = 10;

/// The smallest height of a touch target, in pixels.
const MIN_TOUCH_TARGET: u32 = 44;

/// An index whose value has two million digits.
const LONG: u32 = 9_570_000;

/// What the page shows while it has no values.
const NO_VALUES: &str = "None yet. Submit an index above, or choose an example.";

/// What the page shows when the edge does not reach the server.
const SERVER_UNAVAILABLE: &str =
    "The server is unavailable: it does not respond at the moment; try again.";

/// Checks the state in the narrowest window, and takes four screenshots of it.
async fn capture(page: &BrowserPage, state: &str) {
    page.resize(NARROW).await;
    let width = page.execute("return document.documentElement.scrollWidth").await;
    let fits = width.as_u64().is_some_and(|width| width <= NARROW.0.into());
    assert!(fits, "{state} is {width} px wide");
    let small_texts = format!(
        "return [...document.querySelectorAll('svg text')]
            .filter(text => text.getClientRects().length
                && parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a
                    < {MIN_SVG_TEXT})
            .map(text => text.textContent)"
    );
    assert_eq!(page.execute(&small_texts).await, json!([]), "{state} has text that is too small");
    page.take_screenshots(state).await;
    page.resize(DESKTOP).await;
}

async fn capture_narrow(page: &BrowserPage, state: &str) {
    page.take_themed_screenshot(&format!("{state}-narrow-light"), NARROW, "light").await;
    page.resize(DESKTOP).await;
}

/// Checks that the page is not wider than its window.
async fn check_width(page: &BrowserPage, what: &str) {
    let excess = page.execute("return document.documentElement.scrollWidth - innerWidth").await;
    assert!(excess.as_i64().is_some_and(|excess| excess <= 0), "{what} is {excess} px too wide");
}

async fn open(page: &BrowserPage, site: &LocalSite, path: &str) {
    page.goto_live(&format!("{}{path}", site.url())).await;
}

/// Submits indices on the page, and waits for their values.
async fn calculate(page: &BrowserPage, indices: &[u32]) {
    for index in indices {
        page.submit(&index.to_string()).await;
        page.wait_for(&format!(".row[data-index=\"{index}\"][data-state=done]")).await;
        page.wait_until_accepted().await;
    }
}

/// From the next load on, requests below `path` get `response`, a JavaScript expression of a
/// promise.
async fn fake_responses(page: &BrowserPage, path: &str, response: &str) {
    let script = format!(
        "{{ const real = window.fetch;
            window.fetch = (request, init) =>
                new URL(request.url ?? request, location).pathname.startsWith('{path}')
                    ? {response} : real(request, init) }}"
    );
    page.add_init_script(&script).await;
}

#[tokio::test]
async fn screenshots_of_every_state_of_a_healthy_system() {
    let site = Site::start_with(SystemOptions { workers: 2, ..Default::default() });
    let page = site.open("/").await;
    page.wait_for_text("values-empty", NO_VALUES).await;
    page.wait_for_text("hint", "Whole numbers from 0 to 10,000,000.").await;
    capture(&page, "empty").await;
    page.type_in("1000").await;
    page.wait_for_text("hint", "F(1,000) has 209 digits. Press Enter to calculate.").await;
    capture(&page, "foretold").await;
    page.type_in("x").await;
    capture(&page, "invalid").await;

    open(&page, &site, "/").await;
    calculate(&page, &[7, 300, 40, 3, 100_000, 90, LONG, 12, 2_000, 10]).await;
    capture(&page, "values").await;
    capture_narrow(&page, "values").await;
    page.submit("90").await;
    page.wait_for_text("seen-times", "×2").await;
    capture(&page, "known").await;
    page.execute("document.querySelector('details').open = true").await;
    capture(&page, "earlier").await;
    page.click_selector(&row_selector(LONG, "show-all")).await;
    page.wait_for_text("digits-state", "2,000,012 digits").await;
    capture(&page, "digits").await;

    open(&page, &site, "/how-it-works").await;
    page.wait_for_text("system-summary", "All services up.").await;
    capture(&page, "how").await;
    capture_narrow(&page, "how").await;
    page.submit("77").await;
    page.wait_for_text("journey-value", "5527939700884757").await;
    capture(&page, "how-passed").await;

    page.goto(&format!("{}/numbers/2000", site.url())).await;
    page.wait_for_text("digits-state", "418 digits").await;
    capture(&page, "number").await;
    capture_narrow(&page, "number").await;
    page.goto(&format!("{}/numbers/2001", site.url())).await;
    let lead = "Nobody has submitted this index yet. Its number would have 418 digits.";
    page.wait_for_text("number-lead", lead).await;
    capture(&page, "number-unsubmitted").await;
    page.goto(&format!("{}/nowhere", site.url())).await;
    page.wait_for_text("not-found", "There is no page at /nowhere.").await;
    capture(&page, "not-found").await;
    page.goto(&format!("{}/numbers/1e3", site.url())).await;
    page.wait_for_text("no-number", "“e” is not a digit. Use digits only, e.g. 1000.").await;
    capture(&page, "no-number").await;

    // The button shows its result for 2 s, which is too short for four screenshots.
    open(&page, &site, "/").await;
    page.allow_clipboard().await;
    let keep_result = "const real = window.setTimeout;
        window.setTimeout = (then, after) => after == 2000 ? 0 : real(then, after)";
    page.execute(keep_result).await;
    page.wait_for_text("value", "For index 77 I calculated 5527939700884757").await;
    page.click("copy").await;
    page.wait_for_text("copy", "Copied").await;
    capture(&page, "copied").await;

    site.submit_all(1_000..1_060).await;
    page.wait_for_text("seen-index", "1,059").await;
    page.wait_until("nothing is pending", "document.title == 'Fibonacci calculator'").await;
    capture(&page, "more").await;

    // Without the response that has the maximum, the page leaves the check to the server.
    fake_responses(&page, "/api/health/ready", "new Promise(() => {})").await;
    open(&page, &site, "/").await;
    page.submit("2000000000").await;
    let error = "Index too high: the highest index that is calculated here is 10000000.";
    page.wait_for_text("error", error).await;
    assert_eq!(page.field_text().await, "2000000000");
    capture(&page, "refused").await;
}

#[tokio::test]
async fn screenshots_of_every_state_of_an_unhealthy_system() {
    let (site, page) = Site::open_new("/").await;
    calculate(&page, &[7, 10, 1_000]).await;
    site.workers[0].stop().expect("the worker should stop");
    page.submit("6000000").await;
    page.wait_for_text("value", "For index 6,000,000: Nothing yet!").await;
    let has_warning =
        "document.querySelector('[data-testid=warning]').textContent.startsWith('No worker')";
    page.wait_until("the page warns that there is no worker", has_warning).await;
    capture(&page, "pending").await;
    page.click_selector("#chip-6000000").await;
    page.wait_for_text("digits-state", "It is being calculated…").await;
    capture(&page, "number-pending").await;
    open(&page, &site, "/how-it-works").await;
    page.wait_for_text("workers", "0").await;
    capture(&page, "how-degraded").await;

    site.redis.stop().expect("Redis should stop");
    page.wait_for_text("system-summary", "Unavailable: Redis. Unknown: workers.").await;
    capture(&page, "how-redis-unavailable").await;
    site.redis.start().expect("Redis should start");
    page.wait_for_text("workers", "0").await;
    site.postgres.stop().expect("Postgres should stop");
    page.wait_for_text("system-summary", "Unavailable: Postgres, workers. All others are up.")
        .await;
    capture(&page, "how-postgres-unavailable").await;
    site.postgres.restart().expect("Postgres should start");
    page.wait_for_text("system-summary", "Unavailable: workers. All others are up.").await;

    open(&page, &site, "/").await;
    page.wait_for_text("value", "For index 10 I calculated 55").await;
    site.servers[0].stop().expect("the server should stop");
    page.wait_for_text("connection", "Connection lost, reconnecting…").await;
    page.submit("11").await;
    page.wait_for_text("why", SERVER_UNAVAILABLE).await;
    capture(&page, "unavailable").await;
    page.click_selector(&row_selector(1_000, "show-all")).await;
    page.wait_for_text("digits-state", SERVER_UNAVAILABLE).await;
    capture(&page, "digits-failed").await;
    page.click("close").await;
    page.click_selector("nav a[href=\"/how-it-works\"]").await;
    page.wait_for_text("system-summary", "Unavailable: api. Unknown: Postgres, Redis, workers.")
        .await;
    capture(&page, "how-unavailable").await;
    site.servers[0].start().expect("the server should start");
    page.wait_for_text("connection", "Live").await;
    assert_eq!(page.field_text().await, "11");

    // A real dead letter would take minutes.
    fake_responses(&page, "/api/values/failed", "Promise.resolve(new Response('[6000000]'))").await;
    open(&page, &site, "/").await;
    page.wait_for_text("value", "For index 6,000,000: The calculation failed several times.").await;
    capture(&page, "dead-lettered").await;

    page.add_init_script("window.EventSource = class extends EventTarget { close() {} }").await;
    page.reload().await;
    page.wait_for_text("connection", "No live updates, asking every 2 s").await;
    capture(&page, "polling").await;

    fake_responses(&page, "/api/", "new Promise(() => {})").await;
    page.reload().await;
    page.wait_for_text("values-empty", "Loading…").await;
    capture(&page, "loading").await;

    fake_responses(&page, "/api/", "Promise.reject(new TypeError('Failed to fetch'))").await;
    page.reload().await;
    page.wait_for_text("warning", "The server cannot be reached. Trying again…").await;
    capture(&page, "unreachable").await;
}

/// Windows of all layouts of the page.
const WINDOWS: [(u32, u32); 4] = [NARROW, PHONE, (700, 900), DESKTOP];

#[tokio::test]
async fn starting_the_page_does_not_move_its_heading() {
    let (site, page) = Site::open_shared("/").await;
    let heading_top = "return document.querySelector('h1').getBoundingClientRect().top";
    for window in WINDOWS {
        page.resize(window).await;
        page.block_requests(&["*/client-*.wasm"]).await;
        page.goto(&site.url()).await;
        page.wait_for("#late.failed").await;
        let before = page.execute(heading_top).await;
        page.block_requests(&[]).await;
        open(&page, &site, "/").await;
        assert_eq!(page.execute(heading_top).await, before, "{window:?}");
    }
    page.block_requests(&["*/client-*.wasm"]).await;
    page.goto(&site.url()).await;
    page.wait_for("#late.failed").await;
    capture(&page, "frame").await;
}

#[tokio::test]
async fn the_longest_messages_move_nothing_below_them() {
    let (site, page) = Site::open_shared("/").await;
    let tops_below = "return ['.suggestions', '.shares'].map(
        below => Math.round(document.querySelector(below).getBoundingClientRect().top))";
    let notice =
        "F(10,000,000): The server cannot be reached. Try again when the connection is back.";
    let longest_value = "8".repeat(60);
    let show_longest = format!(
        "for (const [name, text] of [
            ['hint', ''], ['form-notice', '{notice}'], ['journey-value', '{longest_value}'],
        ]) document.querySelector(`[data-testid=${{name}}]`).textContent = text"
    );
    for path in ["/", "/how-it-works"] {
        for window in WINDOWS {
            page.resize(window).await;
            open(&page, &site, path).await;
            let before = page.execute(tops_below).await;
            page.execute(&show_longest).await;
            assert_eq!(page.execute(tops_below).await, before, "{path} {window:?}");
        }
    }
}

/// Opens the page, and calculates values of several lengths.
async fn open_with_values() -> (Arc<LocalSite>, BrowserPage) {
    let (site, page) = Site::open_shared("/").await;
    calculate(&page, &[7, 300, 100_000]).await;
    (site, page)
}

/// The color of text in the light theme (`style.css`).
const TEXT_COLOR_OF_LIGHT_THEME: &str = "rgb(27, 29, 34)";

/// Twice the default font size, in pixels.
const LARGE_TEXT: u32 = 32;

/// Pages with and without lists.
const PATHS: [&str; 4] = ["/", "/how-it-works", "/how-it-works?part=redis", "/numbers/300"];

#[tokio::test]
async fn the_print_style_is_light_in_the_dark_theme() {
    let (_site, page) = open_with_values().await;
    page.emulate_media("print", &[("prefers-color-scheme", "dark")]).await;
    let text_color = page.execute("return getComputedStyle(document.body).color").await;
    assert_eq!(text_color, TEXT_COLOR_OF_LIGHT_THEME);
    page.take_screenshot("print-dark", DESKTOP).await;
}

#[tokio::test]
async fn screenshots_in_forced_colors() {
    let (_site, page) = open_with_values().await;
    for theme in ["light", "dark"] {
        page.emulate_media("", &[("forced-colors", "active"), ("prefers-color-scheme", theme)])
            .await;
        page.take_screenshot(&format!("forced-colors-{theme}"), DESKTOP).await;
    }
}

#[tokio::test]
async fn large_text_fits_its_window() {
    let (site, page) = open_with_values().await;
    page.set_font_size(LARGE_TEXT).await;
    for path in PATHS {
        open(&page, &site, path).await;
        let name = format!("large-text{}", path.replace('/', "-"));
        for (device, window) in [("phone", PHONE), ("desktop", DESKTOP)] {
            page.take_screenshot(&format!("{name}-{device}"), window).await;
            check_width(&page, &format!("{path} with large text on a {device}")).await;
        }
    }
    // The last path has digits. On a phone they are larger, too, and need no horizontal scrolling.
    page.resize(PHONE).await;
    let view = "document.getElementById('digits-view')";
    let size = format!("return getComputedStyle({view}.querySelector('.digits-lines')).fontSize");
    assert_eq!(page.execute(&size).await, "28px", "twice the usual 14 px");
    // The page breaks the lines again in the frame after the resize.
    let fits = format!("{view}.scrollWidth === {view}.clientWidth");
    page.wait_until("the digits fit their view", &fits).await;
}

#[tokio::test]
async fn touch_targets_on_a_phone_are_at_least_44_px_high() {
    let (site, page) = open_with_values().await;
    page.emulate_touch().await;
    for path in PATHS {
        page.resize(PHONE).await;
        open(&page, &site, path).await;
        let small_targets = format!(
            "const targets = 'nav a, button, .plain, .chip, summary, input';
            return [...document.querySelectorAll(targets)]
                .filter(target => target.checkVisibility({{ visibilityProperty: true }}))
                .filter(target => !target.closest('.neighbours')
                    && target.getBoundingClientRect().height < {MIN_TOUCH_TARGET})
                .map(target => target.textContent)"
        );
        assert_eq!(page.execute(&small_targets).await, json!([]), "{path}");
        check_width(&page, &format!("{path} on a phone with a touch screen")).await;
        page.take_screenshot(&format!("touched{}", path.replace('/', "-")), PHONE).await;
    }
}
