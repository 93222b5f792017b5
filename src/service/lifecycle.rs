//! The lifecycle service: plans step by step.

use tonic::{Request, Response, Status};

use super::identity::Caller;
use super::planner::{Asked, FreezeRequest, Planner, ReplaceRequest};
use super::plans::{drawn_from, plan_or_freeze};
use super::registry::{now, required};
use super::v1::lifecycle_service_server::LifecycleService;
use super::v1::{self, create_plan_request, freeze_plan_request};
use super::work::{Desk, Lane};
use super::{convert, errors, pages, telemetry};
use crate::draw::SeedSource;
use crate::model::Work;

pub(super) struct Handler(pub Desk);

/// Who asks for a step, and on what terms.
struct Terms {
    caller: Caller,
    request_id: String,
    etag: String,
}

impl Terms {
    fn asked(&self) -> Asked<'_> {
        Asked {
            actor: self.caller.actor(),
            request_id: &self.request_id,
            etag: &self.etag,
            now: now(),
        }
    }
}

fn freeze_id(name: &str) -> Result<String, Status> {
    Ok(required("name", convert::freeze_id(name))?.to_owned())
}

fn freeze_request(
    request: v1::FreezePlanRequest,
    caller: &Caller,
) -> Result<FreezeRequest, Status> {
    use freeze_plan_request::Source as Given;
    let given = request.source.map(|source| match source {
        Given::Policy(policy) => create_plan_request::Source::Policy(policy),
        Given::Frame(frame) => create_plan_request::Source::Frame(frame),
    });
    Ok(FreezeRequest {
        source: drawn_from(given, &request.revision)?,
        seed: required("terms", convert::seed_plan(request.terms))?,
        predecessor: plan_or_freeze("predecessor", &request.predecessor)?,
        reason: request.reason,
        actor: caller.actor().to_owned(),
        request_id: request.request_id,
        now: now(),
    })
}

