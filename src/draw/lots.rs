//! Lots: the order in which the units of a cell are taken, and the choice among a unit's options.
//!
//! # Specification (method `m1`)
//!
//! **Unit id.** `enterprise id ‖ "/" ‖ product id`, as UTF-8.
//!
//! **Lot** of a unit: the plain hash of `sub ‖ unit id` (SHA-256, or the policy's), where `sub` is the 32-byte sub-key
//! of the label `lots`; no framing, so that
//! `(printf %s SUB_KEY_HEX | xxd -r -p; printf %s UNIT_ID) | sha256sum` prints it. A lot depends
//! on the draw key and the unit alone: not on other units, their number or their order.
//!
//! **Order.** Lots ascend as byte strings (first byte first, unsigned), which is the order of
//! their lower-case hexadecimal texts; equal lots ascend by the bytes of the unit id.
//!
//! **Options.** A unit with several options (platforms of the drawn channel) takes the one with
//! the smallest `H(sub ‖ unit id ‖ "/" ‖ option text)`, where `sub` is the sub-key of the
//! label `options`; equal hashes ascend by the bytes of the option text.

use std::cmp::Ordering;

use super::SubKey;
use crate::model::Digest;

/// Label of the sub-key of lots.
pub const LOT_LABEL: &str = "lots";

/// Label of the sub-key of the choice among options.
pub const OPTION_LABEL: &str = "options";

/// The lot of the unit `unit_id` (`enterprise/product`) under the lots' sub-key.
///
/// Part of method `m1`: the method's hash of the two, joined, as `sha256sum` prints it.
#[must_use]
pub fn lot(sub_key: &SubKey, unit_id: &str) -> Digest {
    sub_key.hash.of(&[&sub_key.key, unit_id.as_bytes()])
}

/// Sorts `lots`, pairs of a lot and a unit's number, by lot; ties by unit id.
///
/// `ids` appends the id of a unit to an empty buffer; it is asked only when two lots are equal.
pub fn order(lots: &mut [(Digest, u32)], ids: impl Fn(usize, &mut String)) {
    lots.sort_unstable_by(|a, b| compare(a, b, &ids));
}

/// The first `want` of the units `0..count` in the order of their lots, with their lots.
///
/// `ids` appends the id of the unit of a number to an empty buffer. The result is what a full
/// sort would begin with; for a large cell only the wanted part is sorted. Fewer than `want` are
/// returned only if there are no more. All `count` lots are computed, unless `want` is 0.
///
/// # Panics
/// If `count` exceeds 2^32.
#[must_use]
pub fn ranked(
    sub_key: &SubKey,
    ids: impl Fn(usize, &mut String),
    count: usize,
    want: usize,
) -> Vec<(Digest, u32)> {
    if want == 0 {
        return Vec::new();
    }
    let mut id = String::new();
    let mut lots = Vec::with_capacity(count);
    for unit in 0..count {
        id.clear();
        ids(unit, &mut id);
        let number = u32::try_from(unit).expect("a cell has at most 2^32 units");
        lots.push((lot(sub_key, &id), number));
    }
    if want < count {
        lots.select_nth_unstable_by(want - 1, |a, b| compare(a, b, &ids));
        lots.truncate(want);
    }
    order(&mut lots, ids);
    lots
}

/// Which of `options` the unit `unit_id` takes, under the options' sub-key.
///
/// The choice depends only on the set of texts, never on their order in the slice. Of fewer than
/// two the answer is 0.
#[must_use]
pub fn pick_option<S: AsRef<str>>(sub_key: &SubKey, unit_id: &str, options: &[S]) -> usize {
    if options.len() < 2 {
        return 0;
    }
    let SubKey { key, hash } = sub_key;
    let hash_of = |text: &str| hash.of(&[key, unit_id.as_bytes(), b"/", text.as_bytes()]);
    let texts = options.iter().map(AsRef::as_ref).enumerate();
    texts.map(|(i, text)| (hash_of(text), text, i)).min().map_or(0, |(_, _, i)| i)
}

/// The order of two lots; ids are written out only for equal ones.
fn compare(a: &(Digest, u32), b: &(Digest, u32), ids: &impl Fn(usize, &mut String)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| {
        let (mut id_a, mut id_b) = (String::new(), String::new());
        ids(a.1 as usize, &mut id_a);
        ids(b.1 as usize, &mut id_b);
        id_a.cmp(&id_b).then(a.1.cmp(&b.1))
    })
}

#[cfg(test)]
mod tests;
