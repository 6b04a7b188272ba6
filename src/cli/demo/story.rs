//! The story: a morning of a small brand, beat by beat. Each beat waits for what the hub must record, so that a hub that
//! does otherwise ends the demonstration with an error.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use super::super::thread::show_thread;
use super::Told;
use super::cast::{self, ROLES, Role, SUBJECT};
use super::paper::{Paper, Tone};
use super::summary;
use super::watch::Watch;
use crate::app::{AccountParts, Hub};
use crate::connector::sandbox::{Delivered, World};
use crate::domain::address;
use crate::domain::ids::{InfluencerId, ThreadId};
use crate::domain::mail::Mailbox;
use crate::domain::words::EventType;
use crate::hub::enqueue::{self, AccountFrom, Answers, EnqueueError, Order};
use crate::hub::people::{self, NetworkGiven, NewAgent, NewInfluencer};
use crate::hub::unmatched::{self, Whose};
use crate::lifecycle::{Lifecycle, Stop};
use crate::store::reading::Page;
use crate::store::reading::thread::ThreadFilter;

mod across;
mod fetch;
mod outreach;

/// Between two beats, so that people can read along. Machine time.
const BREATH: Duration = Duration::from_millis(350);
/// The business time that passes with each breath once the story is told.
const BREATH_IS: Duration = Duration::from_mins(1);
/// Breaths between two mails that people write by themselves once the story is told.
const CHAT_EVERY: u64 = 8;
/// Business time between two mails of the morning.
const BETWEEN: Duration = Duration::from_secs(40);

/// Tells the story.
pub(super) struct Story {
    hub: Hub,
    world: World,
    paper: Paper,
    watch: Watch,
    life: Lifecycle,
    stop: Stop,
}

/// What to write.
struct Writing<'a> {
    to: &'a str,
    subject: Option<&'a str>,
    text: &'a str,
    answers: Option<ThreadId>,
}

impl Story {
    pub(super) fn new(hub: Hub, world: World, paper: Paper, life: Lifecycle) -> Self {
        let watch = Watch::new(hub.clone(), paper.clone());
        Self { hub, world, paper, watch, stop: life.stop(), life }
    }

    /// Tells it, goes on until the time is over or somebody ends it, and sums up.
    pub(super) async fn tell(mut self, told: Told) -> anyhow::Result<()> {
        let end = told.length.map(|length| Instant::now() + length);
        let stop = self.stop.clone();
        // A terminal that is closed says so with SIGHUP; there is nothing to read again here.
        let mut hang_ups = self.life.reloads();
        tokio::select! {
            result = self.beats(&told) => result?,
            () = stop.soft() => {}
            () = hang_ups.next() => {}
        }
        if !stop.is_soft() {
            tokio::select! {
                result = self.go_on(end) => result?,
                () = stop.soft() => {}
                () = hang_ups.next() => {}
            }
        }
        self.watch.drain().await?;
        summary::print(&self.hub, &self.world, (&self.paper, self.watch.counts())).await
    }

    async fn beats(&mut self, told: &Told) -> anyhow::Result<()> {
        self.paper.heading("The story")?;
        self.watch.until("the account to be up", |f| f.what == EventType::AccountUp).await?;
        self.add_people().await?;
        self.write_to_all().await?;
        self.people_answer().await?;
        self.lose_an_answer().await?;
        self.paper.heading("One thread, as `liaison thread show` has it")?;
        if let Some(thread) = self.thread_of("@anaruns").await? {
            let mut tx = self.hub.store.read().await?;
            show_thread(&told.out, &mut tx, thread, false).await?;
            drop(tx);
            self.paper.heading("Try the API")?;
            let Told { listen, token, .. } = told;
            self.paper.line(&format!(
                "curl -H 'Authorization: Bearer {token}' http://{listen}/v1/threads/{thread}/messages"
            ))?;
        }
        self.outreach(told.listen).await?;
        self.across(told).await?;
        self.paper.heading("It goes on; Ctrl-C ends it")?;
        Ok(())
    }

    async fn breathe(&self) {
        tokio::time::sleep(BREATH).await;
    }

    fn tell_now(&self, tone: Tone, text: &str) -> anyhow::Result<()> {
        Ok(self.paper.tell(self.hub.clock.now(), tone, text)?)
    }

    fn account(&self) -> anyhow::Result<AccountParts> {
        self.hub.live().accounts.first().cloned().context("there is no account")
    }

