//! `liaison thread …`: conversations, as one influencer sees them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::desk::Desk;
use super::filter::FilterArgs;
use super::page::{MORE, PageArgs, listed};
use super::stop::Stop;
use super::terminal::{Out, clean, clean_line, short};
use super::{Global, saying, who};
use crate::domain::ids::ThreadId;
use crate::domain::mail::Mailbox;
use crate::domain::words::Direction;
use crate::store::Tx;
use crate::store::reading::thread::ThreadFilter;
use crate::store::reading::view::{MessageView, ThreadView};
use crate::store::reading::{PAGE_MAX, Page};

#[derive(Debug, Subcommand)]
pub(super) enum ThreadCommand {
    /// List threads, the one with the newest message first
    List(Box<ListArgs>),
    /// Show the messages of a thread, or all of an influencer, oldest first
    Show {
        /// The id of a thread, or an influencer: handle, mail address or id
        #[arg(value_name = "ID|WHO")]
        which: String,
        /// The whole texts, with what they quote
        #[arg(long)]
        full: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Of this influencer: handle, mail address or id
    #[arg(long, value_name = "WHO")]
    influencer: Option<String>,
    /// The one with the oldest message first
    #[arg(long)]
    oldest: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(global: &Global, command: ThreadCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    match command {
        ThreadCommand::List(args) => list(&desk, *args).await?,
        ThreadCommand::Show { which, full } => show(&desk, &which, full).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(desk: &Desk, mut args: ListArgs) -> anyhow::Result<()> {
    // Whose turn it is, and which account it is of, is asked of the thread itself here.
    let (awaiting, account) = args.filter.take_own();
    let mut of = args.filter.read(desk).await?.unwrap_or_default();
    let (awaiting, account) = (awaiting.or(of.awaiting.take()), account.or(of.account.take()));
    let mut tx = desk.store.read().await?;
    let influencer = match &args.influencer {
        Some(given) => Some(who::influencer(&mut tx, given).await?.id),
        None => None,
    };
    let filter = ThreadFilter { influencer, awaiting, account, of, ..ThreadFilter::default() };
    let page = if args.oldest { Page::oldest(PAGE_MAX) } else { Page::newest(PAGE_MAX) };
    let slice = args.page.gather(page, async |page| tx.list_threads(&filter, page).await).await?;
    if desk.out.is_json() {
        return desk.out.json(&listed(&slice));
    }
    if slice.data.is_empty() {
        return desk.out.say("No threads.");
    }
    let row = |t: &ThreadView| {
        vec![
            t.influencer_handle.clone(),
            short(&clean_line(&t.subject), 60),
            t.message_count.to_string(),
            t.awaiting.map(|a| a.to_string()).unwrap_or_default(),
            desk.out.time(t.last_message_at),
            t.account.clone(),
            t.id.to_string(),
        ]
    };
    let head = ["influencer", "subject", "messages", "awaiting", "last message", "account", "id"];
    desk.out.table(&head, slice.data.iter().map(row).collect())?;
    if slice.next.is_some() {
        desk.out.aside(MORE)?;
    }
    Ok(())
}

async fn show(desk: &Desk, which: &str, full: bool) -> anyhow::Result<()> {
    let mut tx = desk.store.read().await?;
    if which.starts_with("thr_") {
        let id: ThreadId = which.parse().map_err(|error| Stop::usage(format!("{error}")))?;
        return show_thread(&desk.out, &mut tx, id, full).await;
    }
    let influencer = who::influencer(&mut tx, which).await?;
    let view = who::view(&mut tx, influencer).await?;
    let id = view.id;
    let messages = all_messages(&mut tx, full, async |tx, page| tx.list_influencer_messages(id, page).await).await?;
    if desk.out.is_json() {
        return desk.out.json(&json!({"influencer": view, "messages": messages}));
    }
    let name = who::full_name(&view.first_name, &view.last_name);
    desk.out.title(&format!("{}  {name}", view.handle))?;
    desk.out.aside(&format!("{}, stage {}, {} messages", view.id, view.stage, messages.len()))?;
    print_messages(&desk.out, &messages, full, true)
}

/// One thread and its messages, oldest first.
pub(super) async fn show_thread(out: &Out, tx: &mut Tx, id: ThreadId, full: bool) -> anyhow::Result<()> {
    let thread = tx.get_thread_view(id).await?;
    let thread = thread.ok_or_else(|| Stop::failed(format!("there is no thread `{id}`")))?;
    let messages = all_messages(tx, full, async |tx, page| tx.list_thread_messages(thread.id, page).await).await?;
    if out.is_json() {
        return out.json(&json!({"thread": thread, "messages": messages}));
    }
    let subject = if thread.subject.is_empty() { "(no subject)" } else { &thread.subject };
    out.title(&format!("{subject}  {}", thread.influencer_handle))?;
    let turn = thread.awaiting.map(|a| format!(", awaiting {a}")).unwrap_or_default();
    out.aside(&format!("{} on {}, {} messages{turn}", thread.id, thread.account, thread.message_count))?;
    print_messages(out, &messages, full, false)
}

/// All pages, oldest first; with `full`, texts that a list cuts are read whole.
async fn all_messages(
    tx: &mut Tx,
    full: bool,
    mut fetch: impl AsyncFnMut(&mut Tx, Page) -> Result<crate::store::reading::Slice<MessageView>, crate::store::StoreError>,
) -> anyhow::Result<Vec<MessageView>> {
    let mut messages = Vec::new();
    let mut page = Page::oldest(PAGE_MAX);
    loop {
        let slice = fetch(tx, page).await?;
        messages.extend(slice.data);
        if slice.next.is_none() {
            break;
        }
        page = page.after(slice.next);
    }
    if full {
        for message in messages.iter_mut().filter(|m| m.text_cut) {
            if let Some(whole) = tx.get_message_view(message.id).await? {
                *message = whole;
            }
        }
    }
    Ok(messages)
}

fn person(mailbox: &Mailbox) -> String {
    match (mailbox.name.is_empty(), mailbox.address.is_empty()) {
        (true, true) => "(unknown)".to_owned(),
        (true, false) => mailbox.address.clone(),
        (false, _) => format!("{} <{}>", mailbox.name, mailbox.address),
    }
}

fn print_messages(out: &Out, messages: &[MessageView], full: bool, subjects: bool) -> anyhow::Result<()> {
    for message in messages {
        let arrow = match message.direction {
            Direction::Inbound => "<-",
            Direction::Outbound => "->",
        };
        out.say("")?;
        let at = out.time(message.at);
        let (sort, status) = (saying::sort_of(message), message.status.as_str());
        let author = saying::author_of(message).map_or_else(|| person(&message.from), str::to_owned);
        out.title(&format!("{arrow} {at}  {author}  [{sort}, {status}]"))?;
        let to: Vec<String> = message.to.iter().chain(&message.cc).map(person).collect();
        let to = if to.is_empty() { String::new() } else { format!("  to {}", short(&to.join(", "), 200)) };
        out.aside(&format!("   {}{to}", message.id))?;
        if subjects && saying::has_subject(message) {
            out.aside(&format!("   {}", message.subject))?;
        }
        for (word, said) in [("held", &message.held_reason), ("", &message.detail)] {
            if let Some(said) = said {
                out.aside(&format!("   {word} {said}"))?;
            }
        }
        let text = saying::words_of(message, if full { &message.text } else { &message.reply_text });
        for line in clean(text.trim_end()).lines() {
            out.say(&format!("   {}", line.trim_end()))?;
        }
        if message.text_cut && !full {
            out.aside("   (cut; --full shows the whole text)")?;
        }
        for attachment in &message.attachments {
            out.aside(&format!("   attached: {}", saying::file_of(attachment)))?;
        }
    }
    Ok(())
}
