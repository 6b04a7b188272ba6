//! Large mail: it comes in whole, its attachment is given out whole, and many at a time cost the memory of a few.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine as _;

use super::place::{Place, WAIT_MAX};
use crate::kills::next_random;
use crate::peers::{self, fresh_user};

/// Octets of the attachment; its mail is a third larger.
const SIZE: usize = 34_000_000;
/// Readers at the same time.
const READERS: usize = 8;
/// Megabytes that many readers may cost beside one.
const BESIDE_MAX: u64 = 260;

fn attachment() -> Vec<u8> {
    let mut random = 7;
    (0..SIZE / 8).flat_map(|_| next_random(&mut random).to_le_bytes()).collect()
}

/// The highest memory of a process since the last time this was asked, megabytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let kb: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
    kb / 1024
}

/// What is answered: the head, and the content.
fn download(port: u16, path: &str, token: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let body = all.split_off(end + 4);
    (String::from_utf8(all).unwrap().to_ascii_lowercase(), body)
}

#[test]
fn a_mail_of_fifty_megabytes_comes_in_and_its_file_goes_out_many_times_at_once_in_little_memory() {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let (brand, ana) = (fresh_user("brand"), fresh_user("ana"));
    let place = Place::new(Some((&peer, &brand)));
    place.run(&["influencer", "add", "--handle", "@ana", "--first-name", "Ana", "--email", &ana]).well();
    let made = place.run(&["token", "create", "reader", "--scope", "read", "--json"]).well().json();
    let token = made["token"].as_str().unwrap();
    let running = place.up(&[]);
    let process = running.0.id();
    let idle = peak(process);
    let file = attachment();
    let encoded = base64::engine::general_purpose::STANDARD.encode(&file);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|l| std::str::from_utf8(l).unwrap()).collect();
    let mail = format!(
        "From: {ana}\r\nTo: {brand}\r\nSubject: Film\r\nMessage-ID: <{ana}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHere it is.\r\n--x\r\n\
         Content-Type: text/html\r\nContent-Disposition: attachment; filename*=UTF-8''film%20%E6%98%A5.html\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--x--\r\n",
        lines.join("\r\n")
    );
    peer.deliver(mail.as_bytes(), &brand);
    let id = place.until("the mail is in", || {
        let (_, list) = super::place::get(place.port, "/v1/search?q=here", Some(token))?;
        let list: serde_json::Value = serde_json::from_str(&list).ok()?;
        list.to_string().split('"').find(|word| word.starts_with("msg_")).map(str::to_owned)
    });
    let taken = peak(process);
    let path = format!("/v1/messages/{id}/attachments/0");
    let (head, content) = download(place.port, &path, token);
    assert!(content == file, "{head}: {} octets of {}", content.len(), file.len());
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    assert!(head.contains(&format!("content-length: {}", file.len())), "{head}");
    assert!(
        head.contains(
            "content-disposition: attachment; filename=\"film _.html\"; filename*=utf-8''film%20%e6%98%a5.html"
        ),
        "{head}"
    );
    assert!(head.contains("x-content-type-options: nosniff") && head.contains("sandbox"), "{head}");
    let one = peak(process);
    // Who waits for room for as long as a request may take is told so, and asks again.
    let insist = || loop {
        let (head, content) = download(place.port, &path, token);
        if !head.starts_with("http/1.1 504") {
            return content == file;
        }
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(insist)).collect();
        assert!(readers.into_iter().all(|reader| reader.join().unwrap()), "somebody got something else");
    });
    let many = peak(process);
    let (head, raw) = download(place.port, &format!("/v1/messages/{id}/raw"), token);
    assert!(head.contains("content-type: message/rfc822") && raw.len() >= mail.len(), "{head}");
    println!(
        "\n| a mail of {} MB | most memory, MB |\n|---|--:|\n| idle | {idle} |\n| as it came in | {taken} |",
        mail.len() / 1_000_000
    );
    println!("| its file to one reader | {one} |\n| its file to {READERS} at once | {many} |\n");
    assert!(many < one + BESIDE_MAX, "{READERS} readers cost {many} MB, one {one} MB");
    assert!(running.stop().success());
}
