//! `serve`: the gRPC interface over a store, until a signal says stop.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::service::Planner;

use super::args::ServeArgs;
use super::failure::Failure;
use super::local::planner;

/// How long work that was told to stop may still hold up the end of the process.
const LAST_WORK_MAX: Duration = Duration::from_secs(5);

/// Runs `serve`.
pub(super) fn run(args: &ServeArgs, threads: usize, out: &mut dyn Write) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let planner = Arc::new(planner(&args.store, threads)?);
    let runtime = runtime(threads)?;
    let served = runtime.block_on(async {
        let stop = signals().map_err(|error| Failure::other(format_args!("signals: {error}")))?;
        let (listener, address) = bind(args.listen).await?;
        writeln!(out, "listening on {address}").map_err(Failure::stdout)?;
        out.flush().map_err(Failure::stdout)?;
        crate::service::serve(listener, planner, stop).await.map_err(Failure::other)
    });
    runtime.shutdown_timeout(LAST_WORK_MAX);
    served
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

/// Ends with the first signal that asks to stop. Signals count from this call on, not only from
/// the first time that it is waited for.
#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
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
