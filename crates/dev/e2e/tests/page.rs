//! The form, the lists and the navigation of the page, in a browser. `page_digits` tests values
//! with all their digits, `page_live` connections and unavailable services, `page_states`
//! screenshots of all states, `page_audit` accessibility and speed.

use e2e::{ENTER, ESCAPE, EVERY_HOP, Site, TAB, eventually, row_selector};
use serde_json::json;
use stack::testing::TEST_TIMEOUT;
use stack::{RequestLimits, SystemOptions};

#[tokio::test]
async fn a_value_appears_in_every_browser_without_a_reload() {
    let site = Site::shared();
    let (mine, other) = (site.open("/").await, site.open("/").await);
    // A reload would delete this variable.
    mine.execute("window.notReloaded = true").await;
    other.execute("window.notReloaded = true").await;

    mine.submit("10").await;
    for page in [&mine, &other] {
        page.wait_for_text("value", "For index 10 I calculated 55").await;
        page.wait_for_text("seen-index", "10").await;
        assert_eq!(page.execute("return window.notReloaded === true").await, true);
    }
}

/// Positions in the list of the stations that a submission passes.
const EDGE_STATION: usize = 1;
const SHOWN_STATION: usize = 8;

#[tokio::test]
async fn the_page_shows_the_time_at_every_station_of_a_submission() {
    let (_site, page) = Site::open_shared("/").await;
    page.submit("4321").await;
    page.wait_until_calculated().await;
    let hops = page.texts("hop").await;
    let stations: Vec<_> =
        hops.iter().map(|hop| hop.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(stations, EVERY_HOP);
    assert!(hops.iter().all(|hop| hop.ends_with("ms") || hop.ends_with(" s")), "{hops:?}");
}

#[tokio::test]
async fn a_reload_keeps_the_times_of_a_submission() {
    let (_site, page) = Site::open_shared("/").await;
    page.submit("4322").await;
    page.wait_until_calculated().await;
    let hops = page.texts("hop").await;
    page.reload().await;
    page.wait_until_calculated().await;
    assert_eq!(page.texts("hop").await, hops);
}

#[tokio::test]
async fn the_request_id_on_the_page_is_the_one_in_the_logs() {
    let (site, page) = Site::open_shared("/").await;
    page.submit("4323").await;
    page.wait_until_calculated().await;
    let id = page.texts("request-id").await.remove(0);
    site.edge.wait_for_log(&id, TEST_TIMEOUT).expect("the edge should log it");
}

#[tokio::test]
async fn a_known_index_is_shown_without_being_queued() {
    let (_site, page) = Site::open_new("/").await;
    page.submit("4321").await;
    page.wait_until_calculated().await;
    page.submit("4321").await;
    page.wait_for_text("why", "Nothing was queued: this value was calculated before.").await;
    let shown = &page.texts("hop").await[SHOWN_STATION];
    assert_eq!(shown.split(" +").next(), Some("Browser at once"));
}

#[tokio::test]
async fn the_row_of_a_repeated_index_is_highlighted() {
    let (_site, page) = Site::open_new("/").await;
    page.submit("4321").await;
    page.wait_until_calculated().await;
    page.submit("4321").await;
    page.wait_for_text("seen-times", "×2").await;
    let row = "document.querySelector('.row[data-index=\"4321\"]')";
    let is_highlighted = format!("getComputedStyle({row}).animationName.startsWith('highlight')");
    page.wait_until("the row is highlighted", &is_highlighted).await;
}

#[tokio::test]
async fn an_invalid_character_is_reported_while_typing() {
    let (_site, page) = Site::open_shared("/").await;
    page.type_in("12a").await;
    page.wait_for_text("error", "“a” is not a digit. Use digits only, e.g. 1000.").await;
}

#[tokio::test]
async fn an_index_above_the_maximum_stays_in_the_field() {
    let (_site, page) = Site::open_shared("/").await;
    page.wait_for_text("hint", "Whole numbers from 0 to 10,000,000.").await;
    page.submit("2000000000").await;
    page.wait_for_text("error", "The highest index that is calculated here is 10,000,000.").await;
    assert_eq!(page.field_text().await, "2000000000");
}

#[tokio::test]
async fn the_next_index_can_be_typed_while_a_response_is_awaited() {
    let (_site, page) = Site::open_shared("/").await;
    let hold_submissions = "const real = window.fetch; window.held = [];
        window.fetch = (request, init) => request.method == 'POST'
            ? new Promise(resolve => window.held.push(() => resolve(real(request))))
            : real(request, init)";
    page.execute(hold_submissions).await;
    page.submit("007").await;
    page.wait_until("the first index is sent", "window.held.length == 1").await;
    assert_eq!(page.field_text().await, "007", "the index should stay until it is accepted");
    // This replaces the selected text, like a key press.
    page.devtools("Input.insertText", json!({ "text": "33" })).await;
    assert_eq!(page.field_text().await, "33");
    page.press(&ENTER.repeat(2)).await;
    page.wait_until("the second index is sent once", "window.held.length == 2").await;
    page.execute("window.held.forEach(go => go())").await;
    page.wait_for_text("journey-value", "3524578").await;
    page.wait_for_text("value", "For index 7 I calculated 13").await;
    page.wait_until_accepted().await;
    let are_done = "[...document.querySelectorAll('[data-testid=journey]')]
        .every(journey => journey.dataset.state == 'done')";
    page.wait_until("both submissions are done", are_done).await;
}

#[tokio::test]
async fn a_rate_limited_submission_counts_down_and_keeps_the_input() {
    let limits = RequestLimits { rate: "1r/m", burst: 100, ..RequestLimits::NONE };
    let site = Site::start_with(SystemOptions { limits, ..SystemOptions::default() });
    let page = site.open("/").await;
    page.wait_for_text("values-empty", "None yet. Submit an index above, or choose an example.")
        .await;
    // The test and the page have the same address, so they share a rate limit.
    eventually("the edge refuses requests", TEST_TIMEOUT, async || {
        (site.get("/api/health/live").await.status() == 429).then_some(())
    })
    .await;
    page.submit("9").await;
    page.wait_for_text("form-notice", "Too many requests. Try again in 1 s.").await;
    let reason = "Too many requests: too much from one address or network; try again in a second.";
    page.wait_for_text("why", reason).await;
    assert_eq!(page.texts("error").await, [""], "the input should be valid");
    assert_eq!(page.texts("hop").await[EDGE_STATION], "Edge stopped here ×");
    page.wait_for_text("form-notice", "Too many requests. Try again.").await;
    page.take_screenshots("too-fast").await;
    assert_eq!(page.field_text().await, "9");
    assert_eq!(page.texts("connection").await, ["Live"], "the event stream should stay open");
}

#[tokio::test]
async fn a_value_is_copied_from_its_row() {
    let (site, page) = Site::open_shared("/").await;
    site.submit(20).await;
    page.wait_for_text("value", "For index 20 I calculated 6765").await;
    page.allow_clipboard().await;
    page.click_selector(&row_selector(20, "copy")).await;
    page.wait_for_text("copy", "Copied").await;
    assert_eq!(page.take_clipboard().await, "6765");
}

#[tokio::test]
async fn a_long_value_is_abbreviated_in_its_row() {
    let (site, page) = Site::open_shared("/").await;
    site.submit(100_000).await;
    let text = "For index 100,000 I calculated 25974069347221724166…49895374653428746875";
    page.wait_for_text("value", text).await;
}

#[tokio::test]
async fn an_index_in_the_list_links_to_its_number() {
    let (site, page) = Site::open_shared("/").await;
    site.submit(20).await;
    page.wait_for_text("value", "For index 20 I calculated 6765").await;
    page.click_selector("#chip-20").await;
    page.wait_for_text("number-name", "F(20)").await;
    page.wait_until("the header is in view", "scrollY == 0 && document.activeElement.id == 'main'")
        .await;
}

#[tokio::test]
async fn back_restores_the_scroll_position() {
    let site = Site::start();
    site.submit_all(0..30).await;
    let page = site.open("/").await;
    page.wait_for_text("value", "For index 29 I calculated 514229").await;
    page.execute("scrollTo(0, 700)").await;
    let is_restored = "scrollY == 700 && !!document.querySelector('.row')";
    for (link, name) in
        [("#values .row a", "number-name"), ("nav a[href='/how-it-works']", "system-summary")]
    {
        page.execute(&format!("document.querySelector(\"{link}\").click()")).await;
        let is_open = format!("scrollY == 0 && !!document.querySelector('[data-testid={name}]')");
        page.wait_until(&format!("the page with {name} is open"), &is_open).await;
        page.back().await;
        page.wait_until("the scroll position is restored", is_restored).await;
    }
}

#[tokio::test]
async fn a_chart_point_links_to_its_number_without_a_reload() {
    let (site, page) = Site::open_shared("/").await;
    site.submit(20).await;
    page.wait_for(".picture a[href=\"/numbers/20\"] circle").await;
    page.execute("window.notReloaded = true").await;
    let click = "document.querySelector('.picture a[href=\"/numbers/20\"] circle')
        .dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))";
    page.execute(click).await;
    page.wait_for_text("number-name", "F(20)").await;
    assert_eq!(page.execute("return window.notReloaded === true").await, true);
}

