//! From an account of the configuration to what reads it and sends from it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::{AccountParts, Reading};
use crate::config::Config;
use crate::config::accounts::{Account, Backfill, ImapAccount, SentCopy};
use crate::connector::email::imap::{ImapSettings, ImapSource};
use crate::connector::email::smtp::{SmtpSender, SmtpSettings, Timeouts};
use crate::connector::{Sender, Source, Tokens};
use crate::domain::address;
use crate::domain::oauth::Provider;
use crate::domain::threading::Identity;
use crate::domain::words::Channel;
use crate::inbound::poller::{self, Reach};
use crate::login::Keeper;
use crate::outbound::{self, SendingSettings};
use crate::store::Store;

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
/// `tokens` sign in where the account has no password: [`keeper_of`] makes them.
pub fn account_parts(account: &Account, identity: &Arc<Identity>, tokens: Option<Arc<Keeper>>) -> Option<AccountParts> {
    let imap = account.imap()?;
    let server_files_sent = imap.sent_copy == SentCopy::Server;
    let sent_copy = match (imap.sent_copy, imap.login.provider()) {
        (SentCopy::Hub, _) => outbound::SentCopy::Hub,
        (SentCopy::Server, Some(Provider::Microsoft365)) => outbound::SentCopy::ServerSometime,
        (SentCopy::Server, _) => outbound::SentCopy::Server,
    };
    Some(AccountParts {
        name: account.id.clone(),
        kind: account.kind_name().to_owned(),
        address: account.address.clone(),
        display_name: account.display_name.clone().unwrap_or_default(),
        file_copy: !server_files_sent,
        channel: Channel::Email,
        reading: Reading::Mailbox {
            settings: poller::Settings {
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
            source: source_of(imap, tokens.clone()),
        },
        sending: SendingSettings {
            sessions: usize::from(imap.sessions),
            sent_copy,
            settle_after: imap.settle,
            ..SendingSettings::new(account.id.clone())
        },
        sender: sender_of(account, imap, tokens.clone()),
        ledger: None,
        tokens,
    })
}

/// What keeps the tokens of an account fresh; `None` where a password signs in. One for an account and a process.
pub fn keeper_of(config: &Config, store: &Store, account: &Account) -> Option<Arc<Keeper>> {
    let provider = account.provider()?;
    Some(Arc::new(Keeper::new(store.clone(), &account.id, provider, &config.oauth)))
}

fn source_of(imap: &ImapAccount, tokens: Option<Arc<Keeper>>) -> poller::Connect {
    let settings = ImapSettings::of(imap);
    let all_in_one = imap.login.provider() == Some(Provider::Gmail);
    Arc::new(move || {
        let mut source = ImapSource::new(settings.clone());
        if let Some(tokens) = &tokens {
            source = source.with_tokens(Arc::clone(tokens) as Arc<dyn Tokens>);
        }
        if all_in_one {
            source = source.all_in_one();
        }
        Box::new(source) as Box<dyn Source>
    })
}

fn sender_of(account: &Account, imap: &ImapAccount, tokens: Option<Arc<Keeper>>) -> outbound::SenderFactory {
    let hello_name = address::domain(&account.address).unwrap_or_else(|| "localhost".to_owned());
    let settings = SmtpSettings {
        host: imap.smtp.host.clone(),
        port: imap.smtp.port,
        security: imap.smtp.security,
        user: Some(imap.user.clone()),
        password: imap.login.password().map(|p| p.value.clone()),
        ca_file_pem: imap.ca.as_ref().map(|ca| ca.pem.to_vec()),
        hello_name,
        timeouts: Timeouts::default(),
    };
    let first = SmtpSender::new(settings).map(|sender| match tokens {
        Some(tokens) => sender.with_tokens(tokens as Arc<dyn Tokens>),
        None => sender,
    });
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
