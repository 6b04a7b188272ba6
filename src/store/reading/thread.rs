//! Threads as they are read, and the messages in them.

use super::view::{MessageView, ThreadView};
use super::{Order, Page, Place, Slice};
use crate::domain::ids::{InfluencerId, MessageId, ThreadId};
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel};
use crate::store::people::filter::{InfluencerFilter, Wanted};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Which threads are wanted; what is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ThreadFilter {
    /// Whose.
    pub influencer: Option<InfluencerId>,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
    /// Our account.
    pub account: Option<String>,
    /// Who looks after it.
    pub assignee: Option<String>,
    /// Whether it is done with.
    pub archived: Option<bool>,
    /// Of influencers like this.
    pub of: InfluencerFilter,
}

#[derive(sqlx::FromRow)]
struct ThreadViewRow {
    id: ThreadId,
    influencer_id: InfluencerId,
    influencer_handle: String,
    channel: Channel,
    account: String,
    subject: String,
    message_count: i64,
    last_message_at: Micros,
    awaiting: Option<Awaiting>,
    assignee: Option<String>,
    unread: bool,
    snoozed_until: Option<Micros>,
    archived: bool,
    version: i64,
}

impl From<ThreadViewRow> for ThreadView {
    fn from(row: ThreadViewRow) -> Self {
        Self {
            id: row.id,
            influencer_id: row.influencer_id,
            influencer_handle: row.influencer_handle,
            channel: row.channel,
            account: row.account,
            subject: row.subject,
            message_count: row.message_count,
            last_message_at: row.last_message_at,
            awaiting: row.awaiting,
            assignee: row.assignee,
            unread: row.unread,
            snoozed_until: row.snoozed_until,
            archived: row.archived,
            version: row.version,
        }
    }
}

macro_rules! thread_columns {
    () => {
        "SELECT t.id, t.influencer_id, i.handle AS influencer_handle, t.channel, t.account, t.subject, t.message_count, \
         t.last_message_at, t.awaiting, t.assignee, \
         COALESCE(t.awaiting = 'us', FALSE) AND COALESCE(t.read_at < t.last_message_at, TRUE) AS unread, \
         CASE WHEN t.snoozed_at >= t.last_message_at THEN t.snoozed_until END AS snoozed_until, \
         COALESCE(t.archived_at >= t.last_message_at, FALSE) AS archived, t.version FROM thread t JOIN influencer i ON i.id = t.influencer_id "
    };
}

/// Further wishes, at `$4` and `$5`.
macro_rules! on_the_desk {
    () => {
        " AND ($4::text IS NULL OR t.assignee = $4) \
         AND ($5::boolean IS NULL OR COALESCE(t.archived_at >= t.last_message_at, FALSE) = $5) "
    };
}

impl Tx {
    /// Threads, the one with the newest message first, or with the oldest. A thread that gets a message meanwhile moves to where the
    /// newest are: with those first it is not met again further down, with those last it may be.
    pub async fn list_threads(&mut self, filter: &ThreadFilter, page: Page) -> Result<Slice<ThreadView>, StoreError> {
        if !filter.of.is_empty() || page.order == Order::OldestFirst {
            return self.list_threads_of(filter, page).await;
        }
        let ThreadFilter { influencer, awaiting, account, assignee, archived, of: _ } = filter.clone();
        let (from, limit) = (page.from(), page.fetch());
        let mut bound = values![from.at, from.id, limit, assignee, archived];
        let statement = match (influencer, awaiting, account) {
            (Some(id), awaiting, account) => {
                bound.extend(values![id, awaiting, account]);
                &THREADS_OF_INFLUENCER
            }
            (None, Some(awaiting), account) => {
                bound.extend(values![awaiting, account]);
                &THREADS_AWAITING
            }
            (None, None, Some(account)) => {
                bound.extend(values![account]);
                &THREADS_OF_ACCOUNT
            }
            (None, None, None) => &THREADS_RECENT,
        };
        let rows: Vec<ThreadViewRow> = self.all(statement, bound).await?;
        let views = rows.into_iter().map(ThreadView::from).collect();
        Ok(page.cut(views, |t: &ThreadView| Place { at: t.last_message_at, id: t.id.0 }))
    }

    /// The same, of influencers like these.
    async fn list_threads_of(&mut self, filter: &ThreadFilter, page: Page) -> Result<Slice<ThreadView>, StoreError> {
        let ThreadFilter { influencer, awaiting, account, assignee, archived, of } = filter;
        let (from, limit) = (page.from(), page.fetch());
        let mut wanted = Wanted::new(self.is_sqlite(), values![from.at, from.id, limit, assignee.clone(), *archived]);
        if let Some(id) = influencer {
            let id = wanted.bind(*id);
            wanted.and(format!("t.influencer_id = {id}"));
        }
        let awaiting = awaiting.map(|awaiting| awaiting.to_string());
        for (column, value) in [("awaiting", &awaiting), ("account", account)] {
            if let Some(value) = value {
                let value = wanted.bind(value);
                wanted.and(format!("t.{column} = {value}"));
            }
        }
        of.conditions(&mut wanted);
        let (beyond, order) = page.order.words();
        let text = format!(
            "{}WHERE t.merged_into IS NULL AND (t.last_message_at, t.id) {beyond} ($1, $2){}{}ORDER BY t.last_message_at {order}, \
             t.id {order} LIMIT $3",
            thread_columns!(),
            wanted.text(),
            on_the_desk!()
        );
        let rows: Vec<ThreadViewRow> = self.all_listed(text, wanted.bound).await?;
        let views = rows.into_iter().map(ThreadView::from).collect();
        Ok(page.cut(views, |t: &ThreadView| Place { at: t.last_message_at, id: t.id.0 }))
    }

