//! A revision's bytes: back and forth, only one form, and a digest that never changes.

use proptest::prelude::*;

use super::*;

/// The digest that plans refer to: bytes of `spotcheck/registry/1` may not change.
#[test]
fn the_digest_is_stable() {
    let golden = "70205d7059c36d642de9e328bf4954a1d94fb23da444b655f7f95ec2ed61c53c";
    assert_eq!(small().digest().to_string(), golden);
}

#[test]
fn what_is_encoded_is_decoded() {
    let bytes = small().encode();
    let decoded = Registry::decode(&bytes).unwrap();
    assert_eq!(decoded, small());
    assert_eq!(decoded.encode(), bytes);
}

#[test]
fn cut_bytes_are_refused() {
    let bytes = small().encode();
    for end in 0..bytes.len() {
        assert!(Registry::decode(&bytes[..end]).is_err(), "{end}");
    }
    assert!(Registry::decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn what_no_import_makes_is_refused() {
    let refused = |change: &dyn Fn(&mut Registry)| {
        let mut registry = small();
        change(&mut registry);
        Registry::decode(&registry.encode()).unwrap_err().what
    };
    assert_eq!(refused(&|r| r.divisions.swap(1, 2)), "divisions that don't fit together");
    assert_eq!(refused(&|r| drop(r.divisions.remove(1))), "divisions that don't fit together");
    assert_eq!(refused(&|r| r.products.swap(0, 1)), "products out of order");
    assert_eq!(
        refused(&|r| r.enterprises.division[0] = "370109".parse().unwrap()),
        "an enterprise in a division that is none"
    );
    assert_eq!(refused(&|r| r.enterprises.accidents.truncate(2)), "columns of different lengths");
    assert_eq!(refused(&|r| r.supply.swap(0, 1)), "supply out of order");
    assert_eq!(refused(&|r| r.supply[0] = r.supply[1]), "supply out of order");
    assert_eq!(refused(&|r| r.supply[4].product = 2), "a number that names nothing");
    assert_eq!(refused(&|r| r.supply[4].enterprise = 3), "a number that names nothing");
    assert_eq!(refused(&|r| r.supply[4].platform.0 = 99), "a number that names nothing");
    assert_eq!(refused(&|r| r.supply[4].platform.0 = 4), "a platform that is not online");
    assert_eq!(
        refused(&|r| r.supply[4].sale_division = "370109".parse().ok()),
        "a place of sale that is none"
    );
    assert_eq!(refused(&|r| r.supply.clear()), "a number that names nothing");
    assert_eq!(refused(&|r| r.tiers.swap(0, 1)), "tiers out of order");
    assert_eq!(refused(&|r| r.tiers[0].tier.0 = 0), "a tier that is empty");
    assert_eq!(refused(&|r| r.history.swap(0, 1)), "history out of order");
    assert_eq!(refused(&|r| r.history.truncate(1)), "a symbol that nothing names");
}

/// A province with random links.
fn any_registry() -> impl Strategy<Value = Registry> {
    let row = ((1..=9u8), (1..=2u8), (0..3usize), "[ab]{0,2}", prop::option::of(1..=28u8));
    let row = (row, any::<u32>());
    prop::collection::vec(row, 1..40).prop_map(|rows| {
        let mut enterprises = "enterprise_id,name,status,division,accidents,x_a\n".to_owned();
        let mut supply = "enterprise_id,product_id,channel,platform,sale_division\n".to_owned();
        let mut tiers = "enterprise_id,product_id,tier,valid_from\n".to_owned();
        let mut history =
            "enterprise_id,product_id,level,sampled_on,outcome,authority\n".to_owned();
        let mut seen = std::collections::BTreeSet::new();
        for ((e, p, channel, text, day), number) in rows {
            if seen.insert((e, 0)) {
                let status = ["active", "revoked", "moved_out"][channel];
                enterprises += &format!("E{e},n{e},{status},370102001,{number},{text}\n");
            }
            if seen.insert((e, p)) {
                let channel = ["online", "production", "circulation"][channel];
                let platform = if channel == "online" { text.as_str() } else { "" };
                let sale = day.map(|day| format!("4403{:02}", day + 10)).unwrap_or_default();
                supply += &format!("E{e},P{p},{channel},{platform},{sale}\n");
                let from = day.map(|day| format!("2025-02-{day:02}")).unwrap_or_default();
                let product = if p == 1 { "" } else { "P2" };
                tiers += &format!("E{e},{product},t{text},{from}\n");
                let sampled = format!("2024-01-{:02}", day.unwrap_or(31));
                history += &format!("E{e},P{p},city,{sampled},{text},{sale}\n");
            }
        }
        let mut tables = province();
        let texts = [enterprises, supply, tiers, history];
        for ((_, old), text) in tables.iter_mut().skip(2).zip(texts) {
            *old = text;
        }
        import(Mode::Replace, None, &tables).unwrap().0
    })
}

proptest! {
    #[test]
    fn any_revision_comes_back(registry in any_registry()) {
        let bytes = registry.encode();
        prop_assert_eq!(Registry::decode(&bytes).unwrap(), registry);
    }

    #[test]
    fn noise_is_refused_or_canonical(at: prop::sample::Index, byte: u8, noise: Vec<u8>) {
        let _ = Registry::decode(&noise);
        let mut bytes = small().encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(registry) = Registry::decode(&bytes) {
            prop_assert_eq!(registry.encode(), bytes);
        }
    }
}
