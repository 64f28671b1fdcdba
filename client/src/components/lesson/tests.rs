//! The lesson agrees with the tour, the sources and docker-compose.yml.

use std::fs;
use std::path::{Path, PathBuf};

use super::commands::Commands;
use super::experiments::EXPERIMENTS;
use super::glossary::{GLOSSARY, Term};
use super::hops::HOP_LESSONS;
use super::parts::part_lesson;
use super::request_search::{DATABASE_COMMANDS, LOG_COMMANDS, STATUS_COMMANDS};
use crate::compose::service_lines;
use crate::state::health::PARTS;

/// A path from the root of the repository.
fn path_of(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path_of(file)).unwrap()
}

/// The words with single spaces, without the backticks of Markdown.
fn words(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_definition_is_in_the_tour() {
    let tour = words(&read("docs/tour.md"));
    for Term { name, definition, .. } in GLOSSARY {
        assert!(tour.contains(name) && tour.contains(definition), "{name}: {definition}");
    }
}

#[test]
fn every_source_is_served() {
    let served = read("client/sources.txt");
    let served: Vec<_> = served.lines().collect();
    let of_parts = PARTS.iter().flat_map(|(part, _)| part_lesson(*part).sources);
    let of_hops = HOP_LESSONS.iter().filter_map(|hop| hop.source);
    for source in of_parts.map(|source| source.path).chain(of_hops).chain(["docker-compose.yml"]) {
        assert!(served.contains(&source), "{source}");
    }
}

#[test]
fn served_sources_exist_and_have_no_secrets() {
    for source in read("client/sources.txt").lines() {
        assert!(path_of(source).is_file(), "{source}");
        assert!(!source.contains(".env"), "{source} may have secrets");
    }
}

/// The messages whose source has this name, each with its path, without the values.
fn statements(file_name: &str) -> Vec<(&'static str, &'static str)> {
    let with_source = HOP_LESSONS.iter().filter_map(|hop| Some((hop.source?, hop.message)));
    let found: Vec<_> = with_source.filter(|(path, _)| path.ends_with(file_name)).collect();
    assert!(!found.is_empty(), "{file_name}");
    found.into_iter().map(|(path, message)| (path, message.split("\n\n").next().unwrap())).collect()
}

#[test]
fn sql_is_that_of_the_server() {
    for (path, statement) in statements("database.rs") {
        assert!(words(&read(path)).contains(&words(statement)), "{statement}");
    }
}

#[test]
fn calls_of_scripts_have_their_keys() {
    for (path, statement) in statements(".lua") {
        let mut lines = statement.lines();
        let call = lines.next().unwrap();
        let keys: Vec<_> = lines.next().unwrap().split_whitespace().collect();
        let script = read(path);
        // The header of the script lists the keys, perhaps in two lines.
        let (_, header) = script.split_once("-- KEYS").unwrap();
        let (listed, _) = header.split_once("-- ARGV").unwrap();
        assert_eq!(keys.join(", "), words(&listed.replace("--", "")), "{path}");
        assert!(call.ends_with(&format!("> {}", keys.len())), "{call}");
    }
}

#[test]
fn headers_are_those_that_the_edge_sets() {
    for (path, statement) in statements("proxy.conf") {
        let configuration = read(path);
        let headers: Vec<_> = statement.lines().filter(|line| line.starts_with("X-")).collect();
        assert!(headers.len() > 1, "{statement}");
        for (name, _) in headers.iter().filter_map(|header| header.split_once(':')) {
            assert!(configuration.contains(&format!("proxy_set_header {name} ")), "{name}");
        }
    }
}

#[test]
fn commands_of_redis_are_those_of_the_worker() {
    for (path, statement) in statements("consumer.rs") {
        let source = read(path);
        let is_keyword = |word: &&str| word.chars().all(|letter| letter.is_ascii_uppercase());
        for word in statement.split_whitespace().filter(is_keyword) {
            assert!(source.contains(&format!("\"{word}\"")), "{path} has no {word}");
        }
    }
}

#[test]
fn compose_commands_name_services() {
    let is_service = |name: &str| !service_lines(name).is_empty();
    let of_experiments = EXPERIMENTS
        .iter()
        .flat_map(|experiment| std::iter::once(experiment.commands).chain(experiment.undo));
    let others = [LOG_COMMANDS, STATUS_COMMANDS, DATABASE_COMMANDS];
    for command in of_experiments.chain(others).flat_map(|Commands { compose, .. }| compose) {
        let command = command.strip_prefix("docker compose ").unwrap();
        let command = command.split(" | ").next().unwrap();
        let (subcommand, arguments) = command.split_once(' ').unwrap_or((command, ""));
        let mut names = arguments.split(' ').filter(|argument| !argument.starts_with("--"));
        match subcommand {
            "up" => {
                let scaled = names.next().and_then(|scale| scale.split('=').next());
                assert!(scaled.is_some_and(is_service), "{command}");
            }
            "exec" => assert!(names.next().is_some_and(is_service), "{command}"),
            "ps" => {}
            "start" | "stop" | "kill" | "logs" => {
                let mut names = names.peekable();
                assert!(names.peek().is_some() && names.all(is_service), "{command}");
            }
            other => panic!("unknown subcommand {other}"),
        }
    }
}
