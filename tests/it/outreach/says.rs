//! Steps on channels that are no mail: who gets them, in which hours, from which account, and what stands in for them.

use super::world::{World, definition, email, house, instant, told};
use crate::{seed, stores};
use liaison::domain::chat;
use liaison::domain::ids::{AddressId, AgentId, InfluencerId, LedgerId, RunId};
use liaison::domain::mail::Mailbox;
use liaison::domain::people::{Address, Agent, Consent, Person};
use liaison::domain::sequence::{Definition, Step, StepKind, ZoneRule};
use liaison::domain::sms::ConsentReading;
use liaison::domain::words::{Channel, Direction, EnrollmentState, Kind, Phase, StepState};
use liaison::hub::enqueue::AccountFrom;
use liaison::hub::outreach::house::{Desk, House, Sender};
use liaison::hub::outreach::pause::{self, Target};
use liaison::hub::said::{self, Saying};
use liaison::hub::settle::{self, Settlement};
use liaison::outbound::SendingSettings;
use liaison::outbound::rehearsal::accept_at_most;
use liaison::sequence::Cadence;
use liaison::store::lease::poll_lease;

const OURS: &str = "+14155550100";

/// The same house with a number and a workspace.
pub(super) fn talking() -> House {
    let mut house = house();
    let mailbox = house.accounts["brand"].clone();
    let voice = |name: &str, channel, address: &str| Sender {
        from: AccountFrom { name: name.to_owned(), address: address.to_owned(), display_name: String::new() },
        channel,
        send_hours: if channel == Channel::Sms { vec!["08:00-21:00".parse_range()] } else { Vec::new() },
        ..mailbox.clone()
    };
    house.accounts.insert("text".to_owned(), voice("text", Channel::Sms, OURS));
    house.accounts.insert("team".to_owned(), voice("team", Channel::Slack, ""));
    house
}

pub(super) trait ParseRange {
    fn parse_range(&self) -> liaison::domain::schedule::Range;
}

impl ParseRange for str {
    fn parse_range(&self) -> liaison::domain::schedule::Range {
        liaison::domain::schedule::Range::parse(self).unwrap()
    }
}

pub(super) fn says(id: &str, after: Option<&str>, channel: Channel, text: &str) -> Step {
    Step { kind: StepKind::Say { channel, text: text.to_owned() }, ..email(id, after, "intro.md") }
}

/// A mail, then a text a day later; who can't get it gets a mail.
pub(super) fn two_ways() -> Definition {
    let mut text = says(
        "text",
        Some("1 day"),
        Channel::Sms,
        "Hi {{ first_name }}, {{ influencer.handle }}! Reply STOP to opt out",
    );
    text.otherwise = Some(StepKind::Email { templates: vec!["nudge.md".to_owned()], split: vec![100] });
    definition("spring", vec![email("intro", None, "intro.md"), text, email("last", Some("1 day"), "last.md")])
}

