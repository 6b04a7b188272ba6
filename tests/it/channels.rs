//! Accounts that are no mailboxes, by the real binary: its configuration, what it sends, and what comes in by list and by hook.

mod colleagues;
mod consent;
mod faces;
mod files;
mod published;
mod reactions;
mod rests;
mod texts;
mod workspaces;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use liaison::domain::words::{EventType, Word};
use serde_json::Value;

use crate::daemon::{Answer, Installation};

/// Machine time that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is the case.
fn until<T>(installation: &Installation, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it never comes to this: {what}\n{}", installation.last_words());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a call that goes well answers.
fn asked(installation: &Installation, method: &str, path: &str, body: &Value, status: u16) -> Value {
    match installation.call(method, path, Some(body)) {
        Answer::Said(got, value) if got == status => value,
        other => panic!("{method} {path}: {other:?}\n{}", installation.last_words()),
    }
}

/// The events of one type so far.
fn events(installation: &Installation, sort: &str) -> Vec<Value> {
    let page = installation.get("/v1/events?limit=200");
    page["data"].as_array().unwrap().iter().filter(|event| event["type"] == sort).cloned().collect()
}

/// The events of one type, once there are so many of them; more are a fault. An event is told a moment after what it tells of.
fn events_until(installation: &Installation, sort: &str, count: usize) -> Vec<Value> {
    let told = until(installation, sort, || Some(events(installation, sort)).filter(|told| told.len() >= count));
    assert_eq!(told.len(), count, "{told:#?}");
    told
}

/// All events so far are as docs/events.md says, and these are among them.
fn events_fit(installation: &Installation, raised: &[EventType]) {
    for sort in raised {
        until(installation, sort.as_str(), || events(installation, sort.as_str()).pop());
    }
    let page = installation.get("/v1/events?limit=200");
    crate::facts::fit_told(page["data"].as_array().unwrap(), raised);
}

/// Posts as a provider does; the status and what is answered.
fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}
