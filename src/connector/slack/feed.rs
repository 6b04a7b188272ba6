//! What was said in a workspace, asked for and heard: a walk through the conversations whenever something may have been missed, and the
//! socket for all between.
//!
//! The socket is opened first and the walk begins after, so that nothing falls between them. What the socket brought is handed out and
//! acknowledged when the cursor that came with it is given back: then it is stored. Where there is no socket, each question is a walk.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::time::{Instant, sleep};

use super::Own;
use super::api::{Api, Trouble};
use super::cursor::Cursor;
use super::event::Envelope;
use super::message::{FILE_BY_ID, field};
use super::socket::{Arrived, Socket};
use super::walk::{LOOK_TOLD_MAX, Step, Walk};
use crate::connector::feed::{Attached, Batch, FILE_OCTETS_MAX, Feed, FileError, TOLD_MAX, Told};
use crate::connector::{ConnectorError, Wake};
use crate::domain::time::Micros;
use crate::telemetry::pulse;

/// Calls of one question.
const CALLS_MAX: usize = 40;
/// With a socket open, all conversations are looked at so often all the same: an event may be lost on Slack's side.
const WALK_EVERY: Duration = Duration::from_mins(15);
/// Envelopes that are kept until they are asked for. What is more stays in the socket.
const HEARD_MAX: usize = 500;
/// Ids that are remembered so that a walk does not tell again what was just told.
const RECENT_MAX: usize = 20_000;
/// The rest before another socket is opened, which doubles with each failure.
const REST: Duration = Duration::from_secs(5);
/// The longest such rest.
const REST_MAX: Duration = Duration::from_mins(5);

/// One workspace.
pub struct SlackFeed {
    api: Api,
    /// Asks as the app, for sockets; `None` where events come by the hook or not at all.
    app: Option<Api>,
    own: Own,
    socket: Option<Socket>,
    failures: u32,
    rest_until: Option<Instant>,
    heard: VecDeque<Envelope>,
    walk: Option<Walk>,
    walk_at: Instant,
    /// When Slack lets the walk go on.
    go_on_at: Option<Micros>,
    recent: Recent,
    /// What was handed out with the cursor that was given last.
    given: Option<Given>,
}

/// What was handed out last, until it is known to be stored.
struct Given {
    cursor: String,
    envelopes: Vec<String>,
}

/// What was told a moment ago, a bounded number.
#[derive(Default)]
struct Recent {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Recent {
    /// `true` where it is new.
    fn note(&mut self, told: &Told) -> bool {
        let key = match told {
            Told::Said(said) => said.id.clone(),
            Told::Changed { id, at, .. } => format!("{id} {}", at.0),
            Told::Deleted { id, .. } => format!("{id} deleted"),
            Told::Reacted { .. } | Told::Pressed { .. } | Told::Fares { .. } | Told::Other { .. } => return true,
        };
        if !self.known.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// What was heard is people's words, and is not shown.
impl fmt::Debug for SlackFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_socket = self.socket.is_some();
        f.debug_struct("SlackFeed").field("own", &self.own).field("socket", &has_socket).finish_non_exhaustive()
    }
}

impl SlackFeed {
    /// A feed that has asked nothing yet. With the token of the app (`xapp-`) it opens sockets.
    pub fn new(api: Api, app: Option<SecretString>, own: Own) -> Self {
        let app = app.map(|token| api.with_token(token));
        Self {
            api,
            app,
            own,
            socket: None,
            failures: 0,
            rest_until: None,
            heard: VecDeque::new(),
            walk: None,
            walk_at: Instant::now(),
            go_on_at: None,
            recent: Recent::default(),
            given: None,
        }
    }

    async fn answer(&mut self, given: Option<&str>, since: Micros) -> Result<Batch, ConnectorError> {
        self.settle(given).await;
        let mut cursor = Cursor::read(given, since);
        self.connect().await?;
        self.pump();
        if !self.heard.is_empty() {
            return Ok(self.hand_out(cursor));
        }
        let is_due = self.walk_at <= Instant::now() || self.socket.is_none();
        if self.walk.is_none() && is_due {
            self.walk = Some(Walk::new());
            self.walk_at = Instant::now() + WALK_EVERY;
        }
        let told = self.go_on(&mut cursor).await?;
        if !told.is_empty() {
            cursor.count();
        }
        let (is_open, waits) = (self.walk.is_some(), self.go_on_at.is_some());
        let batch = self.give(told, &cursor, (Vec::new(), is_open && !waits));
        Ok(Batch { put_off: is_open && waits, ..batch })
    }

