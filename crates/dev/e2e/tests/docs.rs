//! The api's documentation page, Swagger UI, behind the edge.

use e2e::{DESKTOP, Site, eventually};
use serde_json::json;
use stack::testing::TEST_TIMEOUT;

/// Records violations of the Content-Security-Policy, and errors of scripts and resources.
const RECORD_ERRORS: &str = "window.refused = [];
    addEventListener('securitypolicyviolation',
        event => refused.push(event.violatedDirective + ' ' + event.blockedURI));
    addEventListener('error', event => refused.push(event.message ?? event.target.src), true)";

/// The operation that submits an index.
const SUBMIT: &str = "[id$=submit]";

/// Clicks "Execute", and passes on the status of the response, or null if none comes in 2 s.
const SUBMIT_AND_READ_STATUS: &str = "
    const [done] = arguments;
    const status = () =>
        document.querySelector('.live-responses-table tbody .response-col_status')?.textContent;
    new MutationObserver(() => status() && done(status()))
        .observe(document.body, { childList: true, subtree: true });
    setTimeout(() => done(null), 2000);
    document.querySelector('[id$=submit] .execute').click()";

#[tokio::test]
async fn the_documentation_page_can_send_a_request() {
    let site = Site::shared();
    let page = site.open("/").await;
    page.add_init_script(RECORD_ERRORS).await;
    page.goto(&format!("{}/api/docs/", site.url())).await;
    let has_operations = "document.querySelectorAll('.opblock').length > 8";
    page.wait_until("it lists the operations", has_operations).await;
    page.click_selector(&format!("{SUBMIT} .opblock-summary-control")).await;
    page.wait_for(&format!("{SUBMIT} .execute")).await;
    // Swagger UI ignores the button until it has resolved the operation's schemas, and does not
    // show when it has.
    eventually("the api has responded", TEST_TIMEOUT, async || {
        (page.execute_async(SUBMIT_AND_READ_STATUS).await == "200").then_some(())
    })
    .await;
    page.take_themed_screenshot("docs-desktop-light", DESKTOP, "light").await;
    assert_eq!(page.execute("return refused").await, json!([]));
}
