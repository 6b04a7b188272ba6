//! Handing over one text message, the same for all providers: what is looked at before, what an answer means, and the rest that a
//! provider asks for.
//!
//! There is no idempotency key anywhere in these interfaces. So a request that may have reached the provider and got no answer that
//! can be understood is uncertain, and never sent again by itself; only where there was no connection is it known not to be sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::TEXT_CHARS_MAX;
use super::fault::{Fault, cut};
use crate::clock::Clock;
use crate::connector::feed::{FileError, Words};
use crate::connector::http::{HttpError, Told};
use crate::connector::{ConnectorError, Offer, OfferError, Outgoing, Phase, Reply, SendOutcome, Sender, wait_reply};
use crate::domain::phone;
use crate::domain::time::Micros;

/// The longest that a provider's wish to be left alone is heeded; it is asked again then.
pub(super) const REST_MAX: Duration = Duration::from_hours(1);
/// How long sessions keep to a rest by themselves. What is in hand by then is put away, and the account's own rest, which a person may
/// end, keeps the others.
const KEPT_MAX: Duration = Duration::from_mins(1);
/// The shortest that a provider can ask for.
const REST_LEAST: Duration = Duration::from_secs(1);
/// The rest where a provider says that we are too fast, and not for how long.
pub(super) const REST_USUAL: Duration = Duration::from_secs(5);

/// What a provider said to one message.
pub(super) enum Said {
    /// It has it, under this id.
    Taken {
        /// Its id.
        id: String,
        /// How it calls the state, for people.
        state: String,
    },
    /// It does not want it.
    No {
        /// Why.
        fault: Fault,
        /// Its code.
        code: Option<String>,
        /// Its words.
        words: String,
    },
    /// What it says can't be understood.
    Unclear,
}

/// A provider that takes messages.
pub(super) trait Carrier: Send + Sync {
    /// Its name for people.
    fn label(&self) -> &'static str;
    /// Asks it to send.
    fn hand<'a>(&'a self, to: &'a str, words: &'a Words) -> BoxFuture<'a, Result<Told, HttpError>>;
    /// What its answer says.
    fn read(&self, told: &Told) -> Said;
}

/// Until when a provider wants to be left alone: machine time, shared by all sessions of a line.
#[derive(Debug, Clone, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Instant>>>);

impl Rest {
    /// Until when that is, by the clock of business.
    pub(super) fn until(&self, clock: &Clock) -> Option<Micros> {
        self.left().map(|left| clock.now().plus(left))
    }

    fn left(&self) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.map(|at| at.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn take(&self, length: Option<Duration>) -> Duration {
        let length = length.unwrap_or(REST_USUAL).clamp(REST_LEAST, REST_MAX);
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + length.min(KEPT_MAX)));
        length
    }

    /// Nothing is read while a provider wants to be left alone.
    pub(super) fn check(&self, label: &str) -> Result<(), ConnectorError> {
        match self.left() {
            Some(left) => {
                Err(ConnectorError::Lost(format!("{label} asked us to wait; not before {} s", left.as_secs())))
            }
            None => Ok(()),
        }
    }

    /// The same of a file.
    pub(super) fn check_file(&self, label: &str) -> Result<(), FileError> {
        let later = |rest| Err(FileError::Later { rest, why: format!("{label} asked us to wait") });
        self.left().map_or(Ok(()), later)
    }

    /// Keeps the rest that an answer to a question asks for. All of it: no rest of an account stands behind this one.
    pub(super) fn heed(&self, told: &Told) {
        if told.status == 429 {
            // `0`, or a time that is over, would be none.
            let length = told.retry_after.unwrap_or(REST_USUAL).clamp(REST_LEAST, REST_MAX);
            self.keep(length);
        }
    }

    /// Keeps to a rest, for [`REST_MAX`] at most.
    pub(super) fn keep(&self, length: Duration) {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + length.min(REST_MAX)));
    }
}

/// Hands over text messages, one at a time. There is no session to keep: each is one request.
pub(super) struct TextSender<C> {
    pub(super) carrier: Arc<C>,
    pub(super) rest: Rest,
    pub(super) clock: Clock,
}

