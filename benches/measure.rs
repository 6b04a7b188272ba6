//! Runs a program and says what it cost: seconds, processor seconds, most memory; and figures of several runs, as a table
//! and as JSON. Everything is read from /proc: no figure is an estimate.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Clock ticks of one second in /proc (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;

/// What a program cost so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Seconds of processor time, its own and the kernel's for it.
    pub cpu: f64,
    /// Most resident memory, octets (`VmHWM`).
    pub peak: u64,
    ended: bool,
}

/// Looks at a process.
pub fn look(pid: u32) -> Cost {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name: Vec<&str> = stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let ticks = |n: usize| after_name.get(n).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilo = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    let ended = matches!(after_name.first(), None | Some(&"Z"));
    Cost { cpu: (ticks(11) + ticks(12)) / TICKS, peak: kilo * 1024, ended }
}

/// Watches a child until it has ended, and fails where it failed.
pub fn watch(mut child: Child, what: &str) -> (f64, Cost) {
    let (began, mut cost) = (Instant::now(), Cost::default());
    loop {
        let now = look(child.id());
        cost = Cost { cpu: cost.cpu.max(now.cpu), peak: cost.peak.max(now.peak), ended: now.ended };
        if cost.ended {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = began.elapsed().as_secs_f64();
    let status = child.wait().expect("child");
    assert!(status.success(), "{what} failed: {status}");
    (seconds, cost)
}

/// Runs a program to its end.
pub fn run(command: &mut Command, what: &str) -> (f64, Cost) {
    let child = command.spawn().unwrap_or_else(|e| panic!("{what} can't be started: {e}"));
    watch(child, what)
}

/// One run of one contestant.
#[derive(Debug, Clone)]
pub struct Run {
    pub who: &'static str,
    pub seconds: f64,
    pub messages: usize,
    pub cost: Option<Cost>,
}

impl Run {
    fn rate(&self) -> f64 {
        count(self.messages) / self.seconds
    }
    fn per_cpu(&self) -> Option<f64> {
        self.cost.map(|c| count(self.messages) / c.cpu.max(0.001))
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
pub fn count(n: usize) -> f64 {
    n as f64
}

/// The value below which this share of a list lies.
pub fn quantile(list: &[f64], share: f64) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the list")]
    let at = ((count(sorted.len()) * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(0.0)
}

fn median(list: &[f64]) -> f64 {
    quantile(list, 0.5)
}

/// A table for people.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN).set_header(head.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// Rates of all contestants; the first is ours, each other stands with the ratio ours / theirs.
pub fn compare(runs: &[Run]) -> (String, Value) {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.who) {
            names.push(run.who);
        }
    }
    names.sort_by_key(|n| *n != "liaison");
    let of = |who: &str| -> Vec<&Run> { runs.iter().filter(|r| r.who == who).collect() };
    let rates = |who: &str| -> Vec<f64> { of(who).iter().map(|r| r.rate()).collect() };
    let per_cpu = |who: &str| -> Vec<f64> { of(who).iter().filter_map(|r| r.per_cpu()).collect() };
    let (ours, ours_cpu) = (median(&rates("liaison")), median(&per_cpu("liaison")));
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for who in names {
        let (rates, cpu) = (rates(who), per_cpu(who));
        let spread = (quantile(&rates, 0.0), quantile(&rates, 1.0));
        let seconds: Vec<f64> = of(who).iter().filter_map(|r| r.cost.map(|c| c.cpu)).collect();
        let peak = of(who).iter().filter_map(|r| r.cost.map(|c| c.peak)).max();
        let shown = |known: bool, text: String| if known { text } else { "–".to_owned() };
        rows.push(vec![
            who.to_owned(),
            rates.len().to_string(),
            format!("{:.0}", median(&rates)),
            format!("{:.0}–{:.0}", spread.0, spread.1),
            format!("{:.2}", ours / median(&rates)),
            shown(!cpu.is_empty(), format!("{:.0}", median(&cpu))),
            shown(!cpu.is_empty(), format!("{:.2}", ours_cpu / median(&cpu))),
            shown(!cpu.is_empty(), format!("{:.1}", median(&seconds))),
            peak.map_or("–".to_owned(), |p| format!("{:.0} MB", mega(p))),
        ]);
        all.push(json!({
            "who": who, "runs": rates.len(), "per_second": median(&rates), "spread": [spread.0, spread.1],
            "ours_to_theirs": ours / median(&rates),
            "per_cpu_second": (!cpu.is_empty()).then(|| median(&cpu)),
            "ours_to_theirs_per_cpu_second": (!cpu.is_empty()).then(|| ours_cpu / median(&cpu)),
            "cpu_seconds": (!cpu.is_empty()).then(|| median(&seconds)), "peak_octets": peak,
        }));
    }
    let head = ["", "runs", "msg/s", "spread", "ours/theirs", "msg/CPU s", "ours/theirs", "CPU s", "peak"];
    (table(&head, &rows), Value::Array(all))
}

#[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
pub fn mega(octets: u64) -> f64 {
    octets as f64 / 1_000_000.0
}
