//! The main job at the scale of a province, stage by stage, beside a raw control in the same run.
//!
//! `cargo bench --bench province -- 10000 100000 1000000 [--policy examples/annual.toml]`
//! prints a row for each number of units: generating and importing (not the service's path),
//! freezing, then what the figures are about, from the frozen frame to the stored plan, and
//! verifying it and its bundles; with the peak of resident memory, and the time that SHA-256 of all unit
//! ids takes.

use std::io::Write;
use std::time::Instant;

use spotcheck::audit::bundle;
use spotcheck::audit::log::{Checkpoint, Entry, Event, LOG_FORMAT, Ledger, LogKey, SeedTerms};
use spotcheck::draw::{Seed, SubKey, lot};
use spotcheck::frame::Frame;
use spotcheck::generate::{File, Options, generate};
use spotcheck::model::{Digest, HashName, IdScheme, Work};
use spotcheck::plan;
use spotcheck::policy::Policy;
use spotcheck::registry::{Import, Mode, Registry, Table, read_csv};
use spotcheck::store::{Batch, PlanStore, SledStore};

fn main() {
    let mut units = Vec::new();
    let mut policy = "examples/annual.toml".to_owned();
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        if arg == "--policy" {
            policy = args.next().expect("--policy FILE");
        } else {
            units.push(arg.parse::<u64>().expect("a number of units"));
        }
    }
    if units.is_empty() {
        units = vec![300_000];
    }
    let policy = std::fs::read_to_string(&policy).expect("a policy file");
    let policy = Policy::from_toml(&policy).unwrap_or_else(|errors| panic!("{errors}"));
    for units in units {
        run(units, &policy);
    }
}

/// Resident memory in MiB: now and at its peak since the last reset.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn reset_peak() {
    // Needs no rights of its own; without it the peak of the whole run is shown.
    if let Ok(mut file) = std::fs::File::create("/proc/self/clear_refs") {
        let _ = file.write_all(b"5");
    }
}

fn registry(units: u64) -> Registry {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options { units, seed: 1 };
    generate(&options, |file| std::fs::File::create(dir.path().join(file.file_name())))
        .expect("a province");
    let mut import = Import::new(IdScheme::Uscc, Mode::Replace);
    for (file, table) in File::ALL.into_iter().zip(Table::ALL) {
        let file = std::fs::File::open(dir.path().join(file.file_name())).expect("a table");
        read_csv(table, file, &mut import).expect("a table");
    }
    import.finish(None).unwrap_or_else(|report| panic!("{report}")).0
}

