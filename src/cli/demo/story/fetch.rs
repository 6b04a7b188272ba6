//! Fetches what a mail links to from the running hub, as the program of its reader does. Knows nothing but loopback.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::connector::sandbox::{Errand, Wish};

/// Octets of an answer that are read.
const ANSWER_MAX: u64 = 64 * 1024;
/// How long an answer may take. Machine time.
const PATIENCE: Duration = Duration::from_secs(30);
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// What the hub answered.
pub(super) struct Answered {
    pub(super) status: u16,
    /// Where it leads on.
    pub(super) location: Option<String>,
}

/// Does an errand at the hub.
///
/// # Errors
/// Where the address is not the hub's, or it gives no answer of HTTP.
pub(super) async fn fetch(hub: SocketAddr, errand: &Errand) -> anyhow::Result<Answered> {
    let base = format!("http://{hub}");
    let path = errand.url.strip_prefix(&base).filter(|path| path.starts_with('/'));
    let path = path.with_context(|| format!("{} does not lead to {base}", errand.url))?;
    let agent = &errand.agent;
    let head = format!("{path} HTTP/1.1\r\nHost: {hub}\r\nUser-Agent: {agent}\r\nConnection: close\r\n");
    let request = match errand.wish {
        Wish::Picture | Wish::Link => format!("GET {head}\r\n"),
        Wish::Unsubscribe => {
            let length = ONE_CLICK.len();
            format!(
                "POST {head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{ONE_CLICK}"
            )
        }
    };
    let answer = tokio::time::timeout(PATIENCE, exchange(hub, &request)).await;
    let answer = answer.with_context(|| format!("{path} was not answered"))??;
    read(&String::from_utf8_lossy(&answer))
}

async fn exchange(hub: SocketAddr, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(hub).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn read(answer: &str) -> anyhow::Result<Answered> {
    let mut lines = answer.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let Some(status) = first.split(' ').nth(1).and_then(|code| code.parse().ok()) else {
        bail!("the hub answered with no HTTP: {first}");
    };
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let mut location = headers.filter(|(name, _)| name.eq_ignore_ascii_case("location"));
    Ok(Answered { status, location: location.next().map(|(_, value)| value.trim().to_owned()) })
}
