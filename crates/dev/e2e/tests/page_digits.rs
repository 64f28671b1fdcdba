//! Whole numbers in a browser: the dialog with the digits of a value, and the page of one number.

use e2e::{BrowserPage, ENTER, LocalSite, Site, eventually, row_selector};
use stack::testing::TEST_TIMEOUT;

/// An index whose value has two million digits.
const LONG: u32 = 9_570_000;

/// An index whose value has 20,899 digits.
const MEDIUM: u32 = 100_000;

/// Submits [`LONG`], opens the dialog with its digits, and returns them.
async fn open_long_value(site: &LocalSite, page: &BrowserPage) -> String {
    page.submit(&LONG.to_string()).await;
    page.wait_for(&row_selector(LONG, "show-all")).await;
    page.click_selector(&row_selector(LONG, "show-all")).await;
    page.wait_for_text("digits-state", "2,000,012 digits").await;
    site.digits(LONG).await.expect("the digits")
}

#[tokio::test]
async fn only_the_digits_in_view_are_rendered() {
    let (site, page) = Site::open_shared("/").await;
    let digits = open_long_value(&site, &page).await;
    let rendered = async || page.texts("digits-lines").await.remove(0).replace([' ', '\n'], "");
    let first = rendered().await;
    let count = first.len();
    assert!(digits.starts_with(&first) && (1_000..20_000).contains(&count), "{count}");
    let scroll_to_end =
        "const view = document.getElementById('digits-view'); view.scrollTop = view.scrollHeight";
    page.execute(scroll_to_end).await;
    eventually("the last digits are rendered", TEST_TIMEOUT, async || {
        digits.ends_with(&rendered().await).then_some(())
    })
    .await;
    let size = page.execute("return document.body.textContent.length").await;
    assert!(size.as_u64().is_some_and(|size| size < 60_000), "{size} characters in the document");
}

#[tokio::test]
async fn two_million_digits_are_copied() {
    let (site, page) = Site::open_shared("/").await;
    page.allow_clipboard().await;
    let digits = open_long_value(&site, &page).await;
    // The second time as in a browser without `ClipboardItem`.
    for script in ["", "delete window.ClipboardItem"] {
        page.execute(script).await;
        page.click("copy-all").await;
        page.wait_for_text("copy-all", "Copied").await;
        assert!(page.take_clipboard().await == digits, "the digits should be on the clipboard");
        page.wait_for_text("copy-all", "Copy").await;
    }
    page.execute("Object.defineProperty(window, 'isSecureContext', { value: false })").await;
    page.focus("copy-all").await;
    page.press(ENTER).await;
    page.wait_for_text("copy-all", "Copied").await;
    assert!(page.take_clipboard().await == digits, "copying should work without HTTPS");
}

#[tokio::test]
async fn two_million_digits_are_downloaded() {
    let (site, page) = Site::open_shared("/").await;
    let downloads = tempfile::tempdir().expect("a folder");
    page.download_to(downloads.path()).await;
    let digits = open_long_value(&site, &page).await;
    page.click("download-all").await;
    let file = downloads.path().join(format!("fibonacci-{LONG}.txt"));
    let downloaded = eventually("the file is complete", TEST_TIMEOUT, async || {
        std::fs::read_to_string(&file).ok().filter(|text| text.len() == digits.len())
    })
    .await;
    assert!(downloaded == digits, "the file should have the digits");
}

/// Submits 1,000, and opens the dialog with its digits.
async fn open_dialog(page: &BrowserPage) {
    page.submit("1000").await;
    page.wait_for(&row_selector(1_000, "show-all")).await;
    page.click_selector(&row_selector(1_000, "show-all")).await;
    page.wait_for_text("digits-state", "209 digits").await;
}

#[tokio::test]
async fn back_closes_the_dialog_without_a_reload() {
    let (_site, page) = Site::open_shared("/").await;
    page.execute("window.notReloaded = true").await;
    open_dialog(&page).await;
    page.back().await;
    page.wait_until("the dialog is closed", "!document.querySelector('dialog').open").await;
    assert_eq!(page.execute("return window.notReloaded === true").await, true);
}

#[tokio::test]
async fn a_reload_keeps_the_dialog_open() {
    let (_site, page) = Site::open_shared("/").await;
    open_dialog(&page).await;
    page.reload().await;
    page.wait_for_text("digits-state", "209 digits").await;
    page.click("close").await;
    let has_no_dialog_in_url = "location.pathname + location.search == '/'";
    page.wait_until("the URL is that of the list", has_no_dialog_in_url).await;
}

