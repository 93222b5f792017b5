//! Plans step by step, and the log, on a server.

use tonic::Code;

use super::status::failure;
use super::{Link, Remote, all_pages};
use crate::audit::log::{ConsistencyProof, InclusionProof};
use crate::cli::backend::Drawn;
use crate::cli::convert::{self, odd};
use crate::cli::failure::{Exit, Failure};
use crate::cli::progress::Progress;
use crate::cli::steps::{FreezeOrder, SeedOrder, Steps, resource};
use crate::model::Digest;
use crate::plan::SelfTest;
use crate::policy::{Draft, Policy};
use crate::service::convert::policy_message;
use crate::service::planner::{BundleForm, Checked, Copy, Part};
use crate::service::v1;
use crate::store::SledStore;
use v1::audit_service_client::AuditServiceClient;
use v1::lifecycle_service_client::LifecycleServiceClient;

/// Frozen records and entries asked for at a time.
const PAGE: i32 = 1000;

fn frozen(found: Option<v1::FrozenPlan>) -> Result<v1::FrozenPlan, Failure> {
    found.ok_or_else(|| odd("an answer without its frozen record"))
}

fn digests(texts: &[String]) -> Result<Vec<Digest>, Failure> {
    let digest = |text: &String| text.parse().map_err(|_| odd("a proof with a wrong digest"));
    texts.iter().map(digest).collect()
}

/// Refuses a copy whose first message does not say that its records can be read here.
fn is_known(first: Option<&v1::export_store_response::Part>) -> Result<(), Failure> {
    match first {
        Some(v1::export_store_response::Part::Format(format)) if SledStore::reads(format) => Ok(()),
        Some(v1::export_store_response::Part::Format(format)) => Err(Failure::input(format_args!(
            "the server's store has the format {}, which this program does not know: use the \
                 server's own program",
            format.escape_debug()
        ))),
        _ => Err(odd("a copy that does not say its format")),
    }
}

impl Remote {
    fn lifecycle(&self) -> LifecycleServiceClient<Link> {
        LifecycleServiceClient::new(self.channel.clone())
    }

    fn audit(&self) -> AuditServiceClient<Link> {
        AuditServiceClient::new(self.channel.clone())
    }
}

impl Steps for Remote {
    fn freeze(
        &mut self,
        order: &FreezeOrder,
        progress: &Progress,
    ) -> Result<v1::FrozenPlan, Failure> {
        use v1::seed_terms as terms;
        progress.stage("freezing");
        let share = |share: &Digest| share.to_string();
        let source = match &order.seed {
            SeedOrder::Text => terms::Source::Text(terms::Text {}),
            SeedOrder::Ceremony(digest) => {
                terms::Source::Ceremony(terms::Ceremony { share_commitment: share(digest) })
            }
            SeedOrder::Beacon(digest, chain, round) => terms::Source::Beacon(terms::Beacon {
                share_commitment: share(digest),
                chain: chain.clone(),
                round: round.clone(),
            }),
            SeedOrder::System => terms::Source::System(terms::System::default()),
        };
        let (predecessor, reason) = match &order.predecessor {
            Some((name, reason)) => (resource(name), reason.clone()),
            None => Default::default(),
        };
        let policy = policy_message(order.draft.clone());
        let request = v1::FreezePlanRequest {
            source: Some(v1::freeze_plan_request::Source::Policy(policy)),
            terms: Some(v1::SeedTerms { source: Some(source) }),
            predecessor,
            reason,
            ..Default::default()
        };
        frozen(self.call(self.lifecycle().freeze_plan(request))?.frozen_plan)
    }

    fn seed(&mut self, freeze: &str, value: &str, share: &str) -> Result<v1::FrozenPlan, Failure> {
        let request = v1::SeedPlanRequest {
            name: format!("freezes/{freeze}"),
            value: value.to_owned(),
            share: share.to_owned(),
            ..Default::default()
        };
        frozen(self.call(self.lifecycle().seed_plan(request))?.frozen_plan)
    }

    fn draw_frozen(&mut self, freeze: &str, progress: &Progress) -> Result<Drawn, Failure> {
        progress.stage("drawing");
        let request =
            v1::DrawFrozenPlanRequest { name: format!("freezes/{freeze}"), ..Default::default() };
        let drawn = self.call(self.lifecycle().draw_frozen_plan(request))?;
        let plan = drawn.plan.ok_or_else(|| odd("a draw without its plan"))?;
        Ok(Drawn { plan: convert::record(plan), existing: drawn.existing })
    }

    fn issue(&mut self, plan: &str) -> Result<String, Failure> {
        let request = v1::IssuePlanRequest { name: format!("plans/{plan}"), ..Default::default() };
        let plan = self.call(self.lifecycle().issue_plan(request))?.plan;
        plan.map(|plan| plan.note).ok_or_else(|| odd("an answer without its plan"))
    }

