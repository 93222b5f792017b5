//! What a seed determines never changes: digests of whole plans, and of what they are made from.
//!
//! A change of any of these is a new method version, never an edit of this file.

mod common;

use common::{example, frame, plan, province};
use spotcheck::model::Digest;

fn digests(units: u64, policy: &str, seed: &str) -> [String; 3] {
    let registry = province(units, 1);
    let policy = example(policy);
    let (_, frame_digest) = frame(&registry, &policy);
    let plan = plan(&registry, &policy, seed).unwrap_or_else(|error| panic!("{error}"));
    let bytes = plan.to_bytes();
    let plain = serde_json::to_vec(&plan).unwrap();
    assert!(bytes.strip_suffix(b"\n") == Some(&plain[..]), "the text is the fields in their order");
    let report = spotcheck::audit::verify(&bytes);
    assert!(report.holds(), "{report}");
    [registry.digest().to_string(), frame_digest.to_string(), Digest::of(&bytes).to_string()]
}

#[test]
fn special_action_of_5_000_units() {
    let found = digests(5_000, "special-action.toml", "3 1 4 1 5 9 2 6");
    assert_eq!(found, SPECIAL);
}

#[test]
fn small_annual_plan_of_20_000_units() {
    let found = digests(20_000, "annual-small.toml", "3 1 4 1 5 9 2 6");
    assert_eq!(found, ANNUAL_SMALL);
}

const SPECIAL: [&str; 3] = [
    "6dfe57b94766cccfb7e0db06bcb15b3d3ae2e5cc13386247cf0bbaf12f688584",
    "cc488e9b52d1dd9ea6149c7af3d3248622ef2144f2d33871b2847a900eb13a7f",
    "43645d8b8979e382914c35facadc467f6dd8c1de4b222921e965aab0f0d8cc19",
];
const ANNUAL_SMALL: [&str; 3] = [
    "4cc7c9b5753784166ac1c25cbf67f513df2d61bb3c7a1b98ad6589a55036ed84",
    "901df4aa95550e4e436b34e53fe1e942b02b1161d4aa18a0745e67919ef9f1d9",
    "42bc64c39795a2f5a78dbc47eb69a774af1fa66f1731addf270848e943dda881",
];
