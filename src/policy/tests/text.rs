//! Reading, the canonical text and the digest.

use proptest::prelude::*;

use super::super::*;
use super::ANNUAL;
use crate::model::{Date, DivisionCode, HashName, Level, Ratio};

fn ratio(text: &str) -> Ratio {
    text.parse().unwrap()
}

fn annual() -> Policy {
    Policy::from_toml(ANNUAL).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_annual_policy_means_what_it_says() {
    let policy = annual();
    assert_eq!(policy.levels().collect::<Vec<_>>(), Level::ALL);
    assert_eq!(policy.floor, ratio("5%"));
    let city = policy.budget[Level::City.index()].as_ref().unwrap();
    assert_eq!((city.total, &city.split, city.floor), (13_000, &Split::Root, 200));
    let key = &policy.quotas[0];
    assert_eq!(key.each, [vec![], vec![Dim::Level], vec![Dim::Authority]]);
    assert_eq!(key.hardness, Hardness::Legal);
    assert_eq!(key.filter, [Condition { dim: Dim::Key, any_of: vec!["true".to_owned()] }]);
    assert_eq!(key.min, Some(Bound::Share(ratio("30%"))));
    let breadth = &policy.quotas[4];
    assert_eq!(breadth.min, Some(Bound::Batches(40)));
    assert_eq!(breadth.max, Some(Bound::Share(ratio("0.015"))));
    assert_eq!(breadth.of.as_deref(), Some(&[][..]));
    assert_eq!(policy.weights.0[&WeightBy::Dim(Dim::Accident)]["true"], 3);
    assert_eq!(policy.weights.0[&WeightBy::Dim(Dim::Cluster)]["*"], 2);
    assert_eq!(policy.certain[0].level, Some(Level::City));
    assert_eq!(policy.window.as_ref().unwrap().exempt, ["complaint", "emergency", "failed"]);
    assert_eq!(policy.replacements_per_line, 2);
    assert_eq!(policy.waves.len(), 2);
}

#[test]
fn what_is_left_out_has_its_default() {
    let policy = Policy::from_toml(
        "id = 'p'\nmethod = 'm1'\nperiod = { from = 2026-01-01, to = 2026-12-31 }\n\
         as_of = 2025-12-15\nbudget = { county = { total = 5 } }\n\
         quota = [{ name = 'n', max = 3 }]",
    )
    .unwrap();
    assert_eq!((policy.title.as_str(), policy.floor), ("", Ratio::ZERO));
    let county = LevelBudget { total: 5, split: Split::Units, floor: 0 };
    assert_eq!(policy.budget, [None, None, Some(county)]);
    assert_eq!(policy.quotas[0].hardness, Hardness::Hard { penalty: 1 });
    assert_eq!(policy.quotas[0].each, [vec![]]);
    assert_eq!((policy.window, policy.replacements_per_line), (None, 0));
    assert!(policy.waves.is_empty() && policy.weights.0.is_empty());
}

#[test]
fn a_draft_keeps_its_shape_in_toml() {
    let draft = Draft::from_toml(ANNUAL).unwrap();
    let again = Draft::from_toml(&toml::to_string(&draft).unwrap()).unwrap();
    assert_eq!(draft, again);
    let by_serde: Draft = toml::from_str(ANNUAL).unwrap();
    assert_eq!(draft, by_serde);
}

#[test]
fn equal_policies_have_one_digest() {
    let policy = annual();
    let other = ANNUAL
        .replace("\"30%\"", "'0.30'")
        .replace("where = { channel = \"online\" }\n", "where.channel = ['online', 'online']\n")
        .replace("[\"plan\", \"level\", \"authority\"]", "['level', 'authority', 'plan']")
        .replace("[\"failed\", \"complaint\", \"emergency\"]", "['emergency','failed','complaint']")
        .replace("accident  = 3", "accident.true = 3")
        .replace("tier = \"D\", key = true", "key = 'true', tier = ['D']");
    let other = format!("# another hand\n{other}");
    let other = Policy::from_toml(&other).unwrap_or_else(|errors| panic!("{errors}\n{other}"));
    assert_eq!(policy, other);
    assert_eq!(policy.digest(), other.digest());

    let mut swapped = policy.clone();
    swapped.quotas.swap(0, 1);
    assert_ne!(policy.digest(), swapped.digest());
}

/// Plans name their policy by this digest: it must never change.
#[test]
fn golden_text_and_digest() {
    let policy = annual();
    let text = policy.canonical_text();
    assert!(text.starts_with(
        r#"{"as_of":"2025-12-15","budget":{"city":{"floor":200,"split":"root","total":13000},"#
    ));
    assert_eq!(
        policy.digest().to_string(),
        "e9efb2dce02fe91ab50d87b1e8f4a384d7fa443d3a36d964c84669a3eb0948a9"
    );
}

#[test]
fn dimensions_keep_their_names() {
    for name in [
        "level",
        "authority",
        "city",
        "county",
        "area",
        "channel",
        "product",
        "category",
        "key_group",
        "tier",
        "risk",
        "cluster",
        "key",
        "licence",
        "ccc",
        "accident",
        "x_size",
        "x_行业",
    ] {
        assert_eq!(name.parse::<Dim>().unwrap().to_string(), name);
    }
    for bad in ["", "plan", "Level", "x_", "x_a/b", "x_a b", "failed", &format!("x_{:070}", 0)] {
        assert!(bad.parse::<Dim>().is_err(), "{bad}");
    }
    let crossed = parse_grouping("channel / level").unwrap();
    assert_eq!(crossed, [Dim::Level, Dim::Channel]);
    assert_eq!(grouping_text(&crossed), "level/channel");
    assert_eq!(parse_grouping("level/plan"), Err(GroupingError::Unknown("plan".to_owned())));
}

#[test]
fn a_category_selects_by_whole_parts() {
    let condition = Condition { dim: Dim::Category, any_of: vec!["steel".to_owned()] };
    assert!(condition.matches("steel") && condition.matches("steel/bar"));
    assert!(!condition.matches("steelwork") && !condition.matches("cement/steel"));
    let tier = Condition { dim: Dim::Tier, any_of: vec!["B".to_owned(), "D".to_owned()] };
    assert!(tier.matches("D") && !tier.matches("C") && !tier.matches(""));
}

fn shares() -> impl Strategy<Value = Ratio> {
    (0..=100_000_000u64).prop_map(|n| Ratio::new(n, 100_000_000).unwrap())
}

fn texts() -> impl Strategy<Value = String> {
    "[A-Za-z0-9\"\\\\'一-龥]{1,8}"
}

fn dates() -> impl Strategy<Value = Date> {
    (2000..2100i16, 1..=12i8, 1..=28i8).prop_map(|(y, m, d)| Date::new(y, m, d).unwrap())
}

fn dims() -> impl Strategy<Value = Dim> {
    prop_oneof![
        Just(Dim::Product),
        Just(Dim::KeyGroup),
        Just(Dim::Tier),
        Just(Dim::Risk),
        Just(Dim::Cluster),
        "x_[a-z]{1,3}".prop_map(Dim::Attribute),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let flags = prop_oneof![Just(Dim::Key), Just(Dim::Licence), Just(Dim::Ccc)];
    let flags = prop::collection::btree_map(flags, any::<bool>(), 0..2);
    let values = prop::collection::btree_set(texts(), 1..4);
    (flags, prop::collection::btree_map(dims(), values, 1..4)).prop_map(|(flags, free)| {
        let flags =
            flags.into_iter().map(|(dim, v)| Condition { dim, any_of: vec![v.to_string()] });
        let free = free
            .into_iter()
            .map(|(dim, values)| Condition { dim, any_of: values.into_iter().collect() });
        let mut filter: Filter = flags.chain(free).collect();
        filter.sort_unstable();
        filter
    })
}

fn groupings() -> impl Strategy<Value = Grouping> {
    let dims = prop_oneof![Just(Dim::Level), Just(Dim::County), Just(Dim::Channel), dims()];
    prop::collection::btree_set(dims, 0..4).prop_map(|dims| dims.into_iter().collect())
}

fn bounds() -> impl Strategy<Value = (Option<Bound>, Option<Bound>)> {
    let batches = |n| Some(Bound::Batches(n));
    let share = |s| Some(Bound::Share(s));
    prop_oneof![
        (0..1000u64, 0..1000u64).prop_map(move |(a, b)| (batches(a.min(b)), batches(a.max(b)))),
        (shares(), shares()).prop_map(move |(a, b)| (share(a.min(b)), share(a.max(b)))),
        (0..1000u64, shares()).prop_map(move |(a, b)| (batches(a), share(b))),
        shares().prop_map(move |a| (share(a), None)),
    ]
}

fn quotas() -> impl Strategy<Value = Quota> {
    let hardness = prop_oneof![
        Just(Hardness::Legal),
        (1..=1_000u64).prop_map(|penalty| Hardness::Hard { penalty }),
        (1..=1_000_000_000u64).prop_map(|penalty| Hardness::Target { penalty }),
    ];
    let rates = prop::option::of((shares(), shares()));
    let each = prop::collection::btree_set(groupings(), 1..4);
    (texts(), filters(), each, any::<bool>(), bounds(), rates, hardness).prop_map(
        |(name, filter, each, of_plan, (min, max), rates, hardness)| {
            let mut quota = Quota {
                name,
                filter,
                each: each.into_iter().collect(),
                of: None,
                min,
                max,
                min_rate: rates.map(|(a, b)| a.min(b)),
                max_rate: rates.map(|(a, b)| a.max(b)),
                hardness,
            };
            quota.of = (of_plan && quota.has_share()).then(Vec::new);
            quota
        },
    )
}

fn budgets() -> impl Strategy<Value = LevelBudget> {
    let table = prop::collection::btree_map(1000..9999u32, 1..500u64, 1..5);
    prop_oneof![
        (1000..1_000_000u64, 0..=1000u64, 0..3usize).prop_map(|(total, floor, kind)| {
            let split = [Split::Units, Split::Root, Split::Equal][kind].clone();
            LevelBudget { total, split, floor }
        }),
        table.prop_map(|table| {
            let code = |n: u32| n.to_string().parse::<DivisionCode>().unwrap();
            let table = table
                .into_iter()
                .map(|(k, n)| (code(k), n))
                .collect::<std::collections::BTreeMap<_, _>>();
            LevelBudget { total: table.values().sum::<u64>(), split: Split::Table(table), floor: 0 }
        }),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let tables = prop::collection::btree_map(texts(), 1..=100u64, 1..4);
    let weights = prop::collection::btree_map(dims().prop_map(WeightBy::Dim), tables, 0..4);
    let quotas = prop::collection::vec(quotas(), 0..5);
    let exclude = prop::collection::vec((filters(), texts()), 0..3);
    let days = prop::collection::btree_set(dates(), 4..8);
    let window = prop::option::of((1..=120u32, prop::collection::btree_set(texts(), 0..3)));
    let keep = prop::option::of(prop::option::of(2..=1_000_000u64));
    let rest = (window, keep, 0..=100u32);
    (texts(), shares(), budgets(), quotas, weights, exclude, days, rest).prop_map(
        |(title, floor, city, mut quotas, weights, exclude, days, (window, keep, per_line))| {
            let days: Vec<Date> = days.into_iter().collect();
            for (i, quota) in quotas.iter_mut().enumerate() {
                quota.name = format!("{i}{}", quota.name);
            }
            let county = LevelBudget { total: 1000, split: Split::Equal, floor: 1 };
            Policy {
                id: "p-1".to_owned(),
                title,
                method: Method::M1,
                hash: if per_line % 2 == 0 { HashName::Sha256 } else { HashName::Sm3 },
                period: Period { from: days[0], to: *days.last().unwrap() },
                as_of: days[1],
                floor,
                budget: [None, Some(city), Some(county)],
                quotas,
                weights: Weights(weights),
                certain: exclude
                    .iter()
                    .map(|(filter, _)| Certain { filter: filter.clone(), level: Some(Level::City) })
                    .collect(),
                exclude: exclude
                    .into_iter()
                    .map(|(filter, reason)| Exclude { filter, reason })
                    .collect(),
                window: window.map(|(months, exempt)| Window {
                    months,
                    exempt: exempt.into_iter().collect(),
                }),
                keep: keep.map(|weight| Keep {
                    plan: "p-1-0123456789ab".to_owned(),
                    weight,
                    gives_way: [false, weight.is_some(), weight.is_some_and(|w| w % 2 == 0)],
                }),
                replacements_per_line: per_line,
                own_reasons: [
                    ("gone", ReasonKind::OutOfScope),
                    ("said-no", ReasonKind::NonResponse),
                ]
                .into_iter()
                .take(per_line as usize % 3)
                .map(|(code, kind)| Reason { code: code.into(), kind, title: String::new() })
                .collect(),
                waves: [("0.1%", 1), ("59.9%", 2), ("40%", 3)]
                    .map(|(share, i)| Wave { until: days[i], share: ratio(share) })
                    .to_vec(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn json_and_toml_give_the_policy_back(policy in policies()) {
        let json = policy.to_json();
        let again = Policy::from_json(&json).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(&again, &policy);
        let parsed: serde_json::Value = serde_json::from_str(&policy.canonical_text()).unwrap();
        prop_assert_eq!(&parsed, &json);
        let text = toml::to_string(&Draft::from(&policy)).unwrap();
        let again = Policy::from_toml(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(again.digest(), policy.digest());
    }

    #[test]
    fn noise_never_panics(text in "[ -~\n]{0,80}", cut in 0..1900usize, put in "[\\[\\]{}=\"'.a-z0-9\n-]{0,4}") {
        let _ = Policy::from_toml(&text);
        let cut = ANNUAL.floor_char_boundary(cut);
        let (before, after) = ANNUAL.split_at(cut);
        if let Err(errors) = Policy::from_toml(&format!("{before}{put}{after}")) {
            prop_assert!(!errors.0.is_empty());
            prop_assert!(errors.0.iter().all(|e| e.line.is_some() && !e.expected.is_empty()));
        }
    }
}
