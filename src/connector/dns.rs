//! Questions to a name server (RFC 1035): texts and addresses, for whoever looks whether a domain is set up. Asks a server
//! that looks further by itself; follows nothing on its own.
//!
//! What comes back is hostile: read with limits, and taken only where it answers what was asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::clock::random_octets;

/// The port of name servers.
pub const PORT: u16 = 53;
/// How long a server may take for one answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How often each server is asked.
const TRIES: usize = 2;
/// Servers of the system that are asked.
const SERVERS_MAX: usize = 3;
/// Octets of an answer over UDP that are taken (what is safe on any way, RFC 9715).
const UDP_OCTETS: u16 = 1232;
/// Records of an answer that are looked at.
const RECORDS_MAX: u16 = 200;
/// Where the system says which servers it asks.
const SYSTEM_FILE: &str = "/etc/resolv.conf";

const A: u16 = 1;
const TXT: u16 = 16;
const AAAA: u16 = 28;
/// The class of the internet.
const INTERNET: u16 = 1;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The system names no server.
    #[error("{SYSTEM_FILE} names no name server")]
    NoServer,
    /// A name that can't be asked for.
    #[error("`{0}` is no name of a host")]
    Name(String),
    /// None of the servers answered in time.
    #[error("no name server answered: {0}")]
    Silent(String),
    /// A server could not say.
    #[error("{server} answers with the error {code}")]
    Failed {
        /// Which.
        server: SocketAddr,
        /// RFC 1035 §4.1.1: 2 is a failure of the server, 5 a refusal.
        code: u16,
    },
    /// What came is no answer.
    #[error("{0} answers what can't be read")]
    Garbled(SocketAddr),
}

/// Asks name servers.
#[derive(Debug, Clone)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
}

impl Resolver {
    /// One server.
    pub fn at(server: SocketAddr) -> Self {
        Self { servers: vec![server] }
    }

    /// Those the system asks.
    ///
    /// # Errors
    /// [`DnsError::NoServer`].
    pub fn of_system() -> Result<Self, DnsError> {
        let text = std::fs::read_to_string(SYSTEM_FILE).unwrap_or_default();
        let servers = servers_in(&text);
        if servers.is_empty() { Err(DnsError::NoServer) } else { Ok(Self { servers }) }
    }

    /// The TXT records of a name; none where there are none, or no such name.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, DnsError> {
        let records = self.ask(name, TXT).await?;
        Ok(records.iter().map(|data| text_of(data)).collect())
    }

    /// The addresses of a name; none where there are none, or no such name.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsError> {
        let four = self.ask(name, A).await?;
        let six = self.ask(name, AAAA).await?;
        let four = four.into_iter().filter_map(|data| <[u8; 4]>::try_from(data).ok()).map(|a| Ipv4Addr::from(a).into());
        let six = six.into_iter().filter_map(|data| <[u8; 16]>::try_from(data).ok()).map(|a| Ipv6Addr::from(a).into());
        Ok(four.chain(six).collect())
    }

    /// The data of the records of one sort.
    async fn ask(&self, name: &str, sort: u16) -> Result<Vec<Vec<u8>>, DnsError> {
        let mut last = DnsError::NoServer;
        for _ in 0..TRIES {
            for server in &self.servers {
                match exchange(*server, name, sort).await {
                    Ok(records) => return Ok(records),
                    Err(error @ DnsError::Name(_)) => return Err(error),
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }
}

fn servers_in(text: &str) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok());
    let named = named.filter_map(|[key, address]: [&str; 2]| (key == "nameserver").then_some(address));
    // A scope (`fe80::1%eth0`) can't be said here.
    named
        .filter_map(|address| address.parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, PORT))
        .take(SERVERS_MAX)
        .collect()
}

