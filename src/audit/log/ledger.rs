//! The ledger: the states of plans as the entries leave them, and which entry may come next.
//!
//! draft → frozen → seeded → drawn → issued → superseded | void. A draft is not in the log. The
//! rules that keep anybody from drawing twice unseen:
//!
//! - a frozen record is drawn at most once;
//! - a programme (policy id and period) has at most one record that is frozen or seeded and not
//!   drawn, whatever its digest;
//! - a further record of a programme names the one before it and a reason, and counts: "third draw
//!   of this programme";
//! - no public value serves a programme twice;
//! - a seed is of the source that the frozen record fixed;
//! - a line of a plan in force falls out once, and gives way to its arc's units in their order.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Event, LOG_FORMAT, SeedTerms, TEXT_CHARS_MAX};
use super::note::check_key_change;
use crate::model::{Digest, HashName, merkle};
use crate::plan::Replaced;

/// Longest name of a frozen record or plan.
const NAME_BYTES_MAX: usize = 128;

/// Where a frozen record, and its plan, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Frozen: no seed yet.
    Frozen,
    /// Seeded: not drawn yet.
    Seeded,
    /// Drawn.
    Drawn,
    /// In force.
    Issued,
    /// Another plan took its place.
    Superseded,
    /// Given up.
    Void,
}

impl State {
    /// The state's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Frozen => "frozen",
            State::Seeded => "seeded",
            State::Drawn => "drawn",
            State::Issued => "issued",
            State::Superseded => "superseded",
            State::Void => "void",
        }
    }
}

/// A frozen record as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Name.
    pub name: String,
    /// Identifier of the policy, first and last day of its period.
    pub programme: (String, [String; 2]),
    /// Digest of the frame.
    pub frame: Digest,
    /// Digest of the policy.
    pub policy: Digest,
    /// Commitment to cells, expected batches and certificate.
    pub design: Digest,
    /// What the seed may be.
    pub terms: SeedTerms,
    /// The record before it; empty for the first.
    pub predecessor: String,
    /// Why there is another one.
    pub reason: String,
    /// Which record of its programme it is, from 1.
    pub number: u64,
    /// Which record of this frame it is in its programme, from 1.
    pub number_of_frame: u64,
    /// State.
    pub state: State,
    /// Commitment to the seed, once seeded.
    pub seed: Option<Digest>,
    /// The plan with the digest of its file, once drawn.
    pub plan: Option<(String, Digest)>,
    /// Commitment to the batches of all arcs, once drawn.
    pub counts: Option<Digest>,
    /// Commitment to all lines, once drawn.
    pub lines: Option<Digest>,
    /// Numbers of the entries about it.
    pub entries: Vec<u64>,
}

