//! A running system, and an HTTP client of its edge.
//!
//! Tests that leave the system intact share one ([`LocalSite::shared`]). A test that stops services
//! or needs an empty database starts its own. Dropping a system stops it and removes its data.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::Submission;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use stack::testing::{Private, Shared};
use stack::{System, SystemOptions, eventually};

use crate::{BrowserPage, binaries_dir, checkout, root};

/// Limit for one request; the system may be starting or busy.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Limit for a value; the worker may have to start or to reclaim the job first.
const VALUE_TIMEOUT: Duration = Duration::from_secs(60);

/// Derefs to the running system. Its own methods send requests to the edge. Most of them panic on
/// an error; for polling, `try_*` methods return it, and methods with an `Option` return `None`.
#[derive(Debug)]
pub struct Site<T> {
    system: T,
    url: String,
    http: Client,
}

/// The system as local processes.
pub type LocalSite = Site<Private<System>>;

impl LocalSite {
    pub fn start() -> Self {
        Self::start_with(SystemOptions::default())
    }

    pub fn start_with(options: SystemOptions) -> Self {
        checkout::build_page().expect("the page should be built");
        let binaries = binaries_dir().expect("the binaries should be built");
        let system = Private::new(|dir| System::prepare(root(), &binaries, dir, &options));
        let system = system.expect("the system should be prepared");
        system.start(&|| false).expect("the system should start");
        let url = system.edge.url();
        Self::new(system, url)
    }

    /// The system that the tests of this process share. It has two workers.
    pub fn shared() -> Arc<Self> {
        static SHARED: Shared<LocalSite> = Shared::new();
        let start = || Ok(Self::start_with(SystemOptions { workers: 2, ..Default::default() }));
        SHARED.get(start).expect("the shared system should start")
    }

    /// Opens the page at `path` of the shared system in a new browser.
    pub async fn open_shared(path: &str) -> (Arc<Self>, BrowserPage) {
        let site = Self::shared();
        let page = site.open(path).await;
        (site, page)
    }

    /// Starts a new system, and opens its page at `path` in a new browser.
    pub async fn open_new(path: &str) -> (Self, BrowserPage) {
        let site = Self::start();
        let page = site.open(path).await;
        (site, page)
    }
}

impl<T> Site<T> {
    pub fn new(system: T, url: String) -> Self {
        // The environment may name a proxy. A connection from before a restart would be broken.
        let http =
            Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(REQUEST_TIMEOUT).build();
        Self { system, url, http: http.expect("a client") }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub async fn open(&self, path: &str) -> BrowserPage {
        BrowserPage::open(&format!("{}{path}", self.url)).await
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.try_get(path).await.expect("the edge should respond")
    }

    /// Sends a GET request; any status is a success.
    pub async fn try_get(&self, path: &str) -> Result<Response> {
        self.request(Method::GET, path).send().await.with_context(|| format!("GET {path}"))
    }

    /// `POST /values`; a status other than 200 is an error.
    pub async fn submit(&self, index: u32) -> Response {
        self.try_submit(index).await.expect("the index should be accepted")
    }

    pub async fn submit_all(&self, indices: impl IntoIterator<Item = u32>) {
        for index in indices {
            self.submit(index).await;
        }
    }

    pub async fn try_submit(&self, index: u32) -> Result<Response> {
        let request =
            self.request(Method::POST, "/api/values").json(&json!({ "index": index.to_string() }));
        let response = request.send().await.context("POST /api/values")?;
        ensure!(response.status() == 200, "POST /api/values: {}", response.status());
        Ok(response)
    }

    /// `GET /values/{index}`: all digits, or `None` if they are not calculated.
    pub async fn digits(&self, index: u32) -> Option<String> {
        let response = self.try_get(&format!("/api/values/{index}")).await.ok()?;
        if response.status() == 200 { response.text().await.ok() } else { None }
    }

    /// `GET /values/all`: the submissions, oldest first.
    pub async fn submissions(&self) -> Vec<Submission> {
        self.get("/api/values/all").await.json().await.expect("a list of submissions")
    }

    /// `GET /values/current`: the value of an index as the list shows it.
    pub async fn listed_value(&self, index: u32) -> Option<String> {
        let values: Value = self.try_get("/api/values/current").await.ok()?.json().await.ok()?;
        values.get(index.to_string())?.as_str().map(str::to_owned)
    }

    /// Waits until [`Self::listed_value`] is `value`.
    pub async fn wait_for_value(&self, index: u32, value: &str) {
        eventually(&format!("index {index} is listed as {value}"), VALUE_TIMEOUT, async || {
            (self.listed_value(index).await? == value).then_some(())
        })
        .await;
    }
}

impl<T> Deref for Site<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.system
    }
}