/// One question and its answer: over UDP, and again over TCP where it does not fit.
async fn exchange(server: SocketAddr, name: &str, sort: u16) -> Result<Vec<Vec<u8>>, DnsError> {
    let id = random_octets::<2>().map_err(|e| DnsError::Silent(e.to_string()))?;
    let question = question(name, sort).ok_or_else(|| DnsError::Name(name.to_owned()))?;
    let query = query(id, &question);
    let silent = |why: String| DnsError::Silent(format!("{server}: {why}"));
    let late = || silent(format!("nothing within {} s", ANSWER_TIME.as_secs()));
    let asked = Asked { id, question: &question, sort };
    let over_udp = timeout(ANSWER_TIME, udp(server, &query, &asked)).await.map_err(|_| late())?;
    let mut answer = over_udp.map_err(|e| silent(e.to_string()))?;
    if is_cut(&answer) {
        let over_tcp = timeout(ANSWER_TIME, tcp(server, &query)).await.map_err(|_| late())?;
        answer = over_tcp.map_err(|e| silent(e.to_string()))?;
    }
    match asked.read(&answer).ok_or(DnsError::Garbled(server))? {
        // There is no such name.
        (3, _) => Ok(Vec::new()),
        (0, records) => Ok(records),
        (code, _) => Err(DnsError::Failed { server, code }),
    }
}

async fn udp(server: SocketAddr, query: &[u8], asked: &Asked<'_>) -> std::io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut octets = vec![0; usize::from(UDP_OCTETS)];
    loop {
        let n = socket.recv(&mut octets).await?;
        let answer = octets.get(..n).unwrap_or_default();
        // What answers something else may be late, or a forgery: the right one may still come.
        if asked.is_answered_by(answer) {
            return Ok(answer.to_vec());
        }
    }
}

async fn tcp(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The name as labels, its sort and class; nothing where it is no name.
fn question(name: &str, sort: u16) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        let fine = label.is_ascii() && !label.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control());
        let length = u8::try_from(label.len()).ok().filter(|n| fine && (1..=63).contains(n))?;
        out.push(length);
        out.extend(label.to_ascii_lowercase().bytes());
    }
    out.push(0);
    (out.len() <= 255).then_some(())?;
    out.extend(sort.to_be_bytes());
    out.extend(INTERNET.to_be_bytes());
    Some(out)
}

/// The whole message: recursion is wanted, and answers of [`UDP_OCTETS`] are taken (RFC 6891).
fn query(id: [u8; 2], question: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    out.extend(question);
    out.extend([0, 0, 41]);
    out.extend(UDP_OCTETS.to_be_bytes());
    out.extend([0; 6]);
    out
}

/// What was asked, to know the answer by.
struct Asked<'a> {
    id: [u8; 2],
    question: &'a [u8],
    sort: u16,
}

impl Asked<'_> {
    fn is_answered_by(&self, answer: &[u8]) -> bool {
        let header = Message { octets: answer, at: 0 };
        let is_answer = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
        let begins = answer.get(12..).is_some_and(|rest| {
            // Some servers change the case of names to tell forgeries; ours comes in lower case.
            rest.get(..self.question.len()).is_some_and(|q| q.eq_ignore_ascii_case(self.question))
        });
        answer.starts_with(&self.id) && is_answer && begins && header.word_at(4) == Some(1)
    }

    /// The code of an answer, and the data of the records that were asked for.
    fn read(&self, answer: &[u8]) -> Option<(u16, Vec<Vec<u8>>)> {
        self.is_answered_by(answer).then_some(())?;
        let mut message = Message { octets: answer, at: 0 };
        let (code, count) = (message.word_at(2)? & 15, message.word_at(6)?);
        message.at = self.question.len().checked_add(12)?;
        let mut records = Vec::new();
        for _ in 0..count.min(RECORDS_MAX) {
            message.skip_name()?;
            let (sort, class) = (message.word()?, message.word()?);
            message.take(4)?;
            let length = message.word()?;
            let data = message.take(usize::from(length))?;
            // Names that stand for others (CNAME) come before what they stand for: whose record it is does not matter.
            if (sort, class) == (self.sort, INTERNET) {
                records.push(data.to_vec());
            }
        }
        Some((code, records))
    }
}

