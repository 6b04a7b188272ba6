//! The judge over whole sessions and over agents: sessions made up by hand (tests/fixtures/sessions.toml), agents of real
//! browsers in the forms their makers publish, put together here, and a third party's list of machines.

use liaison::domain::hit::{Books, Delivery, Hit, Judgement, Method, Sort, judge_session};
use liaison::domain::ids::HitId;
use liaison::domain::time::Micros;
use liaison::domain::words::Verdict;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Sessions {
    agents: HashMap<String, String>,
    session: Vec<Session>,
}

#[derive(Deserialize)]
struct Session {
    name: String,
    verdict: Verdict,
    links: usize,
    because: String,
    hits: Vec<String>,
}

fn read() -> Sessions {
    toml::from_str(include_str!("../fixtures/sessions.toml")).unwrap()
}

fn hit_of(n: usize, text: &str, agents: &HashMap<String, String>) -> Hit {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (kind, link) = match words[1].split_once(':') {
        Some((kind, link)) => (kind, Some(link.parse().unwrap())),
        None => (words[1], None),
    };
    let rest = &words[3..];
    Hit {
        id: HitId(uuid::Uuid::from_u128(n as u128 + 1)),
        kind: kind.parse().unwrap(),
        link,
        at: Micros::from_seconds(1_000_000 + words[0].parse::<i64>().unwrap()),
        method: if rest.contains(&"HEAD") { Method::Head } else { Method::Get },
        agent: agents[words[2]].clone(),
        network: rest.contains(&"microsoft").then(|| "microsoft".to_owned()),
        hint: rest.iter().find_map(|w| w.strip_prefix("hint=")).map(|h| h.replace(':', ": ")),
    }
}

