//! The plan service: drawing, showing, exporting and checking plans.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::frames::policy;
use super::identity::{Caller, Right};
use super::lists::{self, LineFilter, LineView};
use super::planner::{Drawn, PlanRequest, Planner, Source};
use super::registry::{next, now, required};
use super::v1::plan_service_server::PlanService;
use super::v1::{self, create_plan_request, draw_plan_response::Event, verify_plan_request};
use super::work::{Answers, Desk, Lane, by_deadline};
use super::{convert, errors, pages, telemetry};
use crate::audit;
use crate::plan::Document;
use crate::service::limits::{EXPORT_BYTES, VERIFY_BYTES_MAX};

pub(super) struct Handler(pub Desk);

/// What a plan is drawn from, or a check made on: a policy on a revision, or a frame.
pub(super) fn drawn_from(
    source: Option<create_plan_request::Source>,
    revision: &str,
) -> Result<Source, Status> {
    let number = required("revision", convert::revision_number(revision))?;
    match source {
        Some(create_plan_request::Source::Policy(message)) => {
            Ok(Source::Policy { policy: Box::new(policy(Some(message))?), revision: number })
        }
        Some(create_plan_request::Source::Frame(name)) if revision.is_empty() => {
            Ok(Source::Frame(required("frame", convert::frame_digest(&name))?))
        }
        Some(create_plan_request::Source::Frame(_)) => {
            Err(errors::field("revision", "must be empty where a frame is given"))
        }
        None => Err(errors::field("policy", "a policy or a frame is required")),
    }
}

fn plan_request(request: v1::CreatePlanRequest, caller: &Caller) -> Result<PlanRequest, Status> {
    let source = drawn_from(request.source, &request.revision)?;
    let supersedes = plan_or_freeze("supersedes", &request.supersedes)?;
    let v1::CreatePlanRequest { seed_text, reason, request_id, .. } = request;
    let actor = caller.actor().to_owned();
    Ok(PlanRequest { source, seed_text, supersedes, reason, actor, request_id, now: now() })
}

fn created(drawn: Drawn) -> v1::CreatePlanResponse {
    let existing = drawn.existing;
    tracing::info!(plan = %drawn.record.id, existing, "planned");
    if !existing {
        telemetry::plan_drawn();
    }
    v1::CreatePlanResponse { plan: Some(convert::plan(drawn.record)), existing }
}

/// A plan as a caller may see it: the seed belongs to who may see the whole plan.
fn shown(record: super::planner::PlanRecord, caller: &Caller) -> v1::Plan {
    let mut plan = convert::plan(record);
    if !caller.may(Right::Whole)
        && let Some(seed) = &mut plan.seed
    {
        seed.text.clear();
        seed.share.clear();
        seed.digest.clear();
    }
    plan
}

/// The name of a plan or of a frozen record; none if it is empty.
pub(super) fn plan_or_freeze(field: &'static str, name: &str) -> Result<Option<String>, Status> {
    if name.is_empty() {
        return Ok(None);
    }
    let freeze = convert::freeze_id(name).ok().map(str::to_owned);
    match freeze {
        Some(freeze) => Ok(Some(freeze)),
        None => Ok(Some(required(field, convert::plan_id(name))?.to_owned())),
    }
}

impl Handler {
    async fn document(&self, name: &str) -> Result<Arc<Document>, Status> {
        let id = required("plan", convert::plan_id(name))?.to_owned();
        match self.0.planner().document_at_hand(&id) {
            Some(document) => Ok(document),
            None => self.0.light(move |planner| planner.document(&id)).await,
        }
    }

    /// The bytes of the plan file to check.
    async fn received(
        &self,
        mut stream: Streaming<v1::VerifyPlanRequest>,
    ) -> Result<Vec<u8>, Status> {
        use verify_plan_request::Source;
        let mut bytes = Vec::new();
        let mut named = false;
        while let Some(message) = next(&mut stream, self.0.idle()).await? {
            match message.source {
                Some(Source::Name(name)) if !named && bytes.is_empty() => {
                    let id = required("name", convert::plan_id(&name))?.to_owned();
                    bytes = self.0.light(move |planner| planner.document_bytes(&id)).await?;
                    named = true;
                }
                Some(Source::Data(data)) if !named => {
                    if bytes.len() + data.len() > VERIFY_BYTES_MAX {
                        return Err(errors::field("data", "a plan file of at most 1 GiB"));
                    }
                    bytes.extend_from_slice(&data);
                }
                _ => return Err(errors::field("source", "one name, or only data")),
            }
        }
        if bytes.is_empty() {
            return Err(errors::field("source", "is required"));
        }
        Ok(bytes)
    }
}

