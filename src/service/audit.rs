//! The audit service: the log, its signed head, and proofs.

use std::cell::Cell;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::identity::{Caller, Right};
use super::limits::EXPORT_BYTES;
use super::planner::{BundleForm, Part, Planner, PlannerError};
use super::registry::{now, required};
use super::telemetry::carried;
use super::v1::audit_service_server::AuditService;
use super::work::{Answers, Desk, Lane};
use super::{convert, errors, pages, v1};
use crate::model::{Digest, DivisionCode, Work, day_in_china, parse_date};
use crate::plan::DRAWS_MAX;
use crate::store::SledStore;

pub(super) struct Handler(pub Desk);

fn empty() -> Status {
    errors::simple(Code::NotFound, "EMPTY_LOG", "the log has no entry yet")
}

fn texts(proof: &[Digest]) -> Vec<String> {
    proof.iter().map(Digest::to_string).collect()
}

fn bundle_form(form: Option<v1::export_bundle_request::Form>) -> Result<BundleForm, Status> {
    use v1::export_bundle_request::Form;
    Ok(match form {
        None => BundleForm::Whole,
        Some(Form::County(code)) => match code.parse::<DivisionCode>() {
            Ok(code) if code.digits() == 6 => BundleForm::County(code),
            _ => return Err(errors::field("county", "must be the code of a county, 6 digits")),
        },
        Some(Form::Public(public)) => BundleForm::Public(match public.sampled_until.as_str() {
            "" => None,
            day => Some(parse_date(day).ok_or_else(|| {
                errors::field("public.sampled_until", "must be a day such as 2026-07-31")
            })?),
        }),
    })
}

#[tonic::async_trait]
impl AuditService for Handler {
    async fn get_checkpoint(
        &self,
        _: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let (ledger, checkpoint) = self.0.planner().log().ok_or_else(empty)?;
        let key = ledger.key().to_owned();
        Ok(Response::new(v1::GetCheckpointResponse { checkpoint, key }))
    }

