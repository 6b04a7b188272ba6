//! `liaison doctor`: is everything as it must be, and if not, what to do.
//!
//! Looks only: signs in to read and to send, lists folders, sends nothing, changes nothing.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use super::account::{sign_in_words, unread_secret};
use super::stop::FAILED;
use super::terminal::{Out, clean_line};
use super::{Global, desk, environment};
use crate::app;
use crate::clock::Clock;
use crate::config::{self, Account, AccountKind, Config, Database, Loaded, Secrets};
use crate::control::{ControlError, Request};
use crate::domain::mail_auth::Judged;
use crate::domain::time::Micros;
use crate::domain::words::{AccountState, DisabledWhy, SignInState, TaskKind, WebhookState};
use crate::store::lease::{LeaseRow, READING};
use crate::store::reading::Page;
use crate::store::reading::task::{TaskFilter, TaskView};
use crate::store::reading::view::{AccountView, PauseView, PausedWhat};
use crate::store::{Store, Tx, backup};

/// How long one account may take to answer everything.
const ACCOUNT_TIME: Duration = Duration::from_mins(1);
/// Free space below which something is to be done, in units of 1024 octets.
const FREE_MIN_KB: u64 = 512 * 1024;
/// The clock can't be right before this instant: 1 January 2026.
const YEAR_2026: Micros = Micros(1_767_225_600_000_000);
/// Mails that are told of at most.
const WITHHELD_MAX: usize = 20;
/// How long a webhook may take nothing before that is told.
const FAILING: Duration = Duration::from_hours(1);
/// How far the newest event may lie ahead of the clock.
const SKEW: Duration = Duration::from_mins(5);

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Leave mail servers, other providers and name servers alone
    #[arg(long)]
    offline: bool,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    state: State,
    detail: String,
    /// What to do about it.
    hint: Option<String>,
}

impl Check {
    fn ok(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.to_owned(), state: State::Ok, detail: detail.into(), hint: None }
    }

    fn found(what: &str, state: State, detail: impl Into<String>, hint: &str) -> Self {
        Self { what: what.to_owned(), state, detail: detail.into(), hint: Some(hint.to_owned()) }
    }
}

