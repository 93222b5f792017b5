//! Checks of single fields: from text as it came in to checked values.

use std::fmt;
use std::str::FromStr;

use crate::model::{
    Channel, ChannelSet, Date, DivisionCode, IdScheme, Level, UnknownTerm, check_id, check_uscc,
    parse_date,
};

use super::input::{Mode, Table};
use super::limits::{
    ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_MAX, FIELD_BYTES_MAX, LIST_BYTES_MAX, LIST_ITEMS_MAX,
};
use super::report::Problems;

/// The checks of one row. A problem is recorded, and the check hands back a harmless value, so
/// that one pass finds everything that is wrong with a row.
pub(super) struct Check<'p> {
    problems: &'p mut Problems,
    table: Table,
    row: u64,
    clean: bool,
}

impl<'p> Check<'p> {
    pub(super) fn new(
        problems: &'p mut Problems,
        mode: Mode,
        table: Table,
        row: u64,
        delete: bool,
    ) -> Self {
        let mut check = Check { problems, table, row, clean: true };
        if delete && mode == Mode::Replace {
            check.bad("_delete", "true", format_args!("rows can be deleted only in mode upsert"));
        }
        check
    }

    /// Whether nothing was wrong so far.
    pub(super) fn clean(&self) -> bool {
        self.clean
    }

    pub(super) fn bad(&mut self, field: &str, value: &str, why: fmt::Arguments<'_>) {
        self.clean = false;
        self.problems.add(self.table, self.row, field, value, why);
    }

    fn fits(&mut self, field: &str, value: &str, bytes_max: usize) -> bool {
        if value.len() > bytes_max {
            let bytes = value.len();
            let why = format_args!("has {bytes} bytes; at most {bytes_max} are allowed");
            self.bad(field, value, why);
            return false;
        }
        let plain = value.bytes().all(|b| (0x20..0x7f).contains(&b));
        if !plain && let Some(c) = value.chars().find(|c| c.is_control()) {
            let why = format_args!("holds the control character U+{:04X}", u32::from(c));
            self.bad(field, value, why);
            return false;
        }
        true
    }

