//! `.travis.yml` and `deploy.sh`: what is built, pushed and deployed, and when a build fails.
//! `rehearsal` runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use e2e::{Travis, root};
use serde_json::{Value, json};

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Runs `command` with these shell scripts as programs of `PATH`.
fn with_programs<'a>(
    command: &'a mut Command,
    dir: &Path,
    programs: &[(&str, &str)],
) -> &'a mut Command {
    for (name, script) in programs {
        let path = dir.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let path = std::env::var("PATH").expect("PATH");
    command.env("PATH", format!("{}:{path}", dir.display()))
}

fn travis() -> Travis {
    Travis::read(root()).expect(".travis.yml should be YAML")
}

#[test]
fn only_pushes_to_master_are_deployed() {
    let travis = travis();
    assert!(travis.deploys("master", false));
    assert!(!travis.deploys("master", true), "a pull request is deployed");
    assert!(!travis.deploys("feature", false), "another branch is deployed");
    // `before_deploy`, the only phase that pushes images, runs only before a deployment.
    for phase in
        ["before_install", "install", "before_script", "script", "after_success", "after_script"]
    {
        for line in travis.phase(phase) {
            assert!(!line.contains("push"), "{phase}: {line}");
        }
    }
}

#[test]
fn every_pipeline_line_ends_the_build_on_failure() {
    let travis = travis();
    for phase in ["script", "before_deploy", "after_deploy"] {
        for line in travis.phase(phase) {
            assert!(line.contains("travis_terminate 1"), "{phase}: {line}");
        }
    }
}

#[test]
fn the_pipeline_logs_in_before_it_pulls_and_without_a_terminal() {
    let travis = travis();
    let lines = travis.phase("before_install");
    let login = [
        r#"[ -z "$DOCKER_PASSWORD" ] || echo "$DOCKER_PASSWORD""#,
        r#"| docker login -u "$DOCKER_ID" --password-stdin"#,
    ]
    .join(" ");
    let login = lines.iter().position(|line| line.starts_with(&login)).expect("a login");
    let first = lines.iter().position(|line| line.starts_with("docker")).expect("a build");
    assert!(login < first, "{lines:?}");
    let text = read(".travis.yml");
    assert!(!text.contains(" -it ") && !text.contains("--interactive"));
}

#[test]
fn the_deployment_settings_refer_to_the_keys_by_variables() {
    let expected = json!({
        "provider": "elasticbeanstalk",
        "edge": true,
        "access_key_id": "$AWS_ACCESS_KEY",
        "secret_access_key": "$AWS_SECRET_KEY",
        "region": "us-east-1",
        "app": "multi-docker",
        "env": "Multidocker-env",
        "bucket": "$AWS_BUCKET",
        "bucket_path": "docker-multi",
        "zip_file": "deploy.zip",
        "wait_until_deployed": true,
        "wait_until_deployed_timeout": 1500,
        "on": { "branch": "master" },
    });
    assert_eq!(*travis().deployment(), expected);
}

#[test]
fn every_dockerrun_image_is_built_and_pushed_to_one_account() {
    let travis = travis();
    let lines = travis.phase("before_deploy").join("\n");
    let pushed = lines.lines().find(|line| line.contains("docker push")).expect("a push");
    let dockerrun = read("Dockerrun.aws.json");
    let dockerrun: Value = serde_json::from_str(&dockerrun).expect("JSON");
    for container in dockerrun["containerDefinitions"].as_array().expect("containers") {
        let image = container["image"].as_str().expect("an image");
        let (account, name) = image.split_once('/').expect("account/name");
        let has_account = read(".travis.yml").contains(&format!("- DOCKER_ACCOUNT={account}\n"));
        assert!(has_account, "{account}");
        let dir = if name == "front-end" { "client" } else { name };
        let build = format!(
            "--build-arg REVISION=$TRAVIS_COMMIT --tag \"$IMAGES/{name}:$TRAVIS_COMMIT\" \
             --tag \"$IMAGES/{name}:latest\" --file {dir}/Dockerfile ."
        );
        assert!(lines.contains(&build), "{name}: no line with {build}");
        assert!(pushed.split([' ', ';']).any(|word| word == name), "{name} is not pushed");
    }
}

