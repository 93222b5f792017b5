//! The bundle for the public: what a plan is, whom it binds and whether its quotas are kept, and the lines
//! of waves that are over. No tier, probability, expected batch, cell or certainty, and no line before
//! its wave has ended.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::container::Members;
use super::county::{read_lines, read_part, read_policy, to_lines};
use super::whole::History;
use crate::audit::report::Check;
use crate::draw::{DrawKey, Seed, SubKey};
use crate::frame::{FrameOutline, FrameRoll, county_leaf, frame_digest, outline_digest};
use crate::model::{Date, Digest, HashName, merkle};
use crate::plan::{
    AuthorityRow, ComplianceRow, Document, Head, LINE_BLINDS, PublicLine, Replaced, line_blind,
    line_leaf, line_leaves,
};
use crate::policy::{Dim, Policy, Quota, grouping_text};

/// Names the format of the public part.
pub const PUBLIC_FORMAT: &str = "spotcheck-public/1";

/// What everybody may know of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicPart {
    /// [`PUBLIC_FORMAT`].
    pub format: String,
    /// The head of the plan, without the price of the quotas.
    pub plan: Head,
    /// The policy in canonical form.
    pub policy: serde_json::Value,
    /// The frame in outline.
    pub frame: FrameOutline,
    /// Digest of the frame's catalogue.
    pub catalogue: Digest,
    /// Root over the frame's counties.
    pub counties: Digest,
    /// The batches of all authorities.
    pub authorities: Vec<AuthorityRow>,
    /// Quota rows. Those of groups so small that they could betray a tier are left out.
    pub compliance: Vec<ComplianceRow>,
    /// How many rows are left out.
    pub rows_left_out: u64,
    /// Last day of the waves whose lines are shown; empty for none.
    pub sampled_until: String,
}

/// A line that is shown, with what opens the plan's commitment to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedLine {
    /// The line.
    pub line: PublicLine,
    /// With which it was committed to.
    pub blind: Digest,
}

/// The public part of a plan, the lines of waves that ended by a day, and the leaves of all lines.
#[must_use]
pub fn public_part(
    document: &Document,
    policy: &Policy,
    roll: &FrameRoll,
    replaced: &[Replaced],
    sampled_until: Option<Date>,
) -> (PublicPart, Vec<OpenedLine>, Vec<Digest>) {
    let hash = policy.hash;
    let counties: Vec<Digest> = roll.counties.iter().map(|own| county_leaf(hash, own)).collect();
    let small = small_rows(policy);
    let (shown, left_out): (Vec<&ComplianceRow>, Vec<&ComplianceRow>) = document
        .compliance
        .iter()
        .partition(|row| !small.contains(&(row.quota.clone(), row.scope.clone())));
    let part = PublicPart {
        format: PUBLIC_FORMAT.to_owned(),
        plan: Head { price_of_quotas: Vec::new(), ..document.plan.clone() },
        policy: document.policy.clone(),
        frame: document.frame.clone(),
        catalogue: roll.catalogue,
        counties: merkle::root(hash, &counties),
        authorities: document.allocation.authorities.clone(),
        compliance: shown.into_iter().cloned().collect(),
        rows_left_out: left_out.len() as u64,
        sampled_until: sampled_until.map(|day| day.to_string()).unwrap_or_default(),
    };
    let key = DrawKey::new(hash, &Seed(document.seed.digest.0), &document.plan.input_digest);
    let sub_key = key.sub_key(LINE_BLINDS);
    let over = waves_over(policy, sampled_until);
    let opened = opened(document, replaced, over, &sub_key);
    (part, opened, line_leaves(document, &key))
}

/// How many waves ended by a day.
fn waves_over(policy: &Policy, until: Option<Date>) -> u32 {
    let Some(until) = until else { return 0 };
    if policy.waves.is_empty() {
        return u32::from(policy.period.to <= until);
    }
    policy.waves.iter().filter(|wave| wave.until <= until).count() as u32
}

