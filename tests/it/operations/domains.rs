//! What our domains say of our mail is looked up, at a name server of the test's own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use serde_json::Value;

use super::place::Place;

const A: u16 = 1;
const CNAME: u16 = 5;
const TXT: u16 = 16;

/// Records by name, in lower case: their sort and data.
#[derive(Default)]
struct Zone(BTreeMap<String, Vec<(u16, Vec<u8>)>>);

impl Zone {
    fn with(mut self, name: &str, sort: u16, data: &[u8]) -> Self {
        self.0.entry(name.to_owned()).or_default().push((sort, data.to_vec()));
        self
    }

    fn text(self, name: &str, text: &str) -> Self {
        let data: Vec<u8> =
            text.as_bytes().chunks(255).flat_map(|c| [&[u8::try_from(c.len()).unwrap()], c].concat()).collect();
        self.with(name, TXT, &data)
    }

    /// The answer to a query; what does not fit is cut off.
    fn answer(&self, query: &[u8], room: usize) -> Vec<u8> {
        let (mut at, mut labels) = (12, Vec::new());
        while query[at] > 0 {
            let end = at + 1 + usize::from(query[at]);
            labels.push(String::from_utf8(query[at + 1..end].to_vec()).unwrap());
            at = end;
        }
        let sort = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let name = labels.join(".");
        let found = self.0.get(&name);
        let records: Vec<&(u16, Vec<u8>)> =
            found.into_iter().flatten().filter(|(s, _)| [sort, CNAME].contains(s)).collect();
        let code: u8 = match (found, name.as_str()) {
            (_, "broken.acme.com") => 2,
            (None, _) => 3,
            (Some(_), _) => 0,
        };
        let mut out =
            [&query[..2], &[0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]].concat();
        out.extend(&query[12..at + 5]);
        for (sort, data) in records {
            out.extend([0xc0, 12]);
            out.extend(sort.to_be_bytes());
            out.extend([0, 1, 0, 0, 0, 60]);
            out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            out.extend(data);
        }
        if out.len() > room {
            out.truncate(at + 5);
            out[2] |= 2;
            out[7] = 0;
        }
        out
    }

    /// Serves over UDP and TCP at one port.
    fn serve(self) -> SocketAddr {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let (at, zone) = (udp.local_addr().unwrap(), Arc::new(self));
        let shared = Arc::clone(&zone);
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((n, from)) = udp.recv_from(&mut query) {
                // A forgery with another number comes first, and is not taken.
                let mut forged = shared.answer(&query[..n], 512);
                forged[0] ^= 1;
                udp.send_to(&forged, from).unwrap();
                udp.send_to(&shared.answer(&query[..n], 512), from).unwrap();
            }
        });
        std::thread::spawn(move || {
            for mut stream in tcp.incoming().map_while(Result::ok) {
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).unwrap();
                let answer = zone.answer(&query, usize::MAX);
                stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        at
    }
}

/// What `doctor` says of domains, with these accounts and this host of links.
fn doctor(zone: Zone, accounts: &[(&str, &str)], host: &str) -> BTreeMap<String, (String, String)> {
    let place = Place::new(None);
    let at = zone.serve();
    let sections: String = accounts
        .iter()
        .enumerate()
        .map(|(n, (address, more))| {
            format!(
                "[accounts.a{n}]\naddress = \"{address}\"\n{more}\nimap = \"imap+plain://127.0.0.1:1\"\nsmtp = \"smtp+plain://127.0.0.1:1\"\n"
            )
        })
        .collect();
    let text = format!(
        "[server]\ndns = \"{at}\"\nbase_url = \"https://{host}\"\n[storage]\nstate_dir = \"state\"\n\
         [secrets]\nmaster_key = {{ file = \"pw\" }}\n[oauth.gmail]\nclient_id = \"x\"\nclient_secret = {{ file = \"pw\" }}\n{sections}"
    );
    std::fs::write(place.path().join("liaison.toml"), text).unwrap();
    std::fs::write(place.path().join("pw"), "a secret that is long enough for a key").unwrap();
    let told = place.run(&["doctor", "--json"]).json();
    let of = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let checks = told["checks"].as_array().unwrap().iter();
    checks
        .map(|c| (of(c, "what"), (of(c, "state"), format!("{} / {}", of(c, "detail"), of(c, "hint")))))
        .filter(|(what, _)| what.starts_with("domain ") || what.starts_with("host "))
        .collect()
}

#[test]
fn doctor_says_what_the_domains_lack() {
    let key = format!("v=DKIM1; k=rsa; p={}", "A".repeat(700));
    let zone = Zone::default()
        // One that has all. Its key is so long that it comes over TCP.
        .text("acme.com", "something else")
        .text("acme.com", "v=spf1 include:_spf.google.com ~all")
        .text("s1._domainkey.acme.com", &key)
        .text("_dmarc.acme.com", "v=DMARC1; p=none")
        // One whose policy is that of the domain above, and whose key was taken back.
        .text("news.acme.com", "v=spf1 mx +all")
        .text("google._domainkey.news.acme.com", "v=DKIM1; p=")
        .with("links.acme.com", CNAME, b"\x03www\x04acme\x03com\0")
        .with("links.acme.com", A, &[192, 0, 2, 7]);
    let password = "kind = \"imap\"\npassword = { file = \"pw\" }";
    let accounts = [
        ("kim@acme.com", &*format!("{password}\ndkim_selector = \"s1\"")),
        ("news@news.acme.com", "kind = \"gmail\""),
        ("ana@bare.com", password),
        ("me@gmail.com", "kind = \"gmail\""),
        ("x@broken.acme.com", password),
    ];
    let told = doctor(zone, &accounts, "links.acme.com");
    for (what, state, words) in [
        ("domain acme.com, SPF", "ok", "v=spf1 include:_spf.google.com ~all"),
        ("domain acme.com, DKIM", "ok", "there is a key at the selector `s1`"),
        ("domain acme.com, DMARC", "ok", "v=DMARC1; p=none"),
        ("domain news.acme.com, SPF", "problem", "end it with ~all or -all"),
        ("domain news.acme.com, DKIM", "problem", "`google` was taken back / publish the key"),
        ("domain news.acme.com, DMARC", "ok", "v=DMARC1; p=none"),
        ("domain bare.com, SPF", "problem", "there is no SPF record / add a TXT record"),
        ("domain bare.com, DKIM", "ok", "dkim_selector"),
        ("domain bare.com, DMARC", "problem", "add one TXT record at _dmarc"),
        ("domain gmail.com", "ok", "its provider looks after it"),
        ("domain broken.acme.com, SPF", "warning", "error 2 / look at [server] dns"),
        ("host of links links.acme.com", "ok", "192.0.2.7"),
    ] {
        let (got, said) = told.get(what).unwrap_or_else(|| panic!("nothing of {what}: {told:#?}"));
        assert!(got == state && said.contains(words), "{what}: {got}: {said}");
    }
    let told = doctor(Zone::default(), &[("me@gmail.com", password)], "links.acme.com");
    let (state, said) = &told["host of links links.acme.com"];
    assert!(state == "problem" && said.contains("lead nowhere"), "{said}");
}

#[test]
fn names_that_lead_nowhere_are_asked_for_only_where_somebody_says_whom() {
    let place = Place::new(None);
    // hello@acme.example, and no name server said.
    let told = place.run(&["doctor", "--json"]).json();
    assert!(!told.to_string().contains("SPF"), "{told}");
}
