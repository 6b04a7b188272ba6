//! Mails that are made to do harm, among good ones.

use super::{Post, Reach, from_ana, on_both};

/// The most memory this process ever held, kB.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn large(post: Post, _share: usize) {
    let before = memory_peak();
    let mut mails = vec![from_ana("before", 500), from_ana("large", 26 << 20), from_ana("between", 500)];
    mails.extend([from_ana("toolarge", 33 << 20), from_ana("behind", 500)]);
    post.deliver("", mails).await;
    let reading = post.read();
    post.until_messages(5).await;
    post.until_counted("INBOX", 5).await;
    let cut = post.count("SELECT COUNT(*) FROM message WHERE CAST(flaws AS TEXT) LIKE '%larger than%'").await;
    assert_eq!(cut, 1, "one is over the limit, and says so");
    let sql = format!("SELECT COUNT(*) FROM raw WHERE size = {}", post.message_max);
    assert_eq!(post.count(&sql).await, 1, "its beginning is kept");
    assert_eq!(
        post.count("SELECT COUNT(*) FROM raw WHERE size > 26 * 1024 * 1024 AND size < 27 * 1024 * 1024").await,
        1
    );
    println!("{}: 26 MB and 33 MB: peak {before} kB before, {} kB after", post.fresh.name, memory_peak());
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_very_large_mail_is_kept_or_cut_and_its_neighbours_are_unharmed() {
    on_both!(Reach::All, large);
}

fn head(n: usize) -> String {
    format!("From: Ana <ana@example.org>\r\nMessage-ID: <h{n}@example.org>\r\nSubject: hostile {n}\r\n")
}

/// The `n`th hostile mail; twelve sorts.
fn hostile(n: usize) -> Vec<u8> {
    let head = head(n);
    let text = match n % 12 {
        0 => {
            let depth = 300 + n * 10;
            let mut text = head;
            for d in 0..depth {
                text += &format!("Content-Type: multipart/mixed; boundary=b{d}\r\n\r\n--b{d}\r\n");
            }
            text + "Content-Type: text/plain\r\n\r\ndeep\r\n"
        }
        1 => {
            let fields: String = (0..20_000).map(|i| format!("X-Field-{i}: {}\r\n", "v".repeat(50))).collect();
            head + &fields + "\r\nmany headers\r\n"
        }
        2 => {
            head + "X-Endless: " + &"a ".repeat(60).replace(' ', "\r\n b").repeat(3_000) + "\r\n\r\nendless header\r\n"
        }
        3 => {
            let parts: String =
                (0..10_000).map(|i| format!("--b\r\nContent-Type: text/plain\r\n\r\np{i}\r\n")).collect();
            head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + &parts + "--b--\r\n"
        }
        4 => head + "In-Reply-To: <a\0b@example.org>\r\nX-A: \0\0\r\n\r\nnul \0 in \0 the text\0\r\n",
        5 => {
            let garbage: String = (0..40_000).map(|i| format!("{:x}=*é{i}\r\n", i * 7_919)).collect();
            head + "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" + &garbage
        }
        6 => {
            head + "References: "
                + &(0..5_000).map(|i| format!("<r{i}@x.example>\r\n ")).collect::<String>()
                + "\r\n\r\nrefs\r\n"
        }
        7 => {
            head + "To: "
                + &(0..8_000).map(|i| format!("p{i}@x.example,\r\n ")).collect::<String>()
                + "z@x.example\r\n\r\nto\r\n"
        }
        8 => {
            // Words that are all different and have a hyphen: an index counts them twice.
            let words: String = (0..40_000_u32)
                .map(|i| {
                    let c = |k: u32| char::from_u32(20_000 + k % 20_000).unwrap();
                    format!("{}{}-{}{} {}", c(i * 7), c(i / 3), c(i * 3), c(i), if i % 8 == 0 { "\r\n" } else { "" })
                })
                .collect();
            head + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + &words
        }
        9 => {
            let long = "i".repeat(900);
            format!("From: {} <{}@example.org>\r\n", "N".repeat(900), "l".repeat(900))
                + &format!("Message-ID: <{long}{n}@example.org>\r\nIn-Reply-To: <{long}>\r\n")
                + &format!("Subject: Re: {}\r\n\r\nlong names\r\n", "𝔰".repeat(240))
        }
        10 => {
            head + "Content-Type: text/html\r\n\r\n" + &"<div><blockquote><table><td>".repeat(20_000) + "deep html\r\n"
        }
        _ => format!("no header at all {n}\r\n") + &"x".repeat(900) + "\r\n\r\n" + &"=?utf-8?q?=".repeat(70),
    };
    text.into_bytes()
}

async fn harmed(post: Post, _share: usize) {
    let before = memory_peak();
    let mut mails = Vec::new();
    for n in 0..60 {
        mails.push(hostile(n));
        mails.push(from_ana(&format!("good{n}"), 700));
    }
    let octets: usize = mails.iter().map(Vec::len).sum();
    post.deliver("", mails).await;
    let reading = post.read();
    post.until_messages(120).await;
    post.until_counted("INBOX", 120).await;
    let good = "SELECT COUNT(*) FROM message m JOIN participation p ON p.message_id = m.id WHERE m.subject LIKE 'About good%' \
        AND m.text LIKE 'Hello, this is good%' AND p.role = 'author'";
    assert_eq!(post.count(good).await, 60, "{}", post.fresh.name);
    assert_eq!(post.events("account.down").await, 0);
    println!(
        "{}: 60 hostile mails in {octets} octets: peak {before} kB before, {} kB after",
        post.fresh.name,
        memory_peak()
    );
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_hostile_mail_blocks_nobody() {
    on_both!(Reach::All, harmed);
}
