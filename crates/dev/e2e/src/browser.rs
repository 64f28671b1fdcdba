//! Headless Chromium, driven through chromedriver, one session and profile per browser.
//!
//! A test runs inside [`browsers`], which keeps a screenshot of every page when the test fails and
//! always ends the sessions. Elements are found by their `data-testid`, so that the layout may
//! change.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use futures_util::FutureExt;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use stack::testing::{Private, Shared};
use stack::{Port, Process, Service, Signal, eventually, program};

use crate::folder;

/// On a busy machine a browser takes seconds to start, and a page seconds to load.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Name of the program that [`write_browser`] writes.
const BROWSER: &str = "browser";

/// Runs `test` with `N` browsers, each with the page at `url` loaded and started.
///
/// # Panics
/// When a browser cannot be started, and when `test` does: then screenshots of the pages are kept
/// in the target folder, under the test's name.
pub async fn browsers<const N: usize>(url: &str, test: impl AsyncFnOnce([BrowserPage; N])) {
    let driver = Driver::shared().expect("chromedriver should start");
    let mut pages = Vec::new();
    for _ in 0..N {
        let client = driver.open().await.expect("a browser should start");
        let id = client.session_id().await.expect("an open browser has a session").unwrap_or_default();
        let session = format!("http://127.0.0.1:{}/session/{id}", driver.port.number());
        pages.push(BrowserPage { client, session });
    }
    let outcome = AssertUnwindSafe(async {
        for page in &pages {
            page.client.goto(url).await.expect("the page should load");
            page.one("connection").await;
        }
        let Ok(all) = <[BrowserPage; N]>::try_from(pages.clone()) else {
            unreachable!("N browsers were opened")
        };
        test(all).await;
    })
    .catch_unwind()
    .await;
    for (number, page) in pages.into_iter().enumerate() {
        if outcome.is_err()
            && let Err(error) = page.keep_screenshot(number).await
        {
            eprintln!("no screenshot: {error:#}");
        }
        // The driver ends what is left.
        let _ = page.client.close().await;
    }
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// One browser with the page open. The methods panic when chromedriver refuses, or when there is no
/// such element within 30 s.
#[derive(Clone, Debug)]
pub struct BrowserPage {
    client: Client,
    /// The session's address at chromedriver.
    session: String,
}

impl BrowserPage {
    /// The WebDriver session, for what the methods here do not do.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Appends `text` to the field, and presses Enter.
    pub async fn submit(&self, text: &str) {
        self.type_in(&format!("{text}{}", char::from(Key::Enter))).await;
    }

    /// Appends `text` to the field.
    pub async fn type_in(&self, text: &str) {
        self.one("index").await.send_keys(text).await.expect("the field should take keys");
    }

    /// Presses keys wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let focused = self.client.active_element().await.expect("something should have the focus");
        focused.send_keys(keys).await.expect("it should take keys");
    }

    /// The text in the field.
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

    /// Waits until an element of that name has exactly this text, at most 30 s.
    pub async fn shows(&self, name: &str, text: &str) {
        let what = format!("the page shows {text:?} as {name}");
        eventually(&what, LOAD_TIMEOUT, async || {
            self.texts(name).await.iter().any(|shown| shown == text).then_some(())
        })
        .await;
    }

    /// A command of Chromium's DevTools protocol, for what WebDriver cannot do.
    pub async fn devtools(&self, command: &str, parameters: serde_json::Value) {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client should be made");
        let body = json!({ "cmd": command, "params": parameters });
        let answer = http.post(format!("{}/goog/cdp/execute", self.session)).json(&body).send().await;
        let answer = answer.expect("chromedriver should answer");
        let ok = answer.status().is_success();
        assert!(ok, "{command}: {}", answer.text().await.unwrap_or_default());
    }

    /// What a script on the page returns.
    pub async fn script(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, vec![]).await.expect("the script should run")
    }

    /// Waits until a script's expression is true, at most a minute: the longest wait between two
    /// attempts to open a stream is half of it.
    pub async fn until(&self, what: &str, expression: &str) {
        let script = format!("return ({expression}) === true");
        eventually(what, 2 * LOAD_TIMEOUT, async || (self.script(&script).await == true).then_some(())).await;
    }

    /// Blocks requests of the browser to these addresses, and to no others.
    pub async fn block(&self, addresses: &[&str]) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setBlockedURLs", json!({ "urls": addresses })).await;
    }

    /// Clicks the first element of that name.
    pub async fn click(&self, name: &str) {
        self.one(name).await.click().await.expect("the element should take a click");
    }

    /// Keeps a screenshot of the whole page in a window of that size, in the `light` or the `dark`
    /// theme, as `page/<name>.png` in the target folder.
    pub async fn picture(&self, name: &str, (width, height): (u32, u32), theme: &str) {
        let theme = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": theme })).await;
        self.resize(width, height).await;
        // A dialog is as high as its window.
        let script =
            "return document.querySelector('dialog[open]') ? 0 : document.documentElement.scrollHeight";
        let whole = self.script(script).await;
        self.resize(width, whole.as_u64().map_or(height, |whole| height.max(whole as u32))).await;
        let png = self.client.screenshot().await.expect("a picture should be taken");
        let path = folder("page").expect("the folder should be there").join(format!("{name}.png"));
        std::fs::write(path, png).expect("the picture should be kept");
        self.resize(width, height).await;
    }

    /// Gives the window another size.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    async fn one(&self, name: &str) -> Element {
        let selector = format!("[data-testid={name}]");
        eventually(&format!("the page has {name}"), LOAD_TIMEOUT, async || {
            self.client.find(Locator::Css(&selector)).await.ok()
        })
        .await
    }

    /// Keeps a screenshot and the document.
    async fn keep_screenshot(&self, number: usize) -> Result<()> {
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let path = folder("e2e-failures")?.join(format!("{name}-{number}.png"));
        std::fs::write(&path, self.client.screenshot().await?)?;
        std::fs::write(path.with_extension("html"), self.client.source().await?)?;
        eprintln!("the page when it failed: {}", path.display());
        Ok(())
    }
}

