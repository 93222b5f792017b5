//! The README's way from files to a plan, command by command, as a reader would type it.

use std::path::Path;
use std::process::Command;

#[test]
fn the_commands_of_the_readme_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, section) = readme.split_once("## From files to a plan").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert!(block.lines().count() >= 5, "{block}");
    let dir = tempfile::tempdir().unwrap();
    let examples = dir.path().join("examples");
    std::fs::create_dir(&examples).unwrap();
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, examples.join(path.file_name().unwrap())).unwrap();
        }
    }
    for line in block.lines() {
        let typed = line.strip_prefix("spotcheck ").unwrap_or_else(|| panic!("{line}"));
        let shell = format!("exec \"$SPOTCHECK\" {typed}");
        let mut command = Command::new("sh");
        command.arg("-c").arg(shell).current_dir(dir.path());
        command.env("SPOTCHECK", env!("CARGO_BIN_EXE_spotcheck"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(dir.path().join("plan.json").is_file());

    let (_, section) = readme.split_once("## Checking").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let output = Command::new("sh").arg("-c").arg(block).current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lots: Vec<&str> = said.lines().collect();
    assert!(lots.len() == 2 && lots[0] == lots[1] && lots[0].len() == 64, "{said}");
}
