//! Tables for people: Markdown, of a width that depends on nothing but the content, so that the
//! same plan prints the same text everywhere and a table can go into a report as it is.

use std::fmt::Display;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A table under construction.
pub(super) struct Grid {
    table: Table,
    header: Vec<&'static str>,
}

impl Grid {
    /// A table with these columns; a name that ends in `>` is one of numbers, set to the right.
    pub fn new(columns: &[&'static str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::ASCII_MARKDOWN)
            .set_content_arrangement(ContentArrangement::Disabled)
            .force_no_tty();
        Grid { table, header: columns.to_vec() }
    }

    /// Adds a row; what it lacks at the end stays empty.
    pub fn row<T: Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table.add_row(cells.into_iter().map(|cell| clean(&cell.to_string())));
    }
}

impl Display for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = self.table.clone();
        table.set_header(self.header.iter().map(|name| name.trim_end_matches('>')));
        for (place, name) in self.header.iter().enumerate() {
            if let (true, Some(column)) = (name.ends_with('>'), table.column_mut(place)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{table}")
    }
}

/// Text that leaves a table and a terminal alone: no control characters, no column separators.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' => cleaned.push('¦'),
            c if c.is_control() => cleaned.extend(c.escape_default()),
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        let texts = [0, 12, 999, 1000, 123_456, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "12", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn a_table_is_markdown_and_harmless() {
        let mut grid = Grid::new(&["city", "batches>"]);
        grid.row(["济南市", "1"]);
        grid.row(["a|\u{1b}[2J", "1234"]);
        let expected = "\
| city        | batches |
|-------------|---------|
| 济南市      |       1 |
| a¦\\u{1b}[2J |    1234 |
";
        assert_eq!(grid.to_string(), expected);
    }
}
