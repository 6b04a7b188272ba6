//! `[accounts.NAME]`: our mailboxes, our numbers, our workspaces.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::oauth::OAuth;
use super::reader::{Found, Reader, Section};
use super::secret::{self, Secret};
use super::source::Span;
use super::teammates::claim;
use super::texting::{PROVIDERS, Texting};
use crate::domain::address;
use crate::domain::chat;
use crate::domain::day::Weekdays;
use crate::domain::oauth::Provider;
use crate::domain::schedule::{Hours, Range};
use crate::domain::words::Channel;

pub(super) mod slack;
mod text;

pub use slack::SlackAccount;
pub use text::TextAccount;

/// What stands in the place of an account where something was said elsewhere and written down by hand; no account is called so.
pub const MANUAL: &str = "manual";

/// `[accounts.NAME]`: one of ours.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name in the configuration, by which everything else names it.
    pub id: String,
    /// The address it writes from: of mail; a number, or the id of a pool of numbers; nothing for Slack, where it is learned when it
    /// connects which workspace it is.
    pub address: String,
    /// The name beside the address.
    pub display_name: Option<String>,
    /// Other addresses of the same mailbox.
    pub aliases: Vec<String>,
    /// Most messages in any 24 hours. `None`: as many as there are.
    pub daily_limit: Option<u32>,
    /// When sequences may send from it, in the zone of the configuration; every day at any hour where it says nothing.
    pub working_hours: Option<Vec<Range>>,
    /// How sequences warm a new mailbox up.
    pub ramp_up: Option<RampUp>,
    /// The selector of the key with which its server or provider signs (DKIM); that of the provider where it says nothing.
    pub dkim_selector: Option<String>,
    /// What sort it is, with what only that sort has.
    pub kind: AccountKind,
}

/// A new mailbox sends little at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RampUp {
    /// Most sequence mails on its first day of sending.
    pub start: u32,
    /// So many more on each day of sending after it.
    pub step: u32,
}

/// The sorts of account.
#[derive(Debug, Clone)]
pub enum AccountKind {
    /// A mailbox read with IMAP and written from with SMTP: the kinds `imap`, `gmail` and `microsoft365`.
    Imap(Box<ImapAccount>),
    /// A number, or a pool of numbers, at a provider of text messages: the kinds `twilio` and `telnyx`.
    Text(Box<TextAccount>),
    /// A workspace of Slack that our app is installed in: the kind `slack`.
    Slack(Box<SlackAccount>),
    /// Simulated people; nothing leaves the machine. Of which channel it is, its address says.
    Sandbox,
}

impl Account {
    /// The mailbox, if it is one.
    pub fn imap(&self) -> Option<&ImapAccount> {
        match &self.kind {
            AccountKind::Imap(imap) => Some(imap),
            AccountKind::Text(_) | AccountKind::Slack(_) | AccountKind::Sandbox => None,
        }
    }

    /// How its messages travel.
    pub fn channel(&self) -> Channel {
        match self.kind {
            AccountKind::Imap(_) => Channel::Email,
            AccountKind::Sandbox => chat::channel_of(&self.address).map_or(Channel::Email, |(channel, _)| channel),
            AccountKind::Text(_) => Channel::Sms,
            AccountKind::Slack(_) => Channel::Slack,
        }
    }

    /// When sequences may write from it in the zone of whoever gets it; nothing: always.
    pub fn send_hours(&self) -> Vec<Range> {
        match &self.kind {
            AccountKind::Text(text) => text.send_hours.clone(),
            AccountKind::Imap(_) | AccountKind::Slack(_) | AccountKind::Sandbox => Vec::new(),
        }
    }

    /// Who signs people in to it, where a provider does.
    pub fn provider(&self) -> Option<Provider> {
        self.imap().and_then(|imap| imap.login.provider())
    }

