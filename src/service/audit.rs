//! The audit service: the log, its signed head, and proofs.

use tonic::{Code, Request, Response, Status};

use super::v1::audit_service_server::AuditService;
use super::work::Desk;
use super::{errors, pages, v1};
use crate::audit::log::Ledger;
use crate::model::{Digest, merkle};

pub(super) struct Handler(pub Desk);

fn empty() -> Status {
    errors::simple(Code::NotFound, "EMPTY_LOG", "the log has no entry yet")
}

/// The leaves of the log when it had so many entries; 0 for now.
fn leaves<'a>(ledger: &'a Ledger, field: &str, size: u64) -> Result<&'a [Digest], Status> {
    let all = ledger.leaves();
    let wanted = if size == 0 { all.len() } else { usize::try_from(size).unwrap_or(usize::MAX) };
    let outside = || errors::field(field, &format!("must be at most {}", all.len()));
    all.get(..wanted).ok_or_else(outside)
}

fn texts(proof: &[Digest]) -> Vec<String> {
    proof.iter().map(Digest::to_string).collect()
}

impl Handler {
    fn head(&self) -> Result<(Ledger, String), Status> {
        let planner = self.0.planner();
        // In this order: a head that is newer than the ledger would not cover it.
        let checkpoint = planner.checkpoint().ok_or_else(empty)?;
        Ok((planner.ledger(), checkpoint))
    }
}

#[tonic::async_trait]
impl AuditService for Handler {
    async fn get_checkpoint(
        &self,
        _: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let (ledger, checkpoint) = self.head()?;
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
        let v1::GetInclusionProofRequest { sequence, size } = request.into_inner();
        let (ledger, checkpoint) = self.head()?;
        let leaves = leaves(&ledger, "size", size)?;
        let index = usize::try_from(sequence).unwrap_or(usize::MAX);
        let Some(proof) = merkle::inclusion(leaves, index) else {
            let rule = format!("must be below {}", leaves.len());
            return Err(errors::field("sequence", &rule));
        };
        let entry = self.0.light(move |planner| planner.log_entries(sequence, 1)).await?;
        let entry = entry.first().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Ok(Response::new(v1::GetInclusionProofResponse {
            entry: entry.unwrap_or_default(),
            sequence,
            size: leaves.len() as u64,
            root: merkle::root(leaves).to_string(),
            proof: texts(&proof),
            checkpoint,
        }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let v1::GetConsistencyProofRequest { old_size, size } = request.into_inner();
        let (ledger, checkpoint) = self.head()?;
        let leaves = leaves(&ledger, "size", size)?;
        let old = usize::try_from(old_size).unwrap_or(usize::MAX);
        let Some(proof) = merkle::consistency(leaves, old) else {
            let rule = format!("must be at most {}", leaves.len());
            return Err(errors::field("old_size", &rule));
        };
        Ok(Response::new(v1::GetConsistencyProofResponse {
            old_size,
            old_root: merkle::root(&leaves[..old]).to_string(),
            size: leaves.len() as u64,
            root: merkle::root(leaves).to_string(),
            proof: texts(&proof),
            checkpoint,
        }))
    }
}
