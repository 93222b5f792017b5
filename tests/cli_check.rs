//! `check` on the command line: the same answer from a store and through a server, as sentences in
//! two languages and as JSON; remedies that do; nothing kept.

mod cli_support;

use cli_support::{Server, World, at};
use serde_json::Value;

/// The village's policy with two minima that its four batches cannot both have.
fn clash(world: &World) -> String {
    let policy = String::from_utf8(world.read("policy.toml")).unwrap();
    let other = "[[quota]]\nname = \"rest\"\nwhere = { key = false }\nmin = 1\n[weights]";
    policy.replace("\"25%\"", "4").replace("[weights]", other)
}

fn village() -> World {
    let world = World::village();
    world.import(&world.store(), &["--id-scheme", "opaque"]).expect(0);
    world
}

#[test]
fn a_store_and_a_server_give_the_same_answer() {
    let world = village();
    world.write("clash.toml", clash(&world));
    let (fine, clash) = (world.text("policy.toml"), world.text("clash.toml"));
    let cases = [(fine.as_str(), 0), (clash.as_str(), 3)];
    let ask = |place: &[String; 2]| {
        let mut said = Vec::new();
        for (policy, code) in cases {
            for more in [&[][..], &["--format", "json"], &["--lang", "zh"]] {
                let args = [&["check", "--policy", policy], more].concat();
                said.push(world.on(place, &args).expect(code).out);
            }
        }
        said
    };
    let near = ask(&world.store());
    let server = Server::start(&world.path("store"));
    assert_eq!(near, ask(&at(&server)));
    drop(server);

    assert!(near[0].contains("CERTIFIED: 4 batches"), "{}", near[0]);
    assert!(near[2].contains("认证通过"), "{}", near[2]);
    assert!(near[3].contains("`rest` ≥ 1") && near[3].contains("Options: "), "{}", near[3]);
    assert!(near[5].contains("“rest”") && near[5].contains("可选办法:"), "{}", near[5]);
    let answer: Value = serde_json::from_str(&near[4]).unwrap();
    let mut quotas: Vec<&str> =
        answer["rules"].as_array().unwrap().iter().fold(Vec::new(), |mut names, rule| {
            names.extend(rule["quota"].as_str().filter(|name| !name.is_empty()));
            names
        });
    quotas.sort_unstable();
    assert_eq!(quotas, ["key", "rest"]);
    // Asking leaves nothing behind.
    assert_eq!(world.on(&world.store(), &["plans"]).expect(0).out.lines().count(), 2);
}

#[test]
fn each_change_that_is_offered_would_do() {
    let world = village();
    let policy = clash(&world);
    world.write("policy.toml", &policy);
    let path = world.text("policy.toml");
    let asked = ["check", "--policy", &path, "--format", "json"];
    let answer: Value =
        serde_json::from_str(&world.on(&world.store(), &asked).expect(3).out).unwrap();
    let remedies = answer["remedies"].as_array().unwrap();
    assert!(!remedies.is_empty(), "{answer}");
    for remedy in remedies {
        let mut changed = policy.clone();
        for step in remedy["steps"].as_array().unwrap() {
            assert_eq!(step["kind"], "bound", "{answer}");
            let (name, to) = (step["quota"].as_str().unwrap(), step["to"].as_str().unwrap());
            let (before, quota) = changed
                .split_once(&format!("name  = \"{name}\""))
                .unwrap_or_else(|| changed.split_once(&format!("name = \"{name}\"")).unwrap());
            let line = quota.lines().find(|line| line.starts_with("min")).unwrap();
            let quota = quota.replacen(line, &format!("min = {to}"), 1);
            changed = format!("{before}name = \"{name}\"{quota}");
        }
        world.write("changed.toml", &changed);
        let changed = world.text("changed.toml");
        world.on(&world.store(), &["check", "--policy", &changed]).expect(0);
        world.write("policy.toml", &policy);
    }
}

#[test]
fn a_policy_that_is_none_is_told_as_everywhere() {
    let world = village();
    world.write("policy.toml", "[budget\n");
    let policy = world.text("policy.toml");
    world.on(&world.store(), &["check", "--policy", &policy]).expect(2).says(&["line 1"]);
    let empty = World::village();
    empty.import(&empty.store(), &["--id-scheme", "opaque", "--check-only"]);
    let policy = empty.text("policy.toml");
    empty.on(&empty.store(), &["check", "--policy", &policy]).expect(2).says(&["import"]);
}
