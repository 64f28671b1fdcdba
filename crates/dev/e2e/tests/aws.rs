//! `aws/site.yaml` and `aws/deploy.sh`, checked without an AWS account: the template by cfn-lint,
//! the calls of the script and the task of Dockerrun.aws.json by the AWS CLI (aws-cli.py), the
//! options by a list from AWS's documentation, and the properties by the binaries' configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use clap::CommandFactory;
use e2e::{beanstalk_options, root, site_properties, site_template};
use serde_json::{Value, json};
use stack::testing::parse_options;

/// The option names of each namespace in beanstalk-options.txt.
fn documented_options() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut options: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut namespace = "";
    let lines = include_str!("beanstalk-options.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix("    ") {
            Some(names) => options.entry(namespace).or_default().extend(names.split(' ')),
            None => namespace = line,
        }
    }
    options
}

#[test]
fn every_beanstalk_option_is_documented() {
    let documented = documented_options();
    let mut used = BTreeSet::new();
    for option in beanstalk_options() {
        // Any variable may be a property.
        if option.namespace == "aws:elasticbeanstalk:application:environment" {
            continue;
        }
        let namespace = option.namespace.replace(":443", ":listener_port");
        let names = documented.get(namespace.as_str());
        let names = names.unwrap_or_else(|| panic!("{namespace} is not documented"));
        assert!(names.contains(option.name.as_str()), "{namespace} has no {}", option.name);
        let is_new = used.insert((option.namespace.clone(), option.name.clone()));
        assert!(is_new, "{} {} is set twice", option.namespace, option.name);
    }
}

#[test]
fn every_property_is_read_by_a_container_and_set_nowhere_else() {
    let variables = |command: clap::Command| -> BTreeSet<String> {
        let names = command.get_arguments().filter_map(|argument| argument.get_env());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let mut read = variables(server::config::ServerConfig::command());
    read.extend(variables(worker::config::WorkerConfig::command()));
    let entrypoint = fs::read_to_string(root().join("nginx/entrypoint.sh")).expect("a script");
    let edge = entrypoint.lines().filter_map(|line| line.strip_prefix(": \"${")?.split_once(":="));
    read.extend(edge.map(|(name, _)| name.to_owned()));
    let dockerrun = fs::read_to_string(root().join("Dockerrun.aws.json")).expect("a file");
    for (name, _) in site_properties() {
        assert!(read.contains(&name), "no container reads {name}");
        // ECS would give the container the value of Dockerrun.aws.json.
        assert!(!dockerrun.contains(&format!("{name:?}")), "Dockerrun.aws.json overrides {name}");
    }
}

#[test]
fn the_properties_configure_verified_tls_to_both_databases() {
    let properties: BTreeMap<String, Value> = site_properties().into_iter().collect();
    let options = ["PGSSLMODE", "PGSSLROOTCERT", "REDIS_TLS"].map(|name| {
        let value = properties[name].as_str().unwrap_or_else(|| panic!("{name} should be a text"));
        format!("--{}={value}", name.to_lowercase().replace('_', "-"))
    });
    let arguments = ["server"].into_iter().chain(options.iter().map(String::as_str));
    let server: server::config::ServerConfig = parse_options(arguments);
    assert!(format!("{:?}", server.postgres.pgsslmode).contains("VerifyFull"));
    assert!(server.redis.redis_tls);
    let file = server.postgres.pgsslrootcert.expect("PGSSLROOTCERT");
    let dockerfile = fs::read_to_string(root().join("server/Dockerfile")).expect("a file");
    let copy = format!("COPY --chmod=644 server/rds-ca.pem {}\n", file.display());
    assert!(dockerfile.contains(&copy), "the server's image has no {}", file.display());
    let region = e2e::Travis::read(root()).expect(".travis.yml").deployment()["region"].clone();
    let region = region.as_str().expect("a region");
    let certificates = fs::read_to_string(root().join("server/rds-ca.pem")).expect("a file");
    let name = format!("Amazon RDS {region} Root CA RSA2048 G1\n-----BEGIN CERTIFICATE-----\n");
    assert!(certificates.contains(&name), "server/rds-ca.pem has no certificate of {region}");
}

/// Runs `command` with an `aws` in PATH that is `aws-cli.py`, and returns the calls of AWS that it
/// made: operations and their parameters.
fn run_with_aws_cli(command: &mut Command) -> (Output, Vec<(String, Value)>) {
    let python = std::env::var("AWS_CLI_PYTHON").expect("AWS_CLI_PYTHON: see `cargo xtask test`");
    let dir = tempfile::tempdir().expect("a folder");
    let (aws, calls) = (dir.path().join("aws"), dir.path().join("calls"));
    let program = root().join("crates/dev/e2e/tests/aws-cli.py");
    fs::write(&aws, format!("#!/bin/sh\nexec {python} {} \"$@\"\n", program.display()))
        .expect("a script");
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).expect("a mode");
    let path = std::env::var("PATH").expect("PATH");
    command.env("PATH", format!("{}:{path}", dir.path().display())).env("CALLS", &calls);
    let output = command.output().expect("the command should start");
    let lines = fs::read_to_string(calls).unwrap_or_default();
    let call = |line: &str| {
        let mut call: Value = serde_json::from_str(line).expect("JSON");
        (call["operation"].as_str().expect("an operation").to_owned(), call["parameters"].take())
    };
    (output, lines.lines().map(call).collect())
}

