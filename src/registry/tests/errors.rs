//! Every kind of mistake once, with the words that a report finds for it.

use crate::registry::limits::{ATTRIBUTES_MAX, Caps, FIELD_BYTES_MAX, REPORT_VALUE_CHARS_MAX};
use crate::registry::{AnyInput, BadRow, EnterpriseInput, ProductInput, SupplyInput, TierInput};

use super::*;

/// Checks that each line, added to `table`, is refused for just the reason beside it.
#[track_caller]
fn refused(table: Table, cases: &[(&str, &str)]) {
    let row = province()[table.index()].1.lines().count() + 1;
    for (line, why) in cases {
        let found = problems(with_line(table, line));
        assert_eq!(found, [format!("{table} row {row}, {why}")], "{line}");
    }
}

#[test]
fn divisions() {
    let cases = [
        ("370,x,city,37,", "code `370`: is not a division code of 2, 4, 6 or 9 digits"),
        ("3702,,city,37,", "name: must not be empty"),
        ("3702,x,town,37,", "level `town`: must be one of province|city|county|township"),
        ("3702,x,county,37,", "level `county`: a code of 4 digits is that of a city"),
        ("370103,x,county,37,", "parent_code `37`: must be `3701`, the beginning of the code"),
        ("370103,x,county,,", "parent_code: must be `3701`"),
        ("370201,x,county,3702,", "parent_code `3702`: there is no division with this code"),
        ("38,x,province,,", "code `38`: is a second province beside `37`"),
        ("3701,x,city,37,", "code `3701`: is in row 3 already"),
    ];
    refused(Table::Divisions, &cases);
    let none = with(Table::Divisions, "code,name,level,parent_code\n37,x,province,37\n");
    assert_eq!(
        problems(none)[0],
        "divisions row 2, parent_code `37`: must be empty for the province"
    );
    let none = with(Table::Divisions, "code,name,level,parent_code\n3701,x,city,37\n");
    assert_eq!(problems(none)[0], "divisions, code: no province (2 digits) among them");
}

#[test]
fn products() {
    let integer = "must be an integer from 0 to 4294967295 in plain digits";
    let cases = [
        (
            "P/3,x,,,,,,,,,,,,,,,",
            "product_id `P/3`: must be 1-64 characters of A-Z a-z 0-9 . _ -, beginning with a \
             letter or digit",
        ),
        ("P3, ,,,,,,,,,,,,,,,", "name ` `: must not be empty"),
        ("P3,x,,a//b,,,,,,,,,,,,,", "category `a//b`: has an empty part beside `/`"),
        ("P3,x,,,yes,,,,,,,,,,,,", "key `yes`: must be `true` or `false`"),
        ("P3,x,,,,,,,,GB 1!;,,,,,,,", "standards `GB 1!;`: has an empty entry between `;`"),
        ("P3,x,,,,,,,,,a;a!,,,,,,", "items `a!`: is listed twice"),
        ("P3,x,,,,,,,,,,-1,,,,,", &format!("test_quantity `-1`: {integer}")),
        ("P3,x,,,,,,,,,,,1.5,,,,", &format!("reserve_quantity `1.5`: {integer}")),
        (
            "P3,x,,,,,,,,,,,,,shop,,",
            "channels `shop`: must be one of production|circulation|online",
        ),
        ("P3,x,,,,,,,,,,,,,,city;city,", "levels `city`: is listed twice"),
        ("P1,x,,,,,,,,,,,,,,,", "product_id `P1`: is in row 3 already"),
    ];
    refused(Table::Products, &cases);
    let many =
        vec!["a"; 257].iter().enumerate().map(|(i, a)| format!("{a}{i}")).collect::<Vec<_>>();
    let line = format!("P3,x,,,,,,,,{},,,,,,,", many.join(";"));
    let found = problems(with_line(Table::Products, &line));
    assert!(found[0].ends_with("lists more than 256 entries"), "{found:?}");
}

