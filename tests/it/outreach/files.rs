//! Sequences as people write them, from files to what happens: what the documents promise of a key is what the engine does.

mod ends;
mod sent;
mod tasks;
mod when;
mod who;

use std::path::Path;

use liaison::config::{self, Severity};
use liaison::domain::ids::{InfluencerId, MessageId};
use liaison::domain::words::{EventType, TaskState};
use liaison::hub::signal::{self, Signal};
use liaison::sequence::{self, Known};
use liaison::store::reading::Page;
use liaison::store::reading::task::{TaskFilter, TaskView};
use liaison::{app, domain::sequence::Definition};
use serde_json::{Value, json};

use super::world::World;
use crate::seed;
use crate::stores::Fresh;

/// What `liaison.toml` says where a test has nothing to add; what a test adds stands above it or below.
const HOUSE: &str = r#"
our_domains = ["acme.example"]
default_owner = "kim"
timezone = "America/New_York"
country = "us"

[server]
base_url = "https://hub.acme.example"

[storage]
state_dir = "."

[sender]
name = "Acme Outdoors"
address = "1 Main St, Portland"

[teammates.kim]
first_name = "Kim"
email = "kim@acme.example"

[teammates.lou]
first_name = "Lou"
email = "lou@acme.example"

[accounts.brand]
kind = "sandbox"
address = "brand@acme.example"
name = "Acme Outdoors"
"#;

/// A mail's template that always fits.
const INTRO: (&str, &str) = ("intro.md", "---\nsubject: A tee for {{ influencer.handle }}\n---\nHello, a tee?");
const NUDGE: (&str, &str) = ("nudge.md", "Did my note reach you?");

/// The sequences of these folders, each with the templates beside it, and the house they are read with.
fn read(
    dir: &Path,
    house: &str,
    sequences: &[(&str, &str)],
    templates: &[(&str, &str)],
) -> (config::Config, Vec<Definition>) {
    std::fs::write(dir.join("liaison.toml"), house).unwrap();
    for (name, toml) in sequences {
        let folder = dir.join("sequences").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("sequence.toml"), toml).unwrap();
        for (file, text) in templates {
            std::fs::write(folder.join(file), text).unwrap();
        }
    }
    let config = config::load(&dir.join("liaison.toml"), std::iter::empty()).unwrap_or_else(|e| panic!("{e}")).config;
    let loaded = sequence::load(&Known { config: &config, live: None, audience: None });
    let errors = loaded.findings.iter().filter(|f| f.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|f| f.render(false)).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    (config, loaded.definitions.into_iter().map(|(definition, _)| definition).collect())
}

/// A brand whose house and sequences are those of files.
async fn world(fresh: Fresh, house: &str, sequences: &[(&str, &str)], templates: &[(&str, &str)]) -> World {
    let dir = tempfile::tempdir().unwrap();
    let (config, definitions) = read(dir.path(), house, sequences, templates);
    let world = World::new(fresh, app::house_of(&config));
    world.accounts().await;
    world.publish(definitions).await;
    world
}

/// Something happened to somebody.
async fn learn(world: &World, who: InfluencerId, what: EventType, (message, data): (Option<MessageId>, Value)) {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let signal = Signal { what, influencer: Some(who), message, at: world.clock.now(), data: Some(data) };
    signal::record(&mut tx, &world.clock, vec![signal]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn answer(world: &World, who: InfluencerId) {
    learn(world, who, EventType::ThreadReplied, (None, json!({"answer": {"verdict": "none"}}))).await;
}

/// Their tasks in a state.
async fn tasks_in(world: &World, who: InfluencerId, state: TaskState) -> Vec<TaskView> {
    let filter = TaskFilter { influencer: Some(who), state, ..TaskFilter::default() };
    let mut tx = world.fresh.store.read().await.unwrap();
    tx.list_tasks(&filter, world.clock.now(), Page::oldest(100)).await.unwrap().data
}

async fn tasks(world: &World, who: InfluencerId) -> Vec<TaskView> {
    tasks_in(world, who, TaskState::Open).await
}

/// Their open tasks, each as `who does it: what`.
async fn told(world: &World, who: InfluencerId) -> Vec<String> {
    let tell = |t: TaskView| format!("{}: {}", t.assignee.as_deref().unwrap_or("nobody"), t.text);
    tasks(world, who).await.into_iter().map(tell).collect()
}

async fn stage(world: &World, who: InfluencerId) -> String {
    world.fresh.store.read().await.unwrap().get_influencer(who).await.unwrap().unwrap().stage
}

/// Puts something into the row of somebody.
async fn set(world: &World, who: InfluencerId, what: &str) {
    seed::run(&world.fresh, &format!("UPDATE influencer SET {what} WHERE id = $1"), &[who.0]).await;
}

async fn handle(world: &World, who: InfluencerId) -> String {
    world.fresh.store.read().await.unwrap().get_influencer(who).await.unwrap().unwrap().handle
}

/// Enrolls all of them; each is taken.
async fn enroll_all(world: &World, sequence: &str, who: &[InfluencerId]) {
    for outcome in world.enroll(sequence, who).await {
        outcome.unwrap();
    }
}
