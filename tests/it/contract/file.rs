//! Files beside messages: each in one hand at a time, written by nobody else, and kept once however many name it.

use crate::seed::{self, at, count};
use crate::stores::{self, Fresh};
use liaison::clock::Clock;
use liaison::domain::ids::{MessageId, RunId};
use liaison::domain::words::FileState;
use liaison::store::file::{FileGrip, FilePiece, NewFile};

async fn message(fresh: &Fresh, clock: &Clock) -> MessageId {
    let influencer = seed::influencer(fresh, clock).await;
    let thread = seed::thread(fresh, clock, influencer, 1).await;
    seed::message_in(fresh, clock, &thread, 1).await
}

fn new(message_id: MessageId, position: i64, n: i64) -> NewFile {
    NewFile {
        message_id,
        position,
        account: "texts".into(),
        url: format!("https://files.example/{position}"),
        name: format!("{position}.jpg"),
        mime: "image/jpeg".into(),
        size: None,
        gone: None,
        at: at(n),
    }
}

/// Takes the next file in hand; what it is, and the grip on it.
async fn claim(fresh: &Fresh, holder: RunId, now: i64, seconds: i64) -> Option<FileGrip> {
    let mut tx = fresh.store.begin("test.file").await.unwrap();
    let due = tx.claim_file("texts", holder, at(now), seconds).await.unwrap()?;
    tx.commit().await.unwrap();
    Some(FileGrip { message_id: due.message_id, position: due.position, holder, tries: due.tries })
}

/// Keeps a content in pieces of three octets.
async fn keep(fresh: &Fresh, grip: FileGrip, content: &[u8]) -> bool {
    let mut tx = fresh.store.begin("test.file").await.unwrap();
    let hash = content.repeat(4)[..8].to_vec();
    for (n, piece) in (0..).zip(content.chunks(3)) {
        tx.insert_file_piece(&hash, n, FilePiece::pack(piece).unwrap()).await.unwrap();
    }
    let kept = tx.keep_file(grip, (&hash, i64::try_from(content.len()).unwrap())).await.unwrap();
    tx.commit().await.unwrap();
    kept
}

async fn read(fresh: &Fresh, id: MessageId, position: i64) -> Vec<u8> {
    let mut tx = fresh.store.read().await.unwrap();
    let hash = tx.get_file(id, position).await.unwrap().unwrap().hash.unwrap();
    let mut content = Vec::new();
    for n in 0.. {
        let Some(piece) = tx.get_file_piece(&hash, n).await.unwrap() else { break };
        content.extend(piece.unpack().unwrap());
    }
    content
}