    /// Acknowledges what is stored. Where another cursor is given than was given out, something was not.
    async fn settle(&mut self, given: Option<&str>) {
        let Some(Given { cursor, envelopes }) = self.given.take() else { return };
        if given != Some(cursor.as_str()) {
            self.recent = Recent::default();
            self.walk_at = Instant::now();
            if let Some(walk) = &mut self.walk {
                walk.restart_look();
            }
            // Slack brings again what is not acknowledged, over another socket if need be.
            self.drop_socket();
            return;
        }
        for id in envelopes {
            let Some(socket) = &mut self.socket else { return };
            if let Err(error) = socket.acknowledge(&id).await {
                tracing::info!(%error, "what is stored could not be acknowledged, and comes again");
                self.drop_socket();
            }
        }
    }

    /// Opens a socket where there is to be one. A walk follows: what was said before it is not heard through it.
    async fn connect(&mut self) -> Result<(), ConnectorError> {
        let Some(app) = &self.app else { return Ok(()) };
        if self.socket.is_some() || self.rest_until.is_some_and(|until| until > Instant::now()) {
            return Ok(());
        }
        match Socket::open(app, &self.own).await {
            Ok(socket) => {
                self.socket = Some(socket);
                self.failures = 0;
                self.rest_until = None;
                self.walk_at = Instant::now();
                Ok(())
            }
            Err(error @ (ConnectorError::Login(_) | ConnectorError::Insecure(_))) => Err(error),
            Err(error) => {
                let rest = REST.saturating_mul(2_u32.saturating_pow(self.failures)).min(REST_MAX);
                self.failures = self.failures.saturating_add(1);
                self.rest_until = Some(Instant::now() + rest);
                tracing::warn!(%error, "no socket; the conversations are asked instead");
                Ok(())
            }
        }
    }

    fn drop_socket(&mut self) {
        self.socket = None;
        self.heard.clear();
        self.walk_at = Instant::now();
    }

    /// Takes what the socket has by now, without waiting. This also answers Slack's question whether we are there.
    fn pump(&mut self) {
        while self.heard.len() < HEARD_MAX {
            let Some(socket) = &mut self.socket else { return };
            match socket.next(Duration::ZERO).now_or_never() {
                Some(Ok(Arrived::Envelope(envelope))) => self.heard.push_back(*envelope),
                Some(Ok(Arrived::Elapsed)) | None => return,
                Some(Ok(Arrived::Goodbye) | Err(_)) => self.lose_socket(),
            }
        }
    }

    /// The socket is gone. What it brought is told all the same; it comes again, for it can't be acknowledged any more.
    fn lose_socket(&mut self) {
        self.socket = None;
        self.heard.iter_mut().for_each(|envelope| envelope.id.clear());
        self.walk_at = Instant::now();
    }

    /// What the socket brought. There is always more at once: the cursor given back is what acknowledges it.
    fn hand_out(&mut self, mut cursor: Cursor) -> Batch {
        let (mut told, mut envelopes) = (Vec::new(), Vec::new());
        while let Some(envelope) = self.heard.pop_front_if(|next| told.len() + next.event.told.len() <= TOLD_MAX) {
            told.extend(envelope.event.told);
            envelopes.extend(Some(envelope.id).filter(|id| !id.is_empty()));
        }
        for told in &told {
            self.recent.note(told);
        }
        cursor.count();
        self.give(told, &cursor, (envelopes, true))
    }

    /// Goes on with the walk as far as one answer holds.
    async fn go_on(&mut self, cursor: &mut Cursor) -> Result<Vec<Told>, ConnectorError> {
        let mut all = Vec::new();
        self.go_on_at = None;
        for _ in 0..CALLS_MAX {
            let Some(walk) = &mut self.walk else { break };
            // Each may take as long as a call may.
            pulse::beat();
            match walk.step(&self.api, &self.own, cursor).await {
                Ok(Step::Going) => {}
                Ok(Step::Told { channel, told, upper }) => {
                    all.extend(told.into_iter().filter(|told| self.recent.note(told)));
                    if !cursor.advance(&channel, upper) {
                        tracing::warn!(
                            "more conversations than the cursor names; the quietest are read again from the beginning"
                        );
                    }
                    if all.len() + LOOK_TOLD_MAX > TOLD_MAX {
                        break;
                    }
                }
                Ok(Step::Done) => {
                    self.walk = None;
                    cursor.walked();
                }
                Err(Trouble::Limited { until }) => {
                    self.go_on_at = Some(until);
                    break;
                }
                // What is there is told; who asks again hears of the trouble.
                Err(_) if !all.is_empty() => break,
                Err(trouble) => {
                    self.walk = None;
                    self.walk_at = Instant::now();
                    return Err(trouble.into());
                }
            }
        }
        Ok(all)
    }