/// Drawn lines of the first waves, and the units that took the place of one of them.
fn opened(
    document: &Document,
    replaced: &[Replaced],
    waves: u32,
    sub_key: &SubKey,
) -> Vec<OpenedLine> {
    let mut shown: HashSet<u32> =
        document.drawn().filter(|line| line.wave <= waves).map(|line| line.line).collect();
    if waves > 0 && !replaced.is_empty() {
        let spares = document.lines.iter().filter(|line| line.replacement_rank > 0);
        let spares: std::collections::HashMap<(u32, u32), u32> =
            spares.map(|line| ((line.arc, line.replacement_rank), line.line)).collect();
        for one in replaced {
            let taken = spares.get(&(one.arc, one.rank));
            if let (true, Some(taken)) = (shown.contains(&one.line), taken) {
                shown.insert(*taken);
            }
        }
    }
    let open = |line: &crate::plan::Line| OpenedLine {
        line: PublicLine::of(line),
        blind: line_blind(sub_key, line.line),
    };
    document.lines.iter().filter(|line| shown.contains(&line.line)).map(open).collect()
}

/// Quotas and groupings whose rows could betray a tier or another thing that is not public: those that
/// speak of such a thing in groups smaller than a level.
fn small_rows(policy: &Policy) -> HashSet<(String, String)> {
    let secret =
        |dim: &Dim| matches!(dim, Dim::Tier | Dim::Accident | Dim::Cluster | Dim::Attribute(_));
    let speaks = |quota: &Quota, grouping: &[Dim]| {
        let filter = quota.filter.iter().map(|condition| &condition.dim);
        filter.chain(grouping).any(secret)
    };
    let wide = |dim: &Dim| matches!(dim, Dim::Level | Dim::Channel | Dim::Area) || secret(dim);
    let mut small = HashSet::new();
    for quota in &policy.quotas {
        for grouping in &quota.each {
            if speaks(quota, grouping) && !grouping.iter().all(wide) {
                small.insert((quota.name.clone(), grouping_text(grouping)));
            }
        }
    }
    small
}

/// What the checks of a public bundle share.
pub(super) struct Public {
    pub part: PublicPart,
    pub policy: Policy,
    lines: Vec<OpenedLine>,
    leaves: Vec<Digest>,
}

impl Public {
    /// Reads the members of a public bundle.
    pub fn read(part: &[u8], lines: &[u8], leaves: &[u8], check: &mut Check) -> Option<Self> {
        let part: PublicPart = read_part(part, "the public part", check)?;
        check.equal(part.format.as_str(), PUBLIC_FORMAT, || "the format of the part".into());
        let lines = read_lines(lines, "the lines", check)?;
        let (chunks, rest) = leaves.as_chunks::<32>();
        check.require(rest.is_empty(), || "the leaves are not 32 bytes each".into());
        let leaves = chunks.iter().map(|bytes| Digest(*bytes)).collect();
        let policy = read_policy(&part.policy, check)?;
        Some(Public { part, policy, lines, leaves })
    }

    /// The digests of frame and policy, as they follow from what is shown.
    pub fn inputs(&self, check: &mut Check) {
        let (part, hash) = (&self.part, self.policy.hash);
        check.require(self.policy.to_json() == part.policy, || "the policy's form".into());
        check
            .equal(part.frame.policy_digest, self.policy.digest(), || "frame.policy_digest".into());
        let outline = outline_digest(hash, &part.frame);
        let frame = frame_digest(hash, &outline, &part.catalogue, &part.counties);
        check.equal(part.frame.digest, frame, || "frame.digest".into());
        let input = crate::plan::input_digest(hash, &frame, &self.policy.digest());
        check.equal(part.plan.input_digest, input, || "plan.input_digest".into());
        check.equal(part.plan.policy_id.as_str(), &self.policy.id, || "plan.policy_id".into());
        check.equal(part.plan.title.as_str(), &self.policy.title, || "plan.title".into());
    }

    /// Budgets add up to those of the policy.
    pub fn budgets(&self, check: &mut Check) {
        let part = &self.part;
        let mut batches = 0;
        for level in crate::model::Level::ALL {
            let own = part.authorities.iter().filter(|row| row.level == *level);
            let sum: u64 = own.map(|row| row.batches).sum();
            let budget = self.policy.budget[level.index()].as_ref().map_or(0, |own| own.total);
            check.equal(sum, budget, || format!("the batches of level {level}"));
            batches += sum;
        }
        check.equal(part.plan.batches, batches, || "plan.batches".into());
        for row in &part.authorities {
            let waves: u64 = row.waves.iter().sum();
            check.equal(waves, row.batches, || format!("{} {}: waves", row.level, row.authority));
        }
        check.equal(part.plan.units, part.frame.units, || "plan.units".into());
    }

