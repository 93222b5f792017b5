//! The head's totals, and the price of the quotas.

use std::collections::HashSet;

use crate::plan::WaveTotal;

use super::report::Check;
use super::view::{BATCH, View};

/// Checks the totals of head and frame.
pub(super) fn check(view: &View<'_>, check: &mut Check) {
    let (head, frame, lines) = (&view.document.plan, &view.document.frame, &view.document.lines);
    check.equal(head.units, view.units, || "plan.units".into());
    check.equal(frame.units, view.units, || "frame.units".into());
    check.equal(frame.cells, view.cells.units.len() as u64, || "frame.cells".into());
    let drawn = view.document.drawn().count() as u64;
    check.equal(head.batches, drawn, || "plan.batches".into());
    check.equal(head.batches, view.batches, || "plan.batches (by the policy)".into());
    let replacements = lines.len() as u64 - drawn;
    check.equal(head.replacements, replacements, || "plan.replacements".into());
    let per_line = u128::from(view.policy.replacements_per_line);
    let n: u128 = view.arcs.n.iter().map(|n| u128::from(*n)).sum();
    let missing = (per_line * n).checked_sub(u128::from(replacements));
    let written = Some(u128::from(head.replacement_shortfall));
    check.equal(written, missing, || "plan.replacement_shortfall".into());
    let enterprises: HashSet<&str> = lines.iter().map(|line| line.enterprise_id.as_str()).collect();
    let known = enterprises.len() as u64..=frame.units;
    check.require(known.contains(&frame.enterprises), || {
        format!("frame.enterprises is {}; expected {known:?}", frame.enterprises)
    });
    for (i, excluded) in frame.excluded.iter().enumerate() {
        check.require(excluded.units > 0, || format!("frame.excluded[{i}] has no unit"));
    }
}

/// Checks the ends, wishes and totals of the head's waves.
pub(super) fn check_waves(view: &View<'_>, check: &mut Check) {
    let policy = view.policy;
    let mut expected: Vec<WaveTotal> = Vec::new();
    let batches = view.batches;
    let hundredths: Vec<(String, u64)> = if policy.waves.is_empty() {
        vec![(policy.period.to.to_string(), batches * 100)]
    } else {
        let wave = |wave: &crate::policy::Wave| {
            (wave.until.to_string(), wave.share.floor_of(batches * 100))
        };
        policy.waves.iter().map(wave).collect()
    };
    for (wave, (until, hundredths)) in hundredths.into_iter().enumerate() {
        let own = view.document.allocation.authorities.iter();
        let batches =
            own.filter_map(|row| row.waves.get(wave)).fold(0, |sum: u64, n| sum.saturating_add(*n));
        let wanted = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        expected.push(WaveTotal { until, wanted, batches });
    }
    let written = &view.document.plan.waves;
    check.equal(written.len(), expected.len(), || "the number of plan.waves".into());
    for (wave, (written, expected)) in written.iter().zip(&expected).enumerate() {
        check.equal(written, expected, || format!("plan.waves[{wave}]"));
    }
}

/// Percentiles that the price of the quotas is told for.
const PERCENTS: [u32; 7] = [0, 5, 25, 50, 75, 95, 100];

/// Recounts the percentiles, over units, of π divided by the risk-proportional π.
pub(super) fn check_price(view: &View<'_>, check: &mut Check) {
    let Some(mut ratios) = ratios(view) else {
        check.problem(|| "weights and expected batches are too large for 128 bits".into());
        return;
    };
    ratios.sort_unstable();
    let written = &view.document.plan.price_of_quotas;
    check.equal(written.len(), PERCENTS.len(), || "the number of plan.price_of_quotas".into());
    for (i, (percent, written)) in PERCENTS.iter().zip(written).enumerate() {
        let place = u128::from(*percent) * u128::from(view.units - 1) / 100;
        let mut seen = 0u128;
        let at = ratios.iter().find(|(_, units)| {
            seen += u128::from(*units);
            seen > place
        });
        let ratio = at.map_or(0, |(ratio, _)| *ratio);
        let expected = format!("{}.{:04}", ratio / 10_000, ratio % 10_000);
        check.equal((written.percent, written.ratio.as_str()), (*percent, &expected), || {
            format!("plan.price_of_quotas[{i}]")
        });
    }
}

/// For each cell, π divided by the risk-proportional π in ten-thousandths, and its units.
fn ratios(view: &View<'_>) -> Option<Vec<(u128, u32)>> {
    let cells = view.cells;
    let weight = |cell: usize| u128::from(cells.weight[cell]) * u128::from(cells.units[cell]);
    let whole: u128 = (0..cells.units.len()).map(weight).sum();
    let mean = u128::from(view.batches) * u128::from(BATCH);
    (0..cells.units.len())
        .map(|cell| {
            let x: u128 = view.arcs.x[view.arcs_of(cell)].iter().map(|x| u128::from(*x)).sum();
            let ratio = x.checked_mul(whole)? / weight(cell);
            Some((ratio.checked_mul(10_000)? / mean, cells.units[cell]))
        })
        .collect()
}