impl World {
    pub(super) async fn reached_at(&self, who: InfluencerId, channel: Channel, value: &str, agreed: bool) {
        let mut tx = self.fresh.store.begin("test").await.unwrap();
        let address = Address {
            id: AddressId(self.clock.new_id()),
            channel,
            value: value.to_owned(),
            value_key: value.to_owned(),
            person: Person::Influencer(who),
            is_primary: true,
            dead_at: None,
            dead_reason: None,
            created_at: self.clock.now(),
        };
        tx.insert_addresses(&[address]).await.unwrap();
        if agreed {
            let consent = Consent {
                id: LedgerId(self.clock.new_id()),
                channel,
                value_key: value.to_owned(),
                source: "form".to_owned(),
                evidence: "a form".to_owned(),
                at: self.clock.now(),
                withdrawn_at: None,
            };
            tx.insert_consents(&[consent]).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Something they say.
    pub(super) async fn hears(&self, who: InfluencerId, channel: Channel, account: &str, text: &str) {
        let mut tx = self.fresh.store.begin("test").await.unwrap();
        let saying = Saying {
            channel,
            account: account.to_owned(),
            direction: Direction::Inbound,
            kind: Kind::Human,
            placed: said::theirs(who, None, Direction::Inbound),
            conversation: chat::conversation_key(account, text),
            subject: String::new(),
            author: Mailbox { name: String::new(), address: "+14155550199".to_owned() },
            to: Vec::new(),
            text: text.to_owned(),
            at: self.clock.now(),
            print: said::print_of(text),
            meaning: None,
            consent: ConsentReading::None,
            raw: None,
            attachments: None,
            fires: true,
        };
        said::enter(&mut tx, &self.clock, saying).await.unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_text_goes_to_who_agreed_and_a_mail_to_who_did_not() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        world.publish(vec![two_ways()]).await;
        let zone = Some("America/New_York");
        let (ana, bo, cy) = (world.person(zone).await, world.person(zone).await, world.person(zone).await);
        world.reached_at(ana, Channel::Sms, "+14155550141", true).await;
        world.reached_at(bo, Channel::Sms, "+14155550142", false).await;
        let runs = world.enroll("spring", &[ana, bo, cy]).await;
        let sent = world.run_until("2026-11-03T15:00:00Z").await;
        let name = world.fresh.name;
        let mut tx = world.fresh.store.read().await.unwrap();
        let mut got = Vec::new();
        for one in sent.iter().filter(|one| one.step == "text") {
            let view = tx.get_message_view(one.id).await.unwrap().unwrap();
            got.push((one.who, view.channel, view.account.clone(), view.text.clone()));
        }
        assert_eq!(got.len(), 3, "{name} {:?}", told(&sent));
        for (who, channel, account, text) in &got {
            if *who == ana {
                assert_eq!((*channel, account.as_str()), (Channel::Sms, "text"), "{name}");
                assert!(text.starts_with("Hi ") && text.ends_with("! Reply STOP to opt out"), "{text}");
            } else {
                assert_eq!((*channel, account.as_str()), (Channel::Email, "brand"), "{name}");
                assert!(text.contains("Did my note reach you"), "{text}");
            }
        }
        drop(tx);
        for (run, kind) in runs.iter().zip(["sms", "email", "email"]) {
            let steps = world.steps_of(run.clone().unwrap()).await;
            let step = steps.iter().find(|step| step.step == "text").unwrap();
            assert_eq!((step.kind.as_str(), step.state), (kind, StepState::Sent), "{name}");
            // The run still hears from its mailbox.
            assert_eq!(world.run_of(run.clone().unwrap()).await.account, "brand");
        }
        // And goes on, in the thread of its mail.
        let sent = world.run_until("2026-11-05T00:00:00Z").await;
        assert_eq!(sent.iter().filter(|one| one.step == "last").count(), 3, "{name} {:?}", told(&sent));
    }
}

#[tokio::test]
async fn a_text_keeps_to_the_hours_of_whoever_gets_it() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mut sequence = two_ways();
        sequence.schedule.hours = vec!["00:00-24:00".to_owned()];
        sequence.steps[1].after = Some("15h".to_owned());
        world.publish(vec![sequence]).await;
        // Nobody says where she is: her number does.
        let ana = world.person(None).await;
        world.reached_at(ana, Channel::Sms, "+442071838750", true).await;
        world.enroll("spring", &[ana]).await;
        let sent = world.run_until("2026-11-04T00:00:00Z").await;
        // The mail at 14:00 UTC; 15 hours later it is 05:00 in London, where texts go out from 08:00 on.
        assert_eq!(told(&sent)[..2], ["2026-11-02T14:00Z intro", "2026-11-03T08:00Z text"], "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn consent_is_asked_again_right_before_it_goes_out() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mut sequence = two_ways();
        // Planned a night before it goes.
        sequence.steps[1].after = Some("12h".to_owned());
        world.publish(vec![sequence]).await;
        let ana = world.person(Some("America/New_York")).await;
        world.reached_at(ana, Channel::Sms, "+14155550141", true).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.run_until("2026-11-03T08:00:00Z").await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        tx.withdraw_consents(Channel::Sms, "+14155550141", world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-03T16:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-03T14:00Z text"], "{}", world.fresh.name);
        let view = world.fresh.store.read().await.unwrap().get_message_view(sent[0].id).await.unwrap().unwrap();
        assert_eq!(view.channel, Channel::Email, "what stands under else");
        let steps = world.steps_of(run).await;
        assert_eq!(steps.iter().find(|step| step.step == "text").unwrap().kind, "email");
    }
}

#[tokio::test]
async fn an_answer_anywhere_stops_what_is_due_everywhere() {
    for fresh in stores::both().await {
        for (channel, account) in [(Channel::Sms, "text"), (Channel::Slack, "team"), (Channel::Manual, "manual")] {
            let world_fresh = &fresh;
            let name = world_fresh.name;
            let world = World::new(
                if name == "sqlite" { stores::sqlite().await } else { stores::postgres().await.unwrap() },
                talking(),
            );
            world.accounts().await;
            world.publish(vec![two_ways()]).await;
            let ana = world.person(Some("America/New_York")).await;
            world.reached_at(ana, Channel::Sms, "+14155550141", true).await;
            let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
            world.run_until("2026-11-02T20:00:00Z").await;
            world.hears(ana, channel, account, "Sounds lovely, tell me more").await;
            assert!(world.run_until("2026-11-10T00:00:00Z").await.is_empty(), "{name} {channel}");
            let run = world.run_of(run).await;
            assert_eq!(run.state, EnrollmentState::Exited, "{name} {channel}");
            assert!(run.exit_reason.unwrap_or_default().contains("repl"), "{name}");
            assert!(run.ended_at.unwrap() < instant("2026-11-03T00:00:00Z"));
        }
    }
}

#[tokio::test]
async fn several_numbers_and_nothing_that_says_which_hold_the_run() {
    for fresh in stores::both().await {
        let mut house = talking();
        let mut other = house.accounts["text"].clone();
        "other".clone_into(&mut other.from.name);
        house.accounts.insert("other".to_owned(), other);
        let world = World::new(fresh, house);
        world.accounts().await;
        world.publish(vec![two_ways()]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        world.reached_at(ana, Channel::Sms, "+14155550141", true).await;
        world.reached_at(bo, Channel::Sms, "+14155550142", true).await;
        // Bo wrote to one of them before: that is the one he knows.
        world.hears(bo, Channel::Sms, "other", "hello there").await;
        let runs = world.enroll("spring", &[ana, bo]).await;
        let sent = world.run_until("2026-11-03T15:00:00Z").await;
        let texts: Vec<_> = sent.iter().filter(|one| one.step == "text").collect();
        assert_eq!(texts.len(), 1, "{:?}", told(&sent));
        let view = world.fresh.store.read().await.unwrap().get_message_view(texts[0].id).await.unwrap().unwrap();
        assert_eq!((texts[0].who, view.account.as_str()), (bo, "other"));
        let held = world.run_of(runs[0].clone().unwrap()).await;
        assert_eq!(held.state, EnrollmentState::Held);
        assert!(held.waiting_for.unwrap().contains("sms_account"));
    }
}

#[tokio::test]
async fn a_text_keeps_to_their_hours_where_the_sequence_goes_by_another_clock() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mut sequence = two_ways();
        sequence.schedule.zone = ZoneRule::Fixed;
        sequence.schedule.fallback = "America/New_York".to_owned();
        sequence.schedule.hours = vec!["00:00-24:00".to_owned()];
        sequence.steps[1].after = Some("15h".to_owned());
        world.publish(vec![sequence]).await;
        let (far, near) = (world.person(Some("Asia/Tokyo")).await, world.person(Some("America/New_York")).await);
        world.reached_at(far, Channel::Sms, "+14155550143", true).await;
        world.reached_at(near, Channel::Sms, "+14155550144", true).await;
        world.enroll("spring", &[far, near]).await;
        let sent = world.run_until("2026-11-04T00:00:00Z").await;
        let at = |who| sent.iter().find(|one| one.step == "text" && one.who == who).map(|one| one.at.clone()).unwrap();
        // After the mail at 14:00 it is two in the afternoon there, and midnight here.
        assert!(at(far).starts_with("2026-11-03T05:"), "{} {}", world.fresh.name, at(far));
        assert!(at(near).starts_with("2026-11-03T13:"), "{} {}", world.fresh.name, at(near));
    }
}

#[tokio::test]
async fn nothing_leaves_from_a_number_that_is_paused() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        world.publish(vec![two_ways()]).await;
        let ana = world.person(Some("America/New_York")).await;
        world.reached_at(ana, Channel::Sms, "+14155550141", true).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.run_until("2026-11-02T20:00:00Z").await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert!(pause::pause(&mut tx, &world.clock, Target::Account("text"), "a look").await.unwrap());
        tx.commit().await.unwrap();
        let name = world.fresh.name;
        assert!(world.run_until("2026-11-03T20:00:00Z").await.is_empty(), "{name}");
        let held = world.run_of(run).await;
        assert_eq!(held.state, EnrollmentState::Held, "{name}");
        assert!(held.waiting_for.unwrap().contains("text is paused"), "{name}");
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert!(pause::resume(&mut tx, &world.clock, Target::Account("text"), "kim").await.unwrap());
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-03T21:00:00Z").await;
        assert_eq!(sent.iter().map(|one| one.step.as_str()).collect::<Vec<_>>(), ["text"], "{name}");
    }
}