#[tonic::async_trait]
impl PlanService for Handler {
    async fn create_plan(
        &self,
        request: Request<v1::CreatePlanRequest>,
    ) -> Result<Response<v1::CreatePlanResponse>, Status> {
        let caller = Caller::of(&request);
        let request = plan_request(request.into_inner(), &caller)?;
        let drawing =
            self.0.heavy(Lane::Draw, |_| {}, move |planner, work| planner.plan(&request, work));
        Ok(Response::new(created(drawing.await?)))
    }

    type DrawPlanStream = Answers<v1::DrawPlanResponse>;

    async fn draw_plan(
        &self,
        request: Request<v1::DrawPlanRequest>,
    ) -> Result<Response<Self::DrawPlanStream>, Status> {
        let caller = Caller::of(&request);
        let (metadata, _, request) = request.into_parts();
        let request = request.create.ok_or_else(|| errors::field("create", "is required"))?;
        let request = plan_request(request, &caller)?;
        // More than there are stages, so that none waits for the client.
        let (sender, receiver) = mpsc::channel(64);
        let stages = sender.clone();
        let progress = move |stage: &'static str| {
            let event = Some(Event::Stage(stage.to_owned()));
            let _ = stages.try_send(Ok(v1::DrawPlanResponse { event }));
        };
        let desk = self.0.clone();
        let draw = async move {
            let drawing =
                desk.heavy(Lane::Draw, progress, move |planner, work| planner.plan(&request, work));
            let drawn = tokio::select! {
                drawn = by_deadline(metadata.as_ref(), drawing) => drawn,
                // Nobody listens any more: dropping the work tells it to stop.
                () = sender.closed() => return,
            };
            let answer = drawn
                .map(|drawn| v1::DrawPlanResponse { event: Some(Event::Created(created(drawn))) });
            let _ = sender.send(answer).await;
        };
        tokio::spawn(telemetry::carried(draw));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn check_feasibility(
        &self,
        request: Request<v1::CheckFeasibilityRequest>,
    ) -> Result<Response<v1::CheckFeasibilityResponse>, Status> {
        use v1::check_feasibility_request::Source as Given;
        let request = request.into_inner();
        let given = request.source.map(|source| match source {
            Given::Policy(policy) => create_plan_request::Source::Policy(policy),
            Given::Frame(frame) => create_plan_request::Source::Frame(frame),
        });
        let source = drawn_from(given, &request.revision)?;
        let checking = self.0.heavy(
            Lane::Draw,
            |_| {},
            move |planner, work| planner.feasibility(&source, work),
        );
        let answer = checking.await?;
        Ok(Response::new(convert::feasibility(&answer)))
    }

    async fn get_plan(
        &self,
        request: Request<v1::GetPlanRequest>,
    ) -> Result<Response<v1::GetPlanResponse>, Status> {
        let caller = Caller::of(&request);
        let name = request.into_inner().name;
        let id = required("name", convert::plan_id(&name))?.to_owned();
        let record = match self.0.planner().plan_record_at_hand(&id) {
            Some(record) => record,
            None => self.0.light(move |planner| planner.plan_record(&id)).await?,
        };
        Ok(Response::new(v1::GetPlanResponse { plan: Some(shown(record, &caller)) }))
    }

