//! The api's documentation page, Swagger UI, behind the edge.

use e2e::{DESKTOP, Site};
use serde_json::json;

/// Collects what the browser refuses to load, and errors of scripts.
const WATCH: &str = "window.refused = [];
    addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective + ' ' + event.blockedURI));
    addEventListener('error', event => refused.push(event.message ?? event.target.src), true)";

/// The operation that submits an index.
const SUBMIT: &str = "[id$=submit]";

#[tokio::test]
async fn a_request_can_be_tried_out_on_the_documentation_page() {
    let system = Site::shared();
    let page = system.open("/").await;
    page.run_first(WATCH).await;
    page.goto(&format!("{}/api/docs/", system.url())).await;
    page.until("it lists the operations", "document.querySelectorAll('.opblock').length > 8").await;
    page.click_selector(&format!("{SUBMIT} .opblock-summary-control")).await;
    page.has(&format!("{SUBMIT} .execute")).await;
    page.click_selector(&format!("{SUBMIT} .execute")).await;
    let status = "document.querySelector('.live-responses-table tbody .response-col_status')?.textContent == '200'";
    page.until("the api has answered", status).await;
    page.picture("docs-desktop-light", DESKTOP, "light").await;
    assert_eq!(page.script("return refused").await, json!([]));
}
