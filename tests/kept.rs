//! Favours hidden behind kept lines: a unit that the earlier plan never drew, or one of its lines left
//! out, makes a plan that holds by itself and is caught beside the earlier plan's file.

mod common;

use common::{Tables, head, plan, policy};
use spotcheck::audit::{verify, verify_keeping};
use spotcheck::draw::SeedSource;
use spotcheck::frame::{Frame, FrameError, Kept, KeptLine};
use spotcheck::model::{Channel, Level, Work};
use spotcheck::plan::{Document, make};
use spotcheck::registry::Registry;

fn registry() -> Registry {
    let mut tables = Tables::province(2);
    tables.product("p", false);
    for number in 0..60 {
        let county = ["370101", "370102", "370201", "370202"][number % 4];
        let id = format!("E{number:02}");
        tables.enterprise(&id, county, "urban", "A");
        tables.supply(&id, "p", "circulation");
    }
    tables.registry()
}

fn line(enterprise: &str) -> KeptLine {
    KeptLine {
        enterprise: enterprise.to_owned(),
        product: "p".to_owned(),
        level: Level::Province,
        channel: Channel::Circulation,
    }
}

/// The second plan, of fifteen batches, with such lines kept.
fn second(registry: &Registry, first: &Document, kept: Vec<KeptLine>) -> Document {
    let text = format!("{}[keep]\nplan = \"{}\"\n", head(15), first.plan.id);
    let policy = policy(&text);
    let missing = Frame::freeze(registry, registry.digest(), &policy);
    assert!(matches!(missing, Err(FrameError::KeptMissing { .. })));
    let kept = Kept::new(kept);
    let frame = Frame::freeze_keeping(registry, registry.digest(), &policy, Some(&kept)).unwrap();
    let seed = SeedSource::Text("second".to_owned());
    make(&frame, &frame.digest(), &policy, &seed, &Work::unwatched(1)).unwrap()
}

fn problems(plan: &Document, earlier: &Document) -> Vec<String> {
    let (plan, earlier) = (plan.to_bytes(), earlier.to_bytes());
    assert!(verify(&plan).holds(), "by itself it holds");
    let report = verify_keeping(&plan, &earlier);
    let check = report.check("kept").unwrap();
    assert_eq!(check.holds(), report.holds());
    check.problems.clone()
}

#[test]
fn a_favoured_unit_among_kept_lines_is_caught() {
    let registry = registry();
    let first = plan(&registry, &policy(&head(10)), "first").unwrap();
    let mut drawn: Vec<KeptLine> = first.lines.iter().map(|l| line(&l.enterprise_id)).collect();
    assert_eq!(drawn.len(), 10);
    let honest = second(&registry, &first, drawn.clone());
    assert!(problems(&honest, &first).is_empty());
    for line in &drawn {
        assert!(honest.lines.iter().any(|l| l.enterprise_id == line.enterprise), "{line:?}");
    }

    // A unit that was not drawn is put among the kept ones.
    let other = (0..60).map(|n| format!("E{n:02}"));
    let favoured = other.into_iter().find(|id| drawn.iter().all(|l| l.enterprise != *id)).unwrap();
    let mut more = drawn.clone();
    more.push(line(&favoured));
    let found = problems(&second(&registry, &first, more), &first);
    assert!(found.iter().any(|why| why.contains("drew no such line")), "{found:?}");

    // One that was drawn is spared: it may be missing from the second plan, and is told if it is.
    let spared = drawn.pop().unwrap();
    let without = second(&registry, &first, drawn);
    let gone = without.lines.iter().all(|l| l.enterprise_id != spared.enterprise);
    let found = problems(&without, &first);
    assert!(gone, "the seed draws it by chance: take another");
    assert!(found.iter().any(|why| why.contains("1 lines are not kept")), "{found:?}");
}
