//! What the API shows of the texts of a sequence: what somebody would get, what the files would change, and moving live runs
//! to the version in force. The same code as on the command line.

use std::sync::Arc;

use serde_json::Value;

use super::super::actions::not_enqueued;
use super::{Hub, invalid};
use crate::config::{Config, Finding, Severity};
use crate::domain::address;
use crate::http::actions::{ActionError, PreviewOrder, SendPreviewOrder, SentPreview};
use crate::hub::enqueue;
use crate::hub::people::{self, PeopleError};
use crate::sequence::preview::once::{self, OnceError};
use crate::sequence::preview::{self, Of, PreviewError, Scene, Text};
use crate::sequence::{self, Apply, Known, Loaded};

/// Findings that a refusal names.
const FINDINGS_TOLD: usize = 5;

/// What somebody would get.
pub(super) async fn preview(hub: &Hub, id: String, order: PreviewOrder) -> Result<Value, ActionError> {
    let config = configuration(hub)?;
    let scene = scene(hub, &config, (&id, &order.who, order.of)).await?;
    to_value(&scene.show(order.step.as_deref(), order.variant).map_err(not_shown)?)
}

/// Sends such a message once, to somebody of ours.
pub(super) async fn send_preview(hub: &Hub, id: String, order: SendPreviewOrder) -> Result<Value, ActionError> {
    let config = configuration(hub)?;
    let scene = scene(hub, &config, (&id, &order.who, order.of)).await?;
    let shown = scene.show(order.step.as_deref(), order.variant).map_err(not_shown)?;
    let mail = once::once(&scene, (&shown, &order.to), hub.clock.now()).map_err(not_sent)?;
    drop(scene);
    // A token that may send is not one that may read people to anybody.
    let live = hub.live();
    for to in &mail.to {
        let key = address::key(&to.address);
        let mates = config.teammates.values().flat_map(|mate| &mate.emails);
        let is_ours = key.as_deref().is_some_and(|key| live.identity.is_ours(key))
            || mates.into_iter().any(|email| address::key(email) == key);
        if !is_ours {
            let what = "a preview goes to an account, a teammate, or an address at one of our_domains";
            return Err(invalid("/to", format!("{}: {what}", to.address)));
        }
    }
    let (account, to) = (mail.account.name.clone(), mail.to.iter().map(|to| to.address.clone()).collect());
    let mut tx = hub.store.begin("api.send_preview").await?;
    once::refuse_theirs(&mut tx, &mail).await.map_err(not_sent)?;
    let queued = enqueue::enqueue(&mut tx, &hub.clock, mail).await.map_err(not_enqueued)?;
    tx.commit().await?;
    hub.stored.notify_waiters();
    hub.wakes.wake(&account);
    to_value(&SentPreview { message_id: queued.id, account, to, due_at: queued.due_at })
}

/// The place where what somebody would get is written.
async fn scene<'c>(
    hub: &Hub,
    config: &'c Arc<Config>,
    (id, who, of): (&str, &str, Of),
) -> Result<Scene<'c>, ActionError> {
    let files = if of == Of::Files { Some(of_files(read(config, id).await?, id)?) } else { None };
    let mut tx = hub.store.read().await?;
    let found = people::find_influencer(&mut tx, who).await.map_err(|error| {
        let said = error.to_string();
        if let PeopleError::Store(error) = error { ActionError::Store(error) } else { invalid("/as", said) }
    })?;
    let gone = || ActionError::NotFound { sort: "influencer", given: who.to_owned() };
    let view = tx.view_influencers(vec![found]).await?.pop().ok_or_else(gone)?;
    let text = match files {
        Some(text) => text,
        None => preview::kept(&mut tx, id, &view, of).await.map_err(not_shown)?,
    };
    Ok(Scene::set(&mut tx, config, text, view).await?)
}

/// What the files would change.
pub(super) async fn diff(hub: &Hub, id: String) -> Result<Value, ActionError> {
    let config = configuration(hub)?;
    let Text { definition, version, .. } = of_files(read(&config, &id).await?, &id)?;
    to_value(&sequence::compare(&mut hub.store.read().await?, &definition, &version).await?)
}

