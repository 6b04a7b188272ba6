//! The second part: a dozen people of many zones get the shipped sequences, and do what people do about them.
//!
//! Time stands still while anything is claimed, due or on its way, and then jumps to the next instant at which something is.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use super::super::paper::Tone;
use super::super::prospects::{PROSPECTS, Prospect};
use super::super::watch::PATIENCE;
use super::Story;
use super::fetch::fetch;
use crate::connector::sandbox::{Errand, Wish};
use crate::domain::hit::SETTLE;
use crate::domain::ids::InfluencerId;
use crate::domain::time::Micros;
use crate::domain::words::{OutboxStatus, TaskKind};
use crate::hub::outreach::enroll::{Again, enroll};
use crate::hub::{task, why};
use crate::store::reading::task::{TaskFilter, TaskView};
use crate::store::reading::{PAGE_MAX, Page};

/// How much business time the outreach is told for.
const TOLD_FOR: Duration = Duration::from_hours(18 * 24);
/// How long a task takes the teammate, and each one more. Business time.
const TASK_TAKES: (Duration, Duration) = (Duration::from_mins(20), Duration::from_mins(4));
/// Between two jumps of time, so that people can read along. Machine time.
const STEP: Duration = Duration::from_millis(60);
/// How often it is looked whether all is quiet. Machine time.
const LOOK: Duration = Duration::from_millis(20);
/// Some who hear nothing at the end: one said no by mail, one answered.
const SILENT: [&str; 2] = ["@ravistrides", "@lenalaps"];
/// Who does the tasks.
const TEAMMATE: &str = "mara";

impl Story {
    /// Tells the second part.
    pub(super) async fn outreach(&mut self, hub: SocketAddr) -> anyhow::Result<()> {
        self.paper.heading("Outreach: a dozen people of many zones, in the shipped sequences")?;
        for prospect in &PROSPECTS {
            self.add_person(&prospect.role).await?;
        }
        self.enroll_all().await?;
        self.pass_days(hub).await?;
        self.tell_why().await
    }

    /// Why some hear nothing any more: what `liaison why` says.
    async fn tell_why(&mut self) -> anyhow::Result<()> {
        self.paper.heading("Why they hear nothing: what `liaison why` says")?;
        let (house, now) = (self.hub.desk.house(), self.hub.clock.now());
        for handle in SILENT {
            let id = self.influencer(handle).await?;
            let mut tx = self.hub.store.read().await?;
            let why = why::of_influencer(&mut tx, (&house, now), id).await?;
            for line in why.iter().flat_map(why::words::of_influencer) {
                self.tell_now(Tone::Plain, &line)?;
            }
        }
        Ok(())
    }

    async fn enroll_all(&mut self) -> anyhow::Result<()> {
        for sequence in ["gifting", "first"] {
            let mut who: Vec<InfluencerId> = Vec::new();
            for Prospect { role, .. } in PROSPECTS.iter().filter(|p| p.sequence == sequence) {
                who.push(self.influencer(role.handle).await?);
            }
            let mut tx = self.hub.store.begin("demo.enroll").await?;
            let outcomes = enroll(&mut tx, &self.hub.clock, sequence, &who, Again::Refused).await?;
            tx.commit().await?;
            if let Some(refusal) = outcomes.into_iter().find_map(|o| o.result.err()) {
                bail!("somebody could not be enrolled in {sequence}: {refusal}");
            }
        }
        self.wake();
        Ok(())
    }

    /// Whoever sleeps by machine time is told that business time moved, or that there is something new.
    pub(super) fn wake(&self) {
        self.hub.stored.notify_waiters();
        self.hub.wakes.wake("cadence");
        for account in &self.hub.live().accounts {
            self.hub.wakes.wake(&account.name);
        }
    }

    async fn pass_days(&mut self, hub: SocketAddr) -> anyhow::Result<()> {
        let end = self.hub.clock.now().plus(TOLD_FOR);
        loop {
            self.settle().await?;
            self.do_tasks().await?;
            while let Some(errand) = self.world.take_errand() {
                self.run_errand(hub, &errand).await?;
            }
            for mail in self.world.deliver() {
                self.until_received(&mail).await?;
            }
            self.settle().await?;
            match self.next_instant().await? {
                Some(next) if next <= end => self.hub.clock.advance_to(next),
                Some(_) | None => return Ok(()),
            }
            self.wake();
            tokio::time::sleep(STEP).await;
        }
    }

