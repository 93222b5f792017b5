//! Digests and the domain-separated, length-framed way of hashing several fields.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use sm3::Sm3;

/// A digest of 32 bytes, of SHA-256 unless a policy asks for another hash; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The plain SHA-256 of `bytes`, as `sha256sum` prints it.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Digest(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The hash of a method: what its digests, keys and lots are made with.
///
/// The log, files and stored bytes always have SHA-256, whatever the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HashName {
    /// SHA-256 (FIPS 180-4).
    #[default]
    Sha256,
    /// SM3 (GB/T 32905-2016).
    Sm3,
}

impl HashName {
    /// Its name in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            HashName::Sha256 => "sha-256",
            HashName::Sm3 => "sm3",
        }
    }

    /// The plain hash of `parts`, joined.
    #[must_use]
    pub fn of(self, parts: &[&[u8]]) -> Digest {
        let mut hasher = Hasher::new(self);
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finish()
    }

    /// Starts a framed hash in `domain`.
    #[must_use]
    pub fn framed(self, domain: &str) -> FramedHasher {
        FramedHasher(Hasher::new(self)).field(domain.as_bytes())
    }
}

impl FromStr for HashName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "sha-256" => Ok(HashName::Sha256),
            "sm3" => Ok(HashName::Sm3),
            _ => Err(()),
        }
    }
}

/// A hash under way.
#[derive(Clone)]
enum Hasher {
    Sha256(Sha256),
    Sm3(Sm3),
}

impl Hasher {
    fn new(name: HashName) -> Self {
        match name {
            HashName::Sha256 => Hasher::Sha256(Sha256::new()),
            HashName::Sm3 => Hasher::Sm3(Sm3::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sm3(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> Digest {
        match self {
            Hasher::Sha256(hasher) => Digest(hasher.finalize().into()),
            Hasher::Sm3(hasher) => Digest(hasher.finalize().into()),
        }
    }
}

/// Hashes a list of fields so that no two lists share their bytes.
///
/// The bytes are: the domain, then each field; every one of them framed by its length in bytes
/// as a 64-bit little-endian integer. Specified in `docs/METHOD.md`, "Framed hash".
pub struct FramedHasher(Hasher);

impl FramedHasher {
    /// Starts a SHA-256 hash in `domain`, e.g. `spotcheck/m1/seed-commitment`.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        HashName::Sha256.framed(domain)
    }

    /// Adds one field.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The digest of all fields so far.
    #[must_use]
    pub fn finish(self) -> Digest {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_digest_is_sha256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), expected);
        assert_eq!(expected.parse::<Digest>().unwrap(), Digest::of(b"abc"));
        assert!("ba78".parse::<Digest>().is_err());
    }

    #[test]
    fn sm3_is_that_of_the_standard() {
        // GB/T 32905-2016, examples A.1 and A.2.
        let expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        assert_eq!(HashName::Sm3.of(&[b"ab", b"c"]).to_string(), expected);
        let expected = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732";
        assert_eq!(HashName::Sm3.of(&[&b"abcd".repeat(16)]).to_string(), expected);
        let framed = HashName::Sm3.framed("d").field(b"ab").finish();
        let by_hand: [&[u8]; 4] = [&1u64.to_le_bytes(), b"d", &2u64.to_le_bytes(), b"ab"];
        assert_eq!(framed, HashName::Sm3.of(&by_hand));
        for name in [HashName::Sha256, HashName::Sm3] {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        assert_eq!("md5".parse::<HashName>(), Err(()));
    }

    #[test]
    fn framing_separates_fields() {
        let one = FramedHasher::new("d").field(b"ab").field(b"c").finish();
        let two = FramedHasher::new("d").field(b"a").field(b"bc").finish();
        assert_ne!(one, two);
        let by_hand = [
            1u64.to_le_bytes().as_slice(),
            b"d",
            &2u64.to_le_bytes(),
            b"ab",
            &1u64.to_le_bytes(),
            b"c",
        ]
        .concat();
        assert_eq!(one, Digest::of(&by_hand));
    }
}
