//! A running server of the real binary with metrics, a log and signals.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use spotcheck::service::Planner;
use spotcheck::store::SledStore;
use tonic::transport::Channel;

use crate::cli_support::{World, command};

/// How the server is started.
pub struct Settings {
    pub drain: u32,
    pub env: Vec<(&'static str, String)>,
    /// Where standard error goes; else a file that [`Running::log`] reads.
    pub log: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { drain: 60, env: Vec::new(), log: None }
    }
}

/// A running server; ends with the test.
pub struct Running {
    child: Child,
    log: PathBuf,
    /// Where it serves.
    pub url: String,
    /// `ADDRESS:PORT` of its metrics.
    pub metrics: String,
}

impl Running {
    pub fn start(world: &World, settings: Settings) -> Self {
        let log = settings.log.unwrap_or_else(|| world.path("log"));
        let mut child = command()
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--drain-seconds", &settings.drain.to_string()])
            .arg("--store")
            .arg(world.path("store"))
            .envs(settings.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Made before anything can fail, so that the process ends with the test.
        let mut server = Running { child, log, url: String::new(), metrics: String::new() };
        let mut next = |prefix: &str| {
            let line = lines.next().expect("the server says where it listens").unwrap();
            line.strip_prefix(prefix).unwrap_or_else(|| panic!("{line}")).to_owned()
        };
        server.metrics = next("metrics on ");
        server.url = format!("http://{}", next("listening on "));
        server
    }

    /// Runs `work` with a connection to the server.
    pub fn block_on<T>(&self, work: impl AsyncFnOnce(Channel) -> T) -> T {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let channel = Channel::from_shared(self.url.clone()).unwrap();
            work(channel.connect().await.unwrap()).await
        })
    }

    /// Sends it a signal, whenever it is called.
    pub fn signal(&self, name: &'static str) -> impl Fn() + use<> {
        let id = self.child.id().to_string();
        move || {
            assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        }
    }

    /// Waits for its end; the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn stop(&mut self, signal: &'static str) -> Option<i32> {
        self.signal(signal)();
        self.wait()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        get(&self.metrics, path)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of a page; (0, "") if nobody answers.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    if stream.write_all(head.as_bytes()).is_err() || stream.read_to_string(&mut answer).is_err() {
        return (0, String::new());
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The planner over the store that a server has left.
pub fn planner(world: &World) -> Planner {
    Planner::new(Arc::new(SledStore::open(&world.path("store")).unwrap()), 2).unwrap()
}
