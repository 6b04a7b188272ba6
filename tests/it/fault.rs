//! Servers that misbehave: a proxy before a real server, and a server that says what a script tells.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a proxy does to each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Passes everything on.
    None,
    /// Closes both ways after so many octets from the server.
    CutAfter(u64),
    /// Cuts each connection so many octets later than the one before.
    CutLater(u64),
    /// Takes no connection: closes it at once.
    Down,
    /// Says goodbye once IDLE has begun, and closes.
    ByeInIdle,
    /// Answers `NO` to IDLE itself.
    RefuseIdle,
    /// Takes IDLE and says nothing.
    SwallowIdle,
    /// Closes without a word once IDLE has begun.
    CloseInIdle,
    /// Takes STARTTLS out of what the server says.
    StripStartTls,
    /// Says `NO` to STARTTLS.
    RefuseStartTls,
    /// Puts a line behind the answer to STARTTLS.
    InjectAfterStartTls,
    /// Says `NO` to every FETCH of the body of one of these mails, together with others or alone.
    RefuseBodies(Vec<u32>),
    /// Says `NO` to every FETCH of one of these mails, its headers and its size too.
    RefuseMails(Vec<u32>),
    /// Answers every FETCH of the body of this mail with what is no IMAP.
    GarbleBody(u32),
    /// Says `NO` to every FETCH of a body.
    RefuseAllBodies,
    /// Says `NO` to EXAMINE of this folder.
    RefuseFolder(&'static str),
}

impl Fault {
    /// What the proxy itself answers to a command, where it does.
    fn answer_to(&self, tag: &str, command: &str) -> Option<String> {
        let fetched = command.strip_prefix("UID FETCH ").and_then(|rest| rest.split_once(' '));
        let asks = |uid: u32| fetched.is_some_and(|(set, _)| set_holds(set, uid));
        let body = fetched.is_some_and(|(_, items)| items.contains("BODY.PEEK[]"));
        let no = || format!("{tag} NO [SERVERBUG] it can't be read\r\n");
        match self {
            Self::RefuseBodies(uids) if body && uids.iter().any(|uid| asks(*uid)) => Some(no()),
            Self::RefuseMails(uids) if uids.iter().any(|uid| asks(*uid)) => Some(no()),
            Self::GarbleBody(uid) if body && asks(*uid) => {
                Some(format!("* 1 FETCH (UID {uid} INTERNALDATE NIL)\r\n{tag} OK done\r\n"))
            }
            Self::RefuseAllBodies if body => Some(no()),
            Self::RefuseFolder(name) if command == format!("EXAMINE \"{name}\"") => {
                Some(format!("{tag} NO [NOPERM] it can't be opened\r\n"))
            }
            _ => None,
        }
    }
}

/// Whether a set such as `1:5,9` holds a uid.
fn set_holds(set: &str, uid: u32) -> bool {
    set.split(',').any(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        (first.parse::<u32>().unwrap()..=last.parse().unwrap()).contains(&uid)
    })
}

/// A proxy that can be changed between connections.
pub struct Proxy {
    pub port: u16,
    fault: Arc<std::sync::Mutex<Fault>>,
    /// Connections so far.
    pub connections: Arc<AtomicUsize>,
    /// Octets from the server on the connection that is open, or was open last.
    pub octets: Arc<AtomicU64>,
    /// Octets from the server on all connections.
    pub total: Arc<AtomicU64>,
    /// Closes what is open.
    close: tokio::sync::watch::Sender<()>,
}

impl Proxy {
    /// Starts a proxy before a server.
    pub async fn start(host: &str, port: u16, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            fault: Arc::new(std::sync::Mutex::new(fault)),
            connections: Arc::default(),
            octets: Arc::default(),
            total: Arc::default(),
            close: tokio::sync::watch::Sender::new(()),
        };
        let target = format!("{host}:{port}");
        let (fault, connections) = (Arc::clone(&proxy.fault), Arc::clone(&proxy.connections));
        let counts = (Arc::clone(&proxy.octets), Arc::clone(&proxy.total));
        let close = proxy.close.clone();
        let mut cuts = 0_u64;
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                counts.0.store(0, Ordering::SeqCst);
                let mut fault = fault.lock().unwrap().clone();
                if let Fault::CutLater(step) = fault {
                    cuts += 1;
                    fault = Fault::CutAfter(step * cuts);
                }
                if fault == Fault::Down {
                    continue;
                }
                let mut closed = close.subscribe();
                let passed = pass(client, target.clone(), fault, counts.clone());
                tokio::spawn(async move {
                    tokio::select! { () = passed => {}, _ = closed.changed() => {} }
                });
            }
        });
        proxy
    }

    /// What is done to connections from now on.
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Closes the connections that are open, without a word.
    pub fn close_all(&self) {
        self.close.send_replace(());
    }
}

