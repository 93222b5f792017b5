//! Whole designs, small enough to play every draw through: each keeps every quota, and every
//! arc's expectation is the published one exactly.

use std::sync::{Arc, Mutex};

use num_rational::BigRational;

use super::super::{Chooser, round_with};
use crate::design::{BATCH, Design, Required, Side};
use crate::frame::Frame;
use crate::model::{IdScheme, Work};
use crate::policy::Policy;
use crate::registry::{Import, Mode, Registry, Table, read_csv};

/// The decisions of one draw, with exact weights.
#[derive(Default)]
struct Script {
    decisions: Vec<(bool, u64, u64)>,
    made: usize,
}

impl Chooser for Arc<Mutex<Script>> {
    fn below(&mut self, n: u64) -> u64 {
        // The order of visits is any fixed one; unbiasedness doesn't depend on it.
        n / 2
    }

    fn plus(&mut self, plus: u64, minus: u64) -> bool {
        let mut script = self.lock().unwrap();
        if script.made == script.decisions.len() {
            script.decisions.push((true, minus, plus));
        }
        script.made += 1;
        script.decisions[script.made - 1].0
    }
}

impl Script {
    /// The probability of the draw just played.
    fn probability(&self) -> BigRational {
        let one = ratio(1, 1);
        self.decisions.iter().fold(one, |product, (plus, if_plus, if_minus)| {
            product * ratio(if *plus { *if_plus } else { *if_minus }, if_plus + if_minus)
        })
    }

    fn advance(&mut self) -> bool {
        self.made = 0;
        while let Some((plus, _, _)) = self.decisions.last_mut() {
            if *plus {
                *plus = false;
                return true;
            }
            self.decisions.pop();
        }
        false
    }
}

fn ratio(num: u64, den: u64) -> BigRational {
    BigRational::new(num.into(), den.into())
}

/// County, area, product, channels and class of so many units.
type Units<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], &'a str, usize);

