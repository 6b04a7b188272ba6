//! What hits say of each other: one on the hidden link, all links at once, the same program asking twice.

use super::{ALL_LINKS, Books, Delivery, Evidence, HIDDEN_NEAR, Hit, Judgement, Method, weigh};
use crate::domain::time::Micros;
use crate::domain::words::HitKind;

/// Judges hits of one message together; the verdicts are in the order of the hits, which may be any.
pub fn judge_session(hits: &[Hit], delivery: &Delivery, books: &Books) -> Vec<Judgement> {
    let sweeps = sweeps(hits, delivery.links);
    hits.iter()
        .map(|hit| {
            let mut evidence = weigh(hit, delivery, books);
            weigh_company(hit, hits, &sweeps, &mut evidence);
            evidence.judge()
        })
        .collect()
}

fn apart(a: Micros, b: Micros) -> std::time::Duration {
    a.since(b).max(b.since(a))
}

/// Who followed all links within a few seconds, and when.
struct Sweep<'a> {
    from: Micros,
    to: Micros,
    agents: Vec<&'a str>,
}

/// The spans of [`ALL_LINKS`] in which every counted link was followed. One link followed once says nothing.
fn sweeps(hits: &[Hit], links: usize) -> Vec<Sweep<'_>> {
    if links < 2 {
        return Vec::new();
    }
    let mut clicks: Vec<&Hit> = hits.iter().filter(|h| h.kind == HitKind::Click).collect();
    clicks.sort_by_key(|h| h.at);
    let mut found = Vec::new();
    for (n, first) in clicks.iter().enumerate() {
        let span: Vec<&&Hit> = clicks.iter().skip(n).take_while(|h| h.at.since(first.at) < ALL_LINKS).collect();
        let mut seen: Vec<i64> = span.iter().filter_map(|h| h.link).collect();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() >= links
            && let Some(last) = span.last()
        {
            found.push(Sweep { from: first.at, to: last.at, agents: span.iter().map(|h| h.agent.as_str()).collect() });
        }
    }
    found
}

fn weigh_company(hit: &Hit, hits: &[Hit], sweeps: &[Sweep<'_>], evidence: &mut Evidence) {
    let others = || hits.iter().filter(|h| h.id != hit.id);
    let near = |h: &&Hit| apart(h.at, hit.at) <= HIDDEN_NEAR;
    if hit.kind != HitKind::Hidden && others().filter(near).any(|h| h.kind == HitKind::Hidden) {
        evidence.against(0.97, "at the same time somebody followed the link that people can't see");
    }
    if let Some(sweep) = sweeps.iter().find(|s| hit.at >= s.from && hit.at <= s.to && hit.kind == HitKind::Click) {
        let took = sweep.to.since(sweep.from).as_secs();
        evidence.against(0.95, format!("all links of the mail were followed within {} s", took.max(1)));
    } else if sweeps.iter().any(|s| {
        let close = apart(s.from, hit.at) <= HIDDEN_NEAR || apart(s.to, hit.at) <= HIDDEN_NEAR;
        close && s.agents.contains(&hit.agent.as_str())
    }) {
        evidence.against(0.9, "the same program followed all links of the mail");
    }
    let is_same = |h: &&Hit| h.agent == hit.agent && h.network == hit.network && h.method == Method::Head;
    if hit.method == Method::Get && others().filter(near).any(|h| is_same(&h)) {
        evidence.against(0.9, "the same program asked for the head of a link first");
    }
    if evidence.machine.is_empty() && hit.kind == HitKind::Click && is_read_first(hit, hits) {
        evidence.human.0 = evidence.human.0.max(0.95);
        evidence.human.1 = format!("{}; the mail was opened before", evidence.human.1);
    }
}

/// Whether somebody opened the mail some seconds before this click.
fn is_read_first(hit: &Hit, hits: &[Hit]) -> bool {
    hits.iter().any(|h| h.kind == HitKind::Open && h.method == Method::Get && hit.at.since(h.at).as_secs() >= 2)
}
