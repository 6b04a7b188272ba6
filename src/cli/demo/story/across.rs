//! The third part: one person, one run, every channel, and the team beside it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use super::super::cast;
use super::super::paper::{Tone, quote};
use super::super::watch::PATIENCE;
use super::{Story, Told};
use crate::cli::influencer::timeline_line;
use crate::connector::sandbox::Stands;
use crate::domain::ids::InfluencerId;
use crate::domain::relay::TOKEN;
use crate::domain::words::{Channel, Direction, EventType};
use crate::hub::outreach::enroll::{Again, enroll};
use crate::hub::people::{self, NewInfluencer};
use crate::hub::touch::{Touched, log_touch};
use crate::store::reading::Page;

/// How often it is looked what stands in the team's channel. Machine time.
const LOOK: Duration = Duration::from_millis(50);
/// Between two things that are said. Business time.
const PAUSE: Duration = Duration::from_mins(7);
/// Entries of the timeline that are shown.
const SHOWN: usize = 40;

impl Story {
    /// Tells the third part.
    pub(super) async fn across(&mut self, told: &Told) -> anyhow::Result<()> {
        self.paper.heading("One person on every channel, and the team beside it")?;
        let mira = self.add_mira().await?;
        self.enroll_mira(mira).await?;
        self.pass_to_mail(told.listen).await?;
        self.hub.clock.advance(PAUSE);
        self.world.say(cast::NUMBER, (cast::MIRA_PHONE, ""), ("Yes please! Size 39.", None));
        self.watch.until("her text", |f| f.what == EventType::ThreadReplied && f.came_by(Channel::Sms)).await?;
        self.watch.until("her run to end", |f| f.what == EventType::EnrollmentExited).await?;
        self.hub.clock.advance(PAUSE);
        let draft = "The draft of the reel is in our folder.";
        self.world.say(cast::WORKSPACE, (cast::MIRA_SLACK, "Mira Sol"), (draft, None));
        self.watch
            .until("what she says in Slack", |f| f.what == EventType::ThreadReplied && f.came_by(Channel::Slack))
            .await?;
        self.hub.clock.advance(PAUSE);
        self.touch(mira).await?;
        self.the_team_answers().await?;
        self.show_timeline(told, mira).await
    }

    async fn add_mira(&mut self) -> anyhow::Result<InfluencerId> {
        let role = &cast::MIRA;
        let new = NewInfluencer {
            handle: role.handle.to_owned(),
            first_name: role.first_name.to_owned(),
            last_name: role.last_name.to_owned(),
            emails: vec![role.address.to_owned()],
            phones: vec![cast::MIRA_PHONE.to_owned()],
            slack: vec![cast::MIRA_SLACK.to_owned()],
            timezone: Some(role.zone.to_owned()),
            tags: vec![cast::RELAYED.to_owned()],
            ..NewInfluencer::default()
        };
        let stages = self.hub.live().stages.clone();
        let mut tx = self.hub.store.begin("demo.person").await?;
        let made = people::create_influencer(&mut tx, &self.hub.clock, &stages, "demo", new).await?;
        tx.commit().await?;
        let line = format!(
            "added {}  {} {} <{}>, {}, and {} in a workspace we share",
            role.handle,
            role.first_name,
            role.last_name,
            role.address,
            cast::MIRA_PHONE,
            cast::MIRA_SLACK
        );
        self.tell_now(Tone::Plain, &line)?;
        Ok(made.id)
    }

    async fn enroll_mira(&mut self, mira: InfluencerId) -> anyhow::Result<()> {
        let mut tx = self.hub.store.begin("demo.enroll").await?;
        let outcomes = enroll(&mut tx, &self.hub.clock, "across", &[mira], Again::Refused).await?;
        tx.commit().await?;
        if let Some(refusal) = outcomes.into_iter().find_map(|outcome| outcome.result.err()) {
            bail!("she could not be enrolled: {refusal}");
        }
        self.wake();
        Ok(())
    }

