//! `liaison send`: a message into the outbox. It leaves through the daemon, after the time there is to think again.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::desk::Desk;
use super::import::read;
use super::stop::Stop;
use super::terminal::remark;
use super::{Global, who};
use crate::config::{Account, SentCopy};
use crate::domain::ids::{InfluencerId, MessageId, ThreadId};
use crate::domain::mail::{Mailbox, TEXT_MAX};
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::domain::{address, chat};
use crate::hub::enqueue::{self, AccountFrom, Answers, DraftAttachment, Enqueued, Order, SIZE_MAX};
use crate::hub::talk::{self, TalkError};
use crate::store::Tx;

mod words;

#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// To whom: handle, id, mail address, +NUMBER or TEAM/USER; may be left out in an answer
    #[arg(long, value_name = "WHO")]
    to: Vec<String>,
    /// With a copy to
    #[arg(long, value_name = "WHO")]
    cc: Vec<String>,
    /// The subject; an answer has that of what it answers
    #[arg(long)]
    subject: Option<String>,
    /// The text; else --file, else standard input
    #[arg(long)]
    text: Option<String>,
    /// A file with the text
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// A file with the same as HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// A file that goes along
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// The thread or message it answers
    #[arg(long, value_name = "ID", value_parser = answers)]
    reply_to: Option<Answers>,
    /// Our account; the one of the thread, the one they know, or the only one there is, where nothing is said
    #[arg(long)]
    account: Option<String>,
    /// At once, without the time to take it back
    #[arg(long, conflicts_with = "at")]
    now: bool,
    /// At this instant, as in 2026-03-31T09:00:00+02:00, and not before; a day is its beginning in UTC
    #[arg(long, value_name = "WHEN", value_parser = super::date::parse)]
    at: Option<Micros>,
    /// How it travels: email, sms or slack; as what it answers did, or as they wrote last, where nothing is said
    #[arg(long, value_name = "CHANNEL", value_parser = words::channel)]
    channel: Option<Channel>,
    /// Also to addresses that belong to nobody known
    #[arg(long)]
    unknown_ok: bool,
}

fn answers(text: &str) -> Result<Answers, String> {
    if let Ok(thread) = text.parse::<ThreadId>() {
        return Ok(Answers::Thread(thread));
    }
    let wrong = "expected the id of a thread (thr_…) or of a message (msg_…)";
    text.parse::<MessageId>().map(Answers::Message).map_err(|_| wrong.to_owned())
}