/// `aws/deploy.sh`, without a login for Docker Hub.
fn deploy_script() -> Command {
    let mut command = Command::new(root().join("aws/deploy.sh"));
    for name in ["DOCKER_ID", "DOCKER_PASSWORD", "DOCKER_REGISTRY"] {
        command.env_remove(name);
    }
    command
}

fn deploy(arguments: &[&str], variables: &[(&str, &str)]) -> (String, Vec<(String, Value)>) {
    let mut command = deploy_script();
    let command = command.args(arguments).envs(variables.iter().copied());
    let (output, calls) = run_with_aws_cli(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    (String::from_utf8(output.stdout).expect("text"), calls)
}

#[test]
#[ignore = "needs the AWS CLI of PyPI: cargo xtask test"]
fn the_script_creates_the_stack_and_prints_the_settings_of_the_ci() {
    let login = [("DOCKER_ID", "somebody"), ("DOCKER_PASSWORD", "a password")];
    let (stdout, calls) = deploy(&["MinInstances=2", "MaxInstances=4", "MultiAZ=true"], &login);
    let call = |operation: &str| -> &Value {
        let found = calls.iter().find(|(name, _)| name == operation);
        &found.unwrap_or_else(|| panic!("{operation} is not in {calls:#?}")).1
    };
    let changes = call("CreateChangeSet");
    assert_eq!(
        changes["TemplateBody"],
        fs::read_to_string(root().join("aws/site.yaml")).expect("a file")
    );
    let given = changes["Parameters"].as_array().expect("parameters").iter();
    let given: BTreeMap<&str, &str> = given
        .map(|each| {
            (each["ParameterKey"].as_str().unwrap(), each["ParameterValue"].as_str().unwrap())
        })
        .collect();
    assert_eq!((given["MinInstances"], given["MaxInstances"]), ("2", "4"));
    assert!(given["PlatformArn"].contains("/ECS running on 64bit Amazon Linux 2023/"));
    for (name, parameter) in site_template()["Parameters"].as_object().expect("parameters") {
        let has_value = !parameter["Default"].is_null() || given.contains_key(name.as_str());
        assert!(has_value, "{name} has no value");
    }
    call("ExecuteChangeSet");
    let file = call("PutObject");
    assert_eq!(file["Key"], ".dockercfg");
    // base64 of "somebody:a password"
    let expected =
        json!({ "https://index.docker.io/v1/": { "auth": "c29tZWJvZHk6YSBwYXNzd29yZA==" } });
    let content: Value =
        serde_json::from_str(file["Body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(content, expected);

    let pipeline = fs::read_to_string(root().join(".travis.yml")).expect("a file");
    for name in ["AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_BUCKET", "SITE_URL"] {
        let has_value = |line: &str| {
            line.strip_prefix(&format!("{name}=")).is_some_and(|value| !value.is_empty())
        };
        assert!(stdout.lines().any(has_value), "{name} is not in {stdout}");
        assert!(pipeline.contains(&format!("${name}")), ".travis.yml does not use {name}");
    }
    assert!(stdout.contains("\nDOCKERCFG_BUCKET=elasticbeanstalk-"), "{stdout}");
}

/// The AWS CLI ignores a parameter that the template does not have. `Postgres` is a resource.
#[test]
fn the_script_refuses_an_unknown_parameter() {
    for name in ["MaxInstanes", "Postgres"] {
        let output = deploy_script().arg(format!("{name}=3")).output();
        let output = output.expect("deploy.sh should start");
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(stderr, format!("aws/deploy.sh: site.yaml has no parameter {name}\n"));
    }
}

#[test]
fn the_script_refuses_a_login_without_a_password() {
    let output = deploy_script().env("DOCKER_ID", "somebody").output();
    let output = output.expect("deploy.sh should start");
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.contains("DOCKER_PASSWORD: is not set"), "{stderr}");
}

/// AWS would make the roles itself, but may use one too early.
#[test]
#[ignore = "needs the AWS CLI of PyPI: cargo xtask test"]
fn the_script_first_creates_the_service_linked_roles_that_are_missing() {
    let created = |answers: Value| -> Vec<String> {
        let (_, calls) = deploy(&[], &[("ANSWERS", &answers.to_string())]);
        let calls = calls.iter().take_while(|(operation, _)| operation != "CreateChangeSet");
        let roles = calls.filter(|(operation, _)| operation == "CreateServiceLinkedRole");
        roles.map(|(_, role)| role["AWSServiceName"].as_str().expect("a name").into()).collect()
    };
    let services = ["ecs.amazonaws.com", "rds.amazonaws.com", "elasticache.amazonaws.com"];
    assert_eq!(created(json!({})), services);
    let role = json!({ "RoleName": "AWSServiceRoleForECS" });
    assert_eq!(created(json!({ "ListRoles": { "Roles": [role] } })), [] as [&str; 0]);
}

#[test]
#[ignore = "needs the AWS CLI of PyPI: cargo xtask test"]
fn the_script_ends_when_the_region_has_no_platform() {
    let none = json!({ "ListPlatformVersions": { "PlatformSummaryList": [] } });
    let (output, calls) = run_with_aws_cli(deploy_script().env("ANSWERS", none.to_string()));
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.ends_with("Elastic Beanstalk has no ECS platform in us-east-1\n"), "{stderr}");
    assert_eq!(calls.len(), 1, "{calls:?}");
}

#[test]
#[ignore = "needs the AWS CLI of PyPI: cargo xtask test"]
fn the_script_uploads_no_login_for_public_images() {
    let (stdout, calls) = deploy(&[], &[]);
    assert!(!calls.iter().any(|(operation, _)| operation == "PutObject"), "{calls:#?}");
    assert!(!stdout.contains("DOCKERCFG_BUCKET"), "{stdout}");
}

#[test]
#[ignore = "needs the AWS CLI of PyPI: cargo xtask test"]
fn the_task_of_dockerrun_is_valid_for_ecs() {
    let register = |task: &Value| {
        let mut command = Command::new("sh");
        command.args(["-c", "aws ecs register-task-definition --cli-input-json \"$0\""]);
        let command = command.arg(task.to_string()).env("AWS_DEFAULT_REGION", "us-east-1");
        run_with_aws_cli(command).0
    };
    let file = fs::read_to_string(root().join("Dockerrun.aws.json")).expect("a file");
    let dockerrun: Value = serde_json::from_str(&file).expect("JSON");
    let mut task = json!({
        "family": "site",
        "containerDefinitions": dockerrun["containerDefinitions"],
    });
    let output = register(&task);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    task["containerDefinitions"][0]["memory"] = "64 MB".into();
    let stderr = String::from_utf8(register(&task).stderr).expect("text");
    assert!(stderr.contains("containerDefinitions[0].memory"), "{stderr}");
}

#[test]
#[ignore = "needs cfn-lint of PyPI: cargo xtask test"]
fn cfn_lint_finds_nothing_in_the_template() {
    let program = std::env::var("CFN_LINT").expect("CFN_LINT: see `cargo xtask test`");
    let template = fs::read_to_string(root().join("aws/site.yaml")).expect("a file");
    let dir = tempfile::tempdir().expect("a folder");
    let lint = |template: &str| {
        let file = dir.path().join("site.yaml");
        fs::write(&file, template).expect("a file");
        let mut command = Command::new(&program);
        command.args(["--regions", "us-east-1", "eu-central-1", "--template"]).arg(file);
        command.output().expect("cfn-lint should start")
    };
    let output = lint(&template);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let output = lint(&template.replace("StorageEncrypted", "StorageIsEncrypted"));
    assert!(!output.status.success(), "cfn-lint accepts a property that does not exist");
}
