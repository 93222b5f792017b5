//! The example client in Python against the real binary, over TLS and with a token: a foreign gRPC
//! library that knows the interface from reflection alone.
#![cfg(unix)]

mod cli_support;
mod office;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli_support::{Done, run};
use office::Office;

/// Runs a program to its end; says what is missing if it cannot be run.
fn must(command: &mut Command, missing: &str) -> String {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?}: {error}; {missing}"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}\n{missing}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A Python with what the client needs, made once for each list of requirements.
fn python(client: &Path) -> PathBuf {
    let missing = "the Python client needs python3 (3.11 or newer) with venv and pip \
                   (Debian: python3 python3-venv python3-pip) and a package index to install from";
    let requirements = client.join("requirements.txt");
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-client");
    let (python, stamp) = (venv.join("bin/python"), venv.join("requirements.txt"));
    let wanted = fs::read(&requirements).unwrap();
    if fs::read(&stamp).is_ok_and(|made| made == wanted) {
        return python;
    }
    let version = "import sys; assert sys.version_info >= (3, 11), sys.version";
    must(Command::new("python3").args(["-c", version]), missing);
    must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), missing);
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    must(pip.arg(&requirements), missing);
    fs::write(&stamp, wanted).unwrap();
    python
}

#[test]
fn the_python_client_imports_draws_lists_and_verifies() {
    // A machine with no more than a Rust toolchain can run all other tests; CI has Python.
    if std::env::var_os("CI").is_none()
        && std::process::Command::new("python3").arg("--version").output().is_err()
    {
        eprintln!("skipped: python3 (3.11 or later) is missing");
        return;
    }
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients/python");
    let python = python(&client);
    let office = Office::new();
    let world = &office.world;
    let server = office.start(&[]);
    let token = office.token("python", &["planner"], "");
    world.write("py-token", &token);
    let (ca, token_file) = (world.text("ca.pem"), world.text("py-token"));
    let address = format!("localhost:{}", server.port);
    let here = |args: &[&str]| office.on(&server, &token, args);
    let call = |args: &[&str]| {
        let mut command = Command::new(&python);
        // No caches beside the sources.
        command.arg("-B").arg(client.join("client.py")).args(["--server", &address, "--ca", &ca]);
        command.args(["--token-file", &token_file]).args(args);
        let output = command.output().unwrap();
        Done {
            code: output.status.code().expect("no signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    };
    let (csv, policy) = (world.text("csv"), world.text("policy.toml"));

    let done = call(&["import", &csv]).expect(0);
    assert!(done.out.starts_with("revisions/1 imported\n"), "{}", done.out);
    // The library of the binary reads the files to the same revision.
    let again = here(&["import", "--dir", &csv]).expect(0);
    assert!(
        again.out.starts_with("revision  1") && again.out.contains("as before"),
        "{}",
        again.out
    );
    assert!(call(&["import", &csv]).expect(0).out.starts_with("revisions/1 unchanged\n"));

    let frozen = call(&["freeze", "--policy", &policy]).expect(0).out;
    let frame = frozen.lines().next().unwrap();
    let seed = "drawn from abroad, 抽签";
    let drawn = call(&["plan", "--frame", frame, "--seed-text", seed]).expect(0);
    assert!(drawn.err.contains("exact flow\n"), "the stages are told: {}", drawn.err);
    let plan = drawn.out.lines().next().unwrap();
    // The policy as Python reads it is the policy as it is read here: the same plan.
    let same = call(&["plan", "--policy", &policy, "--seed-text", seed]).expect(0);
    assert_eq!(same.out, drawn.out);
    let own = here(&["plan", "--policy", &policy, "--seed-text", seed]).expect(0);
    assert_eq!(format!("plans/{}", cli_support::plan_name(&own)), plan);
    let listed = call(&["plans"]).expect(0).out;
    assert!(listed.starts_with(&format!("{plan} 522 ")) && listed.lines().count() == 1, "{listed}");

    let lines = world.text("lines.csv");
    let name = plan.strip_prefix("plans/").unwrap();
    for filter in [&[][..], &["--level", "city"], &["--level", "county"]] {
        call(&[&["lines", plan, "--out", &lines], filter].concat()).expect(0);
        let args = [&["lines", name, "--format", "csv"], filter].concat();
        assert_eq!(String::from_utf8(world.read("lines.csv")).unwrap(), here(&args).expect(0).out);
    }

    let file = world.text("plan.json");
    call(&["export", plan, "--out", &file]).expect(0);
    run(&["verify", &file]).expect(0);
    for checked in [plan, &file] {
        assert!(call(&["verify", checked]).expect(0).out.ends_with("\nholds\n"));
    }
    assert!(call(&["regenerate", plan]).expect(0).out.starts_with("the same, byte for byte: "));

    // What is wrong is named.
    let text = String::from_utf8(world.read("plan.json")).unwrap();
    world.write("plan.json", text.replacen("small", "smell", 1));
    assert!(call(&["verify", &file]).expect(4).out.ends_with("DOES NOT HOLD\n"));
    call(&["regenerate", "plans/none-00"]).expect(2).says(&["NOT_FOUND", "plans/none-00"]);
    let greedy = String::from_utf8(world.read("policy.toml")).unwrap();
    let greedy = greedy.replace("total = 60", "total = 999999").replace("\"small\"", "\"greedy\"");
    world.write("policy.toml", greedy);
    let refused = call(&["plan", "--policy", &policy, "--seed-text", "x"]).expect(3);
    assert!(
        refused.err.contains("INFEASIBLE") && refused.err.contains("999999"),
        "{}",
        refused.err
    );
    world.add("tiers", "nobody,,A,");
    let bad = call(&["import", &csv]).expect(2);
    assert!(bad.err.contains("BAD_ROWS") && bad.err.contains("tiers.csv:"), "{}", bad.err);
}
