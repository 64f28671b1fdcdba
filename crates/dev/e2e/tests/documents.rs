//! Links in the documents lead to existing files, excerpts in the tour are copies of sources, and
//! the page's lesson agrees with the tour, the sources and docker-compose.yml.

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

fn lesson() -> String {
    let html = fs::read_to_string(root().join("client/lesson.html")).expect("the lesson");
    html.replace("&lt;", "<").replace("&gt;", ">")
}

/// The texts between each `start` and the next `end`.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

/// The words with single spaces, without the backticks of Markdown.
fn words(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_definition_of_the_lesson_is_in_the_tour() {
    let tour = words(&fs::read_to_string(root().join("docs/tour.md")).expect("the tour"));
    let lesson = lesson();
    let (_, glossary) = lesson.split_once("glossary-title").expect("a glossary");
    let definitions: Vec<_> = between(glossary, "<dt>", "</dd>").collect();
    assert_eq!(definitions.len(), 11);
    for definition in definitions {
        let (term, meaning) = definition.split_once("</dt>").expect("a term");
        let meaning = words(&meaning.replace("<dd>", ""));
        assert!(tour.contains(term) && tour.contains(&meaning), "{term}: {meaning}");
    }
}

#[test]
fn every_statement_of_the_lesson_is_the_one_of_its_source() {
    let lesson = lesson();
    let statements: Vec<_> = between(&lesson, "data-source=\"", "</pre>").collect();
    assert_eq!(statements.len(), 5);
    for statement in statements {
        let (path, text) = statement.split_once("\">").expect("a statement");
        let source = fs::read_to_string(root().join(path)).expect("a source");
        let (command, _values) = text.split_once("\n\n").unwrap_or((text, ""));
        assert!(!command.trim().is_empty(), "{path}: no statement");
        if path.ends_with("database.rs") {
            assert!(words(&source).contains(&words(command)), "{path}: {command}");
        } else if path.ends_with(".lua") {
            let mut lines = command.trim().lines();
            let call = lines.next().expect("the call");
            let keys: Vec<_> = lines.next().expect("the keys").split_whitespace().collect();
            // The header of the script lists the keys, perhaps in two lines.
            let (_, header) = source.split_once("-- KEYS").expect("a header");
            let (listed, _) = header.split_once("-- ARGV").expect("arguments");
            let listed = words(&listed.replace("--", ""));
            assert_eq!(keys.join(", "), listed, "{path}");
            assert!(call.ends_with(&format!("> {}", keys.len())), "{call}");
        } else if path.ends_with("proxy.conf") {
            let headers: Vec<_> = command.lines().filter(|line| line.starts_with("X-")).collect();
            assert!(headers.len() > 1, "{command}");
            for (name, _) in headers.iter().filter_map(|header| header.split_once(':')) {
                assert!(source.contains(&format!("proxy_set_header {name} ")), "{name}");
            }
        } else {
            let is_keyword = |word: &&str| word.chars().all(|letter| letter.is_ascii_uppercase());
            for word in command.split_whitespace().filter(is_keyword) {
                assert!(source.contains(&format!("\"{word}\"")), "{path} has no {word}");
            }
        }
    }
}

#[test]
fn every_source_to_which_the_lesson_links_exists() {
    let lesson = lesson();
    let links: Vec<_> = between(&lesson, "\"/source/", "\"").collect();
    assert!(links.len() > 20, "{links:?}");
    for path in links {
        assert!(root().join(path).is_file(), "{path}");
        assert!(!path.contains(".env"), "{path} may have secrets");
    }
}

#[test]
fn the_compose_commands_of_the_lesson_name_services() {
    let compose = fs::read_to_string(root().join("docker-compose.yml")).expect("a file");
    let is_service = |name: &str| compose.contains(&format!("\n  {name}:\n    <<: *"));
    let lesson = lesson();
    let commands = between(&lesson, "<pre>", "</pre>").chain(between(
        &lesson,
        "id=\"logs-compose\">",
        "</pre>",
    ));
    let commands = commands.flat_map(str::lines);
    let commands: Vec<_> =
        commands.filter_map(|line| line.strip_prefix("docker compose ")).collect();
    assert!(commands.len() > 8, "{commands:?}");
    for command in commands {
        let command = command.split(" | ").next().unwrap_or_default();
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
