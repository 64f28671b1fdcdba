//! Tests of ports, processes and services with a real Postgres, Redis and nginx.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use std::{fs, thread};

use stack::testing::TEST_TIMEOUT;
use stack::{
    NginxOptions, Port, PortTaken, Postgres, PostgresOptions, Process, RedisOptions, Service,
    Signal, http_get, is_running, testing, wait_until,
};

#[test]
fn ports_held_at_the_same_time_are_all_different() {
    let ports: Vec<Port> = (0..200).map(|_| Port::free().unwrap()).collect();
    let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), ports.len());
}

#[test]
fn a_port_is_taken_while_held_and_free_afterwards() {
    let port = Port::free().unwrap();
    let number = port.number();
    let clone = port.clone();
    drop(port);
    assert!(Port::exactly(number).unwrap_err().is::<PortTaken>());
    assert_ne!(Port::prefer(number).unwrap().number(), number);
    drop(clone);
    assert_eq!(Port::prefer(number).unwrap().number(), number);
}

/// A child has a copy of each of our descriptors until its exec.
#[test]
fn a_dropped_port_is_free_at_once_while_processes_are_starting() {
    let (done, starting) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Relaxed) {
                Command::new("true").status().unwrap();
                starting.fetch_add(1, Relaxed);
            }
        });
        let mut round = 0;
        while round < 1_000 || starting.load(Relaxed) < 100 {
            let number = Port::free().unwrap().number();
            if Port::prefer(number).unwrap().number() != number {
                done.store(true, Relaxed);
                panic!("{number} was not free again in round {round}");
            }
            round += 1;
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn a_port_that_a_server_listens_on_is_taken() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let number = listener.local_addr().unwrap().port();
    assert!(Port::exactly(number).unwrap_err().is::<PortTaken>());
}

#[test]
fn postgres_keeps_its_data_when_it_is_killed_and_restarted() {
    let postgres = testing::postgres().unwrap();
    let port = postgres.port();
    postgres.create_database("kept").unwrap();
    postgres.psql("kept", "CREATE TABLE t (n int)").unwrap();
    postgres.psql("kept", "INSERT INTO t VALUES (7)").unwrap();

    postgres.kill().unwrap();
    assert!(postgres.psql("kept", "SELECT 1").is_err());
    postgres.restart().unwrap();

    assert_eq!(postgres.psql("kept", "SELECT n FROM t").unwrap(), "7\n");
    assert_eq!(postgres.port(), port);
    postgres.create_database("kept").unwrap();
}

#[test]
fn postgres_runs_below_a_folder_that_only_its_owner_may_enter() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let start = || {
        let options = PostgresOptions { throwaway: true, ..Default::default() };
        let postgres = Postgres::prepare(&inner, options).unwrap();
        postgres.start().unwrap();
        postgres
    };
    start().create_database("kept").unwrap();
    assert_eq!(start().psql("kept", "SELECT 1").unwrap(), "1\n");
}

#[test]
fn a_sql_error_contains_the_message_of_postgres() {
    let database = testing::Database::new().unwrap();
    let error = database.psql("SELECT nonsense").unwrap_err().to_string();
    assert!(error.contains("\"nonsense\" does not exist"), "{error}");
}

#[test]
fn databases_of_one_process_share_only_the_postgres() {
    let (first, second) = (testing::Database::new().unwrap(), testing::Database::new().unwrap());
    assert_eq!(first.port(), second.port());
    assert_ne!(first.url(), second.url());
    first.psql("CREATE TABLE t (n int)").unwrap();
    assert!(second.psql("SELECT * FROM t").is_err());
}

#[test]
fn a_durable_redis_keeps_its_data_and_can_be_emptied() {
    let redis = testing::redis_with(RedisOptions { durable: true, ..Default::default() }).unwrap();
    redis.cli(&["SET", "k", "v"]).unwrap();
    redis.restart().unwrap();
    assert_eq!(redis.cli(&["GET", "k"]).unwrap(), "v");
    redis.restart_empty().unwrap();
    assert_eq!(redis.cli(&["EXISTS", "k"]).unwrap(), "0");
}

#[test]
fn a_redis_that_is_not_durable_loses_its_data_when_killed() {
    let redis = testing::redis().unwrap();
    let first = redis.pid();
    redis.kill().unwrap();
    assert!(!redis.is_ready());
    redis.start().unwrap();
    assert!(redis.is_ready() && redis.pid() != first);
}

