//! Files: what the reader takes, and how it says what it does not take.

use std::io::{self, Read};

use crate::registry::limits::{ATTRIBUTES_MAX, RECORD_BYTES_MAX};
use crate::registry::{AnyInput, CsvError, ReadError, RowsRead, read_rows};

use super::*;

/// A reader that hands out a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        let (now, later) = self.0.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

/// Reads tiers; the rows as text.
fn tiers(bytes: &[u8]) -> Result<(Vec<String>, RowsRead), ReadError<&'static str>> {
    let mut rows = Vec::new();
    let read = read_rows(Table::Tiers, Mode::Upsert, Trickle(bytes, 5), &mut |line, input| {
        let AnyInput::Tier(tier) = input else { return Err("another table") };
        rows.push(format!("{line}:{}/{}/{}", tier.enterprise_id, tier.product_id, tier.tier));
        Ok(())
    })?;
    Ok((rows, read))
}

fn fails(table: Table, mode: Mode, bytes: &[u8]) -> String {
    read_rows(table, mode, bytes, &mut |_, _| Ok::<(), io::Error>(())).unwrap_err().to_string()
}

#[test]
fn marks_line_ends_and_quotes() {
    let plain = "enterprise_id,product_id,tier\nE1,P1,a\nE2,,b\n";
    let expected = ["2:E1/P1/a", "3:E2//b"];
    assert_eq!(tiers(plain.as_bytes()).unwrap().0, expected);
    assert_eq!(tiers(plain.trim_end().as_bytes()).unwrap().0, expected);
    assert_eq!(tiers(format!("\u{feff}{plain}").as_bytes()).unwrap().0, expected);
    assert_eq!(tiers(plain.replace('\n', "\r\n").as_bytes()).unwrap().0, expected);
    let quoted = "\"tier\",enterprise_id\r\n\"a \"\"b\"\", c\",E1\r\n\r\n\"d\",\"E2\"\r\n";
    assert_eq!(tiers(quoted.as_bytes()).unwrap().0, ["2:E1//a \"b\", c", "4:E2//d"]);
    let lines = "tier,enterprise_id\n\"a\nb\n\",E1\n\n\nc,E2\n\"d\",E3";
    assert_eq!(tiers(lines.as_bytes()).unwrap().0, ["2:E1//a\nb\n", "7:E2//c", "8:E3//d"]);
}

#[test]
fn every_size_of_piece_reads_the_same() {
    let text = format!("\u{feff}{}", ENTERPRISES.replace('\n', "\r\n"));
    for size in 1..=20 {
        let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
        let rows = read_csv(Table::Enterprises, Trickle(text.as_bytes(), size), &mut import);
        assert_eq!(rows.unwrap(), 3, "{size}");
        assert_eq!(import.rows(Table::Enterprises), 3);
        import.finish(Some(&small())).unwrap();
    }
}

#[test]
fn bad_rows_are_reported_and_the_rest_read() {
    let bytes = b"enterprise_id,tier,_delete\nE1,a\nE2,\xff,\nE3,c,yes\nE4,d,true\nE5,e,x,y\n";
    let (rows, read) = tiers(bytes).unwrap();
    assert_eq!(rows, ["5:E4//d"]);
    assert_eq!(read.rows, 1);
    let found: Vec<String> = read.bad.rows.iter().map(ToString::to_string).collect();
    let expected = [
        "tiers row 2: has 2 fields, but the header has 3",
        "tiers row 3, tier `\u{fffd}`: is not UTF-8",
        "tiers row 4, _delete `yes`: must be `true` or `false`",
        "tiers row 6: has 4 fields, but the header has 3",
    ];
    assert_eq!(found, expected);
    let mut import = Import::new(IdScheme::Opaque, Mode::Upsert);
    read_csv(Table::Tiers, &bytes[..], &mut import).unwrap();
    assert_eq!(import.problem_count(), 4);
}