/// Why an entry may not come next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The log begins with its name and key.
    #[error("a log begins with the entry that opens it, and has only one of these")]
    Open,
    /// The number or the format is not the next.
    #[error("entry {found} where entry {expected} of {LOG_FORMAT} is next")]
    Sequence {
        /// The number that it has.
        found: u64,
        /// The number that is next.
        expected: u64,
    },
    /// The time is before that of the entry before.
    #[error("the time of the entry, {time}, is before that of the entry before it, {before}")]
    Time {
        /// Its time in seconds since 1970.
        time: u64,
        /// That of the entry before.
        before: u64,
    },
    /// A text is empty, too long, or has control characters.
    #[error("{what} must be 1-{TEXT_CHARS_MAX} characters on one line")]
    Text {
        /// Which.
        what: &'static str,
    },
    /// A name breaks the rules.
    #[error("the name of a {what} must be 1-{NAME_BYTES_MAX} characters of A-Z a-z 0-9 . _ -")]
    Name {
        /// `frozen record` or `plan`.
        what: &'static str,
    },
    /// There is no such frozen record or plan.
    #[error("the log knows no {what} `{name}`")]
    Unknown {
        /// `frozen record` or `plan`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("{what} `{name}` is in the log already")]
    Taken {
        /// `frozen record` or `plan`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The state does not allow it.
    #[error("`{name}` is {}; it can't be {wanted}", state.as_str())]
    State {
        /// The frozen record.
        name: String,
        /// Its state.
        state: State,
        /// What was wanted.
        wanted: &'static str,
    },
    /// The programme has an open record.
    #[error(
        "programme `{programme}` has the open record `{open}`; draw it, or void it with a reason, \
         before another one is frozen"
    )]
    OpenFreeze {
        /// The policy's id.
        programme: String,
        /// The open record.
        open: String,
    },
    /// A further record must name the one before it and a reason.
    #[error(
        "programme `{programme}` was frozen before, last as `{latest}`: another record must name \
         it as its predecessor, with a reason"
    )]
    Predecessor {
        /// The policy's id.
        programme: String,
        /// The latest record.
        latest: String,
    },
    /// A predecessor is named where there is none.
    #[error("`{named}` can't be the predecessor: programme `{programme}` was not frozen before")]
    NoPredecessor {
        /// The policy's id.
        programme: String,
        /// What was named.
        named: String,
    },
    /// The seed is of another source.
    #[error("`{freeze}` was frozen for a seed from `{expected}`, not from `{found}`")]
    Source {
        /// The frozen record.
        freeze: String,
        /// The source that was fixed.
        expected: &'static str,
        /// The source of the seed.
        found: String,
    },
    /// A public value is missing, or there where the source has none.
    #[error("a seed from `{source_name}` {problem}")]
    PublicValue {
        /// The source.
        source_name: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The public value has served the programme.
    #[error("this public value has served programme `{programme}` before")]
    ValueUsed {
        /// The policy's id.
        programme: String,
    },
    /// The plan's file is another.
    #[error("plan `{plan}` was drawn with the file {drawn}")]
    Document {
        /// The plan.
        plan: String,
        /// The digest that it was drawn with.
        drawn: Digest,
    },
    /// A plan can only be superseded by the plan of a later record of its programme.
    #[error("`{by}` does not follow `{plan}` in its programme")]
    NotTheNext {
        /// The plan whose place would be taken.
        plan: String,
        /// The plan that would take it.
        by: String,
    },
    /// The line fell out before.
    #[error("line {line} of `{plan}` fell out before")]
    FellOut {
        /// The plan.
        plan: String,
        /// The line.
        line: u32,
    },
    /// The unit that takes a line's place is not the next of its arc.
    #[error("a line of arc {arc} of `{plan}` gives way to {expected}, not to unit {rank}")]
    NotTheNextUnit {
        /// The plan.
        plan: String,
        /// The arc.
        arc: u32,
        /// The rank that was named.
        rank: u32,
        /// What is next, in words.
        expected: String,
    },
    /// The key change is not signed by both keys.
    #[error("the change of keys is not signed by the key in force and by the new one")]
    Key,
}

/// The replacements of one plan.
#[derive(Debug, Clone, Default)]
struct Replacements {
    /// In the order of the log.
    list: Vec<Replaced>,
    /// Lines that fell out.
    out: BTreeSet<u32>,
    /// By arc: the units that were taken, and whether none is left.
    taken: BTreeMap<u32, (u32, bool)>,
}

/// The log's entries, as far as the next one depends on them.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    leaves: Vec<Digest>,
    time: u64,
    origin: String,
    /// The keys that have signed it, the one in force last.
    keys: Vec<String>,
    freezes: BTreeMap<String, Freeze>,
    /// Frozen records of each programme, in order.
    programmes: BTreeMap<(String, [String; 2]), Vec<String>>,
    freeze_of_plan: BTreeMap<String, String>,
    replaced: BTreeMap<String, Replacements>,
    public_values: BTreeSet<((String, [String; 2]), String)>,
}

impl Ledger {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Time of the last entry, in seconds since 1970-01-01T00:00:00Z; 0 if there is none.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Hashes of the entries.
    #[must_use]
    pub fn leaves(&self) -> &[Digest] {
        &self.leaves
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        merkle::root(HashName::Sha256, &self.leaves)
    }

