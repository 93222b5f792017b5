//! The container: a zip archive whose members are exactly those of its signed manifest.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::audit::log::NoteError;
use crate::model::Digest;

/// Names the format in every manifest.
pub const BUNDLE_FORMAT: &str = "spotcheck-bundle/1";
/// The member that lists all others.
const MANIFEST: &str = "manifest.json";
/// The member that signs the manifest.
const SIGNATURE: &str = "manifest.note";
/// Most members.
const MEMBERS_MAX: usize = 64;
/// Most bytes of all members together, unpacked: some ten times what a province needs.
const BYTES_MAX: u64 = 2 << 30;
/// Most bytes of the manifest and of its signature.
const SMALL_MAX: u64 = 1 << 20;

/// Members by name.
pub type Members = BTreeMap<String, Vec<u8>>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    bundle: String,
    form: String,
    plan: String,
    members: Vec<Entry>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    bytes: u64,
    sha256: Digest,
}

/// A bundle that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It is no zip archive, or a damaged one.
    #[error("no bundle: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A member cannot be unpacked.
    #[error("member `{name}`: {error}")]
    Member {
        /// Its name.
        name: String,
        /// What went wrong.
        error: std::io::Error,
    },
    /// It is larger than any bundle.
    #[error(
        "the bundle unpacks to more than {BYTES_MAX} bytes or has more than {MEMBERS_MAX} members"
    )]
    TooLarge,
    /// A member that must be there is not.
    #[error("the bundle has no `{0}`")]
    Missing(String),
    /// There is a member that the manifest does not list, or one twice.
    #[error("the bundle has `{0}` beside what its manifest lists, or twice")]
    Surplus(String),
    /// A member is not what the manifest says.
    #[error("member `{name}` has not the size and SHA-256 that the manifest lists")]
    Altered {
        /// Its name.
        name: String,
    },
    /// The manifest cannot be read, or is of another format.
    #[error("the bundle's manifest: {0}")]
    Manifest(String),
    /// Signing failed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// An opened bundle: every member is what the manifest says; whether the manifest is signed is
/// still to be checked.
#[derive(Debug)]
pub struct Opened {
    /// `whole`.
    pub form: String,
    /// The plan.
    pub plan: String,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// The note that signs it.
    pub signature: String,
    /// All other members.
    pub members: Members,
}

/// Whether bytes look like a bundle rather than a plan file.
#[must_use]
pub fn is_bundle(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK")
}

/// Packs members; `sign` makes the note for the manifest's digest. The same members and note give
/// the same bytes.
///
/// # Errors
/// If there is too much for an archive, or signing fails.
pub fn pack(
    form: &str,
    plan: &str,
    members: &Members,
    sign: impl FnOnce(&Digest) -> Result<String, NoteError>,
) -> Result<Vec<u8>, BundleError> {
    let entry = |(name, bytes): (&String, &Vec<u8>)| Entry {
        name: name.clone(),
        bytes: bytes.len() as u64,
        sha256: Digest::of(bytes),
    };
    let manifest = Manifest {
        bundle: BUNDLE_FORMAT.to_owned(),
        form: form.to_owned(),
        plan: plan.to_owned(),
        members: members.iter().map(entry).collect(),
    };
    let text = serde_json::to_vec(&manifest).map_err(|e| BundleError::Manifest(e.to_string()))?;
    let note = sign(&Digest::of(&text))?;
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    // Fast rather than small: a plan's text shrinks to a quarter either way.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1));
    let first = [(MANIFEST, &text[..]), (SIGNATURE, note.as_bytes())];
    let others = members.iter().map(|(name, bytes)| (name.as_str(), &bytes[..]));
    for (name, bytes) in first.into_iter().chain(others) {
        writer.start_file(name, options)?;
        let failed = |error| BundleError::Member { name: name.to_owned(), error };
        writer.write_all(bytes).map_err(failed)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Opens a bundle: strictly, and within bounds whatever the archive claims.
///
/// # Errors
/// If it is no archive, too large, or its members are not exactly those of its manifest.
pub fn open(bytes: &[u8]) -> Result<Opened, BundleError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    if archive.len() > MEMBERS_MAX {
        return Err(BundleError::TooLarge);
    }
    let mut small = |name| read(&mut archive, name, SMALL_MAX)?.ok_or(BundleError::TooLarge);
    let (text, signature) = (small(MANIFEST)?, small(SIGNATURE)?);
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| BundleError::Manifest(error.to_string()))?;
    if manifest.bundle != BUNDLE_FORMAT {
        let found = format!("format `{}`, expected {BUNDLE_FORMAT}", manifest.bundle);
        return Err(BundleError::Manifest(found));
    }
    if serde_json::to_vec(&manifest).ok().as_ref() != Some(&text) {
        return Err(BundleError::Manifest("is not in canonical form".to_owned()));
    }
    let total = manifest.members.iter().try_fold(0u64, |sum, entry| sum.checked_add(entry.bytes));
    if total.is_none_or(|total| total > BYTES_MAX) {
        return Err(BundleError::TooLarge);
    }
    let mut members = Members::new();
    for entry in &manifest.members {
        let altered = || BundleError::Altered { name: entry.name.clone() };
        let bytes = read(&mut archive, &entry.name, entry.bytes)?.ok_or_else(altered)?;
        if (bytes.len() as u64, Digest::of(&bytes)) != (entry.bytes, entry.sha256) {
            return Err(altered());
        }
        if members.insert(entry.name.clone(), bytes).is_some() {
            return Err(BundleError::Surplus(entry.name.clone()));
        }
    }
    let listed = |name: &str| name == MANIFEST || name == SIGNATURE || members.contains_key(name);
    for name in archive.file_names() {
        let name = name?;
        if !listed(&name) {
            return Err(BundleError::Surplus(name.into_owned()));
        }
    }
    // An archive can hold a name twice, and readers differ in which of the two they show.
    let expected = members.len() + 2;
    if archive.len() != expected || entries_at_the_end(bytes) != Some(expected) {
        return Err(BundleError::Surplus("a name twice, or bytes after its end".to_owned()));
    }
    Ok(Opened {
        form: manifest.form,
        plan: manifest.plan,
        manifest: Digest::of(&text),
        signature: String::from_utf8_lossy(&signature).into_owned(),
        members,
    })
}

/// The number of entries that the end of the archive gives.
fn entries_at_the_end(bytes: &[u8]) -> Option<usize> {
    let end = bytes.len().checked_sub(22)?;
    let record = &bytes[end..];
    // Bundles have no comment, so the record is the last thing in the file.
    let is_end = record.starts_with(b"PK\x05\x06") && record[20..] == [0, 0];
    is_end.then(|| usize::from(u16::from_le_bytes([record[10], record[11]])))
}

/// The bytes of a member; none if there are more than `bytes_max`, whatever the archive claims.
fn read(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, BundleError> {
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => {
            return Err(BundleError::Missing(name.to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::with_capacity(file.size().min(bytes_max) as usize);
    let failed = |error| BundleError::Member { name: name.to_owned(), error };
    file.take(bytes_max + 1).read_to_end(&mut found).map_err(failed)?;
    Ok((found.len() as u64 <= bytes_max).then_some(found))
}
