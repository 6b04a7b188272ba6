//! A program that is told things: a server on loopback that writes down every request and answers as it is told to.

use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub headers: HashMap<String, String>,
    pub body: String,
    /// What it was answered.
    pub status: u16,
}

impl Received {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn seq(&self) -> i64 {
        self.json()["data"]["seq"].as_i64().unwrap()
    }

    pub fn was_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Says {
    pub status: u16,
    /// Whole lines, each with its end.
    pub head: String,
    pub body: String,
}

pub fn says(status: u16) -> Says {
    Says { status, head: String::new(), body: String::new() }
}

type Answers = Arc<dyn Fn(&Received) -> Says + Send + Sync>;

pub struct Receiver {
    pub at: SocketAddr,
    pub got: Arc<Mutex<Vec<Received>>>,
    /// Connections that were made, whatever came over them.
    pub connections: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Lets `accept` return.
        drop(TcpStream::connect(self.at));
    }
}

impl Receiver {
    pub fn new(answers: impl Fn(&Received) -> Says + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0".parse().unwrap(), answers)
    }

    pub fn on(at: SocketAddr, answers: impl Fn(&Received) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let (got, connections, over) =
            (Arc::default(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let receiver = Self { at: listener.local_addr().unwrap(), got, connections, over };
        let (got, connections, over) = (receiver.got.clone(), receiver.connections.clone(), receiver.over.clone());
        let answers: Answers = Arc::new(answers);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let (got, answers) = (got.clone(), answers.clone());
                std::thread::spawn(move || serve(stream.ok()?, &got, &answers));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.at)
    }

    pub fn all(&self) -> Vec<Received> {
        self.got.lock().unwrap().clone()
    }
}

/// Requests of one connection, until it ends or one is not whole.
fn serve(stream: TcpStream, got: &Mutex<Vec<Received>>, answers: &Answers) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_mins(2))).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut headers = HashMap::new();
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let mut received = Received { headers, body: String::from_utf8(body).ok()?, status: 0 };
        let said = answers(&received);
        received.status = said.status;
        got.lock().unwrap().push(received);
        // A status of 0: it hangs up without a word.
        if said.status == 0 {
            return None;
        }
        let Says { status, head, body } = said;
        let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n{head}\r\n{body}", body.len());
        writer.write_all(answer.as_bytes()).ok()?;
    }
}
