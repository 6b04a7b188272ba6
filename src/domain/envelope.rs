//! An address in the form that goes on the wire, for the envelope and for the address headers.
//!
//! It judges only what could break the line it stands in; whether an address exists is for the server to say.

/// An address ready for the wire: the domain in its ASCII form, the local part as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireAddress {
    /// Before the `@`.
    pub(crate) local: String,
    /// After it; always ASCII.
    pub(crate) domain: String,
}

impl WireAddress {
    /// Reads an address; `None` where it is none, or could end the line or the brackets it stands in.
    pub(crate) fn read(address: &str) -> Option<Self> {
        let (local, domain) = address.trim().rsplit_once('@')?;
        if local.is_empty() || local.len() > 128 || domain.len() > 255 || !local_is_sound(local) {
            return None;
        }
        let domain = ascii_domain(domain)?;
        Some(Self { local: local.to_owned(), domain })
    }

    /// Whether a server without SMTPUTF8 (RFC 6531) can't take it.
    pub(crate) fn is_international(&self) -> bool {
        !self.local.is_ascii()
    }
}

impl std::fmt::Display for WireAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// The ASCII form of a domain, or an address literal as it is; `None` where it is neither.
pub(crate) fn ascii_domain(domain: &str) -> Option<String> {
    let domain = domain.trim_end_matches('.');
    let ascii = if domain.is_ascii() {
        domain.to_owned()
    } else {
        match url::Host::parse(domain).ok()? {
            url::Host::Domain(name) => name,
            url::Host::Ipv4(_) | url::Host::Ipv6(_) => return None,
        }
    };
    let inner = match ascii.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => &ascii,
    };
    let literal = inner.len() != ascii.len();
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (literal && c == ':');
    (!inner.is_empty() && inner.chars().all(sound)).then_some(ascii)
}

/// RFC 5321 §4.1.2 `Local-part`, wider in one way: dots may stand anywhere, as some carriers hand out.
fn local_is_sound(local: &str) -> bool {
    if local.chars().any(char::is_control) {
        return false;
    }
    let Some(quoted) = local.strip_prefix('"') else {
        return local.chars().all(|c| !c.is_whitespace() && !"()<>[]:;@\\,\"".contains(c));
    };
    let Some(inner) = quoted.strip_suffix('"') else { return false };
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            _ => {}
        }
    }
    !escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_made_ready_for_the_wire() {
        let shown = |a: &str| WireAddress::read(a).map(|a| a.to_string());
        assert_eq!(shown("Zoe@müller.example").as_deref(), Some("Zoe@xn--mller-kva.example"));
        assert_eq!(shown("a..b@carrier.example").as_deref(), Some("a..b@carrier.example"));
        assert_eq!(shown("\"a b\"@example.org").as_deref(), Some("\"a b\"@example.org"));
        assert_eq!(shown("x@[127.0.0.1]").as_deref(), Some("x@[127.0.0.1]"));
        assert!(WireAddress::read("用户@example.org").is_some_and(|a| a.is_international()));
    }

    #[test]
    fn address_that_could_end_its_line_or_brackets_is_none() {
        for bad in [
            "",
            "nobody",
            "@x",
            "a@",
            "a b@x",
            "a>@x",
            "a@x>",
            "a\r\n@x",
            "a@x\r\nRCPT TO:<b@x>",
            "\"a\"b\"@x",
            "\"a\\\"@x",
            "a@[x",
            "a@x y",
        ] {
            assert_eq!(WireAddress::read(bad), None, "{bad:?}");
        }
    }
}
