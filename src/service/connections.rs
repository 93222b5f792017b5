//! Connections: how many there may be, and how long one may be silent.
//!
//! A connection that nobody uses costs a file, and memory when it has begun something; whoever only
//! opens them must not keep others out.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::limits::{ACCEPT_AGAIN, OPENING_MAX, SILENCE_MAX};
use super::tally::{Held, Tally};

/// Bytes that any client sends at once: of HTTP/2 its preface, of TLS the head of a hello.
const OPENING_BYTES: usize = 24;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// In all.
    pub all: usize,
    /// Of one address.
    pub of_one: usize,
}

/// Who is connected.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    of: Tally<IpAddr>,
    of_one: usize,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_one: Held<IpAddr>,
}

impl Places {
    fn new(most: Most) -> Self {
        let free = Arc::new(Semaphore::new(most.all));
        Places { free, of: Tally::default(), of_one: most.of_one }
    }

    /// A place for a connection of `address`, if there is one left.
    fn take(&self, address: IpAddr) -> Option<Place> {
        let of_all = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let of_one = self.of.take(address, self.of_one).ok()?;
        Some(Place { _of_all: of_all, _of_one: of_one })
    }
}

/// The connections that come in on a listener, as far as there is room for them; others are closed
/// at once.
#[derive(Debug)]
pub(super) struct Connections {
    listener: TcpListener,
    places: Places,
    /// When to go on after the system had no file left.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Connections {
    pub fn new(listener: TcpListener, most: Most) -> Self {
        Connections { listener, places: Places::new(most), pause: None }
    }
}

impl Stream for Connections {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            let (stream, peer) = match ready!(self.listener.poll_accept(context)) {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Mostly for want of files, which end with other connections.
                    tracing::warn!(%error, "a connection could not be taken");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_AGAIN)));
                    continue;
                }
            };
            let Some(place) = self.places.take(peer.ip().to_canonical()) else {
                metrics::counter!(super::telemetry::names::CONNECTIONS_REFUSED).increment(1);
                tracing::debug!(%peer, "one connection too many");
                continue;
            };
            // Answers are sent as soon as they are there.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%peer, %error, "a connection that ended");
                continue;
            }
            return Poll::Ready(Some(Ok(Connection::new(stream, place, OPENING_MAX, SILENCE_MAX))));
        }
    }
}

/// A connection that ends if its client is silent for too long: it answers the server's pings, if
/// nothing else.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    _place: Place,
    read: usize,
    until: Pin<Box<Sleep>>,
    silence: Duration,
}

impl Connection {
    fn new(stream: TcpStream, place: Place, opening: Duration, silence: Duration) -> Self {
        let until = Box::pin(tokio::time::sleep(opening));
        Connection { stream, _place: place, read: 0, until, silence }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            self.read = self.read.saturating_add(buffer.filled().len() - before);
            // Until it has begun the time counts from its start, however it is drawn out.
            if self.read >= OPENING_BYTES {
                let next = Instant::now() + self.silence;
                self.until.as_mut().reset(next);
            }
            return Poll::Ready(read);
        }
        ready!(self.until.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_by_address_and_come_back() {
        let places = Places::new(Most { all: 3, of_one: 2 });
        let take = |last| places.take(IpAddr::from([127, 0, 0, last]));
        let (one, _two) = (take(1).unwrap(), take(1).unwrap());
        assert!(take(1).is_none());
        let other = take(2).unwrap();
        assert!(take(3).is_none());
        drop(one);
        let _again = take(1).unwrap();
        drop(other);
        assert_eq!((3 - places.free.available_permits(), places.of.holders()), (2, 1));
    }

    /// Both ends of a connection.
    async fn pair(opening: u64, silence: u64) -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let place = Places::new(Most { all: 1, of_one: 1 }).take(peer.ip()).unwrap();
        let [opening, silence] = [opening, silence].map(Duration::from_millis);
        (client, Connection::new(stream, place, opening, silence))
    }

    async fn fails_late(connection: &mut Connection) -> bool {
        let read = connection.read_u8().await;
        read.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
    }

    #[tokio::test]
    async fn a_client_that_never_begins_or_falls_silent_is_let_go() {
        let (_client, mut connection) = pair(50, 60_000).await;
        assert!(fails_late(&mut connection).await);
        // Single bytes give no more time.
        let (mut client, mut connection) = pair(200, 60_000).await;
        let begun = Instant::now();
        tokio::spawn(async move {
            while client.write_u8(1).await.is_ok_and(|()| true) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut read = 0;
        while connection.read_u8().await.is_ok() {
            read += 1;
        }
        assert!((1..OPENING_BYTES).contains(&read) && begun.elapsed() < Duration::from_secs(30));
        let (mut client, mut connection) = pair(60_000, 50).await;
        client.write_all(&[1; OPENING_BYTES]).await.unwrap();
        connection.read_exact(&mut [0; OPENING_BYTES]).await.unwrap();
        assert!(fails_late(&mut connection).await);
    }
}
