//! Providers of text messages, as far as a configuration knows them: what each must be told, and how it is written.
//!
//! Pure data. `connector::sms` holds the providers themselves, one for each entry of [`PROVIDERS`].

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::endpoint;
use crate::domain::phone;

/// How the value of a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An id of Twilio's: these letters, and 32 hexadecimal digits.
    Sid(&'static str),
    /// A number of ours: E.164, or a short code.
    Number,
    /// A UUID, with its dashes.
    Uuid,
    /// A key of 32 octets, in base64.
    Key32,
    /// Where a provider answers: https, or http to this machine.
    Url,
    /// What nobody may see. How it is written is the provider's affair.
    Secret,
    /// Any text.
    Text,
}

impl Form {
    /// Looks at a value.
    ///
    /// # Errors
    /// How it is written, where this is not. Never the value.
    pub fn check(self, value: &str) -> Result<(), String> {
        let fits = match self {
            Self::Sid(prefix) => is_sid(prefix, value),
            Self::Number => is_number(value),
            Self::Uuid => is_uuid(value),
            Self::Key32 => key32(value).is_some(),
            Self::Url => endpoint::base_url(value).is_some(),
            Self::Secret | Self::Text => true,
        };
        if fits { Ok(()) } else { Err(self.how()) }
    }

    fn how(self) -> String {
        match self {
            Self::Sid(prefix) => format!("it begins with {prefix}, and 32 digits and letters from a to f follow"),
            Self::Number => "write it like +14155550100, or a short code in digits".to_owned(),
            Self::Uuid => "it is written like 30ef55db-c4a2-4c4a-9804-a68077973d07".to_owned(),
            Self::Key32 => "copy it from the portal's page of keys: 44 characters of base64".to_owned(),
            Self::Url => "write an address like https://api.example.com".to_owned(),
            Self::Secret | Self::Text => "write some text".to_owned(),
        }
    }
}

