//! Files beside messages, by the real binary: fetched at once, given out over the API, and fetched again by whoever comes after one that
//! was killed over it.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{PATIENCE, asked, texts, until, workspaces};
use crate::daemon::{Answer, Installation};
use crate::slack::fake::Fake;
use crate::sms::{ACCOUNT, OURS, THEIRS};
use crate::stores;

/// What the API gives out, octet by octet: the head, and the content.
fn octets(installation: &Installation, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", installation.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let token = &installation.token;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase(), answer[end + 4..].to_vec())
}

/// The one message of somebody, once its files stand so; `-`: whatever.
fn until_stand(installation: &Installation, influencer: &str, states: &[&str]) -> Value {
    until(installation, &format!("its files are {states:?}"), || {
        let page = installation.get(&format!("/v1/influencers/{influencer}/timeline"));
        let item = page["data"].as_array().unwrap().iter().find(|item| item["type"] == "message")?;
        let message = installation.get(&format!("/v1/messages/{}", item["message"]["id"].as_str().unwrap()));
        let files = message["attachments"].as_array().unwrap();
        let stand =
            files.len() == states.len() && files.iter().zip(states).all(|(file, state)| file["state"] == *state);
        stand.then_some(message)
    })
}

async fn a_workspace_sends_files(fresh: stores::Fresh) {
    let brand = workspaces::Brand::new(fresh).await;
    let stranger = Fake::start_now().await;
    let workspaces::Brand { installation, fake } = &brand;
    let at = |fake: &Fake, name: &str| fake.base.join(&format!("/files/{name}")).unwrap().to_string();
    let file = |name: &str, mime: &str, size: u64, url: String| json!({ "id": "F1", "name": name, "mimetype": mime, "size": size, "url_private_download": url });
    {
        let mut state = fake.state();
        // Whoever is killed over it has asked once.
        state.file_answers.insert("slow.png".into(), [0].into());
        state.file_answers.insert("forbidden.png".into(), [403, 403, 403].into());
        state.file_answers.insert("missing.png".into(), [404, 404, 404].into());
    }
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let zoe = brand.person("zoe", "T2/U9");
    until(installation, "a socket", || (!fake.state().sockets.is_empty()).then_some(()));
    let files = json!([
        file("slow.png", "image/png", 18, at(fake, "slow.png")),
        file("page.svg", "image/svg+xml", 0, at(fake, "page.svg")),
        file("huge.mp4", "video/mp4", 60_000_000, at(fake, "huge.mp4")),
        file("large", "video/mp4", 0, at(fake, "large")),
        file("theirs.png", "image/png", 9, at(&stranger, "theirs.png")),
        file("forbidden.png", "image/png", 9, at(fake, "forbidden.png")),
        file("missing.png", "image/png", 9, at(fake, "missing.png")),
    ]);
    brand.hears("C7", json!({ "user": "U9", "user_team": "T2", "team": "T2", "text": "Look", "files": files }));
    until(installation, "it is asked for", || fake.state().files.contains(&"slow.png".to_owned()).then_some(()));
    // However long it takes, what is said is heard.
    let bea = brand.person("bea", "T2/U8");
    brand.hears("C7", json!({ "user": "U8", "user_team": "T2", "team": "T2", "text": "Meanwhile" }));
    brand.until_says(&bea, "Meanwhile");
    daemon.kill();

    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let stands = ["kept", "kept", "gone", "gone", "gone", "waiting", "waiting"];
    let message = until_stand(installation, &zoe, &stands);
    until(installation, "all are asked for", || {
        let state = fake.state();
        ["forbidden.png", "missing.png"].iter().all(|name| state.files.iter().any(|file| file == name)).then_some(())
    });
    let id = message["id"].as_str().unwrap();
    let (head, content) = octets(installation, &format!("/v1/messages/{id}/files/0"));
    assert_eq!(String::from_utf8_lossy(&content), "octets of slow.png");
    for line in
        ["content-type: image/png", "content-length: 18", "x-content-type-options: nosniff", "filename=\"slow.png\""]
    {
        assert!(head.starts_with("http/1.1 200") && head.contains(line), "{line}: {head}");
    }
    // What might do something in a browser is told as octets.
    let (head, content) = octets(installation, message["attachments"][1]["path"].as_str().unwrap());
    assert_eq!(String::from_utf8_lossy(&content), "octets of page.svg");
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    for (n, status, code, word) in [
        (2, 410, "gone", "larger than"),
        (3, 410, "gone", "larger than"),
        (4, 410, "gone", "does not lie with Slack"),
        (5, 409, "not_fetched", "files:read"),
        (6, 409, "not_fetched", "does not have the file"),
    ] {
        let said = until(installation, word, || {
            match installation.call("GET", &format!("/v1/messages/{id}/files/{n}"), None) {
                Answer::Said(got, said) => {
                    assert_eq!((got, &said["code"]), (status, &json!(code)), "{said}");
                    said["detail"].as_str().unwrap().contains(word).then_some(said)
                }
                other => panic!("{other:?}"),
            }
        });
        assert!(said["detail"].is_string());
    }
    let (ok, told) = installation.command(&["thread", "show", "zoe"]);
    assert!(ok && told.contains("attached: slow.png (image/png, 18 octets)\n"), "{told}");
    assert!(told.contains("to be fetched again: ") && told.contains("; gone: "), "{told}");
    let state = fake.state();
    let asked = |name: &str| state.files.iter().filter(|file| *file == name).count();
    let once = ["page.svg", "large", "forbidden.png", "missing.png"].map(asked);
    assert_eq!((asked("slow.png"), once, asked("huge.mp4")), (2, [1; 4], 0), "{:?}", state.files);
    assert!(stranger.state().files.is_empty() && stranger.state().stranger_heard.is_empty());
    assert!(state.stranger_heard.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_sends_files_on_sqlite() {
    a_workspace_sends_files(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_sends_files_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => a_workspace_sends_files(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}

/// Octets of a large file: just what is fetched.
const LARGE: usize = 50 * 1024 * 1024;
/// Readers at the same time.
const READERS: usize = 8;
/// Megabytes that fetching one may cost, and so many readers.
const FETCH_MB_MAX: u64 = 200;
const READERS_MB_MAX: u64 = 60;

/// The highest memory of a process since the last time this was asked, megabytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_fifty_megabytes_costs_little_more_than_itself_and_its_readers_next_to_nothing() {
    let brand = workspaces::Brand::new(stores::sqlite().await).await;
    let workspaces::Brand { installation, fake } = &brand;
    let mut random = 7;
    let large: Vec<u8> = (0..LARGE / 8).flat_map(|_| crate::kills::next_random(&mut random).to_le_bytes()).collect();
    fake.state().file_contents.insert("large.mp4".into(), large.clone());
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let zoe = brand.person("zoe", "T2/U9");
    until(installation, "a socket", || (!fake.state().sockets.is_empty()).then_some(()));
    let idle = peak(daemon.id());
    let url = fake.base.join("/files/large.mp4").unwrap();
    let file = json!({ "id": "F1", "name": "large.mp4", "mimetype": "video/mp4", "url_private_download": url });
    brand.hears("C7", json!({ "user": "U9", "user_team": "T2", "team": "T2", "text": "Look", "files": [file] }));
    let message = until_stand(installation, &zoe, &["kept"]);
    let fetched = peak(daemon.id());
    let path = message["attachments"][0]["path"].as_str().unwrap();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| octets(installation, path).1 == large)).collect();
        assert!(readers.into_iter().all(|reader| reader.join().unwrap()), "somebody got something else");
    });
    let read = peak(daemon.id());
    println!(
        "a file of {LARGE} octets, MB at most: idle {idle}, fetched {fetched}, to {READERS} readers at once {read}"
    );
    assert!(fetched < idle + FETCH_MB_MAX, "{fetched} MB, idle {idle} MB");
    assert!(read < fetched.max(idle) + READERS_MB_MAX, "{read} MB, fetched with {fetched} MB");
}