#[tokio::test]
async fn the_page_has_a_favicon() {
    let (_site, page) = Site::open_shared("/").await;
    // For a tab, the browser loads it in the same way, under the page's Content-Security-Policy.
    let is_decoded = "const picture = new Image(), done = arguments[0];
        picture.src = document.querySelector('link[rel=icon]').href;
        picture.decode().then(() => done(picture.width > 0), () => done(false))";
    assert_eq!(page.execute_async(is_decoded).await, true);
}

#[tokio::test]
async fn the_enter_key_loads_more_of_a_list_and_moves_the_focus() {
    const SUBMITTED: u32 = 130;
    let site = Site::start();
    site.submit_all(0..SUBMITTED).await;
    let page = site.open("/").await;
    page.wait_for_text("value", "For index 129 I calculated 407305795904080553832073954").await;
    for (button, name, step) in [("older", "seen-index", 40), ("more-values", "value", 20)] {
        let rows = format!("document.querySelectorAll('[data-testid={name}]')");
        let mut shown = step;
        page.wait_until("the first rows are shown", &format!("{rows}.length == {shown}")).await;
        while shown < SUBMITTED {
            page.focus(button).await;
            // The second press must not click a button in the row that gets the focus.
            page.press(&ENTER.repeat(2)).await;
            let has_focus = format!(
                "document.activeElement.textContent == {rows}[{shown}]?.closest('li').textContent"
            );
            page.wait_until(&format!("{name} {shown} has the focus"), &has_focus).await;
            shown = (shown + step).min(SUBMITTED);
            let has_all = format!("{rows}.length == {shown}");
            page.wait_until(&format!("{shown} rows are shown"), &has_all).await;
        }
        let is_removed = format!("!document.querySelector('[data-testid={button}]')");
        page.wait_until("the button is removed", &is_removed).await;
        let row_before_focus = "document.activeElement.parentElement.previousElementSibling";
        page.wait_until("the focus stays in the list", &format!("!!{row_before_focus}")).await;
    }
    page.wait_until("no dialog is open", "!document.querySelector('dialog').open").await;
}

