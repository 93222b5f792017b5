//! Runs the independent verifier of `tests/verifier`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether there is a Python; where there is none what needs it is skipped, but not in CI.
pub fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "CI needs python3 (3.11 or later)");
    if !found {
        eprintln!("skipped: python3 (3.11 or later) is missing");
    }
    found
}

/// Exit code and output of the verifier.
pub fn verify(files: &[PathBuf]) -> (i32, String) {
    run(&[], files)
}

/// The same, where the expected batches are found again, too.
#[allow(dead_code, reason = "not every test file asks for it")]
pub fn verify_design(files: &[PathBuf]) -> (i32, String) {
    run(&["--design"], files)
}

fn run(options: &[&str], files: &[PathBuf]) -> (i32, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifier/verify.py");
    let output = Command::new("python3").arg("-B").arg(script).args(options).args(files).output();
    let output = output.expect("python3 (3.11 or later) is needed for this test");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("no signal"), text)
}
