//! From an account of the configuration to what reads it and sends from it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::AccountParts;
use crate::config::Config;
use crate::config::accounts::{Account, Backfill, ImapAccount, SentCopy};
use crate::connector::email::imap::{ImapSettings, ImapSource};
use crate::connector::email::smtp::{SmtpSender, SmtpSettings, Timeouts};
use crate::connector::{Sender, Source};
use crate::domain::address;
use crate::domain::threading::Identity;
use crate::inbound::poller::{self, Reach};
use crate::outbound::{self, SendingSettings};

/// The longest silence of an IMAP server within one step.
const IMAP_STEP: Duration = Duration::from_mins(1);

/// Who we are: every address of ours, and the domains that are ours.
pub fn identity_of(config: &Config) -> Identity {
    let mut addresses = HashSet::new();
    for account in config.accounts.values() {
        addresses.extend(address::key(&account.address));
        addresses.extend(account.aliases.iter().filter_map(|a| address::key(a)));
    }
    for teammate in config.teammates.values() {
        addresses.extend(teammate.emails.iter().filter_map(|a| address::key(a)));
    }
    Identity { addresses, domains: config.our_domains.iter().cloned().collect() }
}

/// An account of the configuration, ready to run; `None` for a sandbox account, which only the demonstration has.
pub fn account_parts(account: &Account, identity: &Arc<Identity>) -> Option<AccountParts> {
    let imap = account.imap()?;
    let server_files_sent = imap.sent_copy == SentCopy::Server;
    let sent_copy = if server_files_sent { outbound::SentCopy::Server } else { outbound::SentCopy::Hub };
    Some(AccountParts {
        name: account.id.clone(),
        kind: "imap".to_owned(),
        address: account.address.clone(),
        display_name: account.display_name.clone().unwrap_or_default(),
        file_copy: !server_files_sent,
        reading: poller::Settings {
            account: account.id.clone(),
            identity: Arc::clone(identity),
            reach: match imap.backfill {
                Backfill::None => Reach::Nothing,
                Backfill::Days(days) => Reach::Back(Duration::from_hours(24 * u64::from(days))),
            },
            poll: imap.poll,
            server_files_sent,
            pace: poller::Pace::default(),
        },
        sending: SendingSettings {
            sessions: usize::from(imap.sessions),
            sent_copy,
            settle_after: imap.settle,
            ..SendingSettings::new(account.id.clone())
        },
        source: source_of(imap),
        sender: sender_of(account, imap),
    })
}

fn source_of(imap: &ImapAccount) -> poller::Connect {
    let imap = imap.clone();
    Arc::new(move || {
        let source: Box<dyn Source> = Box::new(ImapSource::new(ImapSettings {
            host: imap.imap.host.clone(),
            port: imap.imap.port,
            security: imap.imap.security,
            user: imap.user.clone(),
            password: imap.password.value.clone(),
            ca_file_pem: imap.ca.as_ref().map(|ca| ca.pem.to_vec()),
            message_max: imap.message_max,
            step_timeout: IMAP_STEP,
        }));
        source
    })
}

fn sender_of(account: &Account, imap: &ImapAccount) -> outbound::SenderFactory {
    let hello_name = address::domain(&account.address).unwrap_or_else(|| "localhost".to_owned());
    let settings = SmtpSettings {
        host: imap.smtp.host.clone(),
        port: imap.smtp.port,
        security: imap.smtp.security,
        user: Some(imap.user.clone()),
        password: Some(imap.password.value.clone()),
        ca_file_pem: imap.ca.as_ref().map(|ca| ca.pem.to_vec()),
        hello_name,
        timeouts: Timeouts::default(),
    };
    let first = SmtpSender::new(settings);
    Arc::new(move || match &first {
        Ok(sender) => Box::new(sender.another()) as Box<dyn Sender>,
        Err(error) => Box::new(refusing::Refusing(error.clone())) as Box<dyn Sender>,
    })
}

/// A sender that can't be made (an unusable certificate, say) refuses each message with the reason, and loses none.
mod refusing {
    use futures_util::future::BoxFuture;

    use crate::connector::{ConnectorError, Offer, OfferError, Outgoing, Phase, SendOutcome, Sender};

    pub(super) struct Refusing(pub(super) ConnectorError);

    impl Sender for Refusing {
        fn open(&mut self) -> BoxFuture<'_, Result<(), OfferError>> {
            Box::pin(async { Err(OfferError { phase: Phase::Connect, error: self.0.clone() }) })
        }
        fn offer<'a>(&'a mut self, _: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
            Box::pin(async { Err(OfferError { phase: Phase::Connect, error: self.0.clone() }) })
        }
        fn hand_over<'a>(&'a mut self, _: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
            // Never reached: no offer of this sender is ready.
            Box::pin(async { SendOutcome::Uncertain(self.0.to_string()) })
        }
        fn withdraw(&mut self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
        fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }
}