/// chromedriver, shared by the tests of this process.
struct Driver {
    service: Private<Service>,
    port: Port,
}

impl Driver {
    fn shared() -> Result<Arc<Self>> {
        static SHARED: Shared<Driver> = Shared::new();
        SHARED.get(Self::start)
    }

    fn start() -> Result<Self> {
        let driver = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let driver = program(&driver, "chromium-driver")?;
        let port = Port::free()?;
        let number = port.number();
        let service = Private::start(|dir| {
            write_browser(dir)?;
            let builder = Process::builder("chromedriver", driver)
                .arg(format!("--port={number}"))
                // Profiles and sockets of killed browsers are removed with the folder.
                .env("TMPDIR", dir)
                .env("HOME", dir)
                // It has to end its browsers.
                .death_signal(Signal::TERM);
            // It answers as soon as it listens; its status page needs HTTP/1.1.
            let ready = move || TcpStream::connect((Ipv4Addr::LOCALHOST, number)).is_ok();
            let service = Service::new(builder, LOAD_TIMEOUT, ready);
            service.start()?;
            Ok(service)
        })?;
        Ok(Self { service, port })
    }

    async fn open(&self) -> Result<Client> {
        let options = json!({ "binary": self.service.dir().join(BROWSER), "args": [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-breakpad",
            "--window-size=1280,900",
        ]});
        let capabilities = json!({ "goog:chromeOptions": options });
        let serde_json::Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port.number()))
            .await
            .with_context(|| format!("opening a browser; chromedriver wrote:\n{}", self.service.log()))
    }
}

/// Writes the program that chromedriver starts: Chromium, which ends with chromedriver. It leads a
/// process group of its own, so it would outlive a chromedriver that dies with a killed test.
fn write_browser(dir: &Path) -> Result<()> {
    let chromium = program("chromium", "chromium")?;
    let script = format!("#!/bin/sh\nexec setpriv --pdeathsig KILL -- '{}' \"$@\"\n", chromium.display());
    let path = dir.join(BROWSER);
    fs::write(&path, script)?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
}