/// Whether an answer did not fit and was cut off.
fn is_cut(answer: &[u8]) -> bool {
    answer.get(2).is_some_and(|flags| flags & 2 != 0)
}

/// A message that is read from front to back.
struct Message<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Message<'a> {
    fn word_at(&self, at: usize) -> Option<u16> {
        let octets = self.octets.get(at..at.checked_add(2)?)?;
        octets.try_into().ok().map(u16::from_be_bytes)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(n)?;
        let taken = self.octets.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn word(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// Past a name, which ends with an empty label or points to another place. Nothing is followed, so nothing goes round.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => return Some(()),
                0xc0.. => return self.take(1).map(|_| ()),
                64.. => return None,
                _ => self.take(usize::from(length)).map(|_| ())?,
            }
        }
    }
}

/// The strings of a TXT record, as one text.
fn text_of(data: &[u8]) -> String {
    let (mut message, mut text) = (Message { octets: data, at: 0 }, Vec::new());
    while let Some(piece) = message.take(1).and_then(|n| n.first().copied()).and_then(|n| message.take(usize::from(n)))
    {
        text.extend_from_slice(piece);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(asked: &Asked<'_>, flags: [u8; 2], records: &[u8], count: u8) -> Vec<u8> {
        let head = [&asked.id[..], &flags, &[0, 1, 0, count, 0, 0, 0, 0]].concat();
        [&head[..], asked.question, records].concat()
    }

    #[test]
    fn answers_are_read_and_whatever_is_no_answer_is_not() {
        let question = question("Acme.COM.", TXT).unwrap();
        assert_eq!(question, b"\x04acme\x03com\0\0\x10\0\x01");
        let asked = Asked { id: [7, 8], question: &question, sort: TXT };
        let cname = b"\xc0\x0c\0\x05\0\x01\0\0\0\x01\0\x02\xc0\x0c";
        let txt = b"\x01x\0\0\x10\0\x01\0\0\0\x01\0\x06\x02ab\x02cd";
        let whole = answer(&asked, [0x81, 0x80], &[&cname[..], txt].concat(), 2);
        let (code, records) = asked.read(&whole).unwrap();
        assert_eq!((code, text_of(&records[0]).as_str(), records.len()), (0, "abcd", 1));
        assert_eq!(asked.read(&answer(&asked, [0x81, 0x83], b"", 0)).unwrap().0, 3);
        assert!(is_cut(&answer(&asked, [0x83, 0x80], b"", 0)));
        for end in 0..whole.len() {
            assert!(asked.read(&whole[..end]).is_none(), "{end}");
        }
        for (place, octet) in [(0, 9), (2, 1), (13, b'x'), (5, 2)] {
            let mut forged = whole.clone();
            forged[place] = octet;
            assert!(!asked.is_answered_by(&forged), "{place}");
        }
        // A record that says it is longer than all, and a name that points at itself.
        assert!(asked.read(&answer(&asked, [0x81, 0x80], b"\0\0\x10\0\x01\0\0\0\x01\xff\xff", 1)).is_none());
        assert!(asked.read(&answer(&asked, [0x81, 0x80], b"\x7fx", 1)).is_none());
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        for name in ["", "a..b", "a b.com", &"x".repeat(64), &"abc.".repeat(64), "é.com"] {
            assert!(question(name, A).is_none(), "{name}");
        }
    }

    #[test]
    fn servers_of_the_system_are_found() {
        let text = "# nameserver 1.1.1.1\nsearch a.b\nnameserver 192.0.2.1\n nameserver ::1 \nnameserver fe80::1%eth0\noptions x\n";
        let servers = servers_in(text);
        assert_eq!(servers, ["192.0.2.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
    }
}
