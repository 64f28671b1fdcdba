//! Links in the documents lead to existing files, excerpts in the tour are copies of sources, and
//! each variable and each alert is documented.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use e2e::root;

/// All Markdown files in the root and in `docs`.
fn documents() -> Vec<PathBuf> {
    let folders = [root().to_owned(), root().join("docs")];
    let files = folders.iter().flat_map(|dir| fs::read_dir(dir).expect("a folder").flatten());
    let is_markdown = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    files.map(|file| file.path()).filter(is_markdown).collect()
}

/// The targets of the Markdown links in `text` that are paths, without their anchors.
fn linked_paths(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let paths = targets.filter_map(|(target, _)| target.split('#').next());
    paths.filter(|path| !path.is_empty() && !path.contains("://"))
}

fn resolve(document: &Path, link: &str) -> PathBuf {
    document.parent().expect("a folder").join(link)
}

/// Trims all lines, because an excerpt may be indented less than its source.
fn trimmed_lines(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_relative_link_leads_to_a_file() {
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for link in linked_paths(&text) {
            let exists = resolve(&document, link).exists();
            assert!(exists, "{}: {link} does not exist", document.display());
        }
    }
}

#[test]
fn every_excerpt_of_the_tour_is_copied_from_a_linked_file() {
    let tour = root().join("docs/tour.md");
    let text = fs::read_to_string(&tour).expect("the tour");
    let mut excerpts = 0;
    for chapter in text.split("\n## ") {
        let linked = linked_paths(chapter).map(|link| resolve(&tour, link));
        let sources = linked.filter(|path| path.is_file());
        let sources = sources.map(|path| fs::read_to_string(path).expect("a source"));
        let sources: Vec<String> = sources.map(|source| trimmed_lines(&source)).collect();
        for block in chapter.split("\n```").skip(1).step_by(2) {
            let (_language, excerpt) = block.split_once('\n').expect("an excerpt");
            let excerpt = trimmed_lines(excerpt);
            let is_copy = sources.iter().any(|source| source.contains(&excerpt));
            assert!(is_copy, "no linked file contains:\n{excerpt}");
            excerpts += 1;
        }
    }
    assert!(excerpts > 5, "the tour has only {excerpts} excerpts");
}

#[test]
fn every_variable_is_documented() {
    let document = fs::read_to_string(root().join("docs/operations.md")).expect("a document");
    let commands =
        [server::config::ServerConfig::command(), worker::config::WorkerConfig::command()];
    for variable in commands.iter().flat_map(|command| command.get_arguments()) {
        let Some(name) = variable.get_env() else { continue };
        let name = name.to_str().expect("a name");
        assert!(document.contains(&format!("`{name}`")), "docs/operations.md does not name {name}");
    }
}

#[test]
fn every_alert_and_its_metrics_are_documented() {
    let document = fs::read_to_string(root().join("docs/operations.md")).expect("a document");
    let (_, section) = document.split_once("### Alerts").expect("the alerts");
    for (alert, expression) in e2e::alerts() {
        assert!(section.contains(&format!("| `{alert}` |")), "{alert} is not documented");
        for metric in e2e::metric_names(&expression) {
            assert!(section.contains(&format!("`{metric}")), "{metric} is not documented");
        }
    }
}
