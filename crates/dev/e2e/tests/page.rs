//! Submitting and the lists, in real browsers on a real system. Whole numbers are in `page_digits`,
//! lost connections and failed services in `page_live`, screenshots in `page_states`, accessibility
//! and speed in `page_audit`.

use e2e::{Site, eventually, row};
use serde_json::json;
use stack::testing::TEST_TIMEOUT;
use stack::{RequestLimits, SystemOptions};

#[tokio::test]
async fn a_value_appears_in_every_browser_without_a_reload() {
    let system = Site::shared();
    let (mine, other) = (system.open("/").await, system.open("/").await);
    // A reload would forget this.
    mine.script("window.notReloaded = true").await;
    other.script("window.notReloaded = true").await;

    mine.submit("10").await;
    for page in [&mine, &other] {
        page.shows("value", "For index 10 I calculated 55").await;
        page.shows("seen-index", "10").await;
        assert_eq!(page.script("return window.notReloaded === true").await, true);
    }
}

#[tokio::test]
async fn a_submission_is_timed_at_every_station() {
    let (_system, page) = Site::open_shared("/").await;
    page.submit("4321").await;
    page.journey_ends().await;
    let hops = page.texts("hop").await;
    let names: Vec<_> =
        hops.iter().map(|hop| hop.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "Browser sent",
        "Edge received",
        "API checked",
        "Postgres committed",
        "Redis queued",
        "Worker taken",
        "Worker calculated",
        "Redis stored",
        "Browser shown",
    ];
    assert_eq!(names, expected);
    assert!(hops.iter().all(|hop| hop.ends_with("ms") || hop.ends_with(" s")), "{hops:?}");
}

#[tokio::test]
async fn a_reload_keeps_the_times_of_a_submission() {
    let (_system, page) = Site::open_shared("/").await;
    page.submit("4322").await;
    page.journey_ends().await;
    let hops = page.texts("hop").await;
    page.reload().await;
    page.journey_ends().await;
    assert_eq!(page.texts("hop").await, hops);
}

#[tokio::test]
async fn the_request_id_on_the_page_is_the_one_in_the_logs() {
    let (system, page) = Site::open_shared("/").await;
    page.submit("4323").await;
    page.journey_ends().await;
    let id = page.texts("request-id").await.remove(0);
    system.edge.wait_for_log(&id, TEST_TIMEOUT).expect("the edge should log it");
}

#[tokio::test]
async fn a_known_index_is_answered_at_once() {
    let (_system, page) = Site::open_new("/").await;
    page.submit("4321").await;
    page.journey_ends().await;
    page.submit("4321").await;
    page.shows("why", "Nothing was queued: this value was calculated before.").await;
    assert_eq!(page.texts("hop").await[8].split(" +").next(), Some("Browser at once"));
}

#[tokio::test]
async fn the_row_of_a_repeated_index_is_highlighted() {
    let (_system, page) = Site::open_new("/").await;
    page.submit("4321").await;
    page.journey_ends().await;
    page.submit("4321").await;
    page.shows("seen-times", "×2").await;
    let row = "document.querySelector('.row[data-index=\"4321\"]')";
    let lit = format!("getComputedStyle({row}).animationName.startsWith('highlight')");
    page.until("the row is highlighted", &lit).await;
}

#[tokio::test]
async fn a_wrong_index_is_refused_while_it_is_typed() {
    let (_system, page) = Site::open_shared("/").await;
    page.type_in("12a").await;
    page.shows("error", "“a” is not a digit. Use digits only, e.g. 1000.").await;
}

#[tokio::test]
async fn a_wrong_index_stays_in_the_field() {
    let (_system, page) = Site::open_shared("/").await;
    page.shows("hint", "Whole numbers from 0 to 10,000,000.").await;
    page.submit("2000000000").await;
    page.shows("error", "The highest index that is calculated here is 10,000,000.").await;
    assert_eq!(page.typed().await, "2000000000");
}

