//! Whatever the bytes are, the answer is a report; and whatever is changed in a plan, the report
//! does not hold.

use proptest::prelude::*;
use serde_json::Value;

use super::bytes;
use super::honest::{bare, rich};
use crate::audit::{Report, verify};

/// A way of changing a value of a plan.
type Change = Box<dyn Fn(&mut Value)>;

/// Ways of changing a value without changing its type.
fn changes(value: &Value) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    match value {
        Value::Bool(flag) => {
            let flag = !*flag;
            all.push(Box::new(move |value| *value = flag.into()));
        }
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            let others = [number.checked_add(1), number.checked_sub(1), Some(u64::MAX), Some(0)];
            for other in others.into_iter().flatten().filter(|other| *other != number) {
                all.push(Box::new(move |value| *value = other.into()));
            }
        }
        Value::String(text) => {
            let mut other = text.clone();
            match other.pop() {
                // Stays a digit, so that codes and digests stay what they are.
                Some(c) if c.is_ascii_digit() => {
                    other.push(char::from_digit((c as u32 - 47) % 10, 10).unwrap());
                }
                Some(c) => other.push(if c == 'a' { 'b' } else { 'a' }),
                None => other.push('x'),
            }
            all.push(Box::new(move |value| *value = other.clone().into()));
            let longer = format!("{text}x");
            all.push(Box::new(move |value| *value = longer.clone().into()));
        }
        Value::Array(items) if !items.is_empty() => {
            let last = items.len() - 1;
            for at in 0..items.len() {
                let edit = move |change: fn(&mut Vec<Value>, usize)| -> Change {
                    Box::new(move |value| change(value.as_array_mut().unwrap(), at))
                };
                all.push(edit(|items, at| drop(items.remove(at))));
                all.push(edit(|items, at| items.insert(at, items[at].clone())));
                if at < last && items[at] != items[at + 1] {
                    all.push(edit(|items, at| items.swap(at, at + 1)));
                }
            }
        }
        Value::Object(entries) => {
            for key in entries.keys().cloned().collect::<Vec<_>>() {
                all.push(Box::new(move |value| {
                    value.as_object_mut().unwrap().remove(&key);
                }));
            }
        }
        _ => {}
    }
    all
}

/// All places of a value, outermost first.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{i}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                places(item, &format!("{at}/{}", key.replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

/// Whether a place holds what only the frame or the registry can vouch for.
fn unvouched(place: &str) -> bool {
    let parts: Vec<&str> = place.split('/').skip(1).collect();
    match &parts[..] {
        ["plan", "remarks", ..] => true,
        ["frame", "registry_digest" | "excluded" | "quality" | "enterprises", ..] => true,
        ["frame", "products", _, field, ..] => !matches!(*field, "product_id" | "key"),
        // Names of divisions that draw nothing, and units of an authority that draws nothing.
        ["frame", "divisions", ..] => true,
        ["allocation", "authorities", _, "units"] => true,
        // Another proof of the same numbers is as good.
        ["certificate", "rows", _, "family" | "depth"] | ["certificate", "families", "0"] => true,
        // What a cell is, where no row and no line depends on it.
        ["allocation", "cells", "first_wave" | "attributes", ..] => true,
        ["lines", _, "platform" | "sale_division" | "enterprise_name"] => true,
        _ => false,
    }
}

/// Verifies the text of a value that has the fields of a plan in any order.
fn recheck(value: &Value) -> Option<Report> {
    // In the order of the structs; what is no document is checked as it is.
    match serde_json::from_value::<crate::plan::Document>(value.clone()) {
        Ok(document) => Some(verify(&bytes(&document))),
        Err(_) => {
            let report = verify(value.to_string().as_bytes());
            assert!(!report.checks[0].holds(), "{report}");
            None
        }
    }
}

/// Whether a place is worth its time: a few lines and rows stand for all.
fn is_sample(place: &str) -> bool {
    let parts: Vec<&str> = place.split('/').skip(1).collect();
    let number = match &parts[..] {
        ["lines" | "compliance", number, ..] | ["certificate", "rows", number, ..] => number,
        _ => return true,
    };
    number.parse::<usize>().unwrap() % 6 == 0
}

#[test]
fn every_change_is_found() {
    let document = rich().make();
    let value = serde_json::to_value(&document).unwrap();
    let mut all = Vec::new();
    places(&value, "", &mut all);
    let mut missed = std::collections::BTreeSet::new();
    let mut count = 0;
    for place in all.iter().filter(|place| is_sample(place)) {
        for change in changes(value.pointer(place).unwrap()) {
            let mut changed = value.clone();
            change(changed.pointer_mut(place).unwrap());
            if let Some(report) = recheck(&changed) {
                count += 1;
                if report.holds() && !unvouched(place) {
                    missed.insert(place.clone());
                }
            }
        }
    }
    assert!(count > 1000, "{count}");
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn no_truncation_holds() {
    let bytes = bytes(&bare().make());
    assert!(verify(&bytes).holds());
    for end in 0..bytes.len() {
        assert!(!verify(&bytes[..end]).holds(), "{end}");
    }
    let readable = verify(&bytes[..bytes.len() / 2]);
    assert!(readable.checks[0].problems[0].contains("line 1 column"), "{readable}");
    assert!(readable.checks.iter().all(|check| !check.holds()), "{readable}");
}

#[test]
fn other_texts_of_the_same_plan_are_refused() {
    let bytes = bytes(&bare().make());
    let text = String::from_utf8(bytes.clone()).unwrap();
    let others = [
        text.trim_end().to_owned(),
        format!("{text}\n"),
        format!(" {text}"),
        text.replacen(":", ": ", 1),
        text.replacen("\"bare\"", "\"b\\u0061re\"", 1),
    ];
    for other in others {
        let report = verify(other.as_bytes());
        assert_eq!(super::failing(&report), ["canonical"], "{report}");
    }
    let not_utf8 = [&bytes[..100], b"\xff", &bytes[100..]].concat();
    assert!(verify(&not_utf8).checks[0].problems[0].starts_with("byte 100 "));
    let unknown = text.replacen("{\"plan\":{", "{\"plan\":{\"extra\":1,", 1);
    assert!(verify(unknown.as_bytes()).checks[0].problems[0].contains("unknown field"));
    let out_of_range = text.replacen("\"certain\":[0", "\"certain\":[256", 1);
    assert!(verify(out_of_range.as_bytes()).checks[0].problems[0].contains("256"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn noise_never_holds(noise: Vec<u8>) {
        prop_assert!(!verify(&noise).holds());
    }

    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
        thread_local! {
            static BYTES: Vec<u8> = bytes(&rich().make());
        }
        let mut bytes = BYTES.with(Vec::clone);
        for (at, byte) in changes {
            let at = at % bytes.len();
            // Digits stay digits, so that most changes are still plans.
            bytes[at] = if bytes[at].is_ascii_digit() { b'0' + byte % 10 } else { byte };
        }
        let report = verify(&bytes);
        prop_assert!(!report.to_string().is_empty());
    }
}
