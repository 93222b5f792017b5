//! CSV files (UTF-8 with or without byte-order mark, header row, RFC 4180) into input rows.
//!
//! Memory is bounded by one record. A problem of the header or of the stream ends reading; a
//! problem of a single row is put into the report, and reading goes on.

use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder, StringRecord, Terminator};

use super::check::{ATTRIBUTE_NAME_RULE, is_attribute_name};
use super::csv_guard::{CHUNK_BYTES, Guard};
use super::import::Import;
use super::input::{
    AnyInput, DivisionInput, EnterpriseInput, HistoryInput, Mode, Need, ProductInput, SupplyInput,
    Table, TierInput,
};
use super::limits::{ATTRIBUTES_MAX, RECORD_BYTES_MAX};
use super::report::{Problems, Report, shown};

/// Why a file cannot be read as the table it is meant to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// The stream failed.
    #[error("{}: cannot be read: {source}", table.file_name())]
    Io {
        /// The table.
        table: Table,
        /// Why.
        source: io::Error,
    },
    /// The file is empty.
    #[error("{}: has no header row; expected the columns {}", table.file_name(), columns(*table))]
    NoHeader {
        /// The table.
        table: Table,
    },
    /// The header names what it should not, or lacks what it should name.
    #[error("{}: row 1: column `{column}` {why}", table.file_name())]
    Header {
        /// The table.
        table: Table,
        /// The column.
        column: String,
        /// What is wrong with it.
        why: String,
    },
    /// A record does not end.
    #[error(
        "{}: row {row}: the record has more than {RECORD_BYTES_MAX} bytes (is a quote not closed?)",
        table.file_name()
    )]
    RecordTooLong {
        /// The table.
        table: Table,
        /// The line on which the record starts.
        row: u64,
    },
    /// Quotes don't come in pairs.
    #[error("{}: a quote is not closed: the file has an odd number of `\"`", table.file_name())]
    OpenQuote {
        /// The table.
        table: Table,
    },
}

fn columns(table: Table) -> String {
    table.column_names().collect::<Vec<_>>().join(",")
}

/// Why reading rows ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The file.
    #[error(transparent)]
    Csv(CsvError),
    /// Whoever takes the rows.
    #[error(transparent)]
    Sink(E),
}

/// What became of the rows of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowsRead {
    /// Rows that were handed on.
    pub rows: u64,
    /// Rows that could not be: not UTF-8, or a wrong number of fields.
    pub bad: Report,
}

/// Reads a file of `table` into an import, of which the table becomes a part.
///
/// Returns the number of rows, bad ones not counted; those are recorded in the import.
///
/// # Errors
/// If the file cannot be read as this table. Rows before that have been pushed.
pub fn read_csv<R: Read>(table: Table, reader: R, import: &mut Import) -> Result<u64, CsvError> {
    import.begin(table);
    let mode = import.mode();
    let read = read_rows(table, mode, reader, &mut |row, input| {
        import.push(row, &input);
        Ok::<(), std::convert::Infallible>(())
    });
    match read {
        Ok(read) => {
            import.bad_rows(read.bad);
            Ok(read.rows)
        }
        Err(ReadError::Csv(error)) => Err(error),
        Err(ReadError::Sink(never)) => match never {},
    }
}