#[tokio::test]
async fn a_list_that_cannot_load_more_shows_an_error() {
    let site = Site::start();
    site.submit_all(0..50).await;
    let page = site.open("/").await;
    page.wait_for_text("value", "For index 49 I calculated 7778742049").await;
    page.block_requests(&["*/api/indices*"]).await;
    page.click("older").await;
    page.wait_for_text("older-error", "The server cannot be reached.").await;
    assert_eq!(page.texts("more-values-error").await, [""], "the other list should have no error");
}

#[tokio::test]
async fn the_page_can_be_operated_by_keyboard_alone() {
    // In the shared system, rows of other tests would precede this row in the tab order.
    let (_site, page) = Site::open_new("/").await;
    let focused = async || {
        let script = "const e = document.activeElement;
            return e.dataset.testid || e.id || e.textContent.trim() || e.tagName";
        page.execute(script).await.as_str().unwrap_or_default().to_owned()
    };
    // Presses Tab until `last` has the focus; returns all elements that had it.
    let tab_to = async |last: &str| {
        let mut order = Vec::new();
        while order.last().map(String::as_str) != Some(last) {
            page.press(TAB).await;
            order.push(focused().await);
            assert!(order.len() < 30, "{order:?}");
        }
        order
    };
    let expected =
        ["Skip to content", "φFibonacci calculator", "Calculator", "How it works", "index"];
    assert_eq!(tab_to("index").await, expected);

    page.press(&format!("1234{ENTER}")).await;
    page.wait_for(&row_selector(1_234, "show-all")).await;
    assert_eq!(focused().await, "index", "the field should keep the focus");
    tab_to("show-all").await;
    page.press(ENTER).await;
    page.wait_for_text("digits-state", "258 digits").await;
    page.press(ESCAPE).await;
    page.wait_until("the dialog is closed", "!document.querySelector('dialog').open").await;
    assert_eq!(
        focused().await,
        "show-all",
        "the focus should return to the link that opened the dialog"
    );
}

#[tokio::test]
async fn a_new_value_is_announced_to_screen_readers() {
    let (_site, page) = Site::open_shared("/").await;
    page.submit("1234").await;
    page.wait_for_text("announcement", "For index 1,234 I calculated a number of 258 digits").await;
}