async fn pass(client: TcpStream, target: String, fault: Fault, (octets, total): (Arc<AtomicU64>, Arc<AtomicU64>)) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<String>();
    let from_client = fault.clone();
    let up = async move {
        let mut lines = BufReader::new(client_read);
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let (tag, command) = text.split_once(' ').unwrap_or((&text, ""));
            match (&from_client, command) {
                (Fault::RefuseIdle, "IDLE") | (Fault::RefuseStartTls, "STARTTLS") => {
                    drop(tell.send(format!("{tag} NO not today\r\n")));
                }
                (Fault::InjectAfterStartTls, "STARTTLS") => {
                    drop(tell.send(format!("{tag} OK go\r\n* OK injected\r\n")));
                }
                (Fault::SwallowIdle, "IDLE") => {}
                (Fault::CloseInIdle, "IDLE") => {
                    drop(tell.send("+ idling\r\n".to_owned()));
                    drop(tell.send(String::new()));
                }
                (Fault::ByeInIdle, "IDLE") => {
                    drop(tell.send("+ idling\r\n* BYE the server goes down\r\n".to_owned()));
                    drop(tell.send(String::new()));
                }
                _ => {
                    if let Some(said) = from_client.answer_to(tag, command) {
                        drop(tell.send(said));
                        continue;
                    }
                    if server_write.write_all(&line).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    let down = async move {
        let mut block = vec![0; 16 * 1024];
        loop {
            tokio::select! {
                said = told.recv() => {
                    let Some(said) = said else { return };
                    if said.is_empty() || client_write.write_all(said.as_bytes()).await.is_err() {
                        return;
                    }
                }
                read = server_read.read(&mut block) => {
                    let length = read.unwrap_or(0);
                    if length == 0 {
                        return;
                    }
                    let mut out = block[..length].to_vec();
                    total.fetch_add(length as u64, Ordering::SeqCst);
                    let before = octets.fetch_add(length as u64, Ordering::SeqCst);
                    if let Fault::CutAfter(limit) = fault {
                        out.truncate(usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX));
                    }
                    if fault == Fault::StripStartTls {
                        out = String::from_utf8_lossy(&out).replace("STARTTLS", "X-NOTHING").into_bytes();
                    }
                    let is_cut = out.len() < length;
                    if client_write.write_all(&out).await.is_err() || is_cut {
                        return;
                    }
                }
            }
        }
    };
    tokio::select! { () = up => {}, () = down => {} }
}

/// What a scripted server says to a command: bits to send, in which `{tag}` is the command's tag.
pub type Script = fn(command: &str) -> Option<Vec<u8>>;

/// A tiny IMAP server. What the script does not answer gets a fitting answer; an empty script answer closes.
pub async fn scripted(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, script));
        }
    });
    address
}

async fn serve(stream: TcpStream, script: Script) {
    let mut stream = BufReader::new(stream);
    let greeting = script("GREETING").unwrap_or_else(|| b"* OK hello\r\n".to_vec());
    if stream.write_all(&greeting).await.is_err() {
        return;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let said = script(command).unwrap_or_else(|| usual(command));
        if said.is_empty() {
            return;
        }
        if said == b"ENDLESS" {
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            return;
        }
        let mut out = Vec::with_capacity(said.len());
        let mut rest = said.as_slice();
        while let Some(at) = rest.windows(5).position(|window| window == b"{tag}") {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(tag.as_bytes());
            rest = &rest[at + 5..];
        }
        out.extend_from_slice(rest);
        if stream.write_all(&out).await.is_err() {
            return;
        }
    }
}

fn usual(command: &str) -> Vec<u8> {
    let said = match command.split_ascii_whitespace().next().unwrap_or_default() {
        "CAPABILITY" => "* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN\r\n{tag} OK done\r\n",
        "EXAMINE" => "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 10] ok\r\n{tag} OK done\r\n",
        "LIST" => "* LIST () \"/\" INBOX\r\n{tag} OK done\r\n",
        _ => "{tag} OK done\r\n",
    };
    said.as_bytes().to_vec()
}
