//! Walking through lists that change while they are read.

use super::*;

/// A provider's lists in memory: pages of three, the newest first.
struct Paper {
    messages: Vec<(String, i64, &'static str)>,
    asked: usize,
    /// The message that can't be told, once.
    fails: Option<String>,
    /// Messages that were asked for by their ids.
    again: Vec<String>,
    /// Whether nobody is answered who asks so.
    rests: bool,
    /// The message whose question always fails.
    unanswered: Option<String>,
    reading: Rest,
}

const PAGE: usize = 3;

impl Lister for Paper {
    fn reading(&self) -> &Rest {
        &self.reading
    }

    fn lag(&self) -> Duration {
        Duration::from_mins(30)
    }

    fn lists(&self, day: Date) -> Result<Vec<Url>, ConnectorError> {
        Ok(vec![Url::parse(&format!("https://example.com/{day}?0")).unwrap()])
    }

    fn page<'a>(&'a mut self, url: &'a Url) -> BoxFuture<'a, Result<Page, ConnectorError>> {
        Box::pin(async move {
            self.asked += 1;
            let from: usize = url.query().unwrap().parse().unwrap();
            let mut day: Vec<_> =
                self.messages.iter().filter(|m| url.path() == format!("/{}", day_of(Micros(m.1)))).collect();
            day.sort_by_key(|m| std::cmp::Reverse(m.1));
            let listed = day.iter().skip(from).take(PAGE).map(|(id, at, mark)| Listed {
                id: id.clone(),
                at: Micros(*at),
                mark: (*mark).to_owned(),
                raw: Value::Null,
            });
            let mut next = url.clone();
            next.set_query(Some(&(from + PAGE).to_string()));
            Ok(Page { listed: listed.collect(), next: (from + PAGE < day.len()).then_some(next) })
        })
    }

    fn tell<'a>(&'a mut self, listed: &'a Listed, new: bool) -> BoxFuture<'a, Result<Vec<Told>, ConnectorError>> {
        Box::pin(async move {
            if self.fails.as_ref() == Some(&listed.id) {
                self.fails = None;
                return Err(ConnectorError::Lost("x".to_owned()));
            }
            let fares = Told::Fares {
                id: Some(listed.id.clone()),
                token: None,
                progress: Progress::Delivered,
                code: None,
                detail: listed.mark.clone(),
                at: listed.at,
            };
            Ok(if new { vec![Told::Deleted { id: listed.id.clone(), at: listed.at }] } else { vec![fares] })
        })
    }

    fn again<'a>(&'a mut self, id: &'a str) -> BoxFuture<'a, Result<Option<Again>, ConnectorError>> {
        Box::pin(async move {
            if self.rests {
                return Err(ConnectorError::Lost("wait".to_owned()));
            }
            self.again.push(id.to_owned());
            if self.unanswered.as_deref() == Some(id) {
                return Err(ConnectorError::Lost("no answer".to_owned()));
            }
            let Some((id, at, fared)) = self.messages.iter().find(|m| m.0 == id) else { return Ok(None) };
            let all = [Progress::Taken, Progress::Sent, Progress::Delivered, Progress::Failed];
            let progress = all.into_iter().find(|progress| mark(Some(*progress)) == *fared);
            let told = Told::Fares {
                id: Some(id.clone()),
                token: None,
                progress: progress.unwrap(),
                code: None,
                detail: format!(" {fared}"),
                at: Micros(*at),
            };
            Ok(Some(Again { progress, told: Some(told) }))
        })
    }

