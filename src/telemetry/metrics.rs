//! Numbers for Prometheus: every name in one place, the counters of this process, and the page that is fetched.
//!
//! Units are base units (seconds, counts). Labels are names from the configuration, patterns of routes and words of closed
//! lists; never an address, an id of a person or text from a mail. Where a label set would grow past [`SERIES_MAX`] all the
//! same, what is beyond is counted under `other`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most label sets of one name.
pub const SERIES_MAX: usize = 1_000;
/// The content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The upper bounds of the buckets of durations, seconds.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Counter,
    Gauge,
    Histogram,
}

/// One name, with what is said of it.
#[derive(Debug)]
pub struct Metric {
    name: &'static str,
    sort: Sort,
    labels: &'static [&'static str],
    help: &'static str,
}

macro_rules! metrics {
    ($($metric:ident = $sort:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(#[doc = $help] pub static $metric: Metric =
            Metric { name: concat!("liaison_", $name), sort: Sort::$sort, labels: &[$($label),*], help: $help };)+
        /// Every name there is.
        static ALL: &[&Metric] = &[$(&$metric),+];
    };
}

metrics! {
    BUILD_INFO = Gauge "build_info" ["version"] "Always 1; which version runs.";
    SENDING_HELD = Gauge "sending_held" [] "1 while this database, a copy or restored, sends nothing until liaison release.";
    MESSAGES_SENT = Counter "messages_sent_total" ["channel", "account", "result"]
        "Attempts to send that came to an end: accepted, refused or uncertain.";
    MESSAGES_RECEIVED = Counter "messages_received_total" ["channel", "account"] "Messages from others that were stored.";
    TOLD_UNKNOWN = Counter "told_unknown_total" ["channel", "account"]
        "Things that a provider told and that mean nothing to us.";
    LEFT_OUT = Counter "told_left_out_total" ["channel", "account"]
        "Things that a provider told and that could not be stored, however often it was tried.";
    SEND_LAG = Gauge "send_lag_seconds" ["account"]
        "How long the message that is due for longest has waited; 0 where none is due.";
    OUTBOX = Gauge "outbox_messages" ["account", "status"] "Messages in the outbox that have not come to an end.";
    ACCOUNT_UP = Gauge "account_up" ["account"] "1 where the account can be read and sends, else 0.";
    ACCOUNT_LAST_SYNC = Gauge "account_last_sync_timestamp_seconds" ["account"]
        "When all folders of the account were last read to the end.";
    OAUTH_TOKEN_EXPIRY = Gauge "oauth_token_expiry_timestamp_seconds" ["account"]
        "Until when the access token of the account holds.";
    OAUTH_SIGNED_IN = Gauge "oauth_signed_in" ["account"]
        "1 where the provider takes the sign-in of the account, 0 where somebody has to sign in.";
    OAUTH_RENEWALS = Counter "oauth_renewals_total" ["account", "result"]
        "Renewals of sign-ins: renewed, refused or failed.";
    WEBHOOK_DELIVERIES = Counter "webhook_deliveries_total" ["result"]
        "Tries to tell a webhook something: delivered, failed and tried again later, or given up.";
    WEBHOOKS = Gauge "webhooks" ["state"] "Webhooks, by whether they are told anything.";
    HTTP_DURATION = Histogram "http_request_duration_seconds" ["method", "route", "status"]
        "How long requests took, by the pattern of their route and the class of the answer.";
    LEASE_HELD = Gauge "lease_held" ["lease"] "1 where this process holds the lease, 0 where another does or nobody.";
    RETENTION_DELETED = Counter "retention_deleted_total" ["what"] "What was deleted because it was kept long enough.";
    RETENTION_ROUND = Gauge "retention_last_round_timestamp_seconds" [] "When what is kept for a time was last looked through.";
    LEASE_TAKEN = Gauge "lease_taken_timestamp_seconds" ["lease"]
        "Since when whoever holds the lease has it; missing where nobody holds it.";
    LEASE_REFUSED = Counter "lease_refused_writes_total" ["lease"]
        "Writes that this process did not make because the lease for them was over or another's.";
    LOOP_PULSE = Gauge "loop_last_pulse_timestamp_seconds" ["loop"] "When the loop was last seen going.";
}

#[derive(Debug, Clone, Default)]
struct Buckets {
    counts: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

type Series<V> = BTreeMap<&'static str, BTreeMap<Vec<String>, V>>;

static NUMBERS: Mutex<Series<f64>> = Mutex::new(BTreeMap::new());
static DURATIONS: Mutex<Series<Buckets>> = Mutex::new(BTreeMap::new());

fn with<V: Default>(series: &Mutex<Series<V>>, metric: &Metric, labels: &[&str], change: impl FnOnce(&mut V)) {
    let mut series = series.lock().unwrap_or_else(PoisonError::into_inner);
    let sets = series.entry(metric.name).or_default();
    let key: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
    let key =
        if sets.len() < SERIES_MAX || sets.contains_key(&key) { key } else { vec!["other".to_owned(); key.len()] };
    change(sets.entry(key).or_default());
}

/// Adds to a counter of this process.
pub fn count(metric: &Metric, labels: &[&str], n: usize) {
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53, which no counter reaches")]
    with(&NUMBERS, metric, labels, |sum| *sum += n as f64);
}

/// Sets a gauge that this process keeps by itself.
pub fn set(metric: &Metric, labels: &[&str], value: f64) {
    with(&NUMBERS, metric, labels, |old| *old = value);
}

/// Takes one duration into a histogram.
pub fn observe(metric: &Metric, labels: &[&str], took: Duration) {
    let seconds = took.as_secs_f64();
    with(&DURATIONS, metric, labels, |buckets| {
        for (count, bound) in buckets.counts.iter_mut().zip(BOUNDS) {
            *count += u64::from(seconds <= bound);
        }
        buckets.count += 1;
        buckets.sum += seconds;
    });
}

/// One request was answered. `method` and `status` become words of closed lists; `route` is the pattern, empty for none.
pub fn http_request(method: &str, route: &str, status: u16, took: Duration) {
    let method =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|m| *m == method).unwrap_or("other");
    let route = if route.is_empty() { "none" } else { route };
    let class = format!("{}xx", status / 100);
    observe(&HTTP_DURATION, &[method, route, &class], took);
}

/// The page: what this process counted, and what is looked up when it is fetched.
#[derive(Debug)]
pub struct Page(Series<f64>);

impl Default for Page {
    /// With what this process counted so far.
    fn default() -> Self {
        Self(NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Page {
    /// Puts one number onto the page.
    pub fn set(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        let key = labels.iter().map(|l| (*l).to_owned()).collect();
        self.0.entry(metric.name).or_default().insert(key, value);
    }

    /// The text, as Prometheus reads it. A name of which nothing is known is left out.
    pub fn render(&self) -> String {
        let durations = DURATIONS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut out = String::new();
        for metric in ALL {
            if metric.sort == Sort::Histogram {
                if let Some(sets) = durations.get(metric.name) {
                    head(&mut out, metric, "histogram");
                    for (labels, buckets) in sets {
                        write_buckets(&mut out, metric, labels, buckets);
                    }
                }
            } else if let Some(sets) = self.0.get(metric.name) {
                head(&mut out, metric, if metric.sort == Sort::Counter { "counter" } else { "gauge" });
                for (labels, value) in sets {
                    line(&mut out, metric.name, &pairs(metric, labels, None), *value);
                }
            }
        }
        out
    }
}

fn head(out: &mut String, metric: &Metric, sort: &str) {
    let Metric { name, help, .. } = metric;
    out.extend(["# HELP ", *name, " ", *help, "\n# TYPE ", *name, " ", sort, "\n"]);
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    out.extend([name, labels, " ", &value.to_string(), "\n"]);
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53, which no counter reaches")]
fn write_buckets(out: &mut String, metric: &Metric, labels: &[String], buckets: &Buckets) {
    let name = format!("{}_bucket", metric.name);
    for (count, bound) in buckets.counts.iter().zip(BOUNDS) {
        line(out, &name, &pairs(metric, labels, Some(&bound.to_string())), *count as f64);
    }
    line(out, &name, &pairs(metric, labels, Some("+Inf")), buckets.count as f64);
    line(out, &format!("{}_sum", metric.name), &pairs(metric, labels, None), buckets.sum);
    line(out, &format!("{}_count", metric.name), &pairs(metric, labels, None), buckets.count as f64);
}

/// `{name="value",…}`, or nothing.
fn pairs(metric: &Metric, values: &[String], le: Option<&str>) -> String {
    let named = metric.labels.iter().copied().zip(values.iter().map(String::as_str)).chain(le.map(|le| ("le", le)));
    let pairs: Vec<String> = named.map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_and_counters_say_that_they_count() {
        for metric in ALL {
            let name = metric.name;
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && metric.help.ends_with('.'), "{name}");
            assert_eq!(name.ends_with("_total"), metric.sort == Sort::Counter, "{name}");
            assert_eq!(ALL.iter().filter(|m| m.name == name).count(), 1, "{name}");
            let row = format!("\n| `{name}` | {} |", metric.labels.join(", ")).replace("|  |", "| |");
            assert!(include_str!("../../docs/operations.md").contains(&row), "docs/operations.md tells of it: {row}");
        }
    }

    #[test]
    fn the_page_holds_what_was_counted_and_what_was_put_there() {
        count(&MESSAGES_SENT, &["email", "page-test", "accepted"], 2);
        count(&MESSAGES_SENT, &["email", "page-test", "accepted"], 1);
        http_request("GET", "/v1/page-test/{id}", 404, Duration::from_millis(30));
        http_request("BREW", "", 200, Duration::from_secs(11));
        let mut page = Page::default();
        page.set(&ACCOUNT_UP, &["a \"quoted\\\nname"], 1.0);
        page.set(&SENDING_HELD, &[], 0.0);
        let text = page.render();
        for wanted in [
            "# TYPE liaison_messages_sent_total counter\n",
            "liaison_messages_sent_total{channel=\"email\",account=\"page-test\",result=\"accepted\"} 3\n",
            "liaison_account_up{account=\"a \\\"quoted\\\\\\nname\"} 1\n",
            "liaison_sending_held 0\n",
            "_bucket{method=\"GET\",route=\"/v1/page-test/{id}\",status=\"4xx\",le=\"0.025\"} 0\n",
            "_bucket{method=\"GET\",route=\"/v1/page-test/{id}\",status=\"4xx\",le=\"0.05\"} 1\n",
            "_sum{method=\"GET\",route=\"/v1/page-test/{id}\",status=\"4xx\"} 0.03\n",
            "_bucket{method=\"other\",route=\"none\",status=\"2xx\",le=\"10\"} 0\n",
            "_count{method=\"other\",route=\"none\",status=\"2xx\"} 1\n",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        assert!(!text.contains("account_last_sync"), "nothing is known of it: {text}");
    }

    #[test]
    fn label_sets_do_not_grow_without_end() {
        let series = Mutex::new(Series::<f64>::new());
        for n in 0..SERIES_MAX + 50 {
            with(&series, &ACCOUNT_UP, &[&format!("name{n}")], |v| *v += 1.0);
        }
        let series = series.lock().unwrap();
        let sets = &series[ACCOUNT_UP.name];
        assert_eq!((sets.len(), sets[&vec!["other".to_owned()]]), (SERIES_MAX + 1, 50.0));
    }
}
