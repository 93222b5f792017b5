//! What a seed determines never changes: digests of whole plans, and of what they are made from.
//!
//! A change of any of these is a new method version, never an edit of this file.

mod common;

use common::{example, frame, plan, province};
use spotcheck::model::{Digest, HashName};

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
fn special_action_with_sm3() {
    let registry = province(5_000, 1);
    let mut policy = example("special-action.toml");
    policy.hash = HashName::Sm3;
    let (frame, frame_digest) = frame(&registry, &policy);
    assert_eq!(frame.hash, HashName::Sm3);
    let plan = plan(&registry, &policy, "3 1 4 1 5 9 2 6").unwrap();
    let bytes = plan.to_bytes();
    let report = spotcheck::audit::verify(&bytes);
    assert!(report.holds(), "{report}");
    assert_eq!([frame_digest.to_string(), Digest::of(&bytes).to_string()], SPECIAL_SM3);
}

#[test]
fn small_annual_plan_of_20_000_units() {
    let found = digests(20_000, "annual-small.toml", "3 1 4 1 5 9 2 6");
    assert_eq!(found, ANNUAL_SMALL);
}

const SPECIAL: [&str; 3] = [
    "6dfe57b94766cccfb7e0db06bcb15b3d3ae2e5cc13386247cf0bbaf12f688584",
    "8ebd7016a2965a4f9fb90f1ec22692e403d33134d487024e4bd0ffb3769e046b",
    "108e081f2e30c5cc195035103bccde3575a2b436a2406bda5b9d1a68dd12c627",
];
const SPECIAL_SM3: [&str; 2] = [
    "b58d268ef1ef8b8d45c2163cd52147d0e23791f19477a9fcd52033f56fd1ce60",
    "314a14fb23fb32ec8835a19e4a2426544941d23595a6860c64cf6a6658acc673",
];
const ANNUAL_SMALL: [&str; 3] = [
    "4cc7c9b5753784166ac1c25cbf67f513df2d61bb3c7a1b98ad6589a55036ed84",
    "ad2041f0c8805ea40d17e98a738cd44de7963cf63eb48dd1fa4c91a0fec916de",
    "d1ba553662b3c928f391fcfb59be9932da2b9a79a56f24886d0b494b3a80a2c7",
];