    /// Its kind, as it is written.
    pub fn kind_name(&self) -> &'static str {
        match (&self.kind, self.provider()) {
            (AccountKind::Sandbox, _) => "sandbox",
            (AccountKind::Text(text), _) => text.provider.name,
            (AccountKind::Slack(_), _) => "slack",
            (AccountKind::Imap(_), None) => "imap",
            (AccountKind::Imap(_), Some(provider)) => provider.as_str(),
        }
    }
}

/// How an account signs in.
#[derive(Debug, Clone)]
pub enum Login {
    /// With a password, or an app password.
    Password(Secret),
    /// With OAuth 2: a person signs in once (`liaison account add`), and tokens are kept in the database.
    OAuth(Provider),
}

impl Login {
    /// The password, where one signs in.
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Self::Password(secret) => Some(secret),
            Self::OAuth(_) => None,
        }
    }

    /// The provider, where one signs people in.
    pub fn provider(&self) -> Option<Provider> {
        match self {
            Self::Password(_) => None,
            Self::OAuth(provider) => Some(*provider),
        }
    }
}

/// What an account of kind `imap`, `gmail` or `microsoft365` has.
#[derive(Debug, Clone)]
pub struct ImapAccount {
    /// The name to sign in with. Default: the address.
    pub user: String,
    /// How it signs in.
    pub login: Login,
    /// Where mail is read.
    pub imap: ServerUrl,
    /// Where mail is sent.
    pub smtp: ServerUrl,
    /// Certificate authorities that are trusted besides the machine's.
    pub ca: Option<Authority>,
    /// How far back the first reading goes. Default 365 days.
    pub backfill: Backfill,
    /// How often a mailbox without IDLE is looked at. Default 60 s.
    pub poll: Duration,
    /// SMTP sessions at once, 1 to 32. Default 4.
    pub sessions: u8,
    /// Who files sent mail into the Sent folder. Default the hub.
    pub sent_copy: SentCopy,
    /// How long after a lost answer the absence of a copy in Sent counts as proof. Default 15 minutes: longer than a server may take for its final reply (RFC 5321 4.5.3.2.6).
    pub settle: Duration,
    /// The largest message read whole, octets. Default 50 MB.
    pub message_max: u64,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// A name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// TLS from the first octet (`imaps://`, `smtps://`).
    Tls,
    /// STARTTLS, required: a server that does not offer it is refused (`imap://`, `smtp://`).
    StartTls,
    /// None; on this machine only (`imap+plain://`, `smtp+plain://`).
    Plain,
}

/// A file of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The file.
    pub path: PathBuf,
    /// Its content, PEM.
    pub pem: Arc<[u8]>,
}

/// How far back the first reading of a mailbox goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backfill {
    /// Only what comes from now on.
    None,
    /// What came within so many days.
    Days(u16),
}

/// Who files what was sent into the Sent folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentCopy {
    /// We do.
    Hub,
    /// The server does so by itself.
    Server,
}

pub(super) fn read(root: &mut Section<'_>, r: &mut Reader, oauth: &OAuth) -> BTreeMap<String, Account> {
    let mut accounts = BTreeMap::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut kinds: Vec<(Found<()>, bool)> = Vec::new();
    for (name, mut s) in root.named(r, "accounts") {
        let here = Found { value: (), span: name.span, key: name.key.clone() };
        if name.value == MANUAL {
            let message = format!("`{MANUAL}` can't be the name of an account");
            r.error(
                &here,
                message,
                "call it otherwise: under this name stands what was said elsewhere (liaison touch)",
            );
        }
        if let Some((account, sandbox)) = read_one(&mut s, r, (&name.value, oauth), &mut seen) {
            kinds.push((here, sandbox));
            accounts.extend(account.map(|a| (name.value, a)));
        }
        s.finish(r);
    }
    if let Some((sandbox, _)) = kinds.iter().find(|(_, sandbox)| *sandbox)
        && let Some((real, _)) = kinds.iter().find(|(_, sandbox)| !sandbox)
    {
        let message = "sandbox accounts and real ones don't go together".to_owned();
        r.error(sandbox, message, "make every account a sandbox, or none: simulated time must never move real mail");
        r.relate("a real account", real.span);
    }
    accounts
}

