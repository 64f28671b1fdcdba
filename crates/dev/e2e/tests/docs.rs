//! The api's documentation page, Swagger UI, behind the edge.

use e2e::{DESKTOP, Site};
use serde_json::json;

/// Records violations of the Content-Security-Policy, and errors of scripts and resources.
const RECORD_ERRORS: &str = "window.refused = [];
    addEventListener('securitypolicyviolation',
        event => refused.push(event.violatedDirective + ' ' + event.blockedURI));
    addEventListener('error', event => refused.push(event.message ?? event.target.src), true)";

/// The operation that submits an index.
const SUBMIT: &str = "[id$=submit]";

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
    // Not a click of the mouse: the button moves while Swagger UI opens the operation.
    page.execute(&format!("document.querySelector('{SUBMIT} .execute').click()")).await;
    let has_status_200 = "document.querySelector(
        '.live-responses-table tbody .response-col_status')?.textContent == '200'";
    page.wait_until("the api has responded", has_status_200).await;
    page.take_themed_screenshot("docs-desktop-light", DESKTOP, "light").await;
    assert_eq!(page.execute("return refused").await, json!([]));
}
