//! The frame service: freezing, and what a frame leaves out.

use tonic::{Request, Response, Status};

use super::identity::Caller;
use super::registry::{now, required};
use super::v1::frame_service_server::FrameService;
use super::work::{Desk, Lane};
use super::{convert, errors, pages, v1};
use crate::policy::Policy;

pub(super) struct Handler(pub Desk);

/// The checked policy of a message.
pub(super) fn policy(message: Option<v1::Policy>) -> Result<Policy, Status> {
    let message = message.ok_or_else(|| errors::field("policy", "is required"))?;
    convert::draft(message).check().map_err(|found| errors::bad_policy(&found))
}

#[tonic::async_trait]
impl FrameService for Handler {
    async fn freeze_frame(
        &self,
        request: Request<v1::FreezeFrameRequest>,
    ) -> Result<Response<v1::FreezeFrameResponse>, Status> {
        let request = request.into_inner();
        let policy = policy(request.policy)?;
        let revision = required("revision", convert::revision_number(&request.revision))?;
        let id = request.request_id;
        let freezing = self.0.heavy(
            Lane::Draw,
            |_| {},
            move |planner, work| {
                work.stage("frame")?;
                planner.freeze(&policy, revision, &id, now())
            },
        );
        let record = freezing.await?;
        Ok(Response::new(v1::FreezeFrameResponse { frame: Some(convert::frame(record)) }))
    }

    async fn get_frame(
        &self,
        request: Request<v1::GetFrameRequest>,
    ) -> Result<Response<v1::GetFrameResponse>, Status> {
        let digest = required("name", convert::frame_digest(&request.into_inner().name))?;
        let record = self.0.light(move |planner| planner.frame_record(&digest)).await?;
        Ok(Response::new(v1::GetFrameResponse { frame: Some(convert::frame(record)) }))
    }

    async fn list_frames(
        &self,
        request: Request<v1::ListFramesRequest>,
    ) -> Result<Response<v1::ListFramesResponse>, Status> {
        let request = request.into_inner();
        let size = pages::size(request.page_size)?;
        let list = pages::List::new(&["frames"]);
        let after = list.after(&request.page_token)?.map(|key| key.parse()).transpose();
        let after = after.map_err(|_| errors::field("page_token", "is none"))?;
        let found = self.0.light(move |planner| planner.frames(after.as_ref(), size + 1));
        let mut records = found.await?;
        let more = pages::cut(&mut records, size);
        let last = records.last().filter(|_| more);
        let next_page_token =
            last.map(|last| list.token(&last.digest.to_string())).unwrap_or_default();
        let frames = records.into_iter().map(convert::frame).collect();
        Ok(Response::new(v1::ListFramesResponse { frames, next_page_token }))
    }

    async fn list_exclusions(
        &self,
        request: Request<v1::ListExclusionsRequest>,
    ) -> Result<Response<v1::ListExclusionsResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let digest = required("frame", convert::frame_digest(&request.frame))?;
        let size = pages::size(request.page_size)?;
        let list = pages::List::new(&["exclusions", &request.frame, &request.reason]);
        let start = list.after_number(&request.page_token)?.unwrap_or(0);
        let reason = request.reason;
        let page = self.0.light(move |planner| {
            let frame = planner.frame(&digest)?;
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let rows = frame.exclusions.iter().enumerate().skip(start);
            // A row without a county is nobody's part.
            let own = |at: usize| {
                let county = frame.counties.get(frame.exclusions.county[at] as usize);
                county.map_or(caller.territory().is_none(), |code| caller.covers(*code))
            };
            let wanted =
                rows.filter(|(at, row)| (reason.is_empty() || row.2 == reason) && own(*at));
            let found = wanted.take(size + 1).map(|(at, row)| (at + 1, convert::exclusion(row)));
            Ok(found.collect::<Vec<_>>())
        });
        let mut rows = page.await?;
        let more = pages::cut(&mut rows, size);
        let last = rows.last().filter(|_| more);
        let next_page_token = last.map(|(at, _)| list.token(&at.to_string())).unwrap_or_default();
        let exclusions = rows.into_iter().map(|(_, row)| row).collect();
        Ok(Response::new(v1::ListExclusionsResponse { exclusions, next_page_token }))
    }
}