/// The account, if it can be used, and whether it is a sandbox, if that can be told.
fn read_one(
    s: &mut Section<'_>,
    r: &mut Reader,
    (id, oauth): (&str, &OAuth),
    seen: &mut BTreeMap<String, Span>,
) -> Option<(Option<Account>, bool)> {
    let kind = s.choice(r, "kind", &kinds());
    s.require(r, "kind", KIND_HINT);
    let Some(sort) = kind else {
        // Which of the other keys are right can't be told.
        letters(s, r, seen, mail_address);
        manner(s, r);
        s.know(&IMAP_KEYS);
        s.know(&slack::KEYS);
        PROVIDERS.iter().flat_map(|provider| provider.settings).for_each(|setting| s.know(&[setting.name]));
        return None;
    };
    let account = match sort.value {
        Sort::Text(provider) => text::read(s, r, (id, provider), seen),
        Sort::Slack => slack::read(s, r, id),
        Sort::Mail(mail) => read_mail(s, r, (id, oauth), (&sort, mail), seen),
    };
    Some((account, sort.value == Sort::Mail(Mail::Sandbox)))
}

fn read_mail(
    s: &mut Section<'_>,
    r: &mut Reader,
    (id, oauth): (&str, &OAuth),
    (place, sort): (&Found<Sort>, Mail),
    seen: &mut BTreeMap<String, Span>,
) -> Option<Account> {
    let check = if sort == Mail::Sandbox { sandbox_address } else { mail_address };
    let Letters { address, aliases, ramp_up, dkim_selector } = letters(s, r, seen, check);
    s.require(r, "address", "write address = \"name@your-domain\"");
    let manner = manner(s, r);
    let mailbox = |imap| AccountKind::Imap(Box::new(imap));
    let kind = match sort {
        Mail::Imap => read_imap(s, r, address.as_ref()).map(mailbox),
        Mail::OAuth(provider) => {
            oauth.require(r, place, provider);
            read_oauth(s, r, address.as_ref(), (provider, oauth)).map(mailbox)
        }
        Mail::Sandbox => Some(AccountKind::Sandbox),
    };
    let account = manner.into_account(id, address?.value, kind?);
    Some(Account { aliases, ramp_up, dkim_selector, ..account })
}

/// What an account of any kind may say.
struct Manner {
    display_name: Option<String>,
    daily_limit: Option<u32>,
    working_hours: Option<Vec<Range>>,
}

fn manner(s: &mut Section<'_>, r: &mut Reader) -> Manner {
    Manner {
        display_name: s.text(r, "name").map(|n| n.value),
        daily_limit: s.integer(r, "daily_limit", 1..=1_000_000).and_then(|n| u32::try_from(n.value).ok()),
        working_hours: ranges(s, r, "working_hours"),
    }
}

impl Manner {
    /// With nothing that only mail has.
    fn into_account(self, id: &str, address: String, kind: AccountKind) -> Account {
        Account {
            id: id.to_owned(),
            address,
            display_name: self.display_name,
            aliases: Vec::new(),
            daily_limit: self.daily_limit,
            working_hours: self.working_hours,
            ramp_up: None,
            dkim_selector: None,
            kind,
        }
    }
}

/// What an account of mail may say, of whatever kind it is.
struct Letters {
    address: Option<Found<String>>,
    aliases: Vec<String>,
    ramp_up: Option<RampUp>,
    dkim_selector: Option<String>,
}

const LETTERS_KEYS: [&str; 4] = ["address", "aliases", "ramp_up", "dkim_selector"];

