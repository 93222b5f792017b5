//! What an import makes of its rows, whatever their order, and of the base revision.

use proptest::prelude::*;

use crate::model::{Area, Channel, ChannelSet, DivisionCode, Status, Symbol};
use crate::registry::limits::REPORT_ROWS_MAX;
use crate::registry::{Item, Standard, SupplyInput};

use super::*;

fn code(text: &str) -> DivisionCode {
    text.parse().unwrap()
}

#[test]
fn the_small_province_comes_out_as_it_should() {
    let (registry, counts) = import(Mode::Replace, None, &province()).unwrap();
    assert_eq!(Table::ALL.map(|table| counts.get(table)), [6, 2, 3, 5, 3, 2]);
    let names: Vec<&str> = registry.divisions.iter().map(|d| d.name.as_str()).collect();
    let expected = ["Shandong", "Jinan", "Lixia", "Jiefang Road", "High-tech zone", "Suncun"];
    assert_eq!(names, expected);
    assert_eq!(registry.divisions[0].parent, None);
    assert_eq!(registry.divisions[3].parent, Some(code("370102")));

    let [wear, bicycle] = &registry.products[..] else { panic!("two products") };
    assert_eq!((wear.id.as_str(), wear.key, wear.test_quantity), ("P1", false, 0));
    assert_eq!(wear.channels, [Channel::Circulation, Channel::Online].into_iter().collect());
    assert_eq!(wear.levels, [true; 3]);
    assert_eq!(wear.attributes, [("x_season".to_owned(), "summer".to_owned())]);
    assert_eq!((bicycle.key, bicycle.licence, bicycle.ccc), (true, false, true));
    assert_eq!(bicycle.channels, ChannelSet::ALL);
    assert_eq!(bicycle.levels, [true, true, false]);
    let standard = |code: &str, mandatory| Standard { code: code.to_owned(), mandatory };
    assert_eq!(bicycle.standards, [standard("GB 17761-2024", true), standard("GB/T 3565", false)]);
    let item = |name: &str, safety| Item { name: name.to_owned(), safety };
    assert_eq!(bicycle.items, [item("brake performance", true), item("marking", false)]);
    assert_eq!((bicycle.test_quantity, bicycle.reserve_quantity), (2, 1));
    assert!(bicycle.attributes.is_empty());

    let table = &registry.enterprises;
    assert_eq!(table.ids.iter().collect::<Vec<_>>(), ["E1", "E2", "E3"]);
    assert_eq!(table.names.get(1), "Second, Ltd.");
    assert_eq!(table.status, [Status::Active, Status::Suspended, Status::Active]);
    assert_eq!(table.area, [Area::Urban, Area::Rural, Area::Rural]);
    assert_eq!(table.accidents, [2, 0, 0]);
    let text = |symbol: Symbol| registry.symbols.get(symbol);
    assert_eq!(table.credit_class.iter().map(|s| text(*s)).collect::<Vec<_>>(), ["B", "", "A"]);
    // `x_note` is empty throughout.
    assert_eq!(table.attributes.len(), 1);
    assert_eq!(table.attributes[0].0, "x_size");
    let sizes: Vec<&str> = table.attributes[0].1.iter().map(|s| text(*s)).collect();
    assert_eq!(sizes, ["", "large", "small"]);

    assert!(registry.supply.is_sorted_by(|a, b| a < b));
    assert_eq!(text(registry.supply[1].platform), "Shop A");
    assert_eq!(registry.supply[2].sale_division, Some(code("440305")));
    assert_eq!(registry.tiers[0].product, None);
    assert_eq!(registry.history[0].authority, Some(code("370199")));
    let expected =
        ["", "A", "B", "C", "Shop A", "Shop B", "bicycles", "failed", "large", "passed", "small"];
    assert_eq!(registry.symbols.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_county_alone_is_urban() {
    let line = "E4,Fourth,active,370171,,,,,,";
    let (registry, _) = with_line(Table::Enterprises, line).unwrap();
    assert_eq!(registry.enterprises.area[3], Area::Urban);
}

#[test]
fn tables_left_out_are_carried_over() {
    let base = small();
    let (same, counts) = import(Mode::Replace, Some(&base), &[]).unwrap();
    assert_eq!(same, base);
    assert_eq!(counts, base.counts());
    let tiers = (Table::Tiers, "enterprise_id,tier\nE2,Z\n".to_owned());
    let (next, _) = import(Mode::Replace, Some(&base), std::slice::from_ref(&tiers)).unwrap();
    assert_eq!(next.tiers.len(), 1);
    assert_eq!(next.supply.len(), base.supply.len());
    assert_eq!(next.symbols.find("C"), None, "a text that is no longer used");
    let mut tables = province();
    tables[Table::Tiers.index()] = tiers;
    assert_eq!(import(Mode::Replace, None, &tables).unwrap().0, next);
}

#[test]
fn empty_tiers_and_history_replace_too() {
    let header = |text: &str| text.lines().next().unwrap().to_owned();
    let tables = [(Table::Tiers, header(TIERS)), (Table::History, header(HISTORY))];
    let (next, _) = import(Mode::Replace, Some(&small()), &tables).unwrap();
    assert!(next.tiers.is_empty() && next.history.is_empty());
}

#[test]
fn an_upsert_adds_replaces_and_deletes() {
    let base = small();
    let tables = [
        (Table::Products, "product_id,name\nP1,renamed\nP3,new\n".to_owned()),
        (Table::Enterprises, "enterprise_id,_delete\nE3,true\n".to_owned()),
        (
            Table::Supply,
            "_delete,enterprise_id,product_id,channel\ntrue,E3,P2,production\n\
             false,E1,P3,online\n,E2,P1,online\n"
                .to_owned(),
        ),
        (
            Table::Tiers,
            "enterprise_id,product_id,tier,valid_from,_delete\nE3,,,2024-06-30,true\n\
             E1,,A,,\n"
                .to_owned(),
        ),
        (
            Table::History,
            format!("{HISTORY_HEADER},_delete\nE3,P1,city,3701,2024-05-06,passed,true\n"),
        ),
    ];
    let (next, counts) = import(Mode::Upsert, Some(&base), &tables).unwrap();
    assert_eq!(Table::ALL.map(|table| counts.get(table)), [6, 3, 2, 5, 2, 1]);
    assert_eq!(next.products[0].name, "renamed");
    assert!(next.products[0].attributes.is_empty(), "a row takes the other's place as a whole");
    assert_eq!(next.symbols.get(next.tiers[0].tier), "A");

    let same = [(Table::Supply, SUPPLY.to_owned()), (Table::Enterprises, ENTERPRISES.to_owned())];
    assert_eq!(import(Mode::Upsert, Some(&base), &same).unwrap().0, base);
}

const HISTORY_HEADER: &str = "enterprise_id,product_id,level,authority,sampled_on,outcome";

#[test]
fn an_upsert_without_a_base_is_a_first_import() {
    assert_eq!(import(Mode::Upsert, None, &province()).unwrap().0, small());
}

#[test]
fn the_base_keeps_its_scheme_if_enterprises_are_left_out() {
    let mut import = Import::new(IdScheme::Uscc, Mode::Upsert);
    let row = SupplyInput {
        enterprise_id: "E2",
        product_id: "P2",
        channel: "production",
        ..SupplyInput::default()
    };
    import.push_supply(1, &row);
    let (next, _) = import.finish(Some(&small())).unwrap();
    assert_eq!(next.id_scheme, IdScheme::Opaque);
    assert_eq!(next.supply.len(), 6);
}

/// The header and the lines of every table, lines and tables in any order.
fn shuffled() -> impl Strategy<Value = Vec<(Table, String)>> {
    let lines = province().into_iter().flat_map(|(table, text)| {
        let lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        lines.into_iter().map(move |line| (table, line))
    });
    Just(lines.collect::<Vec<_>>()).prop_shuffle().prop_map(|lines| {
        let batch = |(table, line): (Table, String)| {
            let text = province().swap_remove(table.index()).1;
            (table, format!("{}\n{line}\n", text.lines().next().unwrap()))
        };
        lines.into_iter().map(batch).collect()
    })
}

proptest! {
    #[test]
    fn order_and_batches_do_not_matter(batches in shuffled()) {
        let (registry, _) = import(Mode::Replace, None, &batches).unwrap();
        prop_assert_eq!(registry.digest(), small().digest());
        prop_assert_eq!(registry, small());
    }

    #[test]
    fn reports_do_not_depend_on_order(
        rows in Just((1..=300u64).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let report = |rows: &[u64]| {
            let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
            for row in rows {
                let id = format!("E{}", row % 90);
                let channel = if row % 3 == 0 { "shop" } else { "online" };
                let input = SupplyInput {
                    enterprise_id: &id,
                    product_id: "P 1",
                    channel,
                    ..SupplyInput::default()
                };
                let input = if row % 2 == 0 { SupplyInput { product_id: "P1", ..input } } else { input };
                import.push_supply(*row, &input);
            }
            import.finish(None).unwrap_err()
        };
        let expected = report(&(1..=300).collect::<Vec<_>>());
        prop_assert_eq!(expected.rows.len(), REPORT_ROWS_MAX);
        prop_assert!(expected.rows.is_sorted());
        prop_assert_eq!(report(&rows), expected);
    }
}
