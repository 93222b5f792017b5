//! Compact text: columns of strings and interned symbols.

/// A column of strings in one buffer: 4 bytes an entry beside the text itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextColumn {
    bytes: String,
    ends: Vec<u32>,
}

impl TextColumn {
    /// An empty column with room for `rows` strings of `bytes` bytes in all.
    #[must_use]
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        TextColumn { bytes: String::with_capacity(bytes), ends: Vec::with_capacity(rows) }
    }

    /// Appends a string. The column holds at most 4 GiB of text.
    ///
    /// # Panics
    /// Past 4 GiB, which the import limits rule out.
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(u32::try_from(self.bytes.len()).expect("a text column holds at most 4 GiB"));
    }

    /// The string at `row`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[start..self.ends[row] as usize]
    }

    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of text in all.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Finds `text` in a column sorted by bytes, without repeats.
    #[must_use]
    pub fn find_sorted(&self, text: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let mid = low + (high - low) / 2;
            match self.get(mid).cmp(text) {
                std::cmp::Ordering::Equal => return Some(mid),
                std::cmp::Ordering::Less => low = mid + 1,
                std::cmp::Ordering::Greater => high = mid,
            }
        }
        None
    }
}

impl<'a> FromIterator<&'a str> for TextColumn {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut column = TextColumn::default();
        for text in texts {
            column.push(text);
        }
        column
    }
}

/// The number of a string in a [`Symbols`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Symbol(pub u32);

impl Symbol {
    /// The empty string, in every table.
    pub const EMPTY: Self = Symbol(0);
}

/// Distinct strings, sorted by bytes, the empty one first: symbols compare as their strings do,
/// and the numbering depends only on the set of strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbols(TextColumn);

impl Default for Symbols {
    fn default() -> Self {
        Symbols::new(std::iter::empty())
    }
}

impl Symbols {
    /// The table of `texts` and the empty string, in any order, with or without repeats.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<&str> = texts.into_iter().collect();
        all.push("");
        all.sort_unstable();
        all.dedup();
        Symbols(all.into_iter().collect())
    }

    /// The string of `symbol`.
    #[must_use]
    pub fn get(&self, symbol: Symbol) -> &str {
        self.0.get(symbol.0 as usize)
    }

    /// The symbol of `text`, if the table has it.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.0.find_sorted(text).map(|i| Symbol(i as u32))
    }

    /// Number of symbols, the empty one included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: the empty string is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_do_not_depend_on_order() {
        let one = Symbols::new(["b", "a", "b"]);
        let two = Symbols::new(["a", "b"]);
        assert_eq!(one, two);
        assert_eq!(one.find("b"), Some(Symbol(2)));
        assert_eq!(one.find(""), Some(Symbol::EMPTY));
        assert_eq!(one.find("c"), None);
        assert_eq!(one.get(Symbol(1)), "a");
    }
}
