//! Where a seed comes from, and what of it is fixed before it exists.
//!
//! # Specification (method `m1`)
//!
//! `F` is the framed hash (see the streams' specification).
//!
//! | source | what is opened | seed |
//! |---|---|---|
//! | `text` | a text | `F("spotcheck/m1/seed-text"; text)` |
//! | `ceremony` | share, digits | `F("spotcheck/m1/seed-ceremony"; share, digits)` |
//! | `beacon` | share, value | `F("spotcheck/m1/seed-beacon"; share, value)` |
//! | `system` | value | `F("spotcheck/m1/seed-system"; value)` |
//!
//! The *share* is the bureau's: 32 random bytes, committed to before by
//! `F("spotcheck/m1/share-commitment"; share)`. The *digits* of a ceremony are those of dice, 1 to
//! 6, at least 50 of them (129 bits), without separators. The *value* of a beacon is the public
//! value as lower-case hexadecimal text of 32 to 256 digits. The *value* of `system` is 32 bytes of
//! the operating system, committed to by `F("spotcheck/m1/system-commitment"; value)`.
//!
//! A `text` is not protected: who types it could have tried others before.

use crate::model::{Digest, FramedHasher, HashName};

use super::{Seed, SeedError};

/// Fewest digits of a ceremony: 6^50 is above 2^129.
pub const DICE_MIN: usize = 50;
/// Most digits of a ceremony.
pub const DICE_MAX: usize = 4096;
/// Fewest and most hexadecimal digits of a beacon's value.
pub const BEACON_DIGITS: std::ops::RangeInclusive<usize> = 32..=256;

/// A seed that is opened: all that its 32 bytes follow from. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SeedSource {
    /// A text, entered byte for byte.
    Text(String),
    /// Dice thrown before witnesses, with the bureau's share.
    Ceremony {
        /// The bureau's share.
        share: [u8; 32],
        /// The dice as digits.
        digits: String,
    },
    /// A published value, with the bureau's share.
    Beacon {
        /// The bureau's share.
        share: [u8; 32],
        /// The value in hexadecimal.
        value: String,
    },
    /// Random bytes of the operating system.
    System {
        /// The bytes.
        value: [u8; 32],
    },
}

impl std::fmt::Debug for SeedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SeedSource({})", self.name())
    }
}

impl SeedSource {
    /// The source's name: `text`, `ceremony`, `beacon` or `system`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            SeedSource::Text(_) => "text",
            SeedSource::Ceremony { .. } => "ceremony",
            SeedSource::Beacon { .. } => "beacon",
            SeedSource::System { .. } => "system",
        }
    }

    /// The source of this name with its text (of `system`: the value in hexadecimal) and share.
    ///
    /// # Errors
    /// If there is no such source, or a value is not 32 bytes in hexadecimal.
    pub fn from_parts(name: &str, text: &str, share: &str) -> Result<Self, SeedError> {
        let bytes = |text: &str| -> Result<[u8; 32], SeedError> {
            let mut bytes = [0; 32];
            let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
            match hex::decode_to_slice(text, &mut bytes) {
                Ok(()) if lower => Ok(bytes),
                _ => Err(SeedError::NotBytes),
            }
        };
        Ok(match name {
            "text" => SeedSource::Text(text.to_owned()),
            "ceremony" => SeedSource::Ceremony { share: bytes(share)?, digits: text.to_owned() },
            "beacon" => SeedSource::Beacon { share: bytes(share)?, value: text.to_owned() },
            "system" => SeedSource::System { value: bytes(text)? },
            _ => return Err(SeedError::NoSource),
        })
    }

    /// The text that was entered: of `system` the value in hexadecimal.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            SeedSource::Text(text) => text.clone(),
            SeedSource::Ceremony { digits, .. } => digits.clone(),
            SeedSource::Beacon { value, .. } => value.clone(),
            SeedSource::System { value } => hex::encode(value),
        }
    }

    /// The bureau's share, if the source has one.
    #[must_use]
    pub fn share(&self) -> Option<&[u8; 32]> {
        match self {
            SeedSource::Ceremony { share, .. } | SeedSource::Beacon { share, .. } => Some(share),
            SeedSource::Text(_) | SeedSource::System { .. } => None,
        }
    }

    /// What everybody saw or can look up: dice, or a published value.
    #[must_use]
    pub fn public_value(&self) -> Option<&str> {
        match self {
            SeedSource::Ceremony { digits: value, .. } | SeedSource::Beacon { value, .. } => {
                Some(value)
            }
            SeedSource::Text(_) | SeedSource::System { .. } => None,
        }
    }

    /// The 32 bytes.
    ///
    /// # Errors
    /// If a text breaks the rules of its source; nothing is normalised.
    pub fn seed(&self, hash: HashName) -> Result<Seed, SeedError> {
        let framed = |domain: &str, fields: &[&[u8]]| {
            let hasher = hash.framed(domain);
            let hasher = fields.iter().fold(hasher, |hasher, field| hasher.field(field));
            Ok(Seed(hasher.finish().0))
        };
        match self {
            SeedSource::Text(text) => Seed::from_text(hash, text),
            SeedSource::Ceremony { share, digits } => {
                if let Some(at) = digits.bytes().position(|byte| !(b'1'..=b'6').contains(&byte)) {
                    return Err(SeedError::NotDice { at });
                }
                if !(DICE_MIN..=DICE_MAX).contains(&digits.len()) {
                    return Err(SeedError::Dice { digits: digits.len() });
                }
                framed("spotcheck/m1/seed-ceremony", &[share, digits.as_bytes()])
            }
            SeedSource::Beacon { share, value } => {
                let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                if !value.bytes().all(hex) || !BEACON_DIGITS.contains(&value.len()) {
                    return Err(SeedError::NotBeacon);
                }
                framed("spotcheck/m1/seed-beacon", &[share, value.as_bytes()])
            }
            SeedSource::System { value } => framed("spotcheck/m1/seed-system", &[value]),
        }
    }
}

