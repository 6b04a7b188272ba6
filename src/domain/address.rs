//! Comparing mail addresses.

/// The form in which addresses are compared and looked up: trimmed, angle brackets removed, lower case, the domain in
/// its ASCII form where it is international. `None` where it cannot be an address.
///
/// The local part is lower-cased although RFC 5321 §2.4 lets a server tell cases apart: none in use does, and people
/// write their own address in any case.
pub fn key(address: &str) -> Option<String> {
    let address = address.trim().trim_start_matches('<').trim_end_matches('>').trim();
    let (local, domain) = address.rsplit_once('@')?;
    if local.is_empty() || domain.is_empty() || address.len() > 320 || address.chars().any(char::is_control) {
        return None;
    }
    let host = url::Host::parse(domain.trim_end_matches('.')).ok();
    let domain = match host {
        Some(url::Host::Domain(name)) => name,
        _ => domain.to_lowercase(),
    };
    Some(format!("{}@{domain}", local.to_lowercase()))
}

/// The domain of an address, as in [`key`].
pub fn domain(address: &str) -> Option<String> {
    key(address).and_then(|k| k.rsplit_once('@').map(|(_, d)| d.to_owned()))
}

/// To whom something goes, of its envelope as it is stored (`{"to": [{"address": …}], "cc": …, "bcc": …}`), as written.
pub fn written_to_raw(envelope: &serde_json::Value) -> Vec<&str> {
    let lists = ["to", "cc", "bcc"].into_iter().filter_map(|name| envelope.get(name)?.as_array());
    lists.flatten().filter_map(|mailbox| mailbox.get("address")?.as_str()).collect()
}

/// The same of a mail, in their looked-up form.
pub fn written_to(envelope: &serde_json::Value) -> Vec<String> {
    let mut keys: Vec<String> = written_to_raw(envelope).into_iter().filter_map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_compare_without_case_brackets_or_script_of_the_domain() {
        assert_eq!(key(" <Ana@Example.ORG> ").as_deref(), Some("ana@example.org"));
        assert_eq!(key("zoe@müller.example").as_deref(), Some("zoe@xn--mller-kva.example"));
        assert_eq!(key("nobody"), None);
        assert_eq!(domain("a@B.example").as_deref(), Some("b.example"));
    }
}
