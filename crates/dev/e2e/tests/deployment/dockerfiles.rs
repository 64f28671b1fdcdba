//! The Dockerfiles: their stages, their health checks, and the files that they copy.

use std::process::Command;

use e2e::root;
use serde_json::Value;
use stack::testing::compose_file;

use crate::{CONTAINERS, development_file, read};

#[test]
fn dockerfiles_share_the_layers_that_compile() {
    /// The lines from the first stage up to the first line that begins with `end`.
    fn lines_before(end: &str, file: &str) -> Vec<String> {
        let content = read(file);
        let from_the_first_stage = content.lines().skip_while(|line| !line.starts_with("FROM "));
        let lines: Vec<_> = from_the_first_stage
            .take_while(|line| !line.starts_with(end))
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        assert!(
            lines.len() > 5 && lines.len() < content.lines().count() - 6,
            "{file} has no {end}"
        );
        lines
    }
    for (file, end, other, end_of_other) in [
        ("server/Dockerfile", "FROM gcr.io/", "worker/Dockerfile", "FROM gcr.io/"),
        ("server/Dockerfile.dev", "EXPOSE", "worker/Dockerfile.dev", "EXPOSE"),
        ("client/Dockerfile", "FROM wasm AS build", "client/Dockerfile.dev", "FROM tools"),
    ] {
        assert_eq!(lines_before(end, file), lines_before(end_of_other, other), "{file}, {other}");
    }
    let manifests = |file| -> Vec<_> {
        let lines = lines_before("EXPOSE", file).into_iter();
        lines.take_while(|line| !line.is_empty()).collect()
    };
    for file in ["server/Dockerfile.dev", "client/Dockerfile", "client/Dockerfile.dev"] {
        assert_eq!(manifests(file), manifests("server/Dockerfile"), "{file}");
    }
}

#[test]
fn a_checkout_on_windows_has_unix_line_endings() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--config", "core.autocrlf=true"]);
    let cloned = git.arg(root()).arg(folder.path()).status().expect("git");
    assert!(cloned.success());
    let eol = Command::new("git").args(["ls-files", "--eol"]).current_dir(folder.path()).output();
    let files = String::from_utf8(eol.expect("git").stdout).expect("text");
    let with_crlf: Vec<_> = files.lines().filter(|line| line.contains("w/crlf")).collect();
    let [fixture] = with_crlf[..] else { panic!("{with_crlf:#?}") };
    assert!(fixture.ends_with("migrations/crlf/0001_line_endings.sql"), "{fixture}");
}

/// The health check of a Dockerfile as a Compose file would write it.
fn health_check_of_image(dockerfile: &str) -> Value {
    let text = read(dockerfile).replace("\\\n", "");
    let line = text.lines().find_map(|line| line.strip_prefix("HEALTHCHECK "));
    let line = line.unwrap_or_else(|| panic!("{dockerfile} has no health check"));
    let (options, command) = line.split_once(" CMD ").expect("options, then CMD");
    let mut check = serde_json::Map::new();
    for option in options.split_whitespace() {
        let (name, value) = option.split_once('=').expect("--name=value");
        let value = value.parse::<u64>().map_or_else(|_| value.into(), Value::from);
        check.insert(name.trim_start_matches('-').replace('-', "_"), value);
    }
    let test = match serde_json::from_str::<Vec<String>>(command) {
        Ok(words) => [&["CMD".to_owned()], &words[..]].concat().into(),
        Err(_) => command.into(),
    };
    check.insert("test".to_owned(), test);
    check.into()
}

#[test]
fn compose_and_the_images_have_the_same_health_checks() {
    let compose = compose_file();
    let development = development_file();
    for (_, service, dir) in CONTAINERS {
        let mut check = compose["services"][service]["healthcheck"].clone();
        assert_eq!(check, health_check_of_image(&format!("{dir}/Dockerfile")), "{service}");
        let changes = &development["services"][service]["healthcheck"];
        for (name, value) in changes.as_object().into_iter().flatten() {
            check[name] = value.clone();
        }
        assert_eq!(check, health_check_of_image(&format!("{dir}/Dockerfile.dev")), "{service}");
    }
}
