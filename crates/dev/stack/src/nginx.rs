//! Runs nginx without a container, as any user and on any port, with the configuration of one of
//! the images, such as the folder `nginx/`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{HttpService, Output, Port, Process, Signal, Variables, listens, programs::program};

/// nginx starts within milliseconds; the rest is for a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(15);

/// How to run an nginx. By default, on a free port of 127.0.0.1 and without variables.
#[derive(Default)]
pub struct NginxOptions {
    /// Its name in messages; `nginx` if empty.
    pub name: String,
    /// `None` chooses a free port.
    pub port: Option<Port>,
    /// Values for the `${NAME}` placeholders of the templates.
    pub variables: Variables,
    /// Directives whose values differ from those of the image, such as `("root", "/some/folder")`.
    /// `listen` is `127.0.0.1:<port>` unless it is given here.
    pub directives: Vec<(&'static str, String)>,
    pub output: Output,
}

/// Prepares an nginx with the configuration of the folder `config`, rendered into `dir`, which is
/// created if missing. The images' configurations write their files below `dir` only.
pub fn nginx(config: &Path, dir: &Path, options: NginxOptions) -> Result<HttpService> {
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let dir = fs::canonicalize(dir)?;
    let port = options.port.map_or_else(Port::free, Ok)?;
    let mut directives = options.directives;
    directives.push(("listen", format!("127.0.0.1:{}", port.number())));
    write_config(config, &dir, &options.variables, &directives)?;

    let nginx = program("nginx", "nginx")?;
    // Started by root, the workers of Debian's nginx run as www-data, which cannot read a checkout
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
        .args(startup_log_args(&nginx))
        .env_clear()
        .dir(dir)
        .stop_signal(Signal::QUIT)
        // QUIT waits for open connections, and an event stream stays open until SIGKILL.
        .stop_timeout(Duration::from_secs(1))
        // Workers outlive a killed master; on TERM, the master stops them.
        .death_signal(Signal::TERM)
        .output(options.output);
    Ok(HttpService::new(builder, port, READY_TIMEOUT, listens))
}

/// Copies the configuration into the layout of the images: templates and default.conf in conf.d,
/// the other files beside it.
fn write_config(
    config: &Path,
    dir: &Path,
    variables: &[(&str, String)],
    directives: &[(&str, String)],
) -> Result<()> {
    let conf_d = dir.join("conf.d");
    // nginx would include files that an earlier run left there.
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

/// Replaces the variables as the image does. The list of names protects nginx's own variables.
fn render(template: &Path, variables: &[(&str, String)]) -> Result<String> {
    let names: String = variables.iter().map(|(name, _)| format!("${{{name}}}")).collect();
    let mut envsubst = Command::new(program("envsubst", "gettext-base")?);
    envsubst.arg(names).envs(variables.iter().cloned()).stdin(fs::File::open(template)?);
    let output = envsubst.output().context("starting envsubst")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Gives each line `<name> <value>;` the first value that `directives` has for the name.
fn replace_directives(text: &str, directives: &[(&str, String)]) -> String {
    let replace = |line: &str| {
        let (name, _) = line.trim_start().split_once(' ')?;
        let (_, value) = directives.iter().find(|(known, _)| *known == name)?;
        Some(format!("{name} {value};\n"))
    };
    text.lines().map(|line| replace(line).unwrap_or_else(|| format!("{line}\n"))).collect()
}

/// Until nginx has read its configuration, it writes to its compiled-in error log unless it is
/// given `-e`, which versions before 1.19.5 do not have.
fn startup_log_args(nginx: &Path) -> &'static [&'static str] {
    let mut probe = Command::new(nginx);
    probe
        .args(["-e", "stderr", "-v"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) { &["-e", "stderr"] } else { &[] }
}