fn letters(
    s: &mut Section<'_>,
    r: &mut Reader,
    seen: &mut BTreeMap<String, Span>,
    check: fn(&mut Reader, &Found<String>) -> Option<String>,
) -> Letters {
    let address = s.text(r, "address");
    let aliases = s.texts(r, "aliases");
    for email in address.iter().chain(&aliases) {
        if let Some(key) = check(r, email) {
            claim(r, seen, &key, email);
        }
    }
    Letters {
        address,
        aliases: aliases.into_iter().map(|a| a.value).collect(),
        ramp_up: ramp_up(s, r),
        dkim_selector: s.text(r, "dkim_selector").and_then(|selector| dkim_selector(r, &selector)),
    }
}

/// Says of keys that only mail has that they are not for this account. `instead` is what it has in the place of an address.
fn refuse_letters(s: &mut Section<'_>, r: &mut Reader, kind: &str, instead: &str) {
    for key in LETTERS_KEYS.into_iter().chain(IMAP_KEYS).filter(|key| !RHYTHM_KEYS.contains(key)) {
        let Some(given) = s.place(key) else { continue };
        s.refuse(key);
        if key == "password" {
            r.sources.mask(given.span);
        }
        let hint = match key {
            "address" | "aliases" => instead,
            _ => "only mail has it: leave it out",
        };
        r.error(&given, format!("an account of kind `{kind}` has no `{key}`"), hint);
    }
}

/// How an account is asked for what is new, and how long a lost answer may still come; where it says so.
#[derive(Default)]
struct Rhythm {
    backfill: Option<Backfill>,
    poll: Option<Duration>,
    settle: Option<Duration>,
}

const RHYTHM_KEYS: [&str; 3] = ["backfill", "poll_seconds", "settle_minutes"];

fn rhythm(s: &mut Section<'_>, r: &mut Reader) -> Rhythm {
    let poll = s.integer(r, "poll_seconds", 1..=3600).and_then(|n| u64::try_from(n.value).ok());
    let settle = s.integer(r, "settle_minutes", 1..=1440).and_then(|n| u64::try_from(n.value).ok());
    Rhythm {
        backfill: s.text(r, "backfill").and_then(|text| backfill(r, &text)),
        poll: poll.map(Duration::from_secs),
        settle: settle.map(|minutes| Duration::from_secs(minutes * 60)),
    }
}

/// How far back the first reading of what is no mail goes.
const BACKFILL: Backfill = Backfill::Days(30);
const POLL: Duration = Duration::from_mins(1);
const SETTLE: Duration = Duration::from_mins(15);

/// A name below `_domainkey`, of one label or several.
fn dkim_selector(r: &mut Reader, given: &Found<String>) -> Option<String> {
    let is_label =
        |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if given.value.len() <= 200 && given.value.split('.').all(is_label) {
        return Some(given.value.to_ascii_lowercase());
    }
    r.error(given, "this is no DKIM selector", "write the part before ._domainkey, as in \"s1\"");
    None
}

/// What stands in `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Mail(Mail),
    Text(&'static Texting),
    Slack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mail {
    Imap,
    OAuth(Provider),
    Sandbox,
}

const KINDS: [(&str, Sort); 5] = [
    ("imap", Sort::Mail(Mail::Imap)),
    ("gmail", Sort::Mail(Mail::OAuth(Provider::Gmail))),
    ("microsoft365", Sort::Mail(Mail::OAuth(Provider::Microsoft365))),
    ("sandbox", Sort::Mail(Mail::Sandbox)),
    ("slack", Sort::Slack),
];

const KIND_HINT: &str = "write kind = \"imap\", \"gmail\" or \"microsoft365\" for mail, \"twilio\" or \"telnyx\" for text messages, \
     \"slack\", or \"sandbox\" to try things out";

/// The kinds there are, those of the table of providers among them.
fn kinds() -> Vec<(&'static str, Sort)> {
    KINDS.into_iter().chain(PROVIDERS.iter().map(|provider| (provider.name, Sort::Text(provider)))).collect()
}

/// The names of the kinds there are.
pub fn kind_names() -> Vec<&'static str> {
    kinds().into_iter().map(|(name, _)| name).collect()
}

