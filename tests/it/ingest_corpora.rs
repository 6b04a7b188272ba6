//! Third-party mail through the whole of ingest: everything is stored, and threads agree with a graph of the headers that this
//! file draws by itself, whatever the order of arrival.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use liaison::domain::words::FolderRole;

use crate::ingest::Desk;
use crate::{peers, stores};

fn files_below(dir: &Path, into: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files_below(&path, into);
        } else if ![".json", ".tsv", ".xml", ".md", ".txt.headers"].iter().any(|end| name.ends_with(end)) {
            into.push(std::fs::read(&path).unwrap());
        }
    }
}

#[tokio::test]
async fn every_odd_mail_and_every_bounce_of_the_corpora_is_stored() {
    let Some(dir) = peers::corpora() else { return peers::skip_corpora() };
    let mut mails = Vec::new();
    files_below(&dir.join("mime"), &mut mails);
    files_below(&dir.join("bounces"), &mut mails);
    let different = mails.iter().collect::<std::collections::HashSet<_>>().len();
    assert!(mails.len() > 700, "only {} mails were found", mails.len());
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        for batch in mails.chunks(100) {
            desk.drop_into(FolderRole::Inbox, batch).await;
        }
        let deliveries = desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM delivery WHERE message_id IS NOT NULL").await;
        let messages = desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM message").await;
        let raws = desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM raw").await;
        println!(
            "{}: {} mails offered, {different} of them different, {deliveries} deliveries, {messages} messages, {raws} raw",
            desk.fresh.name,
            mails.len()
        );
        assert_eq!(deliveries, mails.len());
        // Copies are one message. The corpora hold one mail in several encodings, with one id, date, author and text: of
        // 769 that differ in their octets, 44.
        assert_eq!(raws, messages);
        assert!(
            messages <= different && messages * 100 >= different * 94,
            "{messages} messages of {different} different mails"
        );
    }
}

/// The mails of an mbox file.
fn mbox(text: &[u8]) -> Vec<Vec<u8>> {
    let mut mails: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b"From ") {
            mails.push(Vec::new());
        } else if let Some(mail) = mails.last_mut() {
            mail.extend_from_slice(line.strip_prefix(b">From ").map_or(line, |_| &line[1..]));
        }
    }
    mails
}

/// Every `<…>` of the three headers, read without the product's parser; the mail's own id first.
fn ids(mail: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(mail).replace("\r\n", "\n");
    let head = text.split("\n\n").next().unwrap_or_default().replace("\n\t", " ").replace("\n ", " ");
    let of = |name: &str| -> Vec<String> {
        let line = head.lines().find(|l| l.to_lowercase().starts_with(&format!("{name}:"))).unwrap_or_default();
        line.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(id, _)| id.trim().to_owned()).collect()
    };
    ["message-id", "in-reply-to", "references"].iter().flat_map(|name| of(name)).collect()
}

/// Which mails belong together by their headers: groups of own ids.
fn graph(mails: &[Vec<u8>]) -> BTreeSet<BTreeSet<String>> {
    let mut group: HashMap<String, usize> = HashMap::new();
    let mut members: Vec<BTreeSet<String>> = Vec::new();
    for mail in mails {
        let ids = ids(mail);
        let known: BTreeSet<usize> = ids.iter().filter_map(|id| group.get(id).copied()).collect();
        let mut joined: BTreeSet<String> = ids.iter().cloned().collect();
        for at in known {
            joined.extend(std::mem::take(&mut members[at]));
        }
        for id in &joined {
            group.insert(id.clone(), members.len());
        }
        members.push(joined);
    }
    let own: BTreeSet<String> = mails.iter().filter_map(|m| ids(m).first().cloned()).collect();
    members
        .into_iter()
        .map(|g| g.intersection(&own).cloned().collect())
        .filter(|g: &BTreeSet<String>| !g.is_empty())
        .collect()
}

#[tokio::test]
async fn threads_of_the_corpora_agree_with_the_header_graph_in_any_order() {
    let Some(dir) = peers::corpora() else { return peers::skip_corpora() };
    let mut boxes: Vec<_> =
        std::fs::read_dir(dir.join("threads/mail-thread")).unwrap().map(|e| e.unwrap().path()).collect();
    boxes.sort();
    let mut mails: Vec<Vec<u8>> = boxes.iter().flat_map(|path| mbox(&std::fs::read(path).unwrap())).collect();
    mails.retain(|mail| !ids(mail).is_empty());
    let wanted = graph(&mails);
    let mut seed = 7_u64;
    for round in 0..8 {
        for i in (1..mails.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            mails.swap(i, usize::try_from(seed >> 33).unwrap() % (i + 1));
        }
        let desk = Desk::new(stores::sqlite().await).await;
        for batch in mails.chunks(5) {
            desk.drop_into(FolderRole::Inbox, batch).await;
        }
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (conversation, id) in desk.conversations().await {
            groups.entry(conversation).or_default().insert(id);
        }
        let found: BTreeSet<BTreeSet<String>> = groups.into_values().collect();
        if round == 0 {
            println!("{} mails, {} conversations by headers, {} found", mails.len(), wanted.len(), found.len());
        }
        assert_eq!(found, wanted, "order {round}");
    }
}
