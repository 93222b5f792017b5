//! Plans step by step, and the log, on a store of this machine.

use crate::audit::log::{ConsistencyProof, InclusionProof};
use crate::draw::SeedSource;
use crate::model::Work;
use crate::plan::SelfTest;
use crate::policy::{Draft, Policy};
use crate::service::planner::{
    Asked, BundleForm, Checked, Copy, FreezeRequest, ReplaceRequest, SeedPlan, Source,
};
use crate::service::{convert, v1};

use super::backend::{Drawn, plan_id};
use super::failure::Failure;
use super::local::{Local, actor, damaged, failure, now, record};
use super::progress::Progress;
use super::steps::{FreezeOrder, SeedOrder, Steps, freeze_id};

/// Entries read at a time.
const PAGE: usize = 1000;

fn asked(actor: &str) -> Asked<'_> {
    Asked { actor, now: now(), ..Asked::default() }
}

impl Steps for Local {
    fn freeze(
        &mut self,
        order: &FreezeOrder,
        progress: &Progress,
    ) -> Result<v1::FrozenPlan, Failure> {
        let (predecessor, reason) = match &order.predecessor {
            Some((name, reason)) => (Some(plan_id(freeze_id(name)).to_owned()), reason.clone()),
            None => (None, String::new()),
        };
        let request = FreezeRequest {
            source: Source::Policy { policy: Box::new(order.policy.clone()), revision: None },
            seed: match &order.seed {
                SeedOrder::Text => SeedPlan::Text,
                SeedOrder::Ceremony(share) => SeedPlan::Ceremony { share: *share },
                SeedOrder::Beacon(share, chain, round) => {
                    let (chain, round) = (chain.clone(), round.clone());
                    SeedPlan::Beacon { share: *share, chain, round }
                }
                SeedOrder::System => SeedPlan::System,
            },
            predecessor,
            reason,
            actor: actor(),
            request_id: String::new(),
            now: now(),
        };
        let stage = |name: &'static str| progress.stage(name);
        let work = Work { progress: &stage, ..Work::unwatched(self.planner.threads()) };
        self.planner.freeze_plan(&request, &work).map(convert::frozen_plan).map_err(failure)
    }

    fn seed(&mut self, freeze: &str, value: &str, share: &str) -> Result<v1::FrozenPlan, Failure> {
        let source = self.planner.frozen(freeze).map_err(failure)?.record.terms.source();
        let seed = match (source, value.is_empty()) {
            ("system", true) => None,
            _ => Some(SeedSource::from_parts(source, value, share).map_err(Failure::input)?),
        };
        let seeded = self.planner.seed_plan(freeze, seed, &asked(&actor()));
        seeded.map(convert::frozen_plan).map_err(failure)
    }

    fn draw_frozen(&mut self, freeze: &str, progress: &Progress) -> Result<Drawn, Failure> {
        let stage = |name: &'static str| progress.stage(name);
        let work = Work { progress: &stage, ..Work::unwatched(self.planner.threads()) };
        let drawn = self.planner.draw_plan(freeze, &asked(&actor()), &work).map_err(failure)?;
        Ok(Drawn { plan: record(drawn.record), existing: drawn.existing })
    }

    fn issue(&mut self, plan: &str) -> Result<String, Failure> {
        let issued = self.planner.issue_plan(plan, &asked(&actor()));
        issued.map(|record| record.note).map_err(failure)
    }

    fn void(&mut self, name: &str, reason: &str) -> Result<v1::FrozenPlan, Failure> {
        let name = plan_id(freeze_id(name));
        let done = self.planner.void_plan(name, reason, &asked(&actor()));
        done.map(convert::frozen_plan).map_err(failure)
    }

    fn check(
        &mut self,
        _: Draft,
        policy: Policy,
        progress: &Progress,
    ) -> Result<v1::CheckFeasibilityResponse, Failure> {
        let stage = |name: &'static str| progress.stage(name);
        let work = Work { progress: &stage, ..Work::unwatched(self.planner.threads()) };
        let source = Source::Policy { policy: Box::new(policy), revision: None };
        let answer = self.planner.feasibility(&source, &work).map_err(failure)?;
        Ok(convert::feasibility(&answer))
    }

