//! Seeds, the draw key, its sub-keys, and the random stream that each sub-key opens.
//!
//! # Specification (method `m1`)
//!
//! **Notation.** `‖` joins bytes. `LE64(n)` is n as 8 bytes, least significant first.
//! `F(d; a, b, …)` is the framed hash: SHA-256 of
//! `LE64(|d|) ‖ d ‖ LE64(|a|) ‖ a ‖ LE64(|b|) ‖ b ‖ …`, where `|a|` is the length of `a` in
//! bytes and texts are UTF-8 without a terminator.
//!
//! **Seed.** 32 bytes. A ceremony's text gives `seed = F("spotcheck/m1/seed-text"; text)`. The
//! text counts byte for byte as typed; nothing is trimmed or normalised. It is refused if it
//! has no byte, if it has more than 4096 bytes, if any of its characters is a control character
//! (Unicode general category Cc: U+0000–U+001F and U+007F–U+009F), or if its first or last
//! character is white space (Unicode property White_Space: U+0009–U+000D, U+0020, U+0085,
//! U+00A0, U+1680, U+2000–U+200A, U+2028, U+2029, U+202F, U+205F, U+3000).
//!
//! **Draw key.** `key = F("spotcheck/m1/draw"; seed, input digest)`, both of 32 bytes.
//! Its public hash is `F("spotcheck/m1/draw-key-hash"; key)`.
//!
//! **Sub-key** of a label: `sub = F("spotcheck/m1/sub-key"; key, label)`.
//!
//! **Stream** of a label: the ChaCha20 keystream whose 256-bit key is the label's sub-key, with
//! the block counter starting at 0 and a nonce of zeros. (The counter has 64 bits, but the first
//! 2^32 blocks are those of RFC 8439 with a nonce of 12 zero bytes.) The keystream is cut into
//! words of 8 bytes; each word is read least significant byte first; words are taken in order
//! and every word is taken once.
//!
//! **Bounded integer** `below(n)`, n ≥ 1: uniform on 0 … n−1. If n = 1 the result is 0 and no
//! word is taken. Otherwise let `mask` be the smallest number of the form 2^k − 1 that is
//! ≥ n − 1; take words w until `w & mask` < n; that is the result.
//!
//! **Shuffle** of a list `a` of length m: for i = m−1, m−2, …, 1: let j = `below(i + 1)` and
//! swap `a[i]` with `a[j]` (which may be the same). Lists of fewer than two take no word.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::{Digest, HashName};

/// The longest text of a ceremony, in bytes. Far above any number of dice that people throw.
pub const SEED_TEXT_BYTES_MAX: usize = 4096;

/// Bytes of keystream made at a time: 64 blocks, enough for the vectorised implementation.
const BUFFER_BYTES: usize = 4096;

/// The 32 random bytes that a draw starts from. `Debug` does not show them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

/// Why a text is no seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// No byte at all.
    #[error("seed text is empty; type the ceremony's text, e.g. the dice as digits")]
    Empty,
    /// More than [`SEED_TEXT_BYTES_MAX`] bytes.
    #[error("seed text has {bytes} bytes; at most 4096 are allowed")]
    TooLong {
        /// Length of the text in UTF-8 bytes.
        bytes: usize,
    },
    /// A control character, e.g. a line feed or a tab.
    #[error(
        "seed text has the control character U+{:04X} at byte {at}; \
         type it in one line, without tabs",
        *.character as u32
    )]
    Control {
        /// Offset of the character in UTF-8 bytes.
        at: usize,
        /// The character.
        character: char,
    },
    /// A ceremony's text has something that is no die.
    #[error("character {} of the ceremony is no die; type the digits 1 to 6 without separators", at + 1)]
    NotDice {
        /// Place of the first such byte, from 0.
        at: usize,
    },
    /// Too few or too many dice.
    #[error("the ceremony has {digits} dice; 50 to 4096 are needed")]
    Dice {
        /// How many there are.
        digits: usize,
    },
    /// A beacon's value is not as it must be.
    #[error("a beacon's value must be 32 to 256 lower-case hexadecimal digits")]
    NotBeacon,
    /// A share or value is not 32 bytes.
    #[error("a share and a system value must be 64 lower-case hexadecimal digits")]
    NotBytes,
    /// There is no such source.
    #[error("a seed's source must be text, ceremony, beacon or system")]
    NoSource,
    /// White space at the start or at the end.
    #[error("seed text begins or ends with white space (U+{:04X}); remove it", *.character as u32)]
    OuterSpace {
        /// The character.
        character: char,
    },
}