/// Reads a file of `table` and hands each row to `sink` with the number of the line on which it
/// starts. In mode upsert the file may have a column `_delete`.
///
/// # Errors
/// If the file cannot be read as this table, or if the sink fails.
pub fn read_rows<R: Read, E>(
    table: Table,
    mode: Mode,
    reader: R,
    sink: &mut dyn FnMut(u64, AnyInput<'_>) -> Result<(), E>,
) -> Result<RowsRead, ReadError<E>> {
    let mut records = Records::new(table, reader);
    let mut bytes = ByteRecord::new();
    if !records.next(&mut bytes).map_err(ReadError::Csv)? {
        return Err(ReadError::Csv(CsvError::NoHeader { table }));
    }
    let header = Header::new(table, mode, &bytes).map_err(ReadError::Csv)?;
    let (mut rows, mut problems) = (0, Problems::default());
    while records.next(&mut bytes).map_err(ReadError::Csv)? {
        let line = records.line;
        if bytes.len() != header.names.len() {
            let (found, expected) = (bytes.len(), header.names.len());
            let why = format_args!("has {found} fields, but the header has {expected}");
            problems.add(table, line, "", "", why);
            continue;
        }
        match StringRecord::from_byte_record(std::mem::take(&mut bytes)) {
            Ok(record) => {
                let row = Row { header: &header, record: &record };
                let attributes = row.attributes();
                match row.delete() {
                    Some(delete) => {
                        let input = row.input(table, &attributes, delete);
                        sink(line, input).map_err(ReadError::Sink)?;
                        rows += 1;
                    }
                    None => {
                        let value = header.delete.map_or("", |at| row.field(at));
                        let why = format_args!("must be `true` or `false`");
                        problems.add(table, line, "_delete", value, why);
                    }
                }
                bytes = record.into_byte_record();
            }
            Err(error) => {
                let at = error.utf8_error().field();
                let field = header.names.get(at).map_or("", String::as_str);
                bytes = error.into_byte_record();
                let value = String::from_utf8_lossy(bytes.get(at).unwrap_or_default());
                problems.add(table, line, field, &value, format_args!("is not UTF-8"));
            }
        }
    }
    Ok(RowsRead { rows, bad: problems.report() })
}

/// The records of a file, header included, one at a time.
struct Records<R> {
    table: Table,
    reader: csv::Reader<Guard<R>>,
    /// The line on which the current record starts.
    line: u64,
}

impl<R: Read> Records<R> {
    fn new(table: Table, reader: R) -> Self {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(CHUNK_BYTES)
            // The parser takes the line feed of a CR LF as part of the next record and is then a
            // line behind; so lines end at the line feed, and `Row` cuts the carriage return.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Guard::new(reader));
        Records { table, reader, line: 1 }
    }

    /// Reads the next record that is no blank line; false at the end.
    fn next(&mut self, record: &mut ByteRecord) -> Result<bool, CsvError> {
        let table = self.table;
        loop {
            let (start, row) = (self.reader.position().byte(), self.reader.position().line());
            self.reader.get_mut().begin_record();
            match self.reader.read_byte_record(record) {
                Ok(true) => {}
                Ok(false) if self.reader.get_ref().has_open_quote() => {
                    return Err(CsvError::OpenQuote { table });
                }
                Ok(false) => return Ok(false),
                Err(_) if self.reader.get_ref().tripped() => {
                    return Err(CsvError::RecordTooLong { table, row });
                }
                Err(error) => return Err(CsvError::Io { table, source: error.into() }),
            }
            let end = self.reader.position();
            let inside = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            let ended = u64::from(!self.reader.get_ref().is_unterminated(end.byte()));
            self.line = end.line() - inside - ended;
            if end.byte() - start > RECORD_BYTES_MAX as u64 {
                return Err(CsvError::RecordTooLong { table, row: self.line });
            }
            if record.len() != 1 || !matches!(record.get(0), Some(b"" | b"\r")) {
                return Ok(true);
            }
        }
    }
}

/// Which field of a record is which column.
struct Header {
    /// Of every field of the file.
    names: Vec<String>,
    /// Of every column of the table; none if left out.
    places: Vec<Option<usize>>,
    delete: Option<usize>,
    attributes: Vec<usize>,
}

impl Header {
    fn new(table: Table, mode: Mode, record: &ByteRecord) -> Result<Self, CsvError> {
        let bad = |column: &str, why: &str| CsvError::Header {
            table,
            column: shown(column),
            why: why.to_owned(),
        };
        let mut header = Header {
            names: Vec::new(),
            places: vec![None; table.columns().len()],
            delete: None,
            attributes: Vec::new(),
        };
        for (at, field) in record.iter().enumerate() {
            let name = std::str::from_utf8(field)
                .map_err(|_| bad(&String::from_utf8_lossy(field), "is not UTF-8"))?;
            let name = if at + 1 == record.len() { cut_return(name) } else { name };
            if header.names.iter().any(|other| other == name) {
                return Err(bad(name, "is there twice"));
            }
            header.names.push(name.to_owned());
            if let Some(column) = table.column_names().position(|column| column == name) {
                header.places[column] = Some(at);
            } else if name == "_delete" && mode == Mode::Upsert {
                header.delete = Some(at);
            } else if name == "_delete" {
                return Err(bad(name, "is allowed only in mode upsert"));
            } else if name.starts_with("x_") && table.has_attributes() {
                if !is_attribute_name(name) {
                    return Err(bad(name, ATTRIBUTE_NAME_RULE));
                }
                header.attributes.push(at);
            } else {
                let why = format!("is unknown; {table} has {}", columns(table));
                return Err(bad(name, &why));
            }
        }
        if header.attributes.len() > ATTRIBUTES_MAX {
            let name = &header.names[header.attributes[ATTRIBUTES_MAX]];
            return Err(bad(
                name,
                &format!("is more than the {ATTRIBUTES_MAX} attributes allowed"),
            ));
        }
        for (column, place) in table.columns().iter().zip(&header.places) {
            let needed = match column.need {
                Need::Key => true,
                Need::Row => header.delete.is_none(),
                Need::Optional => false,
            };
            if needed && place.is_none() {
                return Err(bad(column.name, "is missing"));
            }
        }
        Ok(header)
    }
}

fn cut_return(text: &str) -> &str {
    text.strip_suffix('\r').unwrap_or(text)
}

/// One record under its header.
struct Row<'r> {
    header: &'r Header,
    record: &'r StringRecord,
}

