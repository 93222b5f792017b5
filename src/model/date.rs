//! Civil dates (proleptic Gregorian calendar, no time zone).

/// A calendar date.
pub use jiff::civil::Date;

/// Parses `YYYY-MM-DD` and nothing else; `None` for any other text.
#[must_use]
pub fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| match i {
            4 | 7 => *b == b'-',
            _ => b.is_ascii_digit(),
        });
    if shaped { text.parse().ok() } else { None }
}

/// Adds calendar months; a day that the target month lacks becomes its last day, so that
/// 31 August + 6 months is 28 or 29 February. Saturates at the year 9999.
#[must_use]
pub fn add_months(date: Date, months: u32) -> Date {
    date.saturating_add(jiff::Span::new().months(months.min(9_999)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_years_follow_the_calendar() {
        let d = |t: &str| parse_date(t).unwrap();
        assert_eq!(add_months(d("2025-08-31"), 6), d("2026-02-28"));
        assert_eq!(add_months(d("2023-08-31"), 6), d("2024-02-29"));
        assert_eq!(add_months(d("2025-12-15"), 6), d("2026-06-15"));
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in ["2025-2-30", "2025-02-30", "20250230", "2025-02-03T00", "", "２０２５-01-01"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