    /// A text that may be empty.
    pub(super) fn text<'a>(&mut self, field: &str, value: &'a str) -> &'a str {
        if self.fits(field, value, FIELD_BYTES_MAX) { value } else { "" }
    }

    /// A text that may not be empty.
    pub(super) fn name<'a>(&mut self, field: &str, value: &'a str) -> &'a str {
        if value.trim().is_empty() {
            self.bad(field, value, format_args!("must not be empty"));
            return "";
        }
        self.text(field, value)
    }

    /// An identifier of the general syntax.
    pub(super) fn id(&mut self, field: &str, value: &str) -> bool {
        let checked = check_id(value);
        if let Err(why) = &checked {
            self.bad(field, value, format_args!("{why}"));
        }
        checked.is_ok()
    }

    /// An enterprise's identifier, under `scheme`.
    pub(super) fn enterprise_id(&mut self, field: &str, value: &str, scheme: IdScheme) -> bool {
        let checked = match scheme {
            IdScheme::Uscc => check_uscc(value),
            IdScheme::Opaque => check_id(value),
        };
        if let Err(why) = &checked {
            self.bad(field, value, format_args!("{why}"));
        }
        checked.is_ok()
    }

    pub(super) fn code(&mut self, field: &str, value: &str) -> Option<DivisionCode> {
        match value.parse() {
            Ok(code) => Some(code),
            Err(why) => {
                self.bad(field, value, format_args!("{why}"));
                None
            }
        }
    }

    /// A code that may be empty.
    pub(super) fn code_or_none(&mut self, field: &str, value: &str) -> Option<DivisionCode> {
        if value.is_empty() { None } else { self.code(field, value) }
    }

    /// A word of a closed vocabulary.
    pub(super) fn term<T: FromStr<Err = UnknownTerm>>(
        &mut self,
        field: &str,
        value: &str,
    ) -> Option<T> {
        match value.parse() {
            Ok(term) => Some(term),
            Err(UnknownTerm { expected, .. }) => {
                self.bad(field, value, format_args!("must be one of {expected}"));
                None
            }
        }
    }

    pub(super) fn flag(&mut self, field: &str, value: &str) -> bool {
        match value {
            "true" => true,
            "false" | "" => false,
            _ => {
                self.bad(field, value, format_args!("must be `true` or `false`"));
                false
            }
        }
    }

    /// An unsigned integer; empty is 0.
    pub(super) fn integer(&mut self, field: &str, value: &str) -> u32 {
        if value.is_empty() {
            return 0;
        }
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        if let (true, Ok(number)) = (digits, value.parse()) {
            return number;
        }
        let why = format_args!("must be an integer from 0 to {} in plain digits", u32::MAX);
        self.bad(field, value, why);
        0
    }

    pub(super) fn date(&mut self, field: &str, value: &str) -> Option<Date> {
        let date = parse_date(value);
        if date.is_none() {
            self.bad(field, value, format_args!("must be a date YYYY-MM-DD"));
        }
        date
    }

    /// A date that may be empty.
    pub(super) fn date_or_none(&mut self, field: &str, value: &str) -> Option<Date> {
        if value.is_empty() { None } else { self.date(field, value) }
    }

    /// The entries of a list separated by `;`, without the blanks around them.
    fn list<'a>(&mut self, field: &str, value: &'a str) -> Vec<&'a str> {
        if value.is_empty() || !self.fits(field, value, LIST_BYTES_MAX) {
            return Vec::new();
        }
        let entries: Vec<&str> = value.split(';').take(LIST_ITEMS_MAX + 1).map(str::trim).collect();
        if entries.len() > LIST_ITEMS_MAX {
            let why = format_args!("lists more than {LIST_ITEMS_MAX} entries");
            self.bad(field, value, why);
            return Vec::new();
        }
        entries
    }

    /// A list whose entries may bear a mark `!` at the end.
    pub(super) fn marked_list(&mut self, field: &str, value: &str) -> Vec<(String, bool)> {
        let mut seen: Vec<(String, bool)> = Vec::new();
        for entry in self.list(field, value) {
            let (text, mark) = match entry.strip_suffix('!') {
                Some(text) => (text.trim_end(), true),
                None => (entry, false),
            };
            if text.is_empty() {
                self.bad(field, value, format_args!("has an empty entry between `;`"));
            } else if seen.iter().any(|(other, _)| other == text) {
                self.bad(field, entry, format_args!("is listed twice"));
            } else {
                seen.push((text.to_owned(), mark));
            }
        }
        seen
    }

    fn term_list<T: FromStr<Err = UnknownTerm> + PartialEq>(
        &mut self,
        field: &str,
        value: &str,
    ) -> Vec<T> {
        let mut seen = Vec::new();
        for entry in self.list(field, value) {
            if let Some(term) = self.term(field, entry) {
                if seen.contains(&term) {
                    self.bad(field, entry, format_args!("is listed twice"));
                } else {
                    seen.push(term);
                }
            }
        }
        seen
    }

    /// Channels; none is all.
    pub(super) fn channels(&mut self, field: &str, value: &str) -> ChannelSet {
        let set: ChannelSet = self.term_list::<Channel>(field, value).into_iter().collect();
        if set.is_empty() { ChannelSet::ALL } else { set }
    }

    /// Levels, by [`Level::index`]; none is all.
    pub(super) fn levels(&mut self, field: &str, value: &str) -> [bool; 3] {
        let mut levels = [false; 3];
        for level in self.term_list::<Level>(field, value) {
            levels[level.index()] = true;
        }
        if levels == [false; 3] { [true; 3] } else { levels }
    }

    /// A path of nonempty parts separated by `/`; may be empty.
    pub(super) fn path<'a>(&mut self, field: &str, value: &'a str) -> &'a str {
        if !value.is_empty() && value.split('/').any(|part| part.trim().is_empty()) {
            self.bad(field, value, format_args!("has an empty part beside `/`"));
            return "";
        }
        self.text(field, value)
    }

    /// Attributes, ascending by name, without the empty ones.
    pub(super) fn attributes<'a>(
        &mut self,
        attributes: &[(&'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        if attributes.len() > ATTRIBUTES_MAX {
            let count = attributes.len();
            let why = format_args!("has {count} attributes; at most {ATTRIBUTES_MAX} are allowed");
            self.bad("", "", why);
            return Vec::new();
        }
        let mut sorted = attributes.to_vec();
        sorted.sort_unstable();
        for pair in sorted.windows(2) {
            if pair[0].0 == pair[1].0 {
                self.bad(pair[1].0, pair[1].1, format_args!("is given twice"));
            }
        }
        sorted.retain(|(name, value)| {
            if !is_attribute_name(name) {
                self.bad(name, value, format_args!("{ATTRIBUTE_NAME_RULE}"));
                return false;
            }
            !self.text(name, value).is_empty()
        });
        sorted
    }
}

/// The rule of [`is_attribute_name`] in words.
pub(super) const ATTRIBUTE_NAME_RULE: &str =
    "is no attribute: a name must be `x_` and letters, digits, `_`, `-` or `.`, at most 64 bytes";

/// Whether `name` can name an attribute.
pub(super) fn is_attribute_name(name: &str) -> bool {
    name.len() <= ATTRIBUTE_NAME_BYTES_MAX
        && name.strip_prefix("x_").is_some_and(|rest| {
            !rest.is_empty()
                && rest.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
        })
}