impl<'r> Row<'r> {
    fn field(&self, at: usize) -> &'r str {
        let text = self.record.get(at).unwrap_or_default();
        if at + 1 == self.record.len() { cut_return(text) } else { text }
    }

    /// The text of a column of the table; empty if the file leaves it out.
    fn column(&self, column: usize) -> &'r str {
        self.header.places[column].map_or("", |at| self.field(at))
    }

    fn attributes(&self) -> Vec<(&'r str, &'r str)> {
        let places = self.header.attributes.iter();
        places.map(|at| (self.header.names[*at].as_str(), self.field(*at))).collect()
    }

    fn delete(&self) -> Option<bool> {
        match self.header.delete.map_or("", |at| self.field(at)) {
            "" | "false" => Some(false),
            "true" => Some(true),
            _ => None,
        }
    }

    /// The row with its columns in the order of [`Table::column_names`].
    fn input(
        &self,
        table: Table,
        attributes: &'r [(&'r str, &'r str)],
        delete: bool,
    ) -> AnyInput<'r> {
        let c = |column| self.column(column);
        match table {
            Table::Divisions => AnyInput::Division(DivisionInput {
                code: c(0),
                name: c(1),
                level: c(2),
                parent_code: c(3),
                kind: c(4),
                delete,
            }),
            Table::Products => AnyInput::Product(ProductInput {
                product_id: c(0),
                name: c(1),
                name_en: c(2),
                category: c(3),
                key: c(4),
                key_group: c(5),
                risk: c(6),
                licence: c(7),
                ccc: c(8),
                standards: c(9),
                items: c(10),
                test_quantity: c(11),
                reserve_quantity: c(12),
                quantity_unit: c(13),
                channels: c(14),
                levels: c(15),
                attributes,
                delete,
            }),
            Table::Enterprises => AnyInput::Enterprise(EnterpriseInput {
                enterprise_id: c(0),
                name: c(1),
                status: c(2),
                division: c(3),
                area: c(4),
                credit_class: c(5),
                cluster: c(6),
                accidents: c(7),
                attributes,
                delete,
            }),
            Table::Supply => AnyInput::Supply(SupplyInput {
                enterprise_id: c(0),
                product_id: c(1),
                channel: c(2),
                platform: c(3),
                sale_division: c(4),
                delete,
            }),
            Table::Tiers => AnyInput::Tier(TierInput {
                enterprise_id: c(0),
                product_id: c(1),
                tier: c(2),
                valid_from: c(3),
                delete,
            }),
            Table::History => AnyInput::History(HistoryInput {
                enterprise_id: c(0),
                product_id: c(1),
                level: c(2),
                authority: c(3),
                sampled_on: c(4),
                outcome: c(5),
                delete,
            }),
        }
    }
}
