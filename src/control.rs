//! The control socket: how the command line talks to a running daemon.
//!
//! One JSON object per line, a request and its response. Whoever can open the socket may do anything, so it is the owner's
//! alone (mode 0600). Knows no request by itself: a [`Handler`] answers.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::lifecycle::Stop;
use crate::telemetry::spans;

/// The largest request, octets.
pub const REQUEST_OCTETS_MAX: u64 = 1024 * 1024;
/// The largest response, octets.
pub const RESPONSE_OCTETS_MAX: u64 = 32 * 1024 * 1024;
/// Most connections served at once; further ones wait.
pub const CONNECTIONS_MAX: usize = 32;
/// A connection that sends nothing for this long is closed.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// How long a client takes our answer, and connecting may last.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// The file name of the socket.
const SOCKET_FILE: &str = "control.sock";

/// What is asked of the daemon: `{"op": "wake", …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What to do.
    pub op: String,
    /// What it needs for that.
    #[serde(flatten)]
    pub arguments: Map<String, Value>,
}

impl Request {
    /// A request without arguments.
    pub fn new(op: &str) -> Self {
        Self { op: op.to_owned(), arguments: Map::new() }
    }

    /// With one more argument.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.to_owned(), value.into());
        self
    }
}

/// What the daemon answers: `{"ok": …}` or `{"error": "…"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// It was done; what there is to tell.
    Ok(Value),
    /// It was not; why, and what to do.
    Error(String),
}

/// Answers requests. Has its own time limits; a client that goes away ends nothing that has begun.
pub trait Handler: Send + Sync {
    /// Answers one request.
    fn handle(&self, request: Request) -> BoxFuture<'_, Response>;
}

/// Why a request got no answer, or a socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens: no daemon runs with this configuration. The command line opens the store itself then.
    #[error("no daemon answers on {}", .0.display())]
    NotRunning(PathBuf),
    /// Somebody listens whom we may not talk to.
    #[error("{} may not be opened by this user; try as the user the daemon runs as", .0.display())]
    Denied(PathBuf),
    /// A daemon serves this socket already.
    #[error("another daemon answers on {}", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket stands there.
    #[error("{} is not a socket; move it away", .0.display())]
    NotASocket(PathBuf),
    /// No answer in time.
    #[error("the daemon did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The answer makes no sense, or was too large.
    #[error("the daemon's answer can't be understood: {0}")]
    Garbled(String),
    /// The daemon did not do it, and says why.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where the socket is: what the configuration says, else in `$RUNTIME_DIRECTORY`, `$XDG_RUNTIME_DIR/liaison`, or the