#[tonic::async_trait]
impl LifecycleService for Handler {
    async fn freeze_plan(
        &self,
        request: Request<v1::FreezePlanRequest>,
    ) -> Result<Response<v1::FreezePlanResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let request = freeze_request(request, &caller)?;
        let freezing = self.0.heavy(
            Lane::Draw,
            |_| {},
            move |planner, work| planner.freeze_plan(&request, work),
        );
        let frozen = freezing.await?;
        tracing::info!(freeze = %frozen.record.name, "frozen");
        let frozen_plan = Some(convert::frozen_plan(frozen));
        Ok(Response::new(v1::FreezePlanResponse { frozen_plan }))
    }

    async fn seed_plan(
        &self,
        request: Request<v1::SeedPlanRequest>,
    ) -> Result<Response<v1::SeedPlanResponse>, Status> {
        let caller = Caller::of(&request);
        let v1::SeedPlanRequest { name, value, share, request_id, etag } = request.into_inner();
        let name = freeze_id(&name)?;
        let terms = Terms { caller, request_id, etag };
        let seeding = self.0.light(move |planner| {
            let source = planner.frozen(&name)?.record.terms.source();
            let seed = match (source, value.is_empty()) {
                ("system", true) => None,
                _ => Some(SeedSource::from_parts(source, &value, &share)?),
            };
            planner.seed_plan(&name, seed, &terms.asked())
        });
        let frozen = seeding.await?;
        tracing::info!(freeze = %frozen.record.name, "seeded");
        let frozen_plan = Some(convert::frozen_plan(frozen));
        Ok(Response::new(v1::SeedPlanResponse { frozen_plan }))
    }

    async fn draw_frozen_plan(
        &self,
        request: Request<v1::DrawFrozenPlanRequest>,
    ) -> Result<Response<v1::DrawFrozenPlanResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let name = freeze_id(&request.name)?;
        let terms = Terms { caller, request_id: request.request_id, etag: request.etag };
        let drawing = self.0.heavy(
            Lane::Draw,
            |_| {},
            move |planner, work| planner.draw_plan(&name, &terms.asked(), work),
        );
        let drawn = drawing.await?;
        let existing = drawn.existing;
        tracing::info!(plan = %drawn.record.id, existing, "drawn");
        if !existing {
            telemetry::plan_drawn();
        }
        let plan = Some(convert::plan(drawn.record));
        Ok(Response::new(v1::DrawFrozenPlanResponse { plan, existing }))
    }

    async fn issue_plan(
        &self,
        request: Request<v1::IssuePlanRequest>,
    ) -> Result<Response<v1::IssuePlanResponse>, Status> {
        let caller = Caller::of(&request);
        let v1::IssuePlanRequest { name, request_id, etag } = request.into_inner();
        let id = required("name", convert::plan_id(&name))?.to_owned();
        let terms = Terms { caller, request_id, etag };
        let issuing = self.0.light(move |planner| planner.issue_plan(&id, &terms.asked()));
        let record = issuing.await?;
        tracing::info!(plan = %record.id, "issued");
        Ok(Response::new(v1::IssuePlanResponse { plan: Some(convert::plan(record)) }))
    }

    async fn supersede_plan(
        &self,
        request: Request<v1::SupersedePlanRequest>,
    ) -> Result<Response<v1::SupersedePlanResponse>, Status> {
        let caller = Caller::of(&request);
        let v1::SupersedePlanRequest { name, by, reason, request_id, etag } = request.into_inner();
        let terms = Terms { caller, request_id, etag };
        let id = required("name", convert::plan_id(&name))?.to_owned();
        let by = required("by", convert::plan_id(&by))?.to_owned();
        let ending =
            move |planner: &Planner| planner.supersede_plan(&id, &by, &reason, &terms.asked());
        let record = self.0.light(ending).await?;
        tracing::info!(plan = %record.id, "superseded");
        Ok(Response::new(v1::SupersedePlanResponse { plan: Some(convert::plan(record)) }))
    }

    async fn void_plan(
        &self,
        request: Request<v1::VoidPlanRequest>,
    ) -> Result<Response<v1::VoidPlanResponse>, Status> {
        let caller = Caller::of(&request);
        let v1::VoidPlanRequest { name, reason, request_id, etag } = request.into_inner();
        let terms = Terms { caller, request_id, etag };
        let Some(id) = plan_or_freeze("name", &name)? else {
            return Err(errors::field("name", "is required"));
        };
        let voiding = self.0.light(move |planner| planner.void_plan(&id, &reason, &terms.asked()));
        let frozen = voiding.await?;
        tracing::info!(freeze = %frozen.record.name, "void");
        let frozen_plan = Some(convert::frozen_plan(frozen));
        Ok(Response::new(v1::VoidPlanResponse { frozen_plan }))
    }

    async fn replace_line(
        &self,
        request: Request<v1::ReplaceLineRequest>,
    ) -> Result<Response<v1::ReplaceLineResponse>, Status> {
        let caller = Caller::of(&request);
        let v1::ReplaceLineRequest { name, line, reason, evidence, request_id } =
            request.into_inner();
        let plan = required("name", convert::plan_id(&name))?.to_owned();
        if caller.territory().is_some() {
            let id = plan.clone();
            let read = move |planner: &Planner, _: &Work<'_>| planner.document(&id);
            let document = self.0.heavy(Lane::Draw, |_| {}, read).await?;
            let place = (line as usize).checked_sub(1);
            let own = place.and_then(|place| document.lines.get(place));
            // A line that there is not is refused where lines are looked up.
            own.map_or(Ok(()), |own| caller.need_territory(own.authority))?;
        }
        let (actor, now) = (caller.actor().to_owned(), now());
        let request = ReplaceRequest { plan, line, reason, evidence, actor, request_id, now };
        // The plan may have to be read from the disk.
        let replace = move |planner: &Planner, _: &Work<'_>| planner.replace_line(&request);
        let fallen = self.0.heavy(Lane::Draw, |_| {}, replace).await?;
        tracing::info!(plan = %fallen.record.plan, line = fallen.record.line, "replaced");
        Ok(Response::new(convert::fallen(fallen)))
    }

    async fn list_replacements(
        &self,
        request: Request<v1::ListReplacementsRequest>,
    ) -> Result<Response<v1::ListReplacementsResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let plan = required("name", convert::plan_id(&request.name))?.to_owned();
        let size = pages::size(request.page_size)?;
        let list = pages::List::new(&["replacements", &plan]);
        let after = match list.after(&request.page_token)? {
            Some(text) => Some(text.parse().map_err(|_| errors::field("page_token", "is none"))?),
            None => None,
        };
        let id = plan.clone();
        let found = self.0.light(move |planner| planner.replacements(&id, after, size + 1));
        let mut found = found.await?;
        let more = pages::cut(&mut found, size);
        let last = found.last().filter(|_| more);
        let next_page_token =
            last.map(|(last, _)| list.token(&last.sequence.to_string())).unwrap_or_default();
        if caller.territory().is_some() {
            let read = move |planner: &Planner, _: &Work<'_>| planner.document(&plan);
            let document = self.0.heavy(Lane::Draw, |_| {}, read).await?;
            found.retain(|(record, _)| {
                let line = document.lines.get(record.line as usize - 1);
                line.is_some_and(|line| caller.covers(line.authority))
            });
        }
        let message = |(record, kind)| convert::replacement(record, kind);
        let replacements = found.into_iter().map(message).collect();
        Ok(Response::new(v1::ListReplacementsResponse { replacements, next_page_token }))
    }

    async fn get_plan_standing(
        &self,
        request: Request<v1::GetPlanStandingRequest>,
    ) -> Result<Response<v1::GetPlanStandingResponse>, Status> {
        let plan = required("name", convert::plan_id(&request.into_inner().name))?.to_owned();
        let count = move |planner: &Planner, _: &Work<'_>| planner.plan_standing(&plan);
        let standing = self.0.heavy(Lane::Draw, |_| {}, count).await?;
        Ok(Response::new(convert::standing(standing)))
    }

    async fn get_frozen_plan(
        &self,
        request: Request<v1::GetFrozenPlanRequest>,
    ) -> Result<Response<v1::GetFrozenPlanResponse>, Status> {
        let name = freeze_id(&request.into_inner().name)?;
        let frozen = self.0.light(move |planner| planner.frozen(&name)).await?;
        let frozen_plan = Some(convert::frozen_plan(frozen));
        Ok(Response::new(v1::GetFrozenPlanResponse { frozen_plan }))
    }

    async fn list_frozen_plans(
        &self,
        request: Request<v1::ListFrozenPlansRequest>,
    ) -> Result<Response<v1::ListFrozenPlansResponse>, Status> {
        let request = request.into_inner();
        let size = pages::size(request.page_size)?;
        let list = pages::List::new(&["freezes", &request.policy_id]);
        let after = list.after(&request.page_token)?.unwrap_or_default();
        let policy = request.policy_id;
        let found = self.0.light(move |planner| match policy.as_str() {
            "" => planner.freezes(&after, size + 1),
            policy => planner.freezes_of(policy, &after, size + 1),
        });
        let mut found = found.await?;
        let more = pages::cut(&mut found, size);
        let last = found.last().filter(|_| more);
        let next_page_token = last.map(|last| list.token(&last.record.name)).unwrap_or_default();
        let frozen_plans = found.into_iter().map(convert::frozen_plan).collect();
        Ok(Response::new(v1::ListFrozenPlansResponse { frozen_plans, next_page_token }))
    }
}
