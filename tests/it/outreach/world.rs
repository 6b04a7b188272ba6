//! A small brand with an engine of its own: people, accounts, sequences made in code, and a clock that jumps to what is due.

use crate::seed;
use crate::stores::Fresh;
use liaison::clock::Clock;
use liaison::domain::ids::{AddressId, EnrollmentId, InfluencerId, MessageId, RunId};
use liaison::domain::people::{Address, Person};
use liaison::domain::sequence::{
    Definition, Format, Limits, Schedule, Step, StepKind, Template, Unsubscribe, Variable, ZoneRule,
};
use liaison::domain::time::Micros;
use liaison::domain::words::Channel;
use liaison::domain::zone::Zone;
use liaison::hub::enqueue::AccountFrom;
use liaison::hub::outreach::enroll::{Again, enroll};
use liaison::hub::outreach::house::{Desk, House, Owner, Sender};
use liaison::outbound::rehearsal::accept_due;
use liaison::outbound::{SendingSettings, Tools, Watermark};
use liaison::sequence::{self, Cadence, Trust};
use liaison::store::outreach::enrollment::{EnrollmentRow, StepRow};
use std::collections::BTreeMap;

/// Monday, 2 November 2026, 14:00 UTC: 09:00 in New York.
pub(super) const MONDAY: &str = "2026-11-02T14:00:00Z";

pub(super) fn instant(text: &str) -> Micros {
    Micros::parse(text).unwrap()
}

pub(super) struct World {
    pub(super) fresh: Fresh,
    pub(super) clock: Clock,
    pub(super) desk: Desk,
    pub(super) tools: Tools,
    pub(super) cadence: Cadence,
}

/// A sent step: when, who, which step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sent {
    pub(super) at: String,
    pub(super) who: InfluencerId,
    pub(super) step: String,
    pub(super) id: MessageId,
}

pub(super) fn house() -> House {
    let sender = |name: &str| Sender {
        from: AccountFrom {
            name: name.to_owned(),
            address: format!("{name}@acme.example"),
            display_name: "Acme Outdoors".to_owned(),
        },
        channel: Channel::Email,
        send_hours: Vec::new(),
        file_copy: false,
        message_id_domain: "acme.example".to_owned(),
        working_hours: Vec::new(),
        daily_limit: None,
        ramp_up: None,
    };
    House {
        accounts: [("brand".to_owned(), sender("brand")), ("creators".to_owned(), sender("creators"))].into(),
        owners: [(
            "kim".to_owned(),
            Owner {
                id: "kim".to_owned(),
                first_name: "Kim".to_owned(),
                last_name: String::new(),
                email: "kim@acme.example".to_owned(),
            },
        )]
        .into(),
        default_owner: Some("kim".to_owned()),
        sender_name: "Acme Outdoors".to_owned(),
        sender_address: "1 Main St, Portland".to_owned(),
        base_url: Some("https://hub.acme.example".to_owned()),
        zone: Zone::named("America/New_York").unwrap(),
        country: None,
        ..House::default()
    }
}

pub(super) fn email(id: &str, after: Option<&str>, template: &str) -> Step {
    Step {
        id: id.to_owned(),
        after: after.map(str::to_owned),
        condition: None,
        kind: StepKind::Email { templates: vec![template.to_owned()], split: vec![100] },
        otherwise: None,
        stage: None,
        review: false,
    }
}

pub(super) fn definition(id: &str, steps: Vec<Step>) -> Definition {
    let template = |subject: Option<&str>, body: &str| Template {
        format: Format::Markdown,
        subject: subject.map(str::to_owned),
        preheader: None,
        attachments: Vec::new(),
        body: body.to_owned(),
    };
    Definition {
        id: id.to_owned(),
        name: id.to_owned(),
        accounts: vec!["brand".to_owned()],
        enter_from: Vec::new(),
        exit_on: Vec::new(),
        unsubscribe: Unsubscribe::Footer,
        allow_parallel: false,
        schedule: Schedule {
            zone: ZoneRule::Influencer,
            fallback: "America/New_York".to_owned(),
            days: ["mon", "tue", "wed", "thu", "fri"].map(str::to_owned).to_vec(),
            hours: vec!["09:00-17:00".to_owned()],
            holidays: Vec::new(),
            max_late: "24h".to_owned(),
        },
        limits: Limits { new_per_day: None, per_day: None, per_domain: None, gap: None },
        variables: vec![Variable {
            name: "first_name".to_owned(),
            value: None,
            from: Some("influencer.first_name".to_owned()),
            default: Some("there".into()),
        }],
        steps,
        voices: BTreeMap::new(),
        on_reply: None,
        on_finish: None,
        pause_if: Vec::new(),
        templates: BTreeMap::from([
            (
                "intro.md".to_owned(),
                template(
                    Some("A tee for {{ influencer.handle }}"),
                    "Hi {{ first_name }}, [see it](https://shop.example/gift).",
                ),
            ),
            ("intro-b.md".to_owned(), template(Some("Hello {{ first_name }}"), "Hi {{ first_name }}, a tee?")),
            ("nudge.md".to_owned(), template(None, "Did my note reach you, {{ first_name }}?")),
            ("last.md".to_owned(), template(None, "Last note from {{ owner.first_name }}.")),
        ]),
    }
}

