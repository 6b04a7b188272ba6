//! What readers of mail reach without a token: on an address of its own that and nothing else, and no more often than is said.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::described::{Described, daemon_with, example, operations};
use crate::stores;

/// The status of an answer, and all of it.
async fn asked(api: &Described, at: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    // With a token that may do everything: what is not there is not there for anybody.
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
        api.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_their_own_has_what_they_need_and_nothing_else() {
    let api = daemon_with(stores::sqlite().await, "public_listen = \"127.0.0.1:1\"").await;
    let (private, public) = (api.at, api.public.unwrap());
    let document = liaison::http::description();
    let mut theirs = Vec::new();
    for (method, path, operation) in operations(&document) {
        let at = example(&path, operation, &document);
        let (status, answer) = asked(&api, public, &method, &at).await;
        if !["/t/", "/u/", "/oauth/callback", "/hooks/"].iter().any(|begin| path.starts_with(begin)) {
            // Nobody's answer: not even a problem of the API.
            assert!(status == 404 && answer.ends_with("\r\n\r\n"), "{method} {path}: {answer}");
            continue;
        }
        let said = match path.as_str() {
            "/oauth/callback" => "no answer of a sign-in",
            hook if hook.starts_with("/hooks/") => "nothing is posted here",
            _ => "There is nothing here.",
        };
        assert!(answer.contains(said), "{method} {path}: {answer}");
        let (status, answer) = asked(&api, private, &method, &at).await;
        assert!(status == 404 && answer.contains("\"code\":\"no_such_route\""), "{method} {path}: {answer}");
        theirs.push(format!("{method} {path}"));
    }
    let expected = "POST /hooks/{account}, POST /hooks/{account}/{rest}, GET /oauth/callback, GET /t/c/{token}, \
        GET /t/o/{file}, GET /u/{token}, POST /u/{token}";
    assert_eq!(theirs.join(", "), expected);
    for path in ["/", "/v1", "/t", "/u", "/oauth", "/oauth/", "/t/o/", "/metrics"] {
        assert_eq!(asked(&api, public, "GET", path).await.0, 404, "{path}");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_guesses_states_or_asks_whether_all_is_ready_is_told_to_wait() {
    let api = daemon_with(stores::sqlite().await, "public_requests_per_minute = 4").await;
    for _ in 0..2 {
        let (status, answer) = asked(&api, api.at, "GET", "/oauth/callback?code=a&state=guess").await;
        assert!(status == 400 && answer.contains("belongs to no sign-in that waits"), "{answer}");
        assert_eq!(asked(&api, api.at, "GET", "/readyz").await.0, 200);
    }
    let (status, answer) = asked(&api, api.at, "GET", "/oauth/callback?code=a&state=guess").await;
    assert!(status == 429 && answer.to_ascii_lowercase().contains("retry-after: "), "{answer}");
    let (status, answer) = asked(&api, api.at, "GET", "/readyz").await;
    assert!(status == 429 && answer.contains("\"code\":\"too_many_requests\""), "{answer}");
    // Whether the process lives costs nothing to say.
    assert_eq!(asked(&api, api.at, "GET", "/livez").await.0, 200);
    api.stop().await;
}
