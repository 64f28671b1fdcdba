//! An nginx that runs the configuration of one of the images outside of an image: from a folder
//! such as `nginx/`, as any user, on another port. Whether the configuration is right, nginx says.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{HttpService, Output, Port, Process, Signal, Variables, listens, programs::program};

/// nginx is up in milliseconds, or not at all.
const READY_TIMEOUT: Duration = Duration::from_secs(15);

/// How an nginx is run. The default: on a free port of 127.0.0.1, without variables.
#[derive(Default)]
pub struct NginxOptions {
    /// Its name in messages; `nginx` when empty.
    pub name: String,
    /// A free one when `None`.
    pub port: Option<Port>,
    /// Values for the `${NAME}` placeholders of the templates.
    pub variables: Variables,
    /// Directives that have another value than in the image, such as `("root", "/some/folder")`.
    /// `listen` is `127.0.0.1:<port>` unless it is given here.
    pub directives: Vec<(&'static str, String)>,
    pub output: Output,
}

/// An nginx with the configuration in the folder `config`, rendered into `dir` (created when
/// missing), not yet started. It writes to `dir` and nowhere else.
pub fn nginx(config: &Path, dir: &Path, options: NginxOptions) -> Result<HttpService> {
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let dir = fs::canonicalize(dir)?;
    let port = options.port.map_or_else(Port::free, Ok)?;
    let mut directives = options.directives;
    directives.push(("listen", format!("127.0.0.1:{}", port.number())));
    write_config(config, &dir, &options.variables, &directives)?;

    let nginx = program("nginx", "nginx")?;
    // Debian's nginx starts as root and its workers change to www-data, who may not read a checkout
    // in /root.
    let root = rustix::process::geteuid().is_root();
    let extra = if root { "daemon off; user root;" } else { "daemon off;" };
    let name = if options.name.is_empty() { "nginx" } else { &options.name };
    let builder = Process::builder(name, &nginx)
        .arg("-p")
        .arg(&dir)
        .arg("-c")
        .arg(dir.join("nginx.conf"))
        .args(["-g", extra])
        .args(early_log(&nginx))
        .env_clear()
        .dir(dir)
        .stop_signal(Signal::QUIT)
        // QUIT waits for open connections, and an event stream never closes; TERM after a moment.
        .stop_timeout(Duration::from_secs(1))
        // Its workers outlive a master that is killed, so the master has to be asked.
        .death_signal(Signal::TERM)
        .output(options.output);
    Ok(HttpService::new(builder, port, READY_TIMEOUT, listens))
}

/// Copies the configuration to where it is in the images: templates and default.conf below conf.d,
/// the rest beside it.
fn write_config(
    config: &Path,
    dir: &Path,
    variables: &[(&str, String)],
    directives: &[(&str, String)],
) -> Result<()> {
    let conf_d = dir.join("conf.d");
    // nginx would include files that an earlier version left there.
    let _ = fs::remove_dir_all(&conf_d);
    fs::create_dir(&conf_d)?;
    for entry in fs::read_dir(config).with_context(|| format!("reading {}", config.display()))? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = file.strip_suffix(".template").unwrap_or(&file);
        if !name.ends_with(".conf") {
            continue;
        }
        let target = if name != file || name == "default.conf" { &conf_d } else { dir };
        let text =
            if name != file { render(&path, variables) } else { Ok(fs::read_to_string(&path)?) };
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        fs::write(target.join(name), replace_directives(&text, directives))?;
    }
    Ok(())
}

/// Replaces the variables as the image does. nginx has variables of its own, hence the list.
fn render(template: &Path, variables: &[(&str, String)]) -> Result<String> {
    let names: String = variables.iter().map(|(name, _)| format!("${{{name}}}")).collect();
    let mut envsubst = Command::new(program("envsubst", "gettext-base")?);
    envsubst.arg(names).envs(variables.iter().cloned()).stdin(fs::File::open(template)?);
    let output = envsubst.output().context("starting envsubst")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Gives each line `<name> <value>;` the first value of that name in `directives`.
fn replace_directives(text: &str, directives: &[(&str, String)]) -> String {
    let replace = |line: &str| {
        let (name, _) = line.trim_start().split_once(' ')?;
        let (_, value) = directives.iter().find(|(known, _)| *known == name)?;
        Some(format!("{name} {value};\n"))
    };
    text.lines().map(|line| replace(line).unwrap_or_else(|| format!("{line}\n"))).collect()
}

/// Until it has read its configuration nginx writes to the system's log, unless told; versions
/// before 1.19.5 cannot be told.
fn early_log(nginx: &Path) -> &'static [&'static str] {
    let mut probe = Command::new(nginx);
    probe
        .args(["-e", "stderr", "-v"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) { &["-e", "stderr"] } else { &[] }
}
