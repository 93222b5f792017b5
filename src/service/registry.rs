//! The registry service: streamed imports, and revisions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::limits::IMPORT_QUEUE;
use super::planner::{Begun, ImportOrder, ImportTicket, Imported, PlannerError};
use super::v1::registry_service_server::RegistryService;
use super::v1::{self, import_request::Part};
use super::work::{Desk, Lane, late};
use super::{convert, errors, pages, telemetry};
use crate::registry::Import;

pub(super) struct Handler(pub Desk);

/// The present, in seconds since 1970-01-01T00:00:00Z.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// The next message of a client's stream, if it comes in time.
pub(super) async fn next<T>(
    stream: &mut Streaming<T>,
    idle: Duration,
) -> Result<Option<T>, Status> {
    match tokio::time::timeout(idle, stream.message()).await {
        Ok(message) => message,
        Err(_) => Err(late()),
    }
}

/// What the connection hands to the import.
enum Step {
    Rows(v1::ImportRows),
    /// The client has sent all; without this step the import is given up.
    End,
}

impl Handler {
    async fn run(&self, mut stream: Streaming<v1::ImportRequest>) -> Result<Imported, Status> {
        let Some(v1::ImportRequest { part: Some(Part::Header(header)) }) =
            next(&mut stream, self.0.idle()).await?
        else {
            return Err(errors::field("header", "must be in the first message"));
        };
        let bad = |name| move |description| errors::field(name, description);
        let scheme = convert::id_scheme(header.id_scheme).map_err(bad("header.id_scheme"))?;
        let mode = convert::import_mode(header.mode).map_err(bad("header.mode"))?;
        let base =
            convert::revision_number(&header.base_revision).map_err(bad("header.base_revision"))?;
        let mut import = Import::new(scheme, mode);
        for table in header.tables {
            import.begin(convert::table(table).map_err(bad("header.tables"))?);
        }
        let order = ImportOrder { mode, base, request_id: header.request_id };
        let ticket = match self.0.light(move |planner| planner.begin_import(&order)).await? {
            Begun::Known(record) => return Ok(Imported { record, unchanged: true }),
            Begun::New(ticket) => ticket,
        };
        self.rows(stream, import, ticket).await
    }

    /// Moves rows from the connection into the import, which runs on a thread of its own.
    async fn rows(
        &self,
        stream: Streaming<v1::ImportRequest>,
        mut import: Import,
        ticket: ImportTicket,
    ) -> Result<Imported, Status> {
        let (sender, mut receiver) = mpsc::channel(IMPORT_QUEUE);
        let importing = self.0.heavy(
            Lane::Import,
            |_| {},
            move |planner, _| loop {
                match receiver.blocking_recv() {
                    Some(Step::Rows(rows)) => convert::push_rows(&mut import, &rows),
                    Some(Step::End) => return planner.finish_import(ticket, import, now()),
                    None => return Err(PlannerError::Cancelled),
                }
            },
        );
        let reading = read_rows(stream, sender, self.0.idle());
        tokio::pin!(importing, reading);
        tokio::select! {
            biased;
            read = &mut reading => read?,
            ended = &mut importing => return ended,
        }
        importing.await
    }
}

/// Hands on all rows, and the end once the client has said that this was all.
async fn read_rows(
    mut stream: Streaming<v1::ImportRequest>,
    sender: mpsc::Sender<Step>,
    idle: Duration,
) -> Result<(), Status> {
    let mut sent = 0;
    while let Some(message) = next(&mut stream, idle).await? {
        let step = match message.part {
            Some(Part::Rows(rows)) => {
                let count = convert::row_count(&rows);
                telemetry::rows_arrived(count);
                sent += count;
                Step::Rows(rows)
            }
            Some(Part::End(end)) if end.rows == sent => {
                if next(&mut stream, idle).await?.is_some() {
                    return Err(errors::field("end", "must be in the last message"));
                }
                Step::End
            }
            Some(Part::End(end)) => {
                let counted = format!("says {} rows, but {sent} arrived", end.rows);
                return Err(errors::field("end.rows", &counted));
            }
            Some(Part::Header(_)) | None => {
                return Err(errors::field("rows", "must be in every message between the ends"));
            }
        };
        let end = matches!(step, Step::End);
        // Fails only if the import has ended, which then says why.
        if sender.send(step).await.is_err() || end {
            return Ok(());
        }
    }
    Err(errors::field("end", "must be in the last message: the rows broke off"))
}

#[tonic::async_trait]
impl RegistryService for Handler {
    async fn import(
        &self,
        request: Request<Streaming<v1::ImportRequest>>,
    ) -> Result<Response<v1::ImportResponse>, Status> {
        let imported = self.run(request.into_inner()).await?;
        let revision = convert::revision(&imported.record);
        tracing::info!(revision = %revision.name, unchanged = imported.unchanged, "imported");
        let unchanged = imported.unchanged;
        Ok(Response::new(v1::ImportResponse { revision: Some(revision), unchanged }))
    }

    async fn get_revision(
        &self,
        request: Request<v1::GetRevisionRequest>,
    ) -> Result<Response<v1::GetRevisionResponse>, Status> {
        let name = request.into_inner().name;
        if name.is_empty() {
            return Err(errors::field("name", "is required"));
        }
        let number = convert::revision_number(&name).map_err(|d| errors::field("name", d))?;
        let record = self.0.light(move |planner| match number {
            Some(number) => planner.revision(number),
            None => planner.latest_revision(),
        });
        let revision = convert::revision(&record.await?);
        Ok(Response::new(v1::GetRevisionResponse { revision: Some(revision) }))
    }

    async fn list_revisions(
        &self,
        request: Request<v1::ListRevisionsRequest>,
    ) -> Result<Response<v1::ListRevisionsResponse>, Status> {
        let request = request.into_inner();
        let size = pages::size(request.page_size)?;
        let list = pages::List::new(&["revisions"]);
        let before = list.after_number(&request.page_token)?;
        let found = self.0.light(move |planner| planner.revisions(before, size + 1));
        let mut records = found.await?;
        let more = pages::cut(&mut records, size);
        let last = records.last().filter(|_| more);
        let next_page_token =
            last.map(|last| list.token(&last.number.to_string())).unwrap_or_default();
        let revisions = records.iter().map(convert::revision).collect();
        Ok(Response::new(v1::ListRevisionsResponse { revisions, next_page_token }))
    }
}

/// A resource name that must be given.
pub(super) fn required<T>(
    name: &'static str,
    read: Result<T, convert::Misnamed>,
) -> Result<T, Status> {
    read.map_err(|description| errors::field(name, description))
}