/// Moves the live runs, or tells what would become of them.
pub(super) async fn migrate(hub: &Hub, id: String, apply: Apply) -> Result<Value, ActionError> {
    let moves = sequence::migrate_all(&hub.store, &hub.clock, &id, apply).await?;
    let moves = moves.ok_or(ActionError::NotFound { sort: "sequence", given: id })?;
    if apply == Apply::Yes {
        hub.stored.notify_waiters();
        hub.wakes.wake("cadence");
    }
    to_value(&moves)
}

pub(super) fn configuration(hub: &Hub) -> Result<Arc<Config>, ActionError> {
    hub.live().config.clone().ok_or_else(|| {
        let detail = "this hub runs without a configuration, so it has no files of sequences".to_owned();
        ActionError::Conflict { code: "no_configuration", detail }
    })
}

/// Reads the files of a sequence as they are now.
async fn read(config: &Arc<Config>, id: &str) -> Result<Loaded, ActionError> {
    let (config, id) = (Arc::clone(config), id.to_owned());
    let known = move || sequence::load_one(&Known { config: &config, live: None, audience: None }, &id);
    tokio::task::spawn_blocking(known).await.map_err(|_| {
        let detail = "reading the files did not come to an end; the log says why".to_owned();
        ActionError::Conflict { code: "not_read", detail }
    })
}

pub(super) fn of_files(loaded: Loaded, id: &str) -> Result<Text, ActionError> {
    if let Some((definition, version)) = loaded.definitions.into_iter().next() {
        return Ok(Text { of: Of::Files, definition: Arc::new(definition), version });
    }
    // No folder of this name, or none that can have it.
    if loaded.ids.is_empty() || !sequence::load::is_id(id) {
        return Err(ActionError::NotFound { sort: "folder of a sequence", given: id.to_owned() });
    }
    let errors = loaded.findings.iter().filter(|f| f.severity == Severity::Error);
    let told: Vec<String> = errors.take(FINDINGS_TOLD).map(in_short).collect();
    let detail = format!("the files of `{id}` can't be used as they are: {}", told.join("; "));
    Err(ActionError::Conflict { code: "faulty_files", detail })
}

/// `nudge.md:5: unknown variable (L012)`
fn in_short(finding: &Finding) -> String {
    let place = finding.place.as_ref().map(|p| format!("{}:{}: ", p.file, p.line)).unwrap_or_default();
    let code = finding.code.map(|code| format!(" ({code})")).unwrap_or_default();
    format!("{place}{}{code}", finding.message)
}

fn not_shown(error: PreviewError) -> ActionError {
    let detail = error.to_string();
    match error {
        PreviewError::Store(error) => ActionError::Store(error),
        PreviewError::NotInForce(given) => ActionError::NotFound { sort: "sequence", given },
        PreviewError::NoStep { .. } => invalid("/step", detail),
        PreviewError::NoVariant { .. } => invalid("/variant", detail),
        PreviewError::NoRun { .. } => ActionError::Conflict { code: "no_run", detail },
        PreviewError::Unreadable(_) => ActionError::Conflict { code: "unreadable", detail },
        PreviewError::NotWritten { .. } | PreviewError::NoSubject(_) => {
            ActionError::Conflict { code: "not_written", detail }
        }
    }
}

fn not_sent(error: OnceError) -> ActionError {
    let detail = error.to_string();
    match error {
        OnceError::Several => invalid("/step", detail),
        OnceError::Address(_) | OnceError::Theirs(_) => invalid("/to", detail),
        OnceError::NoMail | OnceError::NoAccount | OnceError::File(_) => {
            ActionError::Conflict { code: "not_written", detail }
        }
        OnceError::Preview(error) => not_shown(error),
        OnceError::Store(error) => ActionError::Store(error),
    }
}

fn to_value(what: &impl serde::Serialize) -> Result<Value, ActionError> {
    serde_json::to_value(what).map_err(|error| ActionError::Conflict { code: "not_told", detail: error.to_string() })
}
