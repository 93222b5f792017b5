//! Keys, signed checkpoints and other signed notes.
//!
//! Signed notes are those of C2SP (`c2sp.org/signed-note`), checkpoints those of
//! `c2sp.org/tlog-checkpoint`, so that the tools of other transparency logs read them: a text, an
//! empty line, a line for every signature. Witnesses add signatures of their own; they are kept.

use base64::prelude::{BASE64_STANDARD, Engine};
use ed25519_dalek::SigningKey;
use signed_note::{
    Note, StandardSigner, StandardVerifier, Verifier, VerifierList, key_id,
    new_ed25519_verifier_key,
};

use crate::model::Digest;

/// The first line of a note that vouches for a plan.
const PLAN_LINE: &str = "spotcheck plan";
/// The first line of a note that vouches for a bundle.
const BUNDLE_LINE: &str = "spotcheck bundle";
/// The first line of a note that changes keys.
const KEY_LINE: &str = "spotcheck key change";
/// The algorithm byte of Ed25519 in encoded keys.
const ED25519: u8 = 1;

/// Why a note does not prove what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The key cannot be used.
    #[error("no key of a signed note: {0}")]
    Key(String),
    /// The note is malformed or not signed by the key.
    #[error("{0}")]
    Note(String),
    /// The text is not what it should be.
    #[error("the signed text is no {0}")]
    Text(&'static str),
    /// The checkpoint is of another log.
    #[error("the checkpoint is of the log `{found}`, not of `{expected}`")]
    Origin {
        /// The log that it names.
        found: String,
        /// The log that is meant.
        expected: String,
    },
}

/// A private key. `Debug` shows only its public half.
pub struct LogKey {
    text: String,
    verifier: String,
}

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogKey({})", self.verifier)
    }
}

impl LogKey {
    /// The key of a name from 32 secret bytes.
    ///
    /// # Errors
    /// If the name has blanks or pluses, or is empty.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<Self, NoteError> {
        let signing = SigningKey::from_bytes(secret);
        let public = [&[ED25519][..], &signing.verifying_key().to_bytes()].concat();
        let private = [&[ED25519][..], secret].concat();
        let id = key_id(name, &public);
        let text = format!("PRIVATE+KEY+{name}+{id:08x}+{}", BASE64_STANDARD.encode(private));
        StandardSigner::new(&text).map_err(|error| NoteError::Key(error.to_string()))?;
        let verifier = new_ed25519_verifier_key(name, &signing.verifying_key());
        Ok(LogKey { text, verifier })
    }

    /// The public half, as `name+id+key`.
    #[must_use]
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    /// Signs a text, which ends with a line feed, beside signatures that it has.
    fn sign(&self, text: &str, with: &[&LogKey]) -> Result<String, NoteError> {
        let failed = |error: signed_note::NoteError| NoteError::Note(error.to_string());
        let mut note = Note::new(text.as_bytes(), &[]).map_err(failed)?;
        for key in std::iter::once(&self).chain(with) {
            let signer = StandardSigner::new(&key.text)
                .map_err(|error| NoteError::Key(error.to_string()))?;
            note.add_sigs(&[&signer]).map_err(failed)?;
        }
        String::from_utf8(note.to_bytes()).map_err(|error| NoteError::Note(error.to_string()))
    }

    /// Signs the head of a log.
    ///
    /// # Errors
    /// If the log's name is no line of a note.
    pub fn checkpoint(&self, checkpoint: &Checkpoint) -> Result<String, NoteError> {
        self.sign(&checkpoint.text(), &[])
    }

    /// Vouches for a plan's file.
    ///
    /// # Errors
    /// If the name is no line of a note.
    pub fn plan_note(&self, plan: &str, document: &Digest) -> Result<String, NoteError> {
        self.sign(&plan_text(plan, document), &[])
    }

    /// Vouches for a bundle by its manifest.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn bundle_note(&self, manifest: &Digest) -> Result<String, NoteError> {
        self.sign(&bundle_text(manifest), &[])
    }

    /// Hands over to another key: a note signed by both.
    ///
    /// # Errors
    /// If a key cannot sign.
    pub fn hand_over(&self, new: &LogKey) -> Result<String, NoteError> {
        self.sign(&key_text(self.verifier(), new.verifier()), &[new])
    }
}

