//! The Slack connector against a stand-in over loopback, and against what Slack itself published: its event payloads, its signature
//! example, its description of the Web API. The published files are found through `LIAISON_CORPORA`; what needs them says so without.

pub mod description;
pub mod fake;
mod hearing;
mod posting;
pub mod published;

use std::sync::{Arc, Mutex};

use liaison::connector::slack::Own;
use liaison::connector::slack::api::{Api, Settings, SharedPace};
use liaison::connector::slack::sender::pace;

use self::description::Description;
use self::fake::{BOT_TOKEN, Fake};

/// The folder of the corpora, or `None` with a line about what is left out.
fn corpora(what: &str) -> Option<std::path::PathBuf> {
    let found = std::env::var_os("LIAISON_CORPORA").map(std::path::PathBuf::from).filter(|p| p.is_dir());
    if found.is_none() {
        println!("left out: {what} (set LIAISON_CORPORA to a folder of corpora to run it)");
    }
    found
}

fn own() -> Own {
    Own { team: "T1".into(), user: "UBOT".into(), bot: Some("B1".into()), app: Some("A1".into()) }
}

fn shared_pace() -> SharedPace {
    Arc::new(Mutex::new(pace()))
}

fn settings(fake: &Fake, token: &str) -> Settings {
    let (base, clock) = (fake.base.clone(), fake.clock.clone());
    Settings { base, ca_pem: None, token: token.into(), pace: shared_pace(), clock }
}

fn api(fake: &Fake) -> Api {
    Api::new(settings(fake, BOT_TOKEN)).expect("an API")
}

/// What every test ends with: no request that Slack's description does not know, and none before Slack allowed it.
fn assert_polite(fake: &Fake) {
    let state = fake.state();
    assert_eq!(state.too_early, [""; 0], "called before Retry-After was over");
    if let Some(root) = corpora("requests against Slack's own description") {
        let description = Description::read(&root);
        let wrong: Vec<String> = state.journal.iter().flat_map(|entry| description.faults(entry)).collect();
        assert!(wrong.is_empty() && !state.journal.is_empty(), "{wrong:#?}");
    }
}
