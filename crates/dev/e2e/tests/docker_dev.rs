//! The development stack on a real Docker Engine: a saved file is built and running by itself. `cargo xtask test
//! --docker-dev` runs it; it compiles everything once more, in containers, which takes minutes.
//!
//! Whether what was built is right, other tests see.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::{Compose, browsers, eventually};
use reqwest::StatusCode;

/// Everything compiled from nothing, on a small machine.
const FIRST_BUILD: Duration = Duration::from_secs(30 * 60);

/// One changed line.
const REBUILD: Duration = Duration::from_secs(5 * 60);

#[tokio::test]
#[ignore = "takes minutes: cargo xtask test --docker-dev"]
async fn a_saved_line_is_seen_live_in_the_api_the_worker_and_the_page() {
    let copy = Checkout::copy();
    let files = ["docker-compose.yml", "docker-compose.dev.yml"];
    let stack = Compose::new(Some(copy.dir.path()), &files, &[]).expect("a port should be free");
    stack.compose(&["up", "--detach", "--build"]).expect("the stack should start");
    eventually("the first build is done and everything is ready", FIRST_BUILD, async || {
        let ready = stack.get("/api/health/ready").await.ok()?.text().await.ok()?;
        let page = stack.get("/").await.ok()?.status();
        (ready.contains(r#""status":"ready""#) && page == StatusCode::OK).then_some(())
    })
    .await;

    copy.edit("server/src/routes.rs", r#"async || "Hi""#, r#"async || "Hi there""#);
    eventually("the api has the change", REBUILD, async || {
        (stack.get("/api/").await.ok()?.text().await.ok()? == "Hi there").then_some(())
    })
    .await;

    copy.edit("worker/src/application.rs", r#""listening""#, r#""listening, changed""#);
    eventually("the worker has the change", REBUILD, async || {
        stack.compose(&["logs", "--no-color", "worker"]).ok()?.contains("listening, changed").then_some(())
    })
    .await;

    browsers(&stack.url(), async |[page]| {
        page.submit("10").await;
        page.shows("value", "For index 10 I calculated 55").await;
        // The page reloads itself: nobody tells the browser to.
        copy.edit("client/src/app.rs", r#"<h1>"Fibonacci calculator"</h1>"#, "<h1>\"Changed\"</h1>");
        eventually("the open page has the change", REBUILD, async || {
            let heading = "return document.querySelector('h1')?.textContent";
            (page.client().execute(heading, vec![]).await.ok()? == "Changed").then_some(())
        })
        .await;
    })
    .await;
}

/// A copy of the checkout, to edit.
struct Checkout {
    dir: tempfile::TempDir,
}

impl Checkout {
    /// Copies what git knows or would take.
    fn copy() -> Self {
        let dir = tempfile::tempdir().expect("a folder for the copy");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).expect("the workspace");
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed =
            Command::new("git").args(list).current_dir(root).output().expect("git should list the files");
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        for file in String::from_utf8(listed.stdout).expect("readable names").split_terminator('\0') {
            let (from, to) = (root.join(file), dir.path().join(file));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder in the copy");
            fs::copy(from, to).expect("a file should be copied");
        }
        Self { dir }
    }

    /// Replaces the one place where `old` stands.
    fn edit(&self, file: &str, old: &str, new: &str) {
        let path = self.dir.path().join(file);
        let text = fs::read_to_string(&path).expect("the source should be there");
        assert_eq!(text.matches(old).count(), 1, "{old} stands once in {file}");
        fs::write(&path, text.replace(old, new)).expect("the source should be writable");
    }
}