/// The head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of its entries.
    pub size: u64,
    /// Root of its tree.
    pub root: Digest,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root.0))
    }
}

/// Whether a text is a public key of a signed note.
///
/// # Errors
/// If it is not.
pub fn check_key(verifier: &str) -> Result<(), NoteError> {
    StandardVerifier::new(verifier).map(|_| ()).map_err(|error| NoteError::Key(error.to_string()))
}

/// The text of a note that every one of the keys has signed.
fn opened(note: &str, keys: &[&str]) -> Result<String, NoteError> {
    let failed = |error: signed_note::NoteError| NoteError::Note(error.to_string());
    let note = Note::from_bytes(note.as_bytes()).map_err(failed)?;
    for key in keys {
        let verifier =
            StandardVerifier::new(key).map_err(|error| NoteError::Key(error.to_string()))?;
        let known = VerifierList::new(vec![Box::new(verifier) as Box<dyn Verifier>]);
        note.verify(&known).map_err(failed)?;
    }
    String::from_utf8(note.text().to_vec()).map_err(|error| NoteError::Note(error.to_string()))
}

/// The checkpoint that a note signed by `key` holds; lines after the third are extensions.
///
/// # Errors
/// If the note is malformed, not signed by the key, or no checkpoint.
pub fn open_checkpoint(note: &str, key: &str) -> Result<Checkpoint, NoteError> {
    let text = opened(note, &[key])?;
    let mut lines = text.lines();
    let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(NoteError::Text("checkpoint"));
    };
    let number: u64 = size.parse().map_err(|_| NoteError::Text("checkpoint"))?;
    let bytes = BASE64_STANDARD.decode(root).map_err(|_| NoteError::Text("checkpoint"))?;
    let root = <[u8; 32]>::try_from(bytes).map_err(|_| NoteError::Text("checkpoint"))?;
    if origin.is_empty() || number.to_string() != size {
        return Err(NoteError::Text("checkpoint"));
    }
    Ok(Checkpoint { origin: origin.to_owned(), size: number, root: Digest(root) })
}

/// Whether a note signed by `key` vouches for this file of a plan.
///
/// # Errors
/// If it is malformed, not signed by the key, or about another plan or file.
pub fn verify_plan_note(
    note: &str,
    key: &str,
    plan: &str,
    document: &Digest,
) -> Result<(), NoteError> {
    if opened(note, &[key])? == plan_text(plan, document) {
        Ok(())
    } else {
        Err(NoteError::Text("statement on this plan"))
    }
}

/// Whether a note signed by `key` vouches for a bundle of this manifest.
///
/// # Errors
/// If it is malformed, not signed by the key, or about another manifest.
pub fn verify_bundle_note(note: &str, key: &str, manifest: &Digest) -> Result<(), NoteError> {
    if opened(note, &[key])? == bundle_text(manifest) {
        Ok(())
    } else {
        Err(NoteError::Text("statement on this bundle"))
    }
}

/// Whether a note signed by both keys hands over from one to the other.
pub(super) fn check_key_change(old: &str, new: &str, note: &str) -> bool {
    old != new && opened(note, &[old, new]).is_ok_and(|text| text == key_text(old, new))
}

fn plan_text(plan: &str, document: &Digest) -> String {
    format!("{PLAN_LINE}\n{plan}\n{document}\n")
}

fn bundle_text(manifest: &Digest) -> String {
    format!("{BUNDLE_LINE}\n{manifest}\n")
}

fn key_text(old: &str, new: &str) -> String {
    format!("{KEY_LINE}\n{old}\n{new}\n")
}