/// All of them in one registry.
fn registry(groups: &[Units<'_>]) -> Registry {
    let mut enterprises = "enterprise_id,name,status,division,area,credit_class\n".to_owned();
    let mut supply = "enterprise_id,product_id,channel\n".to_owned();
    for (number, (county, area, product, channels, class, units)) in groups.iter().enumerate() {
        for unit in 0..*units {
            let id = format!("E{number}x{unit}");
            enterprises += &format!("{id},{id},active,{county},{area},{class}\n");
            for channel in *channels {
                supply += &format!("{id},{product},{channel}\n");
            }
        }
    }
    let divisions = "code,name,level,parent_code,kind\n37,P,province,,\n3701,A,city,37,\n\
        370101,AA,county,3701,district\n370102,AB,county,3701,county\n3702,B,city,37,\n\
        370201,BA,county,3702,county\n";
    let products = "product_id,name,category,key\nK,K,c,true\nN,N,c,false\nO,O,c,false\n";
    let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
    for (table, text) in [
        (Table::Divisions, divisions),
        (Table::Products, products),
        (Table::Enterprises, &enterprises),
        (Table::Supply, &supply),
    ] {
        read_csv(table, text.as_bytes(), &mut import).unwrap();
    }
    import.finish(None).unwrap_or_else(|report| panic!("{report}")).0
}

/// Plays every draw of a design; returns how many there are.
fn prove(registry: &Registry, quotas: &str) -> usize {
    let text = format!(
        "id = \"t\"\nmethod = \"m1\"\nas_of = \"2025-12-15\"\n\
         period = {{ from = \"2026-01-01\", to = \"2026-12-31\" }}\n{quotas}"
    );
    let policy = Policy::from_toml(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let frame = Frame::freeze(registry, registry.digest(), &policy).unwrap();
    let design = Design::make(&frame, &policy, &Work::unwatched(1))
        .unwrap_or_else(|error| panic!("{error}"));
    let script = Arc::new(Mutex::new(Script::default()));
    let edges = design.layout.arc_edges();
    let mut expectation = vec![ratio(0, 1); edges.len()];
    let mut total = ratio(0, 1);
    let mut draws = 0;
    loop {
        let mut values = design.values.clone();
        round_with(&design.network, &mut values, &|_| script.clone(), 1);
        check(&design, &values[edges.clone()]);
        let mut script = script.lock().unwrap();
        let probability = script.probability();
        for (sum, value) in expectation.iter_mut().zip(&values[edges.clone()]) {
            *sum += &probability * ratio(value / BATCH, 1);
        }
        total += probability;
        draws += 1;
        if !script.advance() {
            break;
        }
    }
    assert_eq!(total, ratio(1, 1));
    for (sum, x) in expectation.iter().zip(design.x()) {
        assert!(*x > 0);
        assert_eq!(*sum, ratio(*x, BATCH));
    }
    draws
}

/// Every row, recounted from the batches of the arcs.
fn check(design: &Design, arcs: &[u64]) {
    let sum = |column: &[u32], group: usize| -> u64 {
        let own = column.iter().zip(arcs).filter(|(g, _)| **g as usize == group);
        own.map(|(_, value)| value / BATCH).sum()
    };
    for partition in &design.partitions {
        for (number, group) in partition.groups.iter().enumerate() {
            let own = sum(&partition.of_arc, number);
            for limit in &group.limits {
                let holds = match (limit.required, limit.side) {
                    (Required::Batches(n), Side::Min) => own >= n,
                    (Required::Batches(n), Side::Max) => own <= n,
                    (Required::Share(share), side) => {
                        let rest = sum(partition.rest_of_arc.as_ref().unwrap(), number);
                        let (own, base) = (own * share.den(), (own + rest) * share.num());
                        if side == Side::Min { own >= base } else { own <= base }
                    }
                };
                assert!(holds, "{} {}: {limit:?}, found {own}", partition.scope(), group.name);
            }
        }
    }
}

const CIRCULATION: &[&str] = &["circulation"];
const ONLINE: &[&str] = &["online"];
const BOTH: &[&str] = &["circulation", "online"];

#[test]
fn one_level_with_crossing_quotas() {
    let registry = registry(&[
        ("370101", "urban", "K", CIRCULATION, "A", 5),
        ("370101", "rural", "N", ONLINE, "A", 9),
        ("370102", "rural", "K", ONLINE, "A", 7),
        ("370102", "urban", "N", CIRCULATION, "A", 6),
        ("370201", "rural", "O", CIRCULATION, "A", 8),
        ("370201", "urban", "O", ONLINE, "A", 4),
    ]);
    let draws = prove(
        &registry,
        "[budget]\nprovince = { total = 7 }\n\
         [[quota]]\nname = \"key\"\nwhere = { key = true }\nmin = \"25%\"\neach = [\"plan\"]\n\
         [[quota]]\nname = \"breadth\"\nmax = 4\neach = [\"product\"]\n\
         [[quota]]\nname = \"channel\"\nmin = 2\nmax = 5\neach = [\"channel\"]\n\
         [[quota]]\nname = \"rural\"\nwhere = { area = \"rural\" }\nmin = 2\neach = [\"plan\"]\n",
    );
    assert!(draws > 4, "{draws}");
}

#[test]
fn three_levels_share_units_and_channels() {
    let registry = registry(&[
        ("370101", "urban", "K", BOTH, "A", 8),
        ("370101", "rural", "N", CIRCULATION, "B", 8),
        ("370102", "rural", "K", CIRCULATION, "A", 8),
        ("370201", "urban", "N", BOTH, "D", 8),
    ]);
    let draws = prove(
        &registry,
        "[budget]\nprovince = { total = 2 }\ncity = { total = 4, split = \"equal\" }\n\
         county = { total = 6, split = \"equal\" }\n\
         [[quota]]\nname = \"key\"\nwhere = { key = true }\nmin = \"25%\"\neach = [\"plan\"]\n\
         [[quota]]\nname = \"rural\"\nwhere = { area = \"rural\" }\nmin = 2\neach = [\"plan\"]\n",
    );
    assert!(draws > 4, "{draws}");
}
