//! What a plan changed against an earlier one of its programme.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Channel, DivisionCode, Level};

use super::Document;

/// Drawn lines of two plans, compared by unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Form of this object.
    pub format: &'static str,
    /// The earlier plan.
    pub from: String,
    /// The later plan.
    pub to: String,
    /// Lines of both: the same unit, level and channel.
    pub kept: u64,
    /// All others, ascending by enterprise and product.
    pub changes: Vec<Change>,
}

/// A unit that is drawn otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What became of it.
    pub kind: ChangeKind,
    /// Enterprise.
    pub enterprise_id: String,
    /// Product.
    pub product_id: String,
    /// How the earlier plan drew it; none if it didn't.
    pub before: Option<DrawnBy>,
    /// How the later plan draws it; none if it doesn't.
    pub after: Option<DrawnBy>,
}

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Drawn by the later plan alone.
    Added,
    /// Drawn by the earlier plan alone.
    Dropped,
    /// Drawn by both, by another level or in another channel.
    Moved,
}

impl ChangeKind {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Dropped => "dropped",
            ChangeKind::Moved => "moved",
        }
    }
}

/// Who draws a unit, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DrawnBy {
    /// Level.
    pub level: Level,
    /// Authority.
    pub authority: DivisionCode,
    /// Channel.
    pub channel: Channel,
    /// Wave, from 1.
    pub wave: u32,
}

/// Batches of the authorities of a level that leave every line of an earlier plan its place, as far as
/// there are as many: an authority that has fewer than it drew takes from those that have most
/// beyond what they drew (the smaller code first where they have the same).
pub fn make_room(budgets: &mut BTreeMap<DivisionCode, u64>, drawn: &BTreeMap<DivisionCode, u64>) {
    let drew = |code: &DivisionCode| drawn.get(code).copied().unwrap_or(0);
    let codes: Vec<DivisionCode> = budgets.keys().copied().collect();
    let mut lack: u64 = codes.iter().map(|code| drew(code).saturating_sub(budgets[code])).sum();
    let spare: u64 = codes.iter().map(|code| budgets[code].saturating_sub(drew(code))).sum();
    if lack == 0 || spare < lack {
        return;
    }
    for code in &codes {
        if let Some(own) = budgets.get_mut(code) {
            *own = (*own).max(drew(code));
        }
    }
    while lack > 0 {
        let beyond = |code: &DivisionCode| budgets[code].saturating_sub(drew(code));
        let Some(richest) = codes.iter().rev().copied().max_by_key(beyond) else { return };
        if let Some(own) = budgets.get_mut(&richest) {
            *own -= 1;
        }
        lack -= 1;
    }
}

impl Changes {
    /// Compares the drawn lines of two plans.
    #[must_use]
    pub fn between(from: &Document, to: &Document) -> Self {
        type Unit<'a> = (&'a str, &'a str);
        let mut units: BTreeMap<Unit<'_>, [Option<DrawnBy>; 2]> = BTreeMap::new();
        for (place, document) in [from, to].into_iter().enumerate() {
            for line in document.drawn() {
                let unit = (line.enterprise_id.as_str(), line.product_id.as_str());
                units.entry(unit).or_default()[place] = Some(DrawnBy {
                    level: line.level,
                    authority: line.authority,
                    channel: line.channel,
                    wave: line.wave,
                });
            }
        }
        let mut kept = 0;
        let mut changes = Vec::new();
        for ((enterprise, product), [before, after]) in units {
            let kind = match (&before, &after) {
                (Some(a), Some(b)) if (a.level, a.channel) == (b.level, b.channel) => {
                    kept += 1;
                    continue;
                }
                (Some(_), Some(_)) => ChangeKind::Moved,
                (Some(_), None) => ChangeKind::Dropped,
                _ => ChangeKind::Added,
            };
            let (enterprise_id, product_id) = (enterprise.to_owned(), product.to_owned());
            changes.push(Change { kind, enterprise_id, product_id, before, after });
        }
        Changes {
            format: "spotcheck-changes-1",
            from: from.plan.id.clone(),
            to: to.plan.id.clone(),
            kept,
            changes,
        }
    }

    /// How many changes there are of a kind.
    #[must_use]
    pub fn count(&self, kind: ChangeKind) -> u64 {
        self.changes.iter().filter(|change| change.kind == kind).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_code(batches: &[(u32, u64)]) -> BTreeMap<DivisionCode, u64> {
        let code = |number: u32| number.to_string().parse().unwrap();
        batches.iter().map(|(number, batches)| (code(*number), *batches)).collect()
    }

    #[test]
    fn room_comes_from_those_with_most_beyond_what_they_drew() {
        let mut budgets = by_code(&[(3701, 10), (3702, 4), (3703, 9)]);
        make_room(&mut budgets, &by_code(&[(3701, 2), (3702, 7), (3703, 2)]));
        assert_eq!(budgets, by_code(&[(3701, 8), (3702, 7), (3703, 8)]));
        // Nothing lacks: as it was.
        make_room(&mut budgets, &by_code(&[(3702, 7)]));
        assert_eq!(budgets, by_code(&[(3701, 8), (3702, 7), (3703, 8)]));
    }

    #[test]
    fn a_level_that_has_less_in_all_is_left_as_it_is() {
        let mut budgets = by_code(&[(3701, 5), (3702, 5)]);
        make_room(&mut budgets, &by_code(&[(3701, 2), (3702, 9)]));
        assert_eq!(budgets, by_code(&[(3701, 5), (3702, 5)]));
        make_room(&mut budgets, &by_code(&[(3701, 2), (3702, 8)]));
        assert_eq!(budgets, by_code(&[(3701, 2), (3702, 8)]));
    }
}
