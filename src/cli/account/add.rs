//! `liaison account add`: a person signs in to a mailbox of Gmail or Microsoft 365; how a number or a workspace is added is said
//! step by step ([`channel`]).
//!
//! Four ways to sign in: a page on this machine, the hub's own page, the address they land on pasted here, and a code typed on another
//! device. A running daemon does the rest, for it may be the only one that can read the master key; else this does.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::cli::desk::{self, Desk};
use crate::cli::stop::Stop;
use crate::cli::terminal::{clean_line, remark};
use crate::cli::{Global, environment};
use crate::config::{self, Config, Secrets};
use crate::control::{self, ControlError, Request};
use crate::domain::oauth::{Provider, Returned};
use crate::login::{Loopback, SignIns, Wish};

mod channel;
mod entry;

/// How long a person may take; the sign-in itself lasts as long.
const PATIENCE: Duration = Duration::from_mins(15);
/// How long an exchange, and the look into the mailbox, may take.
const ASK_TIME: Duration = Duration::from_secs(100);
/// Between two looks at whether the hub's page was reached.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// The port in the address of a paste: nobody listens there, and the browser shows the address all the same.
const PASTE_PORT: u16 = 53_682;

#[derive(Debug, Args)]
pub(in crate::cli) struct AddArgs {
    /// The kind, where the account is not configured yet (or --kind), and its name
    #[arg(num_args = 1..=2, required = true, value_names = ["KIND", "NAME"])]
    kind_and_name: Vec<String>,
    /// The kind: gmail or microsoft365 to sign in to, twilio, telnyx or slack to be told what to do
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// A setting of a number, as in number=+14155550100; never a secret
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<String>,
    /// The mailbox, where the account is not configured yet
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    #[command(flatten)]
    way: Way,
    /// Write the account into conf.d/ beside the configuration
    #[arg(long)]
    write: bool,
}

impl AddArgs {
    /// The kind, where it is said, and the name.
    fn named(&self) -> Result<(Option<&str>, &str), Stop> {
        let (kind, name) = match self.kind_and_name.as_slice() {
            [kind, name] => (Some(kind.as_str()), name.as_str()),
            [name, ..] => (None, name.as_str()),
            [] => return Err(Stop::usage("say the name of the account")),
        };
        match (kind, self.kind.as_deref()) {
            (Some(one), Some(other)) if one != other => {
                Err(Stop::usage(format!("is it of kind `{one}` or of kind `{other}`? Say one of them")))
            }
            (one, other) => Ok((one.or(other), name)),
        }
    }
}

/// Where the answer of the provider goes.
#[derive(Debug, Args)]
struct Way {
    /// The port of 127.0.0.1 that takes the answer [default: a free one]
    #[arg(long, value_name = "PORT", conflicts_with_all = ["via_hub", "device"])]
    port: Option<u16>,
    /// Let the answer come to the running daemon, at `server.base_url`
    #[arg(long, conflicts_with_all = ["paste", "device"])]
    via_hub: bool,
    /// Paste the address you land on: for a machine without a browser
    #[arg(long, conflicts_with = "device")]
    paste: bool,
    /// Type a code on another device (Microsoft 365 only)
    #[arg(long)]
    device: bool,
}

/// Who does the work: a running daemon, or this process.
struct Asker {
    desk: Desk,
    config: Config,
    sign_ins: SignIns,
}

impl Asker {
    async fn open(global: &Global) -> anyhow::Result<Self> {
        let desk = Desk::open(global).await?;
        let config = config::load_with(&desk::config_file(global), environment(), Secrets::Check)?.config;
        let sign_ins = SignIns::new(desk.store.clone(), std::sync::Arc::new(config.clone()));
        Ok(Self { desk, config, sign_ins })
    }

