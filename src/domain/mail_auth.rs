//! What a domain says of the mail that is sent in its name: SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489), as far as it
//! decides whether mail arrives. Judges records that were looked up; pure.

use super::oauth::Provider;

/// How something is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// As it should be.
    Good(String),
    /// Mail arrives, but less of it than might.
    Weak(String, String),
    /// Mail of this domain is refused or filed as junk by many.
    Bad(String, String),
}

/// Characters of a record that are shown.
const SHOWN_MAX: usize = 120;
/// Domains of people's own mailboxes: their provider looks after what they say.
const CONSUMER: [&str; 12] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "msn.com",
    "yahoo.com",
    "icloud.com",
    "me.com",
    "gmx.net",
    "gmx.de",
    "web.de",
];
/// Top-level domains that lead nowhere by agreement (RFC 6761).
const RESERVED: [&str; 5] = ["test", "example", "invalid", "localhost", "local"];

fn good(what: impl Into<String>) -> Judged {
    Judged::Good(what.into())
}

fn weak(what: impl Into<String>, hint: impl Into<String>) -> Judged {
    Judged::Weak(what.into(), hint.into())
}

fn bad(what: impl Into<String>, hint: impl Into<String>) -> Judged {
    Judged::Bad(what.into(), hint.into())
}

fn shown(record: &str) -> String {
    let clean: String = record.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
    if clean.len() < record.len() { format!("{clean}…") } else { clean }
}

/// Whether a domain is one of people's own mailboxes, not of a brand.
pub fn is_consumer(domain: &str) -> bool {
    CONSUMER.contains(&domain)
}

/// Whether a name leads nowhere by agreement.
pub fn is_reserved(domain: &str) -> bool {
    domain.rsplit('.').next().is_some_and(|top| RESERVED.contains(&top))
}

/// The records among `texts` that begin with a tag, whatever its case.
fn tagged<'a>(texts: &'a [String], tag: &str) -> Vec<&'a str> {
    let begins = |text: &str| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    texts.iter().map(|text| text.trim()).filter(|text| begins(text)).collect()
}

/// What a provider asks to be named in SPF.
fn included_by(provider: Provider) -> &'static str {
    match provider {
        Provider::Gmail => "_spf.google.com",
        Provider::Microsoft365 => "spf.protection.outlook.com",
    }
}

/// Judges the TXT records of a domain as SPF, for mail that is sent through a provider where one is known.
pub fn judge_spf(texts: &[String], through: Option<Provider>) -> Judged {
    let records: Vec<&str> =
        tagged(texts, "v=spf1").into_iter().filter(|r| r.len() == 6 || r.as_bytes().get(6) == Some(&b' ')).collect();
    let record = match records.as_slice() {
        [record] => record.to_ascii_lowercase(),
        [] => {
            let wanted =
                through.map_or("include:… of your provider".to_owned(), |p| format!("include:{}", included_by(p)));
            return bad("there is no SPF record", format!("add a TXT record: v=spf1 {wanted} ~all"));
        }
        several => {
            let what = format!("there are {} SPF records, and then none of them counts", several.len());
            return bad(what, "make one record of them");
        }
    };
    let terms: Vec<&str> = record.split_whitespace().skip(1).collect();
    if terms.iter().any(|term| matches!(*term, "all" | "+all")) {
        return bad(format!("everybody may send in its name: {}", shown(&record)), "end it with ~all or -all");
    }
    let redirects = terms.iter().any(|term| term.starts_with("redirect="));
    if let Some(provider) = through
        && !redirects
        && !terms.iter().any(|term| term.trim_start_matches('+') == format!("include:{}", included_by(provider)))
    {
        let what = format!("it does not name {provider}, through which this account sends: {}", shown(&record));
        return weak(what, format!("add include:{} to it, unless another include leads there", included_by(provider)));
    }
    if redirects || terms.iter().any(|term| matches!(*term, "~all" | "-all")) {
        return good(shown(&record));
    }
    weak(format!("it does not say what others may: {}", shown(&record)), "end it with ~all or -all")
}

/// The value of a tag of a list `a=b; c=d`.
fn tag<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    record.split(';').filter_map(|part| part.split_once('=')).find(|(n, _)| n.trim() == name).map(|(_, v)| v.trim())
}

/// Judges the TXT records at a DKIM selector.
pub fn judge_dkim(texts: &[String], selector: &str) -> Judged {
    let hint = format!("publish the key that your mail server or provider shows for the selector `{selector}`");
    let keys: Vec<&str> = texts.iter().filter_map(|text| tag(text, "p")).collect();
    match keys.as_slice() {
        [] => bad(format!("there is no key at the selector `{selector}`"), hint),
        [""] => bad(format!("the key at the selector `{selector}` was taken back"), hint),
        [_] => good(format!("there is a key at the selector `{selector}`")),
        several => {
            let what = format!("there are {} keys at the selector `{selector}`", several.len());
            weak(what, "leave one of them")
        }
    }
}

