//! The socket end to end, in a folder of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;

const TIME: Duration = Duration::from_secs(30);

/// Answers `echo` with its arguments, `slow` when told, and refuses the rest.
#[derive(Default)]
struct Echo {
    asked: AtomicUsize,
    go: tokio::sync::Notify,
}

impl Handler for Echo {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match request.op.as_str() {
                "echo" => Response::Ok(Value::Object(request.arguments)),
                "slow" => {
                    self.go.notified().await;
                    Response::Ok(Value::Null)
                }
                "huge" => Response::Ok(Value::String("x".repeat(usize::try_from(RESPONSE_OCTETS_MAX).unwrap()))),
                other => Response::Error(format!("there is no `{other}`")),
            }
        })
    }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/control.sock");
    (folder, path)
}

/// Runs a story against a serving socket, then stops it.
async fn with_server<T>(handler: &Echo, story: impl AsyncFnOnce(PathBuf, Stop) -> T) -> T {
    let (_folder, path) = folder();
    let socket = ControlSocket::bind(&path).await.unwrap();
    let stop = Stop::new();
    let (served, told) = tokio::join!(serve(socket, handler, stop.clone()), async {
        let told = story(path.clone(), stop.clone()).await;
        stop.ask();
        told
    });
    served.unwrap();
    assert!(!path.exists(), "the socket goes with its server");
    told
}

#[tokio::test]
async fn a_request_is_answered_and_a_refusal_is_an_error() {
    with_server(&Echo::default(), async |path, _| {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let told = call(&path, &Request::new("echo").with("account", "hello"), TIME).await.unwrap();
        assert_eq!(told, serde_json::json!({ "account": "hello" }));
        let refused = call(&path, &Request::new("dance"), TIME).await;
        assert!(matches!(refused, Err(ControlError::Refused(why)) if why == "there is no `dance`"));
        let huge = call(&path, &Request::new("huge"), TIME).await;
        assert!(matches!(huge, Err(ControlError::Refused(why)) if why.contains("too large")));
    })
    .await;
}

#[tokio::test]
async fn many_clients_at_once_are_all_answered() {
    let handler = Echo::default();
    with_server(&handler, async |path, _| {
        let calls = (0..CONNECTIONS_MAX * 3).map(|n| {
            let path = path.clone();
            async move { (n, call(&path, &Request::new("echo").with("n", n), TIME).await.unwrap()) }
        });
        for (n, told) in futures_util::future::join_all(calls).await {
            assert_eq!(told, serde_json::json!({ "n": n }));
        }
    })
    .await;
    assert_eq!(handler.asked.load(Ordering::SeqCst), CONNECTIONS_MAX * 3);
}

#[tokio::test]
async fn what_is_no_request_is_told_and_hung_up_on() {
    let handler = Echo::default();
    with_server(&handler, async |path, _| {
        let long = "x".repeat(usize::try_from(REQUEST_OCTETS_MAX).unwrap() + 1);
        for wrong in ["hello\n", "{}\n", "[]\n", "\n", "{\"op\":1}\n", long.as_str()] {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            // The server may hang up before all of a long line is written.
            let _written = stream.write_all(wrong.as_bytes()).await;
            let mut answer = String::new();
            let mut reading = BufReader::new(stream);
            if reading.read_line(&mut answer).await.is_ok() && !answer.is_empty() {
                assert!(answer.starts_with("{\"error\":"), "{answer}");
            } else {
                assert_eq!(wrong.len(), long.len(), "no answer to {wrong:?}");
            }
        }
    })
    .await;
    assert_eq!(handler.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_that_has_begun_is_answered_after_the_stop() {
    let handler = Echo::default();
    let answered = with_server(&handler, async |path, stop| {
        let request = Request::new("slow");
        let asking = call(&path, &request, TIME);
        let stopping = async {
            while handler.asked.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            stop.ask();
            handler.go.notify_one();
        };
        tokio::join!(asking, stopping).0
    })
    .await;
    assert_eq!(answered.unwrap(), Value::Null);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_but_not_one_that_answers() {
    let (_folder, path) = folder();
    assert!(matches!(call(&path, &Request::new("echo"), TIME).await, Err(ControlError::NotRunning(_))));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(matches!(call(&path, &Request::new("echo"), TIME).await, Err(ControlError::NotRunning(_))));
    let first = ControlSocket::bind(&path).await.unwrap();
    assert!(matches!(ControlSocket::bind(&path).await, Err(ControlError::InUse(_))));
    drop(first);
    std::fs::write(&path, "notes").unwrap();
    assert!(matches!(ControlSocket::bind(&path).await, Err(ControlError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes");
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left behind: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_answer_is_given_up() {
    let (_folder, path) = folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _deaf = UnixListener::bind(&path).unwrap();
    let answer = call(&path, &Request::new("echo"), TIME).await;
    assert!(matches!(answer, Err(ControlError::TimedOut(time)) if time == TIME), "{answer:?}");
}

#[test]
fn the_socket_is_where_the_configuration_or_the_service_manager_says() {
    let state = Path::new("/state");
    let with = |pairs: &'static [(&str, &str)]| {
        move |name: &str| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned())
    };
    let both = || with(&[("RUNTIME_DIRECTORY", "/run/liaison:/run/other"), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
    assert_eq!(socket_path(None, state, both()), Path::new("/run/liaison/control.sock"));
    assert_eq!(socket_path(Some(Path::new("/x.sock")), state, both()), Path::new("/x.sock"));
    let user = with(&[("RUNTIME_DIRECTORY", ""), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
    assert_eq!(socket_path(None, state, user), Path::new("/run/user/1000/liaison/control.sock"));
    assert_eq!(socket_path(None, state, with(&[])), Path::new("/state/control.sock"));
}

#[tokio::test]
async fn a_client_finds_the_socket_the_daemon_announced() {
    let (folder, path) = folder();
    let state = folder.path();
    assert_eq!(find_socket(None, state, |_| None), state.join("control.sock"));
    let socket = ControlSocket::bind(&path).await.unwrap();
    socket.announce(state).unwrap();
    assert_eq!(find_socket(None, state, |_| None), path);
    assert_eq!(find_socket(Some(Path::new("/x.sock")), state, |_| None), Path::new("/x.sock"));
}