#[tokio::test]
async fn nothing_is_sent_in_place_of_a_text_that_may_have_arrived() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mut sequence = two_ways();
        sequence.steps[1].after = Some("12h".to_owned());
        world.publish(vec![sequence]).await;
        let ana = world.person(Some("America/New_York")).await;
        world.reached_at(ana, Channel::Sms, "+14155550141", true).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.run_until("2026-11-03T08:00:00Z").await;
        let step = world.steps_of(run).await.into_iter().find(|step| step.step == "text").unwrap();
        let text = step.message_id.unwrap();
        // Nobody knows what became of it, and then nothing arrives at the number any more.
        let now = world.clock.now();
        let lost =
            format!("UPDATE outbox SET status = 'uncertain', attempts = 1, handed_over_at = {} WHERE id = $1", now.0);
        seed::run(&world.fresh, &lost, &[text.0]).await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        tx.mark_address_dead(Channel::Sms, "+14155550141", "gone", now).await.unwrap();
        settle::settle_by_person(&mut tx, &world.clock, text, Settlement::Drop).await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-03T16:00:00Z").await;
        assert!(sent.iter().all(|one| one.step != "text"), "{} {:?}", world.fresh.name, told(&sent));
        let step = world.steps_of(run).await.into_iter().find(|step| step.step == "text").unwrap();
        assert_eq!((step.kind.as_str(), step.state), ("sms", StepState::Skipped), "{}", world.fresh.name);
    }
}