    fn give(&mut self, told: Vec<Told>, cursor: &Cursor, (envelopes, more): (Vec<String>, bool)) -> Batch {
        let cursor = cursor.write();
        self.given = Some(Given { cursor: cursor.clone(), envelopes });
        Batch { told, cursor, more, put_off: false }
    }

    async fn hear(&mut self, at_most: Duration) -> Result<Wake, ConnectorError> {
        if !self.heard.is_empty() {
            return Ok(Wake::News);
        }
        let now = Instant::now();
        let walk = match self.go_on_at {
            Some(at) if self.walk.is_some() => Some(now + at.since(self.api.now())),
            _ if self.socket.is_some() => Some(self.walk_at),
            _ => None,
        };
        let socket = self.rest_until.filter(|_| self.app.is_some() && self.socket.is_none());
        let until = now + at_most;
        let early = walk.into_iter().chain(socket).min().filter(|at| *at < until);
        let span = early.unwrap_or(until).saturating_duration_since(now);
        let Some(open) = &mut self.socket else {
            sleep(span).await;
            return Ok(if early.is_some() { Wake::News } else { Wake::Elapsed });
        };
        match open.next(span).await {
            Ok(Arrived::Envelope(envelope)) => self.heard.push_back(*envelope),
            Ok(Arrived::Elapsed) if early.is_none() => return Ok(Wake::Elapsed),
            Ok(Arrived::Elapsed) => {}
            Ok(Arrived::Goodbye) => self.lose_socket(),
            Err(error) => {
                tracing::info!(%error, "another socket is opened");
                self.lose_socket();
            }
        }
        Ok(Wake::News)
    }

    /// Where a file is whose place has to be asked for.
    async fn place_of(&self, file: &Attached) -> Result<String, FileError> {
        let Some(id) = file.url.strip_prefix(FILE_BY_ID) else { return Ok(file.url.clone()) };
        let answer = self.api.get("files.info", &[("file", id.to_owned())]).await;
        let answer = answer.map_err(|trouble| match trouble {
            // About this file, whatever it means elsewhere.
            Trouble::Said { .. } => ConnectorError::Refused(trouble.to_string()).into(),
            other @ (Trouble::NotConnected(_)
            | Trouble::Insecure(_)
            | Trouble::Lost(_)
            | Trouble::Limited { .. }
            | Trouble::Unreadable(_)) => self.api.no_file(other),
        })?;
        let found = answer.get("file").map(|file| [field(file, "url_private_download"), field(file, "url_private")]);
        let url = found.into_iter().flatten().find(|url| !url.is_empty()).map(str::to_owned);
        url.ok_or_else(|| {
            ConnectorError::Refused("Slack does not say where the file is; open it in Slack".to_owned()).into()
        })
    }
}

impl Feed for SlackFeed {
    fn next<'a>(&'a mut self, cursor: Option<&'a str>, since: Micros) -> BoxFuture<'a, Result<Batch, ConnectorError>> {
        Box::pin(self.answer(cursor, since))
    }

    fn file<'a>(&'a mut self, file: &'a Attached, octets_max: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        Box::pin(async move {
            let url = self.place_of(file).await?;
            self.api.file(&url, octets_max.min(FILE_OCTETS_MAX)).await
        })
    }

    fn rests_until(&self) -> Option<Micros> {
        self.api.reading_rests_until()
    }

    /// What the socket brings is heard meanwhile.
    fn rest(&mut self, until: Micros) {
        self.api.rest_reading(until);
    }

    fn wait(&mut self, at_most: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>> {
        Box::pin(self.hear(at_most))
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Some(socket) = self.socket {
                socket.close().await;
            }
        })
    }
}
