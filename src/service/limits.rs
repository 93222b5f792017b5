//! What the service may not exceed, each bound with its reason.

use std::num::NonZeroU32;
use std::time::Duration;

/// Largest message that is taken in, in bytes: gRPC's usual 4 MiB, so that any client library
/// can be used as it comes.
pub const MESSAGE_BYTES_IN_MAX: usize = 4 << 20;

/// Largest message that is sent, in bytes: the other side's usual limit.
pub const MESSAGE_BYTES_OUT_MAX: usize = 4 << 20;

/// Entries of a page if the request doesn't say.
pub const PAGE_SIZE_DEFAULT: usize = 100;

/// Most entries of a page: a thousand lines are some 400 KiB, far below a message's limit.
pub const PAGE_SIZE_MAX: usize = 1_000;

/// Lines in one message of a stream: some 200 KiB.
pub const STREAM_LINES: usize = 500;

/// Most quota rows that are told of a feasible policy, the tightest first: some 300 KiB.
pub const ROWS_TOLD_MAX: usize = 2_000;

/// Bytes in one message of an exported plan.
pub const EXPORT_BYTES: usize = 256 << 10;

/// Largest plan file that is taken in to be checked, in bytes: twice what a plan of a million
/// lines takes.
pub const VERIFY_BYTES_MAX: usize = 1 << 30;

/// Longest time that a stream may stand still, unless it is set otherwise: what its client has sent so
/// far, or has not fetched yet, takes memory and a turn.
pub const STREAM_IDLE_MAX: Duration = Duration::from_secs(60);

/// Connections at once, unless it is set otherwise: each may take a file and some 100 KiB.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Connections of one address at once, unless it is set otherwise.
pub const CONNECTIONS_PER_CLIENT: usize = 256;

/// Longest time from a connection's start to the end of its greeting, encrypted or not.
pub const OPENING_MAX: Duration = Duration::from_secs(10);

/// Longest silence of a connection: more than a ping and the wait for its answer take together.
pub const SILENCE_MAX: Duration = Duration::from_secs(75);

/// How long no connection is taken after the system could give none.
pub const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Tokens of one address, not known to be good, that are looked at in a second, and at one moment: each may
/// cost the check of a signature, some 100 µs.
pub const NEW_TOKENS_A_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// Freezes, draws and checks that run at once: each may take gigabytes.
pub const HEAVY_AT_ONCE: usize = 2;

/// By how much heavy work stands back behind short calls, in the system's scale of 0 to 19. The policy
/// below all of it (`SCHED_IDLE`) made short calls no faster, and starved a draw beside a compiler.
pub const HEAVY_NICENESS: i32 = 19;

/// Imports that run at once; all but one of them will be refused at their end.
pub const IMPORTS_AT_ONCE: usize = 4;

/// Such calls that may wait for their turn; more are told to come back later.
pub const HEAVY_WAITING_MAX: usize = 32;

/// Plan files that are exported at once: each is in memory as a whole, a hundred megabytes or so.
pub const EXPORTS_AT_ONCE: usize = 8;

/// Longest wait for a place among the exports.
pub const EXPORT_WAIT_MAX: Duration = Duration::from_secs(10);

/// Batches of rows that wait between the connection and the import: enough to keep both busy.
pub const IMPORT_QUEUE: usize = 8;

/// Bytes that a client may send ahead on one call: less would make it wait for the network.
pub const STREAM_WINDOW_BYTES: u32 = 4 << 20;

/// Bytes that a client may send ahead on one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Longest time that open calls get to end after the server was told to stop, unless it is set
/// otherwise; work that runs on is then told to stop, too.
pub const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Calls of one connection that run at once.
pub const CALLS_PER_CONNECTION: usize = 128;

/// Calls of one client that are open at once, unless it is set otherwise; a client may have several
/// connections.
pub const CALLS_PER_CLIENT: usize = 256;

/// Most bytes of a request's headers: a token and a trace are far less, and a server keeps them for
/// each open call.
pub const HEADER_BYTES_MAX: u32 = 16 << 10;

/// Silence after which a connection is asked whether it is still there.
pub const KEEPALIVE: Duration = Duration::from_secs(30);

/// Longest reason of a supersession, in characters.
pub const REASON_CHARS_MAX: usize = 1_000;

/// Most bytes of the texts of excluded counts in a frame's record: a record must stay below the
/// store's limit of 16 KiB; the frame itself has them all.
pub const RECORD_REASONS_BYTES_MAX: usize = 8 << 10;

/// Most bytes of an error's details: gRPC libraries refuse trailers of more than 8 KiB, and
/// details travel in base64.
pub const ERROR_DETAILS_BYTES_MAX: usize = 4 << 10;

/// Most bytes of an error's message: non-ASCII text travels at three times its size.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 480;

/// Decoded plans kept in memory: the ones that people page through at the moment.
pub const PLANS_CACHED: usize = 3;

/// Decoded frames kept in memory.
pub const FRAMES_CACHED: usize = 2;

/// Decoded revisions kept in memory: the latest, on which imports and frames build.
pub const REVISIONS_CACHED: usize = 1;
