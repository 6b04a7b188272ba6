//! What the service manager and Prometheus are told.

use std::os::unix::net::UnixDatagram;

use super::place::{Place, WAIT_MAX, get};
use crate::peers::{self, fresh_user};

/// The value of one line of the page.
pub fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn numbers_are_for_who_may_see_them_and_tell_how_loops_and_accounts_are() {
    let place = Place::new(None);
    let token = |scope: &str| {
        let made = place.run(&["token", "create", scope, "--scope", scope, "--json"]).well().json();
        made["token"].as_str().unwrap().to_owned()
    };
    let (reader, collector) = (token("read"), token("metrics"));
    let sent = ["send", "--to", "a@b.example", "--subject", "s", "--text", "t", "--unknown-ok"];
    place.run(&sent).well();
    let service = place.up(&[]);
    let ask = |token: Option<&str>| get(place.port, "/metrics", token).unwrap();
    assert_eq!((ask(None).0, ask(Some(&reader)).0), (401, 403));
    assert_eq!(
        get(place.port, "/v1/accounts", Some(&collector)).unwrap().0,
        403,
        "it may see numbers and nothing else"
    );
    assert_eq!(get(place.metrics, "/v1/accounts", Some(&reader)).unwrap().0, 404, "numbers and nothing else");
    let (status, page) = ask(Some(&collector));
    assert_eq!(status, 200);
    let version = format!("liaison_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!((value(&page, &version), value(&page, "liaison_sending_held")), (Some(1.0), Some(0.0)), "{page}");
    let loops: Vec<&str> = page
        .lines()
        .filter_map(|l| l.strip_prefix("liaison_loop_last_pulse_timestamp_seconds{loop=\"")?.split('"').next())
        .collect();
    let all = [
        "cadence",
        "dispatcher:hello",
        "hits",
        "judge",
        "poller:hello",
        "reconciler:hello",
        "relay",
        "retention",
        "sequencer",
        "sweep",
        "tidy",
        "webhooks",
    ];
    assert_eq!(loops, all, "every loop has a pulse");
    let page = place.until("the account is down, and its mail waits", || {
        let page = get(place.metrics, "/metrics", None)?.1;
        // While somebody has it in hand, none is due.
        let lags = value(&page, "liaison_send_lag_seconds{account=\"hello\"}").is_some_and(|lag| lag > 0.0);
        // It counts as down from the start on; that somebody tries to read it shows a moment later.
        let is_tried = value(&page, "liaison_lease_held{lease=\"poll:hello\"}") == Some(1.0);
        (lags && is_tried && value(&page, "liaison_account_up{account=\"hello\"}") == Some(0.0)).then_some(page)
    });
    let waiting = ["queued", "deferred", "claimed"]
        .map(|s| value(&page, &format!("liaison_outbox_messages{{account=\"hello\",status=\"{s}\"}}")).unwrap());
    assert_eq!(waiting.iter().sum::<f64>(), 1.0, "{page}");
    assert_eq!(value(&page, "liaison_lease_held{lease=\"poll:hello\"}"), Some(1.0), "{page}");
    let answered = "liaison_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/accounts\",status=\"4xx\"}";
    assert_eq!(value(&page, answered), Some(1.0), "{page}");
    assert!(!page.contains("a@b.example") && !page.contains("hello@acme.example"), "no address of anybody: {page}");
    assert!(service.stop().success());
}

#[test]
fn a_log_that_can_not_be_written_takes_nobody_down() {
    let place = Place::new(None);
    // Every write to it fails as on a full disk.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut running = place.start_telling(&[("LIAISON_LOG__LEVEL", "debug")], full);
    place.until("it answers", || {
        assert!(running.0.try_wait().unwrap().is_none(), "it ended");
        (get(place.port, "/readyz", None)?.0 == 200).then_some(())
    });
    // What is told while it works.
    for _ in 0..3 {
        assert_eq!(get(place.port, "/v1/accounts", None).map(|(status, _)| status), Some(401));
    }
    assert!(running.stop().success());
}

#[test]
fn mail_that_comes_and_goes_is_counted() {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let (brand, ana) = (fresh_user("brand"), fresh_user("ana"));
    let place = Place::new(Some((&peer, &brand)));
    let _service = place.up(&[]);
    let page_with = |series: &str, least: f64| {
        place.until(series, || {
            let page = get(place.metrics, "/metrics", None)?.1;
            value(&page, series).is_some_and(|v| v >= least).then_some(page)
        })
    };
    page_with("liaison_account_up{account=\"hello\"}", 1.0);
    let page = page_with("liaison_account_last_sync_timestamp_seconds{account=\"hello\"}", 1_767_225_600.0);
    assert_eq!(
        value(&page, "liaison_messages_received_total{channel=\"email\",account=\"hello\"}").unwrap_or(0.0),
        0.0
    );
    let mail = format!("From: {ana}\r\nTo: {brand}\r\nSubject: Hi\r\nMessage-ID: <{ana}>\r\n\r\nHello\r\n");
    peer.deliver(mail.as_bytes(), &brand);
    place.run(&["send", "--to", &ana, "--subject", "s", "--text", "t", "--unknown-ok"]).well();
    page_with("liaison_messages_received_total{channel=\"email\",account=\"hello\"}", 1.0);
    let page = page_with("liaison_messages_sent_total{channel=\"email\",account=\"hello\",result=\"accepted\"}", 1.0);
    assert_eq!(value(&page, "liaison_send_lag_seconds{account=\"hello\"}"), Some(0.0), "{page}");
}

#[test]
fn the_service_manager_hears_that_it_is_up_that_it_lives_and_that_it_stops() {
    let place = Place::new(None);
    let path = place.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let next = || {
        let mut octets = [0; 1024];
        let n = socket.recv(&mut octets).unwrap_or_else(|e| panic!("nothing was told: {e}\n{}", place.log()));
        String::from_utf8_lossy(&octets[..n]).into_owned()
    };
    let service = place.start(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")]);
    assert_eq!(next(), "READY=1\nSTATUS=running\n");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1\n");
    }
    assert!(service.stop().success());
    let rest: Vec<String> = std::iter::repeat_with(next).take_while(|told| told != "STOPPING=1\n").collect();
    assert!(rest.iter().all(|told| told == "WATCHDOG=1\n"), "{rest:?}");
}

#[test]
fn doctor_names_the_node_that_holds_a_lease_and_says_when_nobody_does() {
    let place = Place::new(None);
    let leases = || -> Vec<(String, String)> {
        let told = place.run(&["doctor", "--offline", "--json"]).json();
        let text = |check: &serde_json::Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
        let checks = told["checks"].as_array().unwrap().iter().map(|c| (text(c, "what"), text(c, "detail")));
        checks.filter(|(what, _)| what.starts_with("node that ")).collect()
    };
    let service = place.up(&[]);
    let node = place.until("the mailbox has a reader", || {
        let (_, who) = leases().into_iter().find(|(what, _)| what == "node that reads hello")?;
        who.split_once(" since ").map(|(node, _)| node.to_owned())
    });
    assert!(node.parse::<liaison::domain::ids::RunId>().is_ok(), "{node}");
    assert!(service.stop().success());
    let reader = leases().into_iter().find(|(what, _)| what == "node that reads hello");
    assert_eq!(reader.map(|(_, who)| who).as_deref(), Some("none now"), "{:?}", leases());
}
