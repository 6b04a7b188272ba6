//! An outreach mailbox made up from a seed, with the truth about each of its mails: whose it is, in which thread, of what
//! sort. People and text are invented; the same seed gives the same mailbox, dated back from the day it is asked for.
//!
//! It knows nothing of liaison: what it calls a thread is what a careful person would.

use std::fmt::Write as _;

use crate::letters::{Letters, Quote, attachment, html_of, quoted_printable};

/// Our own address in every mail.
pub const OURS: &str = "hello@brand.example";
/// Mails for each influencer, about.
const MAILS_EACH: usize = 40;
/// How far back the oldest thread begins, days.
const DAYS: i64 = 300;

/// A source of chance that is the same everywhere (splitmix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }

    pub fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Where a mail lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Folder {
    Inbox,
    Sent,
}

/// What sort of mail it is, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    Human,
    OutOfOffice,
    Automatic,
    Bounce,
}

impl Class {
    pub fn word(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::OutOfOffice => "out_of_office",
            Self::Automatic => "automatic",
            Self::Bounce => "bounce",
        }
    }
}

/// What makes a mail hard to place, for figures of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    Plain,
    /// Outlook, with In-Reply-To and no References.
    ParentOnly,
    /// Outlook, with a Thread-Index and nothing else.
    IndexOnly,
    /// Outlook, with nothing but the subject.
    SubjectOnly,
    Report,
    OtherAddress,
}

/// The truth about one mail.
#[derive(Debug, Clone)]
pub struct Truth {
    pub message_id: String,
    /// On whose timelines it belongs, and in which thread there.
    pub parts: Vec<(usize, u32)>,
    /// What it belongs to where a thread is not parted by person.
    pub conversation: u32,
    pub class: Class,
    pub shape: Shape,
}

/// One mail, LF line ends.
pub struct Mail {
    pub raw: String,
    /// Seconds since the epoch.
    pub at: i64,
    pub folder: Folder,
}

pub struct Influencer {
    pub handle: String,
    pub first: String,
    pub last: String,
    /// Known addresses, the primary one first.
    pub emails: Vec<String>,
    /// One that only they know.
    pub hidden: String,
    pub agent: Option<usize>,
}

impl Influencer {
    fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

pub struct Agent {
    pub first: String,
    pub last: String,
    pub email: String,
    pub influencers: Vec<usize>,
}

pub struct People {
    pub influencers: Vec<Influencer>,
    pub agents: Vec<Agent>,
}

impl People {
    /// Those of a mailbox of so many mails.
    pub fn new(chance: &mut Chance, letters: &Letters, mails: usize) -> Self {
        let mut influencers: Vec<Influencer> = (0..(mails / MAILS_EACH).max(20))
            .map(|n| {
                let (first, last) = (letters.name(chance), letters.name(chance));
                let (f, l) = (first.to_lowercase(), last.to_lowercase());
                let mut emails = vec![format!("{f}.{l}{n}@example.org")];
                if chance.percent(20) {
                    emails.push(format!("{f}{n}@studio.example.net"));
                }
                let hidden = format!("{l}.{f}{n}@home.example.com");
                Influencer { handle: format!("{f}{n}"), first, last, emails, hidden, agent: None }
            })
            .collect();
        let mut agents = Vec::new();
        let mut next = 0;
        while next < influencers.len() / 6 {
            let count = 1 + chance.below(3);
            let own: Vec<usize> = (next..next + count).collect();
            for n in &own {
                influencers[*n].agent = Some(agents.len());
            }
            let email = format!("agent{}@talent.example.com", agents.len());
            agents.push(Agent { first: letters.name(chance), last: letters.name(chance), email, influencers: own });
            next += count;
        }
        Self { influencers, agents }
    }
}

/// What one thread needs to write its next mail.
struct Thread {
    subject: String,
    parts: Vec<(usize, u32)>,
    conversation: u32,
    ids: Vec<String>,
    at: i64,
    last_text: String,
    last_name: String,
    index: String,
}

/// Who writes to whom.
struct Route {
    from: (String, String),
    to: Vec<(String, String)>,
    folder: Folder,
}

/// Writes mails one after the other into `sink`.
pub struct Generator<'a> {
    pub chance: Chance,
    pub letters: &'a Letters,
    pub people: &'a People,
    pub truths: Vec<Truth>,
    end: i64,
    threads: u32,
    sink: &'a mut dyn FnMut(&Mail, usize),
}

