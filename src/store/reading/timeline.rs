//! Everything about one influencer in time order: messages, events and notes, each from an index of its own, merged.

use super::task::TaskView;
use super::view::{EventView, NoteView, TimelineEntry, TimelineItem};
use super::{Order, Page, Place, Slice};
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::store::event::EventRow;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// What an entry is before its message is read.
enum Found {
    Message(MessageId),
    Event(EventRow),
    Note(NoteView),
    Task(Box<TaskView>),
}

impl Tx {
    /// The timeline of an influencer, newest first or oldest first. A task stands where it was made; what is late is so at `now`.
    pub async fn list_timeline(
        &mut self,
        id: InfluencerId,
        now: Micros,
        page: Page,
    ) -> Result<Slice<TimelineEntry>, StoreError> {
        let (from, limit) = (page.from(), page.fetch());
        let wanted = values![id, from.at, from.id, limit];
        let mut found: Vec<(Place, Found)> = Vec::new();
        let rows = self.influencer_message_places(id, page).await?;
        found.extend(rows.into_iter().map(|(id, at)| (Place { at, id: id.0 }, Found::Message(id))));
        let rows: Vec<EventRow> = match page.order {
            Order::NewestFirst => self.list_timeline_events(id, (from.at, from.id), limit).await?,
            Order::OldestFirst => self.all(&EVENTS_OLDEST, wanted.clone()).await?,
        };
        found.extend(rows.into_iter().map(|e| (Place { at: e.at, id: e.id.0 }, Found::Event(e))));
        let notes = match page.order {
            Order::NewestFirst => &NOTES_NEWEST,
            Order::OldestFirst => &NOTES_OLDEST,
        };
        let rows: Vec<NoteView> = self.all(notes, wanted).await?;
        found.extend(rows.into_iter().map(|n| (Place { at: n.at, id: n.id.0 }, Found::Note(n))));
        for task in self.list_tasks_of(id, now, page).await? {
            found.push((Place { at: task.created_at, id: task.id.0 }, Found::Task(Box::new(task))));
        }
        found.sort_by_key(|(place, _)| *place);
        if page.order == Order::NewestFirst {
            found.reverse();
        }
        let slice = page.cut(found, |(place, _)| *place);
        self.timeline_entries(slice).await
    }

    async fn timeline_entries(&mut self, slice: Slice<(Place, Found)>) -> Result<Slice<TimelineEntry>, StoreError> {
        let ids = slice
            .data
            .iter()
            .filter_map(|(_, found)| if let Found::Message(id) = found { Some(*id) } else { None })
            .collect();
        let mut messages = self.list_message_views(ids).await?.into_iter().peekable();
        let mut entries = Vec::with_capacity(slice.data.len());
        for (place, found) in slice.data {
            let item = match found {
                // They come in the order they were asked for; one that was erased meanwhile is left out.
                Found::Message(id) => match messages.next_if(|view| view.id == id) {
                    Some(view) => TimelineItem::Message(Box::new(view)),
                    None => continue,
                },
                Found::Event(row) => TimelineItem::Event(EventView::from(row)),
                Found::Note(note) => TimelineItem::Note(note),
                Found::Task(task) => TimelineItem::Task(task),
            };
            entries.push(TimelineEntry { at: place.at, item });
        }
        Ok(Slice { data: entries, next: slice.next })
    }
}

statements! {
    #[hot] EVENTS_OLDEST = "SELECT id, type, at, influencer_id, stage, message_id, data, enrollment_id, seq FROM event \
        WHERE influencer_id = $1 AND (at, id) > ($2, $3) ORDER BY at, id LIMIT $4";
    #[hot] NOTES_NEWEST = "SELECT id, influencer_id, author, text, at FROM note WHERE influencer_id = $1 AND (at, id) < ($2, $3) \
        ORDER BY at DESC, id DESC LIMIT $4";
    #[hot] NOTES_OLDEST = "SELECT id, influencer_id, author, text, at FROM note WHERE influencer_id = $1 AND (at, id) > ($2, $3) \
        ORDER BY at, id LIMIT $4";
}