async fn a_number_sends_pictures(fresh: stores::Fresh) {
    let brand = texts::Brand::new(fresh).await;
    let texts::Brand { installation, twilio } = &brand;
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let ana = brand.somebody();
    let sid = "SM000000000000000000000000000000ab";
    // The first is led on within Twilio, the second to somebody else, and the third lies with somebody else.
    let media =
        |n: usize| format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media/ME{n:032x}", twilio.server.url());
    let [own, led_away] = [media(0), media(2)];
    let fields = [
        ("AccountSid", ACCOUNT),
        ("Body", ""),
        ("From", THEIRS),
        ("MediaContentType0", "image/jpeg"),
        ("MediaContentType1", "image/jpeg"),
        ("MediaContentType2", "image/jpeg"),
        ("MediaUrl0", own.as_str()),
        ("MediaUrl1", led_away.as_str()),
        ("MediaUrl2", "https://files.example.com/x"),
        ("MessageSid", sid),
        ("NumMedia", "3"),
        ("To", OURS),
    ];
    for _ in 0..2 {
        assert_eq!(brand.post("/hooks/text", &fields).0, 200);
    }
    let message = until_stand(installation, &ana, &["kept", "gone", "gone"]);
    assert_eq!(message["attachments"][0]["size"], 1_000, "{message}");
    assert!(message["attachments"][2]["reason"].as_str().unwrap().contains("not Twilio's"), "{message}");
    let (head, content) = octets(installation, message["attachments"][0]["path"].as_str().unwrap());
    assert!(head.contains("content-type: image/jpeg") && head.contains("attachment; filename="), "{head}");
    assert_eq!(content, [7; 1_000]);
    let path = format!("/v1/messages/{}/files/1", message["id"].as_str().unwrap());
    assert_eq!(asked(installation, "GET", &path, &Value::Null, 410)["code"], "gone");
    twilio.check();
    let of_files = twilio.server.journal().into_iter().filter(|request| request.path.contains("/Media/")).count();
    assert_eq!(of_files, 3, "each once, and where the first was led on to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_sends_pictures_on_sqlite() {
    a_number_sends_pictures(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_sends_pictures_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => a_number_sends_pictures(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}
