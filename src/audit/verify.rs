//! All checks in their order.

use crate::plan::Document;
use crate::policy::Policy;

use super::dims::Dimensions;
use super::families::Nodes;
use super::keys::SubKeys;
use super::report::{Check, Kind, Ledger, Report};
use super::view::View;
use super::{budgets, cells, keys, lines, lots, read, rows, rules, spares, totals};

/// Recounts the plan in `bytes`: whatever they are, the answer is a report.
///
/// Uses two threads. Nothing in the report depends on them, on the platform or on anything but
/// the bytes. A check that needs what another found broken is not made and counts as failed.
#[must_use]
pub fn verify(bytes: &[u8]) -> Report {
    verify_read(bytes, &read::document(bytes))
}

/// The same of bytes that were read.
pub(super) fn verify_read(bytes: &[u8], document: &Result<Document, String>) -> Report {
    let mut ledger = Ledger::default();
    let document = match document {
        Ok(document) => document,
        Err(error) => {
            ledger.make(Kind::Readable, |check| check.require(false, || error.clone()));
            return ledger.report(None, Kind::Readable);
        }
    };
    ledger.make(Kind::Readable, |check| check.count = bytes.len() as u64);
    let plan = Some(document.plan.id.clone());
    let broken = std::thread::scope(|scope| {
        let text = scope.spawn(|| {
            let mut check = Check::new(Kind::Canonical);
            let same = read::is_canonical(bytes, document);
            check.count = bytes.len() as u64;
            if let Err(difference) = same {
                check.problem(|| difference);
            }
            check
        });
        let broken = verify_document(document, &mut ledger);
        let text = crate::model::join(text);
        ledger.absorb(Kind::Canonical, text);
        broken
    });
    ledger.report(plan, broken)
}

/// Makes all checks but those of the text, and says which of them keeps others from being made.
fn verify_document(document: &Document, ledger: &mut Ledger) -> Kind {
    let mut policy: Option<Policy> = None;
    ledger.make(Kind::Policy, |check| policy = keys::policy(document, check));
    let Some(policy) = policy else { return Kind::Policy };
    let mut sub_keys: Option<SubKeys> = None;
    ledger.make(Kind::Keys, |check| sub_keys = Some(keys::keys(document, &policy, check)));
    let mut view: Option<View<'_>> = None;
    ledger.make(Kind::Structure, |check| view = View::new(document, &policy, check));
    let (Some(view), Some(sub_keys)) = (view, sub_keys) else { return Kind::Structure };
    let drawn = lines::drawn(&view);
    let dims = Dimensions::new(&view);
    let nodes = std::thread::scope(|scope| {
        let of_lines = scope.spawn(|| {
            let mut ledger = Ledger::default();
            check_lines(&view, &dims, &sub_keys, &drawn, &mut ledger);
            ledger
        });
        let nodes = check_allocation(&view, &dims, ledger);
        let of_lines = crate::model::join(of_lines);
        ledger.join(of_lines);
        nodes
    });
    let source = rows::Source { view: &view, dims: &dims, nodes: &nodes, drawn: &drawn };
    let [certificate, compliance] = rows::check(&source);
    ledger.absorb(Kind::Certificate, certificate);
    ledger.absorb(Kind::Compliance, compliance);
    Kind::Structure
}

fn check_allocation(view: &View<'_>, dims: &Dimensions, ledger: &mut Ledger) -> Nodes {
    ledger.make(Kind::Rules, |check| rules::check(view, dims, check));
    ledger.make(Kind::Budgets, |check| budgets::check(view, check));
    ledger.make(Kind::Cells, |check| cells::check(view, check));
    ledger.make(Kind::Totals, |check| totals::check(view, check));
    ledger.make(Kind::Price, |check| totals::check_price(view, check));
    let nodes = Nodes::new(view, dims);
    ledger.make(Kind::Nodes, |check| nodes.check(view, check));
    nodes
}

fn check_lines(
    view: &View<'_>,
    dims: &Dimensions,
    keys: &SubKeys,
    drawn: &[u64],
    ledger: &mut Ledger,
) {
    let mut recomputed = Vec::new();
    ledger.make(Kind::Lots, |check| recomputed = lots::recompute(view, keys, check));
    lines::check(view, drawn, &recomputed, ledger);
    ledger.make(Kind::LotOrder, |check| lots::check_order(view, check));
    ledger.make(Kind::Waves, |check| {
        totals::check_waves(view, check);
        lots::check_waves(view, keys, check);
    });
    ledger.make(Kind::Replacements, |check| spares::check(view, dims, check));
}
