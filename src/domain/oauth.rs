//! Signing in with OAuth 2 (RFC 6749), as far as it needs no network: who the providers are, the address a person is sent
//! to, proof of who began (PKCE, RFC 7636), what comes back, and the answer of SASL XOAUTH2. Pure.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::time::Micros;

/// Who signs people in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Gmail and Google Workspace.
    Gmail,
    /// Microsoft 365 (Exchange Online).
    Microsoft365,
}

impl Provider {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Gmail, Self::Microsoft365];

    /// Its name: the kind of its accounts, and the key of its section below `[oauth]`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gmail => "gmail",
            Self::Microsoft365 => "microsoft365",
        }
    }

    /// The one called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == name)
    }

    /// What we ask to be allowed: mail in and out, and to go on without the person.
    pub fn scope(self) -> &'static str {
        match self {
            Self::Gmail => "https://mail.google.com/",
            Self::Microsoft365 => {
                "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access"
            }
        }
    }

    /// Parameters of the authorize address that only this provider knows.
    fn extra(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Without these two, Google gives a refresh token only the first time somebody agrees.
            Self::Gmail => &[("access_type", "offline"), ("prompt", "consent")],
            Self::Microsoft365 => &[("prompt", "select_account")],
        }
    }

    /// The name of this machine in an address that leads back to it. Entra takes any port for `localhost` and refuses
    /// 127.0.0.1; Google says the opposite.
    pub fn loopback_host(self) -> &'static str {
        match self {
            Self::Gmail => "127.0.0.1",
            Self::Microsoft365 => "localhost",
        }
    }

    /// What bites later if it is not known before.
    pub fn trap(self) -> &'static str {
        match self {
            Self::Gmail => {
                "While the Google project's publishing status is \"Testing\", Google ends every sign-in after 7 days. \
                 Set it to \"In production\" (or user type \"Internal\") before you sign in."
            }
            Self::Microsoft365 => {
                "Microsoft 365 refuses SMTP unless \"Authenticated SMTP\" is on for this mailbox (admin centre: Users, \
                 the user, Mail, Manage email apps)."
            }
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The challenge that goes out for a verifier that stays here (RFC 7636 §4.2, S256).
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Octets of chance as a text that may stand in a URL.
pub fn url_text(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// What stands in the address that a person is sent to.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who signs in.
    pub provider: Provider,
    /// Our client id there.
    pub client_id: &'a str,
    /// Where the answer goes.
    pub redirect_uri: &'a str,
    /// Comes back as it went.
    pub state: &'a str,
    /// Stays here.
    pub verifier: &'a str,
    /// The mailbox that is to sign in.
    pub address: &'a str,
}

/// The address that a person is sent to.
pub fn authorize_url(endpoint: &Url, asking: &Asking<'_>) -> Url {
    let mut url = endpoint.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", asking.client_id)
        .append_pair("redirect_uri", asking.redirect_uri)
        .append_pair("scope", asking.provider.scope())
        .append_pair("state", asking.state)
        .append_pair("code_challenge", &challenge(asking.verifier))
        .append_pair("code_challenge_method", "S256")
        .append_pair("login_hint", asking.address)
        .extend_pairs(asking.provider.extra());
    url
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// They agreed.
    Code {
        /// To be exchanged for tokens, once.
        code: String,
        /// As it went; `None` where only the code was pasted.
        state: Option<String>,
    },
    /// They did not, or the provider did not.
    Refused {
        /// As it went.
        state: Option<String>,
        /// The provider's words.
        why: String,
    },
}

/// Characters of what a provider says that are kept.
const WORDS_MAX: usize = 300;

/// A provider's words, short and without control characters.
pub fn brief(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX).collect()
}

/// Reads the query of a redirect.
pub fn read_query(query: &str) -> Option<Returned> {
    let mut found = [const { None::<String> }; 4];
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let at = ["code", "state", "error", "error_description"].iter().position(|known| *known == name);
        if let Some(place) = at.and_then(|at| found.get_mut(at)) {
            place.get_or_insert_with(|| value.into_owned());
        }
    }
    let [code, state, error, description] = found;
    if let Some(error) = error {
        let why = description.map_or_else(|| error.clone(), |d| format!("{error}: {d}"));
        return Some(Returned::Refused { state, why: brief(&why) });
    }
    code.filter(|c| !c.is_empty()).map(|code| Returned::Code { code, state })
}

/// Reads what a person pasted: the whole address they landed on, its query, or the code alone.
pub fn read_pasted(text: &str) -> Option<Returned> {
    let text = text.trim();
    if let Some((_, query)) = text.split_once('?') {
        return read_query(query.split('#').next().unwrap_or(query));
    }
    if text.contains("code=") || text.contains("error=") {
        return read_query(text);
    }
    let is_code =
        !text.is_empty() && text.len() <= 4096 && !text.contains(char::is_whitespace) && !text.contains("://");
    // Google's codes hold a slash that its own pages show as %2F.
    is_code.then(|| Returned::Code { code: text.replace("%2F", "/"), state: None })
}

/// From when on a token is renewed: five minutes before it ends, or after three quarters of a shorter life.
pub fn renew_at(now: Micros, life: Duration) -> Micros {
    now.plus(life.saturating_sub((life / 4).min(Duration::from_mins(5))))
}