/// Judges the TXT records at `_dmarc`, of the domain or of one above it.
pub fn judge_dmarc(texts: &[String]) -> Judged {
    let records = tagged(texts, "v=DMARC1");
    let [record] = records.as_slice() else {
        let what = if records.is_empty() { "there is no DMARC record" } else { "there is more than one DMARC record" };
        let hint =
            "add one TXT record at _dmarc: v=DMARC1; p=none; rua=mailto:you@your-domain. Large providers ask for it";
        return bad(what, hint);
    };
    match tag(record, "p").map(str::to_ascii_lowercase).as_deref() {
        Some("none" | "quarantine" | "reject") => good(shown(record)),
        _ => bad(format!("it says no policy: {}", shown(record)), "write p=none, p=quarantine or p=reject into it"),
    }
}

/// The selector with which a provider signs where nothing else was chosen.
pub fn usual_selector(provider: Provider) -> &'static str {
    match provider {
        Provider::Gmail => "google",
        Provider::Microsoft365 => "selector1",
    }
}

/// The names at which DMARC is looked for, the first that has a record counts: the domain, and those above it that may be the
/// organization's.
pub fn dmarc_names(domain: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = domain;
    loop {
        names.push(format!("_dmarc.{rest}"));
        match rest.split_once('.') {
            Some((_, above)) if above.contains('.') => rest = above,
            _ => return names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|t| (*t).to_owned()).collect()
    }

    fn sort(judged: &Judged) -> char {
        match judged {
            Judged::Good(_) => 'g',
            Judged::Weak(..) => 'w',
            Judged::Bad(..) => 'b',
        }
    }

    #[test]
    fn spf_is_judged() {
        let gmail = Some(Provider::Gmail);
        for (records, through, wanted) in [
            (&["v=spf1 mx -all"][..], None, 'g'),
            (&["google-site-verification=x", "V=SPF1 include:_spf.google.com ~ALL"], gmail, 'g'),
            (&["v=spf1 redirect=_spf.acme.com"], gmail, 'g'),
            (&["v=spf1 mx -all"], gmail, 'w'),
            (&["v=spf1 mx"], None, 'w'),
            (&["v=spf1 mx ?all"], None, 'w'),
            (&["v=spf1"], None, 'w'),
            (&["v=spf1 mx +all"], None, 'b'),
            (&["v=spf1 all"], None, 'b'),
            (&["v=spf1 -all", "v=spf1 mx -all"], None, 'b'),
            (&["v=spf10 -all"], None, 'b'),
            (&[], None, 'b'),
        ] {
            assert_eq!(sort(&judge_spf(&texts(records), through)), wanted, "{records:?}");
        }
    }

    #[test]
    fn dkim_and_dmarc_are_judged() {
        for (records, wanted) in [
            (&["v=DKIM1; k=rsa; p=MIGf"][..], 'g'),
            (&["p=MIGf"], 'g'),
            (&["v=DKIM1; p="], 'b'),
            (&["nothing"], 'b'),
            (&[], 'b'),
            (&["p=a", "p=b"], 'w'),
        ] {
            assert_eq!(sort(&judge_dkim(&texts(records), "s1")), wanted, "{records:?}");
        }
        for (records, wanted) in [
            (&["v=DMARC1; p=none; rua=mailto:a@b.example"][..], 'g'),
            (&["v=DMARC1;p=REJECT"], 'g'),
            (&["v=DMARC1; sp=none"], 'b'),
            (&["v=DMARC1; p=none", "v=DMARC1; p=none"], 'b'),
            (&["something"], 'b'),
        ] {
            assert_eq!(sort(&judge_dmarc(&texts(records))), wanted, "{records:?}");
        }
    }

    #[test]
    fn names_go_up_to_the_organization() {
        assert_eq!(
            dmarc_names("mail.brand.acme.com"),
            ["mail.brand.acme.com", "brand.acme.com", "acme.com"].map(|n| format!("_dmarc.{n}"))
        );
        assert_eq!(dmarc_names("acme.com"), ["_dmarc.acme.com"]);
        assert!(is_reserved("mail.acme.example") && is_reserved("localhost") && !is_reserved("example.com"));
        assert!(is_consumer("gmail.com") && !is_consumer("acme.com"));
        assert!(shown(&"é\n".repeat(300)).chars().count() <= SHOWN_MAX + 1);
    }
}
