//! The closed vocabularies: channels, kinds, states. Each value has one spelling, the same in the database,
//! the API and the command line.

use std::fmt;
use std::str::FromStr;

/// A text that is none of a vocabulary's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not one of: {allowed}")]
pub struct WordError {
    /// What was given.
    pub given: String,
    /// The words there are, separated by commas.
    pub allowed: String,
}

/// A closed vocabulary stored and shown as text.
pub trait Word: Copy + Sized + 'static {
    /// Every value, in order.
    const ALL: &'static [Self];
    /// The one spelling.
    fn as_str(self) -> &'static str;
    /// The value spelled `text`.
    fn from_word(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|w| w.as_str() == text)
    }
}

macro_rules! word {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }

        impl FromStr for $name {
            type Err = WordError;
            fn from_str(text: &str) -> Result<Self, WordError> {
                Self::from_word(text).ok_or_else(|| WordError {
                    given: text.chars().take(80).collect(),
                    allowed: Self::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let words: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                schemars::json_schema!({ "type": "string", "enum": words })
            }
        }
    };
}

word!(/** How a message travels. */ Channel { Email = "email", Sms = "sms", Slack = "slack", Manual = "manual" });
impl Channel {
    /// Those on which people have addresses.
    pub const ADDRESSED: [Self; 3] = [Self::Email, Self::Sms, Self::Slack];
}

