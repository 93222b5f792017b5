//! The roll: counted by hand, and what a change of the frame changes in it.

use std::collections::BTreeSet;

use super::*;
use crate::model::{Digest, HashName, IdScheme, merkle};
use crate::policy::Policy;
use crate::registry::{Import, Mode, Registry, Table, read_csv};

const POLICY: &str = r#"
id = "t"
method = "m1"
period = { from = "2026-01-01", to = "2026-12-31" }
as_of = "2025-12-15"
[budget]
province = { total = 3 }
[weights]
tier = { A = 1, B = 2, unknown = 1 }
[[exclude]]
where = { product = "q", county = "370103" }
reason = "not there"
"#;

fn registry(enterprises: &str, supply: &str) -> Registry {
    let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
    let divisions = "code,name,level,parent_code\n37,P,province,\n3701,C,city,37\n\
                     370102,X,county,3701\n370103,Y,county,3701\n370104,Z,county,3701\n";
    let products = "product_id,name,category,key\np,P,c,true\nq,Q,c,false\n";
    let head = "enterprise_id,name,status,division,area,credit_class\n";
    for (table, text) in [
        (Table::Divisions, divisions.to_owned()),
        (Table::Products, products.to_owned()),
        (Table::Enterprises, format!("{head}{enterprises}")),
        (Table::Supply, format!("enterprise_id,product_id,channel,platform\n{supply}")),
    ] {
        read_csv(table, text.as_bytes(), &mut import).unwrap();
    }
    import.finish(None).unwrap_or_else(|report| panic!("{report}")).0
}

const ENTERPRISES: &str = "e1,甲,active,370102,urban,A\ne2,乙,active,370102,urban,B\n\
                           e3,丙,revoked,370102,rural,A\ne4,丁,active,370103,urban,A\n\
                           e5,戊,moved_out,370104,urban,A\n";
const SUPPLY: &str = "e1,p,production,\ne1,q,online,shop\ne1,q,online,store\ne2,p,production,\n\
                      e3,p,production,\ne4,p,circulation,\ne4,q,circulation,\ne5,p,production,\n";

fn frame(enterprises: &str, supply: &str, hash: HashName) -> (Frame, FrameRoll) {
    let mut policy = Policy::from_toml(POLICY).unwrap();
    policy.hash = hash;
    let registry = registry(enterprises, supply);
    let frame = Frame::freeze(&registry, registry.digest(), &policy).unwrap();
    let bytes = Digest::of(&frame.encode());
    let roll = frame.roll(&bytes, 2);
    assert_eq!(roll, frame.roll(&bytes, 1));
    assert_eq!(roll.digest, frame.digest());
    (frame, roll)
}

#[test]
fn the_rolls_are_counted_by_hand() {
    for hash in [HashName::Sha256, HashName::Sm3] {
        let (frame, roll) = frame(ENTERPRISES, SUPPLY, hash);
        let counts: Vec<(&str, u64, u64)> =
            roll.counties.iter().map(|c| (c.code.as_str(), c.eligible, c.excluded)).collect();
        let expected = [("370102", 3, 1), ("370103", 1, 1), ("370104", 0, 1), ("none", 0, 0)];
        assert_eq!(counts, expected);
        for county in &roll.counties {
            let (cells, rows) = frame.county(&county.code).unwrap();
            assert_eq!(cells.digest(hash), county.cells);
            assert_eq!(cells.units.iter().map(|n| u64::from(*n)).sum::<u64>(), county.eligible);
            assert!(rows.is_sorted_by(|a, b| a.key() < b.key()));
            let secret = county_secret(hash, &roll.secret, &county.code);
            let leaf = |row: &RosterRow| {
                row_leaf(hash, &row.to_text(), &blind(hash, &secret, &row.unit_id()))
            };
            let leaves: Vec<Digest> = rows.iter().map(leaf).collect();
            assert_eq!(merkle::root(hash, &leaves), county.rows);
        }
        let leaves: Vec<Digest> = roll.counties.iter().map(|c| county_leaf(hash, c)).collect();
        let root = merkle::root(hash, &leaves);
        assert_eq!(frame_digest(hash, &roll.outline, &roll.catalogue, &root), roll.digest);
        let outline = frame.outline(&roll.digest);
        assert_eq!(outline_digest(hash, &outline), roll.outline);
        assert_eq!(frame.county("370199"), None);
    }
}

