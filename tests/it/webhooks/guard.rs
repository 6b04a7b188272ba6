//! Nothing inside is reached by the address of a webhook, however it is written and whatever its name leads to. Listeners on
//! loopback count connections: there must be none. Each form is tried twice: as somebody would make a webhook of it, and, as if
//! that check were not there, by the client that connects.

use super::receiver::{Receiver, says};
use futures_util::FutureExt;
use liaison::connector::http::{Guard, Http, HttpError, Lookup};
use liaison::domain::webhook::guard::{Allowed, Reach};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// Hosts that are this machine, its network, or lead there.
const INSIDE: &[&str] = &[
    // 127.0.0.1, written in every way that a URL takes.
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F000001",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.1",
    "0177.1",
    "127.0x0.0.01",
    "127.000.000.001",
    "0x7f.0.1",
    "00000177.0.0.1",
    "%31%32%37.0.0.1",
    "127%2E0%2E0%2E1",
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "①②⑦.0.0.1",
    "0x7f000001.",
    "127.0.0.2",
    "127.255.255.254",
    "127.127",
    // All addresses of this machine.
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "0.0",
    "0.0.0",
    "0.1.2.3",
    // Its network, and what a provider of machines answers on.
    "10.0.0.1",
    "10.1",
    "0xa000001",
    "167772161",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "2886729729",
    "192.168.0.1",
    "192.168.1",
    "3232235521",
    "0xc0a80001",
    "0300.0250.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "100.64.0.1",
    "100.127.255.254",
    "192.0.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "198.19.255.255",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "0xffffffff",
    "4294967295",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    // IPv6, and IPv4 in it.
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::FFFF:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:7f00:1::1]",
    "[2002:a00:1::1]",
    "[2002:a9fe:a9fe::1]",
    "[2001::1]",
    "[2001:0:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::1]",
    "[fe80::7f00:1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[ff01::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[2a00::5efe:7f00:1]",
    "[2a00::200:5efe:7f00:1]",
    // Names. All that is not written as an address leads to this machine in this test.
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "localhost.",
    "a.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "127.0.0.1.nip.io",
    "7f000001.rbndr.example",
    "metadata.google.internal",
    "hooks.example",
    "hooks.example.",
    "intranet",
    "xn--hks-snaa.example",
    "kubernetes.default.svc",
];

/// What is no address of a webhook at all, or hides one. `{}` stands for the port.
const TRICKS: &[&str] = &[
    "http://user@127.0.0.1:{}/",
    "http://user:password@127.0.0.1:{}/",
    "https://example.com@127.0.0.1:{}/",
    "http://example.com:80@127.0.0.1:{}/",
    "http://127.0.0.1:{}@127.0.0.1:{}/",
    "http://127.0.0.1:{}\\@example.com/",
    "http:127.0.0.1:{}/",
    "http:/127.0.0.1:{}/",
    "http:\\\\127.0.0.1:{}\\",
    "http:///127.0.0.1:{}/",
    "http:////127.0.0.1:{}/",
    " http://127.0.0.1:{}/",
    "http://127.0.0.1:{}/\n",
    "ht\ntp://127.0.0.1:{}/",
    "http://127.0\t.0.1:{}/",
    "HTTP://127.0.0.1:{}/",
    "http://[::1%25lo]:{}/",
    "http://127.0.0.1:{}/#https://example.com/",
    "http://127.0.0.1:{}?https://example.com/",
    "//127.0.0.1:{}/",
    "127.0.0.1:{}",
    "localhost:{}",
    "ftp://127.0.0.1:{}/",
    "gopher://127.0.0.1:{}/_x",
    "file:///etc/passwd",
    "file://127.0.0.1/x",
    "ws://127.0.0.1:{}/",
    "unix:/run/x.sock",
    "data:text/plain,x",
    "javascript:alert(1)",
    "http://",
    "http://:{}/",
    "https://#",
    "",
];

fn lookup_always(address: &'static str) -> Lookup {
    Arc::new(move |_| std::future::ready(Ok(vec![address.parse().unwrap(), "::1".parse().unwrap()])).boxed())
}

fn client(reach: &Reach, lookup: Lookup) -> Http {
    let reach = reach.clone();
    let guard: Guard = Arc::new(move |host, address| reach.lets(host, address));
    Http::guarded(guard, lookup).unwrap()
}

async fn post(http: &Http, url: &Url) -> Result<u16, HttpError> {
    let limits = (Duration::from_secs(5), 100);
    http.post_json(url, &[], b"{}".to_vec(), limits).await.map(|answer| answer.status)
}