    async fn ask(&self, request: &Request) -> anyhow::Result<Value> {
        match control::call(&desk::socket(&self.config), request, ASK_TIME).await {
            Ok(answer) => Ok(answer),
            Err(ControlError::NotRunning(_)) => {
                let answer = self.sign_ins.answer(&request.op, &request.arguments).await;
                answer.map_err(|error| Stop::failed(error.to_string()).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Begins with an address for the answer; where to send the person, and the state.
    async fn begin(&self, wish: &Wish, redirect_uri: &str) -> anyhow::Result<(String, String)> {
        let begun = self.ask(&about(Request::new("login.begin"), wish).with("redirect_uri", redirect_uri)).await?;
        let text = |key: &str| begun.get(key).and_then(Value::as_str).map(str::to_owned);
        text("url").zip(text("state")).context("the daemon did not say where to go")
    }

    async fn finish(&self, returned: &str, state: &str) -> anyhow::Result<()> {
        self.ask(&Request::new("login.finish").with("returned", returned).with("state", state)).await.map(|_| ())
    }

    /// Shows where to go; for programs as a line of its own.
    fn show(&self, what: &str, url: &str, code: Option<&str>) -> anyhow::Result<()> {
        if self.desk.out.is_json() {
            return self.desk.out.json_line(&json!({"url": url, "user_code": code}));
        }
        self.desk.out.say(&format!("{what}\n\n  {}\n", clean_line(url)))
    }
}

fn about(request: Request, wish: &Wish) -> Request {
    let request = request.with("kind", wish.provider.as_str()).with("account", wish.account.as_str());
    request.with("address", wish.address.as_str())
}

pub(super) async fn run(global: &Global, args: &AddArgs) -> anyhow::Result<ExitCode> {
    let (kind, name) = args.named()?;
    let config = desk::load(global)?;
    if let Some(sort) = channel::sort_of(&config, kind, name)? {
        return channel::run(global, args, (&config, &sort), name).await;
    }
    if let Some(setting) = args.set.first() {
        return Err(Stop::usage(format!(
            "--set {setting}: only numbers (twilio, telnyx) have settings to be said here"
        ))
        .into());
    }
    let asker = Asker::open(global).await?;
    let wish = asker.sign_ins.wish(kind, name, args.address.as_deref());
    let wish = wish.map_err(|error| Stop::failed(error.to_string()))?;
    if args.write && !asker.config.accounts.contains_key(&wish.account) {
        let then = format!(
            "sign in:\n\n{}sudo liaison reload\nsudo liaison account add {name}",
            tee(&asker.config, name, &block(&wish))
        );
        must_be_writable(&asker.config, &wish.account, &then)?;
    }
    if !asker.desk.out.is_json() {
        asker.desk.out.say(&format!("Before you sign in: {}\n", wish.provider.trap()))?;
    }
    if args.way.device {
        by_device(&asker, &wish).await?;
    } else if args.way.via_hub {
        via_hub(&asker, &wish).await?;
    } else if args.way.paste {
        by_paste(&asker, &wish, args.way.port).await?;
    } else {
        by_loopback(&asker, &wish, args.way.port).await?;
    }
    ended(&asker, &wish, args.write).await
}

async fn by_loopback(asker: &Asker, wish: &Wish, port: Option<u16>) -> anyhow::Result<()> {
    let page = Loopback::open(port).await.context("no port of 127.0.0.1 can be listened on")?;
    let (url, state) = asker.begin(wish, &page.redirect_uri(wish.provider)?).await?;
    asker.show(
        &format!("Open this in a browser on this machine and sign in as {} (elsewhere: --paste):", wish.address),
        &url,
        None,
    )?;
    let late = || Stop::failed("nobody signed in within 15 minutes; begin again");
    match timeout(PATIENCE, page.answer(&state)).await.map_err(|_| late())? {
        Returned::Code { code, .. } => {
            let pairs = [("code", code.as_str()), ("state", state.as_str())];
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            asker.finish(&format!("?{query}"), &state).await
        }
        Returned::Refused { why, .. } => Err(Stop::failed(format!("the provider says: {}", clean_line(&why))).into()),
    }
}

async fn via_hub(asker: &Asker, wish: &Wish) -> anyhow::Result<()> {
    let base = asker.config.server.base_url.as_deref();
    let base = base.ok_or_else(|| Stop::failed("--via-hub needs [server] base_url, where browsers reach the hub"))?;
    let (url, state) = asker.begin(wish, &format!("{base}/oauth/callback")).await?;
    asker.show(&format!("Open this in any browser and sign in as {}:", wish.address), &url, None)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match asker.sign_ins.outcome(&state).await? {
            Some(Ok(())) => return Ok(()),
            Some(Err(why)) => return Err(Stop::failed(clean_line(&why)).into()),
            None if Instant::now() > until => {
                return Err(Stop::failed("nobody signed in within 15 minutes; begin again").into());
            }
            None => sleep(LOOK_PAUSE).await,
        }
    }
}

async fn by_paste(asker: &Asker, wish: &Wish, port: Option<u16>) -> anyhow::Result<()> {
    let redirect_uri = format!("http://{}:{}/", wish.provider.loopback_host(), port.unwrap_or(PASTE_PORT));
    let (url, state) = asker.begin(wish, &redirect_uri).await?;
    asker.show(&format!("Open this in any browser and sign in as {}:", wish.address), &url, None)?;
    if !asker.desk.out.is_json() {
        asker.desk.out.say(
            "You land on a page that can't be shown. Copy its whole address from the browser, paste it here, and press Enter:",
        )?;
    }
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let pasted = read.await.context("standard input can't be read")??;
    asker.finish(pasted.trim(), &state).await
}

async fn by_device(asker: &Asker, wish: &Wish) -> anyhow::Result<()> {
    let code = asker.ask(&about(Request::new("login.device"), wish)).await?;
    let text = |key: &str| code.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| code.get(key).and_then(Value::as_u64).unwrap_or(5);
    let what = format!(
        "Open this in any browser, type the code {} and sign in as {}:",
        clean_line(&text("user_code")),
        wish.address
    );
    asker.show(&what, &text("verification_uri"), Some(&text("user_code")))?;
    let until = Instant::now() + Duration::from_secs(number("expires_in")).min(PATIENCE);
    let mut pause = Duration::from_secs(number("interval"));
    let mut look = about(Request::new("login.device_look"), wish);
    if let Some(fields) = code.as_object() {
        look.arguments.extend(fields.clone());
    }
    while Instant::now() < until {
        sleep(pause).await;
        let answer = asker.ask(&look).await?;
        if !answer.get("pending").and_then(Value::as_bool).unwrap_or(false) {
            return Ok(());
        }
        // RFC 8628 §3.5: five seconds more each time.
        if answer.get("slower").and_then(Value::as_bool).unwrap_or(false) {
            pause += Duration::from_secs(5);
        }
    }
    Err(Stop::failed("the code was not typed in time; begin again").into())
}

/// Says that it went well, and what is still to be done.
async fn ended(asker: &Asker, wish: &Wish, write: bool) -> anyhow::Result<ExitCode> {
    let configured = asker.config.accounts.contains_key(&wish.account);
    let block = block(wish);
    let written = if write && !configured {
        Some(write_block(&asker.config, &wish.account, ("signed in, but ", &block))?)
    } else {
        None
    };
    let out = &asker.desk.out;
    if out.is_json() {
        let toml = (!configured).then_some(block.as_str());
        let file = written.as_ref().map(|p| p.display().to_string());
        out.json_line(&json!({"account": wish.account, "address": wish.address, "kind": wish.provider.as_str(),
            "signed_in": true, "toml": toml, "written": file}))?;
    } else {
        out.say(&format!("{} is signed in: {} may be read and written from.", wish.account, wish.address))?;
        match (&written, configured) {
            (Some(file), _) => out.say(&format!("Wrote {}", file.display()))?,
            (None, false) => {
                out.say(&format!("\nPut this into the configuration, then `liaison reload`:\n\n{block}"))?;
            }
            (None, true) => {}
        }
    }
    if written.is_some() {
        tell_daemon(&asker.config).await;
    } else {
        asker.desk.wake().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets a daemon that runs read the configuration again.
async fn tell_daemon(config: &Config) {
    match desk::call(config, &Request::new("reload")).await {
        Ok(_) | Err(ControlError::NotRunning(_)) => {}
        Err(error) => remark(&format!("the daemon was not told ({error}); run `liaison reload`")),
    }
}

fn block(wish: &Wish) -> String {
    let Wish { account, provider, address } = wish;
    let kind = match provider {
        Provider::Gmail | Provider::Microsoft365 => provider.as_str(),
    };
    format!("[accounts.{account}]\nkind    = \"{kind}\"\naddress = \"{address}\"\n")
}

/// The file that an account gets with `--write`.
fn own_file(config: &Config, account: &str) -> PathBuf {
    config.path.parent().unwrap_or(Path::new(".")).join("conf.d").join(format!("account-{account}.toml"))
}

/// What writes that file where only root may.
fn tee(config: &Config, account: &str, block: &str) -> String {
    format!("sudo tee {} <<'TOML'\n{block}TOML\n", own_file(config, account).display())
}

/// Before anything else: whether the account could be written in the end. On a machine of its own `conf.d` is root's, and
/// a command that root started has become the daemon's user by now.
fn must_be_writable(config: &Config, account: &str, then: &str) -> anyhow::Result<()> {
    let file = own_file(config, account);
    let trial = file.with_extension("trial");
    let folder = file.parent().unwrap_or(Path::new("."));
    let tried = std::fs::create_dir_all(folder)
        .and_then(|()| if file.exists() { Err(std::io::ErrorKind::AlreadyExists.into()) } else { Ok(()) })
        .and_then(|()| std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(&trial).map(|_| ()))
        .and_then(|()| std::fs::remove_file(&trial));
    let Err(error) = tried else { return Ok(()) };
    let shown = file.display();
    let words = format!("--write can't write {shown} ({error}), so nothing was begun. Write it first, then {then}\n");
    Err(Stop::failed(words).into())
}

/// Writes the account into a file of its own, and takes it away again where the configuration can't be used with it.
fn write_block(config: &Config, account: &str, (before, block): (&str, &str)) -> anyhow::Result<PathBuf> {
    let file = own_file(config, account);
    let cant = || format!("{before}{} can't be written; put this into the configuration:\n\n{block}", file.display());
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).with_context(cant)?;
    let mut open = std::fs::OpenOptions::new();
    let mut opened = open.write(true).create_new(true).mode(0o644).open(&file).with_context(cant)?;
    opened.write_all(block.as_bytes()).with_context(cant)?;
    if let Err(findings) = config::load_with(&config.path, environment(), Secrets::Skip) {
        std::fs::remove_file(&file).with_context(cant)?;
        return Err(findings.into());
    }
    Ok(file)
}