    fn void(&mut self, name: &str, reason: &str) -> Result<v1::FrozenPlan, Failure> {
        let request = v1::VoidPlanRequest {
            name: resource(name),
            reason: reason.to_owned(),
            ..Default::default()
        };
        frozen(self.call(self.lifecycle().void_plan(request))?.frozen_plan)
    }

    fn check(
        &mut self,
        draft: Draft,
        _: Policy,
        progress: &Progress,
    ) -> Result<v1::CheckFeasibilityResponse, Failure> {
        use v1::check_feasibility_request::Source;
        progress.stage("checking");
        let source = Some(Source::Policy(policy_message(draft)));
        let request = v1::CheckFeasibilityRequest { source, revision: String::new() };
        self.call(self.plans_client().check_feasibility(request))
    }

    fn freezes(&mut self) -> Result<Vec<v1::FrozenPlan>, Failure> {
        all_pages(|page_token| {
            let request = v1::ListFrozenPlansRequest {
                page_size: PAGE,
                page_token,
                policy_id: String::new(),
            };
            let page = self.call(self.lifecycle().list_frozen_plans(request))?;
            Ok((page.frozen_plans, page.next_page_token))
        })
    }

    fn checkpoint(&mut self) -> Result<(String, String), Failure> {
        let head = self.call(self.audit().get_checkpoint(v1::GetCheckpointRequest {}))?;
        Ok((head.checkpoint, head.key))
    }

    fn entries(&mut self, start: u64) -> Result<Vec<String>, Failure> {
        let request = v1::ListLogEntriesRequest { start, page_size: PAGE };
        Ok(self.call(self.audit().list_log_entries(request))?.entries)
    }

    fn prove(&mut self, sequence: u64) -> Result<InclusionProof, Failure> {
        let request = v1::GetInclusionProofRequest { sequence };
        let found = self.call(self.audit().get_inclusion_proof(request))?;
        Ok(InclusionProof {
            root: found.root.parse().map_err(|_| odd("a proof with a wrong digest"))?,
            proof: digests(&found.proof)?,
            entry: found.entry,
            sequence: found.sequence,
            size: found.size,
            checkpoint: found.checkpoint,
        })
    }

    fn explain(
        &mut self,
        plan: &str,
        enterprise: &str,
        product: Option<&str>,
        county: Option<&str>,
    ) -> Result<serde_json::Value, Failure> {
        let request = v1::ExplainUnitRequest {
            plan: format!("plans/{plan}"),
            enterprise_id: enterprise.to_owned(),
            product_id: product.unwrap_or_default().to_owned(),
            county: county.unwrap_or_default().to_owned(),
        };
        let found = self.call(self.audit().explain_unit(request))?;
        serde_json::from_str(&found.explanation).map_err(|_| odd("an explanation that is no JSON"))
    }

    fn selftest(
        &mut self,
        plan: &str,
        draws: u64,
        alpha: f64,
        progress: &Progress,
    ) -> Result<SelfTest, Failure> {
        progress.stage("drawing again and again");
        let request = v1::TestDrawsRequest { name: format!("plans/{plan}"), draws, alpha };
        let found = self.call(self.audit().test_draws(request))?;
        Ok(SelfTest {
            draws: found.draws,
            alpha: found.alpha,
            rows: found.rows,
            violations: found.violations,
            arcs: found.arcs,
            smallest_p: found.smallest_p,
            least_likely_arc: found.least_likely_arc,
            mean_z2: found.mean_z2,
            standard_errors: found.standard_errors,
            ranked_cells: found.ranked_cells,
            ranks_p: found.ranks_p,
            passes: found.passes,
        })
    }

    fn copy(&mut self, copy: &mut Copy) -> Result<(), Failure> {
        use v1::export_store_response::Part as Sent;
        let mut client = self.audit();
        let broken = || odd("a copy that is not what the server says of it");
        self.runtime.block_on(async {
            let request = v1::ExportStoreRequest {};
            let response = client.export_store(request).await.map_err(|s| failure(&s))?;
            let mut messages = response.into_inner();
            let first = messages.message().await.map_err(|s| failure(&s))?;
            is_known(first.and_then(|message| message.part).as_ref())?;
            let (mut segment, mut taken) = (Vec::new(), 1u64);
            while let Some(message) = messages.message().await.map_err(|s| failure(&s))? {
                let part = match message.part.ok_or_else(broken)? {
                    Sent::Segment(bytes) => {
                        segment.extend_from_slice(&bytes);
                        taken += 1;
                        continue;
                    }
                    Sent::SegmentEnd(digest) => {
                        let bytes = std::mem::take(&mut segment);
                        if Digest::of(&bytes).to_string() != digest {
                            return Err(broken());
                        }
                        Part::Segment(bytes)
                    }
                    Sent::Secret(secret) => {
                        let bytes = <[u8; 32]>::try_from(secret.value).map_err(|_| broken())?;
                        Part::Secret(secret.name, bytes)
                    }
                    Sent::Record(record) => Part::Record(record.key, record.value),
                    // A stream that ends early must not pass for a smaller store.
                    Sent::End(count) if count == taken => return Ok(()),
                    Sent::End(_) | Sent::Format(_) => return Err(broken()),
                };
                taken += 1;
                copy.take(part).map_err(crate::cli::local::failure)?;
            }
            Err(odd("a copy that ended early"))
        })
    }

