//! Every rule alone.

use super::*;
use crate::domain::stage::Stage;
use serde_json::json;

const NOW: Micros = Micros(1_772_355_600_000_000); // Sunday 2026-03-01T09:00:00Z
const DAY: Duration = Duration::from_hours(24);

fn stage(id: &str, kind: StageKind, enter_on: &[StageSignal]) -> Stage {
    Stage {
        id: id.into(),
        name: id.to_owned(),
        kind,
        start: id == "prospect",
        enter_on: enter_on.to_vec(),
        answer_within: None,
        reopen_after: None,
    }
}

fn stages() -> Stages {
    let path = [
        ("prospect", &[][..]),
        ("contacted", &[StageSignal::Sent]),
        ("engaged", &[StageSignal::Clicked]),
        ("in_talks", &[StageSignal::Replied]),
        ("agreed", &[StageSignal::AgreementSigned]),
    ];
    let mut list: Vec<Stage> = path.iter().map(|(id, on)| stage(id, StageKind::Path, on)).collect();
    list.push(stage("no_response", StageKind::Dormant, &[]));
    list.push(stage("declined", StageKind::Declined, &[]));
    list.push(stage("opted_out", StageKind::Closed, &[]));
    Stages::new(list, Vec::new()).unwrap()
}

#[allow(clippy::needless_pass_by_value, reason = "each case writes its data where it stands")]
fn decide_in(at: &str, pin: Pin, what: EventType, data: Value) -> Vec<Consequence> {
    let (stages, at) = (stages(), StageId::from(at));
    let standing = Standing { stage: &at, pin, stages: Some(&stages) };
    Happened::read(what, Some(&data)).map(|h| decide(&h, Some(standing), NOW)).unwrap_or_default()
}

fn free(at: &str, what: EventType, data: Value) -> Vec<Consequence> {
    decide_in(at, Pin::Free, what, data)
}

fn answered(at: &str, verdict: &str) -> Vec<Consequence> {
    free(at, EventType::ThreadReplied, json!({"answer": {"verdict": verdict}}))
}

fn moved(to: &str) -> Consequence {
    Consequence::Move(to.into())
}

fn asks(all: &[Consequence], kind: TaskKind) -> bool {
    all.iter().any(|c| matches!(c, Consequence::Task(k, ..) if *k == kind))
}

#[test]
fn an_accepted_send_makes_a_prospect_contacted_and_lowers_nobody() {
    assert_eq!(free("prospect", EventType::MessageSent, json!({})), [moved("contacted")]);
    for at in ["contacted", "engaged", "in_talks", "agreed", "no_response", "declined", "opted_out", "unknown"] {
        assert_eq!(free(at, EventType::MessageSent, json!({})), [], "{at}");
    }
    assert_eq!(decide_in("prospect", Pin::Pinned, EventType::MessageSent, json!({})), []);
}

#[test]
fn only_a_click_that_is_surely_human_engages() {
    let click = |data| free("contacted", EventType::MessageClicked, data);
    assert_eq!(click(json!({"machine": false, "confidence": 0.8})), [moved("engaged")]);
    assert_eq!(click(json!({"machine": false, "confidence": 0.79})), []);
    assert_eq!(click(json!({"machine": true, "confidence": 1.0})), []);
    assert_eq!(click(json!({"machine": false})), []);
    assert_eq!(click(json!({"confidence": 0.9})), []);
}

#[test]
fn an_open_never_moves_anybody() {
    for at in stages().all() {
        let data = json!({"machine": false, "confidence": 1.0});
        assert_eq!(free(at.id.as_str(), EventType::MessageOpened, data), []);
    }
}

#[test]
fn a_reply_ends_runs_raises_and_lifts_the_silent() {
    for (at, to) in
        [("prospect", true), ("contacted", true), ("no_response", true), ("agreed", false), ("declined", false)]
    {
        let mut expected = vec![Consequence::End(Ending::Replied)];
        expected.extend(to.then(|| moved("in_talks")));
        assert_eq!(answered(at, "none"), expected, "{at}");
    }
    assert_eq!(free("contacted", EventType::ThreadReplied, json!({})).len(), 2, "an answer that nobody judged");
    let pinned = decide_in("contacted", Pin::Pinned, EventType::ThreadReplied, json!({}));
    assert_eq!(pinned, [Consequence::End(Ending::Replied)]);
}