    /// The log's name; empty before it is opened.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The key that signs it.
    #[must_use]
    pub fn key(&self) -> &str {
        self.keys.last().map_or("", String::as_str)
    }

    /// All keys that have signed it, the one in force last.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// A frozen record.
    #[must_use]
    pub fn freeze(&self, name: &str) -> Option<&Freeze> {
        self.freezes.get(name)
    }

    /// All frozen records, by name.
    pub fn freezes(&self) -> impl Iterator<Item = &Freeze> {
        self.freezes.values()
    }

    /// The frozen record that a plan was drawn from.
    #[must_use]
    pub fn freeze_of_plan(&self, plan: &str) -> Option<&Freeze> {
        self.freezes.get(self.freeze_of_plan.get(plan)?)
    }

    /// The lines of a plan that fell out, in order.
    #[must_use]
    pub fn replaced(&self, plan: &str) -> &[Replaced] {
        self.replaced.get(plan).map_or(&[], |replaced| &replaced.list)
    }

    /// The latest frozen record of a programme.
    #[must_use]
    pub fn latest(&self, programme: &str, period: &[String; 2]) -> Option<&Freeze> {
        let list = self.programmes.get(&(programme.to_owned(), period.clone()))?;
        self.freezes.get(list.last()?)
    }

    /// The frozen records of a programme, in order.
    pub fn programme(&self, programme: &(String, [String; 2])) -> impl Iterator<Item = &Freeze> {
        let names = self.programmes.get(programme).into_iter().flatten();
        names.filter_map(|name| self.freezes.get(name))
    }

    /// The name that the next frozen record of a programme gets: `{programme}-f{number}`, over all
    /// of its periods.
    #[must_use]
    pub fn next_name(&self, programme: &str) -> String {
        let number = self.freezes.values().filter(|f| f.programme.0 == programme).count() + 1;
        format!("{programme}-f{number}")
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// If the rules don't allow it; the ledger is then as it was.
    pub fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let expected = self.len();
        if entry.sequence != expected || entry.log != LOG_FORMAT {
            return Err(LedgerError::Sequence { found: entry.sequence, expected });
        }
        if entry.time < self.time {
            return Err(LedgerError::Time { time: entry.time, before: self.time });
        }
        text("the actor", &entry.actor)?;
        if matches!(entry.event, Event::Open { .. }) != self.is_empty() {
            return Err(LedgerError::Open);
        }
        self.event(&entry.event, expected)?;
        self.leaves.push(entry.leaf());
        self.time = entry.time;
        Ok(())
    }

