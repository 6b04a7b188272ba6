//! Who may be enrolled, by what stands in `enter_from` and `allow_parallel` and by the stage they are in; and by whose clock the
//! answer to why speaks.

use std::sync::Arc;

use liaison::hub::why::{of_influencer, of_message};

use super::*;
use crate::stores::both;

fn toml(settings: &str) -> String {
    format!(
        "account = \"brand\"\n{settings}\n[[step]]\nid = \"intro\"\nemail = \"intro.md\"\n[[step]]\nid = \"nudge\"\nafter = \"3 days\"\nemail = \"nudge.md\"\n"
    )
}

#[tokio::test]
async fn one_sequence_at_a_time_unless_one_allows_more() {
    for fresh in both().await {
        let (alone, beside) = (toml(""), toml("allow_parallel = true"));
        let all = [("alone", alone.as_str()), ("beside", &beside), ("other", &alone)];
        let world = world(fresh, HOUSE, &all, &[INTRO, NUDGE]).await;
        let who = world.person(None).await;
        let enroll = async |sequence: &str| world.enroll(sequence, &[who]).await.remove(0).map(drop);
        assert_eq!(enroll("alone").await, Ok(()));
        let twice = "they are in this sequence already".to_owned();
        assert_eq!(enroll("alone").await, Err(twice.clone()), "{}", world.fresh.name);
        let in_another = "they are in the sequence alone; one at a time, unless allow_parallel = true".to_owned();
        assert_eq!(enroll("other").await, Err(in_another), "{}", world.fresh.name);
        assert_eq!(enroll("beside").await, Ok(()));
        assert_eq!(enroll("beside").await, Err(twice));
        // Both write, each what it says.
        let sent = world.run_until("2026-11-06T20:00:00Z").await;
        assert_eq!(sent.len(), 4, "{}: {sent:?}", world.fresh.name);
        // They are over: the next one takes them, and the same not again by itself.
        assert_eq!(enroll("other").await, Ok(()), "{}", world.fresh.name);
        assert!(enroll("alone").await.unwrap_err().contains("they had this sequence before"));
    }
}

#[tokio::test]
async fn a_sequence_takes_people_from_the_stages_it_names_and_never_from_a_closed_one() {
    for fresh in both().await {
        let named = toml("enter_from = [\"prospect\", \"in_talks\"]");
        let closed = toml("enter_from = [\"declined\", \"opted_out\"]");
        let all = [("any", toml("")), ("named", named), ("closed", closed)];
        let all: Vec<(&str, &str)> = all.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let world = world(fresh, HOUSE, &all, &[INTRO, NUDGE]).await;
        let cases = [
            ("prospect", "any", None),
            ("prospect", "named", None),
            ("in_talks", "named", None),
            ("contacted", "named", Some("their stage is contacted, which enter_from does not name")),
            // Dormant ones may be taken up again; who said no may not, whatever a file names.
            ("no_response", "any", None),
            ("declined", "any", Some("their stage is declined: sequences may not enroll from there")),
            ("opted_out", "any", Some("their stage is opted_out: sequences may not enroll from there")),
            ("declined", "closed", Some("their stage is declined: sequences may not enroll from there")),
            ("opted_out", "closed", Some("their stage is opted_out: sequences may not enroll from there")),
        ];
        for (at, sequence, refused) in cases {
            let who = world.person(None).await;
            set(&world, who, &format!("stage = '{at}'")).await;
            let outcome = world.enroll(sequence, &[who]).await.remove(0).err();
            assert_eq!(outcome.as_deref(), refused, "{at} into {sequence} on {}", world.fresh.name);
        }
    }
}

#[tokio::test]
async fn why_speaks_by_the_clock_that_planning_goes_by() {
    for fresh in both().await {
        let fallback = toml("[schedule]\nfallback = \"Asia/Tokyo\"");
        let fixed = toml("[schedule]\ntimezone = \"Europe/Madrid\"");
        let all = [("fallback", fallback.as_str()), ("fixed", &fixed)];
        let world = world(fresh, HOUSE, &all, &[INTRO, NUDGE]).await;
        let house = Arc::clone(&world.desk.house());
        for (zone, sequence, wanted) in [
            (None, None, ("America/New_York", "ours, for theirs is not known")),
            (Some("Europe/Lisbon"), None, ("Europe/Lisbon", "their own")),
            (None, Some("fallback"), ("Asia/Tokyo", "the sequence's fallback")),
            (Some("Europe/Lisbon"), Some("fallback"), ("Europe/Lisbon", "their own")),
            (Some("Europe/Lisbon"), Some("fixed"), ("Europe/Madrid", "the sequence's, for all")),
        ] {
            let who = world.person(zone).await;
            if let Some(sequence) = sequence {
                world.enroll(sequence, &[who]).await.remove(0).unwrap();
                let until = world.clock.now().plus(std::time::Duration::from_hours(26)).to_string();
                world.run_until(&until).await;
            }
            let mut tx = world.fresh.store.read().await.unwrap();
            let why = of_influencer(&mut tx, (&house, world.clock.now()), who).await.unwrap().unwrap();
            assert_eq!((why.zone.as_str(), why.zone_from.as_str()), wanted, "{zone:?} in {sequence:?}");
            // The same of the message itself.
            let Some(run) = why.runs.first() else { continue };
            let step = run.steps.iter().find(|s| s.message_id.is_some()).unwrap();
            let of = of_message(&mut tx, (&house, world.clock.now()), step.message_id.unwrap()).await.unwrap().unwrap();
            assert_eq!(of.due.theirs, step.completed.as_ref().unwrap().theirs, "{zone:?} in {sequence:?}");
        }
    }
}
