//! How Twilio signs what it posts (<https://www.twilio.com/docs/usage/webhooks/webhooks-security>): HMAC-SHA1 with the account's
//! token over the whole address and, of a form, each name and value in the order of the names. Of another body the address holds
//! the SHA-256.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use url::Url;

/// Whether a form was posted to this address by who has the token. The comparison takes as long wherever they differ.
pub fn is_form_signed(token: &SecretString, url: &str, fields: &[(String, String)], signature: &str) -> bool {
    // A value that stands there twice under one name is signed once.
    let fields: BTreeSet<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let said: String = fields.into_iter().flat_map(|(name, value)| [name, value]).collect();
    is_signed(token, url, &said, signature)
}

/// The same for a body that is no form: JSON.
pub fn is_body_signed(token: &SecretString, url: &str, body: &[u8], signature: &str) -> bool {
    let Ok(parsed) = Url::parse(url) else { return false };
    let sums: Vec<String> =
        parsed.query_pairs().filter(|(name, _)| name == "bodySHA256").map(|(_, value)| value.into_owned()).collect();
    let [stated] = sums.as_slice() else { return false };
    let sum: String = Sha256::digest(body)
        .iter()
        .flat_map(|octet| [octet >> 4, octet & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    // The sum is no secret: the address that holds it is what is signed.
    sum == *stated && is_signed(token, url, "", signature)
}

fn is_signed(token: &SecretString, url: &str, said: &str, signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(token.expose_secret().as_bytes()) else { return false };
    // Twilio may sign the address with the port that goes without saying, or without one that was said.
    spellings(url).iter().any(|url| {
        let mac = mac.clone().chain_update(url.as_bytes()).chain_update(said.as_bytes());
        mac.verify_slice(&signature).is_ok()
    })
}

/// The address as it is, and with or without its port, with nothing else changed.
fn spellings(url: &str) -> Vec<String> {
    let mut spellings = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return spellings };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (Some(authority), Some(behind)) = (rest.get(..end), rest.get(end..)) else { return spellings };
    let port = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return spellings,
    };
    let ported = authority.rsplit_once(':').filter(|(_, p)| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    spellings.push(match ported {
        Some((host, _)) => format!("{scheme}://{host}{behind}"),
        None => format!("{scheme}://{authority}:{port}{behind}"),
    });
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(given: &[(&str, &str)]) -> Vec<(String, String)> {
        given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    const URL: &str = "https://example.com/hooks/line?a=1&b=2";

    /// HMAC-SHA1 with the key 12345, by another implementation.
    #[test]
    fn a_form_is_signed_with_its_address() {
        let token = SecretString::from("12345");
        let form = fields(&[("Body", "hi"), ("From", "+14155550101"), ("Body", "hi")]);
        let signature = "Has/tLw9q6bjJO6qbzF3vbuO3qY=";
        assert!(is_form_signed(&token, URL, &form, signature));
        assert!(is_form_signed(&token, "https://example.com:443/hooks/line?a=1&b=2", &form, signature));
        for other in
            ["https://example.com/hooks/line?a=1&b=3", "http://example.com/hooks/line?a=1&b=2", "", "example.com"]
        {
            assert!(!is_form_signed(&token, other, &form, signature), "{other}");
        }
        assert!(!is_form_signed(&SecretString::from("12346"), URL, &form, signature));
        assert!(!is_form_signed(&token, URL, &fields(&[("Body", "ho"), ("From", "+14155550101")]), signature));
        for no in ["", "====", "x", &signature.to_lowercase(), signature.trim_end_matches('=')] {
            assert!(!is_form_signed(&token, URL, &form, no), "{no}");
        }
    }

    #[test]
    fn the_port_is_there_or_not() {
        assert_eq!(spellings("https://h/x?y=:1"), ["https://h/x?y=:1", "https://h:443/x?y=:1"]);
        assert_eq!(spellings("http://h"), ["http://h", "http://h:80"]);
        assert_eq!(spellings("https://h:8443/x"), ["https://h:8443/x", "https://h/x"]);
        assert_eq!(spellings("https://[::1]:443/x"), ["https://[::1]:443/x", "https://[::1]/x"]);
        assert_eq!(spellings("https://[::1]/x"), ["https://[::1]/x", "https://[::1]:443/x"]);
        assert_eq!(spellings("pigeon://h/x"), ["pigeon://h/x"]);
    }
}