/// Whether a text is an id of Twilio's: these letters, and 32 hexadecimal digits.
pub fn is_sid(prefix: &str, text: &str) -> bool {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text is a UUID as providers write it, which fits into an address.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// The octets of a key that is written in base64.
pub fn key32(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn is_number(text: &str) -> bool {
    let short_code = (3..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    phone::is_key(text) || short_code
}

/// One setting of a provider, for the configuration and its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub form: Form,
    /// What it is, for people.
    pub about: &'static str,
}

impl Setting {
    /// Whether nobody may see it.
    pub fn is_secret(&self) -> bool {
        self.form == Form::Secret
    }

    /// How it stands in a configuration.
    pub fn example(&self) -> String {
        let name = self.name;
        match self.form {
            Form::Sid(prefix) => format!("{name} = \"{prefix}…\""),
            Form::Number => format!("{name} = \"+14155550100\""),
            Form::Url => format!("{name} = \"https://…\""),
            Form::Secret => format!("{name} = {{ credential = \"name\" }}"),
            Form::Uuid | Form::Key32 | Form::Text => format!("{name} = \"…\""),
        }
    }
}

/// A provider of text messages: its names, and what it must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texting {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Where a person finds what it must be told.
    pub found: &'static str,
    /// Where a person enters the address to which it posts.
    pub posts: &'static str,
    /// The setting that checks what it posts: without it nothing of that is taken.
    pub checks: &'static str,
    /// Its settings.
    pub settings: &'static [Setting],
    /// Groups of settings, of each of which at least one must be given.
    pub any_of: &'static [&'static [&'static str]],
    /// Settings of which not both may be given.
    pub apart: &'static [(&'static str, &'static str)],
    /// Settings of which both are given, or none.
    pub together: &'static [(&'static str, &'static str)],
}

/// Every provider there is.
pub static PROVIDERS: &[Texting] = &[TWILIO, TELNYX];

/// The provider of a name.
pub fn texting(name: &str) -> Option<&'static Texting> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// The setting that holds a number of ours, at every provider.
pub const NUMBER: &str = "number";

/// Twilio: <https://www.twilio.com/docs/iam/api-keys> says what signs in.
pub const TWILIO: Texting = Texting {
    name: "twilio",
    label: "Twilio",
    found: "https://console.twilio.com shows the Account SID and the Auth Token on its first page (\"Account Info\"); the number must be \
            able to send and get text messages",
    posts: "Phone Numbers, Manage, Active numbers, the number, \"Messaging Configuration\", \"A message comes in\": Webhook, HTTP POST. \
            A messaging service has it on its page \"Integration\": \"Send a webhook\"",
    checks: "auth_token",
    settings: &[
        Setting { name: "account_sid", form: Form::Sid("AC"), about: "the account, as the console shows it" },
        Setting {
            name: "auth_token",
            form: Form::Secret,
            about: "the account's token: checks what Twilio posts, and signs in where there is no API key",
        },
        Setting { name: "api_key", form: Form::Sid("SK"), about: "an API key to sign in with" },
        Setting { name: "api_secret", form: Form::Secret, about: "the secret of the API key" },
        Setting { name: NUMBER, form: Form::Number, about: "our number" },
        Setting { name: "messaging_service_sid", form: Form::Sid("MG"), about: "a pool of numbers in place of one" },
        Setting { name: "base_url", form: Form::Url, about: "where Twilio answers, where that is another place" },
    ],
    any_of: &[&["account_sid"], &["auth_token", "api_key"], &[NUMBER, "messaging_service_sid"]],
    apart: &[(NUMBER, "messaging_service_sid")],
    together: &[("api_key", "api_secret")],
};

/// Telnyx: <https://developers.telnyx.com> says what signs in.
pub const TELNYX: Texting = Texting {
    name: "telnyx",
    label: "Telnyx",
    found: "https://portal.telnyx.com, Account Settings, \"Keys & Credentials\": the API key, and the public key; the number must \
            belong to a messaging profile, whose id stands on the profile's page",
    posts: "Messaging, Programmable Messaging, the profile, \"Inbound\": \"Send a webhook to this URL\", with webhooks of API version 2",
    checks: "public_key",
    settings: &[
        Setting { name: "api_key", form: Form::Secret, about: "the key of the account, which begins with KEY" },
        Setting {
            name: "public_key",
            form: Form::Key32,
            about: "the account's public key, as its portal shows it: checks what Telnyx posts",
        },
        Setting { name: NUMBER, form: Form::Number, about: "our number" },
        Setting {
            name: "messaging_profile_id",
            form: Form::Uuid,
            about: "the profile with which is sent, or whose pool of numbers sends",
        },
        Setting { name: "base_url", form: Form::Url, about: "where Telnyx answers, where that is another place" },
    ],
    any_of: &[&["api_key"], &[NUMBER, "messaging_profile_id"]],
    apart: &[],
    together: &[],
};

impl Texting {
    /// The settings one of which says what it writes from: the first of them that is given.
    pub fn senders(&self) -> &'static [&'static str] {
        self.any_of.iter().find(|group| group.contains(&NUMBER)).copied().unwrap_or_default()
    }

    /// A setting by name.
    pub fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Looks at the settings of one line as a whole.
    ///
    /// # Errors
    /// [`SettingsError`]: the first thing that is wrong.
    pub fn check(&self, given: &Settings) -> Result<(), SettingsError> {
        if let Some(name) = given.0.keys().find(|name| self.setting(name).is_none()) {
            return Err(SettingsError::Unknown(name.clone()));
        }
        for setting in self.settings {
            let checked = given.get(setting.name).map_or(Ok(()), |value| setting.form.check(value));
            checked.map_err(|how| SettingsError::Wrong(setting.name, how))?;
        }
        let has = |name: &str| given.get(name).is_some();
        if let Some((one, other)) = self.apart.iter().find(|(one, other)| has(one) && has(other)) {
            let why = format!("give it, or `{one}`, and not both: a line is one of them");
            return Err(SettingsError::Wrong(other, why));
        }
        if let Some((one, other)) = self.together.iter().find(|(one, other)| has(one) != has(other)) {
            return Err(SettingsError::Missing(if has(one) { other } else { one }));
        }
        let lacking = self.any_of.iter().find(|group| !group.iter().any(|name| has(name)));
        lacking.and_then(|group| group.first()).map_or(Ok(()), |name| Err(SettingsError::Missing(name)))
    }
}

/// Settings of one line, by name.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<String, SecretString>);

impl Settings {
    /// From names and values; an empty value is none.
    pub fn new(given: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        Self(given.into_iter().filter(|(_, value)| !value.expose_secret().trim().is_empty()).collect())
    }

    /// The value of a setting, where it is given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.expose_secret().trim())
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// [`SettingsError::Missing`].
    pub fn need(&self, name: &'static str) -> Result<&str, SettingsError> {
        self.get(name).ok_or(SettingsError::Missing(name))
    }

    /// The value of a setting that nobody may see.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(SecretString::from)
    }

    /// Our number, where there is one: E.164, or a short code.
    ///
    /// # Errors
    /// [`SettingsError::Wrong`].
    pub fn number(&self) -> Result<Option<String>, SettingsError> {
        let Some(number) = self.get(NUMBER) else { return Ok(None) };
        Form::Number.check(number).map_err(|how| SettingsError::Wrong(NUMBER, how))?;
        Ok(Some(number.to_owned()))
    }

    /// Where the provider answers: another place only for tests and for gateways that speak the same. Ends in a slash.
    ///
    /// # Errors
    /// [`SettingsError::Wrong`].
    pub fn base(&self, usual: &str) -> Result<Url, SettingsError> {
        let text = self.get("base_url").unwrap_or(usual);
        endpoint::base_url(text).ok_or_else(|| SettingsError::Wrong("base_url", Form::Url.how()))
    }
}

