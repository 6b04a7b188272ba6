//! Who somebody is who writes and whom nobody here knows: asked of Slack once, and remembered for a day. That it can't be asked keeps
//! nothing that was said waiting for longer than a moment, and is no trouble of the account.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::api::{Api, Trouble};
use super::codes::{Meaning, look_up};
use super::member::member;
use super::{Own, is_user, parts_of};
use crate::connector::feed::Face;
use crate::domain::time::Micros;

/// How long one question may take: whoever wrote waits for it. Shorter than whoever asks waits for all of them (`POSTED_TIME_MAX` of what
/// comes in), so that it is noted here that there was no answer.
const ASK_TIME_MAX: Duration = Duration::from_secs(1);
/// How long an answer holds.
const KNOWN_FOR: Duration = Duration::from_hours(24);
/// People who are remembered.
const KNOWN_MAX: usize = 10_000;
/// The rest after a question that got no answer.
const REST: Duration = Duration::from_mins(1);
/// The rest after Slack said that the app may not ask.
const REFUSED_REST: Duration = Duration::from_hours(1);

/// What is known of people, by `TEAM/USER`.
#[derive(Default)]
pub(super) struct Faces(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashMap<String, (Option<Face>, Micros)>,
    rest_until: Option<Micros>,
    is_said: bool,
}

impl Faces {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who they are, as far as Slack tells.
    pub(super) async fn ask(&self, api: &Api, own: &Own, address: &str) -> Option<Face> {
        let (_, user) = parts_of(address).filter(|(_, id)| is_user(id))?;
        let now = api.now();
        {
            let state = self.state();
            if let Some((face, until)) = state.known.get(address)
                && *until > now
            {
                return face.clone();
            }
            if state.rest_until.is_some_and(|until| until > now) {
                return None;
            }
        }
        let answer = timeout(ASK_TIME_MAX, member(api, own, user)).await;
        let late = |_| Trouble::Lost(format!("users.info took longer than {} ms", ASK_TIME_MAX.as_millis()));
        match answer.map_err(late).flatten() {
            Ok(member) => {
                let is_nobody = member.is_bot || member.is_gone;
                let face = Face { name: member.name, email: member.email.filter(|_| !is_nobody) };
                self.note(address, Some(face.clone()), now);
                Some(face)
            }
            Err(trouble) => {
                self.fail(address, &trouble, now);
                None
            }
        }
    }

    fn note(&self, address: &str, face: Option<Face>, now: Micros) {
        let mut state = self.state();
        if state.known.len() >= KNOWN_MAX {
            state.known.clear();
        }
        state.known.insert(address.to_owned(), (face, now.plus(KNOWN_FOR)));
    }

    fn fail(&self, address: &str, trouble: &Trouble, now: Micros) {
        let meaning = match trouble {
            Trouble::Said { code, .. } => Some(look_up(code).0),
            Trouble::Limited { .. }
            | Trouble::NotConnected(_)
            | Trouble::Insecure(_)
            | Trouble::Lost(_)
            | Trouble::Unreadable(_) => None,
        };
        let rest_until = match (meaning, trouble) {
            (_, Trouble::Limited { until }) => *until,
            (Some(Meaning::Login), _) => {
                let mut state = self.state();
                if !std::mem::replace(&mut state.is_said, true) {
                    tracing::warn!(%trouble, "people of Slack are shown without their names, and nobody is suggested");
                }
                now.plus(REFUSED_REST)
            }
            // About them alone.
            (Some(Meaning::Never | Meaning::Gone), _) => return self.note(address, None, now),
            (Some(Meaning::Later | Meaning::Unknown) | None, _) => {
                tracing::info!(%trouble, "who somebody of Slack is can't be asked");
                now.plus(REST)
            }
        };
        self.state().rest_until = Some(rest_until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_somebody_alone_is_kept_of_them() {
        let said = |code: &str| Trouble::Said { code: code.to_owned(), needed: None };
        let now = Micros(1_000_000);
        for (trouble, is_theirs, rest_until) in [
            (said("user_not_found"), true, None),
            (said("user_not_visible"), true, None),
            (said("something_new"), true, None),
            (said("fatal_error"), false, Some(now.plus(REST))),
            (said("service_unavailable"), false, Some(now.plus(REST))),
            (said("missing_scope"), false, Some(now.plus(REFUSED_REST))),
            (Trouble::Lost("late".to_owned()), false, Some(now.plus(REST))),
            (Trouble::Limited { until: Micros(5_000_000) }, false, Some(Micros(5_000_000))),
        ] {
            let faces = Faces::default();
            faces.fail("T1/U1", &trouble, now);
            let state = faces.state();
            assert_eq!((state.known.contains_key("T1/U1"), state.rest_until), (is_theirs, rest_until), "{trouble:?}");
        }
    }
}
