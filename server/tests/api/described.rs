//! The OpenAPI description: a snapshot of it, and schemathesis, which sends valid and invalid
//! requests and checks that every response is described.

use std::process::Stdio;

use tokio::process::Command;

use crate::Api;

/// To update the snapshot: `INSTA_UPDATE=always cargo test -p server --test api description`.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_matches_the_snapshot() {
    let api = Api::with(&["--max-index", "4321"]).await;
    let mut description = api.json("/openapi.json").await;
    description["info"]["version"] = "[version]".into();
    insta::assert_json_snapshot!("openapi", description);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parameter_limits_in_the_description_are_enforced() {
    let api = Api::start().await;
    let description = api.json("/openapi.json").await;
    let mut tested = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for parameter in operations["get"]["parameters"].as_array().into_iter().flatten() {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let limits = (schema["minimum"].as_u64(), schema["maximum"].as_u64());
            let ("query", (Some(least), Some(most))) = (parameter["in"].as_str().unwrap(), limits)
            else {
                continue;
            };
            for (value, status) in [(least, 200), (most, 200), (least - 1, 422), (most + 1, 422)] {
                let response = api.get(&format!("{path}?{name}={value}")).await;
                assert_eq!(response.status(), status, "{path}?{name}={value}");
            }
            tested += 1;
        }
    }
    assert!(tested >= 4, "{tested} parameters with limits");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_page_loads_all_its_files_from_the_api() {
    let api = Api::start().await;
    let page = api.text("/docs/").await;
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert!(page.contains(&format!("./{file}")), "{file} is not in {page}");
        let response = api.get(&format!("/docs/{file}")).await;
        assert_eq!(response.status(), 200, "{file}");
    }
    let initializer = api.text("/docs/swagger-initializer.js").await;
    assert!(initializer.contains(r#""validatorUrl": "none""#), "{initializer}");
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs schemathesis: cargo xtask test"]
async fn every_response_matches_the_description() {
    let program = std::env::var_os("SCHEMATHESIS").expect("SCHEMATHESIS must name the program");
    let api = Api::start().await.with_worker().await;
    api.submit_all([0, 1, 2, 10, 1_000]).await;
    let dir = tempfile::tempdir().unwrap();
    let description = api.json("/openapi.json").await;
    // schemathesis does not test the route from which it reads a description, so it reads a file.
    let file = dir.path().join("description.json");
    std::fs::write(&file, description.to_string()).unwrap();
    let routes = description["paths"].as_object().unwrap().values();
    let operations: usize = routes.map(|operations| operations.as_object().unwrap().len()).sum();
    let output = Command::new(program)
        .arg("run")
        .arg(file)
        .args(["--url", &api.url, "--no-color"])
        .args(["--checks", "all", "--max-examples", "50", "--seed", "55"])
        // In JSON Schema 7.0 is an integer, but the api accepts only digits.
        .args(["--exclude-checks", "positive_data_acceptance"])
        // The response never ends.
        .args(["--exclude-path", "/events"])
        // It writes files to its working directory.
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    let summary = stdout.lines().find(|line| line.contains("generated")).unwrap_or_default();
    println!("{summary}");
    // All operations except `/events`.
    assert!(stdout.contains(&format!("Tested: {}\n", operations - 1)), "{stdout}");
}
