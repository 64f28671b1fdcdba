//! Headless Chromium, driven through chromedriver. Most methods find elements by `data-testid`, so
//! that tests do not depend on the layout.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use stack::testing::{Private, Shared};
use stack::{HttpService, Port, Process, Signal, eventually, listens, program};
use tokio::runtime::Runtime;

use crate::output_dir;

/// On a busy machine a browser takes seconds to start, and a page seconds to load.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

pub const DESKTOP: (u32, u32) = (1280, 900);
pub const PHONE: (u32, u32) = (390, 844);

/// The hops of a submission whose value is calculated, as the page names them.
pub const EVERY_HOP: [&str; 9] = [
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

/// Keys as WebDriver encodes them, for [`BrowserPage::press`].
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";

/// File name of the script that starts the browser.
const BROWSER_SCRIPT: &str = "browser";

/// The sessions run on it, not on the runtime of a test: `Drop` uses the session of a test that
/// panics.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// The CSS selector of an element in the row of an index.
pub fn row_selector(index: u32, name: &str) -> String {
    format!(".row[data-index=\"{index}\"] [data-testid={name}]")
}

/// A browser with its own profile and session, and the page open in it. An element is named by its
/// `data-testid` unless the parameter is a selector. Methods panic on a WebDriver error; those that
/// use a named element first wait up to 30 s for it. Dropping a `BrowserPage` ends the session. If
/// the test has failed, a screenshot and the HTML are saved in the target folder before.
#[derive(Debug)]
pub struct BrowserPage {
    client: Client,
    id: String,
    driver: Arc<Driver>,
    is_touch_screen: AtomicBool,
}

impl BrowserPage {
    /// Starts a browser, loads the page at `url`, and waits until its event stream is open.
    pub async fn open(url: &str) -> Self {
        let driver = shared_driver().expect("chromedriver should start");
        let session = RUNTIME.spawn(connect(Arc::clone(&driver))).await.expect("no panic");
        let client = session.expect("a browser should start");
        let id =
            client.session_id().await.expect("an open browser has a session").unwrap_or_default();
        let page = Self { client, id, driver, is_touch_screen: AtomicBool::new(false) };
        page.goto_live(url).await;
        page
    }

    /// The WebDriver session, for commands that have no method here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Loads the page at `url`, and waits until its event stream is open.
    pub async fn goto_live(&self, url: &str) {
        self.goto(url).await;
        self.wait_for_text("connection", "Live").await;
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect("the page should load");
    }

    pub async fn reload(&self) {
        self.client.refresh().await.expect("the page should load");
    }

    pub async fn back(&self) {
        self.client.back().await.expect("the page should go back");
    }

    /// Appends `text` to the index field, and presses Enter.
    pub async fn submit(&self, text: &str) {
        self.type_in(&format!("{text}{ENTER}")).await;
    }

    /// Appends `text` to the index field.
    pub async fn type_in(&self, text: &str) {
        self.find("index").await.send_keys(text).await.expect("the field should accept keys");
    }

    /// Sends keys to the focused element.
    pub async fn press(&self, keys: &str) {
        let focused = self.client.active_element().await.expect("an element should have the focus");
        focused.send_keys(keys).await.expect("the element should accept keys");
    }

    /// The text in the index field.
    pub async fn field_text(&self) -> String {
        let field = self.find("index").await;
        field.prop("value").await.expect("the field should have a value").unwrap_or_default()
    }

    /// The texts of all elements of that name, in document order. Does not wait.
    pub async fn texts(&self, name: &str) -> Vec<String> {
        // One script: between two requests, the page could remove an element. innerText would
        // depend on line breaks of the layout.
        let script = "return [...document.querySelectorAll(`[data-testid=${arguments[0]}]`)]
            .map(e => e.textContent.trim())";
        let texts = self.client.execute(script, vec![json!(name)]).await.ok();
        texts.and_then(|texts| serde_json::from_value(texts).ok()).unwrap_or_default()
    }

    /// Waits until an element of that name has exactly this text.
    pub async fn wait_for_text(&self, name: &str, text: &str) {
        let what = format!("the page shows {text:?} as {name}");
        eventually(&what, LOAD_TIMEOUT, async || {
            self.texts(name).await.iter().any(|found| found == text).then_some(())
        })
        .await;
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client should be made");
        let url = format!("{}/session/{}/goog/cdp/execute", self.driver.url(), self.id);
        let body = json!({ "cmd": command, "params": parameters });
        let response =
            http.post(url).json(&body).send().await.expect("chromedriver should respond");
        let is_success = response.status().is_success();
        assert!(is_success, "{command}: {}", response.text().await.unwrap_or_default());
    }

    /// Runs the body of a function on the page, and returns its result.
    pub async fn execute(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.expect("the script should run")
    }

    /// Runs a script on the page, and returns what the script passes to `arguments[0]`.
    pub async fn execute_async(&self, script: &str) -> Value {
        self.client.execute_async(script, vec![]).await.expect("the script should run")
    }

    /// Runs a script in every document that is loaded from now on, before its own scripts.
    pub async fn add_init_script(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// Waits until a JavaScript expression is true, at most a minute: the page waits up to half a
    /// minute between two attempts to open an event stream.
    pub async fn wait_until(&self, what: &str, expression: &str) {
        self.wait_until_within(2 * LOAD_TIMEOUT, what, expression).await;
    }

    pub async fn wait_until_within(&self, timeout: Duration, what: &str, expression: &str) {
        let script = format!("return ({expression}) === true");
        eventually(what, timeout, async || (self.execute(&script).await == true).then_some(()))
            .await;
    }

    /// Waits until an element matches the CSS selector.
    pub async fn wait_for(&self, selector: &str) {
        let found = format!("!!document.querySelector('{selector}')");
        self.wait_until(&format!("the page has {selector}"), &found).await;
    }

    /// Waits until the field is empty: the page empties it when its index is accepted.
    pub async fn wait_until_accepted(&self) {
        let is_empty = async || self.field_text().await.is_empty().then_some(());
        eventually("the field is empty", LOAD_TIMEOUT, is_empty).await;
    }

    /// Waits until a submission of this page has its value.
    pub async fn wait_until_calculated(&self) {
        self.wait_for("[data-testid=journey][data-state=done]").await;
    }

    /// Makes requests to these URL patterns fail; an empty slice lifts that.
    pub async fn block_requests(&self, urls: &[&str]) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setBlockedURLs", json!({ "urls": urls })).await;
    }

    /// Grants the permission to use the clipboard, which headless browsers refuse by default.
    pub async fn allow_clipboard(&self) {
        let permissions =
            json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.devtools("Browser.grantPermissions", permissions).await;
    }

    /// Returns the text on the clipboard, and replaces it.
    pub async fn take_clipboard(&self) -> Value {
        let take = "navigator.clipboard.readText()
            .then(text => navigator.clipboard.writeText('taken').then(() => arguments[0](text)))";
        self.execute_async(take).await
    }

    pub async fn download_to(&self, dir: &Path) {
        let to = json!({ "behavior": "allow", "downloadPath": dir });
        self.devtools("Browser.setDownloadBehavior", to).await;
    }

    pub async fn click(&self, name: &str) {
        self.find(name).await.click().await.expect("the element should be clickable");
    }

    /// Clicks an element by a script, even if another element covers it.
    pub async fn click_selector(&self, selector: &str) {
        self.execute(&format!("document.querySelector('{selector}').click()")).await;
    }

    pub async fn focus(&self, name: &str) {
        self.execute(&format!("document.querySelector('[data-testid={name}]').focus()")).await;
    }

    /// Saves screenshots of the state on a desktop and on a phone, in the light and the dark theme,
    /// as `page/<state>-<window>-<theme>.png`.
    pub async fn take_screenshots(&self, state: &str) {
        for (window, size) in [("desktop", DESKTOP), ("phone", PHONE)] {
            for theme in ["light", "dark"] {
                self.take_themed_screenshot(&format!("{state}-{window}-{theme}"), size, theme)
                    .await;
            }
        }
    }

    /// As [`Self::take_screenshot`], in the `light` or the `dark` theme.
    pub async fn take_themed_screenshot(&self, name: &str, window: (u32, u32), theme: &str) {
        self.set_theme_and_size(theme, window).await;
        self.take_screenshot(name, window).await;
    }

    /// Saves a screenshot of the whole page, scrolled parts included, in a window of that size. The
    /// file is `page/<name>.png` in the target folder.
    pub async fn take_screenshot(&self, name: &str, window: (u32, u32)) {
        self.resize(window).await;
        // An open dialog is as high as the window: a higher window would change it.
        let script = "return document.querySelector('dialog[open]') ? 0
            : document.documentElement.scrollHeight";
        let page_height = self.execute(script).await.as_u64().unwrap_or_default() as u32;
        let (width, height) = window;
        self.resize((width, height.max(page_height))).await;
        let png = self.client.screenshot().await.expect("Chromium should take a screenshot");
        let path = output_dir("page").expect("a folder").join(format!("{name}.png"));
        fs::write(path, png).expect("the screenshot should be saved");
        self.resize(window).await;
    }

    pub async fn set_theme_and_size(&self, theme: &str, window: (u32, u32)) {
        self.emulate_preference("color-scheme", theme).await;
        self.resize(window).await;
    }

    /// Sets the media feature `prefers-<name>`.
    pub async fn emulate_preference(&self, name: &str, value: &str) {
        self.emulate_media("", &[(&format!("prefers-{name}"), value)]).await;
    }

    /// Sets the CSS media type (`print`; empty for the default) and these media features.
    pub async fn emulate_media(&self, media: &str, features: &[(&str, &str)]) {
        let feature = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
        let features: Vec<_> = features.iter().map(feature).collect();
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "media": media, "features": features }),
        )
        .await;
    }

    /// Emulates a touch screen, and from the next [`Self::resize`] on a phone.
    pub async fn emulate_touch(&self) {
        self.is_touch_screen.store(true, Ordering::Relaxed);
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": true })).await;
    }

    /// Sets the browser's default font size, in pixels; its own default is 16.
    pub async fn set_font_size(&self, pixels: u32) {
        let sizes = json!({ "fontSizes": { "standard": pixels, "fixed": pixels } });
        self.devtools("Page.setFontSizes", sizes).await;
    }

    pub async fn resize(&self, (width, height): (u32, u32)) {
        let mobile = self.is_touch_screen.load(Ordering::Relaxed);
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    async fn find(&self, name: &str) -> Element {
        let selector = format!("[data-testid={name}]");
        eventually(&format!("the page has {name}"), LOAD_TIMEOUT, async || {
            self.client.find(Locator::Css(&selector)).await.ok()
        })
        .await
    }

    async fn save_failed_page(&self, test: &str) -> Result<()> {
        let path = output_dir("e2e-failures")?.join(format!("{test}-{}.png", self.id));
        fs::write(&path, self.client.screenshot().await?)?;
        fs::write(path.with_extension("html"), self.client.source().await?)?;
        eprintln!("the page at the failure: {}", path.display());
        Ok(())
    }
}