pub(super) async fn run(global: &Global, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let out = Out::new(global);
    let path = desk::config_file(global);
    let Loaded { config, warnings } = config::load_with(&path, environment(), Secrets::Check)?;
    let mut checks = vec![Check::ok("configuration", config.path.display().to_string())];
    for w in warnings {
        checks.push(Check { what: "configuration".into(), state: State::Warning, detail: w.message, hint: w.hint });
    }
    checks.extend(look_at_disk(&config.storage.state_dir).await);
    let (store, accounts) = look_at_store(&config, &mut checks, &out).await?;
    checks.push(look_at_daemon(&config).await);
    checks.extend(look_at_sign_ins(&config, &accounts, &out));
    if !args.offline {
        checks.extend(app::look_at_domains(&config).await.into_iter().map(of_domain));
        checks.extend(look_at_accounts(&config, (store.as_ref(), &accounts)).await);
    }
    tell(&out, &checks)?;
    let findings = checks.iter().any(|c| c.state != State::Ok);
    Ok(if findings { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn tell(out: &Out, checks: &[Check]) -> anyhow::Result<()> {
    let findings = checks.iter().filter(|c| c.state != State::Ok).count();
    if out.is_json() {
        return out.json(&json!({"ok": findings == 0, "checks": checks}));
    }
    for check in checks {
        let mark = match check.state {
            State::Ok => "ok     ",
            State::Warning => "look   ",
            State::Problem => "PROBLEM",
        };
        out.say(&format!("{mark}  {}: {}", clean_line(&check.what), clean_line(&check.detail)))?;
        if let Some(hint) = &check.hint {
            out.aside(&format!("         {hint}"))?;
        }
    }
    match findings {
        0 => out.say("\nAll is well."),
        1 => out.say("\n1 finding."),
        n => out.say(&format!("\n{n} findings.")),
    }
}

fn of_domain((what, judged): app::DomainCheck) -> Check {
    match judged {
        Judged::Good(detail) => Check::ok(&what, detail),
        Judged::Weak(detail, hint) => Check::found(&what, State::Warning, detail, &hint),
        Judged::Bad(detail, hint) => Check::found(&what, State::Problem, detail, &hint),
    }
}

/// Looks into the database; the accounts as they are kept there. One that is not there yet is not made.
async fn look_at_store(
    config: &Config,
    checks: &mut Vec<Check>,
    out: &Out,
) -> anyhow::Result<(Option<Store>, Vec<AccountView>)> {
    if let Database::Sqlite { path } = &config.storage.database
        && !path.exists()
    {
        let detail = format!("{} is not there yet: the first start makes it", path.display());
        checks.push(Check::ok("database", detail));
        return Ok((None, Vec::new()));
    }
    if let Database::Sqlite { path } = &config.storage.database
        && let Some(check) = look_at_schema(path).await
    {
        checks.push(check);
        return Ok((None, Vec::new()));
    }
    match Store::open(&app::place_of(config)).await {
        Ok(store) => {
            checks.push(Check::ok("database", "it answers, and its tables are those of this version"));
            let mut tx = store.read().await?;
            checks.push(look_at_clock(&mut tx).await?);
            checks.push(look_at_installation(&mut tx).await?);
            checks.extend(look_at_pauses(&mut tx, out).await?);
            checks.extend(look_at_withheld(&mut tx).await?);
            checks.extend(look_at_leases(&mut tx).await?);
            checks.extend(look_at_webhooks(&mut tx, out).await?);
            let accounts = tx.list_account_views().await?;
            checks.extend(look_at_folders(&accounts));
            drop(tx);
            Ok((Some(store), accounts))
        }
        Err(error) => {
            let hint = "look at [storage]: the path or URL, the password, and whether the server runs";
            checks.push(Check::found("database", State::Problem, error.to_string(), hint));
            Ok((None, Vec::new()))
        }
    }
}

/// What is to be done about the schema before the database may be opened, where there is something: a look changes nothing.
async fn look_at_schema(path: &Path) -> Option<Check> {
    let newest = backup::newest_schema();
    match backup::look(path).await {
        Ok(Some(held)) if held.schema > newest => Some(Check::found(
            "database",
            State::Problem,
            format!("it was written by a newer version (migration {})", held.schema),
            "install that version or a later one; this one does not touch it",
        )),
        Ok(Some(held)) if held.schema < newest => Some(Check::found(
            "database",
            State::Warning,
            format!("its tables are of an older version (migration {} of {newest})", held.schema),
            "the next start of the daemon copies it and brings it up to date",
        )),
        Ok(_) => None,
        Err(error) => Some(Check::found("database", State::Problem, error.to_string(), "restore a backup")),
    }
}

/// Free space in the state directory, as `df` of POSIX tells it; nothing where that can't be had.
async fn look_at_disk(state_dir: &Path) -> Option<Check> {
    if !state_dir.exists() {
        let detail = format!("{} is not there yet: the first start makes it", state_dir.display());
        return Some(Check::ok("state directory", detail));
    }
    let dir = state_dir.to_owned();
    let asked = tokio::task::spawn_blocking(move || std::process::Command::new("df").arg("-Pk").arg(dir).output());
    let output = asked.await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let free: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    let detail = format!("{} MB free in {}", free / 1024, state_dir.display());
    if free >= FREE_MIN_KB {
        return Some(Check::ok("disk", detail));
    }
    Some(Check::found("disk", State::Problem, detail, "make room, or move storage.state_dir to a larger disk"))
}

async fn look_at_clock(tx: &mut Tx) -> anyhow::Result<Check> {
    let now = Clock::machine().now();
    let hint = "set the clock of this machine (timedatectl set-ntp true): what is due goes by it";
    if now < YEAR_2026 {
        return Ok(Check::found("clock", State::Problem, format!("it says {now}"), hint));
    }
    let last = tx.last_event_seq().await?;
    let newest = tx.list_event_views(last.saturating_sub(1), 1).await?.pop();
    match newest {
        Some(event) if event.at > now.plus(SKEW) => {
            let detail = format!("it says {now}, and the newest event is of {}", event.at);
            Ok(Check::found("clock", State::Problem, detail, hint))
        }
        _ => Ok(Check::ok("clock", now.to_string())),
    }
}

async fn look_at_installation(tx: &mut Tx) -> anyhow::Result<Check> {
    Ok(match tx.get_installation().await? {
        Some(installation) if installation.held => Check::found(
            "sending",
            State::Problem,
            "held: this database was copied or restored",
            "where the original does not run any more: liaison release",
        ),
        Some(_) => Check::ok("sending", "not held"),
        None => Check::ok("sending", "the daemon has not run here yet"),
    })
}

/// What somebody paused: nothing of it leaves until they let it go on.
async fn look_at_pauses(tx: &mut Tx, out: &Out) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    let mut tell = |pause: &PauseView, hint: &str| {
        let words = pause.words(&out.time(pause.since));
        checks.push(Check::found("sequences", State::Warning, words, hint));
    };
    for pause in tx.list_pauses().await?.into_iter().map(PauseView::from) {
        match &pause.name {
            Some(name) => tell(&pause, &format!("liaison account resume {name}")),
            None => tell(&pause, "liaison resume"),
        }
    }
    for row in tx.list_sequences().await?.into_iter().filter(|row| row.active_hash.is_some()) {
        let Some(since) = row.paused_at else { continue };
        let reason = format!("{} ({})", row.pause_reason.unwrap_or_default(), row.id);
        let pause = PauseView { of: PausedWhat::Sequence, name: Some(row.id.clone()), since, reason };
        tell(&pause, &format!("liaison sequence resume {}", row.id));
    }
    Ok(checks)
}

/// Mails that a server does not give, each with the folder and uid under which a mail program finds it.
async fn look_at_withheld(tx: &mut Tx) -> anyhow::Result<Vec<Check>> {
    let filter = TaskFilter { kind: Some(TaskKind::Mail), ..TaskFilter::default() };
    let tasks = tx.list_tasks(&filter, Clock::machine().now(), Page::oldest(WITHHELD_MAX)).await?;
    let of = |task: TaskView| {
        let hint = format!("then say that it was looked at: liaison task done {}", task.id);
        Check::found("unread mail", State::Warning, task.text, &hint)
    };
    Ok(tasks.data.into_iter().map(of).collect())
}

/// What the daemon leaves out of accounts that it reads.
fn look_at_folders(accounts: &[AccountView]) -> Vec<Check> {
    let up = accounts.iter().filter(|account| account.state == AccountState::Up);
    up.filter_map(|account| {
        let (what, hint) =
            (format!("account {}, reading", account.id), "the server lists it and does not open it: look there");
        Some(Check::found(&what, State::Warning, account.detail.clone()?, hint))
    })
    .collect()
}

/// Which node does what only one may do at a time, and since when. A node is told by the id of its run; on PostgreSQL the same
/// text stands in `run` in its state directory.
async fn look_at_leases(tx: &mut Tx) -> anyhow::Result<Vec<Check>> {
    let now = tx.lease_now().await?;
    let leases = tx.list_leases().await?.into_iter();
    Ok(leases.map(|lease| look_at_lease(&lease, now)).collect())
}

fn look_at_lease(lease: &LeaseRow, now: Micros) -> Check {
    let what = match lease.name.strip_prefix(READING) {
        Some(account) => format!("node that reads {account}"),
        None => format!("node that holds {}", lease.name),
    };
    match lease.holder.filter(|_| lease.until >= now) {
        Some(node) => {
            let since =
                lease.taken_at.map_or_else(String::new, |at| format!(" since {at} ({} s)", now.since(at).as_secs()));
            Check::ok(&what, format!("{node}{since}"))
        }
        None => Check::ok(&what, "none now"),
    }
}

/// Webhooks that were disabled because nothing was taken for long, and those that are on the way there.
async fn look_at_webhooks(tx: &mut Tx, out: &Out) -> anyhow::Result<Vec<Check>> {
    let now = Clock::machine().now();
    let mut checks = Vec::new();
    for webhook in tx.list_webhooks().await? {
        let what = format!("webhook {}", webhook.id);
        let since = |at: Option<Micros>| at.map_or_else(String::new, |at| format!(" since {}", out.time(at)));
        match (webhook.state, webhook.disabled_why) {
            (WebhookState::Disabled, Some(why)) if why != DisabledWhy::ByHand => {
                let detail = format!("disabled{}: {} takes nothing ({why})", since(webhook.disabled_at), webhook.url);
                let hint = format!("when it takes again: liaison webhook enable {}", webhook.id);
                checks.push(Check::found(&what, State::Problem, detail, &hint));
            }
            (WebhookState::Enabled, _) if webhook.failing_since.is_some_and(|at| now.since(at) > FAILING) => {
                let detail = format!("{} takes nothing{}", webhook.url, since(webhook.failing_since));
                let hint = format!("what it answers: liaison webhook deliveries {}", webhook.id);
                checks.push(Check::found(&what, State::Warning, detail, &hint));
            }
            _ => {}
        }
    }
    Ok(checks)
}

/// The process that signed the lock beside the database, where it still runs.
fn lock_holder(config: &Config) -> Option<u32> {
    let Database::Sqlite { path } = &config.storage.database else { return None };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let pid: u32 = std::fs::read_to_string(name).ok()?.trim().parse().ok()?;
    let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (program.trim() == "liaison").then_some(pid)
}

async fn look_at_daemon(config: &Config) -> Check {
    match desk::call(config, &Request::new("status")).await {
        Ok(status) => {
            let said = |name: &str| status.get(name).cloned().unwrap_or_default();
            let (pid, version) = (said("pid"), said("version"));
            let version = version.as_str().unwrap_or("?");
            if version == env!("CARGO_PKG_VERSION") {
                return Check::ok("daemon", format!("it runs as process {pid}, version {version}"));
            }
            let detail =
                format!("it runs as process {pid}, but with version {version}; this is {}", env!("CARGO_PKG_VERSION"));
            Check::found("daemon", State::Warning, detail, "restart the service")
        }
        Err(ControlError::NotRunning(socket)) => match lock_holder(config) {
            Some(pid) => {
                let detail = format!("process {pid} holds the database, and nobody answers on {}", socket.display());
                let hint = "set server.socket, or look whether that process runs with another configuration";
                Check::found("daemon", State::Problem, detail, hint)
            }
            None => Check::ok("daemon", "none runs"),
        },
        Err(error) => {
            Check::found("daemon", State::Problem, error.to_string(), "run this as the user the daemon runs as")
        }
    }
}

/// The sign-ins with OAuth as they are kept: until when their tokens run, and which ones the provider does not take.
fn look_at_sign_ins(config: &Config, stored: &[AccountView], out: &Out) -> Vec<Check> {
    let mut checks = Vec::new();
    for account in config.accounts.values() {
        let Some(provider) = account.provider() else { continue };
        let Some(view) = stored.iter().find(|view| view.id == account.id) else { continue };
        let what = format!("account {}, sign-in", account.id);
        let hint = format!("liaison account add {provider} {}", account.id);
        checks.push(match &view.sign_in {
            None => Check::found(&what, State::Problem, "nobody has signed in yet", &hint),
            Some(sign_in) => {
                let words = sign_in_words(out, sign_in);
                match sign_in.state {
                    SignInState::Valid | SignInState::Due => Check::ok(&what, words),
                    SignInState::Refused => {
                        Check::found(&what, State::Problem, words, &format!("sign in again: {hint}"))
                    }
                }
            }
        });
    }
    checks
}

async fn look_at_accounts(config: &Config, (store, stored): (Option<&Store>, &[AccountView])) -> Vec<Check> {
    let identity = Arc::new(app::identity_of(config));
    let mut checks = Vec::new();
    for account in config.accounts.values() {
        let what = format!("account {}", account.id);
        let imap = match &account.kind {
            AccountKind::Imap(imap) => imap,
            AccountKind::Text(_) | AccountKind::Slack(_) => {
                checks.extend(look_at_line(&what, account, (&app::rooms_of(&config.relays, &account.id), store)).await);
                continue;
            }
            AccountKind::Sandbox => {
                checks.push(Check::ok(&what, "simulated"));
                continue;
            }
        };
        let secret = imap.login.password().or(config.oauth.master_key.as_ref());
        if let Some(secret) = secret.filter(|s| s.value.expose_secret().is_empty()) {
            let named = if imap.login.password().is_some() { "its password" } else { "the master key" };
            checks.push(unreadable(&what, &format!("{named} ({})", secret.source)));
            continue;
        }
        let tokens = store.and_then(|store| app::keeper_of(config, store, account));
        if account.provider().is_some() && tokens.is_none() {
            let hint = "start the daemon once, then: liaison account add NAME";
            checks.push(Check::found(&what, State::Problem, "nobody has signed in yet", hint));
            continue;
        }
        let Some(parts) = app::account_parts(account, &identity, tokens) else { continue };
        let view = stored.iter().find(|view| view.id == account.id);
        let looked = timeout(ACCOUNT_TIME, look_at_account(&what, &parts, view)).await;
        checks.extend(looked.unwrap_or_else(|_| {
            let detail = format!("no answer within {} s", ACCOUNT_TIME.as_secs());
            vec![Check::found(&what, State::Problem, detail, "look at host and port, and at firewalls on the way")]
        }));
    }
    checks
}

/// A secret that only the service has.
fn unreadable(what: &str, named: &str) -> Check {
    let hint = "only the service gets it; ask it: liaison account test NAME, liaison account list";
    Check::found(what, State::Warning, format!("{named} can't be read here"), hint)
}

/// A number, a pool or a workspace: what its provider says to what we have, where that can be read here.
async fn look_at_line(what: &str, account: &Account, (rooms, store): (&[String], Option<&Store>)) -> Vec<Check> {
    if let Some(secret) = unread_secret(account) {
        return vec![unreadable(what, &secret)];
    }
    let parts = match app::line_parts_of(account) {
        Some(Ok(parts)) => parts,
        Some(Err(why)) => return vec![Check::found(what, State::Problem, why, "liaison config check")],
        None => return Vec::new(),
    };
    let hint = format!("what is to be done, step by step: liaison account add {}", account.id);
    let of = |step: app::ProbeStep| {
        let what = format!("{what}, {}", step.what);
        match (step.ok, step.warning) {
            (true, false) => Check::ok(&what, step.detail),
            (true, true) => Check::found(&what, State::Warning, step.detail, &hint),
            (false, _) => Check::found(&what, State::Problem, step.detail, &hint),
        }
    };
    app::probe(&parts, rooms, store).await.into_iter().map(of).collect()
}

async fn look_at_account(what: &str, parts: &app::AccountParts, stored: Option<&AccountView>) -> Vec<Check> {
    let Some(source) = parts.source() else { return Vec::new() };
    let mut checks = Vec::new();
    let mut source = source();
    let what_read = format!("{what}, reading");
    match source.folders().await {
        Ok(folders) => {
            checks.push(Check::ok(&what_read, format!("signed in; {} folders to read", folders.len())));
            for folder in folders {
                let name = format!("{what}, folder {}", folder.name);
                match source.select(&folder.name).await {
                    Ok(status) => checks.push(compare(&name, &folder.name, status.exists, stored)),
                    Err(error) => {
                        let hint = "the server lists the folder and does not open it: look there";
                        checks.push(Check::found(&name, State::Problem, error.to_string(), hint));
                    }
                }
            }
        }
        Err(error) => {
            let hint = match parts.tokens {
                Some(_) => "sign in again where it says so: liaison account add NAME",
                None => "look at imap, user and password; many providers want an app password",
            };
            checks.push(Check::found(&what_read, State::Problem, error.to_string(), hint));
        }
    }
    source.close().await;
    let what_send = format!("{what}, sending");
    let mut sender = (parts.sender)();
    match sender.open().await {
        Ok(()) => checks.push(Check::ok(&what_send, "signed in; nothing was sent")),
        Err(refused) => {
            let hint = "look at smtp, user and password";
            checks.push(Check::found(&what_send, State::Problem, refused.error.to_string(), hint));
        }
    }
    sender.close().await;
    checks
}

/// Messages at the server now, beside the last counted comparison.
fn compare(what: &str, folder: &str, exists: i64, stored: Option<&AccountView>) -> Check {
    let counted = stored.and_then(|account| account.folders.iter().find(|f| f.name == folder));
    match counted.and_then(|f| Some((f.server?, f.stored?, f.missing?))) {
        Some((server, stored, 0)) => Check::ok(
            what,
            format!(
                "{exists} messages at the server; when last counted, {stored} of {server} that are to be here were"
            ),
        ),
        Some((server, stored, missing)) => Check::found(
            what,
            State::Problem,
            format!(
                "{exists} messages at the server; when last counted, {stored} of {server} were here, {missing} missing"
            ),
            "the daemon fetches them with its next reading; where the number stays, its log says why",
        ),
        None => Check::ok(what, format!("{exists} messages at the server; not counted yet")),
    }
}
