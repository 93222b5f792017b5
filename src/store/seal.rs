//! The seal: how many batches were applied, and a sum over all records. It is kept twice: as a record
//! that changes with every batch, and in a file beside the records.
//!
//! sled takes a part of its log that is damaged for one that was never finished, and opens without
//! what stands in it and after it. So whatever it shows at the start is compared: with the record,
//! which tells whether the records are those of one moment, and with the file, which tells whether that
//! moment is the last one. The file is never ahead of what is on disk: it is written after the
//! records, when there is nothing else to do, and may lack what was applied last.
//!
//! The sum is that of the records' SHA-256, so it needs no order and changes with a batch by the
//! batch's own records (Bellare, Micciancio: A New Paradigm for Collision-Free Hashing, 1997). It finds
//! damage; against people there is the signed log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::error::RESTORE;
use crate::model::{Digest, FramedHasher};

/// Key of the record. The store's own: batches with such a key are refused, and nothing shows it.
pub(super) const SEAL_KEY: &str = "\0seal";
const FORMAT: &str = "spotcheck-seal/1";
/// Bytes between the two places in the file: more than a disk writes at once, so that a loss of power
/// while one is written leaves the other.
const PLACE_BYTES: u64 = 4096;

/// What is known of all records together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seal {
    /// Batches that were applied since the store is sealed.
    pub batches: u64,
    /// The sum, as four 64-bit numbers that are added each for itself.
    pub sum: [u64; 4],
}

impl Seal {
    /// Counts a record in.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        for (sum, part) in self.sum.iter_mut().zip(parts(key, value)) {
            *sum = sum.wrapping_add(part);
        }
    }

    /// Counts a record out.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        for (sum, part) in self.sum.iter_mut().zip(parts(key, value)) {
            *sum = sum.wrapping_sub(part);
        }
    }

    /// As it stands in the record and in the file.
    pub fn text(&self) -> String {
        let [a, b, c, d] = self.sum;
        let text = format!("{FORMAT} {} {a:016x}{b:016x}{c:016x}{d:016x}", self.batches);
        format!("{text} {}\n", Digest::of(text.as_bytes()))
    }

    /// What a text says, if it is whole.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(bytes.split(|byte| *byte == b'\n').next()?).ok()?;
        let (text, digest) = line.rsplit_once(' ')?;
        if Digest::of(text.as_bytes()).to_string() != digest {
            return None;
        }
        let mut words = text.split(' ').skip(1);
        let batches = words.next()?.parse().ok()?;
        let digits = words.next()?;
        let mut sum = [0; 4];
        for (place, part) in sum.iter_mut().enumerate() {
            *part = u64::from_str_radix(digits.get(16 * place..16 * (place + 1))?, 16).ok()?;
        }
        Some(Seal { batches, sum })
    }
}

fn parts(key: &[u8], value: &[u8]) -> [u64; 4] {
    let digest = FramedHasher::new("spotcheck/store-record").field(key).field(value).finish();
    let mut parts = [0; 4];
    for (part, bytes) in parts.iter_mut().zip(digest.0.chunks_exact(8)) {
        *part = bytes.iter().fold(0, |part, byte| part << 8 | u64::from(*byte));
    }
    parts
}

/// The file of the seal: two places that are written in turns.
#[derive(Debug)]
pub(super) struct SealFile {
    path: PathBuf,
    file: File,
    /// What it holds.
    written: Seal,
    /// The place that is written next.
    next: u64,
}

impl SealFile {
    /// Makes the file, or writes it anew. Its name is the caller's to make durable.
    pub fn create(path: &Path, seal: Seal) -> Result<Self, StoreError> {
        let made = File::create(path).and_then(|file| file.set_len(2 * PLACE_BYTES).map(|()| file));
        let file = made.map_err(StoreError::io(format!("creating {}", path.display())))?;
        let mut made = SealFile { path: path.into(), file, written: seal, next: 0 };
        made.put(seal)?;
        made.put(seal)?;
        Ok(made)
    }

