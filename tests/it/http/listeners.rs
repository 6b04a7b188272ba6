//! Who is slow keeps nobody out: connections are limited and wait, and heads, bodies and answers that take too long end them.
//! Over real sockets, with limits short enough to be reached.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use liaison::clock::Clock;
use liaison::domain::hit::Books;
use liaison::http::limit;
use liaison::http::listen::Limits;
use liaison::http::{ApiState, Bells, PublicState, public_router, router, serve_within};
use liaison::tracking;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Api;

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that no test reaches it.
const NEVER: Duration = Duration::from_hours(1);
const GET: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

pub fn limits(connections: usize) -> Limits {
    Limits { connections, head: NEVER, body: NEVER, stall: NEVER }
}

pub struct Server {
    at: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn serve(app: axum::Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let told = async move {
            stopped.await.ok();
        };
        Self { at, stop, serving: tokio::spawn(serve_within(listener, app, limits, told)) }
    }

    async fn api(api: &Api, limits: Limits) -> Self {
        Self::api_with(api, limits, limit::Limits::default()).await
    }

    pub async fn api_with(api: &Api, limits: Limits, rates: limit::Limits) -> Self {
        let stopping = api.stopping.clone();
        let state = ApiState {
            store: api.fresh.store.clone(),
            clock: api.clock.clone(),
            actions: api.recorder.clone(),
            accounts: Arc::from([]),
            bells: Bells::default(),
            limits: rates,
            stopping: Arc::new(move || stopping.load(Ordering::SeqCst)),
        };
        Self::serve(router(state), limits).await
    }

    async fn open(&self, first: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(self.at).await.unwrap();
        socket.write_all(first).await.unwrap();
        socket
    }

    /// What a request gets.
    pub async fn ask(&self, request: &[u8]) -> String {
        read_out(&mut self.open(request).await).await
    }
}

/// What is said until the other side ends it.
async fn read_out(socket: &mut TcpStream) -> String {
    let mut said = Vec::new();
    match timeout(PATIENCE, socket.read_to_end(&mut said)).await.expect("it goes on for ever") {
        Ok(_) => {}
        // Closed while we were still writing.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// The public routes over a store.
async fn public(api: &Api) -> axum::Router {
    let (store, clock) = (api.fresh.store.clone(), Clock::machine());
    let books = Arc::new(Books::shipped());
    let (tracking, writer) = tracking::open(&store, &clock, books, tracking::Arrivals::default()).await.unwrap();
    drop(writer);
    public_router(PublicState { store, clock, tracking, stored: Arc::default(), limits: limit::Limits::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_keep_no_request_out() {
    let api = Api::sqlite().await;
    let short = Limits { head: Duration::from_millis(200), ..limits(4) };
    let (private, readers) = (Server::api(&api, short).await, Server::serve(public(&api).await, short).await);
    for (server, request, status) in [
        (&private, GET, "HTTP/1.1 200"),
        (&readers, b"GET /u/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".as_slice(), "HTTP/1.1 404"),
    ] {
        // All places are taken: by those who begin a request, and by those who say nothing at all.
        let mut slow = Vec::new();
        for n in 0..8 {
            let first: &[u8] = if n % 2 == 0 { b"GET /livez HTTP/1.1\r\nX-Slow: " } else { b"" };
            slow.push(server.open(first).await);
        }
        let answer = server.ask(request).await;
        assert!(answer.starts_with(status), "{answer}");
        for mut socket in slow {
            assert!(!read_out(&mut socket).await.contains("200 OK"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_places_wait_and_all_are_answered() {
    let api = Api::sqlite().await;
    let server = Server::api(&api, limits(2)).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let at = server.at;
        asking.spawn(async move {
            let mut socket = TcpStream::connect(at).await.unwrap();
            socket.write_all(GET).await.unwrap();
            read_out(&mut socket).await
        });
    }
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "{answers:?}");
    // And no more than there are places at once: who holds both keeps the third waiting until one goes.
    let (one, two) = (server.open(b"GET").await, server.open(b"GET").await);
    let mut third = server.open(GET).await;
    let waits = timeout(Duration::from_millis(300), third.read_u8()).await;
    assert!(waits.is_err(), "{waits:?}");
    drop((one, two));
    assert!(read_out(&mut third).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_is_closed() {
    let api = Api::sqlite().await;
    let server = Server::api(&api, Limits { head: Duration::from_millis(300), ..limits(8) }).await;
    let (mut from, mut to) = server.open(b"GET /livez HTTP/1.1\r\nHost: a\r\n").await.into_split();
    let dripping = tokio::spawn(async move {
        // A little at a time, for as long as it is let.
        while to.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut said = Vec::new();
    let ended = timeout(PATIENCE, from.read_to_end(&mut said)).await.expect("it is never closed");
    assert!(!String::from_utf8_lossy(&said).contains("200 OK"), "{ended:?}");
    timeout(PATIENCE, dripping).await.expect("it goes on being read").unwrap();
    // A connection on which a request was answered, and then nothing is said.
    let mut idle = server.open(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let said = read_out(&mut idle).await;
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_ends_is_told_so_and_closed() {
    let api = Api::sqlite().await;
    let server = Server::api(&api, Limits { body: Duration::from_millis(300), ..limits(8) }).await;
    for size in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let head = format!(
            "POST /v1/tokens HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{size}\r\n\r\n",
            api.token
        );
        let mut socket = server.open(head.as_bytes()).await;
        socket.write_all(if size.ends_with("chunked") { b"5\r\n{\"nam\r\n" } else { b"{\"nam" }).await.unwrap();
        let said = read_out(&mut socket).await;
        assert!(said.starts_with("HTTP/1.1 400") && said.contains("cut_off"), "{size}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_the_answers_loses_the_place() {
    let api = Api::sqlite().await;
    let server = Server::api(&api, Limits { stall: Duration::from_millis(300), ..limits(1) }).await;
    let mut deaf = TcpStream::connect(server.at).await.unwrap();
    let many = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50);
    // More answers than any buffer holds are asked for until nothing more is taken.
    let asking = tokio::spawn(async move {
        while deaf.write_all(&many).await.is_ok() {}
        deaf
    });
    let answer = server.ask(GET).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    timeout(PATIENCE, asking).await.expect("it goes on being read").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_streams_and_idle_connections_and_lets_requests_end() {
    let api = Api::sqlite().await;
    let server = Server::api(&api, limits(8)).await;
    let open = format!("GET /v1/events/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", api.token);
    let mut stream = server.open(open.as_bytes()).await;
    let mut first = [0; 16];
    stream.read_exact(&mut first).await.unwrap();
    let mut idle = server.open(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.read_exact(&mut first).await.unwrap();
    // Its head is here, its body comes after the stop.
    let body = r#"{"name": "late", "scopes": ["read"]}"#;
    let head = format!(
        "POST /v1/tokens HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        api.token,
        body.len()
    );
    let mut late = server.open(head.as_bytes()).await;
    let mut go_on = [0; 25];
    late.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    api.stopping.store(true, Ordering::SeqCst);
    server.stop.send(()).unwrap();
    read_out(&mut idle).await;
    late.write_all(body.as_bytes()).await.unwrap();
    let said = read_out(&mut late).await;
    assert!(said.starts_with("HTTP/1.1 201"), "{said}");
    let streamed = read_out(&mut stream).await;
    assert!(streamed.ends_with("0\r\n\r\n"), "it ends as HTTP ends a body: {streamed}");
    timeout(PATIENCE, server.serving).await.expect("it goes on").unwrap().unwrap();
    assert!(TcpStream::connect(server.at).await.is_err());
}
