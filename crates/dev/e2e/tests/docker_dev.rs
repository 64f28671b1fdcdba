//! Live reload in the development stack, on a Docker Engine. `cargo xtask test --docker-dev` builds
//! the images and runs this test. It edits a copy of the checkout, and needs to find only a few
//! blocks there, such as `fn main`.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::{Compose, eventually, root};
use reqwest::StatusCode;

/// Limit for compiling everything, on a small machine.
const FIRST_BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Limit for compiling one changed line.
const REBUILD_TIMEOUT: Duration = Duration::from_secs(5 * 60);

#[tokio::test]
#[ignore = "takes minutes: cargo xtask test --docker-dev"]
async fn a_saved_change_takes_effect_in_api_worker_page_and_edge() {
    let copy = Checkout::copy();
    let files = &["docker-compose.yml", "docker-compose.dev.yml"];
    let stack = Compose::new(copy.dir.path(), files, &[]);
    stack.compose(&["up", "--detach", "--no-build"]).expect("the stack should start");
    let is_ready = async || {
        let ready = stack.try_get("/api/health/ready").await.ok()?.text().await.ok()?;
        let page = stack.try_get("/").await.ok()?.status();
        (ready.contains(r#""status":"ready""#) && page == StatusCode::OK).then_some(())
    };
    eventually("the stack is built and ready", FIRST_BUILD_TIMEOUT, is_ready).await;

    for service in ["api", "worker"] {
        let folder = if service == "api" { "server" } else { service };
        copy.add(&format!("{folder}/src/main.rs"), "fn main(", r#"eprintln!("a line was saved");"#);
        eventually(&format!("the {service} has the change"), REBUILD_TIMEOUT, async || {
            let log = stack.compose(&["logs", "--no-color", service]).ok()?;
            log.contains("a line was saved").then_some(())
        })
        .await;
    }
    eventually("the stack is ready with the changes", REBUILD_TIMEOUT, is_ready).await;

    copy.add("nginx/default.conf.template", "\nserver ", "location = /saved { return 204; }");
    eventually("the edge has the change", REBUILD_TIMEOUT, async || {
        (stack.try_get("/saved").await.ok()?.status() == StatusCode::NO_CONTENT).then_some(())
    })
    .await;

    let page = stack.open("/").await;
    page.submit("10").await;
    page.wait_for_text("value", "For index 10 I calculated 55").await;
    // The test does not reload the page; trunk's WebSocket does.
    let mark = r#"let root = leptos::prelude::document().document_element();
        root.and_then(|root| root.set_attribute("data-saved", "yes").ok());"#;
    copy.add("client/src/main.rs", "fn main(", mark);
    eventually("the open page has the change", REBUILD_TIMEOUT, async || {
        let saved = "return document.documentElement.dataset.saved";
        (page.client().execute(saved, vec![]).await.ok()? == "yes").then_some(())
    })
    .await;
    page.wait_for_text("value", "For index 10 I calculated 55").await;
}

/// A copy of the checkout that a test may edit.
struct Checkout {
    dir: tempfile::TempDir,
}

impl Checkout {
    /// Copies all files that git does not ignore. The files and folders have the modes of a
    /// checkout with umask 077.
    fn copy() -> Self {
        let dir = tempfile::tempdir().expect("a folder for the copy");
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed =
            Command::new("git").args(list).current_dir(root()).output().expect("git should start");
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        for file in String::from_utf8(listed.stdout).expect("readable names").split_terminator('\0')
        {
            let (from, to) = (root().join(file), dir.path().join(file));
            // git also lists a file that was deleted without a commit.
            if from.exists() {
                let mut folders = fs::DirBuilder::new();
                let folders = folders.recursive(true).mode(0o700);
                folders.create(to.parent().expect("a folder")).expect("a folder in the copy");
                fs::copy(from, &to).expect("a file should be copied");
                fs::set_permissions(to, fs::Permissions::from_mode(0o600)).expect("a mode");
            }
        }
        Self { dir }
    }

    /// Adds `line` at the start of the block of `item`: after the next `{`.
    fn add(&self, file: &str, item: &str, line: &str) {
        let path: &Path = &self.dir.path().join(file);
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let start =
            text.find(item).unwrap_or_else(|| panic!("{file} has no {item:?} to add a line to"));
        let brace =
            text[start..].find('{').unwrap_or_else(|| panic!("no block after {item:?} in {file}"));
        let (before, after) = text.split_at(start + brace + 1);
        fs::write(path, format!("{before}\n{line}\n{after}")).expect("the copy should be writable");
    }
}
