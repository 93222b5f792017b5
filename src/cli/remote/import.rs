//! Files into a stream of rows.
//!
//! A thread reads the files and a task sends what it read; a bounded channel between them keeps
//! memory small whatever the size of the files. The last message is what makes an import real:
//! it is sent only when every file was read to its end, so a file that turns out to be wrong, or
//! a reader that dies, leaves nothing behind.

use std::thread;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::status::failure;
use crate::cli::backend::ImportOrder;
use crate::cli::convert::{add_row, import_end, import_header, import_rows};
use crate::cli::failure::Failure;
use crate::cli::files::CsvFile;
use crate::cli::progress::Progress;
use crate::registry::limits::REPORT_ROWS_MAX;
use crate::registry::{ReadError, Report, Table, read_rows};
use crate::service::v1;
use v1::registry_service_client::RegistryServiceClient;

/// Bytes of a message: far below the limit of 4 MiB even with the longest record on top.
const MESSAGE_BYTES: usize = 256 << 10;
/// Rows of a message: more make it no faster, and a report of bad rows comes no later.
const MESSAGE_ROWS: usize = 2_000;
/// Messages read ahead.
const AHEAD: usize = 4;

/// Runs the import; returns the server's answer.
pub(super) fn run(
    runtime: &Runtime,
    mut client: RegistryServiceClient<super::Link>,
    order: &ImportOrder,
    files: &[CsvFile],
    progress: &Progress,
) -> Result<v1::ImportResponse, Failure> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (tell, told) = oneshot::channel();
    // Dropped when the call is over. The receiver of rows is no sign of that: it belongs to a
    // task of the connection, which does not run any more by then.
    let (running, ended) = watch::channel(());
    let link = Link { sender, ended, handle: runtime.handle().clone() };
    thread::scope(|scope| {
        scope.spawn(move || {
            let read = read_all(&link, order, files, progress);
            // Nobody listens any more if the call has ended.
            let _ = tell.send(read);
        });
        runtime.block_on(async move {
            let _running = running;
            let call = client.import(ReceiverStream::new(receiver));
            tokio::pin!(call, told);
            let mut reading = true;
            loop {
                tokio::select! {
                    biased;
                    read = &mut told, if reading => {
                        reading = false;
                        match read {
                            Ok(Err(Stopped::File(failure))) => return Err(failure),
                            Ok(Ok(()) | Err(Stopped::CallEnded)) => {}
                            Err(_) => return Err(Failure::other("the reader of files stopped")),
                        }
                    }
                    answer = &mut call => {
                        return answer.map(tonic::Response::into_inner).map_err(|s| failure(&s));
                    }
                }
            }
        })
    })
}

/// Why reading ended before the end.
enum Stopped {
    /// A file is wrong.
    File(Failure),
    /// The call has ended; its status says why.
    CallEnded,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Stopped::File(failure)
    }
}

/// The reader's end of the stream.
struct Link {
    sender: mpsc::Sender<v1::ImportRequest>,
    ended: watch::Receiver<()>,
    handle: Handle,
}

impl Link {
    /// Sends a message, waiting for room.
    fn send(&self, message: v1::ImportRequest) -> Result<(), Stopped> {
        let mut ended = self.ended.clone();
        self.handle.block_on(async {
            tokio::select! {
                sent = self.sender.send(message) => sent.map_err(|_| Stopped::CallEnded),
                _ = ended.changed() => Err(Stopped::CallEnded),
            }
        })
    }
}

fn read_all(
    link: &Link,
    order: &ImportOrder,
    files: &[CsvFile],
    progress: &Progress,
) -> Result<(), Stopped> {
    let tables: Vec<Table> = files.iter().map(|file| file.table).collect();
    link.send(import_header(order, &tables))?;
    let (mut bad, mut rows) = (Report::default(), 0);
    for file in files {
        let reader = progress.reading(file.table.file_name(), file.bytes, file.open()?);
        let mut batch = Batch::default();
        let read = read_rows(file.table, order.mode, reader, &mut |row, input| {
            batch.bytes += add_row(&mut batch.rows, row, &input);
            batch.count += 1;
            rows += 1;
            if batch.bytes < MESSAGE_BYTES && batch.count < MESSAGE_ROWS {
                return Ok(());
            }
            link.send(import_rows(std::mem::take(&mut batch).rows))
        });
        match read {
            Ok(read) => {
                bad.count += read.bad.count;
                bad.rows.extend(read.bad.rows);
                bad.rows.truncate(REPORT_ROWS_MAX);
            }
            Err(ReadError::Csv(error)) => return Err(Failure::input(error).into()),
            Err(ReadError::Sink(stopped)) => return Err(stopped),
        }
        if batch.count > 0 {
            link.send(import_rows(batch.rows))?;
        }
    }
    progress.done();
    if !bad.is_empty() {
        return Err(crate::cli::import::bad_rows(&bad).into());
    }
    progress.stage("checking and storing");
    link.send(import_end(rows))
}

/// Rows on their way into a message.
#[derive(Default)]
struct Batch {
    rows: v1::ImportRows,
    bytes: usize,
    count: usize,
}
