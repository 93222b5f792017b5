//! `serve`: the gRPC interface over a store, until a signal says stop.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::config::{Config, values};
use crate::service::identity::shares::Limits;
use crate::service::phase::{Phase, Phases};
use crate::service::server::Most;
use crate::service::telemetry::http::Board;
use crate::service::telemetry::logs;
use crate::service::telemetry::store::{Counted, Size};
use crate::service::telemetry::traces::Traces;
use crate::service::{Planner, Serving};
use crate::store::{PlanStore, SledStore};

use super::args::ServeArgs;
use super::failure::Failure;
use super::notify::notify;
use super::{entry, local, settings};

/// How long work that was told to stop may still hold up the end of the process.
const LAST_WORK_MAX: Duration = Duration::from_secs(5);

/// Runs `serve`.
pub(super) fn run(
    args: &ServeArgs,
    threads: Option<u32>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (config, stray) = settings::resolve(args, threads)?;
    if args.print_config {
        return out.write_all(config.to_toml().as_bytes()).map_err(Failure::stdout);
    }
    let format = config.required("log_format", values::log_format)?;
    let level = config.required("log_level", values::log_level)?;
    logs::start(format, level).map_err(|error| Failure::other(format_args!("log: {error}")))?;
    for variable in stray {
        tracing::warn!(variable, "is no setting");
    }
    let threads = match config.optional("threads", values::threads)? {
        Some(threads) => threads,
        None => thread::available_parallelism().map_or(1, usize::from),
    };
    let runtime = runtime(threads)?;
    let traces = traces(&config, &runtime)?;
    let served = runtime.block_on(served(&config, threads, out));
    if let Some(traces) = traces {
        traces.stop();
    }
    runtime.shutdown_timeout(LAST_WORK_MAX);
    if served.is_ok() {
        tracing::info!("stopped");
    }
    served
}

/// Starts to send spans, if somebody is there to take them.
fn traces(config: &Config, runtime: &Runtime) -> Result<Option<Traces>, Failure> {
    let Some(address) = config.optional("otlp_endpoint", values::collector)? else {
        return Ok(None);
    };
    if !address.ip().is_loopback() && !config.required("insecure", values::flag)? {
        return Err(Failure::input(
            "otlp_endpoint: spans are sent in plain text, so to a collector on this machine only; \
             insecure = true lets them go elsewhere",
        ));
    }
    let _runtime = runtime.enter();
    let started = Traces::start(&format!("http://{address}"));
    started.map(Some).map_err(|error| Failure::other(format_args!("otlp_endpoint: {error}")))
}

/// Serves until a signal says stop.
async fn served(config: &Config, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let stop = signals().map_err(|error| Failure::other(format_args!("signals: {error}")))?;
    let drain = config.required("drain_seconds", values::drain)?;
    let address = config.required("listen", values::address)?;
    let (access, tls) = entry::door(config, address)?;
    let calls = config.required("client_calls", values::client_calls)?;
    let limits = Limits { calls, rate: config.optional("client_rate", values::client_rate)? };
    let connections = Most {
        all: config.required("connections", values::connections)?,
        of_one: config.required("client_connections", values::connections)?,
    };
    let idle = config.required("idle_seconds", values::idle)?;
    let how = Serving { drain, access, limits, connections, idle, tls, ..Serving::default() };
    let phases = how.phases.clone();
    let board = match config.optional("metrics_listen", values::address)? {
        Some(address) => Some(board(address, &phases, out).await?),
        None => None,
    };
    let (listener, address) = bind(address).await?;
    tracing::info!(%address, threads, version = env!("CARGO_PKG_VERSION"), "starting");
    let dir = config.required("store", values::path)?;
    let opening = tokio::task::spawn_blocking(move || open(&dir, threads, board.as_ref()));
    let opening = async {
        opening.await.unwrap_or_else(|panic| Err(Failure::other(format_args!("store: {panic}"))))
    };
    let stop = async {
        stop.await;
        notify("STOPPING=1");
    };
    let serving = crate::service::serve_when(listener, opening, how, stop);
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = phases.reached(Phase::Serving) => {}
    }
    // Whoever reads this line may call at once.
    say(out, format_args!("listening on {address}"))?;
    tracing::info!(%address, "ready");
    notify("READY=1");
    serving.await
}

/// Starts to count, and to tell of it over HTTP.
async fn board(
    address: SocketAddr,
    phases: &Phases,
    out: &mut dyn Write,
) -> Result<Board, Failure> {
    let (listener, address) = bind(address).await?;
    let board = Board::start(phases.clone())
        .map_err(|error| Failure::other(format_args!("metrics: {error}")))?;
    tokio::spawn(board.clone().serve(listener));
    say(out, format_args!("metrics on {address}"))?;
    tracing::info!(%address, "metrics");
    Ok(board)
}

fn open(dir: &Path, threads: usize, board: Option<&Board>) -> Result<Arc<Planner>, Failure> {
    let store: Arc<dyn PlanStore> = Arc::new(Counted(local::store(dir)?));
    if let Some(board) = board {
        board.measures(Size { store: Arc::clone(&store), log: SledStore::log(dir) });
    }
    Ok(Arc::new(local::planner_over(store, threads)?))
}

fn say(out: &mut dyn Write, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Failure::stdout)
}

fn runtime(threads: usize) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format_args!("runtime: {error}")))
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error: io::Error| Failure::other(format_args!("{address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Ends with the first signal that asks to stop; the second one ends the process. Signals count
/// from this call on, not only from the first time that it is waited for.
#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut next = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let (first, heard) = oneshot::channel::<()>();
    tokio::spawn(async move {
        next().await;
        let _ = first.send(());
        next().await;
        // What was acknowledged is on disk, and nothing else is promised.
        tracing::warn!("a second signal: ending at once");
        std::process::exit(0);
    });
    Ok(async { drop(heard.await) })
}

/// Ends with the first signal that asks to stop.
#[cfg(not(unix))]
fn signals() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a way to hear the signal the process just ends with it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// A server on a loopback port, on a thread of its own.
pub(super) struct Background {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<Result<(), Failure>>>,
}

impl Background {
    /// Starts it.
    pub fn start(planner: Planner, threads: usize) -> Result<Self, Failure> {
        let runtime = runtime(threads)?;
        let (listener, address) = runtime.block_on(bind(SocketAddr::from(([127, 0, 0, 1], 0))))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let served = runtime.block_on(crate::service::serve(
                listener,
                Arc::new(planner),
                // A sender that is gone means stop as well.
                async { drop(stopped.await) },
            ));
            runtime.shutdown_timeout(LAST_WORK_MAX);
            served.map_err(Failure::other)
        });
        Ok(Background { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Stops it and waits for its end.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.end().unwrap_or(Ok(()))
    }

    fn end(&mut self) -> Option<Result<(), Failure>> {
        drop(self.stop.take());
        let ended = self.thread.take()?.join();
        Some(ended.unwrap_or_else(|_| Err(Failure::other("the server's thread broke off"))))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end();
    }
}