/// The commitment to the bureau's share.
#[must_use]
pub fn share_commitment(share: &[u8; 32]) -> Digest {
    FramedHasher::new("spotcheck/m1/share-commitment").field(share).finish()
}

/// The commitment to the operating system's bytes.
#[must_use]
pub fn system_commitment(value: &[u8; 32]) -> Digest {
    FramedHasher::new("spotcheck/m1/system-commitment").field(value).finish()
}

/// What the log shows of a seed, which may have to stay secret: `F("spotcheck/m1/seed-commitment";
/// seed)`.
#[must_use]
pub fn seed_commitment(seed: &Seed) -> Digest {
    FramedHasher::new("spotcheck/m1/seed-commitment").field(&seed.0).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: [u8; 32] = [7; 32];

    fn ceremony(digits: &str) -> SeedSource {
        SeedSource::Ceremony { share: SHARE, digits: digits.to_owned() }
    }

    #[test]
    fn seeds_of_every_source_stay_what_they_are() {
        let digits = "123456".repeat(9);
        let value = "00ff".repeat(8);
        let sources = [
            (ceremony(&digits), CEREMONY),
            (SeedSource::Beacon { share: SHARE, value }, BEACON),
            (SeedSource::System { value: [9; 32] }, SYSTEM),
        ];
        for (source, wanted) in sources {
            assert_eq!(hex::encode(source.seed(HashName::Sha256).unwrap().0), wanted, "{source:?}");
            let share = source.share().map(hex::encode).unwrap_or_default();
            let again = SeedSource::from_parts(source.name(), &source.text(), &share).unwrap();
            assert!(again == source);
        }
        let text = SeedSource::Text("3 1 4".into());
        assert_eq!(text.seed(HashName::Sha256), Seed::from_text(HashName::Sha256, "3 1 4"));
        assert_eq!(share_commitment(&SHARE).to_string(), COMMITMENT);
        assert_ne!(share_commitment(&SHARE), system_commitment(&SHARE));
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        assert_eq!(
            ceremony(&"6".repeat(49)).seed(HashName::Sha256),
            Err(SeedError::Dice { digits: 49 })
        );
        assert_eq!(
            ceremony(&format!("12 {}", "6".repeat(60))).seed(HashName::Sha256),
            Err(SeedError::NotDice { at: 2 })
        );
        assert_eq!(
            ceremony(&"7".repeat(60)).seed(HashName::Sha256),
            Err(SeedError::NotDice { at: 0 })
        );
        for value in ["", "00", &"AB".repeat(20), &"0g".repeat(20), &"0".repeat(257)] {
            let beacon = SeedSource::Beacon { share: SHARE, value: value.to_owned() };
            assert_eq!(beacon.seed(HashName::Sha256), Err(SeedError::NotBeacon), "{value}");
        }
        assert_eq!(SeedSource::from_parts("dice", "1", ""), Err(SeedError::NoSource));
        assert_eq!(SeedSource::from_parts("ceremony", "1", "00"), Err(SeedError::NotBytes));
        assert_eq!(
            SeedSource::from_parts("system", &"AA".repeat(32), ""),
            Err(SeedError::NotBytes)
        );
    }

    const CEREMONY: &str = "26e6fb3716a3f70bfcf37f853b9cb060551e8cba39899919ec8e07a7382cf10f";
    const BEACON: &str = "2d815a95a2c833431bdb51385e6355032cde6789e8b71ccca54b0a00108d98ef";
    const SYSTEM: &str = "45849900a09af4ac0da7e17d84bbb669f66051404f61b83533ad517fe728664f";
    const COMMITMENT: &str = "40816ea18fcd22c7949402fe0959cdead0cd75fa647d462465cb0e0c74a77be7";
}