/// state directory. `env` looks up a variable.
pub fn socket_path(configured: Option<&Path>, state_dir: &Path, env: impl Fn(&str) -> Option<String>) -> PathBuf {
    if let Some(path) = configured {
        return path.to_owned();
    }
    let set = |name: &str| env(name).filter(|v| !v.is_empty());
    // systemd separates several directories by colons.
    let runtime = set("RUNTIME_DIRECTORY").and_then(|all| all.split(':').next().map(PathBuf::from));
    let runtime = runtime.or_else(|| set("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("liaison")));
    runtime.unwrap_or_else(|| state_dir.to_owned()).join(SOCKET_FILE)
}

/// The file in the state directory that names the socket of the daemon: the service manager tells the daemon its runtime
/// directory, and nobody tells the command line.
const ANNOUNCED_FILE: &str = "control.path";

/// Where a client looks for the socket: what the configuration says, else what the daemon announced, else as
/// [`socket_path`].
pub fn find_socket(configured: Option<&Path>, state_dir: &Path, env: impl Fn(&str) -> Option<String>) -> PathBuf {
    let announced = std::fs::read_to_string(state_dir.join(ANNOUNCED_FILE)).ok();
    let announced = announced.map(|text| PathBuf::from(text.trim_end_matches('\n'))).filter(|path| path.is_absolute());
    match (configured, announced) {
        (None, Some(path)) => path,
        (configured, _) => socket_path(configured, state_dir, env),
    }
}

/// A bound socket; its file goes with it.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl ControlSocket {
    /// Binds the socket, for its owner only. A file left behind by a daemon that is gone is replaced.
    pub async fn bind(path: &Path) -> Result<Self, ControlError> {
        let io = |source| ControlError::Io { path: path.to_owned(), source };
        match UnixStream::connect(path).await {
            Ok(_) => return Err(ControlError::InUse(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => match std::fs::symlink_metadata(path) {
                Ok(meta) if !meta.file_type().is_socket() => return Err(ControlError::NotASocket(path.to_owned())),
                Ok(_) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(ControlError::Denied(path.to_owned()));
                }
                Ok(_) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                // A full backlog means that somebody is there.
                Ok(_) if error.kind() == io::ErrorKind::WouldBlock => return Err(ControlError::InUse(path.to_owned())),
                _ => return Err(io(error)),
            },
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(io)?;
        // Bound in a folder that is ours alone and then moved: at no moment can anyone else open it.
        let private = tempfile::Builder::new().prefix(".c").rand_bytes(4).tempdir_in(folder).map_err(io)?;
        let first = private.path().join("s");
        let listener = UnixListener::bind(&first).map_err(io)?;
        std::fs::set_permissions(&first, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
        let inode = std::fs::metadata(&first).map_err(io)?.ino();
        std::fs::rename(&first, path).map_err(io)?;
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Writes into the state directory where this socket is, for [`find_socket`].
    pub fn announce(&self, state_dir: &Path) -> Result<(), ControlError> {
        let path = state_dir.join(ANNOUNCED_FILE);
        let absolute = std::path::absolute(&self.path);
        let written = absolute.and_then(|socket| std::fs::write(&path, format!("{}\n", socket.display())));
        written.map_err(|source| ControlError::Io { path, source })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Not if another daemon has put its own there meanwhile.
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket stays behind");
        }
    }
}

/// Serves requests until a soft stop; those that have begun are answered first.
pub async fn serve(socket: ControlSocket, handler: &dyn Handler, stop: Stop) -> Result<(), ControlError> {
    let mut connections = FuturesUnordered::new();
    let mut failures = 0_u32;
    loop {
        tokio::select! {
            () = stop.soft() => break,
            Some(()) = connections.next() => {}
            accepted = socket.listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    failures = 0;
                    connections.push(converse(stream, handler, stop.clone()));
                }
                // Out of file descriptors, mostly: passes when connections end.
                Err(error) if failures < 100 => {
                    failures += 1;
                    tracing::warn!(%error, "a control connection can't be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(source) => return Err(ControlError::Io { path: socket.path.clone(), source }),
            },
        }
    }
    while connections.next().await.is_some() {}
    Ok(())
}

/// Serves one connection: requests one after the other.
async fn converse(stream: UnixStream, handler: &dyn Handler, stop: Stop) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    loop {
        let line = tokio::select! {
            line = timeout(IDLE_TIME, read_line(&mut reading, REQUEST_OCTETS_MAX)) => line,
            () = stop.soft() => return,
        };
        let (response, last) = match line {
            Ok(Ok(line)) if line.is_empty() => return,
            Ok(Ok(line)) => match serde_json::from_slice::<Request>(&line) {
                Ok(request) => {
                    let span = spans::control(&request.op.chars().take(40).collect::<String>());
                    (tracing::Instrument::instrument(handler.handle(request), span).await, false)
                }
                Err(error) => (Response::Error(format!("not a request: {error}")), true),
            },
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => (Response::Error(error.to_string()), true),
            Ok(Err(_)) | Err(_) => return,
        };
        let Ok(mut octets) = serde_json::to_vec(&response) else { return };
        octets.push(b'\n');
        if u64::try_from(octets.len()).unwrap_or(u64::MAX) > RESPONSE_OCTETS_MAX {
            octets = b"{\"error\":\"the answer is too large; ask for less\"}\n".to_vec();
        }
        let written = timeout(WRITE_TIME, writing.write_all(&octets)).await;
        if last || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// One line without its end; empty at the end of the stream. `InvalidData` if it is too long or cut short.
async fn read_line<R>(reading: &mut BufReader<R>, octets_max: u64) -> io::Result<Vec<u8>>
where
    R: tokio::io::AsyncRead + Unpin,
{
    let mut line = Vec::new();
    let read = reading.take(octets_max + 1).read_until(b'\n', &mut line).await?;
    if line.last() == Some(&b'\n') {
        line.pop();
        // An empty line is no end of the stream, and no request either.
        return if line.is_empty() { Err(invalid("an empty line")) } else { Ok(line) };
    }
    if read == 0 {
        return Ok(line);
    }
    Err(invalid(if line.len() as u64 > octets_max { "the line is too long" } else { "the line has no end" }))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Asks a running daemon; waits at most `time` for the answer. What it tells is the value of `ok`.
pub async fn call(path: &Path, request: &Request, time: Duration) -> Result<Value, ControlError> {
    let io = |source: io::Error| ControlError::Io { path: path.to_owned(), source };
    #[allow(clippy::wildcard_enum_match_arm, reason = "the kinds of io errors are foreign and open")]
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NotRunning(path.to_owned()),
        io::ErrorKind::PermissionDenied => ControlError::Denied(path.to_owned()),
        _ => io(error),
    };
    let connecting = timeout(WRITE_TIME, UnixStream::connect(path)).await;
    let stream = connecting.map_err(|_| ControlError::TimedOut(WRITE_TIME))?.map_err(refused)?;
    let mut octets = serde_json::to_vec(request).map_err(|error| io(error.into()))?;
    octets.push(b'\n');
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > REQUEST_OCTETS_MAX {
        return Err(io(invalid("the request is too large")));
    }
    let exchange = async {
        let (reading, mut writing) = stream.into_split();
        writing.write_all(&octets).await?;
        read_line(&mut BufReader::new(reading), RESPONSE_OCTETS_MAX).await
    };
    let line = timeout(time, exchange).await.map_err(|_| ControlError::TimedOut(time))?;
    let line = line.map_err(|error| {
        let garbled = error.kind() == io::ErrorKind::InvalidData;
        if garbled { ControlError::Garbled(error.to_string()) } else { io(error) }
    })?;
    if line.is_empty() {
        return Err(ControlError::Garbled("it hung up".to_owned()));
    }
    match serde_json::from_slice(&line) {
        Ok(Response::Ok(value)) => Ok(value),
        Ok(Response::Error(why)) => Err(ControlError::Refused(why)),
        Err(error) => Err(ControlError::Garbled(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