    async fn list_plans(
        &self,
        request: Request<v1::ListPlansRequest>,
    ) -> Result<Response<v1::ListPlansResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let size = pages::size(request.page_size)?;
        let list = pages::List::new(&["plans", &request.policy_id]);
        let after = list.after(&request.page_token)?.unwrap_or_default();
        let policy = request.policy_id;
        let found = self.0.light(move |planner| match policy.as_str() {
            "" => planner.plans(&after, size + 1),
            policy => planner.plans_of(policy, &after, size + 1),
        });
        let mut records = found.await?;
        let more = pages::cut(&mut records, size);
        let last = records.last().filter(|_| more);
        let next_page_token = last.map(|last| list.token(&last.id)).unwrap_or_default();
        let plans = records.into_iter().map(|record| shown(record, &caller)).collect();
        Ok(Response::new(v1::ListPlansResponse { plans, next_page_token }))
    }

    async fn list_plan_lines(
        &self,
        request: Request<v1::ListPlanLinesRequest>,
    ) -> Result<Response<v1::ListPlanLinesResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let document = self.document(&request.plan).await?;
        let view = LineView::new(&caller, &document);
        lists::lines(&document, &request, &view).map(Response::new)
    }

    type StreamPlanLinesStream = Answers<v1::StreamPlanLinesResponse>;

    async fn stream_plan_lines(
        &self,
        request: Request<v1::StreamPlanLinesRequest>,
    ) -> Result<Response<Self::StreamPlanLinesStream>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let filter = LineFilter::new(request.filter)?;
        let document = self.document(&request.plan).await?;
        let view = LineView::new(&caller, &document);
        let chunks = lists::line_chunks(document, filter, view);
        Ok(Response::new(self.0.answers(chunks.map(Ok))))
    }

    async fn list_allocation(
        &self,
        request: Request<v1::ListAllocationRequest>,
    ) -> Result<Response<v1::ListAllocationResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let document = self.document(&request.plan).await?;
        lists::allocation(&document, &request, &caller).map(Response::new)
    }

    async fn get_compliance(
        &self,
        request: Request<v1::GetComplianceRequest>,
    ) -> Result<Response<v1::GetComplianceResponse>, Status> {
        let request = request.into_inner();
        let document = self.document(&request.plan).await?;
        lists::compliance(&document, &request).map(Response::new)
    }

    type ExportPlanStream = Answers<v1::ExportPlanResponse>;

    async fn export_plan(
        &self,
        request: Request<v1::ExportPlanRequest>,
    ) -> Result<Response<Self::ExportPlanStream>, Status> {
        let name = request.into_inner().name;
        let id = required("name", convert::plan_id(&name))?.to_owned();
        let place = self.0.export_place().await?;
        let (digest, bytes) = self.0.light(move |planner| planner.found_document(&id)).await?;
        let bytes = Arc::new(bytes);
        let chunk = move |bytes: &[u8], number: usize| {
            let from = number * EXPORT_BYTES;
            let first = number == 0;
            v1::ExportPlanResponse {
                data: bytes[from..bytes.len().min(from + EXPORT_BYTES)].to_vec(),
                document_bytes: if first { bytes.len() as u64 } else { 0 },
                document_digest: if first { digest.to_string() } else { String::new() },
            }
        };
        let last_number = bytes.len().div_ceil(EXPORT_BYTES).saturating_sub(1);
        // Checked while they are on their way; the last of them only go if all are whole.
        let (sender, last) = mpsc::channel(1);
        let (desk, found) = (self.0.clone(), Arc::clone(&bytes));
        tokio::spawn(telemetry::carried(async move {
            let check = move |planner: &Planner| {
                planner.check_found(&digest, &found)?;
                Ok(chunk(&found, last_number))
            };
            // Who does not wait any more needs no answer.
            let _ = sender.send(desk.light(check).await).await;
        }));
        let chunks = (0..last_number).map(move |number| {
            // Held as long as the stream is, like the bytes.
            let _place = &place;
            Ok(chunk(&bytes, number))
        });
        Ok(Response::new(Box::pin(self.0.answers(chunks).chain(ReceiverStream::new(last)))))
    }

    async fn regenerate_plan(
        &self,
        request: Request<v1::RegeneratePlanRequest>,
    ) -> Result<Response<v1::RegeneratePlanResponse>, Status> {
        let id = required("name", convert::plan_id(&request.into_inner().name))?.to_owned();
        let drawing =
            self.0.heavy(Lane::Draw, |_| {}, move |planner, work| planner.regenerate(&id, work));
        let again = drawing.await?;
        Ok(Response::new(v1::RegeneratePlanResponse {
            same: again.same,
            difference: again.difference.unwrap_or_default(),
            lines: again.lines,
        }))
    }

    async fn verify_plan(
        &self,
        request: Request<Streaming<v1::VerifyPlanRequest>>,
    ) -> Result<Response<v1::VerifyPlanResponse>, Status> {
        let bytes = self.received(request.into_inner()).await?;
        let report =
            self.0.heavy(Lane::Draw, |_| {}, move |_, _| Ok(audit::verify(&bytes))).await?;
        Ok(Response::new(convert::verification(report)))
    }
}