#[test]
fn made_up_sessions_are_judged_right_and_say_why() {
    let Sessions { agents, session } = read();
    let books = Books::shipped();
    let mut wrong = Vec::new();
    for s in &session {
        let hits: Vec<Hit> = s.hits.iter().enumerate().map(|(n, text)| hit_of(n, text, &agents)).collect();
        let delivery = Delivery { delivered_at: Some(Micros::from_seconds(1_000_000)), links: s.links };
        let verdicts = judge_session(&hits, &delivery, &books);
        let sure = |v: &Judgement| v.verdict == s.verdict && v.confidence >= 0.8 && v.confidence <= 1.0;
        let said = verdicts.iter().any(|v| v.reasons.iter().any(|r| r.contains(&s.because)));
        if !verdicts.iter().all(sure) || !said {
            wrong.push(format!("{}: {verdicts:?}", s.name));
        }
    }
    let count = |verdict| session.iter().filter(|s| s.verdict == verdict).count();
    assert_eq!((count(Verdict::Human), count(Verdict::Machine)), (30, 30));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn order_of_hits_does_not_matter() {
    let Sessions { agents, session } = read();
    let books = Books::shipped();
    for s in &session {
        let mut hits: Vec<Hit> = s.hits.iter().enumerate().map(|(n, text)| hit_of(n, text, &agents)).collect();
        let delivery = Delivery { delivered_at: Some(Micros::from_seconds(1_000_000)), links: s.links };
        let forward = judge_session(&hits, &delivery, &books);
        hits.reverse();
        let mut backward = judge_session(&hits, &delivery, &books);
        backward.reverse();
        let verdicts = |list: Vec<Judgement>| list.into_iter().map(|j| j.verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(forward), verdicts(backward), "{}", s.name);
    }
}

/// Agents of people: browsers, in-app browsers and mail programs, over versions and platforms. Put together from the forms
/// their makers publish; not a sample of anyone's traffic.
fn agents_of_people() -> Vec<String> {
    let mut all = Vec::new();
    let desks = [
        "Windows NT 10.0; Win64; x64",
        "Windows NT 6.1; WOW64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "X11; Linux x86_64",
        "X11; CrOS x86_64 14541.0.0",
    ];
    let phones = [
        "Linux; Android 10; K",
        "Linux; Android 13; SM-S901B",
        "Linux; Android 14; Pixel 8 Pro",
        "Linux; Android 12; M2102J20SG Build/SKQ1.211006.001",
        "Linux; Android 9; CUBOT_NOTE_20",
        "Linux; Android 11; Lenovo TB-X606F",
    ];
    for version in (90..=140).step_by(5) {
        for desk in desks {
            let chrome = format!(
                "Mozilla/5.0 ({desk}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
            );
            all.push(format!("{chrome} Edg/{version}.0.2210.91"));
            all.push(format!("{chrome} OPR/{}.0.0.0", version - 14));
            all.push(format!("{chrome} Vivaldi/6.{}", version % 10));
            all.push(chrome);
        }
        for phone in phones {
            let start = format!("Mozilla/5.0 ({phone}) AppleWebKit/537.36 (KHTML, like Gecko)");
            all.push(format!("{start} Chrome/{version}.0.6099.144 Mobile Safari/537.36"));
            all.push(format!("{start} SamsungBrowser/{}.0 Chrome/{version}.0.0.0 Mobile Safari/537.36", version / 5));
            all.push(format!("{start} Version/4.0 Chrome/{version}.0.0.0 Mobile Safari/537.36 Instagram 300.0.0.29.110 Android (33/13; 420dpi)"));
        }
    }
    for version in (78..=133).step_by(5) {
        for desk in [
            "Windows NT 10.0; Win64; x64",
            "Macintosh; Intel Mac OS X 10.15",
            "X11; Ubuntu; Linux x86_64",
            "Android 13; Mobile",
        ] {
            all.push(format!("Mozilla/5.0 ({desk}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"));
            all.push(format!("Mozilla/5.0 ({desk}; rv:{version}.0) Gecko/20100101 Thunderbird/{version}.4.1"));
        }
    }
    for (ios, safari) in [("15_8", "15.6"), ("16_7_2", "16.6"), ("17_5_1", "17.5"), ("18_1", "18.1")] {
        for device in ["iPhone; CPU iPhone OS", "iPad; CPU OS"] {
            let start = format!("Mozilla/5.0 ({device} {ios} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)");
            all.push(format!("{start} Version/{safari} Mobile/15E148 Safari/604.1"));
            all.push(format!("{start} Mobile/15E148"));
            all.push(format!("{start} CriOS/120.0.6099.119 Mobile/15E148 Safari/604.1"));
            all.push(format!("{start} FxiOS/121.0 Mobile/15E148 Safari/605.1.15"));
            all.push(format!("{start} EdgiOS/120.0.2210.150 Version/{safari} Mobile/15E148 Safari/604.1"));
            all.push(format!("{start} GSA/298.0.595435837 Mobile/15E148 Safari/604.1"));
            all.push(format!(
                "{start} Mobile/15E148 [FBAN/FBIOS;FBAV/443.0.0.23.229;FBBV/1;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS]"
            ));
        }
        all.push(format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{safari} Safari/605.1.15"));
    }
    all.push("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)".into());
    all.push("Outlook-iOS/2.0".into());
    all.push("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; Microsoft Outlook 16.0.5056; ms-office; MSOffice 16)".into());
    all.push("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko".into());
    all
}

fn is_machine(sort: &Sort) -> bool {
    matches!(sort, Sort::None | Sort::Machine(_) | Sort::Odd(_) | Sort::Bare)
}

#[test]
fn agents_of_people_are_rarely_called_machines() {
    let agents = agents_of_people();
    let books = Books::shipped();
    let mistaken: Vec<&String> = agents.iter().filter(|a| is_machine(&books.agents.sort(a))).collect();
    println!("{} agents of people, {} called machines", agents.len(), mistaken.len());
    assert!(agents.len() >= 400, "{}", agents.len());
    assert!(mistaken.len() * 200 <= agents.len(), "{mistaken:#?}");
}

#[test]
fn agents_of_machines_are_known() {
    let Some(folder) = std::env::var_os("LIAISON_CORPORA") else {
        return crate::peers::skip("agents of machines (LIAISON_CORPORA)");
    };
    let file = std::path::Path::new(&folder).join("bots/crawler-user-agents.json");
    let list: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let agents: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|entry| entry["instances"].as_array().unwrap())
        .map(|agent| agent.as_str().unwrap())
        .collect();
    let books = Books::shipped();
    let missed: Vec<&&str> = agents.iter().filter(|a| !is_machine(&books.agents.sort(a))).collect();
    let recall = 1.0 - missed.len() as f64 / agents.len() as f64;
    println!("{} agents of machines, recall {recall:.4}; missed: {missed:#?}", agents.len());
    assert!(agents.len() > 2_000 && recall >= 0.993, "{recall}: {missed:#?}");
}
