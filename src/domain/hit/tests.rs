//! Verdicts, one rule each; whole sessions stand in tests/it/sessions.rs.

use super::*;
use crate::domain::ids::HitId;

const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

fn hit(kind: HitKind, at: i64) -> Hit {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    Hit {
        id: HitId(uuid::Uuid::from_u128(n.into())),
        kind,
        link: (kind == HitKind::Click).then_some(1),
        at: Micros::from_seconds(1_000 + at),
        method: Method::Get,
        agent: BROWSER.to_owned(),
        network: None,
        hint: None,
    }
}

fn delivery(links: usize) -> Delivery {
    Delivery { delivered_at: Some(Micros::from_seconds(1_000)), links }
}

fn single(hit: &Hit) -> Judgement {
    judge_single(hit, &delivery(3), &Books::shipped())
}

#[test]
fn person_with_a_browser_is_one() {
    for (kind, at) in [(HitKind::Open, 60), (HitKind::Open, 5), (HitKind::Click, 90)] {
        let verdict = single(&hit(kind, at));
        assert!(verdict.is_human(), "{verdict:?}");
        assert_eq!(verdict.reasons.len(), 1);
    }
}

#[test]
fn each_sign_of_a_machine_is_enough() {
    let cases: [(Hit, &str); 9] = [
        (Hit { method: Method::Head, ..hit(HitKind::Click, 90) }, "head"),
        (Hit { hint: Some("Sec-Purpose: prefetch".into()), ..hit(HitKind::Click, 90) }, "ahead"),
        (Hit { agent: String::new(), ..hit(HitKind::Open, 90) }, "no user agent"),
        (Hit { agent: "BarracudaSentinel/1.0".into(), ..hit(HitKind::Click, 90) }, "known program"),
        (Hit { agent: "Mozilla/5.0".into(), ..hit(HitKind::Open, 90) }, "Apple"),
        (Hit { network: Some("microsoft".into()), ..hit(HitKind::Click, 90) }, "Microsoft"),
        (hit(HitKind::Hidden, 90), "can't see"),
        (hit(HitKind::Open, 2), "2 s after delivery"),
        (hit(HitKind::Open, -2), "before"),
    ];
    for (hit, why) in cases {
        let verdict = single(&hit);
        assert_eq!(verdict.verdict, Verdict::Machine, "{hit:?}");
        assert!(verdict.confidence >= 0.8 && verdict.confidence <= 1.0, "{verdict:?}");
        assert!(verdict.reasons.iter().any(|r| r.contains(why)), "{why}: {verdict:?}");
    }
}

#[test]
fn proxies_of_mail_services_are_machines_at_delivery_and_people_later() {
    let gmail = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 \
        Safari/537.36 Edge/12.246 Mozilla/5.0";
    let google = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
    let apple = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";
    let at = |agent: &str, at| single(&Hit { agent: agent.into(), ..hit(HitKind::Open, at) });
    assert_eq!(at(gmail, 20).verdict, Verdict::Machine);
    assert_eq!(at(google, 2).verdict, Verdict::Machine);
    assert!(at(google, 3 * 3600).is_human());
    assert!(at(google, 120).is_human());
    assert_eq!(at(apple, 300).verdict, Verdict::Machine);
    assert!(at(apple, 8 * 3600).is_human());
    let bare = at("Mozilla/5.0", 8 * 3600);
    assert!(bare.verdict == Verdict::Human && !bare.is_human(), "{bare:?}");
}

#[test]
fn microsoft_opens_are_left_alone() {
    let open = single(&Hit { network: Some("microsoft".into()), ..hit(HitKind::Open, 90) });
    assert!(open.is_human(), "{open:?}");
}

#[test]
fn hidden_link_makes_machines_of_those_around_it() {
    let hits = [hit(HitKind::Open, 60), hit(HitKind::Click, 80), hit(HitKind::Hidden, 81), hit(HitKind::Click, 102)];
    let verdicts = judge_session(&hits, &delivery(3), &Books::shipped());
    let machines: Vec<bool> = verdicts.iter().map(|v| v.verdict == Verdict::Machine).collect();
    assert_eq!(machines, [false, true, true, false], "{verdicts:?}");
}

#[test]
fn all_links_at_once_is_no_person_and_some_are() {
    let click = |link, at| Hit { link: Some(link), ..hit(HitKind::Click, at) };
    let swept = [click(2, 60), click(1, 62), click(3, 69), click(1, 400)];
    let verdicts = judge_session(&swept, &delivery(3), &Books::shipped());
    let machines: Vec<bool> = verdicts.iter().map(|v| v.verdict == Verdict::Machine).collect();
    assert_eq!(machines, [true, true, true, false], "{verdicts:?}");
    for hits in [vec![click(2, 60), click(1, 62)], vec![click(2, 60), click(1, 65), click(3, 70)]] {
        let verdicts = judge_session(&hits, &delivery(3), &Books::shipped());
        assert!(verdicts.iter().all(Judgement::is_human), "{verdicts:?}");
    }
}

#[test]
fn whoever_asks_for_the_head_first_is_a_machine() {
    let head = Hit { method: Method::Head, ..hit(HitKind::Click, 60) };
    let verdicts = judge_session(&[head, hit(HitKind::Click, 62)], &delivery(3), &Books::shipped());
    assert!(verdicts.iter().all(|v| v.verdict == Verdict::Machine), "{verdicts:?}");
}