impl<'a> Generator<'a> {
    /// `end`: seconds since the epoch before which everything lies.
    pub fn new(
        chance: Chance,
        letters: &'a Letters,
        people: &'a People,
        end: i64,
        sink: &'a mut dyn FnMut(&Mail, usize),
    ) -> Self {
        Self { chance, letters, people, truths: Vec::new(), end, threads: 0, sink }
    }

    /// Whole threads, until there are at least so many mails.
    pub fn write(&mut self, mails: usize) {
        while self.truths.len() < mails {
            match self.chance.below(100) {
                0..=61 => self.outreach(),
                62..=69 => self.outlook(),
                70..=78 => self.by_agent(),
                79..=82 => self.blast(),
                83..=92 => self.begun_by_them(),
                _ => self.stranger(),
            }
        }
    }

    fn thread(&mut self, influencers: &[usize]) -> Thread {
        let conversation = self.threads;
        let parts: Vec<(usize, u32)> = influencers.iter().map(|i| (*i, conversation)).collect();
        self.threads += 1;
        let at = self.end
            - 86_400 * 40
            - i64::try_from(self.chance.below(86_400)).unwrap_or(0)
            - 86_400 * i64::try_from(self.chance.below(usize::try_from(DAYS - 40).unwrap_or(1))).unwrap_or(0);
        let mut index = String::new();
        for _ in 0..29 {
            let _ignored = write!(index, "{}", char::from(b'A' + u8::try_from(self.chance.below(26)).unwrap_or(0)));
        }
        Thread {
            subject: self.letters.subject(&mut self.chance),
            parts,
            conversation,
            ids: Vec::new(),
            at,
            last_text: String::new(),
            last_name: String::new(),
            index,
        }
    }

    fn anyone(&mut self) -> usize {
        self.chance.below(self.people.influencers.len())
    }

    fn our_route(&self, influencer: usize) -> Route {
        let i = &self.people.influencers[influencer];
        Route { from: ours(), to: vec![(i.name(), i.emails[0].clone())], folder: Folder::Sent }
    }

    fn their_route(&self, influencer: usize, address: &str) -> Route {
        let i = &self.people.influencers[influencer];
        Route { from: (i.name(), address.to_owned()), to: vec![ours()], folder: Folder::Inbox }
    }

    fn outreach(&mut self) {
        let who = self.anyone();
        let mut t = self.thread(&[who]);
        self.say(&mut t, &self.our_route(who), Shape::Plain);
        match self.chance.below(100) {
            0..=3 => return self.bounce(&mut t, who),
            4..=9 => self.out_of_office(&mut t, who),
            _ => {}
        }
        let length = *self.chance.of(&[1, 1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12]);
        for n in 1..length {
            if n % 2 == 0 || self.chance.percent(12) {
                self.say(&mut t, &self.our_route(who), Shape::Plain);
                continue;
            }
            let i = &self.people.influencers[who];
            let (address, shape) = match self.chance.below(100) {
                0..=2 => (i.hidden.clone(), Shape::OtherAddress),
                3..=20 => (i.emails[i.emails.len() - 1].clone(), Shape::Plain),
                _ => (i.emails[0].clone(), Shape::Plain),
            };
            let route = self.their_route(who, &address);
            self.say(&mut t, &route, shape);
        }
    }

    /// They use Outlook, whose replies name little or nothing.
    fn outlook(&mut self) {
        let who = self.anyone();
        let mut t = self.thread(&[who]);
        let address = self.people.influencers[who].emails[0].clone();
        let theirs = self.their_route(who, &address);
        let shape = match self.chance.below(100) {
            0..=59 => Shape::ParentOnly,
            60..=84 => Shape::IndexOnly,
            _ => Shape::SubjectOnly,
        };
        if shape == Shape::IndexOnly {
            self.say(&mut t, &theirs, shape);
        }
        for _ in 0..=self.chance.below(3) {
            self.say(&mut t, &self.our_route(who), Shape::Plain);
            self.say(&mut t, &theirs, shape);
        }
    }