/// Why no line can be made of settings. Names what is wrong, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not given.
    #[error("`{0}` is missing: give it")]
    Missing(&'static str),
    /// Given, and it can't be.
    #[error("`{0}` can't be right: {1}")]
    Wrong(&'static str, String),
    /// The provider has no such setting.
    #[error("`{0}` is no setting of this provider: remove it, or look at its spelling")]
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: &[(&str, &str)]) -> Settings {
        Settings::new(given.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))))
    }

    #[test]
    fn settings_name_what_is_wrong_and_never_show_it() {
        let wrong = settings(&[("number", "my secret"), ("base_url", "http://evil.example")]);
        assert!(matches!(wrong.number(), Err(SettingsError::Wrong("number", _))));
        assert!(matches!(wrong.base("https://api.example.com"), Err(SettingsError::Wrong("base_url", _))));
        assert_eq!(wrong.need("auth_token").unwrap_err(), SettingsError::Missing("auth_token"));
        assert!(!format!("{wrong:?}").contains("my secret"));
        let fine = settings(&[("number", "+14155550100"), ("base_url", "http://127.0.0.1:9/x"), ("auth_token", " ")]);
        assert_eq!(fine.number().unwrap().as_deref(), Some("+14155550100"));
        assert_eq!(fine.base("").unwrap().as_str(), "http://127.0.0.1:9/x/");
        assert!(fine.get("auth_token").is_none());
        for bad in ["https://a:b@api.example.com", "ftp://127.0.0.1", "https://api.example.com?x=1", "http://[::2]/"] {
            assert!(settings(&[("base_url", bad)]).base("").is_err(), "{bad}");
        }
    }

    #[test]
    fn rules_of_a_provider_name_settings_that_it_has() {
        for provider in PROVIDERS {
            assert_eq!(texting(provider.name), Some(provider));
            let pairs = provider.apart.iter().chain(provider.together).flat_map(|(one, other)| [one, other]);
            for name in provider.any_of.iter().copied().flatten().chain(pairs) {
                assert!(provider.setting(name).is_some(), "{} has no {name}", provider.name);
            }
            assert!(provider.settings.iter().any(Setting::is_secret) && provider.setting(provider.checks).is_some());
            assert!(provider.settings.iter().all(|s| !s.about.is_empty() && s.example().starts_with(s.name)));
            assert!(provider.senders().first() == Some(&NUMBER) && provider.senders().len() == 2);
            assert!(provider.found.starts_with("https://") && !provider.posts.is_empty());
        }
        assert!(texting("pigeon").is_none());
    }

    #[test]
    fn values_are_looked_at_by_their_form() {
        for (form, fine, bad) in [
            (Form::Sid("AC"), "AC0123456789abcdef0123456789ABCDEF", "SK0123456789abcdef0123456789abcdef"),
            (Form::Sid("AC"), "AC00000000000000000000000000000000", "AC0123456789abcdef0123456789abcdeg"),
            (Form::Number, "+14155550100", "415 555 0100"),
            (Form::Number, "12345", "12"),
            (Form::Uuid, "30ef55db-c4a2-4c4a-9804-a68077973d07", "30ef55dbc4a24c4a9804a68077973d07"),
            (Form::Key32, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAAA"),
            (Form::Url, "https://api.example.com", "http://api.example.com"),
        ] {
            assert_eq!(form.check(fine), Ok(()), "{fine}");
            let how = form.check(bad).unwrap_err();
            assert!(!how.is_empty() && !how.contains(bad), "{how}");
        }
        assert!(Form::Secret.check("anything").is_ok() && Form::Text.check("anything").is_ok());
    }
}
