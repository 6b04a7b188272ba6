//! A conversation in which the team talks: whether only the team hears it.

use super::Own;
use super::api::{Api, Trouble};
use super::member::next_page;
use crate::connector::feed::Room;

/// Members that are asked for at once.
const PAGE: usize = 200;
/// Pages of members. A conversation of more people is none in which what only the team may know is said.
const PAGES_MAX: usize = 10;

/// Looks at it (`conversations.info` and `conversations.members`).
pub(super) async fn look(api: &Api, own: &Own, id: &str) -> Result<Room, Trouble> {
    let answer = api.get("conversations.info", &[("channel", id.to_owned())]).await?;
    let Some(channel) = answer.get("channel") else {
        return Err(Trouble::Unreadable("what conversations.info answered lacks the channel".to_owned()));
    };
    let is = |name: &str| channel.get(name).and_then(serde_json::Value::as_bool).unwrap_or_default();
    let mut room = Room { place: format!("{}/{id}", own.team), open: None, members: Vec::new() };
    room.open = if is("is_ext_shared") || is("is_pending_ext_shared") {
        Some("the channel is shared with another company".to_owned())
    } else if is("is_im") || is("is_mpim") {
        Some("it is a direct conversation and no channel".to_owned())
    } else if is("is_archived") {
        Some("the channel is archived".to_owned())
    } else if !is("is_member") {
        Some("the app is no member of the channel: write /invite there".to_owned())
    } else {
        None
    };
    if room.open.is_some() {
        return Ok(room);
    }
    let mut page = None;
    for _ in 0..PAGES_MAX {
        let mut arguments = vec![("channel", id.to_owned()), ("limit", PAGE.to_string())];
        arguments.extend(page.map(|page| ("cursor", page)));
        let answer = api.get("conversations.members", &arguments).await?;
        let members = answer.get("members").and_then(serde_json::Value::as_array);
        let members = members.map(Vec::as_slice).unwrap_or_default().iter().filter_map(serde_json::Value::as_str);
        room.members.extend(members.map(|user| format!("{}/{user}", own.team)));
        page = next_page(&answer);
        if page.is_none() {
            return Ok(room);
        }
    }
    room.open = Some(format!("the channel has more than {} members", PAGE.saturating_mul(PAGES_MAX)));
    Ok(room)
}
