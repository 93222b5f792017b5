//! The one text of a plan: writing, reading, comparing, and lines as CSV.

use std::io::Write;

use serde::Serialize;

use super::{Document, Line};
use crate::model::spread;

/// Lines that are written in one go; about how many bytes each takes; and how many threads write.
const PART_LINES: usize = 1 << 14;
const LINE_BYTES: usize = 440;
const THREADS: usize = 2;

/// A text that is no plan.
#[derive(Debug, thiserror::Error)]
#[error("not a plan: {0}")]
pub struct DocumentError(#[from] serde_json::Error);

impl Document {
    /// The plan's bytes: one line of JSON, ended by a line feed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Written in parts beside each other; the fields' order is the struct's.
        let front = Front {
            plan: &self.plan,
            policy: &self.policy,
            frame: &self.frame,
            seed: &self.seed,
            allocation: &self.allocation,
            certificate: &self.certificate,
            compliance: &self.compliance,
        };
        let arcs = self.allocation.arcs.x.len();
        let parts: Vec<&[Line]> = self.lines.chunks(PART_LINES).collect();
        let size = arcs * 32
            + self.allocation.cells.units.len() * 40
            + self.lines.len() * LINE_BYTES
            + 65_536;
        let threads = if parts.len() < 2 { 1 } else { THREADS };
        let texts = spread(threads, parts.len() + 1, |place| match place.checked_sub(1) {
            None => json(&front, size),
            Some(part) => json(parts[part], parts[part].len() * LINE_BYTES),
        });
        let mut texts = texts.into_iter();
        let mut bytes = texts.next().unwrap_or_default();
        bytes.pop();
        bytes.extend_from_slice(b",\"lines\":[");
        for (place, text) in texts.enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            // Without the brackets of the part.
            bytes.extend_from_slice(&text[1..text.len() - 1]);
        }
        bytes.extend_from_slice(b"]}\n");
        bytes
    }

    /// Reads a plan. Says nothing about whether it is a true one: see `audit::verify`.
    ///
    /// # Errors
    /// If the text is no plan, with line and column.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DocumentError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// All fields of a [`Document`] before its lines, in their order.
#[derive(Serialize)]
struct Front<'a> {
    plan: &'a super::Head,
    policy: &'a serde_json::Value,
    frame: &'a super::FrameOutline,
    seed: &'a super::SeedRecord,
    allocation: &'a super::Allocation,
    certificate: &'a super::Certificate,
    compliance: &'a [super::ComplianceRow],
}

/// Compact JSON, written into so many bytes at first.
fn json(value: &(impl Serialize + ?Sized), capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    // Maps with text keys and plain values into memory: nothing of this can fail.
    if serde_json::to_writer(&mut bytes, value).is_err() {
        unreachable!("a plan always has a text");
    }
    bytes
}

/// The first difference between two plans' bytes, in words; `None` if there is none.
#[must_use]
pub fn difference(old: &[u8], new: &[u8]) -> Option<String> {
    if old == new {
        return None;
    }
    let at = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let from = at.saturating_sub(60);
        let to = (at + 60).min(bytes.len());
        String::from_utf8_lossy(&bytes[from.min(to)..to]).into_owned()
    };
    Some(format!(
        "the plans differ from byte {at} on (of {} and {}): stored …{}…, drawn again …{}…",
        old.len(),
        new.len(),
        around(old),
        around(new)
    ))
}

/// Columns of the lines as CSV.
const COLUMNS: [&str; 18] = [
    "line",
    "level",
    "authority",
    "enterprise_id",
    "product_id",
    "channel",
    "county",
    "area",
    "tier",
    "key",
    "wave",
    "probability",
    "lot",
    "replacement_rank",
    "cell",
    "enterprise_name",
    "platform",
    "sale_division",
];

/// Writes lines as CSV with a header row.
///
/// # Errors
/// If writing fails.
pub fn write_csv<'a>(
    lines: impl IntoIterator<Item = &'a Line>,
    out: impl Write,
) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(COLUMNS)?;
    for line in lines {
        writer.write_record([
            line.line.to_string().as_str(),
            line.level.as_str(),
            &line.authority.to_string(),
            &line.enterprise_id,
            &line.product_id,
            line.channel.as_str(),
            &line.county.to_string(),
            line.area.as_str(),
            &line.tier,
            if line.key { "true" } else { "false" },
            &line.wave.to_string(),
            &line.probability,
            &line.lot.to_string(),
            &line.replacement_rank.to_string(),
            &line.cell.to_string(),
            &line.enterprise_name,
            &line.platform,
            &line.sale_division,
        ])?;
    }
    writer.flush()
}
