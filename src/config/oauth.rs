//! `[oauth.gmail]`, `[oauth.microsoft365]` and `[secrets]`: our registration with the providers that sign people in, and
//! the key that seals what they give us.

use secrecy::ExposeSecret as _;
use url::Url;

use super::accounts::{IMAP, SMTP, Security, ServerUrl, server_url};
use super::endpoint::safe_url;
use super::reader::{Found, Reader, Secrets, Section};
use super::secret::{self, Secret};
use crate::domain::oauth::Provider;

/// The fewest characters of a master key: 24 octets of chance in base64.
pub const MASTER_KEY_MIN: usize = 32;

/// Our registrations.
#[derive(Debug, Clone)]
pub struct OAuth {
    /// `[oauth.gmail]`.
    pub gmail: Registration,
    /// `[oauth.microsoft365]`.
    pub microsoft365: Registration,
    /// `[secrets] master_key`: seals tokens in the database.
    pub master_key: Option<Secret>,
}

/// Our registration with one provider, and where it answers.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The id the provider gave us. `None`: nobody can sign in with it.
    pub client_id: Option<String>,
    /// Its secret, where there is one.
    pub client_secret: Option<Secret>,
    /// Where a person agrees.
    pub authorize: Url,
    /// Where tokens are had.
    pub token: Url,
    /// Where device codes are had; Gmail has none for mail.
    pub device: Option<Url>,
    /// Where mail is read.
    pub imap: ServerUrl,
    /// Where mail is sent.
    pub smtp: ServerUrl,
}

impl OAuth {
    /// The registration with a provider.
    pub fn of(&self, provider: Provider) -> &Registration {
        match provider {
            Provider::Gmail => &self.gmail,
            Provider::Microsoft365 => &self.microsoft365,
        }
    }

    /// Says what an account of this kind lacks.
    pub(super) fn require<T>(&self, r: &mut Reader, kind: &Found<T>, provider: Provider) {
        if self.of(provider).client_id.is_none() {
            let message = format!("kind = \"{provider}\" needs our registration with the provider");
            r.error(
                kind,
                message,
                &format!("write [oauth.{provider}] with client_id = \"…\"; docs/accounts.md says how"),
            );
        }
        if self.master_key.is_none() {
            let message = format!("kind = \"{provider}\" needs a key that seals its tokens");
            let hint =
                "write [secrets] with master_key = { file = \"master-key\" }; `openssl rand -base64 32` makes one";
            r.error(kind, message, hint);
        }
    }
}

/// Defaults of a provider. The constants are addresses; a test reads them.
fn usual(provider: Provider, tenant: &str) -> Option<Registration> {
    let server = |host: &str, port, security| ServerUrl { host: host.to_owned(), port, security };
    Some(match provider {
        Provider::Gmail => Registration {
            client_id: None,
            client_secret: None,
            authorize: Url::parse("https://accounts.google.com/o/oauth2/v2/auth").ok()?,
            token: Url::parse("https://oauth2.googleapis.com/token").ok()?,
            device: None,
            imap: server("imap.gmail.com", 993, Security::Tls),
            smtp: server("smtp.gmail.com", 465, Security::Tls),
        },
        Provider::Microsoft365 => {
            let at = |what| Url::parse(&format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{what}")).ok();
            Registration {
                client_id: None,
                client_secret: None,
                authorize: at("authorize")?,
                token: at("token")?,
                device: Some(at("devicecode")?),
                imap: server("outlook.office365.com", 993, Security::Tls),
                smtp: server("smtp.office365.com", 587, Security::StartTls),
            }
        }
    })
}

/// Reads the three sections. `None` only where a shipped address can't be read, which a test holds.
pub(super) fn read(root: &mut Section<'_>, r: &mut Reader) -> Option<OAuth> {
    let master_key = root.section(r, "secrets").and_then(|s| secrets(s, r));
    let (mut gmail, mut microsoft365) = (None, None);
    if let Some(mut s) = root.section(r, "oauth") {
        gmail = s.section(r, "gmail").and_then(|s| registration(s, r, Provider::Gmail));
        microsoft365 = s.section(r, "microsoft365").and_then(|s| registration(s, r, Provider::Microsoft365));
        s.finish(r);
    }
    Some(OAuth {
        gmail: gmail.or_else(|| usual(Provider::Gmail, COMMON))?,
        microsoft365: microsoft365.or_else(|| usual(Provider::Microsoft365, COMMON))?,
        master_key,
    })
}

/// Entra's name for "whoever it is".
const COMMON: &str = "common";

fn secrets(mut s: Section<'_>, r: &mut Reader) -> Option<Secret> {
    let here = s.node("master_key").map(|n| Found { value: (), span: n.span, key: n.key });
    let key = secret::read(&mut s, r, "master_key");
    s.finish(r);
    let (key, here) = (key?, here?);
    let length = key.value.expose_secret().chars().count();
    if r.secrets != Secrets::Skip && length > 0 && length < MASTER_KEY_MIN {
        let message = format!("the master key from {} has fewer than {MASTER_KEY_MIN} characters", key.source);
        r.error(&here, message, "make one with `openssl rand -base64 32`");
        return None;
    }
    Some(key)
}

fn registration(mut s: Section<'_>, r: &mut Reader, provider: Provider) -> Option<Registration> {
    let tenant = if provider == Provider::Microsoft365 { s.text(r, "tenant") } else { None };
    let tenant = tenant.and_then(|tenant| tenant_name(r, &tenant));
    let mut all = usual(provider, tenant.as_deref().unwrap_or(COMMON))?;
    all.client_id = s.text(r, "client_id").map(|id| id.value);
    s.require(r, "client_id", "write client_id = \"…\", which the provider gave you; docs/accounts.md says how");
    all.client_secret = secret::read(&mut s, r, "client_secret");
    if let Some(url) = s.text(r, "authorize").and_then(|url| endpoint(r, &url)) {
        all.authorize = url;
    }
    if let Some(url) = s.text(r, "token").and_then(|url| endpoint(r, &url)) {
        all.token = url;
    }
    if provider == Provider::Microsoft365
        && let Some(url) = s.text(r, "device").and_then(|url| endpoint(r, &url))
    {
        all.device = Some(url);
    }
    if let Some(url) = s.text(r, "imap").and_then(|url| server_url(r, &url, &IMAP)) {
        all.imap = url;
    }
    if let Some(url) = s.text(r, "smtp").and_then(|url| server_url(r, &url, &SMTP)) {
        all.smtp = url;
    }
    s.finish(r);
    Some(all)
}

/// A tenant stands in a path: its id, its domain, or one of Entra's words.
fn tenant_name(r: &mut Reader, tenant: &Found<String>) -> Option<String> {
    let fine = !tenant.value.is_empty()
        && tenant.value.len() <= 253
        && tenant.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    if !fine {
        let shown: String = tenant.value.chars().take(60).collect();
        let hint = "the tenant's id or domain, or \"organizations\"; without the key, \"common\"";
        r.error(tenant, format!("`{shown}` is no tenant"), hint);
    }
    fine.then(|| tenant.value.clone())
}

/// An address to which secrets are sent.
fn endpoint(r: &mut Reader, given: &Found<String>) -> Option<Url> {
    let found = safe_url(&given.value);
    if found.is_none() {
        let message = format!("`{}` is no address that secrets may be sent to", given.key);
        r.error(given, message, "write it as in \"https://login.your-domain.example/token\"");
    }
    found
}