#[test]
fn enterprises() {
    let integer = "must be an integer from 0 to 4294967295 in plain digits";
    let long = "x".repeat(FIELD_BYTES_MAX + 1);
    let shown = "x".repeat(REPORT_VALUE_CHARS_MAX);
    let cases = [
        (
            "-E,x,active,370102,,,,,,",
            "enterprise_id `-E`: must be 1-64 characters of A-Z a-z 0-9 . _ -, beginning with a \
             letter or digit",
        ),
        ("E4,,active,370102,,,,,,", "name: must not be empty"),
        (
            "E4,x,open,370102,,,,,,",
            "status `open`: must be one of active|suspended|deregistered|revoked|moved_out",
        ),
        ("E4,x,active,,,,,,,", "division: is not a division code of 2, 4, 6 or 9 digits"),
        (
            "E4,x,active,3701,,,,,,",
            "division `3701`: must be a county (6 digits) or township (9 digits)",
        ),
        ("E4,x,active,370199,,,,,,", "division `370199`: there is no division with this code"),
        (
            "E4,x,active,370102009,,,,,,",
            "division `370102009`: there is no division with this code",
        ),
        ("E4,x,active,370102,town,,,,,", "area `town`: must be one of urban|rural"),
        ("E4,x,active,370102,,,,NaN,,", &format!("accidents `NaN`: {integer}")),
        ("E4,x,active,370102,,,,-1,,", &format!("accidents `-1`: {integer}")),
        ("E4,x,active,370102,,,,4294967296,,", &format!("accidents `4294967296`: {integer}")),
        ("E4,a\u{7}b,active,370102,,,,,,", "name `a\u{fffd}b`: holds the control character U+0007"),
        (
            &format!("E4,x,active,370102,,{long},,,,"),
            &format!("credit_class `{shown}`: has 1025 bytes; at most 1024 are allowed"),
        ),
        ("E1,x,active,370102,,,,,,", "enterprise_id `E1`: is in row 3 already"),
    ];
    refused(Table::Enterprises, &cases);
}

#[test]
fn unified_social_credit_codes() {
    let report = |id| {
        let mut import = Import::new(IdScheme::Uscc, Mode::Replace);
        let row = EnterpriseInput {
            enterprise_id: id,
            name: "x",
            status: "active",
            division: "370102",
            ..EnterpriseInput::default()
        };
        import.push_enterprise(7, &row);
        let of_ids = import.finish(None).unwrap_err().rows;
        of_ids.into_iter().filter(|bad| bad.field == "enterprise_id").map(|bad| bad.why).next()
    };
    assert_eq!(report("91350100M000100Y43"), None);
    assert_eq!(report("91350100M000100Y44").unwrap(), "has a wrong check character: expected `3`");
    assert_eq!(
        report("E1").unwrap(),
        "is not an 18-character unified social credit code (GB 32100-2015)"
    );
}

#[test]
fn supply() {
    let cases = [
        ("E9,P1,online,,", "enterprise_id `E9`: is not in the new revision"),
        ("E1,P9,online,,", "product_id `P9`: is not in the new revision"),
        ("E1,P1,shop,,", "channel `shop`: must be one of production|circulation|online"),
        (
            "E1,P1,production,Shop A,",
            "platform `Shop A`: must be empty unless the channel is `online`",
        ),
        ("E1,P1,online,,371", "sale_division `371`: is not a division code of 2, 4, 6 or 9 digits"),
        ("E1,P1,online,,370199", "sale_division `370199`: there is no division with this code"),
    ];
    refused(Table::Supply, &cases);
    let again = problems(with_line(Table::Supply, "E1,P2,online,Shop A,"));
    assert_eq!(again, ["supply row 7 `E1/P2`: is in row 4 already"]);
}

