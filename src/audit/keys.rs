//! Digests, keys and the plan's id.

use crate::model::{Digest, HashName};
use crate::plan::{Document, SeedRecord};
use crate::policy::Policy;

use super::report::Check;

/// Longest text of a seed in bytes.
const SEED_TEXT_BYTES_MAX: usize = 4096;

/// The sub-keys by which lots are recomputed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SubKeys {
    /// The method's hash.
    pub hash: HashName,
    /// For lots.
    pub lots: [u8; 32],
    /// For the order inside waves.
    pub wave_lots: [u8; 32],
    /// For the choice among a unit's options.
    pub options: [u8; 32],
}

/// Reads the policy, and checks that the file has its canonical form and its digest.
pub(super) fn policy(document: &Document, check: &mut Check) -> Option<Policy> {
    let policy = match Policy::from_json(&document.policy) {
        Ok(policy) => policy,
        Err(errors) => {
            for error in errors.0 {
                check.require(false, || error.to_string());
            }
            return None;
        }
    };
    check.require(policy.to_json() == document.policy, || {
        format!("the policy is not in canonical form, which is {}", policy.canonical_text())
    });
    check.equal(document.frame.policy_digest, policy.digest(), || "frame.policy_digest".into());
    let head = &document.plan;
    check.equal(head.method.as_str(), policy.method.as_str(), || "plan.method".into());
    check.equal(head.policy_id.as_str(), &policy.id, || "plan.policy_id".into());
    check.equal(head.title.as_str(), &policy.title, || "plan.title".into());
    let as_of = policy.as_of.to_string();
    check.equal(document.frame.as_of.as_str(), &as_of, || "frame.as_of".into());
    Some(policy)
}

/// Derives all keys anew and checks what the file says of them.
pub(super) fn keys(document: &Document, policy: &Policy, check: &mut Check) -> SubKeys {
    let (head, seed) = (&document.plan, &document.seed);
    let framed = |domain: &str, fields: &[&[u8]]| -> Digest {
        fields.iter().fold(policy.hash.framed(domain), |hasher, field| hasher.field(field)).finish()
    };
    let frame = document.frame.digest;
    let input = framed("spotcheck/m1/input", &[&frame.0, &policy.digest().0]);
    check.equal(head.input_digest, input, || "plan.input_digest".into());
    let seed_digest = seed_digest(seed, check, framed);
    check.equal(seed.digest, seed_digest, || "seed.digest".into());
    let key = framed("spotcheck/m1/draw", &[&seed_digest.0, &input.0]);
    let public = framed("spotcheck/m1/draw-key-hash", &[&key.0]).to_string();
    let id = format!("{}-{}", policy.id, public.get(..12).unwrap_or_default());
    check.equal(head.id.as_str(), &id, || "plan.id".into());
    let sub_key = |label: &str| framed("spotcheck/m1/sub-key", &[&key.0, label.as_bytes()]).0;
    SubKeys {
        hash: policy.hash,
        lots: sub_key("lots"),
        wave_lots: sub_key("wave-lots"),
        options: sub_key("options"),
    }
}

/// What the seed's 32 bytes must be.
fn seed_digest(
    seed: &SeedRecord,
    check: &mut Check,
    framed: impl Fn(&str, &[&[u8]]) -> Digest,
) -> Digest {
    let text = seed.text.as_str();
    let bytes = |text: &str| -> Option<[u8; 32]> {
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        hex::decode(text).ok().filter(|_| lower)?.try_into().ok()
    };
    let share = bytes(&seed.share);
    let has_share = matches!(seed.source.as_str(), "ceremony" | "beacon");
    check.require(if has_share { share.is_some() } else { seed.share.is_empty() }, || {
        format!("seed.share is {:?}; expected 64 hexadecimal digits with a ceremony or a beacon, nothing else", seed.share)
    });
    let share = share.unwrap_or_default();
    let (sound, digest, rule) = match seed.source.as_str() {
        "ceremony" => {
            let dice = text.bytes().all(|byte| (b'1'..=b'6').contains(&byte));
            let sound = dice && (50..=4096).contains(&text.len());
            let digest = framed("spotcheck/m1/seed-ceremony", &[&share, text.as_bytes()]);
            (sound, digest, "50 to 4096 digits of dice")
        }
        "beacon" => {
            let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            let digest = framed("spotcheck/m1/seed-beacon", &[&share, text.as_bytes()]);
            (hex && (32..=256).contains(&text.len()), digest, "32 to 256 hexadecimal digits")
        }
        "system" => {
            let value = bytes(text);
            let digest = framed("spotcheck/m1/seed-system", &[&value.unwrap_or_default()]);
            (value.is_some(), digest, "64 hexadecimal digits")
        }
        source => {
            check.require(source == "text", || {
                format!("seed.source is {source:?}; expected text, ceremony, beacon or system")
            });
            let sound = !text.is_empty()
                && text.len() <= SEED_TEXT_BYTES_MAX
                && text.trim() == text
                && !text.chars().any(char::is_control);
            let digest = framed("spotcheck/m1/seed-text", &[text.as_bytes()]);
            (sound, digest, "1 to 4096 bytes without control characters or blanks at the ends")
        }
    };
    check.require(sound, || format!("seed.text is {text:?}; expected {rule}"));
    digest
}
