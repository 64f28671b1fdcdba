//! The page, used by people: what one does is seen by the others, and what is wrong is said where they look.
//!
//! Browsers are real, and so is all behind them. What becomes of the page when a connection or a part fails is in page_live.rs,
//! how it looks in page_states.rs, and what its judges say in page_audit.rs.

use std::time::Duration;

use e2e::{Options, Page, System, browsers, eventually};
use serde_json::json;

/// For what a busy machine takes.
const BOUND: Duration = Duration::from_secs(60);

fn shared() -> std::sync::Arc<System> {
    System::shared().expect("the system should start")
}

/// Lets the page use the clipboard, which headless browsers do not by themselves.
async fn allow_clipboard(page: &Page) {
    let allowed = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    page.devtools("Browser.grantPermissions", allowed).await;
}

/// What is on the clipboard; afterwards, something else is.
async fn pasted(page: &Page) -> serde_json::Value {
    let take = "navigator.clipboard.readText()
        .then(text => navigator.clipboard.writeText('taken').then(() => arguments[0](text)))";
    page.client().execute_async(take, vec![]).await.expect("a text")
}

/// The text of the row of an index.
fn row(index: u32, name: &str) -> String {
    format!("document.querySelector('.row[data-index=\"{index}\"] [data-testid={name}]')")
}

#[tokio::test]
async fn a_value_appears_in_every_browser_without_a_reload() {
    let system = shared();
    browsers(&system.url(), async |[mine, other]| {
        // A reload would forget this.
        mine.script("window.notReloaded = true").await;
        other.script("window.notReloaded = true").await;
        other.shows("connection", "Live").await;

        mine.submit("10").await;
        mine.shows("value", "For index 10 I calculated 55").await;
        mine.shows("seen-index", "10").await;
        assert_eq!(mine.typed().await, "", "the field should be ready for the next index");

        other.shows("value", "For index 10 I calculated 55").await;
        other.shows("seen-index", "10").await;
        for page in [mine, other] {
            assert_eq!(page.script("return window.notReloaded === true").await, true);
        }
    })
    .await;
}

