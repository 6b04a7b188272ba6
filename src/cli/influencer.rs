//! `liaison influencer …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::address::{self, AddressCommand};
use super::desk::{self, Desk};
use super::erasure::{self, EraseArgs, ExportArgs};
use super::filter::FilterArgs;
use super::import::{self, ImportArgs, Sort};
use super::merge::{self, MergeArgs, UnmergeArgs};
use super::page::MORE;
use super::stop::Stop;
use super::terminal::Out;
use super::{Global, date, length, saying, who};
use crate::domain::ids::InfluencerId;
use crate::domain::people::InfluencerView;
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::hub::hold;
use crate::hub::people::{self, NetworkGiven, NewInfluencer, StageMove};
use crate::store::Tx;
use crate::store::people::list::{InfluencerCursor, InfluencerOrder, PAGE_MAX};
use crate::store::reading::Page;
use crate::store::reading::view::{TimelineEntry, TimelineItem};

/// Entries of the timeline that `show` shows.
const TIMELINE_SHOWN: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum InfluencerCommand {
    /// Import from CSV
    Import(ImportArgs),
    /// Add one
    Add(Box<AddArgs>),
    /// List them
    List(Box<ListArgs>),
    /// Show one, with the newest of their timeline
    Show {
        /// Handle, mail address or id
        who: String,
    },
    /// Their mail addresses and phone numbers: add, remove, primary
    #[command(subcommand)]
    Address(AddressCommand),
    /// Write a note on their timeline
    Note {
        /// Handle, mail address or id
        who: String,
        /// The note
        text: String,
    },
    /// Move them to another stage
    Stage(StageArgs),
    /// Send nothing to them by itself until a date
    Hold(HoldArgs),
    /// Say until when we wait for them
    Waiting(WaitingArgs),
    /// Join two records of one person
    Merge(MergeArgs),
    /// Write everything that is kept about one into a ZIP archive
    Export(ExportArgs),
    /// Erase one for ever, with everything that is kept about them
    Erase(EraseArgs),
    /// Take a merge back
    Unmerge(UnmergeArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What you call them, for instance @anaruns
    #[arg(long)]
    handle: String,
    /// A mail address of theirs, the usual one first
    #[arg(long)]
    email: Vec<String>,
    /// A phone number of theirs, the usual one first; without a country's code it is of `phone_region`
    #[arg(long)]
    phone: Vec<String>,
    /// The user they are in a Slack workspace, as in T012AB3C4/U012AB3C4
    #[arg(long, value_name = "TEAM/USER")]
    slack: Vec<String>,
    /// First name
    #[arg(long, default_value = "")]
    first_name: String,
    /// Last name
    #[arg(long, default_value = "")]
    last_name: String,
    /// Time zone, as in Europe/Madrid
    #[arg(long)]
    timezone: Option<String>,
    /// The teammate who looks after them
    #[arg(long)]
    owner: Option<String>,
    /// Where the relationship stands; else the start stage
    #[arg(long)]
    stage: Option<String>,
    /// A tag
    #[arg(long)]
    tag: Vec<String>,
    /// A network, as in instagram=anaruns or instagram=anaruns:25000 (followers)
    #[arg(long, value_name = "NETWORK=HANDLE[:FOLLOWERS]", value_parser = network)]
    network: Vec<NetworkGiven>,
    /// A property of your own
    #[arg(long, value_name = "NAME=VALUE", value_parser = property)]
    property: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// As they were added, in place of the newest message first
    #[arg(long)]
    added: bool,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    limit: u32,
    /// Go on where an earlier list ended (`next_cursor` of its JSON)
    #[arg(long)]
    cursor: Option<InfluencerCursor>,
}

#[derive(Debug, Args)]
pub(super) struct StageArgs {
    /// Handle, mail address or id
    who: String,
    /// A stage of stages.toml
    stage: String,
    /// Automation leaves the stage alone from now on
    #[arg(long, conflicts_with = "unpin")]
    pin: bool,
    /// Automation may move them again
    #[arg(long)]
    unpin: bool,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("how").required(true)))]
pub(super) struct HoldArgs {
    /// Handle, mail address or id
    who: String,
    /// Until this day or instant
    #[arg(long, value_name = "DATE", value_parser = date::parse, group = "how")]
    until: Option<Micros>,
    /// For so long, as in 7d
    #[arg(long = "for", value_name = "LENGTH", value_parser = length::parse, group = "how")]
    length: Option<std::time::Duration>,
    /// Let them go
    #[arg(long, group = "how", conflicts_with = "reason")]
    release: bool,
    /// Why
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("how").required(true)))]
pub(super) struct WaitingArgs {
    /// Handle, mail address or id
    who: String,
    /// Until this day or instant
    #[arg(long, value_name = "DATE", value_parser = date::parse, group = "how")]
    until: Option<Micros>,
    /// We do not wait any more
    #[arg(long, group = "how")]
    over: bool,
}