/// An agent with a number, who speaks for these.
async fn agent_of(world: &World, number: &str, who: &[InfluencerId]) {
    let agent = AgentId(world.clock.new_id());
    let now = world.clock.now();
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let row = Agent { id: agent, first_name: "Mia".into(), last_name: String::new(), created_at: now, updated_at: now };
    tx.insert_agents(&[row]).await.unwrap();
    tx.link_agents(&who.iter().map(|one| (agent, *one)).collect::<Vec<_>>()).await.unwrap();
    let address = Address {
        id: AddressId(world.clock.new_id()),
        channel: Channel::Sms,
        value: number.to_owned(),
        value_key: number.to_owned(),
        person: Person::Agent(agent),
        is_primary: true,
        dead_at: None,
        dead_reason: None,
        created_at: now,
    };
    tx.insert_addresses(&[address]).await.unwrap();
    let consent = Consent {
        id: LedgerId(world.clock.new_id()),
        channel: Channel::Sms,
        value_key: number.to_owned(),
        source: "form".to_owned(),
        evidence: "a form".to_owned(),
        at: now,
        withdrawn_at: None,
    };
    tx.insert_consents(&[consent]).await.unwrap();
    tx.commit().await.unwrap();
}

const AGENTS: &str = "+14155550177";

#[tokio::test]
async fn first_texts_to_one_number_are_one_conversation() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mut sequence = two_ways();
        sequence.steps.remove(0);
        sequence.steps[0].after = None;
        world.publish(vec![sequence]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        agent_of(&world, AGENTS, &[ana, bo]).await;
        world.enroll("spring", &[ana, bo]).await;
        let sent = world.run_until("2026-11-03T12:00:00Z").await;
        let name = world.fresh.name;
        let texts: Vec<_> = sent.iter().filter(|one| one.step == "text").collect();
        assert_eq!(texts.len(), 2, "{name} {:?}", told(&sent));
        let said = seed::count(&world.fresh, "SELECT COUNT(*) FROM message WHERE channel = 'sms'").await;
        let within = "SELECT COUNT(DISTINCT conversation_id) FROM message WHERE channel = 'sms'";
        assert_eq!((said, seed::count(&world.fresh, within).await), (2, 1), "{name}");
        let known = "SELECT COUNT(DISTINCT r.conversation_id) FROM message_ref r JOIN message m \
            ON m.conversation_id = r.conversation_id WHERE m.channel = 'sms'";
        assert_eq!(seed::count(&world.fresh, known).await, 1, "{name}: an answer finds it");
        // What is about one of them shows with nobody else.
        let threads = "SELECT COUNT(*) FROM thread WHERE channel = 'sms'";
        assert_eq!(seed::count(&world.fresh, threads).await, 2, "{name}");
        let parts =
            "SELECT COUNT(*) FROM participation p JOIN message m ON m.id = p.message_id WHERE m.channel = 'sms'";
        assert_eq!(seed::count(&world.fresh, parts).await, 2, "{name}");
    }
}