/// What is in the outbox, where it can be sent.
fn read(mail: &Outgoing) -> Result<(&str, Words), (Phase, Reply)> {
    let no = |phase, code: &str, text: &str| {
        (phase, Reply { code: 553, enhanced: Some(code.to_owned()), text: text.to_owned() })
    };
    let [to] = mail.recipients.as_slice() else {
        return Err(no(Phase::Recipient, "5.5.3", "a text message goes to one number: send one to each"));
    };
    if !phone::is_key(to) {
        let why = "the number is not written as +, country and number: correct the address";
        return Err(no(Phase::Recipient, "5.1.3", why));
    }
    let words: Words = serde_json::from_slice(&mail.content)
        .map_err(|_| no(Phase::Data, "5.6.0", "the stored message is no text message: write it anew"))?;
    if words.text.trim().is_empty() {
        return Err(no(Phase::Data, "5.6.0", "the message has no words: write some"));
    }
    if words.text.chars().count() > TEXT_CHARS_MAX {
        let why = format!("the message has more than {TEXT_CHARS_MAX} characters: make it shorter, or send two");
        return Err(no(Phase::Data, "5.3.4", &why));
    }
    Ok((to, words))
}

impl<C: Carrier> TextSender<C> {
    fn outcome(&self, answer: Result<Told, HttpError>) -> SendOutcome {
        let told = match answer {
            Ok(told) => told,
            Err(error @ (HttpError::NotConnected { .. } | HttpError::NotAllowed(_) | HttpError::Setup(_))) => {
                // 421 is how mail says it: the account rests, and the message has not failed.
                return SendOutcome::Refused(Reply { code: 421, enhanced: None, text: cut(&error.to_string()) });
            }
            Err(error @ (HttpError::Unreachable { .. } | HttpError::TooLarge(_))) => {
                return SendOutcome::Uncertain(cut(&error.to_string()));
            }
        };
        match (told.status, self.carrier.read(&told)) {
            (200..=299, Said::Taken { id, state }) => {
                let text = cut(&format!("{} has it as {id} ({state})", self.carrier.label()));
                SendOutcome::Accepted { reply: Reply { code: told.status, enhanced: None, text }, id: Some(id) }
            }
            // 408: it gave up waiting, and how much it had read by then nobody knows.
            (400..=407 | 409..=499, said) => SendOutcome::Refused(self.refusal(&told, said)),
            (status, _) => {
                let why = format!("{} answered {status}, and not whether it has the message", self.carrier.label());
                SendOutcome::Uncertain(why)
            }
        }
    }

    fn refusal(&self, told: &Told, said: Said) -> Reply {
        let (fault, code, words) = match said {
            Said::No { fault, code, words } => (fault, code, words),
            // Not in the provider's own form: something between us said no, and may not do so again.
            Said::Taken { .. } | Said::Unclear => {
                let fault = if told.status == 401 { Fault::SignIn } else { Fault::Passing };
                (fault, None, format!("HTTP {}", told.status))
            }
        };
        let fault = if told.status == 429 { Fault::TooFast } else { fault };
        if fault != Fault::TooFast {
            return fault.reply(code.as_deref(), &words);
        }
        let until = self.clock.now().plus(self.rest.take(told.retry_after));
        let said = fault.reply(code.as_deref(), &words).text;
        wait_reply(until, &said, true)
    }
}

