//! The parts of a plan that a county and the public get: they hold by themselves, say nothing that they
//! must not say, and whatever is changed in them is seen, although the bureau itself signs it.

#[path = "cli_support/mod.rs"]
mod cli_support;
#[path = "common/verifier.rs"]
mod verifier;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use cli_support::{Server, World, at, plan_name, run};
use serde_json::Value;
use spotcheck::audit::bundle::{self, Members};
use spotcheck::audit::log::LogKey;

/// An issued plan on a store, with the key of its log.
struct Bureau {
    world: World,
    plan: String,
    key: LogKey,
    /// Bundles with other members, for the independent verifier.
    forged: RefCell<Vec<PathBuf>>,
}

impl Bureau {
    fn new(policy: impl Fn(String) -> String) -> Self {
        let world = World::province(3_000);
        let text = String::from_utf8(world.read("policy.toml")).unwrap();
        world.write("policy.toml", policy(text));
        let store = world.store();
        world.import(&store, &[]).expect(0);
        let plan = plan_name(&world.plan(&store, "3 1 4 1 5", &[]).expect(0));
        world.on(&store, &["issue", &plan]).expect(0);
        let name = run(&["log", "key", &store[0], &store[1]]).expect(0).out;
        world.write("key", &name);
        let secret = std::fs::read(world.path("store/secrets/log-key")).unwrap();
        let secret: [u8; 32] = secret[..32].try_into().unwrap();
        let key = LogKey::new(name.split('+').next().unwrap(), &secret).unwrap();
        Bureau { world, plan, key, forged: RefCell::default() }
    }

    fn bundle(&self, name: &str, more: &[&str]) -> Members {
        let out = self.world.text(name);
        let args = [&["bundle", &self.plan, "--out", &out][..], more].concat();
        self.world.on(&self.world.store(), &args).expect(0);
        bundle::open(&self.world.read(name)).unwrap().members
    }

    /// The checks that fail for a bundle with other members, signed by the bureau itself.
    fn failing(
        &self,
        form: &str,
        members: &Members,
        change: impl FnOnce(&mut Members),
    ) -> Vec<&'static str> {
        let mut members = members.clone();
        change(&mut members);
        let sign = |digest: &spotcheck::model::Digest| self.key.bundle_note(digest);
        let packed = bundle::pack(form, &self.plan, &members, sign).unwrap();
        let report = bundle::verify(&packed, Some(self.key.verifier()), &[], 2);
        if !report.holds() {
            let mut forged = self.forged.borrow_mut();
            let name = format!("forged-{}.zip", forged.len());
            self.world.write(&name, &packed);
            forged.push(self.world.path(&name));
        }
        report.checks.iter().filter(|check| !check.holds()).map(|check| check.name).collect()
    }

    /// What the independent verifier says of bundles of this bureau.
    fn python(&self, names: &[&str]) {
        if verifier::has_python() {
            let files: Vec<PathBuf> = names.iter().map(|name| self.world.path(name)).collect();
            let (code, said) = verifier::verify(&files);
            assert_eq!(code, 0, "{said}");
            assert_eq!(said.matches("everything holds").count(), files.len(), "{said}");
        }
    }

    /// The independent verifier sees all forgeries, too.
    fn python_sees_all_forgeries(&self) {
        let forged = self.forged.borrow();
        assert!(forged.len() > 7);
        if verifier::has_python() {
            let (code, said) = verifier::verify(&forged);
            assert_eq!(code, 4, "{said}");
            assert_eq!(said.matches("everything holds").count(), 0, "{said}");
        }
    }
}

fn json(members: &Members, name: &str) -> Value {
    serde_json::from_slice(&members[name]).unwrap()
}

/// Changes the text of a member.
fn edit(members: &mut Members, name: &str, change: impl FnOnce(String) -> String) {
    let text = String::from_utf8(members[name].clone()).unwrap();
    members.insert(name.to_owned(), change(text).into_bytes());
}

