//! Headless Chromium, driven through chromedriver. Elements are found by their `data-testid`, so
//! that the layout may change.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use stack::testing::{Private, Shared};
use stack::{HttpService, Port, Process, Signal, eventually, listens, program};
use tokio::runtime::Runtime;

use crate::folder;

/// On a busy machine a browser takes seconds to start, and a page seconds to load.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

pub const DESKTOP: (u32, u32) = (1280, 900);
pub const PHONE: (u32, u32) = (390, 844);

const BROWSER: &str = "browser";

/// Drives the sessions, so that a test that is unwound can still use its own.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// The selector of an element in the row of an index.
pub fn row(index: u32, name: &str) -> String {
    format!(".row[data-index=\"{index}\"] [data-testid={name}]")
}

/// One browser with a profile and a session of its own, and the page open. The methods panic when
/// chromedriver refuses, or when there is no such element within 30 s. Dropping it ends the
/// session, after a screenshot in the target folder when the test has failed.
#[derive(Debug)]
pub struct BrowserPage {
    client: Client,
    id: String,
    driver: Arc<Driver>,
    /// Whether it is a phone that is touched, and no window.
    is_touched: AtomicBool,
}

impl BrowserPage {
    /// Starts a browser with the page at `url`, and waits until its stream is open.
    pub async fn open(url: &str) -> Self {
        let driver = shared_driver().expect("chromedriver should start");
        let session = RUNTIME.spawn(connect(Arc::clone(&driver))).await.expect("no panic");
        let client = session.expect("a browser should start");
        let id =
            client.session_id().await.expect("an open browser has a session").unwrap_or_default();
        let page = Self { client, id, driver, is_touched: AtomicBool::new(false) };
        page.open_live(url).await;
        page
    }

    /// The WebDriver session, for what the methods here do not do.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Loads the page at `url`, and waits until its stream is open.
    pub async fn open_live(&self, url: &str) {
        self.goto(url).await;
        self.shows("connection", "Live").await;
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

    /// Appends `text` to the field, and presses Enter.
    pub async fn submit(&self, text: &str) {
        self.type_in(&format!("{text}{}", char::from(Key::Enter))).await;
    }

    pub async fn type_in(&self, text: &str) {
        self.one("index").await.send_keys(text).await.expect("the field should take keys");
    }

    /// Presses keys wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let focused = self.client.active_element().await.expect("something should have the focus");
        focused.send_keys(keys).await.expect("it should take keys");
    }

    pub async fn typed(&self) -> String {
        let field = self.one("index").await;
        field.prop("value").await.expect("the field should have a value").unwrap_or_default()
    }

    /// The texts of all elements of that name, in their order.
    pub async fn texts(&self, name: &str) -> Vec<String> {
        // One script instead of a request per element, which could be removed meanwhile. Not
        // innerText, which depends on where the style breaks lines.
        let script = "return [...document.querySelectorAll(`[data-testid=${arguments[0]}]`)]
            .map(e => e.textContent.trim())";
        let texts = self.client.execute(script, vec![json!(name)]).await.ok();
        texts.and_then(|texts| serde_json::from_value(texts).ok()).unwrap_or_default()
    }

    /// Waits until an element of that name has exactly this text.
    pub async fn shows(&self, name: &str, text: &str) {
        let what = format!("the page shows {text:?} as {name}");
        eventually(&what, LOAD_TIMEOUT, async || {
            self.texts(name).await.iter().any(|shown| shown == text).then_some(())
        })
        .await;
    }

