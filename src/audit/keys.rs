//! Digests, keys and the plan's id.

use crate::model::{Digest, FramedHasher};
use crate::plan::Document;
use crate::policy::Policy;

use super::report::Check;

/// Longest text of a seed in bytes.
const SEED_TEXT_BYTES_MAX: usize = 4096;

/// The sub-keys by which lots are recomputed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SubKeys {
    /// For lots.
    pub lots: [u8; 32],
    /// For the order inside waves.
    pub wave_lots: [u8; 32],
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
        fields.iter().fold(FramedHasher::new(domain), |hasher, field| hasher.field(field)).finish()
    };
    let frame = document.frame.digest;
    let input = framed("spotcheck/m1/input", &[&frame.0, &policy.digest().0]);
    check.equal(head.input_digest, input, || "plan.input_digest".into());
    check.equal(seed.source.as_str(), "text", || "seed.source".into());
    let text = seed.text.as_str();
    let sound = !text.is_empty()
        && text.len() <= SEED_TEXT_BYTES_MAX
        && text.trim() == text
        && !text.chars().any(char::is_control);
    check.require(sound, || {
        format!(
            "seed.text is {text:?}; expected 1 to {SEED_TEXT_BYTES_MAX} bytes without control \
             characters or blanks at the ends"
        )
    });
    let seed_digest = framed("spotcheck/m1/seed-text", &[text.as_bytes()]);
    check.equal(seed.digest, seed_digest, || "seed.digest".into());
    let key = framed("spotcheck/m1/draw", &[&seed_digest.0, &input.0]);
    let public = framed("spotcheck/m1/draw-key-hash", &[&key.0]).to_string();
    let id = format!("{}-{}", policy.id, public.get(..12).unwrap_or_default());
    check.equal(head.id.as_str(), &id, || "plan.id".into());
    let sub_key = |label: &str| framed("spotcheck/m1/sub-key", &[&key.0, label.as_bytes()]).0;
    SubKeys { lots: sub_key("lots"), wave_lots: sub_key("wave-lots") }
}