pub(super) const IMAP_KEYS: [&str; 11] = [
    "user",
    "password",
    "imap",
    "smtp",
    "ca",
    "backfill",
    "poll_seconds",
    "sessions",
    "sent_copy",
    "settle_minutes",
    "message_max",
];

fn read_imap(s: &mut Section<'_>, r: &mut Reader, address: Option<&Found<String>>) -> Option<ImapAccount> {
    let user = s.text(r, "user").or_else(|| address.cloned()).map(|u| u.value);
    let password = secret::read(s, r, "password");
    s.require(r, "password", "write password = { credential = \"name\" }, { file = \"path\" } or { env = \"NAME\" }");
    let imap = s.text(r, "imap").and_then(|url| server_url(r, &url, &IMAP));
    s.require(r, "imap", "write imap = \"imaps://mail.your-domain:993\"");
    let smtp = s.text(r, "smtp").and_then(|url| server_url(r, &url, &SMTP));
    s.require(r, "smtp", "write smtp = \"smtps://mail.your-domain:465\"");
    let sent_copy = s.choice(r, "sent_copy", &[("hub", SentCopy::Hub), ("server", SentCopy::Server)]);
    let more = read_more(s, r);
    let sent_copy = sent_copy.map_or(SentCopy::Hub, |c| c.value);
    Some(ImapAccount { sent_copy, ..more.into_account((user?, Login::Password(password?)), (imap?, smtp?)) })
}

/// An account whose provider signs people in: where it is, and who files sent mail, are known.
fn read_oauth(
    s: &mut Section<'_>,
    r: &mut Reader,
    address: Option<&Found<String>>,
    (provider, oauth): (Provider, &OAuth),
) -> Option<ImapAccount> {
    if let Some(password) = s.node("password") {
        r.sources.mask(password.span);
        let message = format!("an account of kind `{provider}` has no `password`");
        let hint = "a person signs in with `liaison account add`; with an app password it is kind = \"imap\"";
        r.error(&password, message, hint);
    }
    if let Some(copy) = s.node("sent_copy") {
        r.error(&copy, format!("{provider} files sent mail itself"), "leave `sent_copy` out");
    }
    let user = s.text(r, "user").or_else(|| address.cloned()).map(|u| u.value);
    let places = oauth.of(provider);
    let imap = match s.text(r, "imap") {
        Some(url) => server_url(r, &url, &IMAP),
        None => Some(places.imap.clone()),
    };
    let smtp = match s.text(r, "smtp") {
        Some(url) => server_url(r, &url, &SMTP),
        None => Some(places.smtp.clone()),
    };
    let more = read_more(s, r);
    Some(more.into_account((user?, Login::OAuth(provider)), (imap?, smtp?)))
}

/// What every mailbox may say.
#[derive(Default)]
struct More {
    ca: Option<Authority>,
    rhythm: Rhythm,
    sessions: Option<u8>,
    message_max: Option<u64>,
}

fn read_more(s: &mut Section<'_>, r: &mut Reader) -> More {
    More {
        ca: s.text(r, "ca").and_then(|path| authority(r, &path)),
        rhythm: rhythm(s, r),
        sessions: s.integer(r, "sessions", 1..=32).and_then(|n| u8::try_from(n.value).ok()),
        message_max: s.text(r, "message_max").and_then(|text| octets(r, &text)),
    }
}

impl More {
    /// With defaults for what was not said.
    fn into_account(self, (user, login): (String, Login), (imap, smtp): (ServerUrl, ServerUrl)) -> ImapAccount {
        let sent_copy = if login.provider().is_some() { SentCopy::Server } else { SentCopy::Hub };
        ImapAccount {
            user,
            login,
            imap,
            smtp,
            ca: self.ca,
            backfill: self.rhythm.backfill.unwrap_or(Backfill::Days(365)),
            poll: self.rhythm.poll.unwrap_or(POLL),
            sessions: self.sessions.unwrap_or(4),
            sent_copy,
            settle: self.rhythm.settle.unwrap_or(SETTLE),
            message_max: self.message_max.unwrap_or(50_000_000),
        }
    }
}

