//! The configuration file: TOML, one key a setting, no tables.

use toml::de::{DeTable, DeValue};

use super::{ConfigError, Setting};

/// A value of the file.
pub(super) struct Entry {
    pub key: &'static str,
    pub text: String,
    pub line: usize,
}

/// The values of a file that calls itself `file`.
pub(super) fn entries(
    settings: &[Setting],
    file: &str,
    text: &str,
) -> Result<Vec<Entry>, ConfigError> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|b| *b == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        file: file.to_owned(),
        line: line_of(error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let entry =
        |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
            let line = line_of(key.span().start);
            let name = key.get_ref().as_ref();
            let Some(setting) = settings.iter().find(|setting| setting.key == name) else {
                let known: Vec<&str> = settings.iter().map(|setting| setting.key).collect();
                let (file, known) = (file.to_owned(), known.join(", "));
                return Err(ConfigError::Unknown { file, line, key: name.to_owned(), known });
            };
            let text = match value.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
                DeValue::Boolean(value) => Ok(value.to_string()),
                _ => Err(ConfigError::Kind { file: file.to_owned(), line, key: setting.key }),
            };
            Ok(Entry { key: setting.key, text: text?, line })
        };
    let mut entries = table.get_ref().iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.sort_unstable_by_key(|entry| entry.line);
    Ok(entries)
}
