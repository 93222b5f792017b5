//! Every kind of error once, with its key and its line.

use super::super::*;
use super::ANNUAL;

/// A policy that is right, in a few lines.
const SMALL: &str = r#"id = "p"
title = "t"
method = "m1"
period = { from = "2026-01-01", to = "2026-12-31" }
as_of = "2025-12-15"
floor = "5%"
[budget]
province = { total = 10 }
city = { total = 20, split = "root", floor = 2 }
[[quota]]
name = "one"
where = { key = true }
min = "30%"
[[quota]]
name = "two"
max = "10%"
each = ["product"]
of = "plan"
[weights]
tier = { A = 1, B = 2 }
[[certain]]
where = { tier = "B" }
[[exclude]]
where = { channel = "online" }
reason = "r"
[window]
months = 6
[replacements]
per_line = 2
[[wave]]
until = "2026-06-30"
share = "60%"
[[wave]]
until = "2026-12-31"
share = "40%"
"#;

/// The errors of `SMALL` with `from` replaced by `to`, as `path:line` and whole messages.
fn errors(from: &str, to: &str) -> (Vec<String>, String) {
    assert!(SMALL.contains(from), "{from}");
    let text = SMALL.replacen(from, to, 1);
    let Err(errors) = Policy::from_toml(&text) else { panic!("accepted:\n{text}") };
    let places =
        errors.0.iter().map(|e| format!("{}:{}", e.path, e.line.unwrap_or_default())).collect();
    (places, errors.to_string())
}

/// One replacement, and the one error it makes: its place and a part of its message.
#[track_caller]
fn one(from: &str, to: &str, place: &str, message: &str) {
    let (places, text) = errors(from, to);
    assert_eq!(places, [place], "{text}");
    assert!(text.contains(message), "`{text}` lacks `{message}`");
}

#[test]
fn the_small_policy_is_right() {
    if let Err(errors) = Policy::from_toml(SMALL) {
        panic!("{errors}");
    }
}

#[test]
fn an_error_reads_well() {
    let (_, text) = errors("min = \"30%\"", "min = \"130%\"");
    assert_eq!(text, "line 13: quota[0].min: found `130%`; expected a share of at most 100%");
    let (_, text) = errors("id = \"p\"\n", "");
    assert_eq!(
        text,
        "line 1: id: missing; expected 1-64 characters of A-Z a-z 0-9 . _ -, first a letter or digit"
    );
}

#[test]
fn form_unknown_keys_and_wrong_kinds() {
    one("title = \"t\"", "titel = \"t\"", "titel:2", "one of the keys id, title, method");
    one("max = \"10%\"", "max = \"10%\"\nmini = 3", "quota[1].mini:17", "min_rate");
    one("total = 10", "total = 10, flor = 1", "budget.province.flor:8", "floor");
    one("title = \"t\"", "title = 5", "title:2", "found `5`; expected a text in quotes");
    one("min = \"30%\"", "min = 0.3", "quota[0].min:13", "in quotes: \"0.3\"");
    one("min = \"30%\"", "min = nan", "quota[0].min:13", "found `nan`");
    one("min = \"30%\"", "min = -3", "quota[0].min:13", "found `-3`; expected batches");
    one("min = \"30%\"", "min = true", "quota[0].min:13", "found `true`");
    one("floor = \"5%\"", "floor = 5", "floor:6", "a share in quotes such as \"30%\"");
    one("total = 10", "total = -10", "budget.province.total:8", "0 or more");
    one("total = 10", "total = 1e3", "budget.province.total:8", "found `1e3`");
    one("total = 10", "total = 99999999999999999999", "budget.province.total:8", "below 2^63");
    one("province = { total = 10 }", "province = 10", "budget.province:8", "a table");
    one(
        "period = { from = \"2026-01-01\", to = \"2026-12-31\" }",
        "period = ['a']",
        "period:4",
        "a table",
    );
    one("each = [\"product\"]", "each = \"product\"", "quota[1].each:17", "a list");
    one("each = [\"product\"]", "each = [\n'product', 7]", "quota[1].each[1]:18", "a text");
    one("key = true", "key = { a = 1 }", "quota[0].where.key:12", "a list of these");
    one("A = 1, B", "A = 1.5, B", "weights.tier.A:20", "found `1.5`");
}

#[test]
fn form_all_wrong_keys_are_found_at_once() {
    let text = SMALL
        .replace("title = \"t\"", "titel = \"t\"")
        .replace("min = \"30%\"", "min = 0.3")
        .replace("per_line = 2", "per_line = \"2\"\nlines = 3")
        .replace("as_of = \"2025-12-15\"", "as_of = \"2025-02-30\"");
    let errors = Policy::from_toml(&text).unwrap_err();
    let places: Vec<_> = errors.0.iter().map(|e| (e.path.as_str(), e.line.unwrap())).collect();
    assert_eq!(
        places,
        [
            ("titel", 2),
            ("as_of", 5),
            ("quota[0].min", 13),
            ("replacements.per_line", 29),
            ("replacements.lines", 30),
        ]
    );
}