impl ImapAccount {
    /// A mailbox of a provider with everything as it usually is: for a sign-in before the account is configured.
    pub fn of_provider(provider: Provider, address: &str, oauth: &OAuth) -> Self {
        let places = oauth.of(provider);
        More::default()
            .into_account((address.to_owned(), Login::OAuth(provider)), (places.imap.clone(), places.smtp.clone()))
    }
}

/// Checks an address; gives the form in which addresses are compared.
pub(super) fn mail_address(r: &mut Reader, email: &Found<String>) -> Option<String> {
    let key = address::key(&email.value).filter(|_| !email.value.contains(['<', '>', ' ', ',', '"']));
    if key.is_none() {
        let shown: String = email.value.chars().take(60).collect();
        r.error(
            email,
            format!("`{shown}` is no mail address"),
            "write the bare address, as in \"hello@your-domain.example\"",
        );
    }
    key
}

/// The same for an address of a sandbox, which may be of any channel: mail, a number (`+14155550100`) or a workspace (`T0001/U0001`).
fn sandbox_address(r: &mut Reader, given: &Found<String>) -> Option<String> {
    match chat::channel_of(&given.value) {
        Some((Channel::Sms | Channel::Slack, key)) => Some(key),
        Some((Channel::Email | Channel::Manual, _)) | None => mail_address(r, given),
    }
}