fn run(units: u64, policy: &Policy) {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    println!("units {units}, threads {threads}");
    let started = Instant::now();
    let registry = registry(units);
    println!("  generate, import       {:>8.3} s", started.elapsed().as_secs_f64());
    let digest = registry.digest();
    let started = Instant::now();
    let frame = Frame::freeze(&registry, digest, policy).unwrap_or_else(|error| panic!("{error}"));
    println!("  freeze                 {:>8.3} s", started.elapsed().as_secs_f64());
    drop(registry);
    let started = Instant::now();
    let frame_digest = frame.digest();
    println!("  frame digest           {:>8.3} s", started.elapsed().as_secs_f64());

    let started = Instant::now();
    let mut id = String::new();
    let sub_key = SubKey { key: [0; 32], hash: HashName::Sha256 };
    let mut folded = 0u8;
    for cell in 0..frame.cells.len() {
        let product = &frame.products[frame.cells.product[cell] as usize].id;
        for unit in frame.unit_start[cell]..frame.unit_start[cell + 1] {
            id.clear();
            id.push_str(frame.enterprise_ids.get(frame.unit_enterprise[unit as usize] as usize));
            id.push('/');
            id.push_str(product);
            folded ^= lot(&sub_key, &id).0[0];
        }
    }
    let control = started.elapsed().as_secs_f64();
    println!("  control: SHA-256 of all unit ids, one thread {control:.3} s ({folded:02x})");

    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = SledStore::open(dir.path()).expect("a store");
    reset_peak();
    let before = memory().0;
    let started = Instant::now();
    let stages = std::sync::Mutex::new(Vec::<(&str, Instant)>::new());
    let note = |stage: &'static str| stages.lock().expect("no panic").push((stage, Instant::now()));
    let seed = spotcheck::draw::SeedSource::Text("bench".into());
    let work = Work { threads, cancelled: &|| false, progress: &note };
    let plan = match plan::make(&frame, &frame_digest, policy, &seed, &work) {
        Ok(plan) => plan,
        Err(error) => {
            print_stages(&stages.into_inner().expect("no panic"));
            println!("  refused after {:.3} s: {error}", started.elapsed().as_secs_f64());
            return;
        }
    };
    note("commitments");
    let counties = plan::commitments(policy.hash, &frame.counties, &plan.allocation, threads);
    let design = plan::design_commitment(policy.hash, &counties, &plan.certificate);
    let counts = plan::counts_commitment(policy.hash, &counties);
    let lines = plan::lines_commitment(policy.hash, &plan);
    note("text");
    let bytes = plan.to_bytes();
    note("store");
    let segment = store.put_segment(&bytes).expect("a stored segment");
    let record = Batch::new().put("plan", segment.to_string());
    store.commit(record).expect("a stored record");
    note("end");
    let whole = started.elapsed().as_secs_f64();
    print_stages(&stages.into_inner().expect("no panic"));
    println!("  FRAME TO STORED PLAN   {whole:>8.3} s = {:.1} × control", whole / control);
    println!("  peak memory {} MiB (of it {before} MiB before, with the frame)", memory().1);
    println!(
        "  {} cells, {} arcs, {} rows, {} lines, {} replacements short, file {:.1} MB",
        plan.allocation.cells.units.len(),
        plan.allocation.arcs.x.len(),
        plan.compliance.len(),
        plan.lines.len(),
        plan.plan.replacement_shortfall,
        bytes.len() as f64 / 1e6
    );
    println!("  price of the quotas: {:?}", plan.plan.price_of_quotas);
    let log = log(policy, &plan, segment, [design, counts, lines]);
    let started = Instant::now();
    let report = spotcheck::audit::verify(&bytes);
    let took = started.elapsed().as_secs_f64();
    println!(
        "  verify: holds {}       {took:>8.3} s = {:.2} × planning",
        report.holds(),
        took / whole
    );
    if !report.holds() {
        println!("{report}");
    }
    let roll = frame.roll(&Digest::of(&frame.encode()), threads);
    let county = plan.lines[0].county;
    let county_part = bundle::county_part(&plan, policy, &frame, &roll, county, threads);
    let public = bundle::public_part(&plan, policy, &roll, &[], Some(policy.period.to));
    let id = plan.plan.id.clone();
    drop((frame, plan));
    let whole_parts = bundle::Parts { plan: bytes, history: log(), replacements: Vec::new() };
    for (form, members) in [
        ("whole".to_owned(), bundle::members(whole_parts)),
        (
            format!("county/{county}"),
            bundle::county_members(log(), &county_part.expect("a county of the frame")),
        ),
        ("public".to_owned(), bundle::public_members(log(), &public)),
    ] {
        let sign = |digest: &Digest| key().bundle_note(digest);
        let started = Instant::now();
        let packed = bundle::pack(&form, &id, &members, sign).expect("a bundle");
        let packing = started.elapsed().as_secs_f64();
        drop(members);
        let started = Instant::now();
        let report = bundle::verify(&packed, Some(key().verifier()), &[], threads);
        let took = started.elapsed().as_secs_f64();
        println!(
            "  bundle {form:<14} {:>6.2} MB, packed in {packing:.3} s; holds {} in {took:.3} s = {:.2} × planning",
            packed.len() as f64 / 1e6,
            report.holds(),
            took / whole
        );
        if !report.holds() {
            println!("{report}");
        }
    }
}

fn key() -> LogKey {
    LogKey::new("bench.example/log", &[1; 32]).expect("a key")
}

/// The log of one plan, as a bundle holds it.
fn log(
    policy: &Policy,
    plan: &plan::Document,
    document: Digest,
    [design, counts, lines]: [Digest; 3],
) -> impl Fn() -> bundle::History + use<> {
    let freeze = format!("{}-f1", policy.id);
    let seed = spotcheck::draw::seed_commitment(&Seed(plan.seed.digest.0));
    let events = [
        Event::Open { origin: "bench.example/log".into(), key: key().verifier().into() },
        Event::Freeze {
            freeze: freeze.clone(),
            programme: policy.id.clone(),
            period: [policy.period.from.to_string(), policy.period.to.to_string()],
            frame: plan.frame.digest,
            policy: plan.frame.policy_digest,
            design,
            seed: SeedTerms::Text,
            predecessor: String::new(),
            reason: String::new(),
        },
        Event::Seed {
            freeze: freeze.clone(),
            source: "text".into(),
            public_value: String::new(),
            seed,
        },
        Event::Draw { freeze, plan: plan.plan.id.clone(), document, counts, lines },
    ];
    let mut ledger = Ledger::default();
    let mut entries = Vec::new();
    for event in events {
        let (log, actor) = (LOG_FORMAT.to_owned(), "bench".to_owned());
        let entry = Entry { log, sequence: ledger.len(), time: 1, actor, event };
        ledger.append(&entry).expect("an entry that follows");
        entries.push(entry.to_bytes());
    }
    let origin = ledger.origin().to_owned();
    let head = Checkpoint { origin, size: ledger.len(), root: ledger.root() };
    let checkpoint = key().checkpoint(&head).expect("a head");
    move || bundle::History {
        note: String::new(),
        entries: entries.clone(),
        checkpoint: checkpoint.clone(),
    }
}

fn print_stages(stages: &[(&str, Instant)]) {
    let mut sums: Vec<(&str, f64, u32)> = Vec::new();
    for pair in stages.windows(2) {
        let took = (pair[1].1 - pair[0].1).as_secs_f64();
        match sums.iter_mut().find(|(name, ..)| *name == pair[0].0) {
            Some((_, sum, times)) => (*sum, *times) = (*sum + took, *times + 1),
            None => sums.push((pair[0].0, took, 1)),
        }
    }
    for (name, took, times) in sums {
        println!("    {name:<20} {took:>8.3} s in {times}");
    }
}
