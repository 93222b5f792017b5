//! Checks of policies on a province: feasible, and with planted conflicts; each time beside that of
//! SHA-256 over all unit ids in the same run.
//!
//! `cargo bench --bench feasibility -- 300000` prints for each policy what is answered, whether the
//! planted quotas and no others are named, and the time; it ends with an error if they are not.

use std::time::Instant;

use spotcheck::draw::{SubKey, lot};
use spotcheck::feasibility::{Answer, Language, check};
use spotcheck::frame::Frame;
use spotcheck::generate::{File, Options, generate};
use spotcheck::model::{HashName, IdScheme, Work};
use spotcheck::policy::Policy;
use spotcheck::registry::{Import, Mode, Registry, Table, read_csv};

/// Quotas that are put in place of the example's of the same name, or beside them, and the names
/// that an explanation must give, and no others.
const PLANTED: [(&str, &str, &[&str]); 5] = [
    (
        "class D at three levels",
        "[[quota]]\nname = \"municipal class D\"\nwhere = { tier = \"D\", level = \"city\" }\n\
         min = \"20%\"\neach = [\"level\"]\n\
         [[quota]]\nname = \"provincial class D\"\nwhere = { tier = \"D\", level = \"province\" }\n\
         min = \"30%\"\neach = [\"level\"]\n\
         [[quota]]\nname = \"county class D\"\nwhere = { tier = \"D\", level = \"county\" }\n\
         min = \"5%\"\neach = [\"level\"]\n",
        &["municipal class D", "provincial class D", "county class D"],
    ),
    (
        "channels over 100%",
        "[[quota]]\nname = \"more online\"\nwhere = { channel = \"online\" }\nmin = \"45%\"\n\
         each = [\"level\"]\n",
        &["more online", "online"],
    ),
    (
        "class D beyond its units",
        "[[quota]]\nname = \"class D again\"\nwhere = { tier = \"D\" }\nmin = \"45%\"\n\
         each = [\"plan\"]\n",
        &["class D again"],
    ),
    (
        "circulation against production",
        "[[quota]]\nname = \"production first\"\nwhere = { channel = \"production\" }\n\
         min = \"60%\"\neach = [\"level\"]\n\
         [[quota]]\nname = \"circulation first\"\nwhere = { channel = \"circulation\" }\n\
         min = \"36%\"\neach = [\"level\"]\n",
        &["production first", "circulation first", "online"],
    ),
    (
        "few counties get too much",
        "[[quota]]\nname = \"county cap\"\nwhere = { level = \"county\" }\nmax = 380\neach = [\"county\"]\n",
        &["county cap"],
    ),
];

fn registry(units: u64) -> Registry {
    let dir = tempfile::tempdir().expect("a temporary directory");
    generate(&Options { units, seed: 1 }, |file| {
        std::fs::File::create(dir.path().join(file.file_name()))
    })
    .expect("a province");
    let mut import = Import::new(IdScheme::Uscc, Mode::Replace);
    for (file, table) in File::ALL.into_iter().zip(Table::ALL) {
        let file = std::fs::File::open(dir.path().join(file.file_name())).expect("a table");
        read_csv(table, file, &mut import).expect("a table");
    }
    import.finish(None).unwrap_or_else(|report| panic!("{report}")).0
}

fn main() {
    let units = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut units: Vec<u64> = units.map(|arg| arg.parse().expect("a number of units")).collect();
    if units.is_empty() {
        units.push(300_000);
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let example = std::fs::read_to_string("examples/annual.toml").expect("a policy file");
    let mut wrong = 0;
    for units in units {
        let registry = registry(units);
        let digest = registry.digest();
        let mut cases = vec![("as it is", String::new(), &[] as &[&str])];
        cases.extend(PLANTED.map(|(name, text, names)| (name, text.to_owned(), names)));
        for (name, text, names) in cases {
            let text = example.replace("[weights] ", &format!("{text}[weights] "));
            assert!(text.contains("[weights] "), "the example has weights");
            let policy = Policy::from_toml(&text).unwrap_or_else(|errors| panic!("{errors}"));
            let frame = Frame::freeze(&registry, digest, &policy).expect("a frame");
            let started = Instant::now();
            let stage = |stage: &'static str| {
                if std::env::var_os("STAGES").is_some() {
                    println!("    {:.2} {stage}", started.elapsed().as_secs_f64());
                }
            };
            let work = Work { progress: &stage, ..Work::unwatched(threads) };
            let answer = check(&frame, &policy, &work).expect("not cancelled");
            let taken = started.elapsed().as_secs_f64();
            let started = Instant::now();
            let mut sum = 0u64;
            let sub_key = SubKey { key: [0; 32], hash: HashName::Sha256 };
            for id in frame.enterprise_ids.iter() {
                sum ^= u64::from(lot(&sub_key, id).0[0]);
            }
            let control = started.elapsed().as_secs_f64();
            println!(
                "\n{name}: {units} units, {} cells, {threads} threads: {taken:.2} s ({:.0} x hashing all enterprises, {sum:02x})",
                frame.cells.len(),
                taken / control
            );
            match answer {
                Answer::Certified(found) => {
                    wrong += usize::from(!names.is_empty());
                    found.sentences(Language::En).iter().for_each(|said| println!("  {said}"));
                }
                Answer::Refused(found) => {
                    let mut said: Vec<&str> = found
                        .rules
                        .iter()
                        .map(|rule| rule.quota.as_str())
                        .filter(|name| !name.is_empty())
                        .collect();
                    said.sort_unstable();
                    said.dedup();
                    let mut wanted = names.to_vec();
                    wanted.sort_unstable();
                    if said != wanted {
                        println!("  WRONG: names {said:?} where {wanted:?} were planted");
                        wrong += 1;
                    }
                    println!("  {:?} by {:?}", found.verdict, found.proof);
                    found.sentences(Language::En).iter().for_each(|said| println!("  {said}"));
                    found.sentences(Language::Zh).iter().for_each(|said| println!("  {said}"));
                    for place in found.places.iter().take(5) {
                        println!(
                            "    {} {} {}: {}",
                            place.rule, place.scope, place.group, place.why
                        );
                    }
                }
            }
        }
    }
    assert_eq!(wrong, 0, "answers that don't name what was planted");
}