fn network(text: &str) -> Result<NetworkGiven, String> {
    let form = "write NETWORK=HANDLE or NETWORK=HANDLE:FOLLOWERS";
    let (network, rest) = text.split_once('=').ok_or(form)?;
    let (handle, followers) = match rest.rsplit_once(':') {
        Some((handle, count)) => (handle, Some(count.parse().map_err(|_| form)?)),
        None => (rest, None),
    };
    Ok(NetworkGiven { network: network.to_owned(), handle: handle.to_owned(), followers })
}

fn property(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.trim().is_empty());
    pair.map(|(name, value)| (name.trim().to_owned(), value.to_owned())).ok_or_else(|| "write NAME=VALUE".to_owned())
}

pub(super) async fn run(global: &Global, command: InfluencerCommand) -> anyhow::Result<ExitCode> {
    match command {
        InfluencerCommand::Import(args) => import::run(global, args, Sort::Influencers).await,
        InfluencerCommand::Add(args) => add(&Desk::open(global).await?, *args).await,
        InfluencerCommand::List(args) => list(&Desk::open(global).await?, *args).await,
        InfluencerCommand::Show { who } => show(&Desk::open(global).await?, &who).await,
        InfluencerCommand::Address(command) => address::run(&Desk::open(global).await?, command).await,
        InfluencerCommand::Note { who, text } => note(&Desk::open(global).await?, &who, &text).await,
        InfluencerCommand::Stage(args) => stage(&Desk::open(global).await?, args).await,
        InfluencerCommand::Hold(args) => hold(&Desk::open(global).await?, args).await,
        InfluencerCommand::Merge(args) => merge::merge(&Desk::open(global).await?, args).await,
        InfluencerCommand::Export(args) => erasure::export(&Desk::open(global).await?, args).await,
        InfluencerCommand::Erase(args) => Box::pin(erasure::erase(&Desk::open(global).await?, args)).await,
        InfluencerCommand::Unmerge(args) => merge::unmerge(&Desk::open(global).await?, args).await,
        InfluencerCommand::Waiting(args) => waiting(&Desk::open(global).await?, args).await,
    }
}

