//! Random lives of runs: people, pauses, holds, clicks, answers, edits, deletions and crashes in any order, and what must
//! hold after each of them.

use super::world::{Sent, World, definition, email, house};
use crate::stores;
use liaison::domain::ids::{EnrollmentId, InfluencerId};
use liaison::domain::sequence::{After, Awaited, Definition, StepKind};
use liaison::domain::words::{EnrollmentState, TaskKind, TaskState};
use liaison::hub::outreach::pause::{self, Target};
use liaison::hub::outreach::{self, ExitReason};
use liaison::hub::task;
use liaison::outbound::reconcile;
use liaison::store::outreach::enrollment::Mark;
use liaison::store::reading::Page;
use liaison::store::reading::task::TaskFilter;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// SplitMix64: the same lives for the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn lives() -> u64 {
    std::env::var("LIAISON_TEST_LIVES").ok().and_then(|n| n.parse().ok()).unwrap_or(4)
}

fn sequences(edition: u64) -> Vec<Definition> {
    let mut look = email("look", Some("1 business day"), "nudge.md");
    look.kind = StepKind::Task {
        text: "Look at {{ influencer.handle }}".to_owned(),
        assign: "owner".to_owned(),
        due: None,
        at_most: Some("3 days".to_owned()),
        fills: None,
    };
    let mut picked = email("picked", None, "nudge.md");
    picked.kind = StepKind::WaitFor { what: Awaited::Clicked, at_most: "2 days".to_owned() };
    let mut nudge = email("nudge", Some("2 business days"), "nudge.md");
    nudge.condition = Some("not steps.intro.clicked".to_owned());
    let mut spring = definition(
        "spring",
        vec![email("intro", None, "intro.md"), look, nudge, picked, email("last", Some("next tue 10:00"), "last.md")],
    );
    spring.exit_on = vec!["in_talks".into()];
    spring.limits.gap = Some("1m to 3m".to_owned());
    spring.name = format!("edition {edition}");
    let task = Some("Answer {{ influencer.handle }}".to_owned());
    spring.on_reply = Some(After { after: None, condition: None, stage: None, task });
    let mut autumn =
        definition("autumn", vec![email("intro", None, "intro-b.md"), email("last", Some("36h"), "last.md")]);
    autumn.allow_parallel = edition.is_multiple_of(2);
    vec![spring, autumn]
}