word!(/** Who said it: they (inbound) or we (outbound). */ Direction { Inbound = "inbound", Outbound = "outbound" });
word!(
    /// What sort of message it is.
    Kind {
        Human = "human", OutOfOffice = "out_of_office", Automatic = "automatic", Gone = "gone",
        Bounce = "bounce", Complaint = "complaint", Reaction = "reaction",
    }
);
word!(
    /// Who or what holds somebody: each of these on its own.
    HoldSource {
        /// A person.
        Hand = "hand",
        /// They are out of office.
        Away = "away",
        /// Their mail came back too often.
        Bounces = "bounces",
        /// A message that may be about them is not assigned.
        Unassigned = "unassigned",
        /// One of several complained, and who is not known.
        Complaint = "complaint",
        /// Something came that may be a no, and no rule may say so: a machine's answer, a text message.
        Machine = "machine",
        /// They may have left, says an answer that may be about somebody else.
        Gone = "gone",
        /// Two records of one person were joined, one of which had said no.
        Merge = "merge",
    }
);
word!(
    /// State of an outbox row. See the state table in docs/states.md.
    OutboxStatus {
        /// Waits for a person to read it.
        Review = "review",
        /// Waits for its due instant, or for a free session.
        Queued = "queued",
        /// A session has it under a lease; nothing has left yet.
        Claimed = "claimed",
        /// The content is on its way to the server; the outcome is not known yet.
        HandedOver = "handed_over",
        /// The server said yes.
        Confirmed = "confirmed",
        /// The server said "later".
        Deferred = "deferred",
        /// The server said no, for good.
        Rejected = "rejected",
        /// Handed over, outcome unknown; never sent again before the provider or a person was asked.
        Uncertain = "uncertain",
        /// Taken back before it left.
        Cancelled = "cancelled",
    }
);
word!(
    /// How a message of ours fares at a provider that tells more than that it took it. A later one never goes back behind an earlier one.
    Progress {
        /// The provider has it.
        Taken = "taken",
        /// It left the provider.
        Sent = "sent",
        /// It arrived.
        Delivered = "delivered",
        /// It did not arrive, and will not.
        Failed = "failed",
    }
);
word!(
    /// How a file beside a message stands.
    FileState {
        /// It is to be fetched.
        Waiting = "waiting",
        /// It is here.
        Kept = "kept",
        /// It is not here, and will not be.
        Gone = "gone",
    }
);
word!(/** How someone takes part in a message. */ Role { Author = "author", Recipient = "recipient", Cc = "cc" });
word!(/** What a folder of a mailbox is for. */ FolderRole { Inbox = "inbox", Sent = "sent", Junk = "junk", All = "all" });
word!(/** How an account is. */ AccountState { Up = "up", Down = "down", Paused = "paused", NeedsLogin = "needs_login" });
word!(
    /// How the sign-in of an account is that signs in with OAuth.
    SignInState {
        /// Its access token holds.
        Valid = "valid",
        /// Its access token has ended; the next use gets another one.
        Due = "due",
        /// The provider does not take it any more: somebody has to sign in.
        Refused = "refused",
    }
);
word!(/** Whose turn it is. */ Awaiting { Us = "us", Them = "them" });
word!(
    /// What a token may do. None implies another.
    Scope {
        /// Look at everything but tokens.
        Read = "read",
        /// Change what is kept.
        Write = "write",
        /// Let messages leave.
        MessagesSend = "messages:send",
        /// Enroll people and steer their runs.
        SequencesRun = "sequences:run",
        /// Fetch the numbers of `/metrics`.
        Metrics = "metrics",
        /// Tokens and webhooks, letting a copied database send, erasing somebody.
        Admin = "admin",
    }
);
word!(
    /// Why a message waits in "unmatched".
    UnmatchedReason {
        /// Nobody known wrote it and it belongs to no known thread.
        UnknownSender = "unknown_sender",
        /// An unknown address wrote in a known thread: perhaps another address of that person.
        AliasProposed = "alias_proposed",
        /// An agent wrote, and nothing tells for which of their influencers.
        AgentUnassigned = "agent_unassigned",
        /// No header ties it to a thread, but one thread of the person has the same subject.
        ThreadSuggested = "thread_suggested",
    }
);
word!(/** How a recipient of an outgoing message stands. */ RecipientState {
    Pending = "pending", Accepted = "accepted", Deferred = "deferred", Rejected = "rejected", Suppressed = "suppressed",
});
word!(/** A language whose words are known: ISO 639-1. */ Language {
    En = "en", De = "de", Fr = "fr", Es = "es", Pt = "pt", It = "it", Nl = "nl",
});
word!(
    /// What a person's answer means for writing to them again.
    Meaning {
        /// Wants no more mail.
        OptOut = "opt_out",
        /// Does not want what was offered.
        Refusal = "refusal",
        /// Speaks of it, and what is meant can't be told: for a person to read.
        Unsure = "unsure",
        /// Neither.
        Neither = "none",
    }
);
word!(/** The names of facts, which are also the webhook names. */ EventType {
    MessageReceived = "message.received", MessageSent = "message.sent", MessageDeferred = "message.deferred",
    MessageRejected = "message.rejected", MessageUncertain = "message.uncertain", MessageCancelled = "message.cancelled",
    MessageBounced = "message.bounced", MessageComplained = "message.complained", ThreadReplied = "thread.replied",
    InfluencerCreated = "influencer.created", InfluencerUpdated = "influencer.updated",
    InfluencerStageChanged = "influencer.stage_changed", InfluencerUnsubscribed = "influencer.unsubscribed",
    InfluencerHeld = "influencer.held", InfluencerMerged = "influencer.merged", InfluencerErased = "influencer.erased",
    MessageOpened = "message.opened", MessageClicked = "message.clicked",
    MessageDelivered = "message.delivered", MessageEdited = "message.edited",
    EnrollmentStarted = "enrollment.started", EnrollmentStepDone = "enrollment.step_done",
    EnrollmentFinished = "enrollment.finished", EnrollmentExited = "enrollment.exited", EnrollmentHeld = "enrollment.held",
    SequencePaused = "sequence.paused", SequenceResumed = "sequence.resumed",
    TeamNotified = "team.notified", TaskCreated = "task.created", TaskCompleted = "task.completed", AccountDown = "account.down", AccountUp = "account.up",
    WebhookDisabled = "webhook.disabled",
});
word!(/** Whether a webhook is told anything. */ WebhookState { Enabled = "enabled", Disabled = "disabled" });
word!(
    /// Why a webhook is told nothing any more.
    DisabledWhy {
        /// Somebody said so.
        ByHand = "by_hand",
        /// It answered 410: it is gone.
        Gone = "gone",
        /// It took nothing for days.
        Failing = "failing",
    }
);
word!(
    /// How the delivery of an event to a webhook stands.
    DeliveryState {
        /// It waits for its first try, or for the next one.
        Pending = "pending",
        /// The other side took it.
        Delivered = "delivered",
        /// Given up after the last try.
        Failed = "failed",
    }
);
word!(
    /// What something shown to the team is.
    RelaySort {
        /// Who it is about: it begins the thread.
        Opening = "opening",
        /// A message of theirs.
        Shown = "shown",
        /// What became of something: sent, not sent, stopped.
        Told = "told",
        /// What a sequence tells the team.
        Notify = "notify",
    }
);
word!(
    /// How something shown to the team stands.
    RelayState {
        /// It waits for its first try, or for the next one.
        Waiting = "waiting",
        /// A try has begun.
        Begun = "begun",
        /// It stands there.
        Posted = "posted",
        /// Given up.
        Failed = "failed",
    }
);
word!(
    /// How the team said something.
    RelayWay {
        /// In the thread.
        Said = "said",
        /// By the shortcut at a message.
        Pressed = "pressed",
        /// By a mail.
        Mailed = "mailed",
    }
);
word!(
    /// Whether what the team said was seen to.
    RelayWordState {
        /// Not yet.
        Waiting = "waiting",
        /// It was.
        Done = "done",
    }
);
word!(/** Why an address must not be written to. */ SuppressionReason {
    ByHand = "by_hand", OptedOut = "opted_out", Complaint = "complaint", Bounced = "bounced", Erased = "erased",
});
word!(
    /// How a run of a sequence stands.
    EnrollmentState {
        /// It goes on.
        Active = "active",
        /// Something holds it: the person is held, a task is not filled, an outcome is not known.
        Held = "held",
        /// A person paused it.
        Paused = "paused",
        /// All steps are done.
        Finished = "finished",
        /// Something ended it.
        Exited = "exited",
    }
);
word!(
    /// What a run waits for next.
    Phase {
        /// The delay of its next step.
        Delay = "delay",
        /// The outcome of a send.
        Send = "send",
        /// A person's task.
        Task = "task",
        /// An open or click, or the end of the time for it.
        Event = "event",
        /// The end of what follows the last step.
        Finish = "finish",
        /// Nothing: it is over.
        Over = "over",
    }
);
word!(/** What became of a step. */ StepState {
    Planned = "planned", Sent = "sent", Skipped = "skipped", Done = "done", TimedOut = "timed_out",
});
word!(/** How a task stands. */ TaskState { Open = "open", Done = "done", TimedOut = "timed_out", Cancelled = "cancelled" });
word!(
    /// Why there is a task.
    TaskKind {
        /// A step of a sequence asks for it.
        Step = "step",
        /// A person made it.
        ByHand = "by_hand",
        /// An answer that a rule could not judge.
        Answer = "answer",
        /// Whether something was a no: a machine's answer, one of several who complained. Done only with an answer.
        Refusal = "refusal",
        /// An address that is dead, or a person who left.
        Address = "address",
        /// A stage that automation may not change any more.
        Stage = "stage",
        /// What a sequence asks for at its end.
        Sequence = "sequence",
        /// A mail that the server does not give: only a mail program shows it.
        Mail = "mail",
    }
);
word!(/** What was fetched. */ HitKind { Open = "open", Click = "click", Hidden = "hidden", Unsubscribe = "unsubscribe" });
word!(/** Who fetched it. */ Verdict { Human = "human", Machine = "machine" });