#[test]
fn rows_say_what_there_is_to_know() {
    let (frame, _) = frame(ENTERPRISES, SUPPLY, HashName::Sha256);
    let texts: Vec<String> = ["370102", "370103", "370104"]
        .iter()
        .flat_map(|code| frame.county(code).unwrap().1)
        .map(|row| row.to_text())
        .collect();
    let channel =
        |name: &str| format!(r#"[{{"channel":"{name}","platform":"","sale_division":""}}]"#);
    let (production, circulation) = (channel("production"), channel("circulation"));
    let online = r#"[{"channel":"online","platform":"shop","sale_division":""},{"channel":"online","platform":"store","sale_division":""}]"#;
    let expected = [
        format!(
            r#"{{"enterprise_id":"e1","product_id":"p","enterprise_name":"甲","cell":0,"options":{production}}}"#
        ),
        format!(
            r#"{{"enterprise_id":"e1","product_id":"q","enterprise_name":"甲","cell":2,"options":{online}}}"#
        ),
        format!(
            r#"{{"enterprise_id":"e2","product_id":"p","enterprise_name":"乙","cell":1,"options":{production}}}"#
        ),
        r#"{"enterprise_id":"e3","product_id":"p","excluded":"enterprise revoked"}"#.to_owned(),
        format!(
            r#"{{"enterprise_id":"e4","product_id":"p","enterprise_name":"丁","cell":0,"options":{circulation}}}"#
        ),
        r#"{"enterprise_id":"e4","product_id":"q","excluded":"not there"}"#.to_owned(),
        r#"{"enterprise_id":"e5","product_id":"p","excluded":"enterprise moved_out"}"#.to_owned(),
    ];
    assert_eq!(texts, expected);
}

#[test]
fn attack_a_row_is_added_removed_or_edited_after_freezing() {
    let (_, honest) = frame(ENTERPRISES, SUPPLY, HashName::Sha256);
    let mut seen = BTreeSet::from([honest.digest]);
    let mut other = |enterprises: &str, supply: &str| {
        let (_, roll) = frame(enterprises, supply, HashName::Sha256);
        assert!(seen.insert(roll.digest), "another frame has another digest");
    };
    other(ENTERPRISES, &SUPPLY.replace("e2,p,production,\n", ""));
    other(ENTERPRISES, &format!("{SUPPLY}e4,p,online,shop\n"));
    other(&ENTERPRISES.replace("e2,乙,active", "e2,乙,revoked"), SUPPLY);
    other(&ENTERPRISES.replace("乙,active,370102,urban,B", "乙,active,370102,urban,A"), SUPPLY);
    // What no rule looks at: a name, a platform, a place of sale, the reason of an exclusion.
    other(&ENTERPRISES.replace('乙', "己"), SUPPLY);
    other(ENTERPRISES, &SUPPLY.replace("shop", "shoq"));
    other(&ENTERPRISES.replace("e3,丙,revoked", "e3,丙,suspended"), SUPPLY);
    other(&ENTERPRISES.replace("e5,戊,moved_out", "e5,戊,suspended"), SUPPLY);
}

#[test]
fn rows_are_proved_in_and_out() {
    for hash in [HashName::Sha256, HashName::Sm3] {
        let (frame, roll) = frame(ENTERPRISES, SUPPLY, hash);
        let prove = |county: &str, enterprise: &str, product: Option<&str>| {
            frame.prove(&roll, county, enterprise, product)
        };
        for (enterprise, county, rows) in
            [("e1", "370102", 2), ("e3", "370102", 1), ("e4", "370103", 2), ("e5", "370104", 1)]
        {
            assert_eq!(frame.county_of(enterprise).as_deref(), Some(county));
            let proofs = prove(county, enterprise, None).unwrap().unwrap();
            assert_eq!(proofs.len(), rows, "{enterprise}");
            for proof in proofs {
                assert_eq!(proof.frame(), Some(roll.digest));
                assert_eq!(proof.row().unwrap().enterprise_id, enterprise);
                // Nothing of it can be another.
                let other = |change: &dyn Fn(&mut RowProof)| {
                    let mut proof = proof.clone();
                    change(&mut proof);
                    assert_ne!(proof.frame(), Some(roll.digest));
                };
                other(&|proof| {
                    proof.row =
                        proof.row.replace("\"product_id\":\"p\"", "\"product_id\":\"q\"") + " "
                });
                other(&|proof| proof.blind.0[0] ^= 1);
                other(&|proof| proof.place += 1);
                other(&|proof| proof.county.code = "370199".into());
                other(&|proof| proof.county.excluded += 1);
                other(&|proof| proof.county_place = (proof.county_place + 1) % 4);
                other(&|proof| proof.outline.0[0] ^= 1);
                other(&|proof| proof.hash = "md5".into());
                other(&|proof| proof.siblings.push(roll.digest));
            }
        }
        for (enterprise, product) in
            [("e0", None), ("e1", Some("r")), ("e2", Some("q")), ("e9", None)]
        {
            let absent = prove("370102", enterprise, product).unwrap().unwrap_err();
            assert_eq!(absent.frame(enterprise, product), Some(roll.digest), "{enterprise}");
            assert_eq!(absent.frame("e1", Some("p")), None);
            assert_eq!(absent.frame("e1", None), None);
        }
        // Not adjacent, or of another county.
        let first = prove("370102", "e1", Some("p")).unwrap().unwrap().remove(0);
        let last = prove("370102", "e3", None).unwrap().unwrap().remove(0);
        let forged = AbsenceProof {
            county: "370102".into(),
            before: Some(first.clone()),
            after: Some(last.clone()),
        };
        assert_eq!(forged.frame("e2", None), None, "e2 is between them");
        let forged = AbsenceProof { county: "370102".into(), before: Some(first), after: None };
        assert_eq!(forged.frame("e2", None), None);
        let forged = AbsenceProof { county: "370103".into(), before: Some(last), after: None };
        assert_eq!(forged.frame("e9", None), None);
        assert!(prove("370199", "e1", None).is_none());
        assert!(prove("none", "e1", None).is_none());
        assert_eq!(frame.county_of("e0"), None);
    }
}
