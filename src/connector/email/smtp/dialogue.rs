//! The commands of one mail: the envelope up to 354, the content up to the final reply, RSET.

use std::time::Duration;

use super::content::Blocks;
use super::session::{Session, shown};
use super::{Envelope, Timeouts};
use crate::connector::{ConnectorError, Offer, OfferError, Phase, Reply};

/// Commands written at once where the server takes PIPELINING (RFC 2920); small enough that their replies fit the
/// socket buffers, so that neither side waits for the other to read.
const BATCH_MAX: usize = 100;
/// How long a broken write waits for the reply that may explain it.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Session {
    /// Says the envelope, up to the moment before the content. The caller resets after a refusal.
    pub(super) async fn offer(&mut self, envelope: &Envelope, timeouts: &Timeouts) -> Result<Offer, OfferError> {
        let asked: Vec<&str> = envelope.recipients.iter().flatten().map(String::as_str).collect();
        let (mail, mut replies) = self.say_envelope(&envelope.mail, &asked, timeouts).await?;
        if !is_taken(&mail) {
            let replies = envelope.recipients.iter().map(|_| mail.clone()).collect();
            return Ok(Offer::Refused { phase: Phase::Envelope, replies });
        }
        replies.reverse();
        let goodbye = replies.iter().find(|r| r.code == 421).cloned();
        let mut refused = Vec::with_capacity(envelope.recipients.len());
        for recipient in &envelope.recipients {
            refused.push(match recipient {
                Err(own) => Some(own.clone()),
                // None is left only where the server said goodbye before.
                Ok(_) => replies.pop().or_else(|| goodbye.clone()).filter(|r| !is_taken(r)),
            });
        }
        if let Some(reply) = goodbye {
            return Ok(all_refused(Phase::Recipient, refused, &reply));
        }
        if refused.iter().all(Option::is_some) {
            return Ok(Offer::Refused { phase: Phase::Recipient, replies: refused.into_iter().flatten().collect() });
        }
        let at_data = |error| OfferError { phase: Phase::Data, error };
        let reply = self.ask("DATA\r\n", timeouts.data).await.map_err(at_data)?.reply;
        match reply.code {
            354 => Ok(Offer::Ready { refused }),
            400..600 => Ok(all_refused(Phase::Data, refused, &reply)),
            _ => Err(at_data(ConnectorError::Lost(format!("unexpected answer to DATA: {}", shown(&reply))))),
        }
    }

    /// MAIL and every RCPT. The replies to the recipients stop where the server says goodbye.
    async fn say_envelope(
        &mut self,
        mail: &str,
        recipients: &[&str],
        timeouts: &Timeouts,
    ) -> Result<(Reply, Vec<Reply>), OfferError> {
        let size = if self.extensions.pipelining { BATCH_MAX } else { 1 };
        let at = |phase| move |error| OfferError { phase, error };
        let mut batches = recipients.chunks(size);
        // MAIL goes with the first batch of recipients where that is allowed, alone where it is not.
        let first = if self.extensions.pipelining { batches.next().unwrap_or_default() } else { &[] };
        let text = format!("{mail}{}", first.concat());
        self.wire.write(text.as_bytes(), timeouts.mail).await.map_err(at(Phase::Envelope))?;
        let mail = self.wire.answer(timeouts.mail).await.map_err(at(Phase::Envelope))?.reply;
        let mut replies = Vec::with_capacity(recipients.len());
        if !is_judged(&mail) {
            return Err(at(Phase::Envelope)(unexpected("MAIL", &mail)));
        }
        if mail.code == 421 {
            return Ok((mail, replies));
        }
        let mut waiting = first.len();
        loop {
            for _ in 0..waiting {
                let reply = self.wire.answer(timeouts.recipient).await.map_err(at(Phase::Recipient))?.reply;
                if !is_judged(&reply) {
                    return Err(at(Phase::Recipient)(unexpected("RCPT", &reply)));
                }
                let goodbye = reply.code == 421;
                replies.push(reply);
                if goodbye {
                    return Ok((mail, replies));
                }
            }
            let Some(batch) = batches.next().filter(|_| is_taken(&mail)) else { return Ok((mail, replies)) };
            self.wire.write(batch.concat().as_bytes(), timeouts.recipient).await.map_err(at(Phase::Recipient))?;
            waiting = batch.len();
        }
    }

    /// Writes the content and waits for the final reply. An error leaves unknown whether the server took it.
    pub(super) async fn send_content(
        &mut self,
        blocks: Blocks<'_>,
        timeouts: &Timeouts,
    ) -> Result<Reply, ConnectorError> {
        for block in blocks {
            let Err(error) = self.wire.write(&block, timeouts.block).await else { continue };
            // A server that gives up in the middle may have said why before it closed.
            let words = self.wire.answer(LAST_WORDS.min(timeouts.outcome)).await;
            return match words {
                Ok(words) if words.reply.code >= 400 => Ok(words.reply),
                _ => Err(error),
            };
        }
        Ok(self.wire.answer(timeouts.outcome).await?.reply)
    }

    /// RSET; whether the session can go on.
    pub(super) async fn reset(&mut self, within: Duration) -> bool {
        self.wire.is_quiet()
            && self.ask("RSET\r\n", within).await.is_ok_and(|a| is_taken(&a.reply))
            && self.wire.is_quiet()
    }
}

fn is_taken(reply: &Reply) -> bool {
    (200..300).contains(&reply.code)
}

/// Whether a reply says yes or no; 3xx has no meaning in the envelope.
fn is_judged(reply: &Reply) -> bool {
    !(300..400).contains(&reply.code)
}

fn unexpected(command: &str, reply: &Reply) -> ConnectorError {
    ConnectorError::Lost(format!("unexpected answer to {command}: {}", shown(reply)))
}

/// The whole mail is refused; a recipient with a refusal of its own keeps it.
fn all_refused(phase: Phase, refused: Vec<Option<Reply>>, reply: &Reply) -> Offer {
    Offer::Refused { phase, replies: refused.into_iter().map(|own| own.unwrap_or_else(|| reply.clone())).collect() }
}