#[test]
fn headers() {
    let tiers = |mode, header: &str| fails(Table::Tiers, mode, header.as_bytes());
    for empty in ["", "\n\r\n", "\u{feff}"] {
        let why = "tiers.csv: has no header row; expected the columns \
                   enterprise_id,product_id,tier,valid_from";
        assert_eq!(tiers(Mode::Replace, empty), why);
    }
    let column = |column: &str, why: &str| format!("tiers.csv: row 1: column `{column}` {why}");
    assert_eq!(tiers(Mode::Replace, "enterprise_id\n"), column("tier", "is missing"));
    assert_eq!(tiers(Mode::Upsert, "tier,_delete\n"), column("enterprise_id", "is missing"));
    assert_eq!(tiers(Mode::Replace, "tier,tier\n"), column("tier", "is there twice"));
    let unknown = "is unknown; tiers has enterprise_id,product_id,tier,valid_from";
    assert_eq!(tiers(Mode::Replace, "tier,Tier\r\n"), column("Tier", unknown));
    assert_eq!(tiers(Mode::Replace, "tier,x_a\n"), column("x_a", unknown));
    let upsert = "is allowed only in mode upsert";
    assert_eq!(tiers(Mode::Replace, "tier,_delete\n"), column("_delete", upsert));
    let not_utf8 = fails(Table::Tiers, Mode::Replace, b"tier,\xff\n");
    assert_eq!(not_utf8, column("\u{fffd}", "is not UTF-8"));
    let names: Vec<String> = (0..=ATTRIBUTES_MAX).map(|i| format!("x_{i}")).collect();
    let many = format!("product_id,name,{}\n", names.join(","));
    let found = fails(Table::Products, Mode::Replace, many.as_bytes());
    assert_eq!(found, "products.csv: row 1: column `x_64` is more than the 64 attributes allowed");
    let found = fails(Table::Products, Mode::Replace, b"product_id,name,x_a b\n");
    assert!(found.contains("column `x_a b` is no attribute"), "{found}");
}

/// A file that never ends its second record, and counts what is read of it.
struct Endless<'a> {
    head: &'a [u8],
    read: &'a mut usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = if self.head.is_empty() {
            buffer.fill(b'x');
            buffer.len()
        } else {
            self.head.read(buffer)?
        };
        *self.read += count;
        Ok(count)
    }
}

#[test]
fn a_record_that_does_not_end_is_not_read_into_memory() {
    let mut read = 0;
    let endless = Endless { head: b"enterprise_id,tier\nE1,a\n\"", read: &mut read };
    let error =
        read_rows(Table::Tiers, Mode::Replace, endless, &mut |_, _| Ok::<(), io::Error>(()));
    let Err(ReadError::Csv(CsvError::RecordTooLong { table: Table::Tiers, row: 3 })) = error else {
        panic!("{error:?}")
    };
    assert!(read <= 4 * RECORD_BYTES_MAX, "{read}");
}

#[test]
fn the_longest_record_is_read_and_one_byte_more_is_not() {
    let head = "enterprise_id,tier\n";
    for size in [1000, 64 * 1024] {
        let record = format!("E1,{}\n", "x".repeat(RECORD_BYTES_MAX - 4));
        let rows = |text: &str| {
            let reader = Trickle(text.as_bytes(), size);
            read_rows(Table::Tiers, Mode::Replace, reader, &mut |_, _| Ok::<(), io::Error>(()))
        };
        assert_eq!(rows(&format!("{head}{record}{record}")).unwrap().rows, 2);
        let error = rows(&format!("{head}{record}E{record}")).unwrap_err().to_string();
        let why = "the record has more than 65536 bytes (is a quote not closed?)";
        assert_eq!(error, format!("tiers.csv: row 3: {why}"));
    }
}

#[test]
fn a_quote_that_is_not_closed_and_streams_that_fail() {
    let found = fails(Table::Tiers, Mode::Replace, b"enterprise_id,tier\nE1,\"a");
    assert_eq!(found, "tiers.csv: a quote is not closed: the file has an odd number of `\"`");
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let read = read_rows(Table::Tiers, Mode::Replace, Broken, &mut |_, _| Ok::<(), io::Error>(()));
    assert_eq!(read.unwrap_err().to_string(), "tiers.csv: cannot be read: gone");
    let text = b"enterprise_id,tier\nE1,a\n";
    let read = read_rows(Table::Tiers, Mode::Replace, &text[..], &mut |_, _| {
        Err(io::Error::other("full"))
    });
    assert!(matches!(read, Err(ReadError::Sink(_))));
}

proptest::proptest! {
    #[test]
    fn noise_never_panics(bytes: Vec<u8>, lines in "[a-z0-9,\"\r\n\u{e9}]{0,80}") {
        for (table, text) in province() {
            let mut import = Import::new(IdScheme::Opaque, Mode::Upsert);
            let _ = read_csv(table, &bytes[..], &mut import);
            let text = [text.as_bytes(), lines.as_bytes(), &bytes].concat();
            let _ = read_csv(table, &text[..], &mut import);
            let _ = import.finish(Some(&small()));
        }
    }
}