    async fn add_people(&mut self) -> anyhow::Result<()> {
        let mut of_agent = Vec::new();
        for role in &ROLES {
            let id = self.add_person(role).await?;
            if cast::AGENT_OF.contains(&role.handle) {
                of_agent.push(id);
            }
        }
        let (first, last, email) = cast::AGENT;
        let new = NewAgent {
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            emails: vec![email.to_owned()],
            influencers: of_agent,
        };
        let mut tx = self.hub.store.begin("demo.agent").await?;
        people::create_agent(&mut tx, &self.hub.clock, new).await?;
        tx.commit().await?;
        self.hub.stored.notify_waiters();
        self.tell_now(
            Tone::Plain,
            &format!("added {first} {last} <{email}>, the agent of {}", cast::AGENT_OF.join(", ")),
        )
    }

    async fn add_person(&mut self, role: &Role) -> anyhow::Result<InfluencerId> {
        let Role { handle, first_name, last_name, address, zone, network, .. } = role;
        let new = NewInfluencer {
            handle: (*handle).to_owned(),
            first_name: (*first_name).to_owned(),
            last_name: (*last_name).to_owned(),
            emails: vec![(*address).to_owned()],
            timezone: Some((*zone).to_owned()),
            networks: vec![NetworkGiven {
                network: network.0.to_owned(),
                handle: (*handle).to_owned(),
                followers: Some(network.1),
            }],
            ..NewInfluencer::default()
        };
        let stages = self.hub.live().stages.clone();
        let mut tx = self.hub.store.begin("demo.person").await?;
        let made = people::create_influencer(&mut tx, &self.hub.clock, &stages, "demo", new).await?;
        tx.commit().await?;
        let line =
            format!("added {handle}  {first_name} {last_name} <{address}>, {zone}, {} on {}", network.1, network.0);
        self.tell_now(Tone::Plain, &line)?;
        Ok(made.id)
    }

    async fn write_to_all(&mut self) -> anyhow::Result<()> {
        for role in ROLES.iter().filter(|r| r.in_the_morning) {
            self.hub.clock.advance(BETWEEN);
            let text = cast::first_letter(role);
            let id =
                self.send(&Writing { to: role.address, subject: Some(SUBJECT), text: &text, answers: None }).await?;
            self.until_sent(role.address, &id).await?;
            self.arrivals().await?;
        }
        Ok(())
    }

    /// Puts a message into the outbox; its Message-ID.
    async fn send(&mut self, writing: &Writing<'_>) -> anyhow::Result<String> {
        Ok(self.try_send(writing).await??)
    }