#[tokio::test]
async fn the_number_they_know_says_it_also_where_another_node_has_it() {
    for fresh in stores::both().await {
        let mut all = talking();
        let mut other = all.accounts["text"].clone();
        "other".clone_into(&mut other.from.name);
        all.accounts.insert("other".to_owned(), other);
        let world = World::new(fresh, all);
        world.accounts().await;
        let mut named = two_ways();
        "named".clone_into(&mut named.id);
        named.voices.insert("sms".to_owned(), "other".to_owned());
        world.publish(vec![two_ways(), named]).await;
        let (bo, cy) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        world.reached_at(bo, Channel::Sms, "+14155550142", true).await;
        world.reached_at(cy, Channel::Sms, "+14155550143", true).await;
        world.hears(bo, Channel::Sms, "other", "hello there").await;
        let runs = [world.enroll("spring", &[bo]).await[0].clone(), world.enroll("named", &[cy]).await[0].clone()];
        let runs = runs.map(Result::unwrap);
        world.run_until("2026-11-03T13:30:00Z").await;
        // A node without that number: it has one of its own.
        let stranger = Cadence { desk: Desk::new(talking()), ..world.cadence.clone() };
        world.clock.advance_to(instant("2026-11-03T14:15:00Z"));
        if world.fresh.store.is_shared() {
            // The node that has it restarts, and reads nothing for a moment: nobody else speaks for it.
            while stranger.tick().await.unwrap().0.runs > 0 {}
            for run in &runs {
                let looked = world.run_of(*run).await;
                assert_eq!((looked.state, looked.phase), (EnrollmentState::Held, Phase::Delay), "{looked:?}");
            }
        }
        let holder = RunId(world.clock.new_id());
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        tx.acquire_lease(&poll_lease("other"), holder, 600).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        world.clock.advance_to(instant("2026-11-03T14:30:00Z"));
        while stranger.tick().await.unwrap().0.runs > 0 {}
        if !world.fresh.store.is_shared() {
            // There is no other node: the only number there is says it, and what is named is missed.
            assert_eq!(world.run_of(runs[0]).await.phase, Phase::Send);
            assert_eq!(world.run_of(runs[1]).await.state, EnrollmentState::Held);
            continue;
        }
        for run in runs {
            let looked = world.run_of(run).await;
            assert_eq!(looked.state, EnrollmentState::Active);
            assert!(looked.waiting_for.clone().unwrap().contains("a node that has the account other"), "{looked:?}");
        }
        let sent = world.run_until("2026-11-03T17:00:00Z").await;
        let texts: Vec<_> = sent.iter().filter(|one| one.step == "text").collect();
        assert_eq!(texts.len(), 2, "{:?}", told(&sent));
        for text in texts {
            let view = world.fresh.store.read().await.unwrap().get_message_view(text.id).await.unwrap().unwrap();
            assert_eq!(view.account, "other");
        }
    }
}

