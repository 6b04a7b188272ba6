//! `liaison webhook …`: programs that are told what happens.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::desk::{self, Desk};
use super::page::{MORE, PageArgs, listed};
use super::stop::Stop;
use super::terminal::{clean_line, remark, short};
use super::{Global, date, environment};
use crate::config::{self, Secrets};
use crate::control::Request;
use crate::domain::ids::{WebhookDeliveryId, WebhookId};
use crate::domain::time::Micros;
use crate::domain::webhook::OVERLAP_HOURS;
use crate::domain::words::{DeliveryState, EventType, WebhookState};
use crate::hub::seal::{SealError, Vault};
use crate::hub::webhook::{self, Missed, NewWebhook, WebhookChange, Which};
use crate::store::reading::webhook::{DeliveryFilter, WebhookDeliveryView};
use crate::store::reading::{PAGE_MAX, Page};
use crate::store::webhook::WebhookView;

/// How long the outcome of a test is waited for.
const TEST_TIME: Duration = Duration::from_secs(20);
/// The pause between two looks for it.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// List all
    List,
    /// Make one; its secret is shown once
    Add(AddArgs),
    /// Change where it leads or what it is told
    Change(ChangeArgs),
    /// Tell it what happens again, from where it stopped
    Enable {
        /// Its id
        id: WebhookId,
        /// Never tell it what it missed
        #[arg(long)]
        skip_missed: bool,
    },
    /// Tell it nothing until it is enabled
    Disable {
        /// Its id
        id: WebhookId,
    },
    /// Make a new secret; the one before signs as well for a while
    Rotate {
        /// Its id
        id: WebhookId,
        /// For how many hours the one before signs as well, 0 to 168
        #[arg(long, default_value_t = OVERLAP_HOURS, value_name = "HOURS")]
        overlap: u32,
    },
    /// Send it a test and wait for what comes of it
    Test {
        /// Its id
        id: WebhookId,
    },
    /// What it was told, the newest first
    Deliveries {
        /// Its id
        id: WebhookId,
        /// Only those that are pending, delivered or failed
        #[arg(long)]
        state: Option<DeliveryState>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Make deliveries once more
    Resend(ResendArgs),
    /// Take it away, with the record of what it was told
    Remove {
        /// Its id
        id: WebhookId,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Where it leads: https, on the public internet, unless [webhooks] allow says more
    url: String,
    /// What it is told, as in message.received; everything where nothing is said
    #[arg(long = "event", value_delimiter = ',', value_name = "NAME")]
    events: Vec<EventType>,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
}

#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// Its id
    id: WebhookId,
    /// Where it leads
    #[arg(long)]
    url: Option<String>,
    /// What it is told
    #[arg(long = "event", value_delimiter = ',', value_name = "NAME", conflicts_with = "all_events")]
    events: Vec<EventType>,
    /// It is told everything
    #[arg(long)]
    all_events: bool,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, args = ["delivery", "since"])]
pub(super) struct ResendArgs {
    /// The webhook's id
    id: WebhookId,
    /// One delivery, by its id
    delivery: Option<WebhookDeliveryId>,
    /// Everything since this day or instant
    #[arg(long, value_name = "DATE", value_parser = date::parse, conflicts_with = "delivery")]
    since: Option<Micros>,
    /// Of that only what it did not take
    #[arg(long, requires = "since")]
    failed: bool,
}

