//! What an import may not exceed, each bound with its reason.

/// Longest field, in bytes: a name, an address or a list fits many times over, and a row of all
/// columns still fits [`RECORD_BYTES_MAX`].
pub const FIELD_BYTES_MAX: usize = 1024;

/// Longest list field (standards, items, channels, levels), in bytes: [`LIST_ITEMS_MAX`] codes of
/// the usual 20-60 bytes.
pub const LIST_BYTES_MAX: usize = 16 * 1024;

/// Most entries of a list field: the longest inspection programmes have some forty items.
pub const LIST_ITEMS_MAX: usize = 256;

/// Longest name of an attribute, in bytes with its prefix: it is repeated in policies and reports.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 64;

/// Most attributes of a table: every one is a column of 4 bytes for each enterprise.
pub const ATTRIBUTES_MAX: usize = 64;

/// Longest record of a CSV file, in bytes with its line end: more than all columns of a product
/// with full attributes of a sensible length, and so little that a file that is no CSV at all
/// ends reading at once.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Longest part of a refused value that a report repeats, in characters: enough to find it again.
pub const REPORT_VALUE_CHARS_MAX: usize = 100;

/// Most problems that a report lists; the rest are counted. One systematic mistake shows in
/// the first few, and a report has to fit a message.
pub const REPORT_ROWS_MAX: usize = 100;

/// Most rows of a table: rows are numbered in 32 bits, of which two values are set aside.
pub const ROWS_MAX: u64 = u32::MAX as u64 - 1;

/// Most bytes of text in all tables together: ends of texts are kept in 32 bits, and one row more
/// than the limit must still fit.
pub const TEXT_BYTES_MAX: u64 = u32::MAX as u64 - (1 << 20);

/// Most distinct classes, clusters, attribute values, platforms, tiers and outcomes together:
/// policies group by them, so a column in which nearly every row differs is a mistake (an
/// address, a remark), and one that would cost memory in every later step.
pub const DISTINCT_TEXTS_MAX: usize = 1_000_000;

/// The bounds that concern a whole import, as values so that tests can reach them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub rows: u64,
    pub text_bytes: u64,
    pub distinct_texts: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Caps { rows: ROWS_MAX, text_bytes: TEXT_BYTES_MAX, distinct_texts: DISTINCT_TEXTS_MAX }
    }
}