    /// We write to the influencer, the agent answers.
    fn by_agent(&mut self) {
        let agent = self.chance.below(self.people.agents.len());
        let a = &self.people.agents[agent];
        let who = *self.chance.of(&a.influencers);
        let name = format!("{} {}", a.first, a.last);
        let agent = (name, a.email.clone());
        let mut t = self.thread(&[who]);
        let mut ours = self.our_route(who);
        if self.chance.percent(50) {
            ours.to.push(agent.clone());
        }
        for _ in 0..=self.chance.below(4) {
            self.say(&mut t, &ours, Shape::Plain);
            let route = Route { from: agent.clone(), to: vec![self::ours()], folder: Folder::Inbox };
            self.say(&mut t, &route, Shape::Plain);
            ours.to = vec![agent.clone()];
        }
    }

    /// One mail to several; each who answers does so to us alone.
    fn blast(&mut self) {
        let mut all: Vec<usize> = (0..3 + self.chance.below(6)).map(|_| self.anyone()).collect();
        all.sort_unstable();
        all.dedup();
        let mut t = self.thread(&all);
        let to = all.iter().map(|w| self.our_route(*w).to.remove(0)).collect();
        self.say(&mut t, &Route { from: ours(), to, folder: Folder::Sent }, Shape::Plain);
        for who in all {
            if self.chance.percent(50) {
                continue;
            }
            let mut own = Thread {
                parts: vec![(who, t.conversation)],
                ids: t.ids.clone(),
                subject: t.subject.clone(),
                ..self.thread(&[])
            };
            own.conversation = t.conversation;
            own.at = t.at;
            own.last_text.clone_from(&t.last_text);
            own.last_name.clone_from(&t.last_name);
            let address = self.people.influencers[who].emails[0].clone();
            self.say(&mut own, &self.their_route(who, &address), Shape::Plain);
            if self.chance.percent(60) {
                self.say(&mut own, &self.our_route(who), Shape::Plain);
            }
        }
    }

    fn begun_by_them(&mut self) {
        let who = self.anyone();
        let address = self.people.influencers[who].emails[0].clone();
        let mut t = self.thread(&[who]);
        for _ in 0..=self.chance.below(3) {
            self.say(&mut t, &self.their_route(who, &address), Shape::Plain);
            if self.chance.percent(80) {
                self.say(&mut t, &self.our_route(who), Shape::Plain);
            }
        }
    }

    /// Nobody we know: an offer, or a machine.
    fn stranger(&mut self) {
        let mut t = self.thread(&[]);
        let n = self.chance.below(5_000);
        let machine = self.chance.percent(40);
        let from =
            if machine { format!("no-reply@shop{n}.example.com") } else { format!("sales{n}@offers.example.com") };
        let route =
            Route { from: (self.letters.name(&mut self.chance), from), to: vec![ours()], folder: Folder::Inbox };
        if machine {
            let text = format!("Your order {n} has been shipped.\n\n{}", self.letters.text(&mut self.chance, 120));
            self.special(&mut t, &route, Class::Automatic, ("Auto-Submitted: auto-generated\n", &text));
        } else {
            self.say(&mut t, &route, Shape::Plain);
        }
    }

    fn next_at(&mut self, t: &mut Thread) -> i64 {
        t.at = (t.at + 1_800 + i64::try_from(self.chance.below(3 * 86_400)).unwrap_or(0)).min(self.end - 60);
        t.at
    }

    fn new_id(&mut self, from: &str) -> String {
        let domain = from.rsplit_once('@').map_or("example.org", |(_, d)| d);
        format!("{:x}.{:x}@{domain}", self.truths.len(), self.chance.next())
    }

