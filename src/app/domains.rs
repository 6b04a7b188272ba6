//! Looks up what the domains we send from say of their mail, and whether readers of mail find us. Looks only.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::config::Config;
use crate::connector::dns::{DnsError, Resolver};
use crate::domain::address;
use crate::domain::mail_auth::{
    Judged, dmarc_names, is_consumer, is_reserved, judge_dkim, judge_dmarc, judge_spf, usual_selector,
};
use crate::domain::oauth::Provider;

/// What was looked at, and how it is.
pub type DomainCheck = (String, Judged);

/// How long all of it may take; what is not known by then is said to be so.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Looks up, for a while.
struct Lookups {
    resolver: Resolver,
    until: Instant,
}

impl Lookups {
    async fn texts(&self, name: &str) -> Result<Vec<String>, DnsError> {
        timeout_at(self.until, self.resolver.texts(name)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsError> {
        timeout_at(self.until, self.resolver.addresses(name)).await.unwrap_or_else(|_| Err(late()))
    }
}

fn late() -> DnsError {
    DnsError::Silent(format!("no time is left of {} s", TIME_MAX.as_secs()))
}

/// Who sends from a domain.
#[derive(Default)]
struct Use {
    through: Option<Provider>,
    selectors: Vec<String>,
}

/// Looks at every domain that an account sends from, and at the host that stands in links.
pub async fn look_at_domains(config: &Config) -> Vec<DomainCheck> {
    let mut domains: BTreeMap<String, Use> = BTreeMap::new();
    for account in config.accounts.values().filter(|account| account.imap().is_some()) {
        let Some(domain) = address::domain(&account.address) else { continue };
        let entry = domains.entry(domain).or_default();
        entry.through = entry.through.or(account.provider());
        let usual = || account.provider().map(|provider| usual_selector(provider).to_owned());
        entry.selectors.extend(account.dkim_selector.clone().or_else(usual));
    }
    let host = config.site().and_then(|site| url::Url::parse(&site).ok()).and_then(|url| match url.host() {
        Some(url::Host::Domain(name)) => Some(name.to_owned()),
        _ => None,
    });
    // Names that lead nowhere are asked for only where somebody says whom to ask.
    let is_asked = |name: &str| config.server.dns.is_some() || !is_reserved(name);
    domains.retain(|domain, _| is_asked(domain));
    let host = host.filter(|host| is_asked(host));
    if domains.is_empty() && host.is_none() {
        return Vec::new();
    }
    let lookups = match config.server.dns.map_or_else(Resolver::of_system, |server| Ok(Resolver::at(server))) {
        Ok(resolver) => Lookups { resolver, until: Instant::now() + TIME_MAX },
        Err(error) => return vec![("DNS".to_owned(), unknown(&error))],
    };
    let mut checks = Vec::new();
    for (domain, used) in &domains {
        if is_consumer(domain) {
            checks.push((format!("domain {domain}"), Judged::Good("its provider looks after it".to_owned())));
        } else {
            look_at_domain(&lookups, domain, used, &mut checks).await;
        }
    }
    if let Some(host) = host {
        checks.push((format!("host of links {host}"), look_at_host(&lookups, &host).await));
    }
    checks
}

fn unknown(error: &DnsError) -> Judged {
    let hint = "look at [server] dns, or at the name servers of this machine";
    Judged::Weak(format!("it could not be looked up: {error}"), hint.to_owned())
}

async fn look_at_domain(lookups: &Lookups, domain: &str, used: &Use, checks: &mut Vec<DomainCheck>) {
    let spf = lookups.texts(domain).await.map(|texts| judge_spf(&texts, used.through));
    checks.push((format!("domain {domain}, SPF"), spf.unwrap_or_else(|error| unknown(&error))));
    let what = format!("domain {domain}, DKIM");
    let mut selectors = used.selectors.clone();
    selectors.sort();
    selectors.dedup();
    for selector in &selectors {
        let found = lookups.texts(&format!("{selector}._domainkey.{domain}")).await;
        let judged = found.map(|texts| judge_dkim(&texts, selector));
        checks.push((what.clone(), judged.unwrap_or_else(|error| unknown(&error))));
    }
    if selectors.is_empty() {
        let words = "not looked at: which key signs is said by dkim_selector of an account, and none says it";
        checks.push((what, Judged::Good(words.to_owned())));
    }
    checks.push((format!("domain {domain}, DMARC"), look_at_dmarc(lookups, domain).await));
}

async fn look_at_dmarc(lookups: &Lookups, domain: &str) -> Judged {
    let mut found = Vec::new();
    for name in dmarc_names(domain) {
        match lookups.texts(&name).await {
            Ok(texts) => found = texts,
            Err(error) => return unknown(&error),
        }
        if !found.is_empty() {
            break;
        }
    }
    judge_dmarc(&found)
}

async fn look_at_host(lookups: &Lookups, host: &str) -> Judged {
    match lookups.addresses(host).await {
        Ok(addresses) if addresses.is_empty() => Judged::Bad(
            "it has no address: links, pixels and the page to unsubscribe lead nowhere".to_owned(),
            "add an A, AAAA or CNAME record for it, or correct server.base_url or tracking.host".to_owned(),
        ),
        Ok(addresses) => {
            let shown: Vec<String> = addresses.iter().take(4).map(ToString::to_string).collect();
            Judged::Good(shown.join(", "))
        }
        Err(error) => unknown(&error),
    }
}
