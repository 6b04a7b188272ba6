//! Stops, failures and reloads, on paused time.

use std::convert::Infallible;

use super::*;

fn start() -> (Lifecycle, mpsc::Sender<Asked>, mpsc::Receiver<Asked>) {
    let (ask, asked) = mpsc::channel(8);
    (Lifecycle::with(STOP_TIME, Supervisor::none()), ask, asked)
}

#[tokio::test(start_paused = true)]
async fn a_signal_stops_softly_and_the_end_is_clean() {
    let (life, ask, asked) = start();
    let stop = life.stop();
    life.spawn("poller", async move {
        stop.soft().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        Ok::<_, Infallible>(())
    });
    ask.send(Asked::Stop).await.unwrap();
    assert_eq!(life.run(asked).await, Outcome::Clean);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_stop_in_time_is_cut_off() {
    let (life, ask, asked) = start();
    life.spawn("deaf", std::future::pending::<Result<(), Infallible>>());
    ask.send(Asked::Stop).await.unwrap();
    let began = Instant::now();
    assert_eq!(life.run(asked).await, Outcome::CutOff { tasks: 1 });
    assert!(began.elapsed() >= STOP_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_does_not_wait_for_the_stop_time() {
    let (life, ask, asked) = start();
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
    life.spawn("deaf", async move {
        std::future::pending::<()>().await;
        drop(held);
        Ok::<_, Infallible>(())
    });
    ask.send(Asked::Stop).await.unwrap();
    ask.send(Asked::Stop).await.unwrap();
    let began = Instant::now();
    assert_eq!(life.run(asked).await, Outcome::CutOff { tasks: 1 });
    assert!(began.elapsed() < STOP_TIME);
    assert_eq!(Arc::strong_count(&dropped), 1, "the task was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_stops_the_others_and_fails_the_process() {
    let (life, _ask, asked) = start();
    let stop = life.stop();
    life.spawn("poller", async move {
        stop.soft().await;
        Ok::<_, Infallible>(())
    });
    life.spawn("ingest", async { Err("disk full") });
    let outcome = life.run(asked).await;
    assert_eq!(outcome, Outcome::Failed(Failure { task: "ingest".to_owned(), reason: "disk full".to_owned() }));
    assert_eq!(format!("{:?}", outcome.exit_code()), format!("{:?}", ExitCode::FAILURE));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_fails_the_process_with_its_words() {
    let (life, _ask, asked) = start();
    life.spawn("record", async {
        let rows: [u8; 0] = [];
        rows.first().map_or_else(|| panic!("row {} is gone", 7), |_| Ok::<_, Infallible>(()))
    });
    let Outcome::Failed(failure) = life.run(asked).await else { panic!("the panic was not noticed") };
    assert_eq!((failure.task.as_str(), failure.reason.as_str()), ("record", "panicked: row 7 is gone"));
}

#[tokio::test(start_paused = true)]
async fn without_anyone_to_ask_the_tasks_decide() {
    let (life, ask, asked) = start();
    drop(ask);
    let stop = life.stop();
    life.spawn("brief", async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.ask();
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok::<_, Infallible>(())
    });
    assert_eq!(life.run(asked).await, Outcome::Clean);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_well_does_not_end_the_process() {
    let (life, ask, asked) = start();
    life.spawn("once", async { Ok::<_, Infallible>(()) });
    let (stop, running) = (life.stop(), life.run(asked));
    tokio::pin!(running);
    let early = tokio::time::timeout(Duration::from_mins(1), &mut running).await;
    assert!(early.is_err() && !stop.is_soft());
    ask.send(Asked::Stop).await.unwrap();
    assert_eq!(running.await, Outcome::Clean);
}

#[tokio::test(start_paused = true)]
async fn reloads_reach_those_who_listen_and_many_at_once_are_one() {
    let (life, ask, asked) = start();
    let mut reloads = life.reloads();
    let (seen_of, mut seen) = mpsc::channel(8);
    let stop = life.stop();
    life.spawn("reloader", async move {
        loop {
            tokio::select! {
                () = reloads.next() => seen_of.send(()).await.unwrap(),
                () = stop.soft() => return Ok::<_, Infallible>(()),
            }
        }
    });
    let life_too = life.clone();
    let running = life.run(asked);
    let story = async {
        ask.send(Asked::Reload).await.unwrap();
        seen.recv().await.unwrap();
        life_too.ask_reload();
        life_too.ask_reload();
        seen.recv().await.unwrap();
        ask.send(Asked::Stop).await.unwrap();
        seen.recv().await
    };
    let (outcome, more) = tokio::join!(running, story);
    assert_eq!((outcome, more), (Outcome::Clean, None));
}

#[tokio::test]
async fn a_child_is_stopped_with_its_parent_but_not_the_other_way() {
    let parent = Stop::new();
    let (first, second) = (parent.child(), parent.child());
    first.ask_hard();
    assert!(first.is_soft() && first.is_hard() && !parent.is_soft() && !second.is_soft());
    parent.ask();
    assert!(second.is_soft() && !second.is_hard());
}

#[tokio::test]
async fn real_signals_are_heard() {
    let life = Lifecycle::new();
    let stop = life.stop();
    let mut reloads = life.reloads();
    life.spawn("listener", async move {
        reloads.next().await;
        raise("TERM").await;
        stop.soft().await;
        Ok::<_, Infallible>(())
    });
    let started = life.clone();
    life.spawn("starter", async move {
        // The handlers are set before the tasks first run: run_until_stopped sets them without waiting.
        raise("HUP").await;
        drop(started);
        Ok::<_, Infallible>(())
    });
    assert_eq!(life.run_until_stopped().await.unwrap(), Outcome::Clean);
}

/// Sends a signal to this process and no other.
async fn raise(signal: &'static str) {
    let id = std::process::id().to_string();
    let sent = tokio::task::spawn_blocking(move || {
        std::process::Command::new("kill").args([format!("-{signal}"), id]).status().unwrap()
    });
    assert!(sent.await.unwrap().success());
}

/// What a service manager was told so far.
fn told(socket: &std::os::unix::net::UnixDatagram) -> Vec<String> {
    let mut all = Vec::new();
    let mut octets = [0; 4096];
    while let Ok(n) = socket.recv(&mut octets) {
        all.push(String::from_utf8(octets[..n].to_vec()).unwrap());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_fed_only_while_every_loop_gets_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (ask, asked) = mpsc::channel(8);
    let life = Lifecycle::with(STOP_TIME, Supervisor::at(&path, Duration::from_mins(1)));
    let road = Arc::new(tokio::sync::Semaphore::new(1));
    for name in ["goes on", "gets stuck"] {
        let (stop, road) = (life.stop(), Arc::clone(&road));
        let beating = async move {
            while !stop.is_soft() {
                crate::telemetry::pulse::beat();
                if name == "gets stuck" {
                    // What it needs is taken away from it, for good or for a while.
                    drop(road.acquire().await.unwrap());
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, Infallible>(())
        };
        life.spawn(name, life.watched(name, Duration::from_mins(5), beating));
    }
    // How often it is fed in so many minutes; what is told waits nowhere for long.
    let fed_within = async |minutes: u32| {
        let mut fed = 0;
        for _ in 0..minutes {
            tokio::time::sleep(Duration::from_mins(1)).await;
            let told = told(&socket);
            assert!(told.iter().all(|t| t == "WATCHDOG=1\n"), "{told:?}");
            fed += told.len();
        }
        fed
    };
    let story = async {
        let fed = fed_within(10).await;
        assert!((19..=21).contains(&fed), "twice a minute, not {fed}");
        let taken = road.acquire().await.unwrap();
        let fed = fed_within(6).await;
        assert!((9..=12).contains(&fed), "until five minutes of silence are over, not {fed}");
        assert_eq!(fed_within(60).await, 0, "one loop is stuck: the service manager is to step in");
        drop(taken);
        assert!(fed_within(2).await >= 3, "it goes again");
        ask.send(Asked::Stop).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(life.run(asked), story);
    assert_eq!(outcome, Outcome::Clean);
    assert_eq!(told(&socket), ["STOPPING=1\n"]);
}