#[test]
fn form_what_is_no_toml() {
    let (places, text) = errors("floor = \"5%\"", "floor = 5%");
    assert_eq!(places[0], ":6", "{text}");
    assert!(text.contains("floor = 5%"), "{text}");
    let (places, text) = errors("floor = \"5%\"", "floor = \"5%\"\nid = \"q\"");
    assert_eq!(places, [":7"], "{text}");
    assert!(text.contains("duplicate key"), "{text}");
    let deep = Policy::from_toml(&format!("a = {}", "[".repeat(200_000)));
    assert!(deep.is_err());
    let deep = Policy::from_toml(&format!("a{} = 1", ".a".repeat(200_000)));
    assert!(deep.is_err());
    let deep = Policy::from_toml(&format!("[a{}]", ".a".repeat(200_000)));
    assert!(deep.is_err());
    let long = format!("title = \"{}\"", "a".repeat(POLICY_BYTES_MAX));
    assert!(Policy::from_toml(&long).unwrap_err().to_string().contains("1048576 bytes"));
}

#[test]
fn head_of_the_policy() {
    one("id = \"p\"", "id = \"a b\"", "id:1", "found `a b`");
    one("title = \"t\"", "title = \" t\"", "title:2", "without blanks");
    one("title = \"t\"", "title = \"a\\nb\"", "title:2", "on one line");
    let long = format!("title = \"{}\"", "标".repeat(201));
    one("title = \"t\"", &long, "title:2", "at most 200 characters");
    one("method = \"m1\"", "method = \"m2\"", "method:3", "expected m1");
    one("method = \"m1\"\n", "", "method:1", "missing; expected m1");
    one("from = \"2026-01-01\"", "from = \"2026-02-30\"", "period.from:4", "a date");
    one("from = \"2026-01-01\"", "from = \"2027-01-01\"", "period.to:4", "not before the first");
    one("as_of = \"2025-12-15\"", "as_of = \"15.12.2025\"", "as_of:5", "a date");
    one("as_of = \"2025-12-15\"", "as_of = \"2027-01-01\"", "as_of:5", "not after the period");
    one("floor = \"5%\"", "floor = \"NaN\"", "floor:6", "1.5%");
    one("floor = \"5%\"", "floor = \"101%\"", "floor:6", "at most 100%");
}

#[test]
fn budgets() {
    one("total = 10", "total = 0", "budget.province.total:8", "1 to 10000000");
    one("total = 10", "total = 10000001", "budget.province.total:8", "1 to 10000000");
    let two = "province = { total = 10 }\ncity = { total = 20, split = \"root\", floor = 2 }\n";
    one(two, "", "budget:7", "at least one of province, city and county");
    one("floor = 2 }", "floor = 21 }", "budget.city.floor:9", "total of 20");
    one("split = \"root\"", "split = \"cube\"", "budget.city.split:9", "units, root or equal");
    let table = |t: &str| format!("city = {{ total = 20, {t} }}");
    let city = "city = { total = 20, split = \"root\", floor = 2 }";
    let place = "budget.city.table:9";
    one(city, &table("table = { 3701 = 12, 3702 = 7 }"), place, "total of 20");
    let place = "budget.city.table.370102:9";
    one(city, &table("table = { 3701 = 12, 370102 = 8 }"), place, "4 digits (city)");
    one(city, &table("table = { 3701 = 20 }, split = 'root'"), "budget.city.split:9", "not both");
    one(city, &table("table = { 3701 = 20 }, floor = 1"), "budget.city.floor:9", "no floor");
}

#[test]
fn a_wrong_budget_is_the_only_error() {
    let text = SMALL
        .replace("min = \"30%\"", "min = 25")
        .replace("where = { tier = \"B\" }", "where = { tier = 'B' }\nlevel = 'city'");
    assert!(Policy::from_toml(&text).is_ok());
    for wrong in ["city = 3", "city = { total = 'x' }", "city = { total = 0 }"] {
        let text = text.replace("city = { total = 20, split = \"root\", floor = 2 }", wrong);
        let errors = Policy::from_toml(&text).unwrap_err();
        assert_eq!(errors.0.len(), 1, "{errors}");
        assert!(errors.0[0].path.starts_with("budget.city"), "{errors}");
    }
}

