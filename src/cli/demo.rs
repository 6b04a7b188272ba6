//! `liaison demo`: the whole hub at work on simulated people, told as a story. No accounts, and nothing leaves the machine.
//!
//! Only the provider is simulated, and time, which is moved by hand: poller, ingest, hub, dispatcher, reconciler, store and
//! API are those of the daemon. What is printed is what the hub recorded, and the end holds it against the journal of the
//! simulated provider.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use super::Global;
use super::terminal::Out;
use crate::app::start_sandbox;
use crate::clock::{Clock, machine_now};
use crate::config;
use crate::connector::sandbox::World;
use crate::domain::time::Micros;
use crate::domain::words::{Scope, Word as _};
use crate::hub::token::{TokenOrder, create_token};
use crate::lifecycle::{Lifecycle, Outcome};

mod cast;
mod paper;
mod prospects;
mod story;
mod summary;
mod watch;

use paper::Paper;
use story::Story;

/// Everything chance decides comes from this: each run is the same.
const SEED: u64 = 20_260_301;
/// The configuration of the demonstration; kept with `--keep`.
const CONFIG: &str = "\
# A demonstration: simulated people, nothing leaves this machine.
our_domains = [\"northlane.example\"]
default_owner = \"mara\"

[storage]
state_dir = \".\"

[accounts.hello]
kind = \"sandbox\"
address = \"hello@northlane.example\"
name = \"Mara at Northlane\"

[accounts.slack]
kind = \"sandbox\"
address = \"TNORTHLANE/UHUB\"

[accounts.text]
kind = \"sandbox\"
address = \"+12025550100\"

[relays.team]
account = \"slack\"
channel = \"CTEAM00\"
tag = \"ambassador\"

[teammates.mara]
first_name = \"Mara\"
email = \"mara@northlane.example\"

[sender]
name = \"Northlane\"
address = \"1 Example Street, 1000 Exampleton\"

# Where the mail of the demonstration leads: the hub itself, while it runs.
[server]
";

/// What `liaison demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End by itself after this long (60s, 5m), though not before the story is told
    #[arg(long = "for", value_name = "TIME", value_parser = super::length::parse)]
    pub length: Option<Duration>,
    /// Keep the database and its configuration in this directory, which must be new or empty
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Where the data lies; a temporary directory goes with this.
enum Place {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Place {
    fn make(keep: Option<&Path>) -> anyhow::Result<Self> {
        let Some(keep) = keep else {
            let made = tempfile::Builder::new().prefix("liaison-demo-").tempdir();
            return Ok(Self::Temporary(made.context("no temporary directory can be made")?));
        };
        std::fs::create_dir_all(keep).with_context(|| format!("--keep: {} can't be made", keep.display()))?;
        let mut entries = std::fs::read_dir(keep).with_context(|| format!("--keep: {}", keep.display()))?;
        if entries.next().is_some() {
            bail!("--keep: {} is not empty; name a new directory", keep.display());
        }
        Ok(Self::Kept(std::path::absolute(keep)?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }
}

/// Runs the demonstration until its time is over or somebody ends it.
///
/// # Errors
/// Where it can't be set up, or where something in the story did not come out as it should.
pub(super) async fn run(global: &Global, args: DemoArgs) -> anyhow::Result<ExitCode> {
    crate::telemetry::init("warn", crate::telemetry::Form::Text)?;
    let place = Place::make(args.keep.as_deref())?;
    let file = place.path().join("liaison.toml");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port of 127.0.0.1 is free")?;
    let listen = listener.local_addr()?;
    prospects::write_sequences(place.path())?;
    std::fs::write(&file, format!("{CONFIG}base_url = \"http://{listen}\"\n"))
        .with_context(|| format!("{} can't be written", file.display()))?;
    // The environment of this machine's own installation has no say in a demonstration.
    let config = config::load(&file, std::iter::empty())?.config;
    let clock = Clock::stepped(nine_in_the_morning());
    let world = World::new(clock.clone(), SEED);
    cast::move_in(&world, &config);
    prospects::move_in(&world, clock.now());
    let life = Lifecycle::new();
    let simulated = start_sandbox(&config, (&world, clock), listener, &life).await?;
    let hub = simulated.hub;
    let order = TokenOrder { name: "demo".to_owned(), scopes: Scope::ALL.to_vec(), expires_at: None };
    let mut tx = hub.store.begin("demo.token").await?;
    let (_, token) = create_token(&mut tx, &hub.clock, order).await?;
    tx.commit().await?;
    let store = hub.store.clone();
    let paper = Paper::default();
    paper.heading("liaison demo: nothing leaves this machine; every person here is invented")?;
    paper.line(&format!("API    http://{listen}/v1"))?;
    paper.line(&format!("token  {}", token.expose_secret()))?;
    paper.line(&format!("data   {}", place.path().display()))?;
    let told = Told { listen, token: token.expose_secret().to_owned(), out: Out::new(global), length: args.length };
    let (teller, life_stop) = (Story::new(hub, world, paper, life.clone()), life.stop());
    let telling = async move {
        let result = teller.tell(told).await;
        life_stop.ask();
        result
    };
    let (outcome, result) = tokio::join!(life.run_until_stopped(), telling);
    let outcome = outcome?;
    store.close().await;
    drop(simulated.lock);
    result?;
    finish(place, &outcome)
}

fn finish(place: Place, outcome: &Outcome) -> anyhow::Result<ExitCode> {
    let paper = Paper::default();
    match place {
        Place::Kept(dir) => {
            let file = dir.join("liaison.toml");
            paper.line(&format!("kept: look at it with  liaison thread list --config {}", file.display()))?;
        }
        Place::Temporary(dir) => {
            let path = dir.path().to_owned();
            dir.close().with_context(|| format!("{} can't be deleted", path.display()))?;
            paper.line("the data of this demonstration is deleted")?;
        }
    }
    if let Outcome::Failed(_) = outcome {
        bail!("{outcome}");
    }
    Ok(outcome.exit_code())
}

/// What the story must know of its surroundings.
struct Told {
    listen: std::net::SocketAddr,
    token: String,
    /// For what other commands print.
    out: Out,
    length: Option<Duration>,
}

/// Today at 09:00 UTC.
fn nine_in_the_morning() -> Micros {
    let day = machine_now().seconds().div_euclid(86_400);
    Micros::from_seconds(day * 86_400 + 9 * 3_600)
}