    /// Opens the file of a store.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let corrupt =
            || StoreError::Corrupt { what: path.display().to_string(), how_to_restore: RESTORE };
        let read = || {
            let file = File::options().read(true).write(true).open(path)?;
            let mut bytes = Vec::new();
            (&file).take(2 * PLACE_BYTES).read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) = read().map_err(|source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => corrupt(),
            _ => StoreError::Io { what: format!("reading {}", path.display()), source },
        })?;
        let mut places = bytes.chunks(PLACE_BYTES as usize).map(Seal::parse);
        let (written, next) = match (places.next().flatten(), places.next().flatten()) {
            (Some(one), Some(two)) if one.batches > two.batches => (one, 1),
            (_, Some(two)) => (two, 0),
            (Some(one), None) => (one, 1),
            (None, None) => return Err(corrupt()),
        };
        Ok(SealFile { path: path.into(), file, written, next })
    }

    /// What the file holds.
    pub fn seal(&self) -> Seal {
        self.written
    }

    /// Writes a seal that is on disk in the records; returns when it is here, too.
    pub fn write(&mut self, seal: Seal) -> Result<(), StoreError> {
        if seal == self.written { Ok(()) } else { self.put(seal) }
    }

    fn put(&mut self, seal: Seal) -> Result<(), StoreError> {
        let text = seal.text();
        let put = |file: &mut File| {
            file.seek(SeekFrom::Start(self.next * PLACE_BYTES))?;
            file.write_all(text.as_bytes())?;
            file.sync_data()
        };
        put(&mut self.file).map_err(StoreError::io(format!("writing {}", self.path.display())))?;
        (self.written, self.next) = (seal, 1 - self.next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_records_whatever_the_order() {
        let (mut one, mut two) = (Seal::default(), Seal::default());
        for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
            one.add(key.as_bytes(), value.as_bytes());
        }
        for (key, value) in [("c", "9"), ("b", "2"), ("a", "1"), ("c", "3")] {
            two.add(key.as_bytes(), value.as_bytes());
        }
        assert_ne!(one, two);
        two.remove(b"c", b"9");
        assert_eq!(one, two);
        // Where a key ends counts.
        two.remove(b"a", b"1");
        two.add(b"a1", b"");
        assert_ne!(one, two);
        two.remove(b"a1", b"");
        two.remove(b"b", b"2");
        two.remove(b"c", b"3");
        assert_eq!(two, Seal::default());
    }

    #[test]
    fn a_text_is_read_as_it_was_written_or_not_at_all() {
        let mut seal = Seal { batches: 1_234, ..Seal::default() };
        seal.add(b"key", b"value");
        let text = seal.text();
        assert_eq!(Seal::parse(text.as_bytes()), Some(seal));
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(Seal::parse(&bytes), None, "{at}");
            assert_eq!(Seal::parse(&text.as_bytes()[..at]), None, "{at}");
        }
    }

    #[test]
    fn a_place_that_was_half_written_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("SEAL");
        assert!(matches!(SealFile::open(&path), Err(StoreError::Corrupt { .. })));
        let seal = |batches| Seal { batches, sum: [batches; 4] };
        let mut file = SealFile::create(&path, seal(0)).unwrap();
        for batches in 1..6 {
            file.write(seal(batches)).unwrap();
            let mut again = SealFile::open(&path).unwrap();
            assert_eq!(again.seal(), seal(batches));
            // The older place is the one that is written next.
            let before = std::fs::read(&path).unwrap();
            again.write(seal(batches + 9)).unwrap();
            assert_eq!(SealFile::open(&path).unwrap().seal(), seal(batches + 9));
            let after = std::fs::read(&path).unwrap();
            for written in 0..after.len().min(2 * PLACE_BYTES as usize) {
                if before[written] == after[written] {
                    continue;
                }
                let torn = [&after[..written], &before[written..]].concat();
                std::fs::write(&path, torn).unwrap();
                assert_eq!(SealFile::open(&path).unwrap().seal(), seal(batches), "{written}");
            }
            std::fs::write(&path, before).unwrap();
        }
        std::fs::write(&path, "").unwrap();
        assert!(matches!(SealFile::open(&path), Err(StoreError::Corrupt { .. })));
    }
}
