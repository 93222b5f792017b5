//! `demo`: everything at once, on a synthetic province, through a real server.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::args::{Access, DemoArgs};
use super::backend::{Backend, ImportOrder, PlanOrder};
use super::failure::Failure;
use super::files;
use super::progress::Progress;
use super::remote::Remote;
use super::serve::Background;
use super::table::{Grid, grouped};
use super::{generate, import, local, plans, show, verify};
use crate::model::IdScheme;
use crate::plan::Document;
use crate::registry::Mode;

/// The policy that is drawn by.
const POLICY: &str = include_str!("../../examples/annual-small.toml");
/// The number that determines the province.
const PROVINCE_SEED: u64 = 1;
/// The seed that is drawn from: two demos print the same plan.
const SEED_TEXT: &str = "spotcheck demo: 3 1 4 1 5 9 2 6 5 3 5 8 9 7 9 3";

/// Runs `demo`.
pub(super) fn run(args: &DemoArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.keep {
        Some(dir) => {
            empty_dir(dir)?;
            let plan = tour(dir, args.units, threads, out)?;
            let dir = dir.display();
            writeln!(
                out,
                "kept: {dir}/csv (the registry), {dir}/policy.toml, {dir}/store, {dir}/plan.json\n\
                 try:  spotcheck show --store {dir}/store {plan} --full"
            )
            .map_err(Failure::stdout)
        }
        None => {
            let dir = tempfile::Builder::new()
                .prefix("spotcheck-demo-")
                .tempdir()
                .map_err(|error| Failure::other(format_args!("temporary directory: {error}")))?;
            tour(dir.path(), args.units, threads, out)?;
            writeln!(out, "the files were temporary; `demo --keep DIR` keeps them")
                .map_err(Failure::stdout)
        }
    }
}

/// Nothing that is there may be overwritten.
fn empty_dir(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| files::cannot_read(dir, &error))?;
    let mut entries = fs::read_dir(dir).map_err(|error| files::cannot_read(dir, &error))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Failure::input(format_args!("{}: is not empty", dir.display()))),
    }
}

fn tour(dir: &Path, units: u64, threads: usize, out: &mut dyn Write) -> Result<String, Failure> {
    let (csv, store, plan_file) = (dir.join("csv"), dir.join("store"), dir.join("plan.json"));
    let mut steps = Steps { progress: Progress::new(), times: Vec::new() };
    let (draft, policy) = files::policy_text("the policy", POLICY)?;
    let order = PlanOrder { draft, policy, seed_text: SEED_TEXT.to_owned(), supersedes: None };
    files::write_whole(&dir.join("policy.toml"), POLICY.as_bytes())?;

    steps.time("generate a province", |_| generate::province(units, PROVINCE_SEED, &csv))?;
    let server = steps
        .time("start a server", |_| Background::start(local::planner(&store, threads)?, threads))?;
    let mut client = Remote::connect(&server.address.to_string(), &Access::default())?;
    let imported = steps.time("import over gRPC", |progress| {
        let order = ImportOrder { scheme: IdScheme::Uscc, mode: Mode::Replace, base: None };
        client.import(&order, &files::csv_files(&csv)?, progress)
    })?;
    let frozen = steps.time("freeze the frame", |_| client.freeze(&order))?;
    let drawn = steps.time("draw the plan", |progress| client.draw(&order, progress))?;
    let bytes = steps.time("export the plan", |_| client.export(&drawn.plan.id))?;
    files::write_whole(&plan_file, &bytes)?;
    let report = steps.time("verify the file offline", |_| Ok(crate::audit::verify(&bytes)))?;
    let difference =
        steps.time("draw it again", |progress| client.regenerate(&drawn.plan.id, progress))?;
    drop(client);
    steps.time("stop the server", |_| server.stop())?;

    let document = Document::from_bytes(&bytes).map_err(Failure::other)?;
    let rows: u64 = crate::registry::Table::ALL.iter().map(|t| imported.counts.get(*t)).sum();
    let again = match &difference {
        None => "every byte is the same",
        Some(difference) => difference.as_str(),
    };
    let sections = [
        ("Registry", import::summary(&imported)),
        ("Frame", frozen),
        ("Plan", show::text(&document, false)),
        ("Verification", verify::checks(&report).to_string()),
        ("Drawn again", format!("{again}\n")),
        ("Times", steps.table().to_string()),
    ];
    for (title, body) in sections {
        write!(out, "# {title}\n{body}\n").map_err(Failure::stdout)?;
    }
    let (rows, bytes) = (grouped(rows), grouped(bytes.len() as u64));
    writeln!(out, "{rows} rows were imported; the plan file has {bytes} bytes")
        .map_err(Failure::stdout)?;
    verify::judge(&report)?;
    plans::same(difference)?;
    Ok(drawn.plan.id)
}

/// Steps and how long each took.
struct Steps {
    progress: Progress,
    times: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn time<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Progress) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.progress.stage(name);
        let start = Instant::now();
        let result = work(&self.progress);
        self.times.push((name, start.elapsed()));
        self.progress.done();
        result
    }

    fn table(&self) -> Grid {
        let mut grid = Grid::new(&["step", "seconds>"]);
        for (name, time) in &self.times {
            let milliseconds = time.as_millis();
            let seconds = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
            grid.row([*name, seconds.as_str()]);
        }
        grid
    }
}