pub(super) async fn run(global: &Global, args: SendArgs) -> anyhow::Result<ExitCode> {
    if args.to.is_empty() && args.cc.is_empty() && args.reply_to.is_none() {
        return Err(Stop::usage("say to whom with --to, or what it answers with --reply-to").into());
    }
    let desk = Desk::open(global).await?;
    if let Some(at) = args.at.filter(|at| *at <= desk.clock.now()) {
        return Err(Stop::usage(format!("--at: {} is past; leave it out to send now", desk.out.time(at))).into());
    }
    let order_body = body(&args)?;
    let (channel, way) = words::of(&desk, &mut desk.store.read().await?, &args).await?;
    if matches!(channel, Channel::Sms | Channel::Slack) {
        let work = async |tx: &mut Tx| words::say(&desk, tx, &args, (channel, &order_body.text)).await;
        let (name, why, queued) = desk.change("cli.send", work).await?;
        let running = desk.wake().await;
        tell(&desk, &queued, &name, running).await?;
        say_why(&desk, &format!("{way}From {name}: {why}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.subject.is_none() && args.reply_to.is_none() {
        let words = format!("{way}a mail that answers nothing needs a --subject (or say --channel sms or slack)");
        return Err(Stop::usage(words).into());
    }
    let work = async |tx: &mut Tx| {
        let (account, why) = choose_account(&desk, tx, &args).await?;
        let to = recipients(tx, &args.to, args.unknown_ok).await?;
        let cc = recipients(tx, &args.cc, args.unknown_ok).await?;
        let order = order(&desk, account, &args, order_body.clone(), (to, cc));
        let queued = enqueue::enqueue(tx, &desk.clock, order).await?;
        Ok((account.id.clone(), why, queued))
    };
    let (name, why, queued) = desk.change("cli.send", work).await?;
    let running = desk.wake().await;
    tell(&desk, &queued, &name, running).await?;
    say_why(&desk, &format!("{way}From {name}: {why}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Says how it goes, and why, where a person reads it.
fn say_why(desk: &Desk, why: &str) -> anyhow::Result<()> {
    if desk.out.is_json() { Ok(()) } else { desk.out.aside(why) }
}

/// The text, the HTML and the files.
#[derive(Clone)]
struct Body {
    text: String,
    html: Option<String>,
    attachments: Vec<DraftAttachment>,
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let octets = read(path, TEXT_MAX)?;
    String::from_utf8(octets).map_err(|_| Stop::failed(format!("{} is not UTF-8 text", path.display())).into())
}

fn body(args: &SendArgs) -> anyhow::Result<Body> {
    let text = match (&args.text, &args.file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => text_of(file)?,
        (None, None) => {
            if std::io::stdin().is_terminal() {
                remark("Write the text; Ctrl-D ends it.");
            }
            text_of(Path::new("-"))?
        }
    };
    if text.trim().is_empty() {
        return Err(Stop::usage("the text is empty: --text, --file or standard input").into());
    }
    let html = args.html.as_deref().map(text_of).transpose()?;
    let attachments = args.attach.iter().map(|path| attachment(path)).collect::<anyhow::Result<_>>()?;
    Ok(Body { text, html, attachments })
}

fn attachment(path: &Path) -> anyhow::Result<DraftAttachment> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(DraftAttachment { content_type: media_type(&name).to_owned(), name, content: read(path, SIZE_MAX)? })
}

/// The media type that goes with a file name.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "ics" => "text/calendar",
        "mp4" => "video/mp4",
        "zip" => "application/zip",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

/// The mailbox that writes, and why.
async fn choose_account<'a>(desk: &'a Desk, tx: &mut Tx, args: &SendArgs) -> anyhow::Result<(&'a Account, String)> {
    if let Some(name) = &args.account {
        let named = desk.account(name)?;
        if named.channel() != Channel::Email {
            let words = format!("`{name}` is of kind `{}`, and this writes mail", named.kind_name());
            return Err(Stop::usage(words).into());
        }
    }
    let mailboxes: Vec<&str> = desk
        .config
        .accounts
        .values()
        .filter(|account| account.channel() == Channel::Email)
        .map(|account| account.id.as_str())
        .collect();
    let to = match args.to.as_slice() {
        [one] => owner_of(tx, one).await?,
        _ => None,
    };
    match talk::mailbox(tx, &mailboxes, (args.account.as_deref(), args.reply_to, to)).await {
        Ok((name, why)) => Ok((desk.account(&name)?, why)),
        Err(TalkError::WhichAccount(words)) if mailboxes.is_empty() => Err(Stop::config(words).into()),
        Err(TalkError::WhichAccount(words)) => Err(Stop::usage(format!("{words} (--account NAME)")).into()),
        Err(error) => Err(error.into()),
    }
}

/// Who is meant by what is given after `--to`, where they are known.
async fn owner_of(tx: &mut Tx, given: &str) -> anyhow::Result<Option<InfluencerId>> {
    match chat::channel_of(given) {
        Some((_, key)) => Ok(tx.find_owners(vec![key]).await?.into_iter().find_map(|owner| owner.influencer_id)),
        None => Ok(Some(who::influencer(tx, given).await?.id)),
    }
}

async fn recipients(tx: &mut Tx, given: &[String], unknown_ok: bool) -> anyhow::Result<Vec<Mailbox>> {
    let mut to = Vec::with_capacity(given.len());
    for who in given {
        to.push(recipient(tx, who, unknown_ok).await?);
    }
    Ok(to)
}

/// An address as it is given, with the name of whose it is; a person by the address where mail arrives.
async fn recipient(tx: &mut Tx, given: &str, unknown_ok: bool) -> anyhow::Result<Mailbox> {
    if let Some(key) = address::key(given) {
        let owner = tx.find_addresses(Channel::Email, vec![key]).await?.into_iter().next();
        let name = match owner.map(|o| (o.influencer_id, o.agent_id)) {
            Some((Some(id), _)) => tx.get_influencer(id).await?.map(|i| who::full_name(&i.first_name, &i.last_name)),
            Some((None, Some(id))) => tx.get_agent(id).await?.map(|a| who::full_name(&a.first_name, &a.last_name)),
            Some((None, None)) | None if unknown_ok => None,
            Some((None, None)) | None => {
                let words = format!(
                    "{given} belongs to nobody you know, so the answer would wait in `unmatched`: add them first \
                     (liaison influencer add), or say --unknown-ok"
                );
                return Err(Stop::failed(words).into());
            }
        };
        return Ok(Mailbox { name: name.unwrap_or_default(), address: given.trim().to_owned() });
    }
    let influencer = who::influencer(tx, given).await?;
    let addresses = tx.list_addresses_of_influencers(vec![influencer.id]).await?;
    let working = addresses.into_iter().filter(|a| a.channel == Channel::Email && a.dead_at.is_none());
    let Some(address) = working.max_by_key(|a| a.is_primary) else {
        return Err(Stop::failed(format!("{} has no mail address that works", influencer.handle)).into());
    };
    Ok(Mailbox { name: who::full_name(&influencer.first_name, &influencer.last_name), address: address.value })
}

/// An account as the author of a message.
pub(super) fn sender_of(account: &Account) -> AccountFrom {
    AccountFrom {
        name: account.id.clone(),
        address: account.address.clone(),
        display_name: account.display_name.clone().unwrap_or_default(),
    }
}

/// When it leaves at the earliest.
fn due_at(desk: &Desk, args: &SendArgs) -> Micros {
    let wait = if args.now { 0 } else { u64::from(desk.config.undo_seconds) };
    args.at.unwrap_or_default().max(desk.clock.now().plus(std::time::Duration::from_secs(wait)))
}

fn order(desk: &Desk, account: &Account, args: &SendArgs, body: Body, people: (Vec<Mailbox>, Vec<Mailbox>)) -> Order {
    Order {
        account: sender_of(account),
        to: people.0,
        cc: people.1,
        subject: args.subject.clone(),
        text: body.text,
        html: body.html,
        attachments: body.attachments,
        answers: args.reply_to,
        due_at: due_at(desk, args),
        file_copy: account.imap().is_some_and(|imap| imap.sent_copy == SentCopy::Hub),
        message_id_domain: address::domain(&account.address).unwrap_or_else(|| "localhost".to_owned()),
        outreach: None,
    }
}

pub(super) async fn tell(desk: &Desk, queued: &Enqueued, account: &str, running: bool) -> anyhow::Result<()> {
    if desk.out.is_json() {
        let view = desk.store.read().await?.get_message_view(queued.id).await?;
        return desk.out.json(&view);
    }
    let at = queued.due_at.max(desk.clock.now());
    let leaves = if running {
        format!("leaves from {account} at {}", desk.out.time(at))
    } else {
        format!(
            "leaves from {account} at {}, or later when `liaison serve` runs: no daemon answers now",
            desk.out.time(at)
        )
    };
    desk.out.say(&format!("{}  {leaves}", queued.id))?;
    desk.out.aside(&format!("Take it back with: liaison outbox cancel {}", queued.id))
}
