//! Why there is no plan.

use std::fmt;

/// A rule that cannot be kept, or that stands in the way of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// Name of the quota, or `budget`, `capacity`, `floor`, `certain`.
    pub rule: String,
    /// Grouping, e.g. `level/channel`.
    pub scope: String,
    /// The group's values.
    pub group: String,
    /// What is wrong, with the numbers, in a planner's words.
    pub why: String,
}

impl Clash {
    /// A clash.
    #[must_use]
    pub fn new(rule: &str, scope: &str, group: &str, why: String) -> Self {
        Clash { rule: rule.into(), scope: scope.into(), group: group.into(), why }
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        if !self.group.is_empty() {
            write!(f, " ({} {})", self.scope, self.group)?;
        } else if !self.scope.is_empty() {
            write!(f, " ({})", self.scope)?;
        }
        write!(f, ": {}", self.why)
    }
}

/// What a refusal claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No plan can keep the rules: proved.
    Infeasible,
    /// No plan was found within the bounded work; none is claimed not to exist.
    NotCertified,
}

/// A plan was refused; nothing was relaxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is claimed.
    pub verdict: Verdict,
    /// The rules that clash, as far as they are known; the first [`Refusal::CLASHES_MAX`].
    pub clashes: Vec<Clash>,
    /// How many there are in all.
    pub clash_count: usize,
}

impl Refusal {
    /// So many clashes are told; more say nothing new to a planner.
    pub const CLASHES_MAX: usize = 50;

    fn new(verdict: Verdict, mut clashes: Vec<Clash>) -> Self {
        let clash_count = clashes.len();
        clashes.truncate(Self::CLASHES_MAX);
        Refusal { verdict, clashes, clash_count }
    }

    /// It was proved that the rules cannot all be kept.
    #[must_use]
    pub fn infeasible(clashes: Vec<Clash>) -> Self {
        Self::new(Verdict::Infeasible, clashes)
    }

    /// The bounded work ended without a certificate.
    #[must_use]
    pub fn not_certified(clashes: Vec<Clash>) -> Self {
        Self::new(Verdict::NotCertified, clashes)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Infeasible => write!(f, "INFEASIBLE: the quotas cannot all be met")?,
            Verdict::NotCertified => write!(
                f,
                "NOT CERTIFIED: no design was found whose every draw keeps the quotas (one may exist)"
            )?,
        }
        for clash in &self.clashes {
            write!(f, "\n  {clash}")?;
        }
        if self.clash_count > self.clashes.len() {
            write!(f, "\n  and {} more", self.clash_count - self.clashes.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
