//! The entrypoint of the edge, without a container.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::{edge_config, root, site_properties};
use stack::testing::compose_file;
use stack::{RequestLimits, edge_options};

use crate::text;

/// A shell command that runs `script` with the functions and defaults of the edge's entrypoint, but
/// without the lines that run nginx.
fn entrypoint(dir: &Path, script: &str) -> Command {
    let nginx = root().join("nginx");
    let nginx = nginx.display();
    let functions =
        format!("sed '/^cd /,$d; s#/etc/nginx/templates#{nginx}#' {nginx}/entrypoint.sh");
    let mut sh = Command::new("sh");
    sh.args(["-c", &format!("eval \"$({functions})\"; {script}")]).current_dir(dir);
    sh
}

#[test]
fn a_failed_name_lookup_keeps_the_last_addresses() {
    let dir = tempfile::tempdir().expect("a folder");
    let failure = "exit 2";
    let lookups = [failure, "echo '10.0.0.1 api'", failure, "echo '10.0.0.2 api'"];
    let servers = lookups.map(|lookup| {
        let script = format!("getent() {{ ({lookup}); }}; servers api:5000");
        let output = entrypoint(dir.path(), &script).output().expect("sh");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    });
    let expected = [
        "server 127.0.0.1:5000 down;",
        "server 10.0.0.1:5000 max_fails=0;",
        "server 10.0.0.1:5000 max_fails=0;",
        "server 10.0.0.2:5000 max_fails=0;",
    ];
    assert_eq!(servers, expected);
}

#[test]
fn the_edge_ends_with_one_line_about_a_wrong_variable() {
    let dir = tempfile::tempdir().expect("a folder");
    for (variable, value) in
        [("API", "tcp://10.0.0.7:5000"), ("CLIENT", "client"), ("HTTPS_ONLY", "yes")]
    {
        let mut sh = entrypoint(dir.path(), "echo started");
        let output = sh.env(variable, value).output().expect("sh");
        assert_eq!(output.status.code(), Some(2), "{value}");
        let log = String::from_utf8(output.stderr).expect("text");
        let is_one_line = log.lines().count() == 1;
        assert!(is_one_line && log.contains(&format!("{variable} is {value:?}: ")), "{log}");
    }
}

#[test]
fn the_edge_trusts_only_the_vpc_of_elastic_beanstalk() {
    let dir = tempfile::tempdir().expect("a folder");
    let trusted = |networks: &str| {
        let mut sh = entrypoint(dir.path(), "real_ip_from $TRUSTED_PROXIES");
        let output = sh.env("TRUSTED_PROXIES", networks).output().expect("sh");
        String::from_utf8(output.stdout).expect("text")
    };
    let properties = site_properties();
    let property = properties.iter().find(|(name, _)| name == "TRUSTED_PROXIES");
    let (_, networks) = property.expect("TRUSTED_PROXIES");
    assert_eq!(trusted(&text(networks)), "set_real_ip_from 172.31.0.0/16;\n");
    let compose = compose_file();
    assert_eq!(
        compose["services"]["nginx"]["environment"]["TRUSTED_PROXIES"],
        "${TRUSTED_PROXIES:-}"
    );
    assert_eq!(trusted(""), "");
}

#[test]
fn stack_and_the_image_render_the_same_edge_configuration() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut sh = entrypoint(dir.path(), "render /dev/stdout");
    sh.env_clear().env("API", "localhost:5000").env("CLIENT", "localhost:3000");
    let of_image = String::from_utf8(sh.output().expect("sh").stdout).expect("text");
    let dir = tempfile::tempdir().expect("a folder");
    let options = edge_options(&[5000], 3000, RequestLimits::PRODUCTION);
    stack::nginx(&edge_config(), dir.path(), options)
        .expect("nginx's configuration should be written");
    let rendered = |name| fs::read_to_string(dir.path().join("conf.d").join(name)).expect(name);
    let of_stack = ["default.conf", "headers.conf", "limits.conf", "load_balancer.conf"]
        .map(rendered)
        .concat();
    /// The lines without indentation, and without the port, which differs.
    fn lines(text: &str) -> Vec<&str> {
        text.lines().map(str::trim).filter(|line| !line.starts_with("listen ")).collect()
    }
    assert_eq!(lines(&of_stack), lines(&of_image));
}