    fn freezes(&mut self) -> Result<Vec<v1::FrozenPlan>, Failure> {
        let all = self.planner.freezes("", usize::MAX).map_err(failure)?;
        Ok(all.into_iter().map(convert::frozen_plan).collect())
    }

    fn checkpoint(&mut self) -> Result<(String, String), Failure> {
        let log = self.planner.log().ok_or_else(empty)?;
        Ok((log.1, log.0.key().to_owned()))
    }

    fn entries(&mut self, start: u64) -> Result<Vec<String>, Failure> {
        let found = self.planner.log_entries(start, PAGE).map_err(failure)?;
        Ok(found.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect())
    }

    fn prove(&mut self, sequence: u64) -> Result<InclusionProof, Failure> {
        let proof = self.planner.inclusion_proof(sequence).map_err(failure)?;
        proof.ok_or_else(|| Failure::input(format_args!("the log has no entry {sequence}")))
    }

    fn explain(
        &mut self,
        plan: &str,
        enterprise: &str,
        product: Option<&str>,
        county: Option<&str>,
    ) -> Result<serde_json::Value, Failure> {
        let found = self.planner.explain(plan, enterprise, product, county).map_err(failure)?;
        serde_json::to_value(&found).map_err(Failure::other)
    }

    fn selftest(
        &mut self,
        plan: &str,
        draws: u64,
        alpha: f64,
        progress: &Progress,
    ) -> Result<SelfTest, Failure> {
        let stage = |name: &'static str| progress.stage(name);
        let work = Work { progress: &stage, ..Work::unwatched(self.planner.threads()) };
        self.planner.selftest(plan, draws, alpha, &work).map_err(failure)
    }

    fn copy(&mut self, copy: &mut Copy) -> Result<(), Failure> {
        self.planner.copy(|part| copy.take(part)).map_err(failure)
    }

    fn check_store(&mut self) -> Result<Checked, Failure> {
        self.planner.check_all(&self.planner.unwatched()).map_err(damaged)
    }

    fn supersede(&mut self, plan: &str, by: &str, reason: &str) -> Result<(), Failure> {
        let done = self.planner.supersede_plan(plan, by, reason, &asked(&actor()));
        done.map(|_| ()).map_err(failure)
    }

    fn replace(
        &mut self,
        plan: &str,
        line: u32,
        reason: &str,
        evidence: &str,
    ) -> Result<v1::ReplaceLineResponse, Failure> {
        let request = ReplaceRequest {
            plan: plan.to_owned(),
            line,
            reason: reason.to_owned(),
            evidence: evidence.to_owned(),
            actor: actor(),
            request_id: String::new(),
            now: now(),
        };
        self.planner.replace_line(&request).map(convert::fallen).map_err(failure)
    }

    fn replacements(&mut self, plan: &str) -> Result<Vec<v1::Replacement>, Failure> {
        let all = self.planner.replacements(plan, None, usize::MAX).map_err(failure)?;
        Ok(all.into_iter().map(|(record, kind)| convert::replacement(record, kind)).collect())
    }

    fn standing(&mut self, plan: &str) -> Result<v1::GetPlanStandingResponse, Failure> {
        self.planner.plan_standing(plan).map(convert::standing).map_err(failure)
    }

    fn bundle(&mut self, plan: &str, form: BundleForm) -> Result<Vec<u8>, Failure> {
        self.planner.bundle(plan, form).map_err(failure)
    }

    fn prove_growth(&mut self, old: u64) -> Result<ConsistencyProof, Failure> {
        let proof = self.planner.consistency_proof(old);
        proof.ok_or_else(|| Failure::input(format_args!("the log never had {old} entries")))
    }
}

fn empty() -> Failure {
    Failure::input("the log has no entry yet")
}
