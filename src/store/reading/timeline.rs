//! Everything about one influencer in time order: messages, events, notes and tasks, each from an index of its own, merged.

use std::collections::HashMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::view::{EventView, NoteView, TimelineEntry, TimelineItem};
use super::{Order, Page, Place, Slice};
use crate::domain::ids::{EnrollmentId, EventId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::EventType;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Where something stands on a timeline. Of an event it is all there is to say.
#[derive(sqlx::FromRow)]
struct EntryRow {
    sort: String,
    id: Uuid,
    at: Micros,
    #[sqlx(rename = "type")]
    kind: Option<EventType>,
    stage: Option<String>,
    message_id: Option<MessageId>,
    data: Option<Json<serde_json::Value>>,
    enrollment_id: Option<EnrollmentId>,
    seq: Option<i64>,
}

impl EntryRow {
    fn is(&self, sort: &str) -> bool {
        self.sort == sort
    }

    fn event(self, influencer: InfluencerId) -> Option<EventView> {
        Some(EventView {
            id: EventId(self.id),
            seq: self.seq,
            kind: self.kind?,
            at: self.at,
            influencer_id: Some(influencer),
            stage: self.stage,
            message_id: self.message_id,
            enrollment_id: self.enrollment_id.map(|id| id.to_string()),
            data: self.data.map(|json| json.0),
        })
    }
}

impl Tx {
    /// The timeline of an influencer, newest first or oldest first. A task stands where it was made; what is late is so at `now`.
    pub async fn list_timeline(
        &mut self,
        id: InfluencerId,
        now: Micros,
        page: Page,
    ) -> Result<Slice<TimelineEntry>, StoreError> {
        let from = page.from();
        let statement = match page.order {
            Order::NewestFirst => &TIMELINE_NEWEST,
            Order::OldestFirst => &TIMELINE_OLDEST,
        };
        let rows: Vec<EntryRow> = self.all(statement, values![id, from.at, from.id, page.fetch()]).await?;
        let slice = page.cut(rows, |row| Place { at: row.at, id: row.id });
        let mut items = self.timeline_items(now, &slice.data).await?;
        let mut entries = Vec::with_capacity(slice.data.len());
        for row in slice.data {
            let at = row.at;
            let item = if row.is("event") { row.event(id).map(TimelineItem::Event) } else { items.remove(&row.id) };
            // What was erased meanwhile is left out.
            entries.extend(item.map(|item| TimelineEntry { at, item }));
        }
        Ok(Slice { data: entries, next: slice.next })
    }

    /// The messages, notes and tasks of a page; what there is none of is not asked for.
    async fn timeline_items(
        &mut self,
        now: Micros,
        rows: &[EntryRow],
    ) -> Result<HashMap<Uuid, TimelineItem>, StoreError> {
        let messages = rows.iter().filter(|row| row.is("message")).map(|row| MessageId(row.id)).collect();
        let views = self.list_message_views(messages).await?;
        let mut items: HashMap<Uuid, TimelineItem> =
            views.into_iter().map(|view| (view.id.0, TimelineItem::Message(Box::new(view)))).collect();
        // By their ids: more may have come since the page was read.
        let ids = |sort: &str| -> Vec<Uuid> { rows.iter().filter(|row| row.is(sort)).map(|row| row.id).collect() };
        let (notes, tasks) = (ids("note"), ids("task"));
        if !notes.is_empty() {
            let notes: Vec<NoteView> = self.all(&NOTES, values![notes]).await?;
            items.extend(notes.into_iter().map(|note| (note.id.0, TimelineItem::Note(note))));
        }
        if !tasks.is_empty() {
            let tasks = self.list_task_views(tasks, now).await?;
            items.extend(tasks.into_iter().map(|task| (task.id.0, TimelineItem::Task(Box::new(task)))));
        }
        Ok(items)
    }
}

/// The places of all that stands on a timeline beyond one of them, each sort by its own index; and whole events.
macro_rules! timeline {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT 'event' AS sort, w.id, w.at, w.type, w.stage, w.message_id, w.data, w.enrollment_id, w.seq FROM \
             (SELECT id, at, type, stage, message_id, data, enrollment_id, seq FROM event WHERE influencer_id = $1 AND (at, id) ",
            $beyond,
            " ($2, $3) ORDER BY at ",
            $order,
            ", id ",
            $order,
            " LIMIT $4) w UNION ALL SELECT 'message', w.message_id, w.at, NULL, NULL, NULL, NULL, NULL, NULL FROM \
             (SELECT message_id, at FROM participation WHERE influencer_id = $1 AND (at, message_id) ",
            $beyond,
            " ($2, $3) ORDER BY at ",
            $order,
            ", message_id ",
            $order,
            " LIMIT $4) w UNION ALL SELECT 'note', w.id, w.at, NULL, NULL, NULL, NULL, NULL, NULL FROM \
             (SELECT id, at FROM note WHERE influencer_id = $1 AND (at, id) ",
            $beyond,
            " ($2, $3) ORDER BY at ",
            $order,
            ", id ",
            $order,
            " LIMIT $4) w UNION ALL SELECT 'task', w.id, w.created_at, NULL, NULL, NULL, NULL, NULL, NULL FROM \
             (SELECT id, created_at FROM task WHERE influencer_id = $1 AND (created_at, id) ",
            $beyond,
            " ($2, $3) ORDER BY created_at ",
            $order,
            ", id ",
            $order,
            " LIMIT $4) w ORDER BY 3 ",
            $order,
            ", 2 ",
            $order,
            " LIMIT $4"
        )
    };
}

statements! {
    #[hot] TIMELINE_NEWEST = timeline!("<", "DESC");
    #[hot] TIMELINE_OLDEST = timeline!(">", "ASC");
    #[hot] NOTES = "SELECT id, influencer_id, author, text, at FROM note WHERE id = ANY($1::uuid[])";
}