pub(super) async fn run(global: &Global, command: WebhookCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    match command {
        WebhookCommand::List => list(&desk).await?,
        WebhookCommand::Add(args) => add(global, &desk, args).await?,
        WebhookCommand::Change(args) => {
            let events = (!args.events.is_empty() || args.all_events).then_some(args.events);
            let ChangeArgs { id, url, description, .. } = args;
            change(&desk, id, WebhookChange { url, description, events, ..WebhookChange::default() }).await?;
        }
        WebhookCommand::Enable { id, skip_missed } => {
            let missed = if skip_missed { Missed::Skip } else { Missed::Deliver };
            let state = Some(WebhookState::Enabled);
            change(&desk, id, WebhookChange { state, missed, ..WebhookChange::default() }).await?;
        }
        WebhookCommand::Disable { id } => {
            let state = Some(WebhookState::Disabled);
            change(&desk, id, WebhookChange { state, ..WebhookChange::default() }).await?;
        }
        WebhookCommand::Rotate { id, overlap } => rotate(global, &desk, (id, overlap)).await?,
        WebhookCommand::Test { id } => return test(&desk, id).await,
        WebhookCommand::Deliveries { id, state, page } => deliveries(&desk, (id, state), &page).await?,
        WebhookCommand::Resend(args) => resend(&desk, args).await?,
        WebhookCommand::Remove { id } => {
            let mut tx = desk.store.begin("cli.webhook_remove").await?;
            webhook::remove(&mut tx, id, None).await?;
            tx.commit().await?;
            if desk.out.is_json() {
                desk.out.json(&json!({"id": id, "removed": true}))?;
            } else {
                desk.out.say(&format!("{id} is gone"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn view(desk: &Desk, id: WebhookId) -> anyhow::Result<WebhookView> {
    let row = desk.store.read().await?.get_webhook(id).await?;
    Ok(row.map(WebhookView::from).ok_or_else(|| Stop::failed(format!("there is no webhook `{id}`")))?)
}

fn events_of(view: &WebhookView) -> String {
    if view.events.is_empty() { "everything".to_owned() } else { view.events.join(", ") }
}

fn state_of(desk: &Desk, view: &WebhookView) -> String {
    match (view.state, view.disabled_why, view.failing_since) {
        (WebhookState::Disabled, Some(why), _) => format!("disabled ({why})"),
        (WebhookState::Disabled, None, _) => "disabled".to_owned(),
        (WebhookState::Enabled, _, Some(since)) => format!("failing since {}", desk.out.time(since)),
        (WebhookState::Enabled, _, None) => "enabled".to_owned(),
    }
}

async fn list(desk: &Desk) -> anyhow::Result<()> {
    let rows = desk.store.read().await?.list_webhooks().await?;
    let views: Vec<WebhookView> = rows.into_iter().map(WebhookView::from).collect();
    if desk.out.is_json() {
        return desk.out.json(&json!({"data": views, "next_cursor": null}));
    }
    if views.is_empty() {
        return desk.out.say("There are no webhooks.");
    }
    let row = |v: &WebhookView| {
        let taken = desk.out.time_or_dash(v.last_ok_at);
        vec![clean_line(&short(&v.url, 60)), state_of(desk, v), short(&events_of(v), 60), taken, v.id.to_string()]
    };
    desk.out.table(&["leads to", "state", "hears", "last taken", "id"], views.iter().map(row).collect())
}

/// What seals, where this command may read it; `None` where only the daemon may.
fn vault(global: &Global) -> anyhow::Result<Option<Vault>> {
    let config = config::load_with(&desk::config_file(global), environment(), Secrets::Check)?.config;
    match Vault::of(&config.oauth) {
        Ok(vault) => Ok(Some(vault)),
        Err(SealError::NoKey) if config.oauth.master_key.is_some() => Ok(None),
        Err(error) => {
            let how = "write [secrets] master_key; docs/webhooks.md says how";
            Err(Stop::failed(format!("the secret of a webhook can't be kept: {error}; {how}")).into())
        }
    }
}

fn show_secret(desk: &Desk, secret: &str, told: &Value) -> anyhow::Result<()> {
    if desk.out.is_json() {
        let mut answer = told.clone();
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("secret".to_owned(), json!(secret));
        }
        return desk.out.json(&answer);
    }
    desk.out.say(secret)?;
    let id = told.get("id").and_then(Value::as_str).unwrap_or_default();
    remark(&format!("This signs what {id} is told. Keep it: it is not shown again."));
    Ok(())
}

/// Lets the daemon do it, which has the key.
async fn by_daemon(desk: &Desk, request: Request) -> anyhow::Result<()> {
    let told = desk::call(&desk.config, &request).await?;
    let secret = told.get("secret").and_then(Value::as_str).unwrap_or_default();
    show_secret(desk, secret, told.get("webhook").unwrap_or(&Value::Null))
}

async fn add(global: &Global, desk: &Desk, args: AddArgs) -> anyhow::Result<()> {
    let AddArgs { url, events, description } = args;
    let Some(vault) = vault(global)? else {
        let request = Request::new("webhook.create").with("url", url).with("description", description);
        return by_daemon(desk, request.with("events", json!(events))).await;
    };
    let mut tx = desk.store.begin("cli.webhook_add").await?;
    let new = NewWebhook { url, description, events };
    let made = webhook::create(&mut tx, &desk.clock, (&webhook::reach(&desk.config), &vault), new).await;
    let (row, secret) = made.map_err(|error| Stop::failed(error.to_string()))?;
    tx.commit().await?;
    show_secret(desk, secret.expose_secret(), &serde_json::to_value(WebhookView::from(row))?)
}

async fn rotate(global: &Global, desk: &Desk, (id, overlap): (WebhookId, u32)) -> anyhow::Result<()> {
    let Some(vault) = vault(global)? else {
        let request = Request::new("webhook.rotate").with("id", json!(id)).with("overlap_hours", json!(overlap));
        return by_daemon(desk, request).await;
    };
    let mut tx = desk.store.begin("cli.webhook_rotate").await?;
    let secret = webhook::rotate(&mut tx, &vault, id, (overlap, None)).await?;
    tx.commit().await?;
    show_secret(desk, secret.expose_secret(), &serde_json::to_value(view(desk, id).await?)?)
}

async fn change(desk: &Desk, id: WebhookId, change: WebhookChange) -> anyhow::Result<()> {
    let mut tx = desk.store.begin("cli.webhook_change").await?;
    webhook::change(&mut tx, &webhook::reach(&desk.config), id, change).await?;
    tx.commit().await?;
    desk.wake().await;
    let view = view(desk, id).await?;
    if desk.out.is_json() {
        return desk.out.json(&view);
    }
    desk.out.say(&format!("{} is {} and hears {}", clean_line(&view.url), state_of(desk, &view), events_of(&view)))
}

async fn test(desk: &Desk, id: WebhookId) -> anyhow::Result<ExitCode> {
    let mut tx = desk.store.begin("cli.webhook_test").await?;
    let delivery = webhook::test(&mut tx, &desk.clock, id).await?;
    tx.commit().await?;
    if !desk.wake().await {
        return Err(Stop::failed("the test is in line, and no daemon runs that would send it").into());
    }
    let until = tokio::time::Instant::now() + TEST_TIME;
    loop {
        let told = desk.store.read().await?.get_webhook_delivery(id, delivery).await?;
        let told = told.ok_or_else(|| Stop::failed("the webhook was taken away meanwhile"))?;
        if !told.attempts.is_empty() || tokio::time::Instant::now() > until {
            let taken = told.state == DeliveryState::Delivered;
            if desk.out.is_json() {
                desk.out.json(&told)?;
            } else {
                desk.out.say(&outcome(&told))?;
            }
            return Ok(if taken { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The last try in words.
fn outcome(told: &WebhookDeliveryView) -> String {
    let Some(last) = told.attempts.last() else { return "not tried yet".to_owned() };
    match (last.status, &last.error) {
        (Some(status), _) => format!("{status} after {} ms", last.duration_ms),
        (None, why) => clean_line(&short(why.as_deref().unwrap_or("no answer"), 100)),
    }
}

async fn deliveries(
    desk: &Desk,
    (id, state): (WebhookId, Option<DeliveryState>),
    page: &PageArgs,
) -> anyhow::Result<()> {
    view(desk, id).await?;
    let filter = DeliveryFilter { state, kind: None };
    let mut tx = desk.store.read().await?;
    let fetch = async |page| tx.list_webhook_deliveries(id, &filter, page).await;
    let slice = page.gather(Page::newest(PAGE_MAX), fetch).await?;
    if desk.out.is_json() {
        return desk.out.json(&listed(&slice));
    }
    if slice.data.is_empty() {
        return desk.out.say("None.");
    }
    let row = |d: &WebhookDeliveryView| {
        vec![
            desk.out.time(d.created_at),
            d.kind.clone(),
            d.state.to_string(),
            desk.out.time_or_dash(d.next_at),
            outcome(d),
            d.id.to_string(),
        ]
    };
    desk.out.table(
        &["in line since", "event", "state", "next try", "last try", "id"],
        slice.data.iter().map(row).collect(),
    )?;
    if slice.next.is_some() { desk.out.aside(MORE) } else { Ok(()) }
}

async fn resend(desk: &Desk, args: ResendArgs) -> anyhow::Result<()> {
    let mut tx = desk.store.begin("cli.webhook_resend").await?;
    let count = match (args.delivery, args.since) {
        (Some(delivery), _) => {
            webhook::resend(&mut tx, args.id, delivery).await?;
            Some(1)
        }
        (None, since) => {
            let which = if args.failed { Which::Failed } else { Which::All };
            webhook::resend_since(&mut tx, args.id, (since.unwrap_or_default(), which)).await?
        }
    };
    tx.commit().await?;
    desk.wake().await;
    if desk.out.is_json() {
        return desk.out.json(&json!({"deliveries": count}));
    }
    desk.out
        .say(&count.map_or_else(|| "everything since then is told once more".to_owned(), |n| format!("{n} in line")))
}
