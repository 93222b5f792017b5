//! Exact non-negative rationals from decimals: shares, rates, floors.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A non-negative rational in lowest terms, numerator and denominator at most 10^12.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    num: u64,
    den: u64,
}

/// Why a text is no exact share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RatioError {
    /// Not `12%`, `12.5%` or `0.125`.
    #[error("must be a decimal such as \"30%\", \"1.5%\" or \"0.3\" with at most 6 decimals")]
    Syntax,
    /// Larger than 100 %.
    #[error("must not be more than 100%")]
    AboveOne,
}

/// The greatest common divisor; of 0 and `n` it is `n`.
#[must_use]
pub fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Ratio {
    /// Zero.
    pub const ZERO: Self = Ratio { num: 0, den: 1 };
    /// One.
    pub const ONE: Self = Ratio { num: 1, den: 1 };

    /// `num / den` in lowest terms; `None` if `den` is 0 or a reduced part exceeds 10^12.
    #[must_use]
    pub fn new(num: u64, den: u64) -> Option<Self> {
        const MAX: u64 = 1_000_000_000_000;
        if den == 0 {
            return None;
        }
        let g = gcd(num, den);
        let (num, den) = (num / g, den / g);
        (num <= MAX && den <= MAX).then_some(Ratio { num, den })
    }

    /// Numerator in lowest terms.
    #[must_use]
    pub fn num(self) -> u64 {
        self.num
    }

    /// Denominator in lowest terms, at least 1.
    #[must_use]
    pub fn den(self) -> u64 {
        self.den
    }

    /// The largest integer ≤ `self × n`.
    #[must_use]
    pub fn floor_of(self, n: u64) -> u64 {
        (u128::from(self.num) * u128::from(n) / u128::from(self.den)) as u64
    }

    /// The smallest integer ≥ `self × n`.
    #[must_use]
    pub fn ceil_of(self, n: u64) -> u64 {
        (u128::from(self.num) * u128::from(n)).div_ceil(u128::from(self.den)) as u64
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.num) * u128::from(other.den);
        left.cmp(&(u128::from(other.num) * u128::from(self.den)))
    }
}

/// Parses `30%`, `1.5%`, `0.3`, `1`: at most 6 decimals, at most 100 %.
impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let (number, scale) = match text.strip_suffix('%') {
            Some(rest) => (rest.trim_end_matches(' '), 100),
            None => (text, 1),
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |t: &str, max: usize| {
            (1..=max).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 6) || !digits(decimals, 6) {
            return Err(RatioError::Syntax);
        }
        let unit = 10u64.pow(decimals.len() as u32);
        let whole: u64 = whole.parse().map_err(|_| RatioError::Syntax)?;
        let decimals: u64 = decimals.parse().map_err(|_| RatioError::Syntax)?;
        let ratio = Ratio::new(whole * unit + decimals, unit * scale).ok_or(RatioError::Syntax)?;
        if ratio > Ratio::ONE { Err(RatioError::AboveOne) } else { Ok(ratio) }
    }
}

/// A percentage where it is a finite decimal of at most 8 places (every parsed text is), else `num/den`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNIT: u64 = 100_000_000;
        let scaled = u128::from(self.num) * 100 * u128::from(UNIT);
        if scaled % u128::from(self.den) != 0 {
            return write!(f, "{}/{}", self.num, self.den);
        }
        let scaled = scaled / u128::from(self.den);
        let (whole, rest) = (scaled / u128::from(UNIT), scaled % u128::from(UNIT));
        if rest == 0 {
            write!(f, "{whole}%")
        } else {
            let decimals = format!("{rest:08}");
            write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
        }
    }
}

impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let r = |t: &str| t.parse::<Ratio>().unwrap();
        assert_eq!(r("30%"), Ratio::new(3, 10).unwrap());
        assert_eq!(r("1.5%"), Ratio::new(3, 200).unwrap());
        assert_eq!(r("0.3"), r("30 %"));
        assert_eq!(r("100%"), Ratio::ONE);
        assert_eq!(r("30%").ceil_of(11), 4);
        assert_eq!(r("30%").floor_of(11), 3);
        for text in ["30%", "1.5%", "0.0001%", "0%"] {
            assert_eq!(r(text).to_string(), text);
        }
    }

    #[test]
    fn odd_numbers_are_refused() {
        for bad in ["", "%", "NaN", "-1%", "inf", "1e3", "+3%", ".5", "5.%", "0.1234567"] {
            assert_eq!(bad.parse::<Ratio>(), Err(RatioError::Syntax), "{bad}");
        }
        assert_eq!("100.1%".parse::<Ratio>(), Err(RatioError::AboveOne));
        assert_eq!("2".parse::<Ratio>(), Err(RatioError::AboveOne));
    }
}
