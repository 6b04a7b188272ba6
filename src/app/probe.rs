//! Tries an account: signs in to read and to send, lists the folders, sends nothing, changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::{AccountParts, Reading};
use crate::config::{Relay, RelayPlace};
use crate::connector::feed::{Checked, Line};
use crate::relay::who_hears;
use crate::store::Store;

/// How long each half may take.
const HALF_MAX: Duration = Duration::from_secs(25);

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeStep {
    /// What: `reading`, `folder NAME`, `sending`.
    pub what: String,
    /// Whether it went well, or nothing is known against it.
    pub ok: bool,
    /// Whether it could not be seen, so that it may go wrong yet.
    pub warning: bool,
    /// What came of it.
    pub detail: String,
}

fn step(what: impl Into<String>, ok: bool, detail: impl Into<String>) -> ProbeStep {
    ProbeStep { what: what.into(), ok, warning: false, detail: detail.into() }
}

/// Tries an account, step by step; and looks at the places where the team is to hear through it, and, where there is a database, at who
/// would hear it there.
pub async fn probe(parts: &AccountParts, rooms: &[String], store: Option<&Store>) -> Vec<ProbeStep> {
    let late = || format!("no answer within {} s; look at host, port and firewalls", HALF_MAX.as_secs());
    let mut steps = Vec::new();
    let source = match &parts.reading {
        Reading::Mailbox { source, .. } => source,
        Reading::Line { line, .. } => {
            let mut steps = probe_line(line.as_ref(), late()).await;
            for room in rooms {
                steps.push(probe_room(line.as_ref(), (room, store), late()).await);
            }
            return steps;
        }
    };
    let mut source = source();
    let read = timeout(HALF_MAX, async {
        let folders = source.folders().await?;
        let names: Vec<String> = folders.iter().map(|f| format!("{} ({})", f.name, f.role)).collect();
        steps.push(step("reading", true, format!("signed in; reads {}", names.join(", "))));
        for folder in folders {
            let status = source.select(&folder.name).await?;
            steps.push(step(format!("folder {}", folder.name), true, format!("{} messages", status.exists)));
        }
        Ok::<(), crate::connector::ConnectorError>(())
    });
    match read.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => steps.push(step("reading", false, error.to_string())),
        Err(_) => steps.push(step("reading", false, late())),
    }
    drop(timeout(Duration::from_secs(5), source.close()).await);
    let mut sender = (parts.sender)();
    steps.push(match timeout(HALF_MAX, sender.open()).await {
        Ok(Ok(())) => step("sending", true, "signed in; nothing was sent"),
        Ok(Err(refused)) => step("sending", false, refused.error.to_string()),
        Err(_) => step("sending", false, late()),
    });
    drop(timeout(Duration::from_secs(5), sender.close()).await);
    steps
}

/// As the relay judges it, before it posts.
async fn probe_room(line: &dyn Line, (id, store): (&str, Option<&Store>), late: String) -> ProbeStep {
    let what = format!("channel {id} of the team");
    let room = match timeout(HALF_MAX, line.room(id)).await {
        Ok(Ok(room)) => room,
        Ok(Err(error)) => return step(what, false, error.to_string()),
        Err(_) => return step(what, false, late),
    };
    let members = room.members.len();
    let heard = match (store, &room.open) {
        (Some(store), _) => who_hears(store, &room).await,
        (None, open) => Ok(open.clone()),
    };
    match heard {
        Ok(Some(why)) => step(what, false, format!("{why}: the team is shown nothing there")),
        Ok(None) if store.is_none() => {
            let detail = format!("{members} members; whether one is an influencer or an agent, the database tells");
            ProbeStep { warning: true, ..step(what, true, detail) }
        }
        Ok(None) => step(what, true, format!("{members} members, none of them an influencer or an agent here")),
        Err(error) => step(what, false, error.to_string()),
    }
}

/// The channels of the team in which an account speaks.
pub fn rooms_of(relays: &BTreeMap<String, Relay>, account: &str) -> Vec<String> {
    let own = relays.values().filter(|relay| relay.account == account);
    own.filter_map(|relay| match &relay.place {
        RelayPlace::Channel(id) => Some(id.clone()),
        RelayPlace::Teammate { .. } => None,
    })
    .collect()
}

async fn probe_line(line: &dyn Line, late: String) -> Vec<ProbeStep> {
    let Ok(checked) = timeout(HALF_MAX, line.check()).await else { return vec![step("reading", false, late)] };
    let told = |checked: Checked| match checked.outcome {
        Ok(detail) => ProbeStep { warning: checked.unsure, ..step(checked.what, true, detail) },
        Err(why) => step(checked.what, false, why),
    };
    checked.into_iter().map(told).collect()
}