    fn file<'a>(&'a mut self, _: &'a Attached, _: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;
/// Noon of a day.
const NOON: i64 = 20_000 * DAY + DAY / 2;

fn walker(messages: &[(&str, i64)]) -> Walker<Paper> {
    let messages = messages.iter().map(|(id, at)| ((*id).to_owned(), *at, "")).collect();
    let paper = Paper {
        messages,
        asked: 0,
        fails: None,
        again: Vec::new(),
        rests: false,
        unanswered: None,
        reading: Rest::default(),
    };
    Walker::new(paper, Clock::stepped(Micros(NOON)))
}

fn ids(batch: &Batch) -> Vec<String> {
    let id = |told: &Told| match told {
        Told::Deleted { id, .. } => id.clone(),
        Told::Fares { id, detail, .. } => format!("{}{detail}", id.clone().unwrap_or_default()),
        Told::Said(_) | Told::Changed { .. } | Told::Reacted { .. } | Told::Pressed { .. } | Told::Other { .. } => {
            panic!("{told:?}")
        }
    };
    batch.told.iter().map(id).collect()
}

/// Everything that is told until there is no more, and the cursor behind it.
async fn all(walker: &mut Walker<Paper>, cursor: Option<String>, since: i64) -> (Vec<String>, String) {
    let (mut told, mut cursor) = (Vec::new(), cursor);
    for _ in 0..10_000 {
        let batch = walker.next(cursor.as_deref(), Micros(since)).await.unwrap();
        told.extend(ids(&batch));
        cursor = Some(batch.cursor);
        if !batch.more {
            return (told, cursor.unwrap());
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn messages_of_one_second_are_told_once_and_in_order() {
    let mut walker =
        walker(&[("b", NOON - SECOND), ("a", NOON - SECOND), ("d", NOON), ("c", NOON - SECOND), ("z", NOON - DAY)]);
    let (told, cursor) = all(&mut walker, None, NOON - 2 * DAY).await;
    assert_eq!(told, ["z", "a", "b", "c", "d"]);
    // Three more of a second that was told already, and of one before it.
    for (id, at) in [("e", NOON), ("f", NOON - SECOND), ("g", NOON - 60 * SECOND)] {
        walker.lister.messages.push((id.to_owned(), at, ""));
    }
    let (told, cursor) = all(&mut walker, Some(cursor), 0).await;
    assert_eq!(told, ["g", "f", "e"]);
    assert_eq!(all(&mut walker, Some(cursor), 0).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn a_new_walker_goes_on_from_any_cursor() {
    let many: Vec<(String, i64)> =
        (0..1_000).map(|n| (format!("{n:04}"), NOON - DAY - (1_000 - n) / 7 * SECOND)).collect();
    let many: Vec<(&str, i64)> = many.iter().map(|(id, at)| (id.as_str(), *at)).collect();
    let (mut told, mut cursor, mut rounds) = (Vec::new(), None::<String>, 0);
    loop {
        // A process that begins anew each time.
        let batch = walker(&many).next(cursor.as_deref(), Micros(NOON - 3 * DAY)).await.unwrap();
        told.extend(ids(&batch));
        cursor = Some(batch.cursor);
        rounds += 1;
        if !batch.more {
            break;
        }
    }
    told.sort();
    let expected: Vec<String> = many.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(told, expected);
    assert!(rounds >= 5, "{rounds}");
}

#[tokio::test]
async fn an_error_in_the_middle_loses_nothing() {
    let mut walker = walker(&[("a", NOON - 3), ("b", NOON - 2), ("c", NOON - 1)]);
    for (fails, before) in [("a", None), ("b", Some(vec!["a"]))] {
        walker.lister.fails = Some(fails.to_owned());
        match (walker.next(None, Micros(NOON - DAY)).await, before) {
            (Err(_), None) => {}
            (Ok(batch), Some(before)) => {
                assert_eq!(ids(&batch), before);
                assert!(batch.more);
                let (rest, _) = all(&mut walker, Some(batch.cursor), 0).await;
                assert_eq!(rest, ["b", "c"]);
            }
            (got, expected) => panic!("{got:?} {expected:?}"),
        }
    }
}

#[tokio::test]
async fn how_it_fares_is_told_when_it_changes() {
    let mut walker = walker(&[("a", NOON - SECOND), ("b", NOON)]);
    let (told, cursor) = all(&mut walker, None, NOON - DAY).await;
    assert_eq!(told, ["a", "b"]);
    walker.lister.messages[0].2 = "d";
    let (told, cursor) = all(&mut walker, Some(cursor), 0).await;
    assert_eq!(told, ["ad"]);
    assert_eq!(all(&mut walker, Some(cursor), 0).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn a_quiet_account_is_asked_little_and_a_long_silence_ends() {
    let mut quiet = walker(&[("a", NOON - 200 * DAY)]);
    let (told, cursor) = all(&mut quiet, None, NOON - 300 * DAY).await;
    assert_eq!(told, ["a"]);
    let before = quiet.lister.asked;
    assert!(all(&mut quiet, Some(cursor), 0).await.0.is_empty());
    assert!(quiet.lister.asked <= before + 2, "{} then {}", before, quiet.lister.asked);
    // Of a full day only what is new is read, not all its pages.
    let many: Vec<(String, i64)> =
        (0..3_000).map(|n| (n.to_string(), NOON - 3_000 * SECOND * 5 + n * 5 * SECOND)).collect();
    let many: Vec<(&str, i64)> = many.iter().map(|(id, at)| (id.as_str(), *at)).collect();
    let mut busy = walker(&many);
    let (told, cursor) = all(&mut busy, None, NOON - DAY).await;
    assert_eq!(told.len(), 3_000);
    let before = busy.lister.asked;
    assert!(all(&mut busy, Some(cursor), 0).await.0.is_empty());
    assert!(busy.lister.asked - before < 130, "{}", busy.lister.asked - before);
}

#[tokio::test]
async fn a_second_with_more_than_is_remembered_ends_and_loses_nothing() {
    let many: Vec<(String, i64)> = (0..2_500).map(|n| (format!("{n:04}"), NOON - SECOND)).collect();
    let many: Vec<(&str, i64)> = many.iter().map(|(id, at)| (id.as_str(), *at)).collect();
    let (told, cursor) = all(&mut walker(&many), None, NOON - DAY).await;
    let told: BTreeSet<String> = told.into_iter().collect();
    assert_eq!(told.len(), 2_500);
    assert!(cursor.len() < 200_000, "{}", cursor.len());
}

#[tokio::test]
async fn a_cursor_that_is_none_begins_anew() {
    let mut walker = walker(&[("a", NOON)]);
    assert_eq!(all(&mut walker, Some("{}".to_owned()), NOON - DAY).await.0, ["a"]);
}

#[tokio::test]
async fn what_came_in_the_second_of_the_first_look_is_told() {
    let mut walker = walker(&[("before", NOON - SECOND), ("in it", NOON), ("after", NOON + SECOND)]);
    let (told, cursor) = all(&mut walker, None, NOON + SECOND / 2).await;
    assert_eq!(told, ["in it", "after"]);
    assert_eq!(all(&mut walker, Some(cursor), NOON + SECOND / 2).await.0, [""; 0]);
}

/// Goes on for so long, and looks every ten minutes; a message of theirs comes in each time.
async fn pass(walker: &mut Walker<Paper>, cursor: &mut String, minutes: u64) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..minutes / 10 {
        walker.clock.advance(Duration::from_mins(10));
        let now = walker.clock.now().0;
        walker.lister.messages.push((format!("in {now}"), now, ""));
        let (some, next) = all(walker, Some(cursor.clone()), 0).await;
        told.extend(some.into_iter().filter(|id| !id.starts_with("in ")));
        *cursor = next;
    }
    told
}

#[tokio::test]
async fn what_becomes_of_a_message_hours_later_is_told_once() {
    let mut walker = walker(&[("out", NOON), ("done", NOON), ("lost", NOON), ("gone", NOON)]);
    for (id, fared) in [("out", "s"), ("done", "d"), ("lost", "t"), ("gone", "s")] {
        walker.lister.messages.iter_mut().find(|m| m.0 == id).unwrap().2 = fared;
    }
    let (told, mut cursor) = all(&mut walker, None, NOON - DAY).await;
    assert_eq!(told.len(), 4);
    // The phone is off, and the number busy: after half an hour the lists speak of it no more.
    walker.lister.messages.retain(|m| m.0 != "gone");
    assert_eq!(pass(&mut walker, &mut cursor, 90).await, [""; 0]);
    assert!(walker.lister.again.iter().all(|id| id != "done"), "{:?}", walker.lister.again);
    let asked = |walker: &Walker<Paper>, id: &str| walker.lister.again.iter().filter(|asked| *asked == id).count();
    assert_eq!(
        (asked(&walker, "gone"), asked(&walker, "out") > 0),
        (1, true),
        "what is there no longer is asked for once"
    );
    let becomes = |walker: &mut Walker<Paper>, id: &str, fared| {
        walker.lister.messages.iter_mut().find(|m| m.0 == id).unwrap().2 = fared;
    };
    becomes(&mut walker, "out", "d");
    // A process that begins anew, and a provider that wants to be left alone for a while.
    let (messages, clock) = (walker.lister.messages.clone(), walker.clock.clone());
    let mut walker = Walker::new(
        Paper {
            messages,
            asked: 0,
            fails: None,
            again: Vec::new(),
            rests: true,
            unanswered: None,
            reading: Rest::default(),
        },
        clock,
    );
    assert_eq!(pass(&mut walker, &mut cursor, 60).await, [""; 0]);
    walker.lister.rests = false;
    assert_eq!(pass(&mut walker, &mut cursor, 120).await, ["out d"]);
    assert_eq!(asked(&walker, "out"), 1);
    // Less and less often, and for three days.
    let before = asked(&walker, "lost");
    assert_eq!(pass(&mut walker, &mut cursor, 30 * 60).await, [""; 0]);
    becomes(&mut walker, "lost", "s");
    assert_eq!(pass(&mut walker, &mut cursor, 12 * 60).await, ["lost s"]);
    assert!(asked(&walker, "lost") - before < 15, "{}", asked(&walker, "lost"));
    pass(&mut walker, &mut cursor, 26 * 60).await;
    let over = asked(&walker, "lost");
    becomes(&mut walker, "lost", "d");
    assert_eq!(pass(&mut walker, &mut cursor, 24 * 60).await, [""; 0]);
    assert_eq!(asked(&walker, "lost"), over);
}

#[tokio::test]
async fn the_open_ones_are_bounded_and_looked_at_a_few_at_a_time() {
    let many: Vec<(String, i64)> = (0..700).map(|n| (format!("{n:04}"), NOON - 7_200 * SECOND + n * SECOND)).collect();
    let many: Vec<(&str, i64)> = many.iter().map(|(id, at)| (id.as_str(), *at)).collect();
    let mut walker = walker(&many);
    walker.lister.messages.iter_mut().for_each(|m| m.2 = "s");
    walker.lister.messages.push(("newest".to_owned(), NOON, ""));
    let (_, cursor) = all(&mut walker, None, NOON - DAY).await;
    let seam = Seam::read(Some(&cursor), Micros(0));
    assert_eq!((seam.open.len(), seam.open.contains_key("0199"), seam.open.contains_key("0200")), (500, false, true));
    assert!(cursor.len() < 60_000, "{}", cursor.len());
    walker.clock.advance(Duration::from_mins(40));
    let (_, cursor) = all(&mut walker, Some(cursor), 0).await;
    assert_eq!(walker.lister.again.len(), AGAIN_MAX);
    let (_, cursor) = all(&mut walker, Some(cursor), 0).await;
    let asked: BTreeSet<&String> = walker.lister.again.iter().collect();
    assert_eq!(asked.len(), 2 * AGAIN_MAX, "others each time");
    // A cursor of before that knew of none is one.
    let mut old: Value = serde_json::from_str(&cursor).unwrap();
    old.as_object_mut().unwrap().remove("open");
    assert!(Seam::read(Some(&old.to_string()), Micros(0)).at > 0);
}

#[tokio::test]
async fn one_whose_question_always_fails_does_not_keep_others_waiting() {
    let mut walker = walker(&[("bad", NOON - SECOND), ("good", NOON)]);
    walker.lister.messages.iter_mut().for_each(|m| m.2 = "s");
    walker.lister.unanswered = Some("bad".to_owned());
    let (_, mut cursor) = all(&mut walker, None, NOON - DAY).await;
    assert_eq!(pass(&mut walker, &mut cursor, 40).await, [""; 0]);
    walker.lister.messages.iter_mut().filter(|m| m.0 == "good").for_each(|m| m.2 = "d");
    assert_eq!(pass(&mut walker, &mut cursor, 60).await, ["good d"]);
    assert_eq!(walker.lister.again.first().map(String::as_str), Some("bad"), "it had its turn first");
    // And has it again: less and less often, as any.
    let asked = |walker: &Walker<Paper>| walker.lister.again.iter().filter(|id| *id == "bad").count();
    let before = asked(&walker);
    assert_eq!(pass(&mut walker, &mut cursor, 12 * 60).await, [""; 0]);
    assert!((1..15).contains(&(asked(&walker) - before)), "{:?}", walker.lister.again);
}

#[test]
fn a_rest_that_another_session_was_told_is_kept() {
    let clock = Clock::stepped(Micros(NOON));
    let mut walker = Walker::new(
        Paper {
            messages: Vec::new(),
            asked: 0,
            fails: None,
            again: Vec::new(),
            rests: false,
            unanswered: None,
            reading: Rest::default(),
        },
        clock.clone(),
    );
    assert_eq!(walker.rests_until(), None);
    walker.rest(clock.now().plus(Duration::from_mins(1)));
    assert!(walker.lister.reading.check("Paper").is_err());
    let until = walker.rests_until().unwrap();
    assert!(until > clock.now().plus(Duration::from_secs(30)) && until <= clock.now().plus(Duration::from_mins(1)));
}
