//! Addresses that secrets are sent to: over TLS, or to this machine.

use url::Url;

use super::accounts::is_loopback;

/// The address, where secrets may be sent to it: https, or http to this machine; without a name, a password and a fragment.
pub(super) fn safe_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let host = url.host_str()?.trim_matches(['[', ']']);
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(host));
    (bare && safe).then_some(url)
}

/// The same for what other addresses are put together from: it has no query, and ends in a slash.
pub(super) fn base_url(text: &str) -> Option<Url> {
    safe_url(&format!("{}/", text.trim().trim_end_matches('/'))).filter(|url| url.query().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sent_over_tls_or_to_this_machine() {
        for fine in ["https://login.example/token?x=1", "http://127.0.0.1:9", "http://[::1]/x", "http://localhost:8080"]
        {
            assert!(safe_url(fine).is_some(), "{fine}");
        }
        for bad in [
            "http://login.example",
            "http://127.0.0.1.example",
            "http://[::2]/",
            "ftp://127.0.0.1",
            "https://a:b@login.example",
            "https://a@login.example",
            "https://login.example#x",
            "login.example",
            "mailto:a@login.example",
            "",
        ] {
            assert!(safe_url(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_built_upon_ends_in_a_slash() {
        let base = |text: &str| base_url(text).map(String::from);
        assert_eq!(base("https://slack.com/api").as_deref(), Some("https://slack.com/api/"));
        assert_eq!(base(" http://127.0.0.1:9/x// ").as_deref(), Some("http://127.0.0.1:9/x/"));
        for bad in ["https://api.example.com?x=1", "https://api.example.com/#", "http://api.example.com", "/"] {
            assert_eq!(base(bad), None, "{bad}");
        }
    }
}
