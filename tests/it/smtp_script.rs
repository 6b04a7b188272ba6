//! An SMTP server that does what a test tells it: a good one by default, with rules for what goes wrong and where.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use liaison::connector::Outgoing;
use liaison::connector::email::smtp::{Security, SmtpSender, SmtpSettings, Timeouts};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server does in place of its good answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// These octets, and on.
    Say(&'static str),
    /// These octets, and the connection is closed.
    SayAndCut(&'static str),
    /// The connection is closed.
    Cut,
    /// No answer, ever.
    Stall,
    /// Reply lines without an end.
    Endless,
}

/// A rule: on lines that begin so (`GREETING` and `CONTENT` stand for those moments), on that connection or on all.
pub type Rule = (&'static str, Option<usize>, Act);

/// What came in.
#[derive(Debug, Default)]
pub struct Seen {
    pub connections: usize,
    pub lines: Vec<String>,
    /// Contents whose final dot was read.
    pub contents: Vec<String>,
}

/// A running server; it ends with the test's runtime.
pub struct ScriptServer {
    pub port: u16,
    pub seen: Arc<Mutex<Seen>>,
}

impl ScriptServer {
    pub async fn start(extensions: &'static [&'static str], rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (tcp, _) = listener.accept().await.unwrap();
                shared.lock().unwrap().connections += 1;
                let rules = rules.iter().filter(|r| r.1.is_none_or(|n| n == connection)).cloned().collect();
                tokio::spawn(talk(tcp, extensions, rules, shared.clone()));
            }
        });
        Self { port, seen }
    }

    pub fn sender(&self) -> SmtpSender {
        SmtpSender::new(self.settings()).unwrap()
    }

    pub fn settings(&self) -> SmtpSettings {
        let brief = Duration::from_millis(300);
        SmtpSettings {
            host: "127.0.0.1".into(),
            port: self.port,
            security: Security::Plain,
            user: None,
            password: None,
            ca_file_pem: None,
            hello_name: "client.example".into(),
            timeouts: Timeouts {
                connect: brief,
                greeting: brief,
                hello: brief,
                login: brief,
                mail: brief,
                recipient: brief,
                data: brief,
                block: brief,
                outcome: brief,
                reset: brief,
            },
        }
    }

    pub fn lines(&self, prefix: &str) -> Vec<String> {
        self.seen.lock().unwrap().lines.iter().filter(|l| l.starts_with(prefix)).cloned().collect()
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

/// A small mail.
pub fn mail(recipients: &[&str]) -> Outgoing {
    Outgoing {
        from: "us@brand.example".into(),
        recipients: recipients.iter().map(|&r| r.to_owned()).collect(),
        content: b"Subject: x\r\n\r\n.dot\r\nbye\r\n".to_vec(),
    }
}

async fn talk(tcp: TcpStream, extensions: &[&str], rules: Vec<Rule>, seen: Arc<Mutex<Seen>>) -> Option<()> {
    let mut io = BufReader::new(tcp);
    act(&mut io, &rules, "GREETING", "220 script\r\n").await?;
    loop {
        let line = line(&mut io).await?;
        seen.lock().unwrap().lines.push(line.clone());
        match line.split(' ').next().unwrap_or_default() {
            "EHLO" => {
                let mut offered: Vec<&str> = vec!["script"];
                offered.extend(extensions);
                let (last, before) = offered.split_last().unwrap();
                let mut good = String::new();
                for extension in before {
                    good.extend(["250-", extension, "\r\n"]);
                }
                good.extend(["250 ", last, "\r\n"]);
                act(&mut io, &rules, &line, &good).await?;
            }
            "AUTH" => {
                act(&mut io, &rules, &line, "235 2.7.0 in\r\n").await?;
            }
            "DATA" => {
                let go = act(&mut io, &rules, &line, "354 go\r\n").await?;
                if go.starts_with("354") {
                    let mut content = String::new();
                    loop {
                        let line = self::line(&mut io).await?;
                        if line == "." {
                            break;
                        }
                        content.extend([line.as_str(), "\n"]);
                    }
                    seen.lock().unwrap().contents.push(content);
                    act(&mut io, &rules, "CONTENT", "250 2.0.0 queued as 1\r\n").await?;
                }
            }
            "QUIT" => return act(&mut io, &rules, &line, "221 bye\r\n").await.and(None),
            _ => {
                act(&mut io, &rules, &line, "250 2.1.0 fine\r\n").await?;
            }
        }
    }
}

async fn line(io: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let n = io.read_line(&mut line).await.ok()?;
    (n > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Answers, and returns what was said; `None` where the connection is over.
async fn act(io: &mut BufReader<TcpStream>, rules: &[Rule], moment: &str, good: &str) -> Option<String> {
    let rule = rules.iter().find(|r| moment.starts_with(r.0)).map(|r| r.2.clone());
    match rule {
        None => {
            io.write_all(good.as_bytes()).await.ok()?;
            Some(good.to_owned())
        }
        Some(Act::Say(text)) => {
            io.write_all(text.as_bytes()).await.ok()?;
            Some(text.to_owned())
        }
        Some(Act::SayAndCut(text)) => {
            io.write_all(text.as_bytes()).await.ok()?;
            io.shutdown().await.ok()?;
            None
        }
        Some(Act::Cut) => None,
        Some(Act::Stall) => std::future::pending().await,
        Some(Act::Endless) => loop {
            io.write_all(b"250-and another line\r\n").await.ok()?;
        },
    }
}