    /// One mail of a person.
    fn say(&mut self, t: &mut Thread, route: &Route, shape: Shape) {
        let (at, id) = (self.next_at(t), self.new_id(&route.from.1));
        let mut head = self.head(t, route, (&id, at));
        let is_outlook = matches!(shape, Shape::ParentOnly | Shape::IndexOnly | Shape::SubjectOnly);
        if let Some(parent) = t.ids.last() {
            if matches!(shape, Shape::Plain | Shape::OtherAddress | Shape::ParentOnly) {
                let _ignored = writeln!(head, "In-Reply-To: <{parent}>");
            }
            if !is_outlook {
                let references: Vec<String> = t.ids.iter().map(|id| format!("<{id}>")).collect();
                let _ignored = writeln!(head, "References: {}", references.join("\n "));
            }
        }
        if matches!(shape, Shape::IndexOnly | Shape::ParentOnly) {
            let _ignored = writeln!(head, "Thread-Index: AQ{}{}", t.index, "A".repeat(4 * t.ids.len().min(6) + 1));
        }
        let words = 40 + self.chance.below(220);
        let own = self.letters.text(&mut self.chance, words);
        let style = if is_outlook { Quote::Outlook } else { *self.chance.of(Quote::ALL) };
        let quoted =
            if t.ids.is_empty() { String::new() } else { style.around(&t.last_text, &t.last_name, at - 3_600) };
        let body = format!("{own}\n\n{}\n{quoted}", route.from.0);
        let raw = self.with_body(head, &body);
        self.put(t, route, (raw, id, at), (Class::Human, shape));
        t.last_text = own;
        t.last_name.clone_from(&route.from.0);
    }

    /// A mail of a machine, with headers of its own.
    fn special(&mut self, t: &mut Thread, route: &Route, class: Class, (headers, text): (&str, &str)) {
        let (at, id) = (self.next_at(t), self.new_id(&route.from.1));
        let mut head = self.head(t, route, (&id, at));
        head.push_str(headers);
        let raw = format!("{head}Content-Type: text/plain; charset=utf-8\n\n{text}\n");
        self.put(t, route, (raw, id, at), (class, Shape::Plain));
    }

    fn out_of_office(&mut self, t: &mut Thread, who: usize) {
        let parent = t.ids.last().cloned().unwrap_or_default();
        let i = &self.people.influencers[who];
        let from = (i.name(), i.emails[0].clone());
        let mut headers = format!("Auto-Submitted: auto-replied\nIn-Reply-To: <{parent}>\n");
        if self.chance.percent(70) {
            let _ignored = writeln!(headers, "References: <{parent}>");
        }
        let subject = std::mem::take(&mut t.subject);
        t.subject =
            format!("{}{subject}", self.chance.of(&["Automatic reply: ", "Out of office: ", "Abwesenheitsnotiz: "]));
        let text = "Thank you for your message. I am out of the office until 12 May and will answer when I am back.";
        let route = Route { from, to: vec![ours()], folder: Folder::Inbox };
        let last = t.ids.clone();
        self.special(t, &route, Class::OutOfOffice, (&headers, text));
        t.subject = subject;
        // People answer the mail of a person, not of a machine.
        t.ids = last;
    }

    /// A report of a server that nobody is there (RFC 3464).
    fn bounce(&mut self, t: &mut Thread, who: usize) {
        let (at, original) = (self.next_at(t), t.ids.last().cloned().unwrap_or_default());
        let address = self.people.influencers[who].emails[0].clone();
        let from = ("Mail Delivery System".to_owned(), "MAILER-DAEMON@mx.example.net".to_owned());
        let route = Route { from, to: vec![ours()], folder: Folder::Inbox };
        let id = self.new_id("x@mx.example.net");
        let subject = std::mem::replace(&mut t.subject, "Undelivered Mail Returned to Sender".to_owned());
        let mut head = self.head(t, &route, (&id, at));
        head.push_str("Auto-Submitted: auto-replied\n");
        if self.chance.percent(30) {
            let _ignored = writeln!(head, "In-Reply-To: <{original}>\nReferences: <{original}>");
        }
        let returned = format!(
            "From: Brand <{OURS}>\nTo: <{address}>\nSubject: {subject}\nMessage-ID: <{original}>\nMIME-Version: 1.0\n"
        );
        let (kind, returned) = if self.chance.percent(30) {
            ("message/rfc822", format!("{returned}Content-Type: text/plain; charset=utf-8\n\n{}\n", t.last_text))
        } else {
            ("text/rfc822-headers", returned)
        };
        let raw = format!(
            "{head}Content-Type: multipart/report; report-type=delivery-status; boundary=\"b0\"\n\n--b0\nContent-Type: text/plain; charset=us-ascii\n\n\
             This is the mail system at host mx.example.net.\n\nI'm sorry to have to inform you that your message could not be delivered.\n\n\
             <{address}>: host mx.example.org said: 550 5.1.1 <{address}>: Recipient address rejected: User unknown\n\n\
             --b0\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\nX-Postfix-Queue-ID: 4ABCDEF\n\n\
             Final-Recipient: rfc822; {address}\nOriginal-Recipient: rfc822;{address}\nAction: failed\nStatus: 5.1.1\n\
             Remote-MTA: dns; mx.example.org\nDiagnostic-Code: smtp; 550 5.1.1 <{address}>: Recipient address rejected: User unknown\n\n\
             --b0\nContent-Type: {kind}\n\n{returned}\n--b0--\n"
        );
        self.put(t, &route, (raw, id, at), (Class::Bounce, Shape::Report));
    }

