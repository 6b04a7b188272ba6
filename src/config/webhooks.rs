//! `[webhooks]`: which hosts and networks beside the public internet webhooks may lead to.

use super::reader::{Reader, Section};
use super::source::without_passwords;
use crate::domain::webhook::guard::Allowed;

/// `[webhooks]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// What may be reached beside the public internet. Default: nothing.
    pub allow: Vec<Allowed>,
}

pub(super) fn read(mut s: Section<'_>, r: &mut Reader) -> Webhooks {
    let mut allow = Vec::new();
    for given in s.texts(r, "allow") {
        if let Some(allowed) = Allowed::read(&given.value) {
            allow.push(allowed);
        } else {
            let shown: String = without_passwords(&given.value).chars().take(60).collect();
            let hint =
                "write a name as in \"hooks.your-domain.example\", an address, or a network as in \"10.1.0.0/16\"";
            r.error(&given, format!("`{shown}` is no host and no network"), hint);
        }
    }
    s.finish(r);
    Webhooks { allow }
}
