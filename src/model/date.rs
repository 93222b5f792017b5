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

/// The day in China (UTC+8, without summer time) at a time in seconds since 1970-01-01T00:00:00Z;
/// `None` after the year 9999.
#[must_use]
pub fn day_in_china(seconds: u64) -> Option<Date> {
    let days = seconds.checked_add(8 * 3_600)? / 86_400;
    let days = jiff::Span::new().try_days(i64::try_from(days).ok()?).ok()?;
    jiff::civil::date(1970, 1, 1).checked_add(days).ok()
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
    fn days_begin_at_midnight_in_china() {
        let day = |seconds| day_in_china(seconds).map(|day| day.to_string());
        assert_eq!(day(0).as_deref(), Some("1970-01-01"));
        // 2026-07-31T15:59:59Z and a second later.
        assert_eq!(day(1_785_513_599).as_deref(), Some("2026-07-31"));
        assert_eq!(day(1_785_513_600).as_deref(), Some("2026-08-01"));
        assert_eq!(day(u64::MAX), None);
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in ["2025-2-30", "2025-02-30", "20250230", "2025-02-03T00", "", "２０２５-01-01"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