#[tokio::test]
async fn a_file_is_in_one_hand_at_a_time_and_the_oldest_comes_first() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let name = fresh.name;
        let (a, b) = (message(&fresh, &clock).await, message(&fresh, &clock).await);
        let too_large = NewFile { gone: Some("too large".into()), size: Some(1 << 40), ..new(b, 1, 0) };
        let other = NewFile { account: "other".into(), ..new(b, 2, 0) };
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        assert_eq!(tx.next_due_file("texts").await.unwrap(), None, "{name}");
        assert_eq!(tx.insert_files(vec![new(a, 0, 5), new(b, 0, 3), too_large, other]).await.unwrap(), 4);
        assert_eq!(tx.insert_files(vec![NewFile { url: "another".into(), ..new(a, 0, 1) }]).await.unwrap(), 0);
        assert_eq!(tx.insert_files(Vec::new()).await.unwrap(), 0);
        assert_eq!(tx.next_due_file("texts").await.unwrap(), Some(at(3)), "{name}");
        tx.commit().await.unwrap();
        let (one, two) = (RunId(clock.new_id()), RunId(clock.new_id()));
        assert_eq!(claim(&fresh, one, 2, 60).await, None, "{name}: none is due");
        let first = claim(&fresh, one, 9, 60).await.unwrap();
        assert_eq!((first.message_id, first.position, first.tries), (b, 0, 1), "{name}");
        let second = claim(&fresh, two, 9, -1).await.unwrap();
        assert_eq!((second.message_id, second.tries), (a, 1), "{name}");
        // What is in hand is nobody else's until its time is over.
        let again = claim(&fresh, one, 9, 60).await.unwrap();
        assert_eq!((again.message_id, again.tries), (a, 2), "{name}");
        assert_eq!(claim(&fresh, two, 9, 60).await, None, "{name}");
        // Whoever had it before writes nothing.
        assert!(!keep(&fresh, second, b"late").await, "{name}");
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        assert!(!tx.defer_file(second, at(20), ("late", true)).await.unwrap());
        assert!(!tx.lose_file(second, "late").await.unwrap());
        assert!(tx.defer_file(again, at(20), ("HTTP 500", true)).await.unwrap());
        assert!(!tx.defer_file(again, at(30), ("twice", true)).await.unwrap(), "{name}: it is in nobody's hand");
        tx.commit().await.unwrap();
        assert_eq!(claim(&fresh, one, 19, 60).await, None, "{name}");
        // What is not its fault does not count.
        for (failed, failures) in [(false, 1), (true, 1), (false, 2)] {
            let mut tx = fresh.store.begin("test.file").await.unwrap();
            let due = tx.claim_file("texts", two, at(20), 60).await.unwrap().unwrap();
            let (message_id, position, tries) = (due.message_id, due.position, due.tries);
            let grip = FileGrip { message_id, position, holder: two, tries };
            assert_eq!((message_id, due.failures), (a, failures), "{name}");
            assert!(tx.defer_file(grip, at(20), ("HTTP 500", failed)).await.unwrap());
            tx.commit().await.unwrap();
        }
        // Let go where whoever had it reads the account no longer.
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        assert_eq!((tx.free_files("other").await.unwrap(), tx.free_files("texts").await.unwrap()), (0, 1), "{name}");
        tx.commit().await.unwrap();
        let freed = claim(&fresh, two, 9, 60).await.unwrap();
        assert_eq!((freed.message_id, freed.tries), (b, 2), "{name}");
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        assert!(!tx.lose_file(first, "late").await.unwrap(), "{name}");
        assert!(tx.lose_file(freed, "it is gone").await.unwrap(), "{name}");
        tx.commit().await.unwrap();
        let mut tx = fresh.store.read().await.unwrap();
        let files = tx.list_files(b).await.unwrap();
        let told: Vec<(i64, FileState, Option<&str>)> =
            files.iter().map(|(n, file)| (*n, file.state, file.reason.as_deref())).collect();
        let expected = [
            (0, FileState::Gone, Some("it is gone")),
            (1, FileState::Gone, Some("too large")),
            (2, FileState::Waiting, None),
        ];
        assert_eq!(told, expected, "{name}");
        let waits = tx.get_file(a, 0).await.unwrap().unwrap();
        assert_eq!(
            (waits.state, waits.reason.as_deref(), waits.name.as_str()),
            (FileState::Waiting, Some("HTTP 500"), "0.jpg")
        );
        assert_eq!(tx.get_file(a, 1).await.unwrap(), None);
        assert_eq!(tx.next_due_file("texts").await.unwrap(), Some(at(20)), "{name}");
    }
}