#[tokio::test]
async fn nothing_inside_is_reached_however_it_is_written() {
    let listener = Receiver::on("0.0.0.0:0".parse().unwrap(), |_| says(200));
    let port = listener.at.port();
    // The same on IPv6, where this machine has it.
    let on_v6 = std::net::TcpListener::bind(("::1", port)).ok();
    if let Some(on_v6) = &on_v6 {
        on_v6.set_nonblocking(true).unwrap();
    }
    let mut forms: Vec<String> = Vec::new();
    for host in INSIDE {
        forms.extend(["http", "https"].map(|scheme| format!("{scheme}://{host}:{port}/hook")));
    }
    forms.extend(TRICKS.iter().map(|trick| trick.replace("{}", &port.to_string())));
    assert!(INSIDE.len() + TRICKS.len() >= 120 && forms.len() > 200, "{}", forms.len());
    let reach = Reach::default();
    let http = client(&reach, lookup_always("127.0.0.1"));
    let mut refused_when_made = 0;
    for form in &forms {
        refused_when_made += usize::from(reach.check(form).is_err());
        if let Ok(url) = Url::parse(form)
            && url.has_host()
            && matches!(url.scheme(), "http" | "https")
            && url.host_str() != Some("example.com")
        {
            let told = post(&http, &url).await;
            assert!(matches!(told, Err(HttpError::NotAllowed(_))), "{form}: {told:?}");
        }
        assert_eq!(listener.connections.load(Ordering::SeqCst), 0, "{form} reached this machine");
    }
    for trick in TRICKS {
        assert!(reach.check(&trick.replace("{}", "80")).is_err(), "{trick}");
    }
    // What is left are names over https: what they lead to is known only when they are looked up.
    let names = INSIDE.iter().filter(|host| reach.check(&format!("https://{host}/")).is_ok()).count();
    assert_eq!(refused_when_made, forms.len() - names);
    assert!((1..15).contains(&names), "{names} names");
    assert!(on_v6.is_none_or(|listener| listener.accept().is_err()), "IPv6");

    // And where the configuration allows it, it is reached: so the listener does count.
    let reach = Reach { allowed: vec![Allowed::read("127.0.0.1").unwrap()], only_allowed: false };
    let http = client(&reach, lookup_always("127.0.0.1"));
    for form in [format!("http://2130706433:{port}/"), format!("http://hooks.example:{port}/")] {
        assert_eq!(post(&http, &form.parse().unwrap()).await, Ok(200));
    }
    assert_eq!(listener.connections.load(Ordering::SeqCst), 2);
    println!("{} forms of addresses, inside targets reached: 0", forms.len());
}

/// A name that changes what it leads to between two looks: only what was looked at is connected to.
#[tokio::test]
async fn name_that_leads_elsewhere_a_moment_later_reaches_nothing_inside() {
    let hangs_up = "Connection: close\r\n";
    let answer = move |_: &super::receiver::Received| super::receiver::Says { head: hangs_up.into(), ..says(200) };
    let outside = Receiver::on("127.0.0.2:0".parse().unwrap(), answer);
    let inside = Receiver::on(format!("127.0.0.1:{}", outside.at.port()).parse().unwrap(), answer);
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    let turning: Lookup = Arc::new(move |_| {
        let n = counted.fetch_add(1, Ordering::SeqCst);
        let found: &[&str] = match n % 3 {
            0 => &["127.0.0.2"],
            1 => &["127.0.0.1"],
            _ => &["127.0.0.1", "::1", "127.0.0.2"],
        };
        std::future::ready(Ok(found.iter().map(|a| a.parse().unwrap()).collect())).boxed()
    });
    let asked: Arc<Mutex<HashMap<IpAddr, usize>>> = Arc::default();
    let (reach, noted) =
        (Reach { allowed: vec![Allowed::read("127.0.0.2").unwrap()], only_allowed: false }, asked.clone());
    let guard: Guard = Arc::new(move |host, address| {
        *noted.lock().unwrap().entry(address).or_default() += 1;
        reach.lets(host, address)
    });
    let http = Http::guarded(guard, turning).unwrap();
    let url: Url = format!("http://turning.example:{}/", outside.at.port()).parse().unwrap();
    for round in 0..9 {
        let told = post(&http, &url).await;
        let refused = matches!(told, Err(HttpError::NotAllowed(_)));
        assert!(if round % 3 == 1 { refused } else { told == Ok(200) }, "{round}: {told:?}");
    }
    assert_eq!(looks.load(Ordering::SeqCst), 9, "each connection is looked up anew");
    assert_eq!(outside.connections.load(Ordering::SeqCst), 6);
    assert_eq!(inside.connections.load(Ordering::SeqCst), 0);
    assert!(asked.lock().unwrap()[&"127.0.0.1".parse::<IpAddr>().unwrap()] >= 6);
}
