//! Lines that a plan keeps, against the file of the earlier plan: certainty that no rule gives must
//! come from there, and nothing that was to be kept may be missing.

use std::collections::HashMap;

use crate::model::{Channel, Level};
use crate::plan::{Document, Line};

use super::dims::Dimensions;
use super::report::{Check, Kind, Report};
use super::view::View;
use super::{keys, read, rules, verify};

const NAME: &str = "kept";
const WHAT: &str =
    "certainty without a rule is that of the earlier plan's lines, and none is missing";

/// [`verify`], and one check more: that what the plan keeps is what `earlier`, the file of the plan
/// that its policy names, drew.
///
/// Every unit of a certainty cell stands on a line, so that the lines show all of them. A line of the
/// earlier plan may be missing where its level gives way, and as often as the frame's findings
/// say that one cannot be kept.
#[must_use]
pub fn verify_keeping(bytes: &[u8], earlier: &[u8]) -> Report {
    let mut report = verify(bytes);
    let mut check = Check::named(NAME, WHAT);
    let before = verify(earlier);
    if !report.holds() {
        check.problem(|| "the plan itself does not hold".to_owned());
    } else if let Some(broken) = before.checks.iter().find(|check| !check.holds()) {
        check.problem(|| format!("the earlier plan does not hold: {}", broken.name));
    } else {
        match (read::document(bytes), read::document(earlier)) {
            (Ok(document), Ok(earlier)) => compare(&document, &earlier, &mut check),
            _ => check.problem(|| "a file cannot be read a second time".to_owned()),
        }
    }
    report.checks.push(check);
    report
}

fn compare(document: &Document, earlier: &Document, check: &mut Check) {
    let Some(policy) = keys::policy(document, &mut Check::new(Kind::Policy)) else { return };
    let Some(view) = View::new(document, &policy, &mut Check::new(Kind::Structure)) else { return };
    let Some(keep) = &policy.keep else {
        check.problem(|| "the policy keeps no plan's lines".to_owned());
        return;
    };
    check.equal(keep.plan.as_str(), earlier.plan.id.as_str(), || "the policy's keep.plan".into());
    check.equal(&document.plan.policy_id, &earlier.plan.policy_id, || "the programme".into());
    type Drawn<'a> = HashMap<(&'a str, &'a str), (Level, Channel)>;
    fn drawn(document: &Document) -> Drawn<'_> {
        document.drawn().map(|line| (unit(line), (line.level, line.channel))).collect()
    }
    let dims = Dimensions::new(&view);
    let ruled = rules::certainty(&view, &dims);
    let before = drawn(earlier);
    for line in document.drawn() {
        let cell = line.cell as usize;
        if view.cells.certain[cell] == 1 && !ruled[cell].may {
            let kept = before.get(&unit(line)) == Some(&(line.level, line.channel));
            check.require(kept, || {
                let (number, plan) = (line.line, &earlier.plan.id);
                format!(
                    "line {number}: is certain, but no rule says so and {plan} drew no such line"
                )
            });
        }
    }
    let after = drawn(document);
    let missing = before
        .iter()
        .filter(|(unit, how)| !keep.gives_way[how.0.index()] && after.get(*unit) != Some(*how));
    let missing = missing.count() as u64;
    let told = document.frame.quality.get(crate::frame::NOT_KEPT).copied().unwrap_or(0);
    check.require(missing <= told, || {
        format!("{missing} lines are not kept where {told} cannot be")
    });
}

fn unit(line: &Line) -> (&str, &str) {
    (&line.enterprise_id, &line.product_id)
}