    async fn try_send(&mut self, writing: &Writing<'_>) -> anyhow::Result<Result<String, EnqueueError>> {
        let account = self.account()?;
        let named = Mailbox { name: String::new(), address: writing.to.to_owned() };
        let order = Order {
            account: AccountFrom {
                name: account.name.clone(),
                address: account.address.clone(),
                display_name: account.display_name.clone(),
            },
            to: if writing.answers.is_some() { Vec::new() } else { vec![named] },
            cc: Vec::new(),
            subject: writing.subject.map(str::to_owned),
            text: writing.text.to_owned(),
            html: None,
            attachments: Vec::new(),
            answers: writing.answers.map(Answers::Thread),
            due_at: self.hub.clock.now(),
            file_copy: account.file_copy,
            message_id_domain: address::domain(&account.address).unwrap_or_default(),
            outreach: None,
        };
        let mut tx = self.hub.store.begin("demo.send").await?;
        match enqueue::enqueue(&mut tx, &self.hub.clock, order).await {
            Ok(queued) => {
                tx.commit().await?;
                self.hub.wakes.wake(&account.name);
                self.hub.stored.notify_waiters();
                Ok(Ok(queued.internet_message_id))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn until_sent(&mut self, to: &str, id: &str) -> anyhow::Result<()> {
        self.watch.until(&format!("the mail to {to} to be sent"), |f| f.is(EventType::MessageSent, id)).await
    }

    /// Time passes from mail to mail until nobody has anything left to say; the brand reacts.
    async fn people_answer(&mut self) -> anyhow::Result<()> {
        let account = self.account()?.address;
        self.world.write(&account, &cast::dana(), cast::FROM_DANA, Duration::from_mins(100));
        while let Some(at) = self.world.next_arrival() {
            self.breathe().await;
            self.hub.clock.advance_to(at);
            self.arrivals().await?;
        }
        Ok(())
    }

    /// What has arrived by now is taken in, and reacted to.
    async fn arrivals(&mut self) -> anyhow::Result<()> {
        for mail in self.world.deliver() {
            self.until_received(&mail).await?;
            self.react(&mail).await?;
        }
        Ok(())
    }

    async fn until_received(&mut self, mail: &Delivered) -> anyhow::Result<()> {
        let what = format!("the mail of {} to be taken in", mail.from);
        self.watch.until(&what, |f| f.is(EventType::MessageReceived, &mail.message_id)).await
    }

    async fn react(&mut self, mail: &Delivered) -> anyhow::Result<()> {
        match mail.from.as_str() {
            "ana@example.org" => self.answer_ana().await,
            cast::MAYA_ELSEWHERE => self.match_maya(mail).await,
            "MAILER-DAEMON@mx.example.org" => {
                self.watch.until("the bounce", |f| f.what == EventType::MessageBounced).await?;
                self.refused("tomas@example.org").await
            }
            "feedback@mx.example.org" => {
                self.watch.until("the complaint", |f| f.what == EventType::MessageComplained).await?;
                self.refused("sofia@example.org").await
            }
            _ => Ok(()),
        }
    }

    /// The first answer of Ana is answered, in her thread.
    async fn answer_ana(&mut self) -> anyhow::Result<()> {
        let thread = self.thread_of("@anaruns").await?.context("Ana has no thread")?;
        let mut tx = self.hub.store.read().await?;
        let count = tx.get_thread_view(thread).await?.map_or(0, |t| t.message_count);
        drop(tx);
        if count < 2 {
            bail!("Ana's answer is not in the thread that it answers");
        }
        if count > 2 {
            return Ok(());
        }
        self.hub.clock.advance(BETWEEN);
        let writing = Writing { to: "ana@example.org", subject: None, text: cast::TO_ANA, answers: Some(thread) };
        let id = self.send(&writing).await?;
        self.until_sent(writing.to, &id).await
    }

    /// A person says that the unknown address is Maya's.
    async fn match_maya(&mut self, mail: &Delivered) -> anyhow::Result<()> {
        self.breathe().await;
        let stages = self.hub.live().stages.clone();
        let maya = self.influencer("@mayamoves").await?;
        let mut tx = self.hub.store.begin("demo.match").await?;
        let waiting = tx.list_unmatched(Page::newest(50)).await?.data;
        let waiting = waiting.iter().find(|u| u.address == mail.from).context("Maya's mail does not wait")?;
        let whose = (Whose::Influencer(maya), "demo");
        let placed = unmatched::match_message(&mut tx, &self.hub.clock, &stages, waiting.id, whose).await?;
        tx.commit().await?;
        self.hub.stored.notify_waiters();
        let times = if placed == 1 { "message" } else { "messages" };
        self.tell_now(
            Tone::Plain,
            &format!("a teammate says {} is @mayamoves: matched, {placed} {times} placed", mail.from),
        )
    }

    /// A second mail to somebody who must not be written to is not even queued.
    async fn refused(&mut self, to: &str) -> anyhow::Result<()> {
        let writing = Writing { to, subject: Some("One more thing"), text: "Hello again!", answers: None };
        match self.try_send(&writing).await? {
            Ok(_) => bail!("a mail to {to} was queued, though nothing may go there"),
            Err(error) => self.tell_now(Tone::Alarm, &format!("a second mail is refused: {error}")),
        }
    }

    /// The provider takes a mail, and its answer is lost.
    async fn lose_an_answer(&mut self) -> anyhow::Result<()> {
        self.breathe().await;
        self.hub.clock.advance(BETWEEN);
        self.world.lose_next_answer();
        let to = "noor@example.org";
        let writing = Writing { to, subject: Some("The desert trail"), text: cast::TO_NOOR, answers: None };
        let id = self.send(&writing).await?;
        self.watch.until("the lost answer", |f| f.is(EventType::MessageUncertain, &id)).await?;
        self.breathe().await;
        self.hub.clock.advance(BETWEEN);
        self.until_sent(to, &id).await
    }

    async fn influencer(&self, handle: &str) -> anyhow::Result<InfluencerId> {
        let mut tx = self.hub.store.read().await?;
        Ok(people::find_influencer(&mut tx, handle).await?.id)
    }

    async fn thread_of(&self, handle: &str) -> anyhow::Result<Option<ThreadId>> {
        let filter = ThreadFilter { influencer: Some(self.influencer(handle).await?), ..ThreadFilter::default() };
        let mut tx = self.hub.store.read().await?;
        Ok(tx.list_threads(&filter, Page::newest(1)).await?.data.first().map(|t| t.id))
    }

    /// After the story: time goes on at its pace, people write now and then, and what the API is told to send is answered.
    async fn go_on(&mut self, end: Option<Instant>) -> anyhow::Result<()> {
        let mut turn = 0_u64;
        while end.is_none_or(|end| Instant::now() < end) {
            self.breathe().await;
            self.hub.clock.advance(BREATH_IS);
            turn += 1;
            if turn.is_multiple_of(CHAT_EVERY) {
                self.world.chat(turn, Duration::from_mins(2));
            }
            for mail in self.world.deliver() {
                self.until_received(&mail).await?;
            }
            self.watch.drain().await?;
        }
        Ok(())
    }
}