    fn head(&mut self, t: &Thread, route: &Route, (id, at): (&str, i64)) -> String {
        let date = self.letters.date(at);
        let to: Vec<String> = route.to.iter().map(|(name, address)| format!("{name} <{address}>")).collect();
        let mut head = String::with_capacity(6_000);
        if route.folder == Folder::Inbox {
            for hop in 0..2 {
                let key = self.chance.next();
                let _ignored = write!(
                    head,
                    "Received: from out{hop}.example.org (out{hop}.example.org [192.0.2.{}])\n\tby mx{hop}.brand.example (Postfix) with ESMTPS id {key:x}\n\tfor <{OURS}>; {date}\n",
                    key % 250
                );
            }
            head.push_str("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s1;\n\th=from:to:subject:date:message-id; bh=");
            for _ in 0..5 {
                let _ignored = write!(head, "{:016x}", self.chance.next());
            }
            head.push_str(";\n\tb=");
            for _ in 0..14 {
                let _ignored = write!(head, "{:016x}", self.chance.next());
            }
            head.push('\n');
        }
        let reply = if t.ids.is_empty() || t.subject.contains(": ") || t.subject.starts_with("Undelivered") {
            ""
        } else {
            "Re: "
        };
        let _ignored = write!(
            head,
            "From: {} <{}>\nTo: {}\nSubject: {reply}{}\nDate: {date}\nMessage-ID: <{id}>\nMIME-Version: 1.0\n",
            route.from.0,
            route.from.1,
            to.join(",\n "),
            t.subject
        );
        head
    }

    /// Adds the body: text alone, with an HTML alternative, with a file.
    fn with_body(&mut self, mut head: String, body: &str) -> String {
        let html = self.chance.percent(60);
        let file = self.chance.percent(8);
        let text = format!("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}\n");
        let inner = if html {
            format!(
                "Content-Type: multipart/alternative; boundary=\"alt\"\n\n--alt\n{text}--alt\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{}\n--alt--\n",
                quoted_printable(&html_of(body))
            )
        } else {
            text
        };
        if file {
            let octets = 500 + self.chance.below(9_000);
            let file = attachment(&mut self.chance, octets);
            let _ignored =
                write!(head, "Content-Type: multipart/mixed; boundary=\"mix\"\n\n--mix\n{inner}--mix\n{file}--mix--\n");
        } else {
            head.push_str(&inner);
        }
        head
    }

    fn put(&mut self, t: &mut Thread, route: &Route, (raw, id, at): (String, String, i64), what: (Class, Shape)) {
        let (class, shape) = what;
        let mail = Mail { raw, at, folder: route.folder };
        (self.sink)(&mail, self.truths.len());
        t.ids.push(id.clone());
        self.truths.push(Truth { message_id: id, parts: t.parts.clone(), conversation: t.conversation, class, shape });
    }
}

fn ours() -> (String, String) {
    ("Brand".to_owned(), OURS.to_owned())
}
