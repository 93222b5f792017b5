//! The audit service: the log, its signed head, and proofs.

use tonic::{Code, Request, Response, Status};

use super::v1::audit_service_server::AuditService;
use super::work::Desk;
use super::{errors, pages, v1};
use crate::model::Digest;

pub(super) struct Handler(pub Desk);

fn empty() -> Status {
    errors::simple(Code::NotFound, "EMPTY_LOG", "the log has no entry yet")
}

fn texts(proof: &[Digest]) -> Vec<String> {
    proof.iter().map(Digest::to_string).collect()
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
