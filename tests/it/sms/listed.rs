//! Twilio's lists, asked again and again while messages come in: each is told once, in order, and none is lost.

use super::telnyx::{Telnyx, sought};
use super::twilio::{Fate, Twilio, Whim, comes_in};
use super::{ACCOUNT, NOON, OURS, THEIRS, clock, mail, send};
use liaison::connector::feed::{Attached, Feed, FileError, Progress, Told};
use liaison::connector::{ConnectorError, Offer};
use liaison::domain::time::Micros;
use liaison::domain::words::Direction;
use std::collections::BTreeSet;
use std::time::Duration;

const DAY: i64 = 86_400;

/// What is told until there is no more, and the cursor behind it.
async fn all(feed: &mut dyn Feed, cursor: Option<String>, since: i64) -> (Vec<Told>, String) {
    let (mut told, mut cursor) = (Vec::new(), cursor);
    loop {
        let batch = feed.next(cursor.as_deref(), Micros::from_seconds(since)).await.unwrap();
        told.extend(batch.told);
        cursor = Some(batch.cursor);
        if !batch.more {
            return (told, cursor.unwrap());
        }
    }
}

fn said(told: &[Told]) -> Vec<String> {
    told.iter().filter_map(|t| if let Told::Said(said) = t { Some(said.id.clone()) } else { None }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_second_and_many_pages_are_told_once() {
    let (twilio, clock) = (Twilio::new(), clock());
    // Eleven a second, over midnight.
    let mut expected: Vec<(i64, String)> = (0..330)
        .map(|n| (NOON - DAY / 2 - 40 + n / 11, n))
        .map(|(at, n)| (at, twilio.comes_in(&format!("+1415556{n:04}"), "hi", at)))
        .collect();
    expected.sort();
    let (told, cursor) = all(&mut *twilio.line(&clock).feed(), None, NOON - 3 * DAY).await;
    assert_eq!(said(&told), expected.iter().map(|(_, sid)| sid.clone()).collect::<Vec<_>>());
    // Again, with a feed that begins anew, while more come into the same seconds.
    let mut cursor = cursor;
    let last = NOON - DAY / 2 - 40 + 329 / 11;
    for n in 0..10 {
        let new = [twilio.comes_in(THEIRS, "more", last), twilio.comes_in(THEIRS, "late", last - n)];
        let (told, next) = all(&mut *twilio.line(&clock).feed(), Some(cursor), 0).await;
        cursor = next;
        assert_eq!(said(&told).into_iter().collect::<BTreeSet<_>>(), new.into_iter().collect::<BTreeSet<_>>(), "{n}");
    }
    assert!(all(&mut *twilio.line(&clock).feed(), Some(cursor), 0).await.0.is_empty());
    println!("{} requests as described", twilio.check());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_between_two_pages_moves_nothing_out() {
    let (twilio, clock) = (Twilio::new(), clock());
    let mut expected: BTreeSet<String> = (0..40).map(|n| twilio.comes_in(THEIRS, "hi", NOON - 1_000 + n)).collect();
    let mut cursor = None;
    let mut told = Vec::new();
    for n in 0..10 {
        // Five come in after the first page was given: those behind it are pushed on.
        twilio.state.lock().unwrap().between = Some(Box::new(move |state| {
            for _ in 0..5 {
                comes_in(state, THEIRS, "between", NOON - 900 + n);
            }
        }));
        let (some, next) = all(&mut *twilio.line(&clock).feed(), cursor, NOON - DAY).await;
        told.extend(said(&some));
        cursor = Some(next);
    }
    told.extend(said(&all(&mut *twilio.line(&clock).feed(), cursor, 0).await.0));
    expected.extend(twilio.messages().into_iter().map(|m| m.sid));
    assert_eq!((told.len(), told.into_iter().collect::<BTreeSet<_>>()), (expected.len(), expected));
    twilio.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_are_told_with_how_they_fare() {
    let (twilio, clock) = (Twilio::new(), clock());
    let line = twilio.line(&clock);
    send(&*line, &mail(THEIRS, "out", None)).await;
    let mut feed = line.feed();
    // It waits in the queue, and is in no list of a day.
    let (told, cursor) = all(&mut *feed, None, NOON - DAY).await;
    assert!(told.is_empty());
    let becomes = |status: &str| {
        let mut state = twilio.state.lock().unwrap();
        status.clone_into(&mut state.messages[0].status);
        state.messages[0].sent = Some(NOON - 5);
    };
    becomes("sent");
    let (told, cursor) = all(&mut *feed, Some(cursor), 0).await;
    let [Told::Said(said), Told::Fares { progress: Progress::Sent, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((said.direction, said.text.as_str(), said.place.as_str()), (Direction::Outbound, "out", OURS));
    assert_eq!(said.conversation, format!("{OURS} {THEIRS}"));
    becomes("delivered");
    let (told, cursor) = all(&mut *feed, Some(cursor), 0).await;
    assert!(matches!(told.as_slice(), [Told::Fares { progress: Progress::Delivered, .. }]), "{told:?}");
    assert!(all(&mut *feed, Some(cursor), 0).await.0.is_empty());
    twilio.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_was_off_for_an_hour_gets_its_message_and_that_is_told() {
    let (twilio, telnyx, clock) = (Twilio::new(), Telnyx::new(), clock());
    let lines = [twilio.line(&clock), telnyx.line(&clock)];
    for line in &lines {
        send(&**line, &mail(THEIRS, "out", None)).await;
    }
    let becomes = |status: &'static str| {
        let mut state = twilio.state.lock().unwrap();
        status.clone_into(&mut state.messages[0].status);
        state.messages[0].sent = Some(NOON);
        telnyx.state.lock().unwrap().messages[0].status = status;
    };
    becomes("sent");
    let mut cursors = Vec::new();
    for line in &lines {
        let (told, cursor) = all(&mut *line.feed(), None, NOON - DAY).await;
        assert_eq!(told.len(), 2, "{told:?}");
        cursors.push(cursor);
    }
    // Seven hours on a busy number: no list speaks of it any more.
    for hour in 1..=7 {
        clock.advance(Duration::from_hours(1));
        twilio.comes_in(THEIRS, "busy", NOON + hour * 3_600);
        telnyx.comes_in(THEIRS, "busy", NOON + hour * 3_600);
        for (line, cursor) in lines.iter().zip(&mut cursors) {
            let (told, next) = all(&mut *line.feed(), Some(cursor.clone()), 0).await;
            assert_eq!((told.len(), said(&told).len()), (1, 1), "{told:?}");
            *cursor = next;
        }
    }
    becomes("delivered");
    clock.advance(Duration::from_hours(3));
    for (line, cursor) in lines.iter().zip(&mut cursors) {
        let (told, next) = all(&mut *line.feed(), Some(cursor.clone()), 0).await;
        assert!(matches!(told.as_slice(), [Told::Fares { progress: Progress::Delivered, .. }]), "{told:?}");
        clock.advance(Duration::from_hours(3));
        assert!(all(&mut *line.feed(), Some(next), 0).await.0.is_empty());
    }
    twilio.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_fetched_and_nothing_is_told_to_strangers() {
    let (twilio, clock) = (Twilio::new(), clock());
    twilio.comes_in(THEIRS, "look", NOON - 60);
    twilio.state.lock().unwrap().messages[0].media = 4;
    let mut feed = twilio.line(&clock).feed();
    let (told, _) = all(&mut *feed, None, NOON - DAY).await;
    let [Told::Said(said)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((said.files.len(), said.files[0].mime.as_str()), (4, "image/jpeg"));
    // The first is led on within Twilio, the third to a stranger, the fourth to itself.
    assert_eq!(feed.file(&said.files[0], 1_000).await.unwrap().len(), 1_000);
    assert!(matches!(feed.file(&said.files[0], 999).await, Err(FileError::TooLarge)));
    assert!(matches!(feed.file(&said.files[2], 1_000).await, Err(FileError::Elsewhere(_))));
    let led_on = feed.file(&said.files[3], 1_000).await;
    assert!(matches!(led_on, Err(FileError::Connector(ConnectorError::Unreadable(_)))), "{led_on:?}");
    let asked = twilio.server.journal().len();
    for url in ["https://files.example.com/x", "file:///etc/passwd", "", "http://127.0.0.1:1/x"] {
        let file = Attached { url: url.to_owned(), name: String::new(), mime: String::new(), size: None };
        assert!(matches!(feed.file(&file, 1_000).await, Err(FileError::Elsewhere(_))), "{url}");
    }
    assert_eq!(twilio.server.journal().len(), asked);
    twilio.check();
    let gone = Attached { url: said.files[1].url.replace("Media", "Nothing"), ..said.files[1].clone() };
    assert!(matches!(feed.file(&gone, 1_000).await, Err(FileError::Missing(_))));
    // A rest that is over at once is one all the same.
    twilio.state.lock().unwrap().whim = Some(Box::new(|_| Fate::Refused(429, 20_429, 0)));
    let later = feed.file(&said.files[0], 1_000).await;
    assert!(matches!(&later, Err(FileError::Later { rest, .. }) if rest.as_secs() >= 1), "{later:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_goes_on_elsewhere_is_not_followed() {
    for stranger in ["https://evil.example.com", "http://127.0.0.1:1", "//evil.example.com"] {
        let (twilio, clock) = (Twilio::new(), clock());
        for n in 0..20 {
            twilio.comes_in(THEIRS, "hi", NOON - n);
        }
        twilio.state.lock().unwrap().leads_to = Some(stranger.to_owned());
        let answer = twilio.line(&clock).feed().next(None, Micros::from_seconds(NOON - DAY)).await;
        match answer {
            Err(ConnectorError::Insecure(_)) => {}
            // Read as a path of Twilio's own, where there is no such thing.
            Err(ConnectorError::Refused(_)) => {}
            other => panic!("{stranger}: {other:?}"),
        }
        let strangers = twilio.server.journal().iter().filter(|r| !r.path.contains(ACCOUNT)).count();
        assert_eq!(strangers, 0, "{stranger}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_silence_is_walked_through() {
    let (twilio, clock) = (Twilio::new(), clock());
    let old = twilio.comes_in(THEIRS, "old", NOON - 100 * DAY);
    let new = twilio.comes_in(THEIRS, "new", NOON - 3);
    let mut feed = twilio.line(&clock).feed();
    let (told, cursor) = all(&mut *feed, None, NOON - 120 * DAY).await;
    assert_eq!(said(&told), [old, new]);
    // A day later, another; and the list of the day before is read no further than it must be.
    clock.advance(Duration::from_hours(24));
    let later = twilio.comes_in(THEIRS, "later", NOON + DAY - 1);
    let before = twilio.server.journal().len();
    let (told, _) = all(&mut *feed, Some(cursor), 0).await;
    assert_eq!(said(&told), [later]);
    assert!(twilio.server.journal().len() - before <= 8);
    twilio.check();
}

/// Nobody is asked again, for whatever it is, before the time is over that a provider named.
#[tokio::test(flavor = "multi_thread")]
async fn reading_rests_for_as_long_as_a_provider_asks() {
    let clock = clock();
    let (twilio, telnyx) = (Twilio::new(), Telnyx::new());
    let too_fast = || Some(Box::new(|_: bool| Fate::Refused(429, 20_429, 2)) as Whim);
    twilio.state.lock().unwrap().whim = too_fast();
    telnyx.state.lock().unwrap().whim = too_fast();
    let lines = [twilio.line(&clock), telnyx.line(&clock)];
    for (line, server) in lines.iter().zip([&twilio.server, &telnyx.server]) {
        let since = Micros::from_seconds(NOON - 60);
        let told = line.feed().next(None, since).await;
        assert!(matches!(told, Err(ConnectorError::Lost(_))), "{told:?}");
        let asked = server.journal().len();
        // Another part of the same line knows of it.
        for _ in 0..3 {
            let found = line.ledger().find(&sought("hello")).await;
            let told = line.feed().next(None, since).await;
            assert!(matches!(found, Err(ConnectorError::Lost(_))), "{found:?}");
            assert!(matches!(&told, Err(ConnectorError::Lost(why)) if why.contains("asked us to wait")), "{told:?}");
        }
        assert_eq!(server.journal().len(), asked);
        // Sending is another matter: nothing was said of it.
        let rest = line.sender().offer(&mail(THEIRS, "hello", None)).await;
        assert_eq!(rest, Ok(Offer::Ready { refused: vec![None] }));
    }
    // And then they are.
    (twilio.state.lock().unwrap().whim, telnyx.state.lock().unwrap().whim) = (None, None);
    for line in lines {
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while line.feed().next(None, Micros::from_seconds(NOON - 60)).await.is_err() {
            assert!(std::time::Instant::now() < end, "the rest never ends");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for state in [&twilio.state.lock().unwrap().rests[1], &telnyx.state.lock().unwrap().rests[1]] {
        assert_eq!((state.asked, state.in_the_air, state.early), (1, 0, 0));
    }
}