/// What is paused and resumed.
const TARGETS: [Target<'static>; 3] = [Target::All, Target::Account("brand"), Target::Sequence("spring")];

struct Life {
    world: World,
    people: Vec<InfluencerId>,
    runs: Vec<EnrollmentId>,
    sent: Vec<Sent>,
    dice: Dice,
    edition: u64,
}

impl Life {
    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[usize::try_from(self.dice.below(from.len() as u64)).unwrap()]) }
    }

    async fn turn(&mut self) -> String {
        let people = self.people.clone();
        let who = self.pick(&people).unwrap();
        let store = self.world.fresh.store.clone();
        let clock = self.world.clock.clone();
        match self.dice.below(32) {
            0..8 => {
                let sequence = if self.dice.below(2) == 0 { "spring" } else { "autumn" };
                let again = liaison::hub::outreach::enroll::Again::Allowed;
                let from = people.iter().position(|p| *p == who).unwrap();
                let some: Vec<InfluencerId> = people.iter().cycle().skip(from).take(6).copied().collect();
                let mut tx = store.begin("test").await.unwrap();
                let outcome = outreach::enroll::enroll(&mut tx, &clock, sequence, &some, again).await;
                tx.commit().await.unwrap();
                if let Ok(outcome) = outcome {
                    self.runs.extend(outcome.iter().filter_map(|o| o.result.clone().ok()));
                }
                format!("enroll {some:?} in {sequence}")
            }
            8 => {
                let mut tx = store.begin("test").await.unwrap();
                let why = if self.dice.below(2) == 0 { ExitReason::Replied } else { ExitReason::OptedOut };
                outreach::stop_runs(&mut tx, &clock, &[who], (&why, None)).await.unwrap();
                tx.commit().await.unwrap();
                format!("stop {who}")
            }
            9 => {
                let until = clock.now().plus(Duration::from_hours(6 + self.dice.below(120)));
                let sql = format!("UPDATE influencer SET held_until = {}, hold_reason = 'away' WHERE id = $1", until.0);
                crate::seed::run(&self.world.fresh, &sql, &[who.0]).await;
                let mut tx = store.begin("test").await.unwrap();
                outreach::hold_runs(&mut tx, &clock, who).await.unwrap();
                outreach::wake_runs(&mut tx, &clock, who).await.unwrap();
                tx.commit().await.unwrap();
                format!("hold {who}")
            }
            10 => {
                let target = TARGETS[usize::try_from(self.dice.below(3)).unwrap()];
                let mut tx = store.begin("test").await.unwrap();
                pause::pause(&mut tx, &clock, target, "a look").await.unwrap();
                tx.commit().await.unwrap();
                format!("pause {target:?}")
            }
            11 | 12 => {
                self.resume_all().await;
                "resume".to_owned()
            }
            13 => {
                if let Some(mail) = self.sent.last().cloned() {
                    let mut tx = store.begin("test").await.unwrap();
                    outreach::engaged(&mut tx, &clock, mail.id, Mark::Clicked, clock.now()).await.unwrap();
                    tx.commit().await.unwrap();
                }
                "click".to_owned()
            }
            14 => {
                self.edition += 1;
                let mut all = sequences(self.edition);
                if self.dice.below(8) == 0 {
                    all.truncate(1);
                }
                self.world.publish(all).await;
                format!("edition {}", self.edition)
            }
            15..19 => {
                let open: Vec<_> = self.open_tasks().await;
                if let Some(id) = self.pick(&open) {
                    let mut tx = store.begin("test").await.unwrap();
                    task::complete(&mut tx, &clock, id, (Some("done"), "kim")).await.unwrap();
                    tx.commit().await.unwrap();
                }
                "a task is done".to_owned()
            }
            19 => {
                // A crash: what is claimed is left as it is, and found again at the next start.
                self.world.cadence.tick().await.unwrap();
                let mut tx = store.begin("test").await.unwrap();
                let due = tx.lock_due_outbox("brand", clock.now(), 10).await.unwrap();
                let claimed = tx.claim_outbox(due, self.world.tools.run, 60).await.unwrap();
                tx.commit().await.unwrap();
                let mut tx = store.begin("test").await.unwrap();
                tx.end_outbox_leases().await.unwrap();
                reconcile::recover(&mut tx, &clock).await.unwrap();
                tx.commit().await.unwrap();
                format!("crash with {} in hand", claimed.len())
            }
            _ => {
                let hours = 8 + self.dice.below(64);
                let until = clock.now().plus(Duration::from_hours(hours)).to_string();
                let sent = self.world.run_until(&until).await;
                self.sent.extend(sent);
                format!("{hours} hours go by")
            }
        }
    }

    async fn resume_all(&self) {
        for target in TARGETS {
            let mut tx = self.world.fresh.store.begin("test").await.unwrap();
            pause::resume(&mut tx, &self.world.clock, target, "kim").await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    async fn live(&self) -> usize {
        let mut tx = self.world.fresh.store.read().await.unwrap();
        let runs = tx.list_enrollments_of(self.people.clone()).await.unwrap();
        runs.iter().filter(|r| outreach::is_live(r)).count()
    }

    /// Nothing else happens to anybody: every run comes to its end.
    async fn end(&mut self, told: &str) {
        self.resume_all().await;
        for _ in 0..40 {
            if self.live().await == 0 {
                self.world.settle().await;
                return self.answers_are_followed(told).await;
            }
            for id in self.open_tasks().await {
                let mut tx = self.world.fresh.store.begin("test").await.unwrap();
                task::complete(&mut tx, &self.world.clock, id, (Some("done"), "kim")).await.unwrap();
                tx.commit().await.unwrap();
            }
            let until = self.world.clock.now().plus(Duration::from_hours(72)).to_string();
            let sent = self.world.run_until(&until).await;
            self.sent.extend(sent);
            self.check(&format!("{told}\nthe end")).await;
        }
        let mut tx = self.world.fresh.store.read().await.unwrap();
        let runs = tx.list_enrollments_of(self.people.clone()).await.unwrap();
        panic!("after {told}: never over: {:?}", runs.iter().filter(|r| outreach::is_live(r)).collect::<Vec<_>>());
    }

    /// For each run that an answer ended there is one task that its sequence asks for, and for no other.
    async fn answers_are_followed(&self, told: &str) {
        let mut tx = self.world.fresh.store.read().await.unwrap();
        let filter = TaskFilter { kind: Some(TaskKind::Sequence), ..TaskFilter::default() };
        let mut tasks: Vec<EnrollmentId> = Vec::new();
        let mut page = Page::oldest(200);
        loop {
            let slice = tx.list_tasks(&filter, self.world.clock.now(), page).await.unwrap();
            tasks.extend(slice.data.iter().filter_map(|t| t.enrollment_id));
            match slice.next {
                Some(next) => page = Page { after: Some(next), ..Page::oldest(200) },
                None => break,
            }
        }
        tasks.sort_unstable();
        let runs = tx.list_enrollments_of(self.people.clone()).await.unwrap();
        let answered = runs.iter().filter(|r| r.sequence == "spring" && r.exit_reason.as_deref() == Some("replied"));
        let mut answered: Vec<EnrollmentId> = answered.map(|r| r.id).collect();
        answered.sort_unstable();
        assert_eq!(tasks, answered, "after {told}");
        assert!(runs.iter().all(|r| r.next_at.is_none()), "after {told}: something is still to be done");
    }

    async fn open_tasks(&self) -> Vec<liaison::domain::ids::TaskId> {
        let mut tx = self.world.fresh.store.begin("test").await.unwrap();
        let mut open = Vec::new();
        for step in tx.list_steps(self.runs.clone()).await.unwrap() {
            if let Some(id) = step.task_id
                && tx.lock_task(id).await.unwrap().is_some_and(|t| t.state == TaskState::Open)
            {
                open.push(id);
            }
        }
        open
    }

    /// What must hold whatever happened.
    async fn check(&self, after: &str) {
        let mut tx = self.world.fresh.store.read().await.unwrap();
        let runs = tx.list_enrollments_of(self.people.clone()).await.unwrap();
        let mut live: BTreeMap<(InfluencerId, String), u32> = BTreeMap::new();
        for run in &runs {
            if outreach::is_live(run) {
                *live.entry((run.influencer_id, run.sequence.clone())).or_default() += 1;
                let explained = run.next_at.is_some() || run.waiting_for.is_some() || run.held_at.is_some();
                assert!(explained, "after {after}: nothing says what {run:?} waits for");
            } else {
                // What follows an answer is made at the next look.
                let is_answered = run.exit_reason.as_deref() == Some("replied");
                assert!(run.next_at.is_none() || is_answered, "after {after}: {run:?}");
                assert!(run.ended_at.is_some(), "after {after}: {run:?}");
                assert!(run.exit_reason.is_some() || run.state == EnrollmentState::Finished, "after {after}: {run:?}");
            }
        }
        assert!(live.values().all(|n| *n == 1), "after {after}: two live runs: {live:?}");
        let mut steps = BTreeSet::new();
        for sent in &self.sent {
            let mail = tx.step_of_message(sent.id).await.unwrap().unwrap();
            assert!(steps.insert((mail.enrollment_id, mail.step.clone())), "after {after}: {} twice", mail.step);
            let run = runs.iter().find(|r| r.id == mail.enrollment_id).unwrap();
            let at = super::world::instant(&sent.at);
            if run.state == EnrollmentState::Exited {
                assert!(
                    run.ended_at.is_some_and(|end| at <= end),
                    "after {after}: sent at {at} after {:?}",
                    run.ended_at
                );
            }
        }
    }
}

#[tokio::test]
async fn whatever_happens_no_step_goes_twice_none_after_a_stop_and_everything_is_explained() {
    for fresh in stores::both().await {
        let name = fresh.name;
        drop(fresh);
        let (mut turns, mut mails) = (0, 0);
        for seed in 0..lives() {
            let fresh = if name == "sqlite" { stores::sqlite().await } else { stores::postgres().await.unwrap() };
            let world = World::new(fresh, house());
            world.accounts().await;
            world.publish(sequences(0)).await;
            let mut people = Vec::new();
            for n in 0..18 {
                let zone = ["America/New_York", "Asia/Tokyo", "Europe/Lisbon"][n % 3];
                people.push(world.person(Some(zone)).await);
            }
            let mut life = Life { world, people, runs: Vec::new(), sent: Vec::new(), dice: Dice(seed), edition: 0 };
            let mut told = String::new();
            for _ in 0..60 {
                told = format!("{told}\n{}", life.turn().await);
                life.check(&told).await;
                turns += 1;
            }
            life.end(&told).await;
            mails += life.sent.len();
        }
        println!(
            "{name}: {} lives, {turns} turns, {mails} mails: nothing twice, nothing after a stop, all over",
            lives()
        );
        assert!(mails > turns / 2, "a model in which little happens: {mails} mails in {turns} turns");
    }
}