    /// The rows that are shown are the policy's, and kept.
    pub fn quotas(&self, check: &mut Check) {
        let small = small_rows(&self.policy);
        let mut rows = self.part.compliance.iter().peekable();
        for quota in &self.policy.quotas {
            for grouping in &quota.each {
                let scope = grouping_text(grouping);
                let mut seen = 0;
                while let Some(row) =
                    rows.next_if(|row| row.quota == quota.name && row.scope == scope)
                {
                    seen += 1;
                    let kept = if row.bound == "min" {
                        row.planned >= row.required && row.guaranteed_low >= row.required
                    } else {
                        row.planned <= row.required && row.guaranteed_high <= row.required
                    };
                    // A share of a base that is not fixed may hold by the rest of its group.
                    let kept = kept || (row.holds && quota.has_share());
                    check.require(kept || !quota.is_firm(), || {
                        format!("{:?}, {:?}: is not kept", row.quota, row.group)
                    });
                    check.equal(row.hardness.as_str(), quota.hardness.as_str(), || {
                        format!("{:?}: hardness", row.quota)
                    });
                    let inside = (row.guaranteed_low..=row.guaranteed_high).contains(&row.planned);
                    check.require(inside, || {
                        format!("{:?}, {:?}: planned beyond its bounds", row.quota, row.group)
                    });
                }
                let hidden = small.contains(&(quota.name.clone(), scope.clone()));
                check.require((seen == 0) == hidden, || {
                    format!("{:?} for each {scope}: {seen} rows", quota.name)
                });
            }
        }
        check.require(rows.next().is_none(), || "a row that no quota asks for".into());
    }

    /// The lines that are shown are those that were committed to, of waves that are over; the root over
    /// all lines.
    pub fn lines(&self, check: &mut Check) -> Digest {
        let hash: HashName = self.policy.hash;
        let count = self.part.plan.batches + self.part.plan.replacements;
        check.equal(self.leaves.len() as u64, count, || "the number of lines".into());
        let until = crate::model::parse_date(&self.part.sampled_until);
        let sound = self.part.sampled_until.is_empty() || until.is_some();
        check.require(sound, || "sampled_until is no day".into());
        let over = waves_over(&self.policy, until);
        let ascends = self.lines.is_sorted_by(|a, b| a.line.line < b.line.line);
        check.require(ascends, || "lines do not ascend".into());
        for opened in &self.lines {
            let line = &opened.line;
            let place = (line.line as usize).wrapping_sub(1);
            let leaf = line_leaf(hash, line, &opened.blind);
            check.require(self.leaves.get(place) == Some(&leaf), || {
                format!("line {}: is not the line that was drawn", line.line)
            });
            check.require(line.replacement_rank > 0 || line.wave <= over, || {
                format!("line {}: its wave {} is not over", line.line, line.wave)
            });
        }
        let drawn: u64 = self.lines.iter().filter(|o| o.line.replacement_rank == 0).count() as u64;
        let due = self.part.plan.waves.iter().take(over as usize).map(|wave| wave.batches).sum();
        check.equal(drawn, due, || "the lines of waves that are over".into());
        merkle::root(hash, &self.leaves)
    }
}

/// The members of a public bundle.
#[must_use]
pub fn public_members(
    history: History,
    (part, lines, leaves): &(PublicPart, Vec<OpenedLine>, Vec<Digest>),
) -> Members {
    let mut members = super::whole::history(history);
    // Texts and numbers, written into memory: nothing of this can fail.
    let text = serde_json::to_vec(part).unwrap_or_default();
    members.insert("public.json".to_owned(), text);
    members.insert("lines.jsonl".to_owned(), to_lines(lines));
    members.insert("leaves.bin".to_owned(), leaves.iter().flat_map(|leaf| leaf.0).collect());
    members
}
