//! The api's documentation page, Swagger UI, behind the edge.

use e2e::{Site, browsers};
use serde_json::json;

/// Collects what the browser refuses to load, and errors of scripts.
const WATCH: &str = "window.refused = [];
    addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective + ' ' + event.blockedURI));
    addEventListener('error', event => refused.push(event.message ?? event.target.src), true)";

/// The operation that submits an index.
const SUBMIT: &str = "[id$=submit]";

#[tokio::test]
async fn a_request_can_be_tried_out_on_the_documentation_page() {
    let system = Site::shared().expect("the system should start");
    browsers(&system.url(), async |[page]| {
        page.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await;
        let url = format!("{}/api/docs/", system.url());
        page.client().goto(&url).await.expect("the page should load");
        page.until("it lists the operations", "document.querySelectorAll('.opblock').length > 8").await;
        page.script(&format!("document.querySelector('{SUBMIT} .opblock-summary-control').click()")).await;
        page.until("the operation is open", &format!("!!document.querySelector('{SUBMIT} .execute')")).await;
        page.script(&format!("document.querySelector('{SUBMIT} .execute').click()")).await;
        let status =
            "document.querySelector('.live-responses-table tbody .response-col_status')?.textContent == '200'";
        page.until("the api has answered", status).await;
        page.picture("docs-desktop-light", (1280, 900), "light").await;
        assert_eq!(page.script("return refused").await, json!([]));
    })
    .await;
}
