//! The answer of a provider, taken on this machine: one small page on a port of 127.0.0.1, for as long as a sign-in lasts.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::domain::oauth::{Provider, Returned, read_query};

/// The longest head of a request, octets.
const HEAD_MAX: usize = 16 * 1024;
/// How long one request may take.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// Listens for the answer.
#[derive(Debug)]
pub struct Loopback {
    listener: TcpListener,
}

impl Loopback {
    /// Listens on a port of 127.0.0.1, a free one where none is named.
    ///
    /// # Errors
    /// Where the port is taken.
    pub async fn open(port: Option<u16>) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await? })
    }

    /// Where the provider is to send the person.
    ///
    /// # Errors
    /// Where the system does not know the port, which does not happen.
    pub fn redirect_uri(&self, provider: Provider) -> io::Result<String> {
        Ok(format!("http://{}:{}/", provider.loopback_host(), self.listener.local_addr()?.port()))
    }

    /// Waits for the answer with this state. Any other is refused and forgotten: it is not ours.
    pub async fn answer(&self, state: &str) -> Returned {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if let Ok(Ok(Some(returned))) = timeout(REQUEST_TIME_MAX, serve(stream, state)).await {
                return returned;
            }
        }
    }
}

/// Answers one request; what came back, where this was it.
async fn serve(mut stream: TcpStream, state: &str) -> io::Result<Option<Returned>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") && head.len() < HEAD_MAX {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let (status, words, returned) = judge(&String::from_utf8_lossy(&head), state);
    let page = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>liaison</title></head><body><p>{words}</p></body></html>\n"
    );
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(returned)
}

fn judge(head: &str, state: &str) -> (&'static str, &'static str, Option<Returned>) {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (Some("GET"), Some(target)) = (words.next(), words.next()) else {
        return ("405 Method Not Allowed", "There is nothing here.", None);
    };
    let returned = target.strip_prefix("/?").and_then(read_query);
    let came = returned.as_ref().and_then(|r| match r {
        Returned::Code { state, .. } | Returned::Refused { state, .. } => state.as_deref(),
    });
    match (came == Some(state), &returned) {
        (_, None) => ("404 Not Found", "There is nothing here.", None),
        (false, Some(_)) => ("400 Bad Request", "This answer belongs to another sign-in. Begin again.", None),
        (true, Some(Returned::Code { .. })) => {
            ("200 OK", "Thank you. The rest is said where you began; this page can be closed.", returned)
        }
        (true, Some(Returned::Refused { .. })) => {
            ("200 OK", "The sign-in was refused. This page can be closed.", returned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_with_our_state_is_taken() {
        let status = |head: &str| {
            let (status, _, returned) = judge(head, "s1");
            (status.get(..3).unwrap_or_default().to_owned(), returned.is_some())
        };
        assert_eq!(status("GET /?code=c&state=s1 HTTP/1.1\r\n\r\n"), ("200".to_owned(), true));
        assert_eq!(status("GET /?error=access_denied&state=s1 HTTP/1.1\r\n\r\n"), ("200".to_owned(), true));
        for (head, expected) in [
            ("GET /?code=c&state=s2 HTTP/1.1\r\n\r\n", "400"),
            ("GET /?code=c HTTP/1.1\r\n\r\n", "400"),
            ("GET /favicon.ico HTTP/1.1\r\n\r\n", "404"),
            ("POST /?code=c&state=s1 HTTP/1.1\r\n\r\n", "405"),
            ("", "405"),
        ] {
            assert_eq!(status(head), (expected.to_owned(), false), "{head}");
        }
    }
}
