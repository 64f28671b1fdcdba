//! What is in `observe`: the alerts, and the queries of the dashboard.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;
use serde_json::Value;

use crate::root;

fn read(file: &str) -> String {
    fs::read_to_string(root().join("observe").join(file)).expect(file)
}

/// The name and the expression of each alert.
pub fn alerts() -> Vec<(String, String)> {
    let rules: Value = serde_saphyr::from_str(&read("prometheus/alerts.yml")).expect("YAML");
    let rules = rules["groups"][0]["rules"].as_array().expect("rules");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rules.iter().map(|rule| (text(&rule["alert"]), text(&rule["expr"]))).collect()
}

/// The query of each line in a panel of the dashboard.
pub fn dashboard_queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect()
}

/// The names of our metrics in `expression`, without the suffix of a histogram's buckets.
pub fn metric_names(expression: &str) -> BTreeSet<String> {
    let regex = |pattern| Regex::new(pattern).expect("a pattern");
    let labels_and_ranges = regex(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)");
    let bare = labels_and_ranges.replace_all(expression, "");
    let without_functions = regex(r"\w+ *\(").replace_all(&bare, "(").into_owned();
    let names = regex(r"\b[A-Za-z_]{2,}\b");
    let names = names.find_iter(&without_functions).map(|name| name.as_str());
    let names = names.filter(|name| !["and", "or", "up", "ALERTS"].contains(name));
    names.map(|name| name.trim_end_matches("_bucket").to_owned()).collect()
}
