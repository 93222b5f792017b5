//! From a frozen frame, a policy and a seed to the whole plan.

use crate::design::{BATCH, Design, DesignError, Refusal};
use crate::draw::{DrawKey, SeedError, SeedSource, round};
use crate::frame::Frame;
use crate::model::{Area, Cancelled, Digest, HashName, Work, join};
use crate::policy::Policy;

use super::lines::{assign_waves, lines, wave_totals};
use super::ranks::rank;
use super::{
    Allocation, ArcColumns, AuthorityRow, CellColumns, Document, Head, SeedRecord, compliance,
};

/// Why no plan was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// The seed's text is refused.
    #[error("seed: {0}")]
    Seed(#[from] SeedError),
    /// The quotas cannot be met, or no certificate was found.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The frame was made for another policy.
    #[error("the frame was frozen for another policy")]
    OtherPolicy,
    /// The work was told to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<DesignError> for MakeError {
    fn from(error: DesignError) -> Self {
        match error {
            DesignError::Refused(refusal) => MakeError::Refused(refusal),
            DesignError::Cancelled(cancelled) => MakeError::Cancelled(cancelled),
        }
    }
}

/// The digest of all that was frozen before the seed: what a draw key is made from.
#[must_use]
pub fn input_digest(hash: HashName, frame: &Digest, policy: &Digest) -> Digest {
    hash.framed("spotcheck/m1/input").field(&frame.0).field(&policy.0).finish()
}

/// The name of the plan that `seed` draws from a frame and a policy.
///
/// # Errors
/// If the text is no seed.
pub fn plan_id(
    frame_digest: &Digest,
    policy: &Policy,
    seed: &SeedSource,
) -> Result<String, SeedError> {
    let seed = seed.seed(policy.hash)?;
    let input = input_digest(policy.hash, frame_digest, &policy.digest());
    Ok(name(policy, &DrawKey::new(policy.hash, &seed, &input)))
}

fn name(policy: &Policy, key: &DrawKey) -> String {
    format!("{}-{}", policy.id, &key.digest().to_string()[..12])
}

/// Makes the plan that a seed draws from `frame` (whose digest is `frame_digest`) under
/// `policy`: a function of the three alone, whatever the platform and the number of threads.
///
/// # Errors
/// See [`MakeError`]; nothing is ever relaxed.
pub fn make(
    frame: &Frame,
    frame_digest: &Digest,
    policy: &Policy,
    source: &SeedSource,
    work: &Work<'_>,
) -> Result<Document, MakeError> {
    let seed = source.seed(policy.hash)?;
    let policy_digest = policy.digest();
    if frame.policy_digest != policy_digest {
        return Err(MakeError::OtherPolicy);
    }
    let design = Design::make(frame, policy, work)?;
    let input = input_digest(policy.hash, frame_digest, &policy_digest);
    let key = DrawKey::new(policy.hash, &seed, &input);
    work.stage("rounding")?;
    let mut values = design.values.clone();
    round(&design.network, &mut values, &key, work.threads);
    let n: Vec<u32> =
        values[design.layout.arc_edges()].iter().map(|value| (value / BATCH) as u32).collect();
    drop(values);
    work.stage("lots")?;
    let ranks = rank(frame, policy, &design, &n, &key, work);
    let (wave_of, wave_batches) = assign_waves(frame, policy, &design, &ranks.drawn, &key);
    work.stage("lines")?;
    let (lines, (certificate, compliance), price_of_quotas) = std::thread::scope(|scope| {
        let tables = || (compliance::rows(policy, &design, &n), compliance::price(frame, &design));
        let tables = scope.spawn(tables);
        let lines = lines(frame, &design, &ranks, &wave_of, &key, work.threads);
        let (rows, price) = join(tables);
        (lines, rows, price)
    });
    let batches = design.authorities.batches();
    Ok(Document {
        plan: Head {
            id: name(policy, &key),
            method: "m1".into(),
            policy_id: policy.id.clone(),
            title: policy.title.clone(),
            input_digest: input,
            units: frame.units(),
            batches,
            replacements: ranks.replacements.len() as u64,
            replacement_shortfall: ranks.shortfall,
            waves: wave_totals(policy, batches, &wave_batches),
            price_of_quotas,
            remarks: remarks(policy, &design),
        },
        policy: policy.to_json(),
        frame: frame.outline(frame_digest),
        seed: SeedRecord {
            source: source.name().into(),
            text: source.text(),
            share: source.share().map(hex::encode).unwrap_or_default(),
            digest: Digest(seed.0),
        },
        allocation: allocation(frame, &design, &n, wave_batches),
        certificate,
        compliance,
        lines,
    })
}

fn remarks(policy: &Policy, design: &Design) -> Vec<String> {
    let list = &design.authorities.list;
    let none = list.iter().filter(|authority| authority.batches == 0);
    let kept = policy.keep.as_ref().map(|keep| {
        format!("lines of {} are kept: probabilities are conditional on it", keep.plan)
    });
    let none = none.map(|a| {
        format!("{} {} has no batch ({} eligible units)", a.level.as_str(), a.code, a.units)
    });
    kept.into_iter().chain(none).collect()
}

pub(super) fn allocation(
    frame: &Frame,
    design: &Design,
    n: &[u32],
    wave_batches: Vec<Vec<u64>>,
) -> Allocation {
    let list = design.authorities.list.iter().zip(wave_batches);
    let authorities = list.map(|(authority, waves)| AuthorityRow {
        level: authority.level,
        authority: authority.code,
        name: frame.division_name(authority.code).to_owned(),
        units: authority.units,
        batches: authority.batches,
        waves,
    });
    let cells = &frame.cells;
    let numbers = |symbols: &[crate::model::Symbol]| symbols.iter().map(|s| s.0).collect();
    Allocation {
        authorities: authorities.collect(),
        cells: CellColumns {
            county: cells.county.clone(),
            area: cells.area.iter().map(|area| u8::from(*area == Area::Rural)).collect(),
            product: cells.product.clone(),
            tier: numbers(&cells.tier),
            cluster: numbers(&cells.cluster),
            accident: cells.accident.iter().map(|flag| u8::from(*flag)).collect(),
            attributes: frame
                .attributes
                .iter()
                .zip(&cells.attributes)
                .map(|((name, _), column)| (name.clone(), numbers(column)))
                .collect(),
            first_wave: cells.first_wave.clone(),
            weight: cells.weight.clone(),
            certain: cells.certain.iter().map(|flag| u8::from(*flag)).collect(),
            units: (0..cells.len()).map(|cell| frame.cell_units(cell)).collect(),
        },
        arcs: ArcColumns {
            cell: design.arcs.cell.clone(),
            level: design.arcs.level.clone(),
            channel: design.arcs.channel.clone(),
            x: design.x().to_vec(),
            n: n.to_vec(),
        },
    }
}
