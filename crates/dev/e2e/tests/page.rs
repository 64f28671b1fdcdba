//! The page in real browsers, on a real system. Lost connections and failed services are in
//! `page_live`, screenshots in `page_states`, accessibility and speed in `page_audit`.

use e2e::{BrowserPage, LocalSite, Site, eventually};
use serde_json::json;
use stack::testing::TEST_TIMEOUT;
use stack::{RequestLimits, SystemOptions};

/// Takes the text on the clipboard.
async fn take_clipboard(page: &BrowserPage) -> serde_json::Value {
    let take = "navigator.clipboard.readText()
        .then(text => navigator.clipboard.writeText('taken').then(() => arguments[0](text)))";
    page.async_script(take).await
}

/// The selector of an element in the row of an index.
fn row(index: u32, name: &str) -> String {
    format!(".row[data-index=\"{index}\"] [data-testid={name}]")
}

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
    assert_eq!(mine.typed().await, "", "the field should be ready for the next index");
}

#[tokio::test]
async fn a_submission_is_timed_at_every_station_and_a_reload_keeps_that() {
    let system = Site::shared();
    let page = system.open("/").await;
    page.submit("4321").await;
    page.journey_ends().await;
    let hops = page.texts("hop").await;
    let names: Vec<_> = hops.iter().map(|hop| hop.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
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
    page.reload().await;
    page.journey_ends().await;
    assert_eq!(page.texts("hop").await, hops);
}

#[tokio::test]
async fn the_request_id_on_the_page_is_in_every_log() {
    let system = Site::start();
    let page = system.open("/").await;
    page.submit("4321").await;
    page.journey_ends().await;
    let id = page.texts("request-id").await.remove(0);
    // Log lines arrive later than answers.
    eventually("every log has it", TEST_TIMEOUT, async || {
        let logs = [system.edge.log(), system.servers[0].log(), system.workers[0].log()];
        logs.iter().all(|log| log.contains(&id)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_known_index_is_answered_at_once_and_its_row_is_highlighted() {
    let system = Site::start();
    let page = system.open("/").await;
    page.submit("4321").await;
    page.journey_ends().await;
    page.submit("4321").await;
    page.shows("seen-times", "×2").await;
    let row = "document.querySelector('.row[data-index=\"4321\"]')";
    let lit = format!("getComputedStyle({row}).animationName.startsWith('highlight')");
    page.until("the row is highlighted", &lit).await;
    page.shows("why", "Nothing was queued: this value was calculated before.").await;
    assert_eq!(page.texts("hop").await[8].split(" +").next(), Some("Browser at once"));
}

#[tokio::test]
async fn the_field_takes_the_next_index_while_an_answer_is_awaited() {
    let system = Site::shared();
    let page = system.open("/").await;
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
    eventually("the field is empty", TEST_TIMEOUT, async || page.typed().await.is_empty().then_some(()))
        .await;
    let ended =
        "[...document.querySelectorAll('[data-testid=journey]')].every(j => j.dataset.state == 'done')";
    page.until("both journeys have ended, the one with leading zeros too", ended).await;
}

#[tokio::test]
async fn an_index_above_the_bound_is_refused_by_the_page_and_by_the_server() {
    let system = Site::shared();
    let page = system.open("/").await;
    page.shows("hint", "Whole numbers from 0 to 10,000,000.").await;
    page.submit("2000000000").await;
    page.shows("error", "The highest index that is calculated here is 10,000,000.").await;

    page.block(&["*/api/health/ready"]).await;
    page.reload().await;
    page.submit("2000000000").await;
    page.shows("error", "Index too high: the highest index that is calculated here is 10000000.").await;
    assert_eq!(page.typed().await, "2000000000");
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
    page.shows("why", "Too many requests: too much from one address; try again in a second.").await;
    assert_eq!(page.texts("error").await, [""], "the input is right");
    assert_eq!(page.texts("hop").await[1], "Edge stopped here ×");
    page.shows("form-notice", "Too many requests. You can try again now.").await;
    page.pictures("too-fast").await;
    assert_eq!(page.typed().await, "9");
    assert_eq!(page.texts("connection").await, ["Live"], "what was open stays so");
}

#[tokio::test]
async fn a_value_is_copied_from_its_row() {
    let system = Site::shared();
    system.submit(20).await;
    let page = system.open("/").await;
    page.shows("value", "For index 20 I calculated 6765").await;
    page.allow_clipboard().await;
    page.click_selector(&row(20, "copy")).await;
    page.shows("copy", "Copied").await;
    assert_eq!(take_clipboard(&page).await, "6765");
}

#[tokio::test]
async fn an_index_that_was_submitted_earlier_is_listed_and_leads_to_its_number() {
    let system = Site::shared();
    system.submit(20).await;
    let page = system.open("/").await;
    page.shows("value", "For index 20 I calculated 6765").await;
    page.click_selector("#chip-20").await;
    page.shows("number-name", "F(20)").await;
    page.shows("digits-lines", "6765").await;
    page.until("the header is in view", "scrollY == 0 && document.activeElement.id == 'main'").await;
    page.back().await;
    page.shows("value", "For index 20 I calculated 6765").await;
}

#[tokio::test]
async fn back_restores_the_scroll_position() {
    let system = Site::start();
    for index in 0..30 {
        system.submit(index).await;
    }
    let page = system.open("/").await;
    page.shows("value", "For index 29 I calculated 514229").await;
    page.script("scrollTo(0, 700)").await;
    for (link, name) in [("#values .row a", "number-name"), ("nav a[href='/how-it-works']", "system-words")] {
        page.script(&format!("document.querySelector(\"{link}\").click()")).await;
        page.until(name, &format!("scrollY == 0 && !!document.querySelector('[data-testid={name}]')")).await;
        page.back().await;
        page.until("it is where it was", "scrollY == 700 && !!document.querySelector('.row')").await;
    }
}

#[tokio::test]
async fn a_point_of_a_chart_is_a_link() {
    let system = Site::shared();
    system.submit(20).await;
    let page = system.open("/").await;
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
    let system = Site::shared();
    let page = system.open("/").await;
    // As the tab gets it: under the page's Content-Security-Policy, and decoded.
    let drawn = "const picture = new Image(), done = arguments[0];
        picture.src = document.querySelector('link[rel=icon]').href;
        picture.decode().then(() => done(picture.width > 0), () => done(false))";
    assert_eq!(page.async_script(drawn).await, true);
}

#[tokio::test]
async fn more_of_a_list_is_loaded_by_a_key_and_focused() {
    let system = Site::start();
    for index in 0..130 {
        system.submit(index).await;
    }
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
            let first =
                format!("document.activeElement.textContent == {named}[{shown}]?.closest('li').textContent");
            page.until(&format!("the focus is where {rows} {shown} begins"), &first).await;
            shown = (shown + step).min(130);
            page.until("all are shown that were asked for", &format!("{named}.length == {shown}")).await;
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
    for index in 0..50 {
        system.submit(index).await;
    }
    let page = system.open("/").await;
    page.shows("value", "For index 49 I calculated 7778742049").await;
    page.block(&["*/api/indices*"]).await;
    page.click("older").await;
    page.shows("older-error", "The server cannot be reached.").await;
    assert_eq!(page.texts("more-values-error").await, [""], "the other list is not concerned");
}

/// An index with two million digits.
const LONG: u32 = 9_570_000;

/// Submits it, opens its digits, and returns all of them.
async fn open_long_value(system: &LocalSite, page: &BrowserPage) -> String {
    page.submit(&LONG.to_string()).await;
    page.has(&row(LONG, "show-all")).await;
    page.click_selector(&row(LONG, "show-all")).await;
    page.shows("digits-state", "2,000,012 digits").await;
    system.digits(LONG).await.expect("it is calculated")
}

#[tokio::test]
async fn two_million_digits_are_scrolled_and_only_those_in_view_are_rendered() {
    let system = Site::shared();
    let page = system.open("/").await;
    let digits = open_long_value(&system, &page).await;
    assert_eq!(digits.len(), 2_000_012);
    let ends = format!("{}…{}", &digits[..20], &digits[digits.len() - 20..]);
    page.shows("value", &format!("For index 9,570,000 I calculated {ends}")).await;

    let rendered = async || page.texts("digits-lines").await.remove(0).replace([' ', '\n'], "");
    let first = rendered().await;
    assert!(digits.starts_with(&first) && (1_000..20_000).contains(&first.len()), "{}", first.len());
    page.script("const view = document.getElementById('digits-view'); view.scrollTop = view.scrollHeight")
        .await;
    eventually("the last digits are rendered", TEST_TIMEOUT, async || {
        digits.ends_with(&rendered().await).then_some(())
    })
    .await;
    let size = page.script("return document.body.textContent.length").await;
    assert!(size.as_u64().is_some_and(|size| size < 60_000), "{size} characters in the document");
}

#[tokio::test]
async fn two_million_digits_are_copied() {
    let system = Site::shared();
    let page = system.open("/").await;
    page.allow_clipboard().await;
    let digits = open_long_value(&system, &page).await;
    // Some browsers take a promise of a text, others only the text.
    for unsupported in ["", "delete window.ClipboardItem"] {
        page.script(unsupported).await;
        page.click("copy-all").await;
        page.shows("copy-all", "Copied").await;
        assert!(take_clipboard(&page).await == digits, "the number should be on the clipboard");
        page.shows("copy-all", "Copy").await;
    }
    page.script("Object.defineProperty(window, 'isSecureContext', { value: false })").await;
    page.focus("copy-all").await;
    page.press("\u{e007}").await;
    page.shows("copy-all", "Copied").await;
    assert!(take_clipboard(&page).await == digits, "a plain HTTP address copies too");
}

#[tokio::test]
async fn two_million_digits_are_downloaded() {
    let system = Site::shared();
    let page = system.open("/").await;
    let downloads = tempfile::tempdir().expect("a folder");
    page.download_to(downloads.path()).await;
    let digits = open_long_value(&system, &page).await;
    page.click("download-all").await;
    let file = downloads.path().join("fibonacci-9570000.txt");
    let downloaded = eventually("the file is there", TEST_TIMEOUT, async || {
        std::fs::read_to_string(&file).ok().filter(|text| text.len() == digits.len())
    })
    .await;
    assert!(downloaded == digits, "the file should have the number");
}

#[tokio::test]
async fn everything_can_be_done_from_the_keyboard() {
    // Of its own: other values would come between the field and the row.
    let system = Site::start();
    let page = system.open("/").await;
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
    let expected = ["Skip to content", "φFibonacci calculator", "Calculator", "How it works", "index"];
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
    page.shows("announcement", "For index 1,234 I calculated a number of 258 digits").await;
}

#[tokio::test]
async fn back_closes_the_digits_and_a_reload_keeps_them() {
    let system = Site::shared();
    system.submit(1_000).await;
    let page = system.open("/").await;
    let show_all = row(1_000, "show-all");
    page.has(&show_all).await;
    page.script("window.notReloaded = true").await;
    page.click_selector(&show_all).await;
    page.shows("digits-state", "209 digits").await;
    page.back().await;
    page.until("the dialog is closed", "!document.querySelector('dialog').open").await;
    assert_eq!(page.script("return window.notReloaded === true").await, true);
    page.click_selector(&show_all).await;
    page.shows("digits-state", "209 digits").await;
    page.reload().await;
    page.shows("digits-state", "209 digits").await;
    page.click("close").await;
    page.until("the address is the list's", "location.pathname + location.search == '/'").await;
}

#[tokio::test]
async fn digits_are_gone_to_by_their_position_and_found() {
    let system = Site::shared();
    system.submit(100_000).await;
    let page = system.open("/numbers/100000").await;
    page.shows("digits-state", "20,899 digits").await;
    let digits = system.digits(100_000).await.expect("it is calculated");
    page.focus("digits-position").await;
    page.press("20,000\u{e007}").await;
    page.shows("digits-message", "Digit 20,000").await;
    let marked = || page.script("return document.querySelector('mark').textContent.replace(/\\s/g, '')");
    assert_eq!(marked().await, digits[19_999..20_000]);
    let wanted = &digits[15_000..15_012];
    page.focus("digits-wanted").await;
    page.press(&format!("{wanted}\u{e007}")).await;
    page.shows("digits-message", "Digit 15,001").await;
    assert_eq!(marked().await, wanted);
    let in_view = "(() => { const mark = document.querySelector('mark').getBoundingClientRect(),
        view = document.getElementById('digits-view').getBoundingClientRect();
        return mark.top >= view.top && mark.bottom <= view.bottom })()";
    page.until("the match is in view", in_view).await;
}

#[tokio::test]
async fn an_address_of_a_number_submits_nothing_until_the_button_does() {
    let system = Site::start();
    let page = system.open("/numbers/4321").await;
    let lead = "Nobody has submitted this index yet. Its number would have 903 digits.";
    page.shows("number-lead", lead).await;
    let foretold = page.texts("foretold").await.remove(0);
    assert!(system.submissions().await.is_empty(), "opening an address writes nothing");
    // The first submission is refused.
    let refuse = "const real = window.fetch;
        window.fetch = (request, init) => {
            if (request.method != 'POST') return real(request, init);
            window.fetch = real;
            const problem = { type: 'about:blank', title: 'Too many requests', status: 429 };
            const headers = { 'Retry-After': '2' };
            return Promise.resolve(new Response(JSON.stringify(problem), { status: 429, headers }));
        }";
    page.script(refuse).await;
    page.focus("submit-number").await;
    page.press("\u{e007}").await;
    page.shows("number-notice", "Too many requests. Try again in 2 s.").await;
    page.shows("number-notice", "Too many requests. You can try again now.").await;
    page.until("the focus stays", "document.activeElement.dataset.testid == 'submit-number'").await;
    page.reload().await;
    page.shows("number-notice", "").await;
    page.focus("submit-number").await;
    page.press("\u{e007}\u{e007}").await;
    page.shows("digits-state", "903 digits").await;
    let is_kept = "document.activeElement.dataset.testid == 'number-place' && scrollY == 0";
    page.until("the focus goes to what comes in place of the button", is_kept).await;
    assert_eq!(system.submissions().await.len(), 1, "pressing it twice means it once");
    let digits = system.digits(4_321).await.expect("it is calculated");
    assert_eq!(foretold, format!("{}…", &digits[..8]));
    let facts = page.texts("facts").await.remove(0);
    assert!(facts.contains("Submitted1 time") && facts.contains("By worker"), "{facts}");
    page.click_selector("[data-testid=neighbours] a").await;
    page.shows("number-name", "F(4,320)").await;
}

#[tokio::test]
async fn an_unknown_address_says_so_with_status_404() {
    let system = Site::shared();
    let page = system.open("/nowhere/at/all").await;
    page.shows("not-found", "There is no page at /nowhere/at/all.").await;
    for (path, status) in [("/nowhere", 404), ("/numbers/7", 200), ("/how-it-works", 200), ("/", 200)] {
        assert_eq!(system.get(path).await.status(), status, "{path}");
    }
}
