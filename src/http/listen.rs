//! The connections of a listener: how many there are at once, and how long each may take over what it says and hears.
//!
//! Whoever comes while all places are taken waits, in the system's queue, until one is free: nobody is turned away. That is
//! safe because nobody keeps a place by being slow: the head of a request, its body and the reading of an answer have time
//! limits, and a connection on which nothing is asked is closed.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::connect_info::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use axum::{BoxError, Router};
use http_body::{Frame, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::limit::Peer;

/// Connections of one listener that are open at once.
pub const CONNECTIONS_MAX: usize = 512;
/// How long the head of a request may take, from when it could begin: so a connection is idle no longer than this.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(20);
/// How long the body of a request may take: less than the whole request, so that its sender is told.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(45);
/// How long whoever reads an answer may take none of it.
pub const STALL_MAX: Duration = Duration::from_secs(30);
/// How long open requests may still take after a stop was asked for.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// The rest after the system had no connection to give: no file left, for instance.
const ACCEPT_REST: Duration = Duration::from_secs(1);

/// What holds for the connections of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// See [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// See [`HEAD_TIME_MAX`].
    pub head: Duration,
    /// See [`BODY_TIME_MAX`].
    pub body: Duration,
    /// See [`STALL_MAX`].
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: CONNECTIONS_MAX, head: HEAD_TIME_MAX, body: BODY_TIME_MAX, stall: STALL_MAX }
    }
}

/// Serves until `stop` is done; then takes no more connections and gives open requests a moment to end.
///
/// # Errors
/// None so far: what goes wrong with one connection is that one's affair.
pub async fn serve_within(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (mut open, ending) = (JoinSet::new(), CancellationToken::new());
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = open.join_next() => note(&ended),
            taken = take(&listener, &places) => {
                let Some((stream, from, place)) = taken else { break };
                let answers = Answers { router: router.clone(), peer: Peer::new(from.ip()), body_time: limits.body };
                // Supervised here: a panic is logged, and none outlives this function.
                open.spawn(hold(stream, answers, limits, ending.clone(), place));
            }
        }
    }
    drop(listener);
    ending.cancel();
    let drained = async {
        while let Some(ended) = open.join_next().await {
            note(&ended);
        }
    };
    if timeout(DRAIN_TIME_MAX, drained).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
    Ok(())
}

fn note(ended: &Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended badly");
    }
}

/// The next connection, once there is a place for it. Nothing is lost where this is dropped half-way.
async fn take(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // Nobody closes the semaphore.
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => return Some((stream, from, place)),
            Err(error) if is_theirs(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken now");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Whether whoever called went away before they were answered.
fn is_theirs(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One connection, to its end.
async fn hold(
    stream: TcpStream,
    answers: Answers,
    limits: Limits,
    ending: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small answers may be late");
    }
    let io = TokioIo::new(Steady { stream, limit: limits.stall, stalled: None });
    // Told to look for nothing but HTTP/1: a look at which version it is would have no time limit.
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
    let served = builder.serve_connection(io, TowerToHyperService::new(answers));
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = ending.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection was ended");
    }
}

/// The router, for one connection.
#[derive(Clone)]
struct Answers {
    router: Router,
    peer: Peer,
    body_time: Duration,
}

impl<B> tower::Service<Request<B>> for Answers
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(|body| in_time(body, self.body_time));
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.router.call(request)
    }
}

/// A body that is cut off where it takes too long. How large it says it is stays known.
struct Timed {
    body: Body,
    late: Pin<Box<Sleep>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        self.late.as_mut().poll(cx).map(|()| Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn in_time<B>(body: B, limit: Duration) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Timed { body: Body::new(body), late: Box::pin(sleep(limit)) })
}

/// A connection that is given up where what is said on it is not taken for too long.
struct Steady {
    stream: TcpStream,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Steady {
    /// What came of a try to write.
    fn judge<T>(&mut self, tried: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            self.stalled = None;
            return tried;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Steady {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Steady {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.judge(tried, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.judge(tried, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
