//! Who calls, and what they may: roles and territories.
//!
//! | file | what for |
//! |---|---|
//! | this one | callers, roles and rights |
//! | `access` | the right that each method needs |
//! | `tokens` | bearer tokens and the keys that sign them |
//! | `shares` | what each client may take |
//! | `guard` | the layer around every call that asks all of these |

pub(super) mod access;
pub mod guard;
pub mod shares;
pub mod tokens;

use std::collections::BTreeSet;

use tonic::Status;

use super::errors;
use crate::model::DivisionCode;

/// What somebody is to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Anybody with a token.
    Public,
    /// A bureau's system: imports, reads plans and lines whose wave has begun, notes replacements.
    System,
    /// Checks: sees everything, changes nothing.
    Auditor,
    /// Makes plans.
    Planner,
    /// May do everything.
    Administrator,
}

impl Role {
    /// The role of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "public" => Role::Public,
            "system" => Role::System,
            "auditor" => Role::Auditor,
            "planner" => Role::Planner,
            "administrator" => Role::Administrator,
            _ => return None,
        })
    }
}

/// What a method may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// The log, its head, proofs, and what the public may have of a plan.
    Public,
    /// Heads of plans, budgets, quotas, revisions, frozen records.
    Read,
    /// Lines.
    Lines,
    /// Noting that a line fell out.
    Field,
    /// Importing.
    Registry,
    /// Explanations, and a county's part of a plan.
    Inspect,
    /// Whole plans with their seeds.
    Whole,
    /// Making plans and changing their states.
    Plan,
    /// Copies of the whole store, with its keys.
    Store,
}

impl Right {
    /// What somebody who lacks it is told.
    fn words(self) -> &'static str {
        match self {
            Right::Public => "see what is public",
            Right::Read => "read plans",
            Right::Lines => "see lines",
            Right::Field => "note replacements",
            Right::Registry => "import",
            Right::Inspect => "see explanations and a county's part of a plan",
            Right::Whole => "see whole plans and their seeds",
            Right::Plan => "make plans",
            Right::Store => "copy the store",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    subject: String,
    roles: BTreeSet<Role>,
    territory: Option<DivisionCode>,
}

impl Caller {
    /// Somebody with a name, roles, and a territory; none for the whole province.
    #[must_use]
    pub fn new(
        subject: &str,
        roles: impl IntoIterator<Item = Role>,
        territory: Option<DivisionCode>,
    ) -> Self {
        let territory = territory.filter(|code| code.digits() > 2);
        Caller { subject: subject.to_owned(), roles: roles.into_iter().collect(), territory }
    }

    /// Whoever calls a server that identifies nobody: they may do everything.
    #[must_use]
    pub fn anonymous() -> Self {
        Caller::new("unauthenticated", [Role::Administrator], None)
    }

    /// The caller of a request; one without any right if the layer that says so is missing.
    pub(super) fn of<T>(request: &tonic::Request<T>) -> Self {
        let found = request.extensions().get::<Caller>().cloned();
        found.unwrap_or_else(|| Caller::new("nobody", [], None))
    }

    /// Their name, as the log has it.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.subject
    }

    /// Whether they have a right. Who has a territory makes no plans and sees no whole one.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        use Right as R;
        let province = self.territory.is_none();
        self.roles.iter().any(|role| match (role, right) {
            (_, R::Public) => true,
            (Role::Administrator | Role::Planner, R::Whole | R::Plan | R::Registry) => province,
            (Role::Administrator, R::Store) => province,
            (_, R::Store) => false,
            (Role::Administrator | Role::Planner, _) => true,
            (Role::Auditor, R::Whole) => province,
            (Role::Auditor, R::Read | R::Lines | R::Inspect) => true,
            (Role::System, R::Registry) => province,
            (Role::System, R::Read | R::Lines | R::Field) => true,
            _ => false,
        })
    }

    /// Refuses who lacks a right.
    pub(super) fn need(&self, right: Right) -> Result<(), Status> {
        if self.may(right) { Ok(()) } else { Err(errors::forbidden(right.words())) }
    }

    /// Their territory; none for the whole province.
    #[must_use]
    pub fn territory(&self) -> Option<DivisionCode> {
        self.territory
    }

    /// Whether an authority or a county is theirs.
    #[must_use]
    pub fn covers(&self, code: DivisionCode) -> bool {
        self.territory.is_none_or(|territory| code.is_within(territory))
    }

    /// Refuses who has another territory.
    pub(super) fn need_territory(&self, code: DivisionCode) -> Result<(), Status> {
        if self.covers(code) { Ok(()) } else { Err(errors::forbidden("see another territory")) }
    }

    /// Whether they see lines only once their wave has begun.
    #[must_use]
    pub fn waits_for_waves(&self) -> bool {
        !self.may(Right::Inspect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_their_rights_and_territories_take_some() {
        use Right as R;
        let all = [
            R::Public,
            R::Read,
            R::Lines,
            R::Field,
            R::Registry,
            R::Inspect,
            R::Whole,
            R::Plan,
            R::Store,
        ];
        let rights = |role: &str, territory: Option<&str>| -> Vec<R> {
            let territory = territory.map(|code| code.parse().unwrap());
            let caller = Caller::new("x", Role::named(role), territory);
            all.into_iter().filter(|right| caller.may(*right)).collect()
        };
        assert_eq!(rights("public", None), [R::Public]);
        assert_eq!(rights("nobody", None), []);
        let system = [R::Public, R::Read, R::Lines, R::Field];
        assert_eq!(rights("system", Some("370102")), system);
        assert_eq!(rights("system", None), [&system[..], &[R::Registry]].concat());
        let auditor = [R::Public, R::Read, R::Lines, R::Inspect];
        assert_eq!(rights("auditor", Some("3701")), auditor);
        assert_eq!(rights("auditor", Some("37")), [&auditor[..], &[R::Whole]].concat());
        assert_eq!(rights("planner", None), all[..8]);
        assert_eq!(rights("administrator", None), all);
        let local = [R::Public, R::Read, R::Lines, R::Field, R::Inspect];
        assert_eq!(rights("planner", Some("3701")), local);
        assert_eq!(rights("administrator", Some("3701")), local);
        let city = Caller::new("x", [Role::Planner], Some("3701".parse().unwrap()));
        for (code, covered) in [("3701", true), ("370102", true), ("37", false), ("3702", false)] {
            assert_eq!(city.covers(code.parse().unwrap()), covered, "{code}");
        }
        assert!(Caller::new("x", [Role::System], None).waits_for_waves());
        assert!(!city.waits_for_waves());
        assert_eq!(Caller::of(&tonic::Request::new(())).roles.len(), 0);
    }
}
