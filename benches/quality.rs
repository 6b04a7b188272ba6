//! How right the outcome is: what a store holds, compared with the truth about the mailbox.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use sqlx::Connection;

use crate::hub::Hub;
use crate::mailbox::{Class, Shape, Truth};
use crate::measure;

/// Shares of a whole, in percent.
#[derive(Debug, Default)]
pub struct Grade {
    /// Threads with exactly the mails that belong together.
    exact: f64,
    /// Of all pairs put together, those that belong together.
    precision: f64,
    /// Reports and Outlook mails in the thread of what they answer.
    placed: BTreeMap<&'static str, f64>,
    /// Mails on the timeline of somebody they don't concern; mails that miss on somebody's.
    wrong: Option<(f64, f64)>,
    /// Mails of this sort that are known as such; other mails taken for it.
    classes: BTreeMap<&'static str, (f64, f64)>,
}

impl Grade {
    pub fn json(&self) -> Value {
        json!({
            "threads_exact": self.exact, "pair_precision": self.precision, "in_the_right_thread": self.placed,
            "wrong_influencer": self.wrong.map(|w| w.0), "missing_influencer": self.wrong.map(|w| w.1),
            "class_right": self.classes.iter().map(|(k, v)| (*k, v.0)).collect::<BTreeMap<_, _>>(),
            "class_wrongly_given": self.classes.iter().map(|(k, v)| (*k, v.1)).collect::<BTreeMap<_, _>>(),
        })
    }
}

pub fn table(graded: &[(&str, Grade)]) -> String {
    let percent = |n: f64| format!("{:.2} %", n * 100.0);
    let mut rows = Vec::new();
    let mut row = |name: String, get: &dyn Fn(&Grade) -> Option<f64>| {
        let cells = graded.iter().map(|(_, g)| get(g).map_or("–".to_owned(), percent));
        rows.push(std::iter::once(name).chain(cells).collect::<Vec<_>>());
    };
    row("threads exact".into(), &|g| Some(g.exact));
    row("pairs rightly together".into(), &|g| Some(g.precision));
    for name in
        ["bounce", "Outlook", "Outlook, parent only", "Outlook, index only", "Outlook, subject only", "other address"]
    {
        row(format!("with its thread: {name}"), &|g| g.placed.get(name).copied());
    }
    row("wrong influencer".into(), &|g| g.wrong.map(|w| w.0));
    row("missing influencer".into(), &|g| g.wrong.map(|w| w.1));
    for class in [Class::Bounce, Class::OutOfOffice, Class::Automatic, Class::Human] {
        row(format!("seen as {}", class.word()), &|g| g.classes.get(class.word()).map(|c| c.0));
        row(format!("wrongly seen as {}", class.word()), &|g| g.classes.get(class.word()).map(|c| c.1));
    }
    let head: Vec<&str> = std::iter::once("").chain(graded.iter().map(|(who, _)| *who)).collect();
    measure::table(&head, &rows)
}

fn share(part: usize, of: usize) -> f64 {
    measure::count(part) / measure::count(of.max(1))
}

/// Threads, each a list of items, compared with the true ones: (exact, pair precision).
fn compare(found: &[Vec<usize>], truth: &HashMap<usize, usize>) -> (f64, f64) {
    let mut wanted: HashMap<usize, HashSet<usize>> = HashMap::new();
    for (item, thread) in truth {
        wanted.entry(*thread).or_default().insert(*item);
    }
    let (mut exact, mut together, mut rightly) = (0, 0_usize, 0_usize);
    let pairs = |n: usize| n * n.saturating_sub(1) / 2;
    for items in found {
        let mut of: HashMap<Option<usize>, usize> = HashMap::new();
        for item in items {
            *of.entry(truth.get(item).copied()).or_default() += 1;
        }
        together += pairs(items.len());
        rightly += of.iter().filter(|(thread, _)| thread.is_some()).map(|(_, n)| pairs(*n)).sum::<usize>();
        let whole = |thread: &usize| wanted[thread].len() == items.len() && of[&Some(*thread)] == items.len();
        exact += usize::from(items.first().and_then(|i| truth.get(i)).is_some_and(whole));
    }
    (share(exact, wanted.len()), if together == 0 { 1.0 } else { share(rightly, together) })
}

/// Of the mails that are hard to place, those that stand with another mail of their true thread.
fn placed(truths: &[Truth], found: &HashMap<usize, HashSet<usize>>) -> BTreeMap<&'static str, f64> {
    let names = |shape: Shape| -> &'static [&'static str] {
        match shape {
            Shape::Plain => &[],
            Shape::ParentOnly => &["Outlook", "Outlook, parent only"],
            Shape::IndexOnly => &["Outlook", "Outlook, index only"],
            Shape::SubjectOnly => &["Outlook", "Outlook, subject only"],
            Shape::Report => &["bounce"],
            Shape::OtherAddress => &["other address"],
        }
    };
    let mut of_conversation: HashMap<u32, Vec<usize>> = HashMap::new();
    for (n, truth) in truths.iter().enumerate() {
        of_conversation.entry(truth.conversation).or_default().push(n);
    }
    let mut counts: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    for (n, truth) in truths.iter().enumerate() {
        let all = &of_conversation[&truth.conversation];
        // A mail that begins its thread has nothing to be placed with.
        if all[0] == n {
            continue;
        }
        let none = HashSet::new();
        let mine = found.get(&n).unwrap_or(&none);
        let with_another =
            all.iter().filter(|m| **m != n).any(|m| found.get(m).is_some_and(|theirs| !mine.is_disjoint(theirs)));
        for name in names(truth.shape) {
            let count = counts.entry(name).or_default();
            count.0 += usize::from(with_another);
            count.1 += 1;
        }
    }
    counts.into_iter().map(|(name, (right, all))| (name, share(right, all))).collect()
}