impl Drop for BrowserPage {
    fn drop(&mut self) {
        let failed = thread::panicking();
        let test = thread::current().name().unwrap_or("test").replace("::", "-");
        let end = async {
            if failed && let Err(error) = self.save_failed_page(&test).await {
                eprintln!("cannot save the failed page: {error:#}");
            }
            // On an error, the browser ends with chromedriver.
            let _ = self.client.clone().close().await;
        };
        // This thread runs the test's runtime, so tokio does not let it block on another one.
        thread::scope(|threads| {
            threads.spawn(|| RUNTIME.block_on(end));
        });
    }
}

type Driver = Private<HttpService>;

fn shared_driver() -> Result<Arc<Driver>> {
    static SHARED: Shared<Driver> = Shared::new();
    SHARED.get(|| {
        let driver = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let (driver, port) = (program(&driver, "chromium-driver")?, Port::free()?);
        let driver = Private::new(|dir| {
            write_browser_script(dir)?;
            let builder = Process::builder("chromedriver", driver)
                .arg(format!("--port={}", port.number()))
                // Browsers put profiles and sockets here; a killed one does not remove them.
                .env("TMPDIR", dir)
                .env("HOME", dir)
                // SIGTERM, unlike SIGKILL, lets it end its browsers.
                .death_signal(Signal::TERM);
            // No HTTP check: its status page needs HTTP/1.1.
            Ok(HttpService::new(builder, port, LOAD_TIMEOUT, listens))
        })?;
        driver.start()?;
        Ok(driver)
    })
}

async fn connect(driver: Arc<Driver>) -> Result<Client> {
    let options = json!({ "binary": driver.dir().join(BROWSER_SCRIPT), "args": [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-breakpad",
        "--window-size=1280,900",
    ]});
    let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&driver.url())
        .await;
    client.with_context(|| format!("opening a browser; chromedriver wrote:\n{}", driver.log()))
}

/// Writes the script that chromedriver starts as its browser. Chromium leads its own process group
/// and would outlive a chromedriver that is killed; `setpriv` ends it with its parent.
fn write_browser_script(dir: &Path) -> Result<()> {
    let chromium = program("chromium", "chromium")?;
    let script =
        format!("#!/bin/sh\nexec setpriv --pdeathsig KILL -- '{}' \"$@\"\n", chromium.display());
    let path = dir.join(BROWSER_SCRIPT);
    fs::write(&path, script)?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
}