/// The schemes of one protocol, each with its protection and default port.
pub(super) struct Schemes([(&'static str, Security, u16); 3]);

pub(super) const IMAP: Schemes =
    Schemes([("imaps", Security::Tls, 993), ("imap", Security::StartTls, 143), ("imap+plain", Security::Plain, 143)]);
pub(super) const SMTP: Schemes =
    Schemes([("smtps", Security::Tls, 465), ("smtp", Security::StartTls, 587), ("smtp+plain", Security::Plain, 25)]);

pub(super) fn server_url(r: &mut Reader, url: &Found<String>, schemes: &Schemes) -> Option<ServerUrl> {
    let [(tls, _, port), (starttls, ..), (plain, ..)] = schemes.0;
    let forms = format!(
        "\"{tls}://host:{port}\" (TLS), \"{starttls}://host\" (STARTTLS), or \"{plain}://localhost\" on this machine"
    );
    let parsed = match url::Url::parse(&url.value) {
        Ok(parsed) => parsed,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            r.error(url, format!("`{}` is no URL: it does not say how to connect", url.key), &forms);
            return None;
        }
        Err(error) => {
            r.error(url, format!("`{}` is no URL: {error}", url.key), &forms);
            return None;
        }
    };
    let Some((_, security, default_port)) = schemes.0.iter().find(|(name, ..)| *name == parsed.scheme()) else {
        r.error(url, format!("`{}` can't begin with {}://", url.key, parsed.scheme()), &forms);
        return None;
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        r.sources.mask(url.span);
        let message = format!("`{}` holds a user name or password", url.key);
        r.error(url, message, "take it out of the URL: `user` and `password` are keys of their own");
        return None;
    }
    if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() || parsed.fragment().is_some() {
        r.error(url, format!("`{}` has something behind the port", url.key), &forms);
        return None;
    }
    let host = parsed.host_str().filter(|h| !h.is_empty());
    let host = host.map(|h| h.trim_start_matches('[').trim_end_matches(']').to_lowercase());
    let Some(host) = host.filter(|h| is_host(h)) else {
        r.error(url, format!("`{}` names no host", url.key), &forms);
        return None;
    };
    if parsed.port() == Some(0) {
        r.error(url, format!("`{}` has port 0", url.key), &format!("leave the port out for {default_port}"));
        return None;
    }
    if *security == Security::Plain && !is_loopback(&host) {
        let message = format!("`{}` would send the password over the network in the clear", url.key);
        r.error(url, message, &format!("use {tls}:// or {starttls}://; {plain}:// is for this machine only"));
        return None;
    }
    Some(ServerUrl { host, port: parsed.port().unwrap_or(*default_port), security: *security })
}

fn is_host(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok() || url::Host::parse(host).is_ok()
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The largest file of certificates, octets.
const CA_OCTETS_MAX: u64 = 4_000_000;

fn authority(r: &mut Reader, written: &Found<String>) -> Option<Authority> {
    let path = r.path(&written.value);
    let size = std::fs::metadata(&path).map_or(0, |m| if m.is_file() { m.len() } else { 0 });
    let read = if size > CA_OCTETS_MAX { Ok(Vec::new()) } else { std::fs::read(&path) };
    match read {
        Ok(pem) if pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----") => {
            Some(Authority { path, pem: pem.into() })
        }
        Ok(_) => {
            r.error(
                written,
                format!("{} holds no certificate", path.display()),
                "a PEM file: -----BEGIN CERTIFICATE-----",
            );
            None
        }
        Err(error) => {
            r.error(
                written,
                format!("{} can't be read: {error}", path.display()),
                "relative paths count from the main file",
            );
            None
        }
    }
}

/// Ranges of hours, one text or several.
fn ranges(s: &mut Section<'_>, r: &mut Reader, key: &'static str) -> Option<Vec<Range>> {
    let given = s.texts(r, key);
    let hint = format!("write {key} = \"08:00-18:00\", or a list of such ranges");
    let mut ranges = Vec::new();
    for text in &given {
        match Range::parse(&text.value) {
            Ok(range) => ranges.push(range),
            Err(error) => {
                r.error(text, error.to_string(), &hint);
                return None;
            }
        }
    }
    match (given.first(), Hours::new(Weekdays::ALL, ranges)) {
        (Some(_), Ok(hours)) => Some(hours.ranges().to_vec()),
        (Some(first), Err(error)) => {
            r.error(first, error.to_string(), &hint);
            None
        }
        (None, _) => None,
    }
}

fn ramp_up(s: &mut Section<'_>, r: &mut Reader) -> Option<RampUp> {
    let mut ramp = s.section(r, "ramp_up")?;
    let hint = "write ramp_up = { start = 10, step = 5 }";
    let start = ramp.integer(r, "start", 1..=1_000_000).and_then(|n| u32::try_from(n.value).ok());
    let step = ramp.integer(r, "step", 1..=1_000_000).and_then(|n| u32::try_from(n.value).ok());
    ramp.require(r, "start", hint);
    ramp.require(r, "step", hint);
    ramp.finish(r);
    Some(RampUp { start: start?, step: step? })
}

fn backfill(r: &mut Reader, text: &Found<String>) -> Option<Backfill> {
    if text.value == "none" {
        return Some(Backfill::None);
    }
    let number = text.value.strip_suffix("days").or_else(|| text.value.strip_suffix("day"));
    let days = number.and_then(|n| n.trim().parse().ok()).filter(|n| (1..=36_500).contains(n));
    if days.is_none() {
        let message = format!("`{}` is no length of time", text.key);
        r.error(text, message, "write it as in \"365 days\" (up to 36500), or \"none\"");
    }
    days.map(Backfill::Days)
}

fn octets(r: &mut Reader, text: &Found<String>) -> Option<u64> {
    let units = [("GB", 1_000_000_000_u64), ("MB", 1_000_000), ("KB", 1000)];
    let size = units
        .iter()
        .find_map(|(unit, factor)| text.value.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*factor));
    let size = size.filter(|n| (100_000..=1_000_000_000).contains(n));
    if size.is_none() {
        r.error(text, format!("`{}` is no size", text.key), "write it as in \"50 MB\", from \"100 KB\" to \"1 GB\"");
    }
    size
}
