//! `import`: files in, a revision out; or the table of bad rows.

use std::io::Write;

use crate::registry::{Report, Table};

use super::args::ImportArgs;
use super::backend::{ImportOrder, Imported, open};
use super::failure::Failure;
use super::files::csv_files;
use super::progress::Progress;
use super::table::{Grid, grouped};

/// Runs `import`.
pub(super) fn run(args: &ImportArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let files = csv_files(&args.dir)?;
    let order =
        ImportOrder { scheme: args.id_scheme.into(), mode: args.mode.into(), base: args.base };
    let progress = Progress::new();
    let mut backend = open(&args.target, threads, true)?;
    let imported = backend.import(&order, &files, &progress);
    progress.done();
    write!(out, "{}", summary(&imported?)).map_err(Failure::stdout)
}

/// What an import says for itself.
pub(super) fn summary(imported: &Imported) -> String {
    let mut text = format!("revision  {}", imported.number);
    if imported.unchanged {
        text += "  (as before: it holds exactly these rows)";
    }
    text += &format!("\ndigest    {}\n", imported.digest);
    for table in Table::ALL {
        text += &format!("{:<12}{:>14}\n", table.as_str(), grouped(imported.counts.get(table)));
    }
    text
}

/// The failure that bad rows are.
pub(super) fn bad_rows(report: &Report) -> Failure {
    let mut grid = Grid::new(&["file", "row>", "field", "value", "why"]);
    for bad in &report.rows {
        let row = if bad.row == 0 { String::new() } else { bad.row.to_string() };
        grid.row([bad.table.file_name(), &row, &bad.field, &bad.value, &bad.why]);
    }
    let mut text = match report.count {
        1 => "nothing was imported: 1 problem\n".to_owned(),
        count => format!("nothing was imported: {} problems\n", grouped(count)),
    };
    text += grid.to_string().trim_end();
    let more = report.count.saturating_sub(report.rows.len() as u64);
    if more > 0 {
        text += &format!("\nand {} more", grouped(more));
    }
    Failure::input(text)
}