#[test]
fn a_missing_credential_ends_the_build_before_images_are_built() {
    let all = [
        "DOCKER_ID",
        "DOCKER_PASSWORD",
        "AWS_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_BUCKET",
        "SITE_URL",
    ];
    let travis = travis();
    let first = travis.phase("before_deploy")[0];
    let script = format!("travis_terminate() {{ exit \"$1\"; }}\n{first}\necho continued");
    for missing in all {
        let mut bash = Command::new("bash");
        let others = all.into_iter().filter(|name| *name != missing);
        bash.args(["-c", &script]).env_clear().envs(others.map(|name| (name, "set")));
        let output = bash.output().expect("bash should start");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{missing}: {stderr}");
        assert!(stderr.starts_with(&format!("{missing} is not set.")), "{stderr}");
        assert_eq!(output.stdout, b"", "the build continued without {missing}");
    }
}

#[test]
fn the_build_fails_unless_the_site_is_ready_after_the_deployment() {
    let travis = travis();
    let [line] = travis.phase("after_deploy")[..] else { panic!("not one line") };
    for (response, timeout, exit_code) in [
        ("ready", "timeout 300", 0),
        ("degraded", "timeout 0.5", 1),
        ("unavailable", "timeout 0.5", 1),
    ] {
        let line = line.replace("timeout 300", timeout);
        let script = format!("travis_terminate() {{ exit \"$1\"; }}\n{line}");
        let dir = tempfile::tempdir().expect("a folder");
        let curl = format!(
            r#"[ "$5" = http://site/api/health/ready ] && echo '{{"status":"{response}"}}'"#
        );
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).env("SITE_URL", "http://site");
        let output = with_programs(&mut bash, dir.path(), &[("curl", &curl)]).output();
        let output = output.expect("bash should start");
        assert_eq!(output.status.code(), Some(exit_code), "{response}: {output:?}");
    }
}

#[test]
fn deploy_sh_fails_without_its_variables_or_an_image() {
    let pack = |variables: &[(&str, &str)]| {
        let mut command = Command::new(root().join("deploy.sh"));
        command.env_remove("IMAGES").env_remove("TRAVIS_COMMIT").envs(variables.iter().copied());
        let output = command.output().expect("deploy.sh should start");
        assert!(!output.status.success(), "deploy.sh succeeded with {variables:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(pack(&[]).contains("IMAGES: is not set"));
    assert!(pack(&[("IMAGES", "nobody")]).contains("TRAVIS_COMMIT: is not set"));
    let stderr = pack(&[("IMAGES", "nobody.example/nothing"), ("TRAVIS_COMMIT", "0123abc")]);
    let expected = "wants nobody.example/nothing/front-end:0123abc, which this build has not made";
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn deploy_sh_adds_the_login_for_private_images() {
    let dir = tempfile::tempdir().expect("a folder");
    let pack = |bucket: &str| -> Value {
        let mut command = Command::new(root().join("deploy.sh"));
        // All images exist, and the zip is printed instead of written.
        let programs = [("docker", ""), ("zip", r#"cat "$4""#)];
        with_programs(&mut command, dir.path(), &programs).env("DOCKERCFG_BUCKET", bucket);
        command.env("IMAGES", "somebody").env("TRAVIS_COMMIT", "0123abc");
        let output = command.output().expect("deploy.sh should start");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let mut private = pack("elasticbeanstalk-a-bucket");
    let login = json!({ "bucket": "elasticbeanstalk-a-bucket", "key": ".dockercfg" });
    assert_eq!(private["authentication"].take(), login);
    private.as_object_mut().expect("an object").remove("authentication");
    assert_eq!(private, pack(""));
    assert_eq!(private["containerDefinitions"][0]["image"], "somebody/front-end:0123abc");
}