    /// One thread; where it was merged into another, that other one.
    pub async fn get_thread_view(&mut self, id: ThreadId) -> Result<Option<ThreadView>, StoreError> {
        let Some(thread) = self.get_thread(id).await? else { return Ok(None) };
        let row: Option<ThreadViewRow> = self.opt(&THREAD_VIEW, values![thread.id]).await?;
        Ok(row.map(ThreadView::from))
    }

    /// Messages of a thread; where it was merged into another, of that other one. An unknown thread has none.
    pub async fn list_thread_messages(&mut self, id: ThreadId, page: Page) -> Result<Slice<MessageView>, StoreError> {
        let mut rows = self.thread_message_places(id, page).await?;
        if rows.is_empty() {
            // A thread that was merged into another has nothing left of its own, so it is asked for only then.
            match self.get_thread(id).await? {
                Some(thread) if thread.id != id => rows = self.thread_message_places(thread.id, page).await?,
                Some(_) | None => return Ok(Slice { data: Vec::new(), next: None }),
            }
        }
        self.messages_at(page, rows).await
    }

    async fn thread_message_places(
        &mut self,
        id: ThreadId,
        page: Page,
    ) -> Result<Vec<(MessageId, Micros)>, StoreError> {
        let statement = match page.order {
            Order::NewestFirst => &THREAD_MESSAGES_NEWEST,
            Order::OldestFirst => &THREAD_MESSAGES_OLDEST,
        };
        let from = page.from();
        self.all(statement, values![id, from.at, from.id, page.fetch()]).await
    }

    /// Messages on the timeline of an influencer.
    pub async fn list_influencer_messages(
        &mut self,
        id: InfluencerId,
        page: Page,
    ) -> Result<Slice<MessageView>, StoreError> {
        let statement = match page.order {
            Order::NewestFirst => &INFLUENCER_MESSAGES_NEWEST,
            Order::OldestFirst => &INFLUENCER_MESSAGES_OLDEST,
        };
        let from = page.from();
        let rows = self.all(statement, values![id, from.at, from.id, page.fetch()]).await?;
        self.messages_at(page, rows).await
    }

    async fn messages_at(
        &mut self,
        page: Page,
        rows: Vec<(MessageId, Micros)>,
    ) -> Result<Slice<MessageView>, StoreError> {
        let slice = page.cut(rows, |(id, at)| Place { at: *at, id: id.0 });
        let views = self.list_message_views(slice.data.iter().map(|(id, _)| *id).collect()).await?;
        Ok(Slice { data: views, next: slice.next })
    }
}

statements! {
    #[hot] THREADS_RECENT = concat!(thread_columns!(), "WHERE t.merged_into IS NULL AND (t.last_message_at, t.id) < ($1, $2)",
        on_the_desk!(), "ORDER BY t.last_message_at DESC, t.id DESC LIMIT $3");
    #[hot] THREADS_OF_INFLUENCER = concat!(thread_columns!(), "WHERE t.influencer_id = $6 AND t.merged_into IS NULL \
        AND (t.last_message_at, t.id) < ($1, $2) AND ($7::text IS NULL OR t.awaiting = $7) \
        AND ($8::text IS NULL OR t.account = $8)", on_the_desk!(), "ORDER BY t.last_message_at DESC, t.id DESC LIMIT $3");
    #[hot] THREADS_AWAITING = concat!(thread_columns!(), "WHERE t.awaiting = $6 AND t.merged_into IS NULL \
        AND (t.last_message_at, t.id) < ($1, $2) AND ($7::text IS NULL OR t.account = $7)", on_the_desk!(),
        "ORDER BY t.last_message_at DESC, t.id DESC LIMIT $3");
    #[hot] THREADS_OF_ACCOUNT = concat!(thread_columns!(), "WHERE t.account = $6 AND t.merged_into IS NULL \
        AND (t.last_message_at, t.id) < ($1, $2)", on_the_desk!(), "ORDER BY t.last_message_at DESC, t.id DESC LIMIT $3");
    #[hot] THREAD_VIEW = concat!(thread_columns!(), "WHERE t.id = $1");
    #[hot] THREAD_MESSAGES_NEWEST = "SELECT message_id, at FROM participation WHERE thread_id = $1 AND (at, message_id) < ($2, $3) \
        ORDER BY at DESC, message_id DESC LIMIT $4";
    #[hot] THREAD_MESSAGES_OLDEST = "SELECT message_id, at FROM participation WHERE thread_id = $1 AND (at, message_id) > ($2, $3) \
        ORDER BY at, message_id LIMIT $4";
    #[hot] INFLUENCER_MESSAGES_NEWEST = "SELECT message_id, at FROM participation WHERE influencer_id = $1 \
        AND (at, message_id) < ($2, $3) ORDER BY at DESC, message_id DESC LIMIT $4";
    #[hot] INFLUENCER_MESSAGES_OLDEST = "SELECT message_id, at FROM participation WHERE influencer_id = $1 \
        AND (at, message_id) > ($2, $3) ORDER BY at, message_id LIMIT $4";
}