#[tokio::test]
async fn a_submission_is_timed_at_every_station_and_found_in_the_logs_by_its_id() {
    let system = System::start(Options::default()).expect("the system should start");
    browsers(&system.url(), async |[page]| {
        page.shows("connection", "Live").await;
        page.submit("4321").await;
        page.until(
            "the journey has ended",
            "!!document.querySelector('[data-testid=journey][data-state=done]')",
        )
        .await;
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

        let id = page.texts("request-id").await.remove(0);
        // A process writes when it likes.
        eventually("every part's log has it", BOUND, async || {
            let logs = [system.edge().log(), system.server(0).log(), system.worker(0).log()];
            logs.iter().all(|log| log.contains(&id)).then_some(())
        })
        .await;

        // Known now: no worker is needed, and the row lights up.
        page.submit("4321").await;
        page.shows("seen-times", "×2").await;
        let lit =
            "getComputedStyle(document.querySelector('.row[data-index=\"4321\"]')).animationName == 'marked'";
        page.until("the row is lit", lit).await;
        assert_eq!(page.texts("hop").await[8].split(" +").next(), Some("Browser at once"));
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_while_it_is_typed_and_stays_in_the_field() {
    let system = shared();
    browsers(&system.url(), async |[page]| {
        page.shows("hint", "Whole numbers from 0 to 10,000,000.").await;
        page.type_in("12").await;
        page.shows("hint", "F(12) has 3 digits. Enter calculates it.").await;
        page.type_in("a").await;
        page.shows("error", "“a” is not a digit. An index is a whole number: 0, 1, 2, …").await;
        page.submit("").await;
        assert_eq!(page.typed().await, "12a");
    })
    .await;
}

#[tokio::test]
async fn the_field_takes_the_next_index_while_an_answer_is_awaited() {
    let system = shared();
    browsers(&system.url(), async |[page]| {
        page.shows("connection", "Live").await;
        page.script(
            "const real = window.fetch; window.held = [];
             window.fetch = (path, init) => init?.method == 'POST'
                ? new Promise(answer => window.held.push(() => answer(real(path, init)))) : real(path, init)",
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
        eventually("the field is empty", BOUND, async || page.typed().await.is_empty().then_some(())).await;
        let ended =
            "[...document.querySelectorAll('[data-testid=journey]')].every(j => j.dataset.state == 'done')";
        page.until("both journeys have ended, the one with leading zeros too", ended).await;
    })
    .await;
}

#[tokio::test]
async fn an_index_above_the_bound_is_refused_by_the_page_and_else_by_the_server() {
    let system = shared();
    browsers(&system.url(), async |[page]| {
        page.shows("hint", "Whole numbers from 0 to 10,000,000.").await;
        page.submit("2000000000").await;
        page.shows("error", "The highest index that is calculated here is 10,000,000.").await;

        // A page that was never told how the system is does not know the bound.
        page.block(&["*/api/health/ready"]).await;
        page.client().refresh().await.expect("the page should load");
        page.submit("2000000000").await;
        page.shows("error", "Index too high: the highest index that is calculated here is 10000000.").await;
        assert_eq!(page.typed().await, "2000000000");
    })
    .await;
}

#[tokio::test]
async fn a_person_who_is_too_fast_is_told_to_wait_and_loses_nothing() {
    let options = Options { requests: Some(("1r/m", 100)), ..Options::default() };
    let system = System::start(options).expect("the system should start");
    browsers(&system.url(), async |[page]| {
        page.shows("connection", "Live").await;
        page.shows("values-empty", "None yet. Submit an index above, or try one of these:").await;
        // The test and the page are one address to the edge: what the test takes, the page has no more.
        eventually("the edge refuses", BOUND, async || {
            let answer = system.get("/api/health/live").await.expect("the edge should answer");
            (answer.status() == 429).then_some(())
        })
        .await;
        page.submit("9").await;
        let why = "Too many requests: too much from one address; try again in a second.";
        page.shows("error", why).await;
        for theme in ["light", "dark"] {
            page.picture(&format!("too-fast-desktop-{theme}"), (1280, 900), theme).await;
            page.picture(&format!("too-fast-phone-{theme}"), (390, 844), theme).await;
        }
        assert_eq!(page.typed().await, "9");
        assert_eq!(page.texts("connection").await, ["Live"], "what was open stays so");
    })
    .await;
}

#[tokio::test]
async fn a_page_opened_later_shows_what_was_calculated_before() {
    let system = shared();
    let answer = system.submit(20).await.expect("the edge should answer");
    assert_eq!(answer.status(), 200);
    browsers(&system.url(), async |[page]| {
        page.shows("value", "For index 20 I calculated 6765").await;
        allow_clipboard(&page).await;
        page.script(&format!("{}.click()", row(20, "copy"))).await;
        page.shows("copy", "Copied").await;
        assert_eq!(pasted(&page).await, "6765");
        page.script("document.getElementById('chip-20').click()").await;
        page.shows("digits-state", "4 digits").await;
        page.shows("digits-lines", "6765").await;
    })
    .await;
}

#[tokio::test]
async fn the_page_has_a_picture_for_its_tab() {
    let system = shared();
    browsers(&system.url(), async |[page]| {
        // As its tab gets it: under the page's Content-Security-Policy, and not as broken as a picture can be.
        let drawn = "const picture = new Image(), done = arguments[0];
            picture.src = document.querySelector('link[rel=icon]').href;
            picture.decode().then(() => done(picture.width > 0), () => done(false))";
        assert_eq!(page.client().execute_async(drawn, vec![]).await.expect("an answer"), true);
    })
    .await;
}

#[tokio::test]
async fn more_of_a_list_is_a_key_away_and_the_focus_goes_where_it_begins() {
    let system = System::start(Options::default()).expect("the system should start");
    for index in 0..130 {
        system.submit(index).await.expect("the edge should answer");
    }
    let newest = "For index 129 I calculated 407305795904080553832073954";
    browsers(&system.url(), async |[page]| {
        page.shows("value", newest).await;
        for (button, rows, step) in [("older", "seen-index", 40), ("more-values", "value", 20)] {
            let named = format!("document.querySelectorAll('[data-testid={rows}]')");
            let mut shown = step;
            page.until("the first are shown", &format!("{named}.length == {shown}")).await;
            while shown < 130 {
                page.script(&format!("document.querySelector('[data-testid={button}]').focus()")).await;
                // Twice, as happens: the second one must not do anything else.
                page.press("\u{e007}\u{e007}").await;
                let first = format!(
                    "document.activeElement.textContent == {named}[{shown}]?.closest('li').textContent"
                );
                page.until(&format!("the focus is where {rows} {shown} begins"), &first).await;
                shown = (shown + step).min(130);
                page.until("all are shown that were asked for", &format!("{named}.length == {shown}")).await;
            }
            let hidden = format!("document.querySelector('[data-testid={button}]').hidden");
            page.until("there are no more", &hidden).await;
            let first = "document.activeElement.parentElement.previousElementSibling";
            page.until("the focus is still there", &format!("!!{first}")).await;
        }
        page.until("nothing was opened", "!document.querySelector('dialog').open").await;

        page.client().refresh().await.expect("the page should load");
        page.shows("value", newest).await;
        page.block(&["*/api/indices*"]).await;
        page.click("older").await;
        page.shows("no-older", "The server cannot be reached.").await;
        assert_eq!(page.texts("no-more-values").await, [""], "the other list is not concerned");
        page.until("no focus will go anywhere", "!document.querySelector('[data-more]')").await;
    })
    .await;
}

#[tokio::test]
async fn two_million_digits_are_shown_scrolled_copied_and_downloaded() {
    let system = shared();
    browsers(&system.url(), async |[page]| {
        let downloads = tempfile::tempdir().expect("a folder");
        let to = json!({ "behavior": "allow", "downloadPath": downloads.path() });
        page.devtools("Browser.setDownloadBehavior", to).await;
        allow_clipboard(&page).await;

        page.submit("9570000").await;
        page.until("the value is there", &format!("!!{}", row(9_570_000, "show-all"))).await;
        let digits = system.get("/api/values/9570000").await.expect("the edge should answer").text().await;
        let digits = digits.expect("a text");
        assert_eq!(digits.len(), 2_000_012);
        let ends = format!("{}…{}", &digits[..20], &digits[digits.len() - 20..]);
        page.shows("value", &format!("For index 9,570,000 I calculated {ends}")).await;

        page.script(&format!("{}.click()", row(9_570_000, "show-all"))).await;
        page.shows("digits-state", "2,000,012 digits").await;
        let drawn = async || page.texts("digits-lines").await.remove(0).replace([' ', '\n'], "");
        let first = drawn().await;
        assert!(digits.starts_with(&first) && (1_000..20_000).contains(&first.len()), "{}", first.len());

        page.script(
            "const view = document.getElementById('digits-view'); view.scrollTop = view.scrollHeight",
        )
        .await;
        eventually("the last digits are drawn", BOUND, async || {
            digits.ends_with(&drawn().await).then_some(())
        })
        .await;
        let size = page.script("return document.body.textContent.length").await;
        assert!(size.as_u64().is_some_and(|size| size < 60_000), "{size} characters in the document");

        // Some browsers take a promise of a text, the others the text when it has come.
        for able in ["", "delete window.ClipboardItem"] {
            page.script(able).await;
            page.click("copy-all").await;
            page.shows("copy-all", "Copied").await;
            assert!(pasted(&page).await == digits, "what was copied should be the number");
            page.shows("copy-all", "Copy").await;
        }

        let insecure = "Object.defineProperty(window, 'isSecureContext', { value: false })";
        page.script(insecure).await;
        page.click("copy-all").await;
        page.shows("copy-all", "Copy needs HTTPS").await;

        page.click("download-all").await;
        let file = downloads.path().join("fibonacci-9570000.txt");
        let downloaded = eventually("the file is there", BOUND, async || {
            std::fs::read_to_string(&file).ok().filter(|text| text.len() == digits.len())
        })
        .await;
        assert!(downloaded == digits, "what was downloaded should be the number");
    })
    .await;
}

#[tokio::test]
async fn everything_can_be_done_from_the_keyboard() {
    // Of its own: what others calculate would come between the field and the row.
    let system = System::start(Options::default()).expect("the system should start");
    browsers(&system.url(), async |[page]| {
        page.shows("connection", "Live").await;
        let focused = async || {
            let script = "const e = document.activeElement;
                return e.dataset.testid || e.id || e.textContent.trim() || e.tagName";
            page.script(script).await.as_str().unwrap_or_default().to_owned()
        };
        let mut way = Vec::new();
        while way.last().map(String::as_str) != Some("index") {
            page.press("\u{e004}").await;
            way.push(focused().await);
            assert!(way.len() < 10, "{way:?}");
        }
        assert_eq!(way, ["To the content", "Calculator", "How it works", "index"]);

        page.press("1234\u{e007}").await;
        page.until("the value is there", &format!("!!{}", row(1_234, "show-all"))).await;
        assert_eq!(focused().await, "index", "ready for the next");
        let mut way = Vec::new();
        while way.last().map(String::as_str) != Some("show-all") {
            page.press("\u{e004}").await;
            way.push(focused().await);
            assert!(way.len() < 30, "{way:?}");
        }
        page.press("\u{e007}").await;
        page.shows("digits-state", "258 digits").await;
        page.press("\u{e00c}").await;
        page.until("the dialog is closed", "!document.querySelector('dialog').open").await;
        assert_eq!(focused().await, "show-all", "back where it was opened");
        page.shows("announcement", "For index 1,234 I calculated a number of 258 digits").await;
    })
    .await;
}