    /// A command of Chromium's DevTools protocol, for what WebDriver cannot do.
    pub async fn devtools(&self, command: &str, parameters: Value) {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client should be made");
        let url = format!("{}/session/{}/goog/cdp/execute", self.driver.url(), self.id);
        let body = json!({ "cmd": command, "params": parameters });
        let answer = http.post(url).json(&body).send().await.expect("chromedriver should answer");
        let ok = answer.status().is_success();
        assert!(ok, "{command}: {}", answer.text().await.unwrap_or_default());
    }

    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.expect("the script should run")
    }

    /// What a script on the page passes to `arguments[0]`.
    pub async fn async_script(&self, script: &str) -> Value {
        self.client.execute_async(script, vec![]).await.expect("the script should run")
    }

    /// Has every page of this browser run a script first from now on.
    pub async fn run_first(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// Waits until a script's expression is true, at most a minute: the longest wait between two
    /// attempts to open a stream is half of it.
    pub async fn until(&self, what: &str, expression: &str) {
        self.until_within(2 * LOAD_TIMEOUT, what, expression).await;
    }

    pub async fn until_within(&self, timeout: Duration, what: &str, expression: &str) {
        let script = format!("return ({expression}) === true");
        eventually(what, timeout, async || (self.script(&script).await == true).then_some(()))
            .await;
    }

    pub async fn has(&self, selector: &str) {
        let found = format!("!!document.querySelector('{selector}')");
        self.until(&format!("the page has {selector}"), &found).await;
    }

    /// Waits until the field is empty, which it is when the index in it was accepted.
    pub async fn accepted(&self) {
        let is_empty = async || self.typed().await.is_empty().then_some(());
        eventually("the field is empty", LOAD_TIMEOUT, is_empty).await;
    }

    /// Waits until the newest of the page's submissions has ended.
    pub async fn journey_ends(&self) {
        self.has("[data-testid=journey][data-state=done]").await;
    }

    pub async fn block(&self, addresses: &[&str]) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setBlockedURLs", json!({ "urls": addresses })).await;
    }

    /// Lets the page use the clipboard, which headless browsers do not by themselves.
    pub async fn allow_clipboard(&self) {
        let allowed = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.devtools("Browser.grantPermissions", allowed).await;
    }

    /// Returns the text on the clipboard, and replaces it.
    pub async fn take_clipboard(&self) -> Value {
        let take = "navigator.clipboard.readText()
            .then(text => navigator.clipboard.writeText('taken').then(() => arguments[0](text)))";
        self.async_script(take).await
    }

    pub async fn download_to(&self, dir: &Path) {
        let to = json!({ "behavior": "allow", "downloadPath": dir });
        self.devtools("Browser.setDownloadBehavior", to).await;
    }

    pub async fn click(&self, name: &str) {
        self.one(name).await.click().await.expect("the element should take a click");
    }

    /// Clicks an element by a script, also where another one covers it.
    pub async fn click_selector(&self, selector: &str) {
        self.script(&format!("document.querySelector('{selector}').click()")).await;
    }

    pub async fn focus(&self, name: &str) {
        self.script(&format!("document.querySelector('[data-testid={name}]').focus()")).await;
    }

    /// Keeps screenshots of the state on a desktop and on a phone, in light and in dark; see
    /// [`BrowserPage::picture`].
    pub async fn pictures(&self, state: &str) {
        for (window, size) in [("desktop", DESKTOP), ("phone", PHONE)] {
            for theme in ["light", "dark"] {
                self.picture(&format!("{state}-{window}-{theme}"), size, theme).await;
            }
        }
    }

    /// Keeps a screenshot of the whole page in a window of that size, in the `light` or the `dark`
    /// theme, as `page/<name>.png` in the target folder.
    pub async fn picture(&self, name: &str, window: (u32, u32), theme: &str) {
        self.set_look(theme, window).await;
        self.picture_as_it_is(name, window).await;
    }

    /// The same, with everything else as it was set before.
    pub async fn picture_as_it_is(&self, name: &str, window: (u32, u32)) {
        self.resize(window).await;
        // A dialog is as high as its window.
        let script = "return document.querySelector('dialog[open]') ? 0 : document.documentElement.scrollHeight";
        let whole = self.script(script).await.as_u64().unwrap_or_default() as u32;
        self.resize((window.0, window.1.max(whole))).await;
        let png = self.client.screenshot().await.expect("a picture should be taken");
        let path = folder("page").expect("the folder should be there").join(format!("{name}.png"));
        fs::write(path, png).expect("the picture should be kept");
        self.resize(window).await;
    }

    pub async fn set_look(&self, theme: &str, window: (u32, u32)) {
        self.prefer("color-scheme", theme).await;
        self.resize(window).await;
    }

    /// Sets what the visitor prefers, as the media feature `prefers-<what>` tells it.
    pub async fn prefer(&self, what: &str, value: &str) {
        self.emulate_media("", &[(&format!("prefers-{what}"), value)]).await;
    }

    /// Shows the page as on `screen` or in `print`, with these media features.
    pub async fn emulate_media(&self, media: &str, features: &[(&str, &str)]) {
        let feature = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
        let features: Vec<_> = features.iter().map(feature).collect();
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "media": media, "features": features }),
        )
        .await;
    }

    /// Has the browser be a phone that is touched.
    pub async fn touch(&self) {
        self.is_touched.store(true, Ordering::Relaxed);
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": true })).await;
    }

    /// Sets the size of text, in pixels, as people do in their browser's settings; 16 is usual.
    pub async fn set_font_size(&self, pixels: u32) {
        let sizes = json!({ "fontSizes": { "standard": pixels, "fixed": pixels } });
        self.devtools("Page.setFontSizes", sizes).await;
    }

    pub async fn resize(&self, (width, height): (u32, u32)) {
        let mobile = self.is_touched.load(Ordering::Relaxed);
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    async fn one(&self, name: &str) -> Element {
        let selector = format!("[data-testid={name}]");
        eventually(&format!("the page has {name}"), LOAD_TIMEOUT, async || {
            self.client.find(Locator::Css(&selector)).await.ok()
        })
        .await
    }

    async fn keep_screenshot(&self, test: &str) -> Result<()> {
        let path = folder("e2e-failures")?.join(format!("{test}-{}.png", self.id));
        fs::write(&path, self.client.screenshot().await?)?;
        fs::write(path.with_extension("html"), self.client.source().await?)?;
        eprintln!("the page when it failed: {}", path.display());
        Ok(())
    }
}