#[test]
fn tiers_and_history() {
    let cases = [
        ("E9,,A,", "enterprise_id `E9`: is not in the new revision"),
        ("E1,P9,A,", "product_id `P9`: is not in the new revision"),
        ("E2,,,", "tier: must not be empty"),
        ("E2,,A,2025-02-30", "valid_from `2025-02-30`: must be a date YYYY-MM-DD"),
    ];
    refused(Table::Tiers, &cases);
    let again = problems(with_line(Table::Tiers, "E3,,B,2024-06-30"));
    assert_eq!(again, ["tiers row 5 `E3`: is in row 4 already"]);
    let cases = [
        ("E9,P1,city,,2024-01-01,", "enterprise_id `E9`: is not in the new revision"),
        ("E1,P9,city,,2024-01-01,", "product_id `P9`: is not in the new revision"),
        ("E1,P1,town,,2024-01-01,", "level `town`: must be one of province|city|county"),
        (
            "E1,P1,city,x,2024-01-01,",
            "authority `x`: is not a division code of 2, 4, 6 or 9 digits",
        ),
        ("E1,P1,city,,,", "sampled_on: must be a date YYYY-MM-DD"),
    ];
    refused(Table::History, &cases);
    let again = problems(with_line(Table::History, "E3,P1,city,3701,2024-05-06,passed"));
    assert_eq!(again, ["history row 4 `E3/P1`: is in row 2 already"]);
}

#[test]
fn all_problems_of_a_row_come_at_once_and_draw_no_others_after_them() {
    let found = problems(with_line(Table::Enterprises, "E4,,open,37,moon,,,x,,"));
    assert_eq!(found.len(), 5, "{found:?}");
    let text = ENTERPRISES.replace("E1,First,active", "E1,First,open");
    assert_eq!(problems(with(Table::Enterprises, &text)).len(), 1, "supply of E1 is no problem");
}

#[test]
fn tables_that_are_missing_or_empty() {
    let found = problems(import(Mode::Replace, None, &[]));
    let missing = |table: &str| format!("{table}: is missing: a complete revision needs it");
    assert_eq!(found, ["divisions", "products", "enterprises", "supply"].map(missing));
    let header = SUPPLY.lines().next().unwrap();
    assert_eq!(problems(with(Table::Supply, header)), ["supply: has no rows"]);
    let found = problems(with(Table::Supply, &format!("{header}\nE1\n")));
    assert_eq!(found, ["supply row 2: has 1 fields, but the header has 5"]);
    let none = [(Table::Supply, header.to_owned())];
    assert!(import(Mode::Upsert, Some(&small()), &none).is_ok(), "an upsert of nothing");
    let lines: Vec<String> = SUPPLY.lines().skip(1).map(|line| format!("{line},true")).collect();
    let all = [(Table::Supply, format!("{header},_delete\n{}\n", lines.join("\n")))];
    let found = problems(import(Mode::Upsert, Some(&small()), &all));
    assert_eq!(found, ["supply: would be left without rows"]);
}

#[test]
fn what_is_carried_over_must_still_fit() {
    let base = small();
    let without = |text: &str, start: &str| -> String {
        text.lines().filter(|l| !l.starts_with(start)).map(|l| format!("{l}\n")).collect()
    };
    let fewer = [(Table::Enterprises, without(ENTERPRISES, "E3"))];
    let found = problems(import(Mode::Replace, Some(&base), &fewer));
    let gone = "is removed, but this table of the base revision still refers to it";
    let of = |table: &str| format!("{table}, enterprise_id `E3`: {gone}");
    assert_eq!(found, [of("supply"), of("tiers"), of("history")]);
    let fewer = [(Table::Products, without(PRODUCTS, "P2"))];
    assert_eq!(problems(import(Mode::Replace, Some(&base), &fewer)).len(), 5);
    let fewer = [(Table::Divisions, without(DIVISIONS, "370102001"))];
    let expected = [
        "enterprises, division `370102001`: is removed, but enterprise `E1` of the base revision \
         is registered there",
        "supply, sale_division `370102001`: is removed, but supply of the base revision is sold \
         there",
    ];
    assert_eq!(problems(import(Mode::Replace, Some(&base), &fewer)), expected);
    let fewer = [(Table::Divisions, "code,_delete\n3701,true\n".to_owned())];
    let found = problems(import(Mode::Upsert, Some(&base), &fewer));
    let why = "is removed, but division `370102` of the base revision belongs to it";
    assert_eq!(found[0], format!("divisions, parent_code `3701`: {why}"));
}