/// What SASL XOAUTH2 says, before base64.
pub fn xoauth2_bare(user: &str, token: &str) -> String {
    format!("user={user}\x01auth=Bearer {token}\x01\x01")
}

/// What SASL XOAUTH2 says, in base64.
pub fn xoauth2(user: &str, token: &str) -> String {
    STANDARD.encode(xoauth2_bare(user, token))
}

/// Whether a name or token can stand in XOAUTH2: its fields end at control characters.
pub fn fits_xoauth2(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// What the error challenge of XOAUTH2 says, for people: `status 401 (Bearer)`. Anything else is shown short.
pub fn xoauth2_error(challenge: &[u8]) -> String {
    let text = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    match serde_json::from_slice::<serde_json::Value>(challenge) {
        Ok(serde_json::Value::Object(said)) => {
            let status = said.get("status").map_or_else(|| "unknown".to_owned(), text);
            let scheme = said.get("schemes").map_or_else(String::new, |s| format!(" ({})", text(s)));
            brief(&format!("status {status}{scheme}"))
        }
        _ => brief(&String::from_utf8_lossy(challenge)),
    }
}

/// Our ids of a mail that a provider rewrote: the Message-ID in its last words, without brackets. Only Exchange Online
/// says one: `2.0.0 OK <…@….prod.outlook.com> [Hostname=…]`.
pub fn rewritten_id(words: &str) -> Option<&str> {
    let (_, rest) = words.split_once('<')?;
    let (id, _) = rest.split_once('>')?;
    let (left, host) = id.rsplit_once('@')?;
    let fine = !left.is_empty() && host.contains('.') && id.len() <= 900 && id.is_ascii();
    (fine && !id.contains(|c: char| c.is_whitespace() || c.is_control() || c == '<')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn xoauth2_is_that_of_the_protocol() {
        // The example of Google's page on the XOAUTH2 protocol.
        let said = xoauth2("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        let expected = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";
        assert_eq!(said, expected);
        let error = br#"{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}"#;
        assert_eq!(xoauth2_error(error), "status 401 (bearer mac)");
        assert_eq!(xoauth2_error(b"no\x07"), "no ");
        assert!(!fits_xoauth2("a\x01b") && !fits_xoauth2("") && fits_xoauth2("a b"));
    }

    #[test]
    fn what_comes_back_is_read_in_every_form() {
        let code = |code: &str, state: Option<&str>| {
            Some(Returned::Code { code: code.to_owned(), state: state.map(str::to_owned) })
        };
        assert_eq!(
            read_pasted(" http://127.0.0.1:1/?state=s1&code=4%2Fabc&scope=x#frag \n"),
            code("4/abc", Some("s1"))
        );
        assert_eq!(read_pasted("code=a+b&state=s"), code("a b", Some("s")));
        assert_eq!(read_pasted("4/0Abc-_x"), code("4/0Abc-_x", None));
        assert_eq!(read_pasted("4%2F0Abc"), code("4/0Abc", None));
        assert_eq!(
            read_pasted("http://localhost/?error=access_denied&error_description=The+user+said+no&state=s"),
            Some(Returned::Refused { state: Some("s".to_owned()), why: "access_denied: The user said no".to_owned() })
        );
        for nothing in ["", "  ", "http://127.0.0.1/", "http://127.0.0.1/?state=x", "two words", "code="] {
            assert_eq!(read_pasted(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn person_is_sent_with_everything_the_provider_wants() {
        let endpoint = Url::parse("https://accounts.example/auth?x=1").unwrap();
        let asking = Asking {
            provider: Provider::Gmail,
            client_id: "id",
            redirect_uri: "http://127.0.0.1:9/",
            state: "st&te",
            verifier: "v",
            address: "me@example.org",
        };
        let url = authorize_url(&endpoint, &asking);
        let pairs: std::collections::BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let get = |name: &str| pairs.get(name).map(String::as_str);
        assert_eq!(
            (get("x"), get("state"), get("scope")),
            (Some("1"), Some("st&te"), Some("https://mail.google.com/"))
        );
        assert_eq!((get("code_challenge_method"), get("access_type")), (Some("S256"), Some("offline")));
        assert_eq!(get("code_challenge"), Some(challenge("v").as_str()));
        assert!(!url.as_str().contains("code_verifier"));
    }

    #[test]
    fn tokens_are_renewed_before_they_end() {
        let now = Micros::from_seconds(1_000);
        assert_eq!(renew_at(now, Duration::from_hours(1)).seconds(), 1_000 + 3_300);
        assert_eq!(renew_at(now, Duration::from_secs(8)).seconds(), 1_006);
        assert_eq!(renew_at(now, Duration::ZERO), now);
    }

    #[test]
    fn rewritten_id_is_read_only_where_one_stands() {
        let said = "OK <AM0PR01MB1.eurprd01.prod.outlook.com@AM0PR01MB1.eurprd01.prod.outlook.com> [Hostname=x]";
        assert_eq!(
            rewritten_id(said),
            Some("AM0PR01MB1.eurprd01.prod.outlook.com@AM0PR01MB1.eurprd01.prod.outlook.com")
        );
        for none in ["OK queued as 12", "<>", "<a@b>", "<@b.example>", "<a b@c.example>", "<a@b.example"] {
            assert_eq!(rewritten_id(none), None, "{none}");
        }
    }
}
