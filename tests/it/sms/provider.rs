//! A provider on loopback, as far as all of them are alike: requests are read, answered or let fall, and written into a journal that
//! is only ever added to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lines::kept::{Kept, keep};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub authorization: String,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn query(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

pub fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

/// The rests that a provider asked for, and who called before they were over.
#[derive(Debug, Default)]
pub struct Rests {
    /// When the last one was asked for, and until when.
    last: Option<(Instant, Instant)>,
    in_this: usize,
    /// How many were asked for.
    pub asked: usize,
    /// Calls that were on their way already when one was asked for: who made them could not know.
    pub in_the_air: usize,
    /// The most such calls of one rest.
    pub most_in_the_air: usize,
    /// Calls that came before a rest was over, by somebody who had been told.
    pub early: usize,
}

impl Rests {
    /// How long a call may be on its way, on a machine that has much else to do. Far shorter than any rest.
    const ON_ITS_WAY: Duration = Duration::from_millis(700);

    /// Somebody calls: how many seconds they are to wait still.
    pub fn call(&mut self) -> Option<u64> {
        let now = Instant::now();
        let (asked, until) = self.last.filter(|(_, until)| now < *until)?;
        if now - asked < Self::ON_ITS_WAY {
            self.in_this += 1;
            self.in_the_air += 1;
            self.most_in_the_air = self.most_in_the_air.max(self.in_this);
        } else {
            self.early += 1;
        }
        Some((until - now).as_secs() + 1)
    }

    /// A rest is asked for.
    pub fn ask(&mut self, seconds: u64) {
        assert!(seconds > 1, "a rest as short as the way to it shows nothing");
        let now = Instant::now();
        self.last = Some((now, now + Duration::from_secs(seconds)));
        self.in_this = 0;
        self.asked += 1;
    }
}

/// What is answered.
pub enum Answer {
    /// A status, further lines of the head, a body.
    Says(u16, String, Vec<u8>),
    /// Nothing: the connection ends.
    Falls,
    /// A part of an answer, and then nothing.
    Breaks,
}

pub fn json(status: u16, body: &serde_json::Value) -> Answer {
    Answer::Says(status, "content-type: application/json\r\n".to_owned(), serde_json::to_vec(body).unwrap())
}

type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

pub struct Server {
    pub at: SocketAddr,
    journal: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
    /// Milliseconds for which the answer to a POST takes its time, half before anything is done and half after.
    pub pause_ms: Arc<AtomicU64>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Lets `accept` return.
        drop(TcpStream::connect(self.at));
    }
}

impl Server {
    pub fn new(provider: &'static str, handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (journal, over) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::new(AtomicBool::new(false)));
        let pause_ms = Arc::<AtomicU64>::default();
        let at = listener.local_addr().unwrap();
        let server = Self { at, journal: journal.clone(), over: over.clone(), pause_ms: pause_ms.clone() };
        let handler: Handler = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (journal, handler, pause_ms) = (journal.clone(), handler.clone(), pause_ms.clone());
                std::thread::spawn(move || serve(stream.ok()?, (provider, &journal), (&handler, &pause_ms)));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Every request so far, in the order in which they came.
    pub fn journal(&self) -> Vec<Request> {
        self.journal.lock().unwrap().clone()
    }
}

/// Requests of one connection, until it ends.
fn serve(
    stream: TcpStream,
    (provider, journal): (&str, &Mutex<Vec<Request>>),
    (handler, pause_ms): (&Handler, &AtomicU64),
) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_mins(1))).ok()?;
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut length, mut authorization, mut content_type) = (0, String::new(), String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "authorization" => value.trim().clone_into(&mut authorization),
                "content-type" => value.trim().clone_into(&mut content_type),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let request = Request { method, path, query, authorization, content_type, body };
        keep(provider, || Kept {
            method: request.method.clone(),
            target,
            authorization: request.authorization.clone(),
            content_type: request.content_type.clone(),
            body: String::from_utf8(request.body.clone()).unwrap(),
        });
        journal.lock().unwrap().push(request.clone());
        let pause = if request.method == "POST" { pause_ms.load(Ordering::SeqCst) } else { 0 };
        std::thread::sleep(Duration::from_millis(pause / 2));
        let answer = handler(&request);
        std::thread::sleep(Duration::from_millis(pause / 2));
        match answer {
            Answer::Says(status, head, body) => {
                let head = format!("HTTP/1.1 {status} X\r\n{head}content-length: {}\r\n\r\n", body.len());
                writer.write_all(&[head.as_bytes(), &body].concat()).ok()?;
            }
            Answer::Falls => return None,
            Answer::Breaks => {
                writer.write_all(b"HTTP/1.1 201 X\r\ncontent-length: 500\r\n\r\n{\"sid\"").ok()?;
                return None;
            }
        }
    }
}
