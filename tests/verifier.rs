//! The independent verifier of `tests/verifier`, in Python with the standard library alone: it
//! draws plans again from their cell tables and seeds, and must come to the same bytes; and it
//! must see what was tampered with.

mod common;
#[path = "common/random.rs"]
mod random;
#[path = "common/verifier.rs"]
mod verifier;

use std::path::{Path, PathBuf};

use common::{example, plan, policy, province};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use spotcheck::draw::SeedSource;
use spotcheck::model::{HashName, Work};
use spotcheck::plan::{Document, make};
use verifier::{has_python, verify, verify_design};

fn write(dir: &Path, name: &str, document: &Document) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, document.to_bytes()).unwrap();
    path
}

#[test]
fn example_plans_are_drawn_again() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = [(20_000, "annual-small.toml"), (5_000, "special-action.toml")]
        .into_iter()
        .map(|(units, name)| {
            let document = plan(&province(units, 1), &example(name), "3 1 4 1 5 9 2 6").unwrap();
            write(dir.path(), name, &document)
        })
        .collect();
    let (code, said) = verify_design(&files);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("everything holds").count(), files.len(), "{said}");
}

#[test]
fn a_plan_of_sm3_is_drawn_again() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut policy = example("special-action.toml");
    policy.hash = HashName::Sm3;
    let document = plan(&province(5_000, 1), &policy, "3 1 4 1 5 9 2 6").unwrap();
    let (code, said) = verify(&[write(dir.path(), "sm3.json", &document)]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("everything holds"), "{said}");
}

#[test]
fn a_hundred_random_plans_are_drawn_again() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut files, mut refused) = (Vec::new(), 0);
    while files.len() < 100 {
        let case = random::case().new_tree(&mut runner).unwrap().current();
        match plan(&case.tables().registry(), &policy(&case.policy()), &files.len().to_string()) {
            Ok(document) => {
                let name = format!("{}.json", files.len());
                files.push(write(dir.path(), &name, &document));
            }
            Err(_) => refused += 1,
        }
        assert!(refused < 1_000, "most random policies are refused");
    }
    let (code, said) = verify_design(&files);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("everything holds").count(), 100, "{said}");
}

#[test]
fn seeds_of_every_source_are_drawn_again() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (frame, digest) = common::frame(&province(5_000, 1), &example("special-action.toml"));
    let share = [7; 32];
    let sources = [
        SeedSource::Ceremony { share, digits: "123456".repeat(9) },
        SeedSource::Beacon { share, value: "00ff".repeat(16) },
        SeedSource::System { value: [9; 32] },
        SeedSource::Text("掷骰子 6 1 3".into()),
    ];
    let policy = example("special-action.toml");
    let files: Vec<PathBuf> = sources
        .iter()
        .map(|seed| {
            let document = make(&frame, &digest, &policy, seed, &Work::unwatched(2)).unwrap();
            let report = spotcheck::audit::verify(&document.to_bytes());
            assert!(report.holds(), "{report}");
            write(dir.path(), seed.name(), &document)
        })
        .collect();
    let (code, said) = verify(&files);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn what_was_tampered_with_is_seen() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let policy = example("special-action.toml");
    let honest = plan(&province(5_000, 1), &policy, "1").unwrap();
    let seen = |name: &str, check: &str, forge: &dyn Fn(&mut Document)| {
        let mut document = honest.clone();
        forge(&mut document);
        assert_ne!(document, honest, "{name} changes nothing");
        let (code, said) = verify(&[write(dir.path(), name, &document)]);
        assert_eq!(code, 4, "{name}: {said}");
        let fails = said.lines().any(|line| line.starts_with("FAILS") && line.contains(check));
        assert!(fails, "{name} was expected to fail `{check}`:\n{said}");
    };
    // Two arcs of one authority, one with a batch more than it was rounded to.
    let (from, to) = {
        let arcs = &honest.allocation.arcs;
        let open = |arc: &usize| arcs.level[*arc] == 0 && !arcs.x[*arc].is_multiple_of(1 << 32);
        let all: Vec<usize> = (0..arcs.n.len()).filter(open).collect();
        let up = |arc: &&usize| u64::from(arcs.n[**arc]) > arcs.x[**arc] >> 32;
        (*all.iter().find(up).unwrap(), *all.iter().find(|arc| !up(arc)).unwrap())
    };
    seen("a batch moved to another arc", "rounding", &|d| {
        d.allocation.arcs.n[from] -= 1;
        d.allocation.arcs.n[to] += 1;
    });
    seen("expected batches edited", "certificate", &|d| {
        d.allocation.arcs.x[from] -= 1 << 20;
        d.allocation.arcs.x[to] += 1 << 20;
    });
    seen("a lot edited", "lines", &|d| d.lines[7].lot.0[0] ^= 1);
    seen("a line for a later lot", "lot order", &|d| {
        let (drawn, spare) = {
            let spare = d.lines.iter().position(|line| {
                line.replacement_rank == 1 && line.cell == d.allocation.arcs.cell[line.arc as usize]
            });
            let spare = spare.unwrap();
            let arc = d.lines[spare].arc;
            (d.lines.iter().position(|line| line.arc == arc).unwrap(), spare)
        };
        let (a, b) = (d.lines[drawn].clone(), d.lines[spare].clone());
        for (place, other) in [(drawn, &b), (spare, &a)] {
            let line = &mut d.lines[place];
            line.enterprise_id.clone_from(&other.enterprise_id);
            line.enterprise_name.clone_from(&other.enterprise_name);
            line.lot = other.lot;
        }
    });
    seen("a weaker certificate", "certificate", &|d| d.certificate.rows[0].low -= 1);
    seen("a kinder compliance row", "compliance", &|d| d.compliance[0].planned += 1);
    seen("another seed", "keys", &|d| d.seed.text = "2".into());
    seen("another policy", "keys", &|d| d.policy["title"] = "other".into());
    seen("another frame", "keys", &|d| d.frame.digest.0[0] ^= 1);
    seen("a likelier unit", "lines", &|d| d.lines[3].probability = "1/2".into());
    seen("a later wave", "waves", &|d| {
        let first = d.lines.iter_mut().find(|line| line.wave == 1).unwrap();
        first.wave = 2;
    });
    seen("a smaller budget", "budgets", &|d| d.allocation.authorities[1].batches -= 1);
}

#[test]
#[ignore = "takes half a minute in a release build"]
fn the_annual_plan_of_300_000_units_is_drawn_again() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let document = plan(&province(300_000, 1), &example("annual.toml"), "3 1 4 1 5 9").unwrap();
    let (code, said) = verify(&[write(dir.path(), "annual.json", &document)]);
    assert_eq!(code, 0, "{said}");
}