impl<C: Carrier> Sender for TextSender<C> {
    /// Looks at what is to go out, and whether the provider wants to be left alone. Nobody is asked: a message can't be offered here
    /// without being sent.
    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        Box::pin(async move {
            if let Some(left) = self.rest.left() {
                // It is no trouble: the account waits as it was asked to.
                let why = format!("{} asked us to wait", self.carrier.label());
                let reply = wait_reply(self.clock.now().plus(left), &why, true);
                return Ok(Offer::Refused {
                    phase: Phase::Connect,
                    replies: vec![reply; mail.recipients.len().max(1)],
                });
            }
            Ok(match read(mail) {
                Ok(_) => Offer::Ready { refused: vec![None] },
                Err((phase, reply)) => Offer::Refused { phase, replies: vec![reply; mail.recipients.len().max(1)] },
            })
        })
    }

    fn hand_over<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            match read(mail) {
                Ok((to, words)) => {
                    let answer = self.carrier.hand(to, &words).await;
                    self.outcome(answer)
                }
                Err((_, reply)) => SendOutcome::Refused(reply),
            }
        })
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::not_before;

    struct Paper;

    impl Carrier for Paper {
        fn label(&self) -> &'static str {
            "Paper"
        }
        fn hand<'a>(&'a self, _: &'a str, _: &'a Words) -> BoxFuture<'a, Result<Told, HttpError>> {
            Box::pin(async { Ok(told(200, "id")) })
        }
        fn read(&self, told: &Told) -> Said {
            match told.body.as_slice() {
                b"id" => Said::Taken { id: "id".to_owned(), state: "queued".to_owned() },
                b"" => Said::Unclear,
                _ => Said::No { fault: Fault::OptedOut, code: Some("21610".to_owned()), words: "no".to_owned() },
            }
        }
    }

    fn told(status: u16, body: &str) -> Told {
        Told { status, retry_after: Some(Duration::from_secs(30)), location: None, body: body.as_bytes().to_vec() }
    }

    fn sender() -> TextSender<Paper> {
        TextSender { carrier: Arc::new(Paper), rest: Rest::default(), clock: Clock::machine() }
    }

    fn mail(to: &[&str], text: &str) -> Outgoing {
        let words = Words { text: text.to_owned(), token: "t".to_owned(), thread: None, place: None, callback: None };
        Outgoing {
            from: "+14155550100".to_owned(),
            recipients: to.iter().map(|t| (*t).to_owned()).collect(),
            content: serde_json::to_vec(&words).unwrap(),
        }
    }

    #[tokio::test]
    async fn what_can_not_be_sent_is_refused_before_anybody_is_asked() {
        let mut broken = mail(&["+14155550101"], "x");
        broken.content = b"From: a@example.com".to_vec();
        for (mail, expected) in [
            (mail(&[], "x"), Phase::Recipient),
            (mail(&["+14155550101", "+14155550102"], "x"), Phase::Recipient),
            (mail(&["4155550101"], "x"), Phase::Recipient),
            (mail(&["+14155550101"], " \n"), Phase::Data),
            (mail(&["+14155550101"], &"é".repeat(1_601)), Phase::Data),
            (broken, Phase::Data),
        ] {
            let Ok(Offer::Refused { phase, replies }) = sender().offer(&mail).await else { panic!("{mail:?}") };
            assert_eq!(phase, expected, "{mail:?}");
            assert!(replies.iter().all(|r| r.code == 553 && !r.text.contains("4155550101")), "{replies:?}");
        }
        let fine = mail(&["+14155550101"], &"é".repeat(1_600));
        assert_eq!(sender().offer(&fine).await, Ok(Offer::Ready { refused: vec![None] }));
        assert!(matches!(sender().hand_over(&fine).await, SendOutcome::Accepted { id: Some(id), .. } if id == "id"));
    }

    #[tokio::test]
    async fn only_what_is_known_is_said() {
        let outcome = |status, body: &str| sender().outcome(Ok(told(status, body)));
        for (status, body) in
            [(200, ""), (201, "no"), (302, "id"), (408, "no"), (500, "no"), (502, ""), (503, "id"), (100, "")]
        {
            assert!(matches!(outcome(status, body), SendOutcome::Uncertain(_)), "{status} {body}");
        }
        for (status, body, code) in
            [(400, "no", 550), (400, "", 450), (401, "", 535), (404, "", 450), (429, "", 429), (429, "no", 429)]
        {
            let SendOutcome::Refused(reply) = outcome(status, body) else { panic!("{status} {body}") };
            assert_eq!(reply.code, code, "{status} {body}");
        }
        let lost = HttpError::Unreachable { host: "h".to_owned(), why: "no answer in time".to_owned() };
        assert!(matches!(sender().outcome(Err(lost)), SendOutcome::Uncertain(_)));
        assert!(matches!(sender().outcome(Err(HttpError::TooLarge("h".to_owned()))), SendOutcome::Uncertain(_)));
        let never = HttpError::NotConnected { host: "h".to_owned(), why: "refused".to_owned() };
        assert!(matches!(sender().outcome(Err(never)), SendOutcome::Refused(Reply { code: 421, .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn no_rest_is_kept_for_longer_than_an_hour() {
        let rest = Rest::default();
        rest.keep(Duration::from_hours(30));
        assert_eq!(rest.left(), Some(REST_MAX));
        tokio::time::advance(REST_MAX).await;
        assert_eq!(rest.left(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_that_is_asked_for_is_kept_by_all_sessions() {
        let mut first = sender();
        let mut second =
            TextSender { carrier: first.carrier.clone(), rest: first.rest.clone(), clock: Clock::machine() };
        let mail = mail(&["+14155550101"], "x");
        assert!(matches!(first.outcome(Ok(told(429, ""))), SendOutcome::Refused(_)));
        tokio::time::advance(Duration::from_secs(29)).await;
        let Ok(Offer::Refused { replies, .. }) = second.offer(&mail).await else { panic!("it was asked") };
        assert!(not_before(&replies[0]).is_some_and(|(_, whole)| whole), "{replies:?}");
        tokio::time::advance(Duration::from_secs(1)).await;
        for sender in [&mut first, &mut second] {
            assert_eq!(sender.offer(&mail).await, Ok(Offer::Ready { refused: vec![None] }));
        }
    }
}