    /// Until her mail is sent.
    async fn pass_to_mail(&mut self, hub: SocketAddr) -> anyhow::Result<()> {
        loop {
            self.settle().await?;
            if self.watch.take(|f| f.what == EventType::MessageSent && f.is_to(cast::MIRA.address)) {
                return Ok(());
            }
            self.do_tasks().await?;
            while let Some(errand) = self.world.take_errand() {
                self.run_errand(hub, &errand).await?;
            }
            for mail in self.world.deliver() {
                self.until_received(&mail).await?;
            }
            self.settle().await?;
            let Some(next) = self.next_instant().await? else { bail!("her mail is never due") };
            self.hub.clock.advance_to(next);
            self.wake();
        }
    }

    async fn touch(&mut self, mira: InfluencerId) -> anyhow::Result<()> {
        let touched = Touched {
            influencer: mira,
            direction: Direction::Inbound,
            place: "Instagram".to_owned(),
            text: "Your story made my day!".to_owned(),
            at: None,
            meaning: None,
            by: "mara".to_owned(),
        };
        let mut tx = self.hub.store.begin("demo.touch").await?;
        log_touch(&mut tx, &self.hub.clock, touched).await?;
        tx.commit().await?;
        self.hub.stored.notify_waiters();
        self.watch.until("what was written down", |f| f.came_by(Channel::Manual)).await
    }

    /// What stands in the team's channel; a note, which stays there, and words that go to her.
    async fn the_team_answers(&mut self) -> anyhow::Result<()> {
        let shown = self.until_in_room("Size 39").await?;
        self.until_in_room("The draft of the reel").await?;
        self.until_in_room("Your story made my day!").await?;
        for post in self.room() {
            self.tell_now(Tone::Plain, &format!("#team  {}", quote(&post.text)))?;
        }
        let root = shown.conversation;
        for words in [
            "She asked for 400 last year, so not a word about money yet.",
            "!send Wonderful, thank you! The shoes leave today.",
        ] {
            self.hub.clock.advance(PAUSE);
            self.world.say(cast::WORKSPACE, (cast::MARA_SLACK, "Mara"), (words, Some(&root)));
            self.tell_now(Tone::In, &format!("#team  Mara: {}", quote(words)))?;
        }
        let goes = self.until_in_room("→ goes to them").await?;
        self.tell_now(Tone::Plain, &format!("#team  {}", quote(&goes.text)))?;
        // The time in which she could take it back.
        self.hub.clock.advance(self.hub.live().undo + Duration::from_secs(1));
        self.wake();
        self.watch
            .until("her words to leave", |f| f.what == EventType::MessageSent && f.is_to(cast::MIRA_SLACK))
            .await?;
        let sent = self.until_in_room("✓ sent").await?;
        self.tell_now(Tone::Plain, &format!("#team  {}", quote(&sent.text)))
    }

    /// What the hub posted in the team's channel.
    fn room(&self) -> Vec<Stands> {
        let stands = self.world.stands(cast::WORKSPACE).into_iter();
        stands.filter(|stands| stands.token.as_deref().is_some_and(|token| token.starts_with(TOKEN))).collect()
    }

    async fn until_in_room(&mut self, part: &str) -> anyhow::Result<Stands> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.watch.drain().await?;
            if let Some(found) = self.room().into_iter().find(|stands| stands.text.contains(part)) {
                return Ok(found);
            }
            if Instant::now() > end {
                bail!("the demonstration waited in vain for “{part}” in the team's channel");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn show_timeline(&mut self, told: &Told, mira: InfluencerId) -> anyhow::Result<()> {
        self.paper.heading("Her timeline, newest first, as `liaison influencer show` has it")?;
        let mut tx = self.hub.store.read().await?;
        let timeline = tx.list_timeline(mira, self.hub.clock.now(), Page::newest(SHOWN)).await?;
        drop(tx);
        for entry in &timeline.data {
            self.paper.line(&timeline_line(&told.out, entry))?;
        }
        Ok(())
    }
}