    fn event(&mut self, event: &Event, sequence: u64) -> Result<(), LedgerError> {
        match event {
            Event::Open { origin, key } => {
                text("the log's name", origin)?;
                text("the key", key)?;
                self.origin.clone_from(origin);
                self.keys.push(key.clone());
            }
            Event::Freeze { .. } => self.frozen(event, sequence)?,
            Event::Seed { freeze, source, public_value, seed } => {
                self.seeded(freeze, source, public_value)?;
                let freeze = self.moved(freeze, State::Frozen, State::Seeded, sequence)?;
                freeze.seed = Some(*seed);
            }
            Event::Draw { freeze, plan, document, counts, lines } => {
                id("plan", plan)?;
                if self.freeze_of_plan.contains_key(plan) {
                    return Err(LedgerError::Taken { what: "plan", name: plan.clone() });
                }
                let record = self.moved(freeze, State::Seeded, State::Drawn, sequence)?;
                record.plan = Some((plan.clone(), *document));
                record.counts = Some(*counts);
                record.lines = Some(*lines);
                self.freeze_of_plan.insert(plan.clone(), freeze.clone());
            }
            Event::Issue { plan, document } => {
                let freeze = self.of_plan(plan)?;
                match &freeze.plan {
                    Some((_, drawn)) if drawn != document => {
                        return Err(LedgerError::Document { plan: plan.clone(), drawn: *drawn });
                    }
                    _ => {}
                }
                let name = freeze.name.clone();
                self.moved(&name, State::Drawn, State::Issued, sequence)?;
            }
            Event::Replace { plan, line, arc, rank, reason, evidence } => {
                let (line, arc, rank) = (*line, *arc, *rank);
                let (reason, evidence) = (reason.clone(), *evidence);
                let replaced = Replaced { line, arc, rank, reason, evidence };
                self.replace(plan, replaced)?;
            }
            Event::Supersede { plan, by, reason } => {
                text("the reason", reason)?;
                let (old, new) = (self.of_plan(plan)?, self.of_plan(by)?);
                let later = new.programme == old.programme && new.number > old.number;
                if !later || !matches!(new.state, State::Drawn | State::Issued) {
                    return Err(LedgerError::NotTheNext { plan: plan.clone(), by: by.clone() });
                }
                let (name, state) = (old.name.clone(), old.state);
                if !matches!(state, State::Drawn | State::Issued) {
                    return Err(LedgerError::State { name, state, wanted: "superseded" });
                }
                self.moved(&name, state, State::Superseded, sequence)?;
            }
            Event::Void { freeze, reason } => {
                text("the reason", reason)?;
                let state = self.known(freeze)?.state;
                if matches!(state, State::Superseded | State::Void) {
                    let name = freeze.clone();
                    return Err(LedgerError::State { name, state, wanted: "void" });
                }
                self.moved(freeze, state, State::Void, sequence)?;
            }
            Event::KeyChange { old, new, note } => {
                if old != self.key() || !check_key_change(old, new, note) {
                    return Err(LedgerError::Key);
                }
                self.keys.push(new.clone());
            }
        }
        Ok(())
    }

    fn frozen(&mut self, event: &Event, sequence: u64) -> Result<(), LedgerError> {
        let Event::Freeze {
            freeze,
            programme,
            period,
            frame,
            policy,
            design,
            seed,
            predecessor,
            reason,
        } = event
        else {
            return Ok(());
        };
        id("frozen record", freeze)?;
        if self.freezes.contains_key(freeze) {
            return Err(LedgerError::Taken { what: "frozen record", name: freeze.clone() });
        }
        if let SeedTerms::Beacon { chain, round, .. } = seed {
            text("the beacon's chain", chain)?;
            text("the beacon's round", round)?;
        }
        let place = (programme.clone(), period.clone());
        let before = self.programmes.get(&place).map_or(&[][..], Vec::as_slice);
        let number_of_frame =
            before.iter().filter(|name| self.freezes[*name].frame == *frame).count() as u64 + 1;
        let number = before.len() as u64 + 1;
        match before.last() {
            None if !predecessor.is_empty() => {
                let (programme, named) = (programme.clone(), predecessor.clone());
                return Err(LedgerError::NoPredecessor { programme, named });
            }
            None => {}
            Some(latest) => {
                let (programme, latest) = (programme.clone(), latest.clone());
                if matches!(self.freezes[&latest].state, State::Frozen | State::Seeded) {
                    return Err(LedgerError::OpenFreeze { programme, open: latest });
                }
                if *predecessor != latest || text("the reason", reason).is_err() {
                    return Err(LedgerError::Predecessor { programme, latest });
                }
            }
        }
        let record = Freeze {
            name: freeze.clone(),
            programme: place.clone(),
            frame: *frame,
            policy: *policy,
            design: *design,
            terms: seed.clone(),
            predecessor: predecessor.clone(),
            reason: reason.clone(),
            number,
            number_of_frame,
            state: State::Frozen,
            seed: None,
            plan: None,
            counts: None,
            lines: None,
            entries: vec![sequence],
        };
        self.freezes.insert(freeze.clone(), record);
        self.programmes.entry(place).or_default().push(freeze.clone());
        Ok(())
    }