    /// Waits until nothing is claimed or due at this instant.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while !self.is_quiet().await? {
            self.watch.drain().await?;
            if Instant::now() > end {
                bail!("the demonstration waited in vain for all that is due to be done");
            }
            tokio::time::sleep(LOOK).await;
        }
        self.watch.drain().await
    }

    async fn is_quiet(&self) -> anyhow::Result<bool> {
        let now = self.hub.clock.now();
        let due = self.due_by_itself().await?;
        if due.is_some_and(|at| at <= now) {
            return Ok(false);
        }
        let mut tx = self.hub.store.read().await?;
        for account in &self.hub.live().accounts {
            let on_its_way = [OutboxStatus::Claimed, OutboxStatus::HandedOver];
            if tx.count_outbox(&account.name, &on_its_way).await?.iter().any(|(_, count)| *count > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// When the hub next has something to do by itself: look at a run, send, or judge who read.
    async fn due_by_itself(&self) -> anyhow::Result<Option<Micros>> {
        let mut tx = self.hub.store.read().await?;
        let judged = tx.next_unjudged_at().await?.map(|at| at.plus(SETTLE));
        let mut next = [tx.next_due_enrollment().await?, judged].into_iter().flatten().min();
        for account in &self.hub.live().accounts {
            next = [next, tx.next_due_outbox(&account.name).await?].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// The next instant at which the hub, somebody in the sandbox or the teammate does something.
    pub(super) async fn next_instant(&self) -> anyhow::Result<Option<Micros>> {
        let tasks = self.tasks().await?.into_iter().map(|(at, _)| at).min();
        let people = [self.world.next_arrival(), self.world.next_errand(), tasks];
        Ok(people.into_iter().chain([self.due_by_itself().await?]).flatten().min())
    }

    /// The open tasks of steps, and when the teammate will have done each.
    async fn tasks(&self) -> anyhow::Result<Vec<(Micros, TaskView)>> {
        let filter = TaskFilter { kind: Some(TaskKind::Step), ..TaskFilter::default() };
        let now = self.hub.clock.now();
        let open = self.hub.store.read().await?.list_tasks(&filter, now, Page::newest(PAGE_MAX)).await?.data;
        let done_at = |task: &TaskView| {
            let place = PROSPECTS.iter().position(|p| Some(p.role.handle) == task.influencer_handle.as_deref());
            let before = u32::try_from(place.unwrap_or(0)).unwrap_or(0);
            task.created_at.plus(TASK_TAKES.0 + TASK_TAKES.1 * before)
        };
        Ok(open.into_iter().map(|task| (done_at(&task), task)).collect())
    }

    /// The teammate does what was to be done by now; what asks for an answer gets one.
    pub(super) async fn do_tasks(&mut self) -> anyhow::Result<()> {
        let now = self.hub.clock.now();
        for (_, open) in self.tasks().await?.into_iter().filter(|(at, _)| *at <= now) {
            let about = PROSPECTS.iter().find(|p| Some(p.role.handle) == open.influencer_handle.as_deref());
            let answer = open.fills.as_ref().and(about).map(|p| p.line);
            let mut tx = self.hub.store.begin("demo.task").await?;
            task::finish(&mut tx, &self.hub.clock, (open.id, None), (answer, TEAMMATE)).await?;
            tx.commit().await?;
            self.wake();
            self.settle().await?;
        }
        Ok(())
    }

    /// Somebody's program asks the running hub for what stood in the mail.
    pub(super) async fn run_errand(&mut self, hub: SocketAddr, errand: &Errand) -> anyhow::Result<()> {
        let answer = fetch(hub, errand).await?;
        let who = &errand.who;
        let (expected, line) = match errand.wish {
            Wish::Picture => (200, format!("{who}  the picture in the mail is fetched by {}", errand.agent)),
            Wish::Link => {
                let to = answer.location.as_deref().unwrap_or("nowhere");
                (302, format!("{who}  the link in the mail is followed, and leads to {to}"))
            }
            Wish::Unsubscribe => (200, format!("{who}  unsubscribes by one click")),
        };
        if answer.status != expected {
            bail!("the hub answered {} to {who}, not {expected}", answer.status);
        }
        self.tell_now(Tone::In, &line)?;
        // What follows at once is told before the next.
        self.wake();
        self.settle().await
    }
}