#[test]
fn a_refusal_declines_before_agreed_and_asks_a_person_later() {
    for at in ["prospect", "in_talks", "no_response"] {
        assert_eq!(answered(at, "refusal"), [Consequence::End(Ending::Refused), moved("declined")], "{at}");
    }
    let late = answered("agreed", "refusal");
    assert!(asks(&late, TaskKind::Stage) && late.contains(&Consequence::End(Ending::Refused)), "{late:?}");
    assert!(asks(
        &decide_in("contacted", Pin::Pinned, EventType::ThreadReplied, json!({"answer": {"verdict": "refusal"}})),
        TaskKind::Stage
    ));
    assert!(asks(&answered("gone_from_the_file", "refusal"), TaskKind::Stage));
    for at in ["declined", "opted_out"] {
        assert_eq!(answered(at, "refusal"), [Consequence::End(Ending::Refused)], "{at}");
    }
}

#[test]
fn an_opt_out_suppresses_everything_of_an_influencer_and_closes() {
    let all = [Consequence::End(Ending::OptedOut), Consequence::Suppress(Whose::Everything), moved("opted_out")];
    for at in ["prospect", "in_talks", "no_response", "declined"] {
        assert_eq!(answered(at, "opt_out"), all, "{at}");
        assert_eq!(free(at, EventType::InfluencerUnsubscribed, json!({})), all, "{at}");
        let token = json!({"kind": "automatic", "role": "author", "unsubscribe_token": "t"});
        let with_token = free(at, EventType::MessageReceived, token);
        assert_eq!((&with_token[0], &with_token[1..]), (&Consequence::Redeem("t".into()), &all[..]), "{at}");
    }
    let late = answered("agreed", "opt_out");
    assert!(late.contains(&Consequence::Suppress(Whose::Everything)) && asks(&late, TaskKind::Stage), "{late:?}");
}

#[test]
fn an_agents_opt_out_is_the_agents_alone() {
    let agent = AgentId(uuid::Uuid::from_u128(4));
    let all = free("contacted", EventType::ThreadReplied, json!({"by_agent": agent, "answer": {"verdict": "opt_out"}}));
    assert!(all.contains(&Consequence::Suppress(Whose::Writer)) && asks(&all, TaskKind::Answer), "{all:?}");
    assert!(all.contains(&Consequence::End(Ending::Refused)));
    assert!(!all.iter().any(|c| matches!(c, Consequence::Move(_) | Consequence::Suppress(Whose::Everything))));
}

#[test]
fn an_answer_no_rule_can_judge_ends_runs_and_is_read_by_a_person() {
    let all = answered("no_response", "unsure");
    assert!(all.contains(&Consequence::End(Ending::Unclear)) && asks(&all, TaskKind::Answer), "{all:?}");
    assert!(!all.iter().any(|c| matches!(c, Consequence::Move(_))));
    assert_eq!(answered("contacted", "read"), [Consequence::End(Ending::Unclear)]);
}