async fn add(desk: &Desk, args: AddArgs) -> anyhow::Result<ExitCode> {
    let owner = args.owner.or_else(|| desk.config.default_owner.clone());
    if let Some(owner) = &owner
        && !desk.config.teammates.is_empty()
        && !desk.config.teammates.contains_key(owner)
    {
        let known: Vec<&str> = desk.config.teammates.keys().map(String::as_str).collect();
        let words = format!("there is no teammate `{owner}`; there are: {}", known.join(", "));
        return Err(Stop::failed(words).into());
    }
    let properties: Map<String, Value> = args.property.into_iter().map(|(n, v)| (n, Value::String(v))).collect();
    let new = NewInfluencer {
        handle: args.handle,
        first_name: args.first_name,
        last_name: args.last_name,
        emails: args.email,
        phones: args.phone,
        slack: args.slack,
        phone_region: desk.config.phone_region.clone(),
        timezone: args.timezone,
        owner,
        stage: args.stage,
        tags: args.tag,
        networks: args.network,
        properties,
    };
    let work = async |tx: &mut Tx| {
        let added = people::create_influencer(tx, &desk.clock, &desk.stages, &desk::by(), new.clone()).await?;
        Ok(who::view(tx, added).await?)
    };
    let view = desk.change("cli.influencer_add", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        desk.out.json(&view)?;
    } else {
        desk.out.say(&format!("added {} ({}) in stage {}", view.handle, view.id, view.stage))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(desk: &Desk, args: ListArgs) -> anyhow::Result<ExitCode> {
    let filter = args.filter.read(desk).await?.unwrap_or_default();
    let order = if args.added { InfluencerOrder::Added } else { InfluencerOrder::NewestMessage };
    let wanted = i64::from(args.limit);
    let (mut found, mut after) = (Vec::new(), args.cursor);
    let mut tx = if filter.is_broad() { desk.store.survey().await? } else { desk.store.read().await? };
    let mut more = false;
    loop {
        let missing = wanted - i64::try_from(found.len()).unwrap_or(i64::MAX);
        if missing <= 0 {
            more = !tx.list_influencers(&filter, order, after, 1).await?.is_empty();
            break;
        }
        let page = tx.list_influencers(&filter, order, after, missing.min(PAGE_MAX)).await?;
        let Some(last) = page.last() else { break };
        after = Some(InfluencerCursor::after(last));
        found.extend(tx.view_influencers(page).await?);
    }
    let next = after.filter(|_| more).map(|cursor| cursor.to_string());
    if desk.out.is_json() {
        desk.out.json(&json!({"data": found, "next_cursor": next}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        desk.out.say("Nobody.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |i: &InfluencerView| {
        vec![
            i.handle.clone(),
            who::full_name(&i.first_name, &i.last_name),
            stage_words(i),
            shown_address(i),
            i.owner.clone().unwrap_or_default(),
            i.awaiting.map(|a| a.to_string()).unwrap_or_default(),
            desk.out.time_or_dash(i.last_message_at),
            super::terminal::clean_line(&held_words(desk, i)),
        ]
    };
    let head = ["handle", "name", "stage", "address", "owner", "awaiting", "last message", "held until"];
    desk.out.table(&head, found.iter().map(row).collect())?;
    if more {
        desk.out.aside(MORE)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Until when somebody is held and why; nothing where that is over.
fn held_words(desk: &Desk, i: &InfluencerView) -> String {
    let Some(until) = i.held_until.filter(|until| *until > desk.clock.now()) else { return String::new() };
    let why = i.hold_reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{}{why}", desk.out.time(until))
}

fn stage_words(i: &InfluencerView) -> String {
    if i.stage_pinned { format!("{} (pinned)", i.stage) } else { i.stage.clone() }
}

async fn show(desk: &Desk, who: &str) -> anyhow::Result<ExitCode> {
    let mut tx = desk.store.read().await?;
    let influencer = who::influencer(&mut tx, who).await?;
    let view = who::view(&mut tx, influencer).await?;
    if desk.out.is_json() {
        desk.out.json(&view)?;
        return Ok(ExitCode::SUCCESS);
    }
    let timeline = tx.list_timeline(view.id, desk.clock.now(), Page::newest(TIMELINE_SHOWN)).await?;
    desk.out.title(format!("{}  {}", view.handle, who::full_name(&view.first_name, &view.last_name)).trim_end())?;
    for (name, value) in facts(desk, &view) {
        if !value.is_empty() {
            desk.out.say(&format!("  {name:<13} {}", super::terminal::clean_line(&value)))?;
        }
    }
    if timeline.data.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    desk.out.say("")?;
    desk.out.title("Timeline, newest first")?;
    for entry in &timeline.data {
        desk.out.say(&super::terminal::clean_line(&timeline_line(&desk.out, entry)))?;
    }
    if timeline.next.is_some() {
        desk.out.aside(&format!("There is more: liaison thread show {} shows all messages.", view.handle))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(desk: &Desk, view: &InfluencerView) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("id", view.id.to_string()),
        ("stage", stage_words(view)),
        ("owner", view.owner.clone().unwrap_or_default()),
        ("time zone", view.timezone.clone().unwrap_or_default()),
        ("tags", view.tags.join(", ")),
    ];
    for address in &view.addresses {
        let mut words = address.value.clone();
        for (holds, word) in [(address.primary, "primary"), (address.dead_at.is_some(), "dead")] {
            if holds {
                words = format!("{words} ({word})");
            }
        }
        if let Some(reason) = address.suppressed {
            words = format!("{words} (do not contact: {reason})");
        }
        facts.push(("address", words));
    }
    if let Some(agent) = &view.agent {
        let name = who::full_name(&agent.first_name, &agent.last_name);
        facts.push(("agent", format!("{name} {}", agent.email.clone().unwrap_or_default())));
    }
    for network in &view.networks {
        let followers = network.followers.map(|f| format!(" ({f} followers)")).unwrap_or_default();
        facts.push(("network", format!("{} {}{followers}", network.network, network.handle)));
    }
    for (name, value) in &view.properties {
        facts.push((
            "property",
            format!("{name} = {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        ));
    }
    facts.push(("awaiting", view.awaiting.map(|a| a.to_string()).unwrap_or_default()));
    facts.push(("last message", view.last_message_at.map(|at| desk.out.time(at)).unwrap_or_default()));
    let now = desk.clock.now();
    let held = held_words(desk, view);
    facts.push(("held until", held));
    let waiting = view.waiting_until.filter(|until| *until > now);
    facts.push(("waiting until", waiting.map(|at| desk.out.time(at)).unwrap_or_default()));
    facts
}

/// Where they are written to first: by mail, where that is known.
fn shown_address(i: &InfluencerView) -> String {
    let mail = i.addresses.iter().find(|a| a.channel == Channel::Email);
    mail.or(i.addresses.first()).map(|a| a.value.clone()).unwrap_or_default()
}

/// An entry of a timeline, in a line.
pub(super) fn timeline_line(out: &Out, entry: &TimelineEntry) -> String {
    let words = match &entry.item {
        // What has no subject of its own is shown by its words.
        TimelineItem::Message(m) if m.channel != Channel::Email => {
            let place = if saying::has_subject(m) { format!("{}: ", m.subject) } else { String::new() };
            let text = super::terminal::short(&saying::words_of(m, &m.text), 100);
            format!("{} {} {}: {place}{text}", m.direction, m.channel, m.status.as_str())
        }
        TimelineItem::Message(m) => format!("{} {} {}: {}", m.direction, m.kind, m.status.as_str(), m.subject),
        TimelineItem::Event(e) => {
            let stage = e.stage.as_ref().map(|s| format!(" (stage {s})")).unwrap_or_default();
            format!("event {}{stage}", e.kind)
        }
        TimelineItem::Task(t) => {
            let late = if t.late { ", late" } else { "" };
            let whose = t.assignee.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
            format!("task {}{late}{whose}: {}", t.state, super::terminal::short(&t.text, 100))
        }
        TimelineItem::Note(n) => format!("note by {}: {}", n.author, super::terminal::short(&n.text, 100)),
    };
    format!("{}  {words}", out.time(entry.at))
}

async fn note(desk: &Desk, who: &str, text: &str) -> anyhow::Result<ExitCode> {
    let work = async |tx: &mut Tx| {
        let influencer = who::influencer(tx, who).await?;
        let note = people::add_note(tx, &desk.clock, influencer.id, &desk::by(), text).await?;
        Ok((influencer, note))
    };
    let (influencer, note) = desk.change("cli.note", work).await?;
    if desk.out.is_json() {
        let (id, author) = (note.id, &note.author);
        let of = note.influencer_id;
        desk.out.json(&json!({"id": id, "influencer_id": of, "author": author, "text": note.text, "at": note.at}))?;
    } else {
        desk.out.say(&format!("noted on {}'s timeline", influencer.handle))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn stage(desk: &Desk, args: StageArgs) -> anyhow::Result<ExitCode> {
    let work = async |tx: &mut Tx| {
        let influencer = who::influencer(tx, &args.who).await?;
        let id = influencer.id;
        // Without a word about it, a pin stays as it is.
        let pinned = args.pin || (influencer.stage_pinned && !args.unpin);
        let step = StageMove { influencer_id: id, to: args.stage.clone(), pinned, cause: desk::by() };
        let moved = people::move_stage(tx, &desk.clock, &desk.stages, step).await?;
        let after = who::influencer(tx, &id.to_string()).await?;
        Ok((influencer.handle, moved, who::view(tx, after).await?))
    };
    let (handle, moved, view) = desk.change("cli.stage", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        desk.out.json(&view)?;
    } else if moved {
        desk.out.say(&format!("{handle} is in stage {} now", stage_words(&view)))?;
    } else {
        desk.out.say(&format!("{handle} was in stage {} already", stage_words(&view)))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn hold(desk: &Desk, args: HoldArgs) -> anyhow::Result<ExitCode> {
    let until = args.until.or(args.length.map(|length| desk.clock.now().plus(length)));
    let work = async |tx: &mut Tx| {
        let influencer = who::influencer(tx, &args.who).await?;
        let (id, handle, by) = (influencer.id, influencer.handle, desk::by());
        let words = match until {
            Some(until) => {
                hold::hold_by_hand(tx, &desk.clock, id, (until, args.reason.as_deref()), &by).await?;
                format!("nothing is sent to {handle} by itself until {}", desk.out.time(until))
            }
            None if hold::release(tx, &desk.clock, id, &by).await? => format!("{handle} is not held any more"),
            None => format!("{handle} was not held"),
        };
        Ok((id, words))
    };
    let (id, words) = desk.change("cli.hold", work).await?;
    desk.wake().await;
    tell(desk, id, &words).await
}

async fn waiting(desk: &Desk, args: WaitingArgs) -> anyhow::Result<ExitCode> {
    let work = async |tx: &mut Tx| {
        let influencer = who::influencer(tx, &args.who).await?;
        hold::wait_for(tx, &desk.clock, influencer.id, args.until, &desk::by()).await?;
        Ok((influencer.id, influencer.handle))
    };
    let (id, handle) = desk.change("cli.waiting", work).await?;
    desk.wake().await;
    let words = match args.until {
        Some(until) => format!("waiting for {handle} until {}", desk.out.time(until)),
        None => format!("not waiting for {handle} any more"),
    };
    tell(desk, id, &words).await
}

/// What was done, in words or as the influencer is now.
async fn tell(desk: &Desk, id: InfluencerId, words: &str) -> anyhow::Result<ExitCode> {
    if desk.out.is_json() {
        let mut tx = desk.store.read().await?;
        let influencer = who::influencer(&mut tx, &id.to_string()).await?;
        desk.out.json(&who::view(&mut tx, influencer).await?)?;
    } else {
        desk.out.say(words)?;
    }
    Ok(ExitCode::SUCCESS)
}