/// The marked digits on the page of a number.
async fn marked_digits(page: &BrowserPage) -> serde_json::Value {
    page.execute("return document.querySelector('mark').textContent.replace(/\\s/g, '')").await
}

#[tokio::test]
async fn a_digit_is_found_by_its_position() {
    let site = Site::shared();
    site.submit(MEDIUM).await;
    let page = site.open(&format!("/numbers/{MEDIUM}")).await;
    page.wait_for_text("digits-state", "20,899 digits").await;
    page.focus("digits-position").await;
    page.press(&format!("20,000{ENTER}")).await;
    page.wait_for_text("digits-message", "Digit 20,000").await;
    let digits = site.digits(MEDIUM).await.expect("the digits");
    assert_eq!(marked_digits(&page).await, digits[19_999..20_000]);
}

#[tokio::test]
async fn found_digits_are_marked_and_scrolled_into_view() {
    let site = Site::shared();
    site.submit(MEDIUM).await;
    let page = site.open(&format!("/numbers/{MEDIUM}")).await;
    page.wait_for_text("digits-state", "20,899 digits").await;
    let digits = site.digits(MEDIUM).await.expect("the digits");
    let wanted = &digits[15_000..15_012];
    page.focus("digits-wanted").await;
    page.press(&format!("{wanted}{ENTER}")).await;
    page.wait_for_text("digits-message", "Digit 15,001").await;
    assert_eq!(marked_digits(&page).await, wanted);
    let is_in_view = "(() => { const mark = document.querySelector('mark').getBoundingClientRect(),
        view = document.getElementById('digits-view').getBoundingClientRect();
        return mark.top >= view.top && mark.bottom <= view.bottom })()";
    page.wait_until("the match is in view", is_in_view).await;
}

#[tokio::test]
async fn opening_the_page_of_a_number_submits_nothing() {
    let (site, page) = Site::open_new("/numbers/4321").await;
    let lead = "Nobody has submitted this index yet. Its number would have 903 digits.";
    page.wait_for_text("number-lead", lead).await;
    page.wait_for_text("foretold", "48540977…").await;
    assert!(site.submissions().await.is_empty());
}

#[tokio::test]
async fn a_rate_limited_number_submission_says_when_to_retry() {
    let (_site, page) = Site::open_new("/numbers/4321").await;
    let refuse_submissions = "const real = window.fetch;
        window.fetch = (request, init) => {
            if (request.method != 'POST') return real(request, init);
            const problem = { type: 'about:blank', title: 'Too many requests', status: 429 };
            const headers = { 'Retry-After': '2' };
            return Promise.resolve(new Response(JSON.stringify(problem), { status: 429, headers }));
        }";
    page.execute(refuse_submissions).await;
    page.wait_for("[data-testid=submit-number]").await;
    page.focus("submit-number").await;
    page.press(ENTER).await;
    page.wait_for_text("number-notice", "Too many requests. Try again in 2 s.").await;
    page.wait_for_text("number-notice", "Too many requests. Try again.").await;
    let has_focus = "document.activeElement.dataset.testid == 'submit-number'";
    page.wait_until("the button keeps the focus", has_focus).await;
}

#[tokio::test]
async fn pressing_the_button_of_a_number_twice_submits_it_once() {
    let (site, page) = Site::open_new("/numbers/4321").await;
    page.wait_for("[data-testid=submit-number]").await;
    page.focus("submit-number").await;
    page.press(&ENTER.repeat(2)).await;
    page.wait_for_text("digits-state", "903 digits").await;
    let has_focus = "document.activeElement.dataset.testid == 'number-place' && scrollY == 0";
    page.wait_until("what replaces the button has the focus", has_focus).await;
    assert_eq!(site.submissions().await.len(), 1);
}

#[tokio::test]
async fn a_calculated_number_shows_when_and_by_which_worker() {
    let (site, page) = Site::open_new("/numbers/4321").await;
    page.click("submit-number").await;
    page.wait_for_text("digits-state", "903 digits").await;
    page.wait_for_text("number-lead", "The Fibonacci number at index 4,321 has 903 digits.").await;
    let log = site.workers[0].log();
    let worker = log
        .split("\"worker\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("the worker's name");
    let facts = format!(
        "(facts => facts.replace(/Calculated.*By/, 'By') == 'Submitted1 timeBy worker{worker}'
            && Date.now() - new Date(facts.match(/Calculated(.*)By/)[1]) < 60_000)
         (document.querySelector('[data-testid=facts]').textContent)"
    );
    page.wait_until("the page shows the time and the worker", &facts).await;
}
