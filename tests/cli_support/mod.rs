//! The real binary, a server that never outlives its test, and small inputs.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// What a finished command left.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Checks the exit code; shows everything if it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Checks that standard error holds each text, and standard output nothing.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is not in:\n{}", self.err);
        }
        assert_eq!(self.out, "");
        self
    }
}

pub fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_spotcheck"))
}

/// Runs the binary to its end.
pub fn run(args: &[&str]) -> Done {
    let output = command().args(args).stdin(Stdio::null()).output().unwrap();
    Done {
        code: output.status.code().expect("no signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The binary with these arguments, whatever it says.
pub fn quiet(args: &[&str]) -> Command {
    let mut command = command();
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A server on a loopback port of a store.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    pub fn start(store: &Path) -> Self {
        Server::logging(store, Stdio::null())
    }

    /// As [`Server::start`], with a place for its log.
    pub fn logging(store: &Path, log: Stdio) -> Self {
        let mut child = command()
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(store)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
        // Made before anything can fail, so that the process ends with the test.
        let mut server = Server { child, url: String::new() };
        server.url = format!("http://{}", address.expect("the server says where it listens"));
        server
    }

    /// Its resident memory in MiB.
    #[cfg(target_os = "linux")]
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
    }

    /// Asks it to stop, and waits until it has.
    #[cfg(unix)]
    pub fn stop(mut self, signal: &str) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory of its own for a test, with a policy, CSV files and a store.
pub struct World {
    dir: tempfile::TempDir,
}

impl World {
    pub fn empty() -> Self {
        let world = World { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(world.path("csv")).unwrap();
        world
    }

    /// A generated province.
    pub fn province(units: u32) -> Self {
        let world = World { dir: tempfile::tempdir().unwrap() };
        let csv = world.text("csv");
        run(&["generate", "--units", &units.to_string(), "--seed", "7", "--out", &csv]).expect(0);
        world.write("policy.toml", PROVINCE_POLICY);
        world
    }

    /// A handful of units with opaque ids.
    pub fn village() -> Self {
        let world = World::empty();
        for (name, text) in VILLAGE {
            world.write(&format!("csv/{name}.csv"), text);
        }
        world.write("policy.toml", VILLAGE_POLICY);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Adds a line to a CSV file.
    pub fn add(&self, table: &str, line: &str) {
        let name = format!("csv/{table}.csv");
        let mut text = self.read(&name);
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        self.write(&name, text);
    }

    /// Gives the last enterprise another name, so that the next import changes something; its id.
    pub fn rename_an_enterprise(&self, name: &str) -> String {
        let text = String::from_utf8(self.read("csv/enterprises.csv")).unwrap();
        let (rest, last) = text.trim_end().rsplit_once('\n').unwrap();
        let fields: Vec<&str> = last.split(',').collect();
        let (id, others) = (fields[0], fields[2..].join(","));
        self.write("csv/enterprises.csv", format!("{rest}\n{id},{name},{others}\n"));
        id.to_owned()
    }

    /// Where commands look: the store itself.
    pub fn store(&self) -> [String; 2] {
        ["--store".into(), self.text("store")]
    }

    /// Runs a command on a place (`--store DIR` or `--server URL`).
    pub fn on(&self, place: &[String; 2], args: &[&str]) -> Done {
        let mut all = vec![args[0], place[0].as_str(), place[1].as_str()];
        all.extend(&args[1..]);
        run(&all)
    }

    pub fn import(&self, place: &[String; 2], more: &[&str]) -> Done {
        let csv = self.text("csv");
        let mut args = vec!["import", "--dir", &csv];
        args.extend(more);
        self.on(place, &args)
    }

    pub fn plan(&self, place: &[String; 2], seed: &str, more: &[&str]) -> Done {
        let policy = self.text("policy.toml");
        let mut args = vec!["plan", "--policy", &policy, "--seed-text", seed];
        args.extend(more);
        self.on(place, &args)
    }
}

/// The place of a server.
pub fn at(server: &Server) -> [String; 2] {
    ["--server".into(), server.url.clone()]
}

/// The name of the plan that `plan` tells of.
pub fn plan_name(done: &Done) -> String {
    let first = done.out.lines().next().unwrap();
    first.split_whitespace().nth(1).unwrap().to_owned()
}

pub const PROVINCE_POLICY: &str = r#"
id     = "small"
title  = "小计划"
method = "m1"
period = { from = "2026-01-01", to = "2026-12-31" }
as_of  = "2025-12-15"
floor  = "1%"

[budget]
province = { total = 60 }
city     = { total = 160, split = "root", floor = 4 }
county   = { total = 302, split = "units", floor = 1 }

[[quota]]
name     = "key products"
where    = { key = true }
min      = "20%"
each     = ["plan", "level"]
hardness = "legal"

[[quota]]
name  = "online"
where = { channel = "online" }
min   = "3%"
max   = "95%"
each  = ["level"]

[weights]
tier = { A = 1, B = 2, C = 4, D = 8, unknown = 3 }

[replacements]
per_line = 1

[[wave]]
until = "2026-06-30"
share = "50%"
[[wave]]
until = "2026-12-31"
share = "50%"
"#;

pub const VILLAGE_POLICY: &str = r#"
id     = "village"
method = "m1"
period = { from = "2026-01-01", to = "2026-12-31" }
as_of  = "2025-12-15"
[budget]
province = { total = 4 }
[[quota]]
name  = "key"
where = { key = true }
min   = "25%"
each  = ["plan"]
[weights]
tier  = { A = 1, B = 2, unknown = 1 }
"#;

const VILLAGE: [(&str, &str); 5] = [
    (
        "divisions",
        "code,name,level,parent_code,kind\n37,P,province,,\n3701,C,city,37,\n\
         370102,X,county,3701,district\n370103,Y,county,3701,district\n",
    ),
    ("products", "product_id,name,key,key_group,test_quantity\np,P,true,g,1\nq,Q,false,,2\n"),
    (
        "enterprises",
        "enterprise_id,name,status,division,area,accidents\ne1,E1,active,370102,urban,0\n\
         e2,E2,active,370102,urban,0\ne3,E3,active,370103,rural,1\ne4,E4,active,370103,rural,\n",
    ),
    (
        "supply",
        "enterprise_id,product_id,channel\ne1,p,production\ne1,q,circulation\ne2,p,production\n\
         e2,q,circulation\ne3,p,production\ne3,q,circulation\ne4,p,production\ne4,q,circulation\n",
    ),
    ("tiers", "enterprise_id,product_id,tier,valid_from\ne1,,B,2025-01-01\ne3,p,A,\n"),
];