#[test]
fn quota_bounds() {
    one("min = \"30%\"\n", "", "quota[0]:10", "at least one bound");
    one("min = \"30%\"", "min = 5\nmax = 4", "quota[0].min:13", "max of 4");
    one("min = \"30%\"", "min = '30%'\nmax = '0.2'", "quota[0].min:13", "max of 20%");
    one(
        "min = \"30%\"",
        "max_rate = '1%'\nmin_rate = '2%'",
        "quota[0].min_rate:14",
        "max_rate of 1%",
    );
    one("min = \"30%\"", "min_rate = 30", "quota[0].min_rate:13", "a share in quotes");
    one("min = \"30%\"", "max_rate = '1.1'", "quota[0].max_rate:13", "at most 100%");
    one("min = \"30%\"", "min = 31", "quota[0].min:13", "the 30 batches of all levels");
    one("min = \"30%\"", "max = 10000001", "quota[0].max:13", "at most 10000000");
    one("max = \"10%\"", "max = \"-10%\"", "quota[1].max:16", "such as \"30%\"");
}

#[test]
fn quota_groups() {
    one("each = [\"product\"]", "each = [\"shop\"]", "quota[1].each[0]:17", "expected `plan`");
    one("each = [\"product\"]", "each = [\"key\"]", "quota[1].each[0]:17", "`key` only selects");
    one("each = [\"product\"]", "each = ['']", "quota[1].each[0]:17", "found `\"\"`");
    one("[\"product\"]", "['city/product/city']", "quota[1].each[0]:17", "`city` comes twice");
    one("[\"product\"]", "['city/tier', 'tier/city']", "quota[1].each[1]:17", "each grouping once");
    one("of = \"plan\"", "of = \"city\"", "quota[1].of:18", "some of the dimensions of `product`");
    one("of = \"plan\"", "of = \"product\"", "quota[1].of:18", "another group than `product`");
    one("of = \"plan\"\n", "", "quota[1].of:14", "needed where `where` is empty");
    one("max = \"10%\"", "max = 10", "quota[1].of:18", "no bound is a share");
}

#[test]
fn quota_names_and_hardness() {
    one("name = \"two\"", "name = \"one\"", "quota[1].name:15", "no other quota has");
    one("name = \"two\"\n", "", "quota[1].name:14", "missing; expected a name");
    let line = "of = \"plan\"";
    let with = |more: &str| format!("{line}\n{more}");
    one(line, &with("hardness = 'soft'"), "quota[1].hardness:19", "legal, hard or target");
    one(line, &with("hardness = 'target'"), "quota[1].penalty:14", "the cost");
    one(line, &with("hardness = 'target'\npenalty = 0"), "quota[1].penalty:20", "1 to 1000000000");
    one(line, &with("hardness = 'legal'\npenalty = 1"), "quota[1].penalty:20", "no penalty");
    one(line, &with("penalty = 0"), "quota[1].penalty:19", "1 to 1000000000");
    let many: String = (0..1000).map(|i| format!("[[quota]]\nname = 'n{i}'\nmax = 1\n")).collect();
    one("[weights]", &format!("{many}[weights]"), "quota:10", "at most 1000 quotas");
}

#[test]
fn conditions() {
    let here = |dim: &str, value: &str, part: &str| {
        let place = format!("quota[0].where.{dim}:12");
        one("key = true", &format!("{dim} = {value}"), &place, part);
    };
    here("shop", "1", "level, authority, city");
    here("level", "'town'", "province, city or county");
    here("channel", "'offline'", "production, circulation or online");
    here("area", "'suburb'", "urban or rural");
    here("key", "'yes'", "true or false");
    here("accident", "2", "true or false");
    here("city", "370102", "4 digits");
    here("county", "3701", "6 digits");
    here("authority", "370", "2, 4 or 6 digits");
    here("category", "'steel/'", "without a slash");
    here("cluster", "'*'", "in weights only");
    here("tier", "''", "not empty");
    here("tier", "[]", "at least one value");
    here("x_", "1", "attribute x_");
    one("key = true", "tier = ['A', ' B']", "quota[0].where.tier[1]:12", "without blanks");
}

#[test]
fn certainty_rules_and_exclusions() {
    let place = "certain[0].where.level:22";
    one("tier = \"B\"", "level = \"city\"", place, "a key of the rule itself");
    one("tier = \"B\"", "channel = \"online\"", "certain[0].where.channel:22", "what a unit is");
    one("tier = \"B\"", "authority = 37", "certain[0].where.authority:22", "what a unit is");
    one("where = { tier = \"B\" }\n", "", "certain[0].where:21", "at least one condition");
    let level = |l: &str| format!("where = {{ tier = 'B' }}\nlevel = '{l}'");
    let from = "where = { tier = \"B\" }";
    one(from, &level("town"), "certain[0].level:23", "province, city or county");
    one(from, &level("county"), "certain[0].level:23", "has a budget");
    one("where = { channel = \"online\" }\n", "", "exclude[0].where:23", "at least one condition");
    one("reason = \"r\"\n", "", "exclude[0].reason:23", "a reason");
}