#[tokio::test]
async fn a_content_is_kept_once_and_goes_with_the_last_that_names_it() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let name = fresh.name;
        let (a, b) = (message(&fresh, &clock).await, message(&fresh, &clock).await);
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        tx.insert_files(vec![new(a, 0, 1), new(b, 0, 2), new(b, 1, 3), new(b, 2, 4)]).await.unwrap();
        tx.commit().await.unwrap();
        let run = RunId(clock.new_id());
        for content in [b"the same octets".as_slice(), b"the same octets", b""] {
            let grip = claim(&fresh, run, 9, 60).await.unwrap();
            assert!(keep(&fresh, grip, if content.is_empty() { b"others" } else { content }).await, "{name}");
        }
        let pieces = "SELECT COUNT(*) FROM file_piece";
        assert_eq!(count(&fresh, pieces).await, 5 + 2, "{name}: once");
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        let hash = b"the same octets".repeat(4)[..8].to_vec();
        assert_eq!(tx.count_file_pieces(&hash).await.unwrap(), 5, "{name}");
        assert_eq!(tx.count_file_pieces(b"nothing").await.unwrap(), 0, "{name}");
        // What is there stays as it is.
        for (position, is_new) in [(4, false), (5, true)] {
            let other = FilePiece::pack(b"other").unwrap();
            assert_eq!(tx.insert_file_piece(&hash, position, other).await.unwrap(), is_new, "{name}");
        }
        assert_eq!(tx.get_file_piece(&hash, 4).await.unwrap().unwrap().unpack().unwrap(), b"ets", "{name}");
        assert_eq!(tx.count_file_pieces(&hash).await.unwrap(), 6, "{name}");
        drop(tx);
        for (message, position) in [(a, 0), (b, 0)] {
            assert_eq!(read(&fresh, message, position).await, b"the same octets", "{name}");
        }
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        assert_eq!(tx.list_file_hashes(vec![a, b]).await.unwrap().len(), 2, "{name}");
        assert_eq!(tx.list_file_hashes(Vec::new()).await.unwrap().len(), 0, "{name}");
        // The one that waits is given up with those that are kept.
        assert_eq!(tx.let_some_files_go(b, Vec::new(), "nothing").await.unwrap(), 0, "{name}");
        assert_eq!(tx.let_some_files_go(b, vec![2, 7], "by its place").await.unwrap(), 1, "{name}");
        assert_eq!(tx.let_files_go(vec![b], "kept long enough").await.unwrap(), 2, "{name}");
        assert_eq!(tx.let_files_go(vec![b], "again").await.unwrap(), 0, "{name}");
        tx.commit().await.unwrap();
        assert_eq!(count(&fresh, pieces).await, 5, "{name}: what another names stays");
        assert_eq!(read(&fresh, a, 0).await, b"the same octets", "{name}");
        assert_eq!(claim(&fresh, run, 9, 60).await, None, "{name}");
        let gone = fresh.store.read().await.unwrap().get_file(b, 0).await.unwrap().unwrap();
        assert_eq!((gone.state, gone.reason.as_deref(), gone.hash), (FileState::Gone, Some("kept long enough"), None));
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        let rows = tx.erase_messages(vec![a]).await.unwrap();
        tx.commit().await.unwrap();
        assert!(rows.contains(&("message_file", 1)) && rows.contains(&("file_piece", 5)), "{name}: {rows:?}");
        assert_eq!(count(&fresh, pieces).await, 0, "{name}");
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        assert_eq!(tx.delete_file_pieces(Vec::new()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_message_tells_how_its_files_stand() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let influencer = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, influencer, 1).await;
        let about = |name: &str| serde_json::json!({"name": name, "content_type": "image/jpeg", "size": 0, "inline": false, "content_id": null});
        let mut said = seed::message(&clock, thread.conversation_id, 1);
        said.channel = liaison::domain::words::Channel::Sms;
        said.attachments = Some(serde_json::json!([about("a"), about("b"), about("c"), about("d")]));
        let id = said.id;
        seed::put(&fresh, said, vec![]).await;
        let mut mail = seed::message(&clock, thread.conversation_id, 2);
        mail.attachments = Some(serde_json::json!([about("mail.jpg")]));
        let (lost, mut whole) = (mail.id, seed::message(&clock, thread.conversation_id, 3));
        (whole.attachments, whole.raw_hash) = (mail.attachments.clone(), Some(vec![1; 32]));
        let kept = whole.id;
        let mut tx = fresh.store.begin("test.raw").await.unwrap();
        tx.insert_raws(vec![(vec![1; 32], 1, b"x".to_vec())]).await.unwrap();
        tx.commit().await.unwrap();
        seed::put(&fresh, mail, vec![]).await;
        seed::put(&fresh, whole, vec![]).await;
        let mut tx = fresh.store.begin("test.file").await.unwrap();
        let gone = NewFile { gone: Some("too large".into()), ..new(id, 2, 3) };
        tx.insert_files(vec![new(id, 0, 1), new(id, 1, 2), gone]).await.unwrap();
        tx.commit().await.unwrap();
        let grip = claim(&fresh, RunId(clock.new_id()), 9, 60).await.unwrap();
        assert!(keep(&fresh, grip, b"octets").await);
        let mut tx = fresh.store.read().await.unwrap();
        let stand = |view: liaison::store::reading::view::MessageView| {
            let files = view.attachments.into_iter();
            files.map(|f| (f.about.size, f.state, f.reason, f.path)).collect::<Vec<_>>()
        };
        let view = tx.get_message_view(id).await.unwrap().unwrap();
        let expected = vec![
            (6, FileState::Kept, None, Some(format!("/v1/messages/{id}/files/0"))),
            (0, FileState::Waiting, None, None),
            (0, FileState::Gone, Some("too large".to_owned()), None),
            // From before files were fetched.
            (0, FileState::Gone, Some("it is not kept here".to_owned()), None),
        ];
        assert_eq!(stand(view), expected, "{}", fresh.name);
        let lost = tx.get_message_view(lost).await.unwrap().unwrap();
        assert_eq!(stand(lost)[0].1, FileState::Gone, "{}", fresh.name);
        let view = tx.get_message_view(kept).await.unwrap().unwrap();
        let path = Some(format!("/v1/messages/{kept}/files/0"));
        assert_eq!(stand(view), [(0, FileState::Kept, None, path)], "{}", fresh.name);
    }
}
