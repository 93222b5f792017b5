//! A synthetic province: the six tables of a registry, realistic in shape and invented in content.
//!
//! Real divisions (see `data/README.md`), a catalogue with the key industrial products, and
//! enterprises skewed by the size of townships. A function of the number of units and the seed
//! alone; streams its rows, so that memory does not grow with the number of units. Touches the
//! writers that it is handed and nothing else.

mod catalogue;
mod enterprises;
mod territory;

use std::io::{BufWriter, Write};

use crate::draw::Stream;
use crate::model::FramedHasher;

use catalogue::Catalogue;
use territory::Territory;

/// Fewest units: below, a province of 151 counties has hardly a unit in each.
pub const UNITS_MIN: u64 = 1_000;
/// Most units: the largest registry that the figures are stated for.
pub const UNITS_MAX: u64 = 10_000_000;

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Units (enterprise × product), exactly.
    pub units: u64,
    /// Seed.
    pub seed: u64,
}

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// Administrative divisions.
    Divisions,
    /// The catalogue.
    Products,
    /// The enterprise registry.
    Enterprises,
    /// What can be sampled.
    Supply,
    /// Risk tiers.
    Tiers,
    /// Inspection history.
    History,
}

impl File {
    /// All tables, in the order of [`Summary::rows`].
    pub const ALL: [File; 6] = [
        File::Divisions,
        File::Products,
        File::Enterprises,
        File::Supply,
        File::Tiers,
        File::History,
    ];

    /// The file's name.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            File::Divisions => "divisions.csv",
            File::Products => "products.csv",
            File::Enterprises => "enterprises.csv",
            File::Supply => "supply.csv",
            File::Tiers => "tiers.csv",
            File::History => "history.csv",
        }
    }

    fn header(self) -> &'static str {
        match self {
            File::Divisions => "code,name,level,parent_code,kind\n",
            // The catalogue brings its own.
            File::Products => "",
            File::Enterprises => {
                "enterprise_id,name,status,division,area,credit_class,cluster,accidents\n"
            }
            File::Supply => "enterprise_id,product_id,channel,platform,sale_division\n",
            File::Tiers => "enterprise_id,product_id,tier,valid_from\n",
            File::History => "enterprise_id,product_id,level,authority,sampled_on,outcome\n",
        }
    }
}

/// What was generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Rows of each table, in the order of [`File::ALL`].
    pub rows: [u64; 6],
    /// Units.
    pub units: u64,
}

/// Why nothing was generated, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A number of units out of range.
    #[error("units: {units} must be from {UNITS_MIN} to {UNITS_MAX}")]
    Units {
        /// The number.
        units: u64,
    },
    /// A table could not be written.
    #[error("{}: {source}", file.file_name())]
    Io {
        /// Which.
        file: File,
        /// Why.
        source: std::io::Error,
    },
}

/// A table that is being written.
struct Out<W: Write> {
    file: File,
    writer: BufWriter<W>,
    rows: u64,
}

impl<W: Write> Out<W> {
    /// Writes a row of fields that need no quotes.
    fn row(&mut self, fields: &[&str]) -> Result<(), GenerateError> {
        let write = || {
            for (place, field) in fields.iter().enumerate() {
                if place > 0 {
                    self.writer.write_all(b",")?;
                }
                self.writer.write_all(field.as_bytes())?;
            }
            self.writer.write_all(b"\n")
        };
        let file = self.file;
        let mut write = write;
        write().map_err(|source| GenerateError::Io { file, source })?;
        self.rows += 1;
        Ok(())
    }
}

/// Writes the six tables; `open` hands out a writer for each.
///
/// # Errors
/// If the number of units is out of range, or writing fails.
pub fn generate<W: Write>(
    options: &Options,
    mut open: impl FnMut(File) -> std::io::Result<W>,
) -> Result<Summary, GenerateError> {
    if !(UNITS_MIN..=UNITS_MAX).contains(&options.units) {
        return Err(GenerateError::Units { units: options.units });
    }
    let mut out = Vec::with_capacity(6);
    for file in File::ALL {
        let io = |source| GenerateError::Io { file, source };
        let mut writer = BufWriter::with_capacity(1 << 20, open(file).map_err(io)?);
        writer.write_all(file.header().as_bytes()).map_err(io)?;
        out.push(Out { file, writer, rows: 0 });
    }
    let [divisions, products, enterprises, supply, tiers, history] = &mut out[..] else {
        unreachable!("there are six tables");
    };
    let territory = Territory::new();
    let catalogue = Catalogue::new();
    for d in territory.divisions() {
        divisions.row(&[d.code, d.name, d.level, d.parent, d.kind])?;
    }
    for line in catalogue.lines() {
        products.row(&[line])?;
    }
    products.rows -= 1;
    let key = FramedHasher::new("spotcheck/generate/1").field(&options.seed.to_le_bytes()).finish();
    let stream = Stream::from_sub_key(key.0);
    let mut tables = enterprises::Tables { enterprises, supply, tiers, history };
    enterprises::write(&territory, &catalogue, options.units, stream, &mut tables)?;
    let mut rows = [0; 6];
    for (slot, mut out) in rows.iter_mut().zip(out) {
        *slot = out.rows;
        out.writer.flush().map_err(|source| GenerateError::Io { file: out.file, source })?;
    }
    Ok(Summary { rows, units: options.units })
}

#[cfg(test)]
mod tests;