#[test]
fn a_stranger_in_the_thread_ends_runs_and_an_unassigned_message_holds_them() {
    let wrote = |waiting: &str, kind: &str| {
        free("contacted", EventType::MessageReceived, json!({"kind": kind, "role": "recipient", "waiting": waiting}))
    };
    assert_eq!(wrote("alias_proposed", "human"), [Consequence::End(Ending::Unclear)]);
    assert_eq!(wrote("alias_proposed", "automatic"), []);
    for waiting in ["agent_unassigned", "unknown_sender"] {
        let all = wrote(waiting, "human");
        assert_eq!(all[0], Consequence::Hold(HoldSource::Unassigned, Some(NOW.plus(HOLD_UNASSIGNED)), UNASSIGNED));
        assert!(matches!(all[1], Consequence::Task(TaskKind::Answer, About::Message, _)));
        assert_eq!(all.len(), 2);
    }
    for waiting in ["alias_proposed", "agent_unassigned", "unknown_sender"] {
        let data = json!({"kind": "human", "role": "recipient", "waiting": waiting, "answer": {"verdict": "opt_out"}});
        let all = free("contacted", EventType::MessageReceived, data.clone());
        assert!(all.contains(&Consequence::Suppress(Whose::Writer)) && asks(&all, TaskKind::Answer), "{all:?}");
        assert!(all.contains(&Consequence::Hold(HoldSource::Unassigned, None, UNASSIGNED)), "{all:?}");
        let of_nobody = Happened::read(EventType::MessageReceived, Some(&data)).unwrap();
        assert_eq!(decide(&of_nobody, None, NOW), [Consequence::Suppress(Whose::Writer)]);
    }
    for verdict in ["refusal", "unsure"] {
        let data = json!({"kind": "human", "waiting": "agent_unassigned", "answer": {"verdict": verdict}});
        let all = free("contacted", EventType::MessageReceived, data);
        assert_eq!(all[0], Consequence::Hold(HoldSource::Unassigned, None, UNASSIGNED), "{verdict}");
        assert_eq!(all.len(), 2, "{all:?}");
    }
    assert_eq!(decide(&Happened::Unassigned(Answer::Talk), None, NOW), []);
    let copied = json!({"kind": "human", "role": "cc", "waiting": null});
    assert_eq!(free("contacted", EventType::MessageReceived, copied), []);
}

#[test]
fn away_holds_until_a_business_day_after_the_return_and_changes_no_stage() {
    let data = json!({"kind": "out_of_office", "role": "author", "back_on": "2026-03-10"});
    let day = |text: &str| Day::parse(text).unwrap();
    assert_eq!(free("contacted", EventType::MessageReceived, data), [Consequence::HoldAway(Some(day("2026-03-10")))]);
    let unclear = json!({"kind": "out_of_office", "role": "author", "back_on": "soon"});
    assert_eq!(free("contacted", EventType::MessageReceived, unclear), [Consequence::HoldAway(None)]);
    let (utc, none) = (Zone::utc(), Calendar::default());
    let held = |back: &str, zone: &str, country: Option<&str>| {
        let calendar = country.and_then(Calendar::shipped).map_or_else(Calendar::default, Result::unwrap);
        hold_until(Some(day(back)), NOW, &Zone::named(zone).unwrap(), &calendar).unwrap().to_string()
    };
    for (back, until) in [
        ("2026-03-10", "2026-03-11"), // a Tuesday
        ("2026-03-13", "2026-03-16"), // from Friday to Monday
        ("2026-03-14", "2026-03-17"), // Saturday: back at work on Monday
    ] {
        assert_eq!(held(back, "UTC", None), format!("{until}T00:00:00.000000Z"), "{back}");
    }
    assert_eq!(held("2026-03-10", "America/Sao_Paulo", None), "2026-03-11T03:00:00.000000Z", "their midnight");
    // Back on Thursday before Easter; in Germany, Friday and Monday are holidays.
    assert_eq!(held("2026-04-02", "Europe/Berlin", Some("de")), "2026-04-06T22:00:00.000000Z");
    assert_eq!(held("2026-04-02", "Europe/Berlin", None), "2026-04-02T22:00:00.000000Z");
    assert_eq!(hold_until(None, NOW, &utc, &none), Some(NOW.plus(7 * DAY)));
    assert_eq!(hold_until(Some(day("2025-12-01")), NOW, &utc, &none), None, "they are back already");
    assert_eq!(hold_until(Some(day("2099-01-01")), NOW, &utc, &none), Some(NOW.plus(HOLD_MAX)));
}