    async fn list_log_entries(
        &self,
        request: Request<v1::ListLogEntriesRequest>,
    ) -> Result<Response<v1::ListLogEntriesResponse>, Status> {
        let v1::ListLogEntriesRequest { start, page_size } = request.into_inner();
        let size = pages::size(page_size)?;
        let found = self.0.light(move |planner| planner.log_entries(start, size + 1));
        let mut found = found.await?;
        let more = pages::cut(&mut found, size);
        let next_start = if more { start + found.len() as u64 } else { 0 };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let entries = found.into_iter().map(text).collect();
        Ok(Response::new(v1::ListLogEntriesResponse { entries, next_start }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let sequence = request.into_inner().sequence;
        let found = self.0.light(move |planner| planner.inclusion_proof(sequence)).await?;
        let outside = || errors::field("sequence", "must be the number of an entry of the log");
        let proof = found.ok_or_else(outside)?;
        Ok(Response::new(v1::GetInclusionProofResponse {
            entry: proof.entry,
            sequence,
            size: proof.size,
            root: proof.root.to_string(),
            proof: texts(&proof.proof),
            checkpoint: proof.checkpoint,
        }))
    }

    type ExportBundleStream = Answers<v1::ExportBundleResponse>;

    async fn export_bundle(
        &self,
        request: Request<v1::ExportBundleRequest>,
    ) -> Result<Response<Self::ExportBundleStream>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let id = required("name", convert::plan_id(&request.name))?.to_owned();
        let form = bundle_form(request.form)?;
        match form {
            BundleForm::Whole => caller.need(Right::Whole)?,
            BundleForm::County(county) => {
                caller.need(Right::Inspect)?;
                caller.need_territory(county)?;
            }
            BundleForm::Public(until) => {
                caller.need(Right::Public)?;
                // Nobody sees lines to come by asking for a later day.
                let today = day_in_china(now());
                if !caller.may(Right::Whole) && until.is_some_and(|until| Some(until) > today) {
                    let what = "must not be a day to come";
                    return Err(errors::field("public.sampled_until", what));
                }
            }
        }
        let place = self.0.export_place().await?;
        let bundle = move |planner: &Planner, _: &Work<'_>| planner.bundle(&id, form);
        let bytes = self.0.heavy(Lane::Draw, |_| {}, bundle).await?;
        let digest = Digest::of(&bytes).to_string();
        let chunks = (0..bytes.len().div_ceil(EXPORT_BYTES)).map(move |chunk| {
            // Held as long as the stream is, like the bytes.
            let _place = &place;
            let from = chunk * EXPORT_BYTES;
            let data = bytes[from..bytes.len().min(from + EXPORT_BYTES)].to_vec();
            let first = chunk == 0;
            Ok(v1::ExportBundleResponse {
                data,
                bundle_bytes: if first { bytes.len() as u64 } else { 0 },
                bundle_digest: if first { digest.clone() } else { String::new() },
            })
        });
        Ok(Response::new(self.0.answers(chunks)))
    }

    type ExportStoreStream = Answers<v1::ExportStoreResponse>;

    async fn export_store(
        &self,
        _: Request<v1::ExportStoreRequest>,
    ) -> Result<Response<Self::ExportStoreStream>, Status> {
        use v1::export_store_response as part;
        let place = self.0.export_place().await?;
        // As many messages as wait for the client; the work waits for it, too, but not for ever.
        let (sender, receiver) = mpsc::channel(16);
        let (runtime, idle) = (Handle::current(), self.0.idle());
        let desk = self.0.clone();
        let failed = sender.clone();
        let copy = move |planner: &Planner, _: &Work<'_>| {
            let _place = &place;
            let sent = Cell::new(0);
            let send = |part: part::Part| {
                sent.set(sent.get() + 1);
                let message = v1::ExportStoreResponse { part: Some(part) };
                match runtime.block_on(async { timeout(idle, sender.send(Ok(message))).await }) {
                    Ok(Ok(())) => Ok(()),
                    _ => Err(PlannerError::Cancelled),
                }
            };
            send(part::Part::Format(SledStore::format()))?;
            planner.copy(|one| match one {
                Part::Segment(bytes) => {
                    for piece in bytes.chunks(EXPORT_BYTES) {
                        send(part::Part::Segment(piece.to_vec()))?;
                    }
                    send(part::Part::SegmentEnd(Digest::of(&bytes).to_string()))
                }
                Part::Secret(name, value) => {
                    let secret = part::Secret { name, value: value.to_vec() };
                    send(part::Part::Secret(secret))
                }
                Part::Record(key, value) => send(part::Part::Record(part::Record { key, value })),
            })?;
            send(part::Part::End(sent.get()))
        };
        tokio::spawn(carried(async move {
            if let Err(status) = desk.heavy(Lane::Draw, |_| {}, copy).await {
                let _ = timeout(idle, failed.send(Err(status))).await;
            }
        }));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn check_store(
        &self,
        _: Request<v1::CheckStoreRequest>,
    ) -> Result<Response<v1::CheckStoreResponse>, Status> {
        let check = |planner: &Planner, work: &Work<'_>| planner.check_all(work);
        let found = self.0.heavy(Lane::Draw, |_| {}, check).await?;
        Ok(Response::new(v1::CheckStoreResponse {
            entries: found.entries,
            records: found.records,
            segments: found.segments.0,
            segment_bytes: found.segments.1,
            decoded: found.decoded,
        }))
    }

    async fn explain_unit(
        &self,
        request: Request<v1::ExplainUnitRequest>,
    ) -> Result<Response<v1::ExplainUnitResponse>, Status> {
        let caller = Caller::of(&request);
        let v1::ExplainUnitRequest { plan, enterprise_id, product_id, county } =
            request.into_inner();
        let id = required("plan", convert::plan_id(&plan))?.to_owned();
        if enterprise_id.is_empty() {
            return Err(errors::field("enterprise_id", "is required"));
        }
        // A frame that is not at hand is read from the disk, a hundred megabytes or so.
        let explain = move |planner: &Planner, _: &Work<'_>| {
            let product = Some(product_id.as_str()).filter(|product| !product.is_empty());
            let county = Some(county.as_str()).filter(|county| !county.is_empty());
            planner.explain(&id, &enterprise_id, product, county)
        };
        let found = self.0.heavy(Lane::Draw, |_| {}, explain).await?;
        if caller.territory().is_some() {
            let rows = found.units.iter().map(|unit| unit.proof.as_ref().map(|p| &p.county.code));
            let absent = found.absence.as_ref().map(|absence| Some(&absence.county));
            for code in rows.chain(absent) {
                match code.and_then(|code| code.parse().ok()) {
                    Some(code) => caller.need_territory(code)?,
                    None => return Err(errors::forbidden("see another territory")),
                }
            }
        }
        // Texts and numbers, written into memory: nothing of this can fail.
        let explanation = serde_json::to_string(&found).unwrap_or_default();
        Ok(Response::new(v1::ExplainUnitResponse { explanation }))
    }

    async fn test_draws(
        &self,
        request: Request<v1::TestDrawsRequest>,
    ) -> Result<Response<v1::TestDrawsResponse>, Status> {
        let request = request.into_inner();
        let id = required("name", convert::plan_id(&request.name))?.to_owned();
        let draws = if request.draws == 0 { 1_000 } else { request.draws };
        let alpha = if request.alpha == 0.0 { 1e-6 } else { request.alpha };
        if !(2..=DRAWS_MAX).contains(&draws) {
            return Err(errors::field("draws", &format!("must be 2 to {DRAWS_MAX}")));
        }
        // What is no number fails this, too.
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(errors::field("alpha", "must be above 0 and below 1"));
        }
        let test =
            move |planner: &Planner, work: &Work<'_>| planner.selftest(&id, draws, alpha, work);
        let found = self.0.heavy(Lane::Draw, |_| {}, test).await?;
        Ok(Response::new(convert::tested(&found)))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let old_size = request.into_inner().old_size;
        let outside = || errors::field("old_size", "must be at most the size of the log");
        let proof = self.0.planner().consistency_proof(old_size).ok_or_else(outside)?;
        Ok(Response::new(v1::GetConsistencyProofResponse {
            old_size,
            old_root: proof.old_root.to_string(),
            size: proof.size,
            root: proof.root.to_string(),
            proof: texts(&proof.proof),
            checkpoint: proof.checkpoint,
        }))
    }
}