impl Seed {
    /// The seed of a ceremony's text, which counts byte for byte as typed.
    ///
    /// Part of method `m1`; see "Seed" in the module documentation.
    ///
    /// # Errors
    /// If the text is empty, too long, has a control character, or has white space at an end.
    pub fn from_text(hash: HashName, text: &str) -> Result<Seed, SeedError> {
        if text.len() > SEED_TEXT_BYTES_MAX {
            return Err(SeedError::TooLong { bytes: text.len() });
        }
        if let Some((at, character)) = text.char_indices().find(|(_, c)| c.is_control()) {
            return Err(SeedError::Control { at, character });
        }
        let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
            return Err(SeedError::Empty);
        };
        if let Some(character) = [first, last].into_iter().find(|c| c.is_whitespace()) {
            return Err(SeedError::OuterSpace { character });
        }
        Ok(Seed(hash.framed("spotcheck/m1/seed-text").field(text.as_bytes()).finish().0))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// The key of one draw: one seed bound to one frozen input. `Debug` shows only its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct DrawKey {
    key: [u8; 32],
    hash: HashName,
}

/// A sub-key, with the hash that it is used with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SubKey {
    /// The key.
    pub key: [u8; 32],
    /// The method's hash.
    pub hash: HashName,
}

impl DrawKey {
    /// The key of the draw of `input` (the digest of all that was frozen) from `seed`.
    #[must_use]
    pub fn new(hash: HashName, seed: &Seed, input: &Digest) -> DrawKey {
        let hasher = hash.framed("spotcheck/m1/draw").field(&seed.0).field(&input.0);
        DrawKey { key: hasher.finish().0, hash }
    }

    /// What may be published of the key: a hash that says which key it was, and not the key.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.hash.framed("spotcheck/m1/draw-key-hash").field(&self.key).finish()
    }

    /// The sub-key of `label`: 32 bytes that tell nothing about the key or other sub-keys.
    #[must_use]
    pub fn sub_key(&self, label: &str) -> SubKey {
        let hasher = self.hash.framed("spotcheck/m1/sub-key").field(&self.key);
        SubKey { key: hasher.field(label.as_bytes()).finish().0, hash: self.hash }
    }

    /// A key of its own for a second rounding: the sub-key of `label`, used as a draw key.
    #[must_use]
    pub fn derive(&self, label: &str) -> DrawKey {
        let SubKey { key, hash } = self.sub_key(label);
        DrawKey { key, hash }
    }

    /// The stream of `label`, at its beginning.
    #[must_use]
    pub fn stream(&self, label: &str) -> Stream {
        Stream::from_sub_key(self.sub_key(label).key)
    }
}

impl fmt::Debug for DrawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrawKey(hash {})", self.digest())
    }
}

/// A stream of random words: the ChaCha20 keystream of one sub-key.
///
/// Bounded integers and shuffles follow the rules of the module documentation and use no
/// distribution of `rand`, whose algorithms may change between releases.
pub struct Stream {
    cipher: ChaCha20Rng,
    buffer: [u8; BUFFER_BYTES],
    /// Bytes of `buffer` already taken; a multiple of 8.
    taken: usize,
}

impl Stream {
    /// The stream of a sub-key, at its beginning.
    #[must_use]
    pub fn from_sub_key(sub_key: [u8; 32]) -> Stream {
        // A new generator stands at block 0 of stream (nonce) 0.
        let cipher = ChaCha20Rng::from_seed(sub_key);
        Stream { cipher, buffer: [0; BUFFER_BYTES], taken: BUFFER_BYTES }
    }

    /// The next 8 bytes of the keystream, least significant first.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        if self.taken == BUFFER_BYTES {
            self.cipher.fill_bytes(&mut self.buffer);
            self.taken = 0;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.buffer[self.taken..self.taken + 8]);
        self.taken += 8;
        u64::from_le_bytes(word)
    }

    /// A uniform integer in `0..n`, without bias.
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n >= 1, "below(n) needs n >= 1");
        if n == 1 {
            return 0;
        }
        let mask = u64::MAX >> (n - 1).leading_zeros();
        loop {
            let candidate = self.next_u64() & mask;
            if candidate < n {
                return candidate;
            }
        }
    }

    /// Puts `items` into a uniformly random order (Fisher–Yates from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream(..)")
    }
}

#[cfg(test)]
mod tests;
