//! What a user agent says of who fetched. The words it goes by stand in a file that an operator may replace.

use serde::Deserialize;

/// The words that are shipped; `[tracking] agents` puts others in their place.
pub const SHIPPED: &str = include_str!("../../../config/agents.toml");
/// Octets of an agent that are kept and looked at.
pub const AGENT_MAX: usize = 400;
/// What Gmail says when it fetches at delivery.
const GMAIL_AT_DELIVERY: &str = "edge/12.246";
/// Where an agent ends that Apple's protection, and Apple Mail, use.
const APPLE_END: &str = "(khtml, like gecko)";
const BROWSER_START: &str = "mozilla/5.0 (";

/// What an agent says of who fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sort {
    /// There is none.
    None,
    /// It holds a word that machines are known by.
    Machine(String),
    /// It looks like nothing that people use; in what way.
    Odd(String),
    /// `Mozilla/5.0` and nothing else.
    Bare,
    /// It ends as those of Apple's mail privacy protection and of Apple Mail do.
    Apple,
    /// Gmail's own fetch at delivery.
    GmailAtDelivery,
    /// A proxy that fetches when a person opens the mail.
    Proxy(String),
    /// A browser or a mail program.
    Person,
}

/// The words agents are told apart by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    machines: Vec<String>,
    #[serde(default)]
    not_machines: Vec<String>,
    #[serde(default)]
    proxies: Vec<ProxyWord>,
    people: People,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProxyWord {
    holds: String,
    title: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct People {
    programs: Vec<String>,
    platforms: Vec<String>,
    apps: Vec<String>,
    products: Vec<String>,
}

impl Agents {
    /// Reads a file of words.
    ///
    /// # Errors
    /// What is wrong with it, with the line where the TOML is.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut agents: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        let people = &mut agents.people;
        let lists = [
            ("machines", &mut agents.machines),
            ("not_machines", &mut agents.not_machines),
            ("people.programs", &mut people.programs),
            ("people.platforms", &mut people.platforms),
            ("people.apps", &mut people.apps),
            ("people.products", &mut people.products),
        ];
        for (name, list) in lists {
            for word in list.iter_mut() {
                *word = word.to_lowercase();
                if word.trim().is_empty() {
                    return Err(format!("`{name}` has an empty word, which every agent would hold: take it out"));
                }
            }
        }
        for proxy in &mut agents.proxies {
            proxy.holds = proxy.holds.to_lowercase();
            if proxy.holds.trim().is_empty() {
                return Err("`proxies` has an empty word, which every agent would hold: take it out".to_owned());
            }
        }
        Ok(agents)
    }

    /// Those that are shipped; a test holds that they can be read.
    pub fn shipped() -> Self {
        Self::read(SHIPPED).unwrap_or_default()
    }

    /// What an agent says.
    pub fn sort(&self, agent: &str) -> Sort {
        let agent = agent.trim().to_lowercase();
        if agent.is_empty() || agent == "-" {
            return Sort::None;
        }
        if agent == "mozilla/5.0" {
            return Sort::Bare;
        }
        if let Some(proxy) = self.proxies.iter().find(|p| agent.contains(&p.holds)) {
            return Sort::Proxy(proxy.title.clone());
        }
        let mut judged = agent.clone();
        for word in &self.not_machines {
            judged = judged.replace(word, "");
        }
        if let Some(word) = self.machines.iter().find(|word| judged.contains(word.as_str())) {
            return Sort::Machine(word.clone());
        }
        if agent.contains(GMAIL_AT_DELIVERY) {
            return Sort::GmailAtDelivery;
        }
        if self.people.programs.iter().any(|p| agent.starts_with(p.as_str())) {
            return Sort::Person;
        }
        match self.oddity(&agent) {
            Some(what) => Sort::Odd(what),
            None if agent.ends_with(APPLE_END) => Sort::Apple,
            None => Sort::Person,
        }
    }

    /// In what way an agent looks like no browser's.
    fn oddity(&self, agent: &str) -> Option<String> {
        let people = &self.people;
        let Some((platform, rest)) = agent.strip_prefix(BROWSER_START).and_then(close) else {
            return Some(format!("`{}`", shortened(agent)));
        };
        if !people.platforms.iter().any(|p| platform.contains(p.as_str())) {
            return Some(format!("runs on `{}`", shortened(platform)));
        }
        if platform.contains("compatible") && !platform.contains("msie") && !platform.contains("konqueror") {
            return Some(format!("`{}`", shortened(platform)));
        }
        let told = people.apps.iter().filter_map(|app| rest.find(app.as_str())).min();
        let rest = told.and_then(|at| rest.get(..at)).unwrap_or(rest);
        self.odd_product(rest)
    }

    fn odd_product(&self, rest: &str) -> Option<String> {
        let mut rest = rest;
        loop {
            rest = rest.trim_start_matches([' ', ';', ',']);
            if rest.is_empty() {
                return None;
            }
            if let Some(inside) = rest.strip_prefix('(') {
                let Some((comment, after)) = close(inside) else {
                    return Some(format!("`{}`", shortened(rest)));
                };
                if !matches!(comment, "khtml, like gecko" | "khtml like gecko" | "like gecko" | "ubuntu" | "khtml") {
                    return Some(format!("`{}`", shortened(comment)));
                }
                rest = after;
                continue;
            }
            let end = rest.find([' ', '(', ';', ',']).unwrap_or(rest.len());
            let (token, after) = rest.split_at_checked(end)?;
            let name = token.split('/').next().unwrap_or_default();
            let is_number = name.chars().all(|c| c.is_ascii_digit() || c == '.');
            if !is_number && !self.people.products.iter().any(|p| p == name) {
                return Some(format!("`{}`", shortened(token)));
            }
            rest = after;
        }
    }
}

/// What stands before the bracket that closes, and what after it.
fn close(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

fn shortened(text: &str) -> String {
    text.trim().chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_told_apart() {
        let agents = Agents::read(SHIPPED).unwrap();
        let sort = |a: &str| agents.sort(a);
        assert_eq!(sort("  "), Sort::None);
        assert_eq!(sort("Mozilla/5.0"), Sort::Bare);
        assert_eq!(
            sort("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"),
            Sort::Apple
        );
        let gmail = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
            Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
        assert_eq!(sort(gmail), Sort::GmailAtDelivery);
        let proxy = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
        assert!(matches!(sort(proxy), Sort::Proxy(by) if by.contains("Google")));
        assert!(matches!(sort("curl/8.5.0"), Sort::Machine(word) if word == "curl"));
        assert!(matches!(sort("Mozilla/5.0 (Checker) Foo/1"), Sort::Odd(_)));
        assert!(matches!(sort("Mozilla/5.0 (Windows NT 10.0"), Sort::Odd(_)));
        let cubot = "Mozilla/5.0 (Linux; Android 13; CUBOT KINGKONG 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile Safari/537.36";
        assert_eq!(sort(cubot), Sort::Person);
    }

    #[test]
    fn strange_agents_are_read_without_harm() {
        let agents = Agents::shipped();
        for odd in
            ["Mozilla/5.0 (", "Mozilla/5.0 ()", "Mozilla/5.0 (x) (", "((((", "é)", "Mozilla/5.0 (Windows) é(é)é", "\0"]
        {
            assert!(matches!(agents.sort(odd), Sort::Odd(_)), "{odd}");
        }
    }

    #[test]
    fn an_empty_word_is_refused() {
        let text = "machines = [\"\"]\n[people]\nprograms = []\nplatforms = []\napps = []\nproducts = []\n";
        assert!(Agents::read(text).unwrap_err().contains("machines"));
    }
}