impl Drop for BrowserPage {
    fn drop(&mut self) {
        let failed = thread::panicking();
        let test = thread::current().name().unwrap_or("test").replace("::", "-");
        let end = async {
            if failed && let Err(error) = self.keep_screenshot(&test).await {
                eprintln!("no screenshot: {error:#}");
            }
            // The driver ends what is left.
            let _ = self.client.clone().close().await;
        };
        // This thread may not wait for a future: it runs the test's.
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
            write_browser(dir)?;
            let builder = Process::builder("chromedriver", driver)
                .arg(format!("--port={}", port.number()))
                // Profiles and sockets of killed browsers are removed with the folder.
                .env("TMPDIR", dir)
                .env("HOME", dir)
                // It has to end its browsers.
                .death_signal(Signal::TERM);
            // It answers as soon as it listens; its status page needs HTTP/1.1.
            Ok(HttpService::new(builder, port, LOAD_TIMEOUT, listens))
        })?;
        driver.start()?;
        Ok(driver)
    })
}

async fn connect(driver: Arc<Driver>) -> Result<Client> {
    let options = json!({ "binary": driver.dir().join(BROWSER), "args": [
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

/// Writes the program that chromedriver starts: Chromium, which ends with chromedriver. It leads a
/// process group of its own, so it would outlive a chromedriver that dies with a killed test.
fn write_browser(dir: &Path) -> Result<()> {
    let chromium = program("chromium", "chromium")?;
    let script =
        format!("#!/bin/sh\nexec setpriv --pdeathsig KILL -- '{}' \"$@\"\n", chromium.display());
    let path = dir.join(BROWSER);
    fs::write(&path, script)?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
}