#[test]
fn weights() {
    let here = |written: &str, key: &str, part: &str| {
        one("tier = { A = 1, B = 2 }", written, &format!("weights.{key}:20"), part);
    };
    here("shop = { A = 1 }", "shop", "failed, unchecked or one of city");
    here("level = { city = 2 }", "level", "failed, unchecked or one of city");
    here("tier = 3", "tier", "a table of multipliers by value");
    here("tier = {}", "tier", "at least one value");
    here("tier = { A = 0 }", "tier.A", "from 1 to 1000000");
    here("tier = { A = 1000001 }", "tier.A", "from 1 to 1000000");
    here("accident = 0", "accident", "from 1 to 1000000");
    here("accident = { yes = 2 }", "accident.yes", "true or false");
    here("failed = { '*' = 2 }", "failed.*", "true or false");
    here("channel = { offline = 2 }", "channel.offline", "production, circulation or online");
    here("unchecked = { year = 2 }", "unchecked.year", "a number of months");
    here("unchecked = { 012 = 2 }", "unchecked.012", "a number of months");
    here("unchecked = 2", "unchecked", "a table");
    let (places, text) = errors(
        "tier = { A = 1, B = 2 }",
        "tier = { A = 1000000 }\nrisk = { a = 1000000 }\nfailed = 2",
    );
    assert_eq!(places, ["weights:19"], "{text}");
    assert!(text.contains("up to 2000000000000"), "{text}");
}

#[test]
fn window_and_replacements() {
    one("months = 6", "months = 0", "window.months:27", "1 to 120");
    one("months = 6", "months = 121", "window.months:27", "1 to 120");
    one("months = 6", "months = 6\nexempt = ['']", "window.exempt[0]:28", "an outcome");
    one("per_line = 2", "per_line = 101", "replacements.per_line:29", "0 to 100");
}

#[test]
fn keep() {
    let with = |keep: &str| format!("[keep]\n{keep}\n[replacements]");
    let text = |keep: &str| with(&format!("plan = 'a-0'\n{keep}"));
    let one = |to: &str, place: &str, why: &str| one("[replacements]", to, place, why);
    one(&with("plan = 'a b'"), "keep.plan:29", "the name of a plan");
    one(&text("weight = 1"), "keep.weight:30", "2 to 1000000");
    one(&text("levels = ['city']"), "keep.levels:30", "keep.weight");
    one(&text("weight = 2\nlevels = ['town']"), "keep.levels[0]:31", "province, city or county");
}

#[test]
fn waves() {
    one("share = \"60%\"", "share = \"60.0001%\"", "wave:30", "shares of 100.0001% in all");
    one("share = \"60%\"", "share = \"six\"", "wave[0].share:32", "a share in quotes");
    let (places, _) = errors("share = \"60%\"", "share = \"0%\"");
    assert_eq!(places, ["wave:30", "wave[0].share:32"]);
    one("until = \"2026-06-30\"", "until = \"2026-06-31\"", "wave[0].until:31", "a date");
    let outside = "a day from 2026-01-01 to 2026-12-31";
    one("until = \"2026-06-30\"", "until = \"2025-06-30\"", "wave[0].until:31", outside);
    let after = "after the wave before (2026-12-31)";
    one("until = \"2026-06-30\"", "until = \"2026-12-31\"", "wave[1].until:34", after);
    let many: String =
        (1..=31).map(|d| format!("[[wave]]\nuntil = '2026-05-{d:02}'\nshare = '1%'\n")).collect();
    let (places, text) = errors("[[wave]]", &format!("{many}[[wave]]"));
    assert_eq!(places[0], "wave:30", "{text}");
    assert!(text.contains("at most 32 waves"), "{text}");
}

#[test]
fn values_are_cut_and_errors_have_no_lines_without_text() {
    let mut json = Policy::from_toml(ANNUAL).unwrap().to_json();
    json["id"] = "é".repeat(100).into();
    json["quota"][1]["min"] = 0.12.into();
    json["extra"] = serde_json::Value::Null;
    let errors = Policy::from_json(&json).unwrap_err();
    let id = errors.0.iter().find(|e| e.path == "id").unwrap();
    assert_eq!((id.value.chars().count(), id.line), (81, None));
    assert!(errors.to_string().contains("quota[1].min: found `0.12`"), "{errors}");
    assert!(Policy::from_json(&serde_json::json!([])).is_err());
    assert!(Policy::from_json(&serde_json::json!(null)).is_err());
}
