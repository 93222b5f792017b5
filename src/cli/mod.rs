//! The command line. Everything that it does is done by the rooms below; here it is parsed,
//! handed on, and told to people (tables, progress) and scripts (exit codes, CSV, JSON).
//!
//! | file | what for |
//! |---|---|
//! | `args` | what can be typed |
//! | `check` | whether quotas can be met |
//! | `replan` | another plan that keeps an earlier one's lines, and what it changed |
//! | `store` | copies of a store, and whether one is whole |
//! | `replace` | lines that fall out in the field |
//! | `explain` | why a unit is drawn or not |
//! | `steps`, `log` | plans step by step, and the log of all steps |
//! | `import`, `plans`, `show`, `verify`, `serve`, `generate`, `demo` | one function a command |
//! | `backend` | what commands ask for; `local` (a store) and `remote` (a server) answer |
//! | `settings`, `entry`, `notify` | the settings of `serve`; certificates and tokens; telling the service manager |
//! | `convert` | the client's half of the protobuf messages |
//! | `files`, `table`, `progress`, `failure` | files, tables, progress, exit codes |
//!
//! Data goes to standard output, everything else to standard error.

mod args;
mod backend;
mod check;
mod convert;
mod demo;
mod entry;
mod explain;
mod failure;
mod files;
mod generate;
mod import;
mod local;
mod local_steps;
mod log;
mod notify;
mod plans;
mod progress;
mod remote;
mod replace;
mod replan;
mod serve;
mod settings;
mod show;
mod steps;
mod store;
mod table;
mod verify;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

/// Runs the command line and returns its exit code: 0 done, and holds; 2 wrong usage or input;
/// 3 the quotas cannot be met; 4 a verification fails, a second draw differs or a checked store is not
/// whole; 1 anything else.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let done = run(&cli, &mut out).and_then(|()| out.flush().map_err(Failure::stdout));
    // A buffer that could not be written once is not written again when it is dropped.
    let (_, _) = out.into_parts();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: &Cli, out: &mut dyn Write) -> Result<(), Failure> {
    let threads = cli.threads();
    match &cli.command {
        Command::Import(args) => import::run(args, threads, out),
        Command::Check(args) => check::run(args, threads, out),
        Command::Plan(args) => plans::plan(args, threads, out),
        Command::Replan(args) => replan::replan(args, threads, out),
        Command::Topup(args) => replan::topup(args, threads, out),
        Command::Changes(args) => replan::changes(args, out),
        Command::Plans(args) => plans::plans(args, threads, out),
        Command::Show(args) => show::run(args, threads, out),
        Command::Lines(args) => plans::lines(args, threads, out),
        Command::Regenerate(args) => plans::regenerate(args, threads, out),
        Command::Verify(args) => verify::run(args, threads, out),
        Command::Serve(args) => serve::run(args, cli.threads, out),
        Command::Generate(args) => generate::run(args, out),
        Command::Freeze(args) => steps::freeze(args, threads, out),
        Command::Seed(args) => steps::seed(args, threads, out),
        Command::Draw(args) => steps::draw(args, threads, out),
        Command::Issue(args) => steps::issue(args, threads, out),
        Command::Explain(args) => explain::run(args, threads, out),
        Command::Selftest(args) => steps::selftest(args, threads, out),
        Command::Bundle(args) => steps::bundle(args, threads, out),
        Command::Supersede(args) => steps::supersede(args, threads, out),
        Command::Void(args) => steps::void(args, threads, out),
        Command::Replace(args) => replace::replace(args, threads, out),
        Command::Replacements(args) => replace::replacements(args, threads, out),
        Command::Freezes(args) => steps::freezes(args, threads, out),
        Command::Store(command) => store::run(command, threads, out),
        Command::Log(command) => log::run(command, threads, out),
        Command::Demo(args) => demo::run(args, threads, out),
    }
}