#[test]
fn temporary_folders_are_removed_with_their_services() {
    let redis = testing::redis().unwrap();
    let postgres = testing::postgres().unwrap();
    let dirs = [redis.dir().to_owned(), postgres.dir().to_owned()];
    assert!(dirs.iter().all(|dir| dir.exists()));
    drop((redis, postgres));
    assert!(dirs.iter().all(|dir| !dir.exists()));
}

const NGINX_CONF: &str = "worker_processes 1; pid nginx.pid; events {}
http {
    log_format short '$request_method $uri $status';
    access_log /dev/stdout short;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    include conf.d/*.conf;
}";

const DEFAULT_CONF: &str = "server {
    listen 80;
    location / { return 200 'hello $uri ${GREETING} ${host}'; }
}";

/// A configuration with a file of each kind that the images have.
fn nginx_config() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("nginx.conf"), NGINX_CONF).unwrap();
    fs::write(dir.path().join("default.conf.template"), DEFAULT_CONF).unwrap();
    dir
}

#[test]
fn nginx_serves_a_rendered_template_and_its_access_log_is_captured() {
    let config = nginx_config();
    let variables = vec![("GREETING", "world".to_owned())];
    let nginx =
        testing::nginx(config.path(), NginxOptions { variables, ..Default::default() }).unwrap();
    let response = http_get(&format!("{}/x", nginx.url())).unwrap();
    assert_eq!((response.status, response.body.as_str()), (200, "hello /x world 127.0.0.1"));
    wait_until("nginx has logged the request", TEST_TIMEOUT, || nginx.log().contains("GET /x 200"))
        .unwrap();

    nginx.kill().unwrap();
    assert!(http_get(&nginx.url()).is_err(), "a worker survived its master");
    nginx.start().unwrap();
    http_get(&nginx.url()).unwrap();
}

#[test]
fn an_nginx_template_with_an_unset_variable_is_an_error_that_names_it() {
    let error =
        testing::nginx(nginx_config().path(), NginxOptions::default()).unwrap_err().to_string();
    assert!(error.contains("unknown \"greeting\" variable"), "{error}");
}

#[test]
fn a_service_that_ends_early_is_an_error_with_its_last_lines() {
    let builder = Process::builder("failing", "sh").args(["-c", "echo no memory >&2; exit 3"]);
    let error = Service::new(builder, TEST_TIMEOUT, || false).start().unwrap_err().to_string();
    assert!(error.contains("failing ended early (exit status: 3)"), "{error}");
    assert!(error.ends_with("no memory"), "{error}");
}

#[test]
fn redis_on_a_taken_port_is_an_error_with_its_message() {
    let port = Port::free().unwrap();
    let _listener = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
    let options = RedisOptions { port: Some(port), ..Default::default() };
    let error = testing::redis_with(options).unwrap_err();
    assert!(error.to_string().contains("Address already in use"), "{error}");
}

#[test]
fn a_process_that_ignores_the_stop_signal_is_killed_with_its_group() {
    let script = "trap '' TERM; sleep 600 & echo $!; while :; do sleep 600; done";
    let builder = Process::builder("bash", "bash").args(["-c", script]);
    let mut process = builder.stop_timeout(Duration::from_millis(100)).spawn().unwrap();
    wait_until("it has written its child's id", TEST_TIMEOUT, || process.log().ends_with('\n'))
        .unwrap();
    let grandchild = process.log().trim().parse().unwrap();
    process.stop().unwrap();
    wait_until("its child has ended", TEST_TIMEOUT, || !is_running(grandchild)).unwrap();
}

#[test]
fn a_suspended_process_can_be_continued_and_stopped() {
    let mut process = Process::builder("sleep", "sleep").arg("600").spawn().unwrap();
    process.signal(Signal::STOP).unwrap();
    let pid = process.pid().try_into().unwrap();
    let state = || procfs::process::Process::new(pid).unwrap().stat().unwrap().state;
    wait_until("it is suspended", TEST_TIMEOUT, || state() == 'T').unwrap();
    process.signal(Signal::CONT).unwrap();
    wait_until("it sleeps", TEST_TIMEOUT, || state() == 'S').unwrap();
    process.signal(Signal::STOP).unwrap();
    let status = process.stop().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

#[test]
fn a_timeout_names_the_condition() {
    let error = wait_until("pigs fly", Duration::from_millis(20), || false).unwrap_err();
    assert_eq!(error.to_string(), "timed out after 20ms waiting until pigs fly");
}