/// One row of our store: a mail, its sort, and one of the timelines it is on.
type Row = (String, String, Option<Vec<u8>>, Option<Vec<u8>>);

/// What our database says.
pub async fn ours(hub: &Hub, truths: &[Truth]) -> Grade {
    let url = format!("sqlite://{}?mode=ro", hub.file.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("database");
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT m.internet_message_id, m.kind, p.influencer_id, COALESCE(t.merged_into, t.id) FROM message m \
         LEFT JOIN participation p ON p.message_id = m.id LEFT JOIN thread t ON t.id = p.thread_id",
    )
    .fetch_all(&mut connection)
    .await
    .expect("rows");
    let number: HashMap<&str, usize> = truths.iter().enumerate().map(|(n, t)| (t.message_id.as_str(), n)).collect();
    let person: HashMap<&[u8], usize> =
        hub.influencers.iter().enumerate().map(|(n, id)| (id.0.as_bytes().as_slice(), n)).collect();
    let mut threads: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut threads_of: HashMap<usize, HashSet<usize>> = HashMap::new();
    let mut people_of: HashMap<usize, HashSet<usize>> = HashMap::new();
    let mut kinds: HashMap<usize, &str> = HashMap::new();
    let all = hub.influencers.len();
    let mut names: HashMap<&[u8], usize> = HashMap::new();
    for (id, kind, influencer, thread) in &rows {
        let mail = number[id.as_str()];
        kinds.insert(mail, kind);
        if let (Some(influencer), Some(thread)) = (influencer, thread) {
            let who = person[influencer.as_slice()];
            let next = names.len();
            let thread_number = *names.entry(thread).or_insert(next);
            threads.entry(thread).or_default().push(mail * all + who);
            threads_of.entry(mail).or_default().insert(thread_number);
            people_of.entry(mail).or_default().insert(who);
        }
    }
    // An item is a mail on a timeline; its thread is the conversation as that person sees it.
    let truth: HashMap<usize, usize> = truths
        .iter()
        .enumerate()
        .flat_map(|(n, t)| t.parts.iter().map(move |(who, thread)| (n * all + who, *thread as usize * all + who)))
        .collect();
    let found: Vec<Vec<usize>> = threads.into_values().collect();
    let (exact, precision) = compare(&found, &truth);
    Grade {
        exact,
        precision,
        placed: placed(truths, &threads_of),
        wrong: Some(wrong_people(truths, &people_of)),
        classes: classes(truths, &kinds),
    }
}

fn wrong_people(truths: &[Truth], people_of: &HashMap<usize, HashSet<usize>>) -> (f64, f64) {
    let (mut wrong, mut missing) = (0, 0);
    let none = HashSet::new();
    for (n, truth) in truths.iter().enumerate() {
        let wanted: HashSet<usize> = truth.parts.iter().map(|(who, _)| *who).collect();
        let found = people_of.get(&n).unwrap_or(&none);
        wrong += usize::from(!found.is_subset(&wanted));
        missing += usize::from(!wanted.is_subset(found));
    }
    (share(wrong, truths.len()), share(missing, truths.len()))
}

fn classes(truths: &[Truth], kinds: &HashMap<usize, &str>) -> BTreeMap<&'static str, (f64, f64)> {
    let mut shares = BTreeMap::new();
    for class in [Class::Human, Class::OutOfOffice, Class::Automatic, Class::Bounce] {
        let is = |n: usize| kinds.get(&n).is_some_and(|k| *k == class.word());
        let (those, others): (Vec<usize>, Vec<usize>) = (0..truths.len()).partition(|n| truths[*n].class == class);
        let right = share(those.iter().filter(|n| is(**n)).count(), those.len());
        let wrong = share(others.iter().filter(|n| is(**n)).count(), others.len());
        shares.insert(class.word(), (right, wrong));
    }
    shares
}

/// What notmuch says, which knows no people: its threads beside whole conversations.
pub fn notmuch(truths: &[Truth], threads: &[Vec<String>]) -> Grade {
    let number: HashMap<&str, usize> = truths.iter().enumerate().map(|(n, t)| (t.message_id.as_str(), n)).collect();
    let found: Vec<Vec<usize>> =
        threads.iter().map(|ids| ids.iter().filter_map(|id| number.get(id.as_str()).copied()).collect()).collect();
    let truth = truths.iter().enumerate().map(|(n, t)| (n, t.conversation as usize)).collect();
    let (exact, precision) = compare(&found, &truth);
    let mut of: HashMap<usize, HashSet<usize>> = HashMap::new();
    for (thread, items) in found.iter().enumerate() {
        for item in items {
            of.entry(*item).or_default().insert(thread);
        }
    }
    Grade { exact, precision, placed: placed(truths, &of), ..Grade::default() }
}