#[tokio::test]
async fn the_field_takes_the_next_index_while_an_answer_is_awaited() {
    let (_system, page) = Site::open_shared("/").await;
    page.script(
        "const real = window.fetch; window.held = [];
         window.fetch = (request, init) => request.method == 'POST'
            ? new Promise(answer => window.held.push(() => answer(real(request)))) : real(request, init)",
    )
    .await;
    page.submit("007").await;
    page.until("it is on its way", "window.held.length == 1").await;
    assert_eq!(page.typed().await, "007", "it stays until it is accepted");
    // As a person types: in the place of what is selected.
    page.devtools("Input.insertText", json!({ "text": "33" })).await;
    assert_eq!(page.typed().await, "33");
    page.press("\u{e007}\u{e007}").await;
    page.until("the other is too, once", "window.held.length == 2").await;
    page.script("window.held.forEach(go => go())").await;
    page.shows("journey-value", "3524578").await;
    page.shows("value", "For index 7 I calculated 13").await;
    page.accepted().await;
    let ended = "[...document.querySelectorAll('[data-testid=journey]')].every(j => j.dataset.state == 'done')";
    page.until("both journeys have ended, the one with leading zeros too", ended).await;
}

#[tokio::test]
async fn a_refused_request_says_to_wait_and_loses_nothing() {
    let limits = RequestLimits { rate: "1r/m", burst: 100, ..RequestLimits::NONE };
    let system = Site::start_with(SystemOptions { limits, ..SystemOptions::default() });
    let page = system.open("/").await;
    page.shows("values-empty", "None yet. Submit an index above, or choose an example.").await;
    // The test and the page are one address to the edge, with one allowance.
    eventually("the edge refuses", TEST_TIMEOUT, async || {
        (system.get("/api/health/live").await.status() == 429).then_some(())
    })
    .await;
    page.submit("9").await;
    page.shows("form-notice", "Too many requests. Try again in 1 s.").await;
    page.shows(
        "why",
        "Too many requests: too much from one address or network; try again in a second.",
    )
    .await;
    assert_eq!(page.texts("error").await, [""], "the input is right");
    assert_eq!(page.texts("hop").await[1], "Edge stopped here ×");
    page.shows("form-notice", "Too many requests. You can try again now.").await;
    page.pictures("too-fast").await;
    assert_eq!(page.typed().await, "9");
    assert_eq!(page.texts("connection").await, ["Live"], "what was open stays so");
}

#[tokio::test]
async fn a_value_is_copied_from_its_row() {
    let (system, page) = Site::open_shared("/").await;
    system.submit(20).await;
    page.shows("value", "For index 20 I calculated 6765").await;
    page.allow_clipboard().await;
    page.click_selector(&row(20, "copy")).await;
    page.shows("copy", "Copied").await;
    assert_eq!(page.take_clipboard().await, "6765");
}

#[tokio::test]
async fn a_long_value_is_abbreviated_in_its_row() {
    let (system, page) = Site::open_shared("/").await;
    system.submit(100_000).await;
    page.shows("value", "For index 100,000 I calculated 25974069347221724166…49895374653428746875")
        .await;
}

#[tokio::test]
async fn an_earlier_index_leads_to_its_number() {
    let (system, page) = Site::open_shared("/").await;
    system.submit(20).await;
    page.shows("value", "For index 20 I calculated 6765").await;
    page.click_selector("#chip-20").await;
    page.shows("number-name", "F(20)").await;
    page.until("the header is in view", "scrollY == 0 && document.activeElement.id == 'main'")
        .await;
}

#[tokio::test]
async fn back_restores_the_scroll_position() {
    let system = Site::start();
    system.submit_all(0..30).await;
    let page = system.open("/").await;
    page.shows("value", "For index 29 I calculated 514229").await;
    page.script("scrollTo(0, 700)").await;
    for (link, name) in
        [("#values .row a", "number-name"), ("nav a[href='/how-it-works']", "system-words")]
    {
        page.script(&format!("document.querySelector(\"{link}\").click()")).await;
        page.until(
            name,
            &format!("scrollY == 0 && !!document.querySelector('[data-testid={name}]')"),
        )
        .await;
        page.back().await;
        page.until("it is where it was", "scrollY == 700 && !!document.querySelector('.row')")
            .await;
    }
}

