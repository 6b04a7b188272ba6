//! Asks a server over connections that are kept, one request open on each, from a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::measure::{self, quantile};

/// One request, and the status it is answered with.
pub struct Ask {
    pub head: String,
    pub status: &'static str,
}

/// What one run gave.
pub struct Seen {
    pub who: &'static str,
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
}

/// Asks so many times over so many connections, each through the list in an order of its own.
pub fn load(address: SocketAddr, asks: Vec<Ask>, (n, connections): (usize, usize), who: &'static str) -> Seen {
    let (each, rest) = (n / connections, n % connections);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    let asks: Arc<[Ask]> = asks.into();
    let began = Instant::now();
    let mut times: Vec<f64> = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for c in 0..connections {
            let (asks, n) = (Arc::clone(&asks), each + usize::from(c < rest));
            tasks.spawn(async move { connection(address, &asks, c, n).await });
        }
        let mut all = Vec::new();
        while let Some(done) = tasks.join_next().await {
            all.extend(done.expect("connection"));
        }
        all
    });
    let seconds = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    Seen { who, rate: measure::count(n) / seconds, p50: quantile(&times, 0.5), p99: quantile(&times, 0.99) }
}

async fn connection(address: SocketAddr, asks: &[Ask], c: usize, n: usize) -> Vec<f64> {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let mut times = Vec::with_capacity(n);
    let mut buffer = vec![0; 1 << 16];
    for i in 0..n {
        let ask = &asks[(c * 7919 + i * 104_729) % asks.len()];
        let began = Instant::now();
        stream.write_all(ask.head.as_bytes()).await.expect("write");
        let mut have = 0;
        let mut whole = usize::MAX;
        while have < whole {
            if have == buffer.len() {
                buffer.resize(have * 2, 0);
            }
            let got = stream.read(&mut buffer[have..]).await.expect("read");
            assert!(got > 0, "closed");
            have += got;
            if whole == usize::MAX {
                whole = octets_of(&buffer[..have]).unwrap_or(usize::MAX);
            }
        }
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        let said = std::str::from_utf8(&buffer[9..12]).expect("status");
        assert_eq!(said, ask.status, "{}: {}", ask.head, String::from_utf8_lossy(&buffer[..have.min(600)]));
    }
    times
}

/// Octets of an answer, once its head is there.
fn octets_of(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|l| l.split("\r\n").next()?.parse::<usize>().ok());
    Some(end + 4 + length.unwrap_or(0))
}