#[tokio::test]
async fn texts_that_wait_for_one_number_keep_others_from_nothing() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mut sequence = two_ways();
        sequence.steps.remove(0);
        sequence.steps[0].after = None;
        world.publish(vec![sequence]).await;
        let zone = Some("America/New_York");
        let mut of_agent = Vec::new();
        for _ in 0..8 {
            of_agent.push(world.person(zone).await);
        }
        agent_of(&world, AGENTS, &of_agent).await;
        let cy = world.person(zone).await;
        world.reached_at(cy, Channel::Sms, "+14155550143", true).await;
        let runs = world.enroll("spring", &of_agent).await;
        let behind = world.enroll("spring", &[cy]).await;
        while let Some(next) = world.cadence.next_due().await.unwrap() {
            world.clock.advance_to(next.max(world.clock.now()));
            world.cadence.tick().await.unwrap();
        }
        let due = world.clock.now().0;
        let every = async |sql: &str| seed::run(&world.fresh, sql, &[]).await;
        every(&format!("UPDATE outbox SET due_at = {due} - 2 WHERE account = 'text'")).await;
        let last = behind[0].clone().unwrap();
        let later = format!("UPDATE outbox SET due_at = {due} - 1 WHERE enrollment_id = $1");
        seed::run(&world.fresh, &later, &[last.0]).await;
        // One to the agent is in somebody's hand.
        let taken = "UPDATE outbox SET status = 'claimed', lease_until = 9000000000000000 WHERE enrollment_id = $1";
        seed::run(&world.fresh, taken, &[runs[0].clone().unwrap().0]).await;
        let name = world.fresh.name;
        let waiting = "SELECT COUNT(*) FROM outbox WHERE account = 'text' AND status = 'queued'";
        assert_eq!(seed::count(&world.fresh, waiting).await, 8, "{name}");
        // With room for fewer than wait for that number.
        let settings = SendingSettings { channel: Channel::Sms, ..SendingSettings::new("text") };
        let sent = accept_at_most(&world.tools, &settings, 4).await.unwrap();
        assert_eq!(sent.len(), 1, "{name}: what waits behind them goes");
        let step = world.fresh.store.read().await.unwrap().step_of_message(sent[0]).await.unwrap().unwrap();
        assert_eq!(step.enrollment_id, last, "{name}");
    }
}
