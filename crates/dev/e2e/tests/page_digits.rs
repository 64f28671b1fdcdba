//! Whole numbers, in real browsers on a real system: their digits in the dialog of the list, and
//! the page of one number.

use e2e::{BrowserPage, LocalSite, Site, eventually, row};
use stack::testing::TEST_TIMEOUT;

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
async fn only_the_digits_in_view_are_rendered() {
    let (system, page) = Site::open_shared("/").await;
    let digits = open_long_value(&system, &page).await;
    let rendered = async || page.texts("digits-lines").await.remove(0).replace([' ', '\n'], "");
    let first = rendered().await;
    assert!(
        digits.starts_with(&first) && (1_000..20_000).contains(&first.len()),
        "{}",
        first.len()
    );
    page.script(
        "const view = document.getElementById('digits-view'); view.scrollTop = view.scrollHeight",
    )
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
    let (system, page) = Site::open_shared("/").await;
    page.allow_clipboard().await;
    let digits = open_long_value(&system, &page).await;
    // Some browsers take a promise of a text, others only the text.
    for unsupported in ["", "delete window.ClipboardItem"] {
        page.script(unsupported).await;
        page.click("copy-all").await;
        page.shows("copy-all", "Copied").await;
        assert!(page.take_clipboard().await == digits, "the number should be on the clipboard");
        page.shows("copy-all", "Copy").await;
    }
    page.script("Object.defineProperty(window, 'isSecureContext', { value: false })").await;
    page.focus("copy-all").await;
    page.press("\u{e007}").await;
    page.shows("copy-all", "Copied").await;
    assert!(page.take_clipboard().await == digits, "a plain HTTP address copies too");
}

#[tokio::test]
async fn two_million_digits_are_downloaded() {
    let (system, page) = Site::open_shared("/").await;
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

/// Submits 1,000 and opens its digits in the dialog.
async fn open_dialog(page: &BrowserPage) {
    page.submit("1000").await;
    page.has(&row(1_000, "show-all")).await;
    page.click_selector(&row(1_000, "show-all")).await;
    page.shows("digits-state", "209 digits").await;
}

#[tokio::test]
async fn back_closes_the_dialog_without_a_reload() {
    let (_system, page) = Site::open_shared("/").await;
    page.script("window.notReloaded = true").await;
    open_dialog(&page).await;
    page.back().await;
    page.until("the dialog is closed", "!document.querySelector('dialog').open").await;
    assert_eq!(page.script("return window.notReloaded === true").await, true);
}

#[tokio::test]
async fn a_reload_keeps_the_dialog_open() {
    let (_system, page) = Site::open_shared("/").await;
    open_dialog(&page).await;
    page.reload().await;
    page.shows("digits-state", "209 digits").await;
    page.click("close").await;
    page.until("the address is the list's", "location.pathname + location.search == '/'").await;
}

/// The digits that are marked on the page of a number.
async fn marked(page: &BrowserPage) -> serde_json::Value {
    page.script("return document.querySelector('mark').textContent.replace(/\\s/g, '')").await
}

#[tokio::test]
async fn a_digit_is_found_by_its_position() {
    let system = Site::shared();
    system.submit(100_000).await;
    let page = system.open("/numbers/100000").await;
    page.shows("digits-state", "20,899 digits").await;
    page.focus("digits-position").await;
    page.press("20,000\u{e007}").await;
    page.shows("digits-message", "Digit 20,000").await;
    let digits = system.digits(100_000).await.expect("it is calculated");
    assert_eq!(marked(&page).await, digits[19_999..20_000]);
}

#[tokio::test]
async fn digits_are_found_by_a_search_and_scrolled_into_view() {
    let system = Site::shared();
    system.submit(100_000).await;
    let page = system.open("/numbers/100000").await;
    page.shows("digits-state", "20,899 digits").await;
    let digits = system.digits(100_000).await.expect("it is calculated");
    let wanted = &digits[15_000..15_012];
    page.focus("digits-wanted").await;
    page.press(&format!("{wanted}\u{e007}")).await;
    page.shows("digits-message", "Digit 15,001").await;
    assert_eq!(marked(&page).await, wanted);
    let in_view = "(() => { const mark = document.querySelector('mark').getBoundingClientRect(),
        view = document.getElementById('digits-view').getBoundingClientRect();
        return mark.top >= view.top && mark.bottom <= view.bottom })()";
    page.until("the match is in view", in_view).await;
}

#[tokio::test]
async fn opening_the_page_of_a_number_submits_nothing() {
    let (system, page) = Site::open_new("/numbers/4321").await;
    let lead = "Nobody has submitted this index yet. Its number would have 903 digits.";
    page.shows("number-lead", lead).await;
    page.shows("foretold", "48540977…").await;
    assert!(system.submissions().await.is_empty());
}

#[tokio::test]
async fn a_refused_submission_of_a_number_says_when_to_try_again() {
    let (_system, page) = Site::open_new("/numbers/4321").await;
    let refuse = "const real = window.fetch;
        window.fetch = (request, init) => {
            if (request.method != 'POST') return real(request, init);
            const problem = { type: 'about:blank', title: 'Too many requests', status: 429 };
            const headers = { 'Retry-After': '2' };
            return Promise.resolve(new Response(JSON.stringify(problem), { status: 429, headers }));
        }";
    page.script(refuse).await;
    page.has("[data-testid=submit-number]").await;
    page.focus("submit-number").await;
    page.press("\u{e007}").await;
    page.shows("number-notice", "Too many requests. Try again in 2 s.").await;
    page.shows("number-notice", "Too many requests. You can try again now.").await;
    page.until("the focus stays", "document.activeElement.dataset.testid == 'submit-number'").await;
}

#[tokio::test]
async fn pressing_the_button_of_a_number_twice_submits_it_once() {
    let (system, page) = Site::open_new("/numbers/4321").await;
    page.has("[data-testid=submit-number]").await;
    page.focus("submit-number").await;
    page.press("\u{e007}\u{e007}").await;
    page.shows("digits-state", "903 digits").await;
    let is_kept = "document.activeElement.dataset.testid == 'number-place' && scrollY == 0";
    page.until("the focus goes to what comes in place of the button", is_kept).await;
    assert_eq!(system.submissions().await.len(), 1);
}

#[tokio::test]
async fn a_submitted_number_has_facts() {
    let (system, page) = Site::open_new("/numbers/4321").await;
    page.click("submit-number").await;
    page.shows("digits-state", "903 digits").await;
    page.shows("number-lead", "The Fibonacci number at index 4,321 has 903 digits.").await;
    let log = system.workers[0].log();
    let worker = log
        .split("\"worker\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("its name");
    let facts = format!(
        "(facts => facts.replace(/Calculated.*By/, 'By') == 'Submitted1 timeBy worker{worker}'
            && Date.now() - new Date(facts.match(/Calculated(.*)By/)[1]) < 60_000)
         (document.querySelector('[data-testid=facts]').textContent)"
    );
    page.until("it says when it was calculated and by which worker", &facts).await;
}
