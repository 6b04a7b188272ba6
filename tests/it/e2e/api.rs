//! The HTTP API as a program outside sees it: requests over a socket, JSON back. Knows nothing of the store.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long anything is waited for. Only a test that fails waits so long.
pub const WAIT_MAX: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Looks until there is something to see.
pub async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// One answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{}: no JSON: {e}: {}", self.status, String::from_utf8_lossy(&self.body)))
    }
}

/// The API of one daemon.
#[derive(Clone)]
pub struct Api {
    pub at: SocketAddr,
    pub token: String,
}

impl Api {
    /// One request over a connection of its own.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut stream = TcpStream::connect(self.at).await.expect("the API listens");
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let head = format!(
            "{method} /v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n{kind}\
             Content-Length: {}\r\n\r\n",
            self.at,
            self.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("request");
        stream.write_all(body.as_bytes()).await.expect("request body");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answer");
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8(answer[..end].to_vec()).expect("head").to_ascii_lowercase();
        assert!(!head.contains("transfer-encoding"), "an answer of unknown length: {head}");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("status");
        Answer { status, body: answer[end + 4..].to_vec() }
    }

    /// Asks for what must be there.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// Changes something, which must be taken with one of 200, 201 and 202.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.ask("POST", path, Some(&body)).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!((200..203).contains(&answer.status), "POST {path} {body}: {} {text}", answer.status);
        answer.json()
    }

    /// A whole list, page by page.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let more = cursor.map(|c| format!("&cursor={c}")).unwrap_or_default();
            let page = self.get(&format!("{path}{sign}limit=40{more}")).await;
            all.extend(page["data"].as_array().expect("data").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return all,
            }
        }
    }

    /// Every influencer, by handle.
    pub async fn influencers(&self) -> BTreeMap<String, Value> {
        let all = self.list("/influencers").await;
        all.into_iter().map(|i| (i["handle"].as_str().expect("handle").to_owned(), i)).collect()
    }

    /// The messages on someone's timeline, oldest first.
    pub async fn messages_of(&self, influencer: &str) -> Vec<Value> {
        let entries = self.list(&format!("/influencers/{influencer}/timeline?order=oldest")).await;
        entries.into_iter().filter(|e| e["type"] == "message").map(|mut e| e["message"].take()).collect()
    }

    /// The events on someone's timeline of one type.
    pub async fn events_of(&self, influencer: &str, kind: &str) -> Vec<Value> {
        let entries = self.list(&format!("/influencers/{influencer}/timeline?order=oldest")).await;
        let events = entries.into_iter().filter(|e| e["type"] == "event").map(|mut e| e["event"].take());
        events.filter(|e| e["type"] == kind).collect()
    }

    /// Waits until a mail with this Message-ID is on someone's timeline.
    pub async fn message_on(&self, influencer: &str, message_id: &str) -> Value {
        until(&format!("{message_id} on the timeline of {influencer}"), || async {
            self.messages_of(influencer).await.into_iter().find(|m| m["internet_message_id"] == message_id)
        })
        .await
    }

    /// Waits until an outbound message has one of these states.
    pub async fn message_is(&self, id: &str, states: &[&str]) -> Value {
        until(&format!("message {id} is {states:?}"), || async {
            let message = self.get(&format!("/messages/{id}")).await;
            states.iter().any(|s| message["status"] == **s).then_some(message)
        })
        .await
    }

    /// Sends a text to an influencer, and waits until the server has taken it.
    pub async fn send_to(&self, influencer: &str, subject: &str, text: &str) -> Value {
        let order = json!({"influencer_id": influencer, "subject": subject, "text": text});
        let queued = self.post("/messages", order).await;
        self.message_is(queued["id"].as_str().expect("id"), &["confirmed"]).await
    }
}

/// A text in an answer.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {value}"))
}
