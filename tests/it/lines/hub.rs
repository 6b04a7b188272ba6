//! The daemon with an account at each of some providers on loopback, and people whom it may write to on each.

use serde_json::json;

use super::house::{News, posted, public_key};
use super::{House, Which};
use crate::daemon::{Answer, Installation};
use crate::peers::{MailPeer, PASSWORD};
use crate::slack::fake::{APP_TOKEN, BOT_TOKEN};
use crate::sms::telnyx::KEY;
use crate::sms::{ACCOUNT, OURS, TOKEN};
use crate::stores::Fresh;
use liaison::clock::Clock;

pub(super) struct Hub {
    pub(super) home: Installation,
    pub(super) houses: Vec<House>,
    pub(super) clock: Clock,
}

/// A mailbox beside them.
pub(super) struct Mailbox<'a> {
    pub(super) peer: &'a MailPeer,
    pub(super) address: &'a str,
}

impl Hub {
    pub(super) async fn new(fresh: Fresh, which: &[Which], mailbox: Option<Mailbox<'_>>) -> Self {
        let clock = Clock::machine();
        let mut houses = Vec::new();
        for which in which {
            houses.push(House::new(*which, &clock).await);
        }
        let mut sections: String = houses.iter().map(section).collect();
        if let Some(Mailbox { peer, address }) = mailbox {
            sections.push_str(&format!(
                "[accounts.mail]\nkind = \"imap\"\naddress = \"{address}\"\npassword = {{ file = \"password\" }}\n\
                 imap = \"imap+plain://127.0.0.1:{}\"\nsmtp = \"smtp://localhost:{}\"\nca = \"{}\"\nsent_copy = \"server\"\n\
                 settle_minutes = 1\npoll_seconds = 1\n",
                peer.imap,
                peer.submission,
                peer.ca.display()
            ));
        }
        let secrets = [("bot", BOT_TOKEN), ("app", APP_TOKEN), ("token", TOKEN), ("key", KEY), ("password", PASSWORD)];
        let home = Installation::bare(fresh, &sections, &secrets).await;
        home.rewrite(|config| {
            let listen = format!("listen = \"127.0.0.1:{}\"\n", home.port);
            let site = format!("{listen}base_url = \"http://127.0.0.1:{}\"\n", home.port);
            format!("phone_region = \"US\"\n{}", config.replace(&listen, &site))
        });
        Self { home, houses, clock }
    }

    /// Makes so many people known on each channel, all of whom may be written to.
    pub(super) fn meet(&self, people: usize) {
        for house in &self.houses {
            house.meet(people);
            let which = house.which();
            if which == Which::Slack {
                for n in 0..people {
                    let order =
                        json!({ "handle": format!("slack{n}"), "first_name": "Ana", "slack": [which.address(n)] });
                    self.ask("/v1/influencers", &order);
                }
            } else if !self.houses.iter().any(|other| other.which() == Which::Twilio && which == Which::Telnyx) {
                let rows: String = (0..people)
                    .map(|n| format!("text{n},Ana,{},a form,2026-01-05T10:00:00Z\n", which.address(n)))
                    .collect();
                let csv = format!("handle,first_name,phone,consent.sms.source,consent.sms.at\n{rows}");
                self.ask("/v1/imports", &json!({ "csv": csv }));
            }
        }
    }

    pub(super) fn ask(&self, path: &str, order: &serde_json::Value) {
        let answer = self.home.call("POST", path, Some(order));
        assert!(matches!(answer, Answer::Said(200..=299, _)), "{path}: {answer:?}\n{}", self.home.last_words());
    }

    /// Tells the daemon as the provider does; `false` where it is to be told again.
    pub(super) fn tell(&self, house: &House, news: &News) -> bool {
        if let (News::Frame(frame), House::Slack(fake)) = (news, house) {
            fake.push(frame);
            return true;
        }
        let path = format!("/hooks/{}", house.which().name());
        let request = posted(news, &format!("http://127.0.0.1:{}{path}", self.home.port), &self.clock);
        let headers: Vec<(&str, &str)> = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let path = if request.rest.is_empty() { path } else { format!("{path}/{}", request.rest) };
        match post(self.home.port, "127.0.0.1", &path, &headers, &request.body) {
            Some(200) => true,
            None | Some(500..=599) => false,
            Some(status) => panic!("{path}: {status}\n{}", self.home.last_words()),
        }
    }
}

fn section(house: &House) -> String {
    let common = "poll_seconds = 1\nsettle_minutes = 1\n";
    match house {
        House::Slack(fake) => format!(
            "[accounts.slack]\nkind = \"slack\"\nbot_token = {{ file = \"bot\" }}\napp_token = {{ file = \"app\" }}\n\
             base_url = \"{}\"\n{common}",
            fake.base
        ),
        House::Twilio(twilio) => format!(
            "[accounts.twilio]\nkind = \"twilio\"\naccount_sid = \"{ACCOUNT}\"\nauth_token = {{ file = \"token\" }}\n\
             number = \"{OURS}\"\nbase_url = \"{}\"\n{common}",
            twilio.server.url()
        ),
        House::Telnyx(telnyx) => format!(
            "[accounts.telnyx]\nkind = \"telnyx\"\napi_key = {{ file = \"key\" }}\nnumber = \"{OURS}\"\n\
             public_key = \"{}\"\nbase_url = \"{}/v2\"\n{common}",
            public_key(),
            telnyx.server.url()
        ),
    }
}

/// The status of an answer; none where nobody answers, or dies while it does.
pub(super) fn post(port: u16, host: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<u16> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(40))).ok()?;
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