    /// Units are taken in the order of their ranks, each line falls out once, and only lines of
    /// plans in force do.
    fn replace(&mut self, plan: &str, replaced: Replaced) -> Result<(), LedgerError> {
        let state = self.of_plan(plan)?.state;
        if state != State::Issued {
            let wanted = "given replacements: only a plan in force is";
            return Err(LedgerError::State { name: plan.to_owned(), state, wanted });
        }
        id("reason", &replaced.reason)?;
        let Replaced { line, arc, rank, .. } = replaced;
        let before = self.replaced.get(plan);
        if before.is_some_and(|before| before.out.contains(&line)) {
            return Err(LedgerError::FellOut { plan: plan.to_owned(), line });
        }
        let (taken, empty) =
            before.and_then(|before| before.taken.get(&arc)).copied().unwrap_or_default();
        // Which of the two it is depends on the plan's file, which the log has only the digest of.
        if rank != 0 && (empty || rank != taken + 1) {
            let expected = if empty { "none".to_owned() } else { format!("unit {}", taken + 1) };
            return Err(LedgerError::NotTheNextUnit { plan: plan.to_owned(), arc, rank, expected });
        }
        let own = self.replaced.entry(plan.to_owned()).or_default();
        own.out.insert(line);
        own.taken.insert(arc, (taken.max(rank), rank == 0));
        own.list.push(replaced);
        Ok(())
    }

    /// Whether a seed is as the frozen record wants it; notes its public value.
    fn seeded(&mut self, name: &str, source: &str, value: &str) -> Result<(), LedgerError> {
        let freeze = self.known(name)?;
        if freeze.state != State::Frozen {
            let (name, state) = (name.to_owned(), freeze.state);
            return Err(LedgerError::State { name, state, wanted: "seeded" });
        }
        let expected = freeze.terms.source();
        if source != expected {
            let (freeze, found) = (name.to_owned(), source.to_owned());
            return Err(LedgerError::Source { freeze, expected, found });
        }
        let public = matches!(freeze.terms, SeedTerms::Ceremony { .. } | SeedTerms::Beacon { .. });
        let problem = |problem| LedgerError::PublicValue { source_name: expected, problem };
        match (public, value.is_empty()) {
            (true, true) => return Err(problem("needs its public value")),
            (false, false) => return Err(problem("has no public value")),
            (false, true) => return Ok(()),
            (true, false) => {}
        }
        let used = (freeze.programme.clone(), value.to_owned());
        if self.public_values.contains(&used) {
            return Err(LedgerError::ValueUsed { programme: used.0.0 });
        }
        self.public_values.insert(used);
        Ok(())
    }

    fn known(&self, name: &str) -> Result<&Freeze, LedgerError> {
        let unknown = || LedgerError::Unknown { what: "frozen record", name: name.to_owned() };
        self.freezes.get(name).ok_or_else(unknown)
    }

    fn of_plan(&self, plan: &str) -> Result<&Freeze, LedgerError> {
        let unknown = || LedgerError::Unknown { what: "plan", name: plan.to_owned() };
        self.freeze_of_plan(plan).ok_or_else(unknown)
    }

    fn moved(
        &mut self,
        name: &str,
        from: State,
        to: State,
        sequence: u64,
    ) -> Result<&mut Freeze, LedgerError> {
        let state = self.known(name)?.state;
        if state != from {
            let name = name.to_owned();
            return Err(LedgerError::State { name, state, wanted: to.as_str() });
        }
        let Some(freeze) = self.freezes.get_mut(name) else {
            return Err(LedgerError::Unknown { what: "frozen record", name: name.to_owned() });
        };
        freeze.state = to;
        freeze.entries.push(sequence);
        Ok(freeze)
    }
}

fn text(what: &'static str, text: &str) -> Result<(), LedgerError> {
    let sound = !text.trim().is_empty()
        && text.chars().count() <= TEXT_CHARS_MAX
        && !text.chars().any(char::is_control);
    if sound { Ok(()) } else { Err(LedgerError::Text { what }) }
}

/// A name: a policy's id with an ending.
fn id(what: &'static str, name: &str) -> Result<(), LedgerError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let sound = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits);
    if sound { Ok(()) } else { Err(LedgerError::Name { what }) }
}