#[test]
fn deletions() {
    let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
    import.push(
        3,
        &AnyInput::Tier(TierInput { enterprise_id: "E1", delete: true, ..TierInput::default() }),
    );
    let report = import.finish(Some(&small())).unwrap_err();
    let why = "tiers row 3, _delete `true`: rows can be deleted only in mode upsert";
    assert_eq!(report.rows[0].to_string(), why);
    let text = "enterprise_id,product_id,channel,_delete\nE3,P1,online,true\nE1,P2,online,\n";
    let found = problems(super::import(
        Mode::Upsert,
        Some(&small()),
        &[(Table::Supply, format!("{text}E1,P2,online,true\n"))],
    ));
    let expected = [
        "supply row 2 `E3/P1`: cannot be deleted: the base revision has no such row",
        "supply row 4 `E1/P2`: is in row 3 already",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_upsert_keeps_to_the_scheme_of_the_base() {
    let mut import = Import::new(IdScheme::Uscc, Mode::Upsert);
    import.begin(Table::Enterprises);
    let report = import.finish(Some(&small())).unwrap_err();
    assert_eq!(report.rows[0].field, "id_scheme");
}

#[test]
fn attributes() {
    let report = |attributes: &[(&str, &str)]| {
        let mut import = Import::new(IdScheme::Opaque, Mode::Upsert);
        let row =
            ProductInput { product_id: "P1", name: "x", attributes, ..ProductInput::default() };
        import.push_product(1, &row);
        import.finish(Some(&small())).map_err(|report| report.to_string())
    };
    assert!(report(&[("x_b", "1"), ("x_a", "2"), ("x_c", "")]).is_ok());
    assert!(report(&[("size", "1")]).unwrap_err().contains("a name must be `x_`"));
    assert!(report(&[("x_", "1")]).unwrap_err().contains("a name must be `x_`"));
    assert!(report(&[("x_a", "1"), ("x_a", "1")]).unwrap_err().contains("x_a `1`: is given twice"));
    let names: Vec<String> = (0..=ATTRIBUTES_MAX).map(|i| format!("x_{i}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert!(report(&many).unwrap_err().contains("at most 64"));
    assert!(report(&many[..ATTRIBUTES_MAX]).unwrap_err().contains("has more than 64 attributes"));
}

#[test]
fn bounds_of_the_whole() {
    let report = |caps: Caps| {
        let mut import = Import::with_caps(IdScheme::Opaque, Mode::Replace, caps);
        for (table, text) in province() {
            read_csv(table, text.as_bytes(), &mut import).unwrap();
        }
        import.finish(None).map_err(|report| report.to_string())
    };
    assert!(report(Caps::default()).is_ok());
    let found = report(Caps { rows: 4, ..Caps::default() }).unwrap_err();
    assert_eq!(found, "1 problem\ndivisions: has more than 4 rows");
    let found = report(Caps { text_bytes: 100, ..Caps::default() }).unwrap_err();
    assert!(found.ends_with("all tables hold more than 100 bytes of text"), "{found}");
    let found = report(Caps { distinct_texts: 5, ..Caps::default() }).unwrap_err();
    assert!(found.ends_with("have more than 5 distinct values"), "{found}");
    let mut import = Import::new(IdScheme::Opaque, Mode::Upsert);
    let row = SupplyInput {
        enterprise_id: "E1",
        product_id: "P1",
        channel: "online",
        ..SupplyInput::default()
    };
    import.push_supply(u64::MAX, &row);
    assert!(import.finish(Some(&small())).is_err());
}

#[test]
fn a_long_report_counts_what_it_does_not_list() {
    let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
    for row in (1..=500).rev() {
        import.bad_row(BadRow::new(Table::History, row, "level", &"é".repeat(500), "is bad"));
    }
    assert_eq!(import.problem_count(), 500);
    let report = import.finish(Some(&small())).unwrap_err();
    // The table was declared, so the base's history is not carried over; no rows is no problem.
    assert_eq!(report.count, 500);
    let rows: Vec<u64> = report.rows.iter().map(|bad| bad.row).collect();
    assert_eq!(rows, (1..=100).collect::<Vec<_>>());
    assert_eq!(report.rows[0].value.chars().count(), REPORT_VALUE_CHARS_MAX);
    assert!(report.to_string().ends_with("\nand 400 more"));
}