#[tokio::test]
async fn a_point_of_a_chart_is_a_link() {
    let (system, page) = Site::open_shared("/").await;
    system.submit(20).await;
    page.has(".picture a[href=\"/numbers/20\"] circle").await;
    page.script("window.notReloaded = true").await;
    let click = "document.querySelector('.picture a[href=\"/numbers/20\"] circle')
        .dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))";
    page.script(click).await;
    page.shows("number-name", "F(20)").await;
    assert_eq!(page.script("return window.notReloaded === true").await, true);
}

#[tokio::test]
async fn the_page_has_a_picture_for_its_tab() {
    let (_system, page) = Site::open_shared("/").await;
    // As the tab gets it: under the page's Content-Security-Policy, and decoded.
    let drawn = "const picture = new Image(), done = arguments[0];
        picture.src = document.querySelector('link[rel=icon]').href;
        picture.decode().then(() => done(picture.width > 0), () => done(false))";
    assert_eq!(page.async_script(drawn).await, true);
}

#[tokio::test]
async fn more_of_a_list_is_loaded_by_a_key_and_focused() {
    let system = Site::start();
    system.submit_all(0..130).await;
    let page = system.open("/").await;
    page.shows("value", "For index 129 I calculated 407305795904080553832073954").await;
    for (button, rows, step) in [("older", "seen-index", 40), ("more-values", "value", 20)] {
        let named = format!("document.querySelectorAll('[data-testid={rows}]')");
        let mut shown = step;
        page.until("the first are shown", &format!("{named}.length == {shown}")).await;
        while shown < 130 {
            page.focus(button).await;
            // Twice, as happens: the second one must not do anything else.
            page.press("\u{e007}\u{e007}").await;
            let first = format!(
                "document.activeElement.textContent == {named}[{shown}]?.closest('li').textContent"
            );
            page.until(&format!("the focus is where {rows} {shown} begins"), &first).await;
            shown = (shown + step).min(130);
            page.until("all are shown that were asked for", &format!("{named}.length == {shown}"))
                .await;
        }
        let gone = format!("!document.querySelector('[data-testid={button}]')");
        page.until("there are no more", &gone).await;
        let first = "document.activeElement.parentElement.previousElementSibling";
        page.until("the focus is still there", &format!("!!{first}")).await;
    }
    page.until("nothing was opened", "!document.querySelector('dialog').open").await;
}

#[tokio::test]
async fn a_list_that_cannot_be_continued_says_so() {
    let system = Site::start();
    system.submit_all(0..50).await;
    let page = system.open("/").await;
    page.shows("value", "For index 49 I calculated 7778742049").await;
    page.block(&["*/api/indices*"]).await;
    page.click("older").await;
    page.shows("older-error", "The server cannot be reached.").await;
    assert_eq!(page.texts("more-values-error").await, [""], "the other list is not concerned");
}

#[tokio::test]
async fn everything_can_be_done_from_the_keyboard() {
    // Of its own: other values would come between the field and the row.
    let (_system, page) = Site::open_new("/").await;
    let focused = async || {
        let script = "const e = document.activeElement;
            return e.dataset.testid || e.id || e.textContent.trim() || e.tagName";
        page.script(script).await.as_str().unwrap_or_default().to_owned()
    };
    // What gets the focus by Tab, up to `last`.
    let tab_to = async |last: &str| {
        let mut order = Vec::new();
        while order.last().map(String::as_str) != Some(last) {
            page.press("\u{e004}").await;
            order.push(focused().await);
            assert!(order.len() < 30, "{order:?}");
        }
        order
    };
    let expected =
        ["Skip to content", "φFibonacci calculator", "Calculator", "How it works", "index"];
    assert_eq!(tab_to("index").await, expected);

    page.press("1234\u{e007}").await;
    page.has(&row(1_234, "show-all")).await;
    assert_eq!(focused().await, "index", "ready for the next");
    tab_to("show-all").await;
    page.press("\u{e007}").await;
    page.shows("digits-state", "258 digits").await;
    page.press("\u{e00c}").await;
    page.until("the dialog is closed", "!document.querySelector('dialog').open").await;
    assert_eq!(focused().await, "show-all", "back where it was opened");
}

#[tokio::test]
async fn a_value_is_announced_to_screen_readers() {
    let (_system, page) = Site::open_shared("/").await;
    page.submit("1234").await;
    page.shows("announcement", "For index 1,234 I calculated a number of 258 digits").await;
}
