//! Resource names: `revisions/12`, `frames/{digest}`, `freezes/{freeze}`, `plans/{plan}`.

use crate::model::{Digest, check_id};

/// A name that is none; says which would be.
pub type Misnamed = &'static str;

/// The name of a revision.
#[must_use]
pub fn revision_name(number: u64) -> String {
    format!("revisions/{number}")
}

/// The number of the revision with this name; none for the empty name and `revisions/latest`.
///
/// # Errors
/// If it names none.
pub fn revision_number(name: &str) -> Result<Option<u64>, Misnamed> {
    if name.is_empty() || name == "revisions/latest" {
        return Ok(None);
    }
    let digits = name.strip_prefix("revisions/").unwrap_or_default();
    let plain =
        digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    match digits.parse() {
        Ok(number) if plain => Ok(Some(number)),
        _ => Err("must be `revisions/{number}` or `revisions/latest`"),
    }
}

/// The name of a frame.
#[must_use]
pub fn frame_name(digest: &Digest) -> String {
    format!("frames/{digest}")
}

/// The digest of the frame with this name.
///
/// # Errors
/// If it names none.
pub fn frame_digest(name: &str) -> Result<Digest, Misnamed> {
    let digest = name.strip_prefix("frames/").and_then(|digest| digest.parse().ok());
    digest.ok_or("must be `frames/{digest}`, a digest of 64 hexadecimal digits")
}

/// The name of a plan.
#[must_use]
pub fn plan_name(id: &str) -> String {
    format!("plans/{id}")
}

/// The id of the plan with this name.
///
/// # Errors
/// If it names none.
pub fn plan_id(name: &str) -> Result<&str, Misnamed> {
    // A plan's id is a policy's id and 13 characters more, so it may be longer than an id.
    let known = |id: &&str| {
        id.len() <= 128
            && id.rsplit_once('-').is_some_and(|(policy, digits)| {
                check_id(policy).is_ok() && digits.bytes().all(|b| b.is_ascii_hexdigit())
            })
    };
    name.strip_prefix("plans/").filter(known).ok_or("must be `plans/{plan}`")
}

/// The name of a frozen record.
#[must_use]
pub fn freeze_name(name: &str) -> String {
    format!("freezes/{name}")
}

/// The id of the frozen record with this name.
///
/// # Errors
/// If it names none.
pub fn freeze_id(name: &str) -> Result<&str, Misnamed> {
    // A policy's id, and which record of it.
    let known = |id: &&str| {
        id.rsplit_once("-f").is_some_and(|(policy, number)| {
            check_id(policy).is_ok()
                && !number.is_empty()
                && number.len() <= 20
                && number.bytes().all(|b| b.is_ascii_digit())
        })
    };
    name.strip_prefix("freezes/").filter(known).ok_or("must be `freezes/{freeze}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(revision_number(&revision_name(12)), Ok(Some(12)));
        assert_eq!(revision_number("revisions/0"), Ok(Some(0)));
        assert_eq!(revision_number(""), Ok(None));
        for wrong in ["12", "revisions/", "revisions/012", "revisions/+1", "revisions/1/2"] {
            assert!(revision_number(wrong).is_err(), "{wrong}");
        }
        let digest = Digest::of(b"x");
        assert_eq!(frame_digest(&frame_name(&digest)), Ok(digest));
        assert!(frame_digest("frames/12").is_err());
        assert_eq!(plan_id(&plan_name("a-2026-0123456789ab")), Ok("a-2026-0123456789ab"));
        assert_eq!(freeze_id(&freeze_name("a-2026-f12")), Ok("a-2026-f12"));
        for wrong in ["freezes/", "a-f1", "freezes/a-f", "freezes/a-fx", "freezes/../-f1"] {
            assert!(freeze_id(wrong).is_err(), "{wrong}");
        }
        for wrong in ["plans/", "a-12", "plans/a/b-12", "plans/../-12"] {
            assert!(plan_id(wrong).is_err(), "{wrong}");
        }
    }
}