    fn check_store(&mut self) -> Result<Checked, Failure> {
        let found = self.runtime.block_on(self.audit().check_store(v1::CheckStoreRequest {}));
        let found = found.map_err(|status| match status.code() {
            Code::DataLoss => Failure::new(Exit::Differs, status.message()),
            _ => failure(&status),
        })?;
        let found = found.into_inner();
        Ok(Checked {
            entries: found.entries,
            records: found.records,
            segments: (found.segments, found.segment_bytes),
            decoded: found.decoded,
        })
    }

    fn supersede(&mut self, plan: &str, by: &str, reason: &str) -> Result<(), Failure> {
        let (name, by) = (format!("plans/{plan}"), format!("plans/{by}"));
        let request =
            v1::SupersedePlanRequest { name, by, reason: reason.to_owned(), ..Default::default() };
        self.call(self.lifecycle().supersede_plan(request)).map(|_| ())
    }

    fn replace(
        &mut self,
        plan: &str,
        line: u32,
        reason: &str,
        evidence: &str,
    ) -> Result<v1::ReplaceLineResponse, Failure> {
        let request = v1::ReplaceLineRequest {
            name: format!("plans/{plan}"),
            line,
            reason: reason.to_owned(),
            evidence: evidence.to_owned(),
            request_id: String::new(),
        };
        self.call(self.lifecycle().replace_line(request))
    }

    fn replacements(&mut self, plan: &str) -> Result<Vec<v1::Replacement>, Failure> {
        all_pages(|page_token| {
            let name = format!("plans/{plan}");
            let request = v1::ListReplacementsRequest { name, page_size: PAGE, page_token };
            let page = self.call(self.lifecycle().list_replacements(request))?;
            Ok((page.replacements, page.next_page_token))
        })
    }

    fn standing(&mut self, plan: &str) -> Result<v1::GetPlanStandingResponse, Failure> {
        let request = v1::GetPlanStandingRequest { name: format!("plans/{plan}") };
        self.call(self.lifecycle().get_plan_standing(request))
    }

    fn bundle(&mut self, plan: &str, form: BundleForm) -> Result<Vec<u8>, Failure> {
        use v1::export_bundle_request::{Form, Public};
        let form = match form {
            BundleForm::Whole => None,
            BundleForm::County(code) => Some(Form::County(code.to_string())),
            BundleForm::Public(until) => {
                let sampled_until = until.map(|day| day.to_string()).unwrap_or_default();
                Some(Form::Public(Public { sampled_until }))
            }
        };
        let mut client = self.audit();
        let name = format!("plans/{plan}");
        self.runtime.block_on(async {
            let request = v1::ExportBundleRequest { name, form };
            let response = client.export_bundle(request).await.map_err(|s| failure(&s))?;
            let mut messages = response.into_inner();
            let (mut bytes, mut digest) = (Vec::new(), None);
            while let Some(message) = messages.message().await.map_err(|s| failure(&s))? {
                digest.get_or_insert(message.bundle_digest);
                bytes.extend_from_slice(&message.data);
            }
            // A stream that ends early must not pass for a shorter bundle.
            if digest == Some(Digest::of(&bytes).to_string()) {
                Ok(bytes)
            } else {
                Err(odd("a bundle that has not the digest it is said to have"))
            }
        })
    }

    fn prove_growth(&mut self, old: u64) -> Result<ConsistencyProof, Failure> {
        let request = v1::GetConsistencyProofRequest { old_size: old };
        let found = self.call(self.audit().get_consistency_proof(request))?;
        let digest = |text: &str| text.parse().map_err(|_| odd("a proof with a wrong digest"));
        Ok(ConsistencyProof {
            old_root: digest(&found.old_root)?,
            root: digest(&found.root)?,
            proof: digests(&found.proof)?,
            old_size: found.old_size,
            size: found.size,
            checkpoint: found.checkpoint,
        })
    }
}

#[cfg(test)]
mod tests {
    use v1::export_store_response::Part;

    use super::*;

    #[test]
    fn copies_of_an_unknown_format_are_refused() {
        let format = |text: &str| is_known(Some(&Part::Format(text.into())));
        assert!(format(&SledStore::format()).is_ok());
        assert!(format("spotcheck-store/2").is_ok());
        for other in ["", "spotcheck-store/1", "spotcheck-store/99", "spotcheck-store/3 "] {
            let Err(Failure::Says { text, .. }) = format(other) else { panic!("{other}") };
            assert!(text.contains("does not know"), "{text}");
        }
        assert!(is_known(Some(&Part::End(1))).is_err());
        assert!(is_known(None).is_err());
    }
}