/// Counties that have lines, by number of lines.
fn counties(bureau: &Bureau) -> Vec<String> {
    let csv = bureau.world.on(&bureau.world.store(), &["lines", &bureau.plan, "--format", "csv"]);
    let csv = csv.expect(0).out;
    let head: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let place = head.iter().position(|name| *name == "county").unwrap();
    let of_line = |line: &str| line.split(',').nth(place).unwrap().to_owned();
    csv.lines().skip(1).map(of_line).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn every_county_checks_her_part_alone() {
    let bureau = Bureau::new(|policy| policy);
    let world = &bureau.world;
    let names = counties(&bureau);
    assert!(names.len() > 100, "{}", names.len());
    let key = world.text("key");
    for county in names.iter().step_by(12) {
        let members = bureau.bundle("county.zip", &["--county", county]);
        let file = world.text("county.zip");
        let held = run(&["verify", &file, "--key", &key, "--county", county]).expect(0).out;
        assert!(held.contains(&format!("county {county}: everything holds")), "{held}");
        for name in ["roster.jsonl", "lines.jsonl"] {
            assert!(!members[name].is_empty());
        }
        let part = json(&members, "county.json");
        assert_eq!(part["county"], county.as_str());
        // Nothing of the log's secrets and of other counties' rosters is in it.
        let text = String::from_utf8(members["roster.jsonl"].clone()).unwrap();
        let rolled = part["roll"]["eligible"].as_u64().unwrap();
        let excluded = part["roll"]["excluded"].as_u64().unwrap();
        assert_eq!(text.lines().count() as u64, rolled + excluded);
        let other = if county == "370102" { "370103" } else { "370102" };
        run(&["verify", &file, "--county", other]).expect(4).says(&["the bundle is of county"]);
    }
    // The same through a server.
    let server = Server::start(world.store()[1].as_ref());
    let far = world.text("far.zip");
    world
        .on(&at(&server), &["bundle", &bureau.plan, "--out", &far, "--county", &names[0]])
        .expect(0);
    run(&["verify", &far, "--key", &key, "--county", &names[0]]).expect(0);
    world
        .on(&at(&server), &["bundle", &bureau.plan, "--out", &far, "--county", "379999"])
        .expect(2);
    run(&["bundle", "x", "--out", &far, "--county", "3701"]).expect(2);
}

#[test]
fn attack_a_county_s_part_is_altered_or_passed_off_as_another_s() {
    let bureau = Bureau::new(|policy| policy);
    let names = counties(&bureau);
    // One with a unit that is not eligible, so that hiding a unit can be tried.
    let (county, members) = names
        .iter()
        .map(|name| (name, bureau.bundle("c.zip", &["--county", name])))
        .find(|(_, members)| String::from_utf8_lossy(&members["roster.jsonl"]).contains("excluded"))
        .unwrap();
    let form = format!("county/{county}");
    let seen = |what: &str, check: &str, change: &dyn Fn(&mut Members)| {
        let failing = bureau.failing(&form, &members, change);
        assert!(failing.contains(&check), "{what}: {failing:?}");
    };
    assert!(bureau.failing(&form, &members, |_| {}).is_empty());
    let other = names.iter().find(|name| *name != county).unwrap();
    let passed_off = bureau.failing(&format!("county/{other}"), &members, |_| {});
    assert!(passed_off.contains(&"protocol"), "{passed_off:?}");
    let from = |county: &str, to: &str| {
        (format!("\"county\":\"{county}\""), format!("\"county\":\"{to}\""))
    };
    seen("her part is called another's", "frame", &|members| {
        let (old, new) = from(county, other);
        edit(members, "county.json", |text| text.replacen(&old, &new, 1));
    });
    let first = |members: &Members| {
        String::from_utf8_lossy(&members["roster.jsonl"]).lines().next().unwrap().to_owned() + "\n"
    };
    seen("a row is removed", "frame", &|members| {
        let row = first(members);
        edit(members, "roster.jsonl", |text| text.replacen(&row, "", 1));
    });
    seen("a row is added", "frame", &|members| {
        let row = first(members).replacen("\"enterprise_id\":\"", "\"enterprise_id\":\"0", 1);
        edit(members, "roster.jsonl", |text| row.clone() + &text);
    });
    seen("an inert name is edited", "frame", &|members| {
        edit(members, "roster.jsonl", |text| {
            text.replacen("\"enterprise_name\":\"", "\"enterprise_name\":\"X", 1)
        });
    });
    seen("a reason is edited", "frame", &|members| {
        edit(members, "roster.jsonl", |text| {
            text.replacen("\"excluded\":\"", "\"excluded\":\"x", 1)
        });
    });
    seen("a weight is edited", "frame", &|members| {
        edit(members, "county.json", |text| text.replacen("\"weight\":[", "\"weight\":[1", 1));
    });
    let lines = String::from_utf8(members["lines.jsonl"].clone()).unwrap();
    seen("a line is left out", "lots", &|members| {
        edit(members, "lines.jsonl", |text| text.split_once('\n').unwrap().1.to_owned());
    });
    seen("a line is swapped with a later lot", "lots", &|members| {
        let roster = String::from_utf8(members["roster.jsonl"].clone()).unwrap();
        let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        let own = line["enterprise_id"].as_str().unwrap();
        let spare = roster
            .lines()
            .map(|row| serde_json::from_str::<Value>(row).unwrap())
            .filter(|row| row.get("excluded").is_none())
            .map(|row| row["enterprise_id"].as_str().unwrap().to_owned())
            .find(|id| !lines.contains(id.as_str()))
            .unwrap();
        edit(members, "lines.jsonl", |text| text.replacen(own, &spare, 1));
    });
    for (field, check) in [
        ("probability", "lots"),
        ("tier", "lots"),
        ("platform", "lots"),
        ("enterprise_name", "lots"),
    ] {
        seen(field, check, &|members| {
            let old = format!("\"{field}\":\"");
            edit(members, "lines.jsonl", |text| text.replacen(&old, &format!("{old}1"), 1));
        });
    }
    let part: Value = json(&members, "county.json");
    let arcs = &part["arcs"];
    let text = |value: &Value| serde_json::to_string(value).unwrap();
    let mut rounded = arcs["n"].clone();
    rounded[0] = Value::from(rounded[0].as_u64().unwrap() ^ 1);
    seen("rounding altered", "protocol", &|members| {
        let (old, new) = (text(&arcs["n"]), text(&rounded));
        edit(members, "county.json", |all| {
            all.replacen(&format!("\"n\":{old}"), &format!("\"n\":{new}"), 1)
        });
    });
    let mut expected = arcs["x"].clone();
    expected[0] = Value::from(expected[0].as_u64().unwrap() + 1);
    seen("expected batches altered", "protocol", &|members| {
        let (old, new) = (text(&arcs["x"]), text(&expected));
        edit(members, "county.json", |all| {
            all.replacen(&format!("\"x\":{old}"), &format!("\"x\":{new}"), 1)
        });
    });
    seen("another seed", "keys", &|members| {
        edit(members, "county.json", |text| text.replacen("3 1 4 1 5", "3 1 4 1 6", 1));
    });
    seen("another policy", "keys", &|members| {
        edit(members, "county.json", |text| text.replacen("小计划", "大计划", 2));
    });
    seen("a member too many", "container", &|members| {
        members.insert("plan.json".into(), b"{}".to_vec());
    });
    seen("no county's part at all", "protocol", &|members| {
        members.insert("county.json".into(), b"[]".to_vec());
    });
    bureau.python_sees_all_forgeries();
}

#[test]
fn the_public_sees_what_it_may_and_no_more() {
    let bureau = Bureau::new(|policy| {
        policy
            + "[[quota]]\nname = \"class D\"\nwhere = { tier = \"D\" }\nmin = 1\n\
               each = [\"plan\", \"city\"]\nhardness = \"target\"\npenalty = 1\n"
    });
    let world = &bureau.world;
    let store = world.store();
    let key = world.text("key");
    let none = bureau.bundle("public.zip", &["--public"]);
    assert!(none["lines.jsonl"].is_empty());
    run(&["verify", &world.text("public.zip"), "--key", &key]).expect(0);
    // A drawn line of the first half, and the unit that takes its place.
    let first = bureau.bundle("half.zip", &["--public", "--sampled-until", "2026-06-30"]);
    run(&["verify", &world.text("half.zip"), "--key", &key]).expect(0);
    let shown = String::from_utf8(first["lines.jsonl"].clone()).unwrap();
    assert!(shown.lines().count() > 100);
    assert!(!shown.contains("\"wave\":2"));
    let line: Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    let number = line["line"]["line"].to_string();
    let why = ["--reason", "closed", "--evidence", "x"];
    let said = world.on(&store, &[&["replace", &bureau.plan, &number][..], &why].concat());
    let taken = said.expect(0).out;
    let taken = taken.lines().nth(1).unwrap().split(' ').nth(1).unwrap().to_owned();
    let more = bureau.bundle("more.zip", &["--public", "--sampled-until", "2026-07-31"]);
    run(&["verify", &world.text("more.zip"), "--key", &key]).expect(0);
    bureau.bundle("whole.zip", &[]);
    bureau.python(&["public.zip", "half.zip", "more.zip", "whole.zip", "whole.zip"]);
    let after = String::from_utf8(more["lines.jsonl"].clone()).unwrap();
    assert_eq!(after.lines().count(), shown.lines().count() + 1);
    assert!(after.contains(&format!("{{\"line\":{{\"line\":{taken},")), "{taken}");

    // Nothing of tiers, probabilities, expected batches, cells, the seed, or lines to come.
    let part = json(&more, "public.json");
    assert_eq!(part["plan"]["price_of_quotas"], serde_json::json!([]));
    for text in ["\"seed\"", "probability", "\"cells\":{", "\"x\":", "\"lot\"", "certain\":[1"] {
        for (name, bytes) in &more {
            let found = !name.starts_with("log/") && String::from_utf8_lossy(bytes).contains(text);
            assert!(!found, "{text} in {name}");
        }
    }
    let rows = part["compliance"].as_array().unwrap();
    let of = |scope: &str| {
        rows.iter().filter(|row| row["quota"] == "class D" && row["scope"] == scope).count()
    };
    assert_eq!((of("plan"), of("city")), (1, 0));
    assert!(part["rows_left_out"].as_u64().unwrap() > 10);

    // What is changed is seen.
    let seen = |what: &str, check: &str, change: &dyn Fn(&mut Members)| {
        let failing = bureau.failing("public", &more, change);
        assert!(failing.contains(&check), "{what}: {failing:?}");
    };
    assert!(bureau.failing("public", &more, |_| {}).is_empty());
    seen("a line is edited", "lines", &|members| {
        edit(members, "lines.jsonl", |text| {
            text.replacen("\"enterprise_name\":\"", "\"enterprise_name\":\"X", 1)
        });
    });
    seen("a line is left out", "lines", &|members| {
        edit(members, "lines.jsonl", |text| text.split_once('\n').unwrap().1.to_owned());
    });
    seen("the leaves are others", "protocol", &|members| {
        members.get_mut("leaves.bin").unwrap()[0] ^= 1;
    });
    seen("more waves are over", "lines", &|members| {
        edit(members, "public.json", |text| text.replacen("2026-07-31", "2026-12-31", 2));
    });
    seen("the number of units", "frame", &|members| {
        let units = part["frame"]["units"].to_string();
        edit(members, "public.json", |text| {
            text.replacen(&format!("\"units\":{units}"), "\"units\":1", 2)
        });
    });
    seen("an authority's batches", "budgets", &|members| {
        edit(members, "public.json", |text| text.replacen("\"batches\":60,", "\"batches\":61,", 2));
    });
    seen("a row that is not kept", "quotas", &|members| {
        let row = rows.iter().find(|row| row["quota"] == "key products").unwrap();
        let planned = format!("\"planned\":{}", row["planned"]);
        edit(members, "public.json", |text| text.replacen(&planned, "\"planned\":1", 1));
    });
    seen("a quota is hidden", "quotas", &|members| {
        edit(members, "public.json", |text| {
            text.replace("\"quota\":\"online\"", "\"quota\":\"onlyne\"")
        });
    });
    bureau.python_sees_all_forgeries();
}

#[test]
fn parts_of_a_plan_with_sm3() {
    let bureau =
        Bureau::new(|policy| policy.replace("method = \"m1\"", "method = \"m1\"\nhash = \"sm3\""));
    let (world, key) = (&bureau.world, bureau.world.text("key"));
    bureau.bundle("whole.zip", &[]);
    let county = counties(&bureau).pop().unwrap();
    bureau.bundle("county.zip", &["--county", &county]);
    bureau.bundle("public.zip", &["--public", "--sampled-until", "2026-12-31"]);
    let names = ["whole.zip", "county.zip", "public.zip"];
    for name in names {
        run(&["verify", &world.text(name), "--key", &key]).expect(0);
    }
    bureau.python(&names);
}
