//! Identifiers: enterprises, products, administrative divisions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest identifier in bytes: a resource name made of two of them still fits a log line.
pub const ID_BYTES_MAX: usize = 64;

/// Why an identifier was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 1–64 of the allowed characters.
    #[error("must be 1-64 characters of A-Z a-z 0-9 . _ -, beginning with a letter or digit")]
    Syntax,
    /// Not a unified social credit code.
    #[error("is not an 18-character unified social credit code (GB 32100-2015)")]
    UsccShape,
    /// A unified social credit code with a wrong check character.
    #[error("has a wrong check character: expected `{expected}`")]
    UsccCheck {
        /// The check character that the first 17 characters ask for.
        expected: char,
    },
    /// Not a division code.
    #[error("is not a division code of 2, 4, 6 or 9 digits")]
    Division,
}

/// Which rule the identifiers of enterprises follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdScheme {
    /// Unified social credit code with a verified check character (GB 32100-2015).
    #[default]
    Uscc,
    /// Any identifier of the general syntax.
    Opaque,
}

/// Checks the general syntax of identifiers: 1–64 of `A-Z a-z 0-9 . _ -`, first a letter or digit.
///
/// A slash can never occur, so `enterprise/product` names a unit without doubt.
///
/// # Errors
/// [`IdError::Syntax`].
pub fn check_id(id: &str) -> Result<(), IdError> {
    let bytes = id.as_bytes();
    let fits = (1..=ID_BYTES_MAX).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits { Ok(()) } else { Err(IdError::Syntax) }
}

const USCC_ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const USCC_WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

fn uscc_value(byte: u8) -> Option<u32> {
    USCC_ALPHABET.iter().position(|b| *b == byte).map(|p| p as u32)
}

/// The check character for the first 17 characters of a unified social credit code
/// (GB 32100-2015: weights 3^i mod 31), or `None` if one of them is outside the alphabet.
#[must_use]
pub fn uscc_check_character(first17: &str) -> Option<char> {
    let bytes = first17.as_bytes();
    if bytes.len() != 17 {
        return None;
    }
    let mut sum = 0;
    for (byte, weight) in bytes.iter().zip(USCC_WEIGHTS) {
        sum += uscc_value(*byte)? * weight;
    }
    Some(USCC_ALPHABET[((31 - sum % 31) % 31) as usize] as char)
}

/// Checks a unified social credit code: 18 characters, check character verified.
///
/// # Errors
/// [`IdError::UsccShape`] or [`IdError::UsccCheck`].
pub fn check_uscc(id: &str) -> Result<(), IdError> {
    if id.len() != 18 || !id.is_ascii() {
        return Err(IdError::UsccShape);
    }
    let expected = uscc_check_character(&id[..17]).ok_or(IdError::UsccShape)?;
    let last = id.as_bytes()[17];
    if last == expected as u8 {
        Ok(())
    } else if uscc_value(last).is_none() {
        Err(IdError::UsccShape)
    } else {
        Err(IdError::UsccCheck { expected })
    }
}

/// An administrative division code in the shape of GB/T 2260: 2 digits for a province, 4 for a
/// city, 6 for a county, 9 for a township.
///
/// Ordered as text, so a division sorts right before the divisions inside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DivisionCode {
    digits: u8,
    value: u32,
}

impl DivisionCode {
    /// Number of digits: 2, 4, 6 or 9.
    #[must_use]
    pub fn digits(self) -> u8 {
        self.digits
    }

    /// The code as a number.
    #[must_use]
    pub fn value(self) -> u32 {
        self.value
    }

    /// The code cut to `digits` (2, 4, 6 or 9), or `None` if it is shorter than that.
    #[must_use]
    pub fn cut(self, digits: u8) -> Option<Self> {
        if digits > self.digits || !matches!(digits, 2 | 4 | 6 | 9) {
            return None;
        }
        Some(DivisionCode {
            digits,
            value: self.value / 10u32.pow(u32::from(self.digits - digits)),
        })
    }

    /// The county (6 digits) of a county or township.
    #[must_use]
    pub fn county(self) -> Option<Self> {
        self.cut(6)
    }

    /// The city (4 digits) of a city, county or township.
    #[must_use]
    pub fn city(self) -> Option<Self> {
        self.cut(4)
    }

    /// The province (2 digits).
    #[must_use]
    pub fn province(self) -> Self {
        DivisionCode { digits: 2, value: self.value / 10u32.pow(u32::from(self.digits - 2)) }
    }

    /// Whether `self` lies in `outer` or is `outer`.
    #[must_use]
    pub fn is_within(self, outer: Self) -> bool {
        self.cut(outer.digits) == Some(outer)
    }

    fn order(self) -> (u32, u8) {
        (self.value * 10u32.pow(u32::from(9 - self.digits)), self.digits)
    }
}

impl PartialOrd for DivisionCode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DivisionCode {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl FromStr for DivisionCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.len();
        let fits = matches!(digits, 2 | 4 | 6 | 9)
            && text.bytes().all(|b| b.is_ascii_digit())
            && !text.starts_with('0');
        if !fits {
            return Err(IdError::Division);
        }
        let value = text.parse().map_err(|_| IdError::Division)?;
        Ok(DivisionCode { digits: digits as u8, value })
    }
}

impl fmt::Display for DivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value, f)
    }
}

impl fmt::Debug for DivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DivisionCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DivisionCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_usccs_pass_and_a_changed_character_is_named() {
        for id in ["91350100M000100Y43", "91110000600037341L", "91440300708461136T"] {
            assert_eq!(check_uscc(id), Ok(()), "{id}");
        }
        assert_eq!(check_uscc("91350100M000100Y44"), Err(IdError::UsccCheck { expected: '3' }));
        assert_eq!(check_uscc("91350100M000100Y4"), Err(IdError::UsccShape));
        assert_eq!(check_uscc("91350100I000100Y43"), Err(IdError::UsccShape));
    }

    #[test]
    fn division_codes_nest() {
        let town: DivisionCode = "370102001".parse().unwrap();
        assert_eq!(town.county().unwrap().to_string(), "370102");
        assert_eq!(town.city().unwrap().to_string(), "3701");
        assert_eq!(town.province().to_string(), "37");
        assert!(town.is_within("3701".parse().unwrap()));
        assert!(!town.is_within("3702".parse().unwrap()));
        for bad in ["", "3", "370", "37010", "3701021", "0701", "37a1", "3701020011", "+7"] {
            assert!(bad.parse::<DivisionCode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn divisions_sort_as_text() {
        let mut codes = ["3702", "370102001", "37", "3701", "370102"];
        let mut parsed: Vec<DivisionCode> = codes.iter().map(|c| c.parse().unwrap()).collect();
        codes.sort_unstable();
        parsed.sort_unstable();
        assert_eq!(parsed.iter().map(ToString::to_string).collect::<Vec<_>>(), codes);
    }

    #[test]
    fn ids_have_one_syntax() {
        assert!(check_id("P-1.a_B").is_ok());
        for bad in ["", "a/b", " a", "-a", "é", &"a".repeat(65)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }
}