#[test]
fn a_machines_no_holds_and_is_read_by_a_person() {
    for verdict in ["opt_out", "refusal", "unsure"] {
        let data = json!({"kind": "automatic", "role": "author", "waiting": null, "answer": {"verdict": verdict}});
        let all = free("contacted", EventType::MessageReceived, data);
        assert!(matches!(all[0], Consequence::Hold(_, None, MACHINE)), "{all:?}");
        assert!(matches!(all[1], Consequence::Task(TaskKind::Refusal, About::Person, _)), "{all:?}");
        assert_eq!(all.len(), 2, "{all:?}");
    }
    let ticket = json!({"kind": "automatic", "role": "author", "answer": {"verdict": "neither"}});
    assert_eq!(free("contacted", EventType::MessageReceived, ticket), []);
    // In their thread, from an address of nobody: perhaps theirs.
    let strange =
        json!({"kind": "automatic", "role": "shown", "waiting": "alias_proposed", "answer": {"verdict": "opt_out"}});
    let all = free("contacted", EventType::MessageReceived, strange);
    assert!(matches!(all[0], Consequence::Hold(HoldSource::Unassigned, None, UNASSIGNED)), "{all:?}");
    assert!(asks(&all, TaskKind::Answer) && all.len() == 2, "{all:?}");
    for (waiting, verdict, is_asked) in [
        ("unknown_sender", "unsure", true),
        ("agent_unassigned", "refusal", true),
        ("agent_unassigned", "unsure", false),
    ] {
        let data = json!({"kind": "automatic", "waiting": waiting, "answer": {"verdict": verdict}});
        let all = free("contacted", EventType::MessageReceived, data);
        assert_eq!(asks(&all, TaskKind::Answer), is_asked, "{waiting} {verdict}: {all:?}");
    }
    let copied = json!({"kind": "automatic", "role": "cc", "answer": {"verdict": "opt_out"}});
    assert_eq!(free("contacted", EventType::MessageReceived, copied), []);
}

#[test]
fn someone_who_left_leaves_a_dead_address_and_a_task_that_names_the_other_one() {
    let mut data =
        json!({"kind": "gone", "role": "author", "gone_address": "ana@old.example", "instead": "bo@old.example"});
    let unsure = free("contacted", EventType::MessageReceived, data.clone());
    assert_eq!(unsure[0], Consequence::Hold(HoldSource::Gone, Some(NOW.plus(HOLD_UNASSIGNED)), GONE));
    assert!(matches!(&unsure[1..], [Consequence::Task(TaskKind::Address, About::Person, _)]), "{unsure:?}");
    data["sure"] = json!(true);
    let all = free("contacted", EventType::MessageReceived, data);
    assert_eq!(all[..2], [Consequence::Dead(Some("ana@old.example".into())), Consequence::EndIfUnreachable]);
    assert!(matches!(&all[2], Consequence::Task(TaskKind::Address, _, text) if text.contains("bo@old.example")));
}

#[test]
fn bounces_and_complaints_do_what_their_severity_says() {
    let bounce = |severity: &str| {
        free("contacted", EventType::MessageBounced, json!({"severity": severity, "address": "a@b.example"}))
    };
    assert_eq!(bounce("hard"), [Consequence::EndIfUnreachable]);
    assert_eq!(bounce("soft"), [Consequence::CountSoft("a@b.example".into())]);
    assert_eq!(bounce("policy"), [Consequence::PauseAccount]);
    assert_eq!(bounce("unknown"), []);
    let token = Happened::Token("t".into(), None);
    assert_eq!(decide(&token, None, NOW), [Consequence::Redeem("t".into())]);
    let nobody = Happened::Bounced(Bounce::Policy, String::new());
    assert_eq!(decide(&nobody, None, NOW), [Consequence::PauseAccount]);
    assert_eq!(
        free("contacted", EventType::MessageComplained, json!({})),
        [Consequence::End(Ending::Complained), Consequence::Suppress(Whose::Everything)]
    );
    let among = free("contacted", EventType::MessageComplained, json!({"among": ["a@b.example", "c@d.example"]}));
    assert!(matches!(among[0], Consequence::Hold(HoldSource::Complaint, None, _)) && asks(&among, TaskKind::Refusal));
    assert_eq!(among.len(), 2, "nobody is suppressed, no run ends: {among:?}");
    assert_eq!(free("contacted", EventType::MessageRejected, json!({})), [Consequence::EndIfUnreachable]);
}

#[test]
fn without_published_stages_nobody_is_moved_and_runs_still_end() {
    let at = StageId::from("prospect");
    let standing = Standing { stage: &at, pin: Pin::Free, stages: None };
    assert_eq!(decide(&Happened::Sent, Some(standing), NOW), []);
    let refusal = Happened::Answered(Answer::Refusal, None);
    assert_eq!(decide(&refusal, Some(standing), NOW), [Consequence::End(Ending::Refused)]);
}