impl World {
    pub(super) fn new(fresh: Fresh, house: House) -> Self {
        let clock = Clock::stepped(instant(MONDAY));
        let desk = Desk::new(house);
        let tools = Tools {
            store: fresh.store.clone(),
            clock: clock.clone(),
            run: RunId(clock.new_id()),
            desk: desk.clone(),
            watermark: Watermark::none(),
        };
        let cadence = Cadence { store: fresh.store.clone(), clock: clock.clone(), desk: desk.clone() };
        Self { fresh, clock, desk, tools, cadence }
    }

    /// Accounts as the store knows them.
    pub(super) async fn accounts(&self) {
        let mut tx = self.fresh.store.begin("test").await.unwrap();
        for name in self.desk.house().accounts.keys() {
            tx.ensure_account(name, "sandbox", &format!("{name}@acme.example"), self.clock.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub(super) async fn publish(&self, definitions: Vec<Definition>) {
        let ids = definitions.iter().map(|d| d.id.clone()).collect();
        let definitions = definitions.into_iter().map(|d| (d.clone(), sequence::load::hash(&d))).collect();
        let loaded = sequence::Loaded { definitions, findings: Vec::new(), ids };
        let mut tx = self.fresh.store.begin("test").await.unwrap();
        sequence::publish(&mut tx, &self.clock, &loaded, Trust::Whole).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Somebody with an address and a zone.
    pub(super) async fn person(&self, zone: Option<&str>) -> InfluencerId {
        let id = seed::influencer(&self.fresh, &self.clock).await;
        let value = format!("p{}@example.org", id.0.simple());
        let mut tx = self.fresh.store.begin("test").await.unwrap();
        let address = Address {
            id: AddressId(self.clock.new_id()),
            channel: Channel::Email,
            value: value.clone(),
            value_key: value,
            person: Person::Influencer(id),
            is_primary: true,
            dead_at: None,
            dead_reason: None,
            created_at: self.clock.now(),
        };
        tx.insert_addresses(&[address]).await.unwrap();
        tx.commit().await.unwrap();
        if let Some(zone) = zone {
            seed::run(&self.fresh, &format!("UPDATE influencer SET timezone = '{zone}' WHERE id = $1"), &[id.0]).await;
        }
        id
    }

    pub(super) async fn enroll(&self, sequence: &str, who: &[InfluencerId]) -> Vec<Result<EnrollmentId, String>> {
        let mut tx = self.fresh.store.begin("test").await.unwrap();
        let outcomes = enroll(&mut tx, &self.clock, sequence, who, Again::Refused).await.unwrap();
        tx.commit().await.unwrap();
        outcomes.into_iter().map(|o| o.result.map_err(|refusal| refusal.to_string())).collect()
    }

    /// The next instant at which anything is due.
    pub(super) async fn next_due(&self) -> Option<Micros> {
        let mut next = self.cadence.next_due().await.unwrap();
        let mut tx = self.fresh.store.read().await.unwrap();
        for account in self.desk.house().accounts.keys() {
            next = [next, tx.next_due_outbox(account).await.unwrap()].into_iter().flatten().min();
        }
        next
    }

    /// Does everything that is due now; what was sent.
    pub(super) async fn settle(&self) -> Vec<Sent> {
        let mut sent = Vec::new();
        for _ in 0..1_000 {
            let (looked, _) = self.cadence.tick().await.unwrap();
            let mut accepted = 0;
            let accounts: Vec<String> = self.desk.house().accounts.keys().cloned().collect();
            for account in accounts {
                for id in accept_due(&self.tools, &SendingSettings::new(account)).await.unwrap() {
                    accepted += 1;
                    let mut tx = self.fresh.store.read().await.unwrap();
                    let Some(mail) = tx.step_of_message(id).await.unwrap() else { continue };
                    let run = tx.get_enrollment(mail.enrollment_id).await.unwrap().unwrap();
                    let at = self.clock.now().to_string();
                    sent.push(Sent { at, who: run.influencer_id, step: mail.step, id });
                }
            }
            let due = self.next_due().await.is_some_and(|at| at <= self.clock.now());
            if looked.runs == 0 && accepted == 0 && !due {
                return sent;
            }
        }
        panic!("it never comes to rest");
    }

    /// Goes from one due instant to the next, up to `until`; what was sent.
    pub(super) async fn run_until(&self, until: &str) -> Vec<Sent> {
        self.run_late_until(until, std::time::Duration::ZERO).await
    }

    /// The same by a clock of life, which shows a little more than what is due whenever somebody looks.
    pub(super) async fn run_late_until(&self, until: &str, late: std::time::Duration) -> Vec<Sent> {
        let until = instant(until);
        let mut sent = self.settle().await;
        while let Some(next) = self.next_due().await {
            if next > until {
                break;
            }
            assert!(next > self.clock.now(), "what is due at {next} is not done at {}", self.clock.now());
            self.clock.advance_to(next.plus(late));
            sent.extend(self.settle().await);
        }
        self.clock.advance_to(until);
        sent
    }

    pub(super) async fn run_of(&self, id: EnrollmentId) -> EnrollmentRow {
        self.fresh.store.read().await.unwrap().get_enrollment(id).await.unwrap().unwrap()
    }

    pub(super) async fn steps_of(&self, id: EnrollmentId) -> Vec<StepRow> {
        self.fresh.store.read().await.unwrap().list_steps(vec![id]).await.unwrap()
    }
}

/// What was sent, without ids: `2026-11-02T14:00:00.000000Z intro`.
pub(super) fn told(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(|s| format!("{} {}", s.at.replace(":00.000000Z", "Z"), s.step)).collect()
}
