//! The api's own description: `openapi.json`, written by hand as the contract that tests hold the routes to,
//! and a page made of it that needs neither scripts nor the internet.
//!
//! It does not look at the routes: that the description and they agree is what tests are for.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use serde_json::Value;

use crate::state::AppState;

/// The contract. `${MAX_INDEX}` stands where the operator's bound goes.
const CONTRACT: &str = include_str!("../../openapi.json");

/// The description, rendered once.
pub(crate) struct Docs {
    json: String,
    html: String,
}

impl Docs {
    /// Renders the description for this bound.
    pub(crate) fn new(max_index: u32) -> Self {
        let json = CONTRACT.replace("\"${MAX_INDEX}\"", &max_index.to_string());
        let html = page_of(&serde_json::from_str(&json).unwrap_or_default());
        Self { json, html }
    }
}

pub(super) async fn openapi(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], state.docs.json.clone())
}

pub(super) async fn page(State(state): State<Arc<AppState>>) -> Html<String> {
    Html(state.docs.html.clone())
}

fn page_of(contract: &Value) -> String {
    let mut html = String::new();
    let info = &contract["info"];
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>{title}</title><link rel=icon href='data:,'>\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;\
         color-scheme:light dark}}code,h2{{font-family:ui-monospace,monospace}}h2{{font-size:1.1rem;\
         margin-top:2.5rem;border-top:1px solid #8886;padding-top:1rem}}td,th{{text-align:left;\
         vertical-align:top;padding:.2rem 1rem .2rem 0}}</style>\
         <h1>{title}</h1><p>{description}</p><p>For programs: <a href='openapi.json'>openapi.json</a></p>",
        title = text(&info["title"]),
        description = text(&info["description"]),
    );
    for (path, operations) in contract["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let _ = write!(
                html,
                "<h2>{} {}</h2><p>{}</p>",
                method.to_uppercase(),
                escape(path),
                text(&operation["summary"])
            );
            table(
                &mut html,
                "Parameter",
                operation["parameters"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|parameter| (text(&parameter["name"]), text(&parameter["description"]))),
            );
            let example = &operation["requestBody"]["content"]["application/json"]["example"];
            if !example.is_null() {
                let _ = write!(html, "<p>Body: <code>{}</code></p>", escape(&example.to_string()));
            }
            table(
                &mut html,
                "Answer",
                operation["responses"].as_object().into_iter().flatten().map(|(status, answer)| {
                    let shared =
                        answer["$ref"].as_str().and_then(|at| contract.pointer(at.trim_start_matches('#')));
                    (escape(status), text(&shared.unwrap_or(answer)["description"]))
                }),
            );
        }
    }
    html
}

fn table(html: &mut String, heading: &str, rows: impl Iterator<Item = (String, String)>) {
    let rows: String = rows.map(|(name, about)| format!("<tr><td><code>{name}</code><td>{about}")).collect();
    if !rows.is_empty() {
        let _ = write!(html, "<table><tr><th>{heading}<th>Meaning{rows}</table>");
    }
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_json_with_the_operators_bound_in_it() {
        let docs = Docs::new(4321);
        let contract: Value = serde_json::from_str(&docs.json).unwrap();
        assert_eq!(contract["components"]["schemas"]["Index"]["maximum"], 4321);
        assert!(!docs.json.contains("${"));
    }

    #[test]
    fn the_page_names_every_route_and_loads_nothing_from_elsewhere() {
        let docs = Docs::new(40);
        for route in
            ["GET /values/all", "POST /values", "GET /values/{index}", "GET /events", "GET /health/ready"]
        {
            assert!(docs.html.contains(route), "{route}");
        }
        assert!(
            !docs.html.contains("http://")
                && !docs.html.contains("https://")
                && !docs.html.contains("<script")
        );
    }
}
