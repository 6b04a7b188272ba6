//! Threads as they are read, and the messages in them.

use super::view::{MessageView, ThreadView};
use super::{Order, Page, Place, Slice};
use crate::domain::ids::{InfluencerId, MessageId, ThreadId};
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Which threads are wanted; what is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadFilter {
    /// Whose.
    pub influencer: Option<InfluencerId>,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
    /// Our account.
    pub account: Option<String>,
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
        }
    }
}

impl Tx {
    /// Threads, always the one with the newest message first. A thread that gets a message meanwhile moves to the
    /// front: it is not met again further down.
    pub async fn list_threads(&mut self, filter: &ThreadFilter, page: Page) -> Result<Slice<ThreadView>, StoreError> {
        let page = Page { order: Order::NewestFirst, ..page };
        let ThreadFilter { influencer, awaiting, account } = filter.clone();
        let (from, limit) = (page.from(), page.fetch());
        let rows: Vec<ThreadViewRow> = match (influencer, awaiting, account) {
            (Some(id), awaiting, account) => {
                self.all(&THREADS_OF_INFLUENCER, values![from.at, from.id, limit, id, awaiting, account]).await?
            }
            (None, Some(awaiting), account) => {
                self.all(&THREADS_AWAITING, values![from.at, from.id, limit, awaiting, account]).await?
            }
            (None, None, Some(account)) => {
                self.all(&THREADS_OF_ACCOUNT, values![from.at, from.id, limit, account]).await?
            }
            (None, None, None) => self.all(&THREADS_RECENT, values![from.at, from.id, limit]).await?,
        };
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
        let Some(thread) = self.get_thread(id).await? else { return Ok(Slice { data: Vec::new(), next: None }) };
        let statement = match page.order {
            Order::NewestFirst => &THREAD_MESSAGES_NEWEST,
            Order::OldestFirst => &THREAD_MESSAGES_OLDEST,
        };
        let from = page.from();
        let rows = self.all(statement, values![thread.id, from.at, from.id, page.fetch()]).await?;
        self.messages_at(page, rows).await
    }

    /// Messages on the timeline of an influencer.
    pub async fn list_influencer_messages(
        &mut self,
        id: InfluencerId,
        page: Page,
    ) -> Result<Slice<MessageView>, StoreError> {
        let rows = self.influencer_message_places(id, page).await?;
        self.messages_at(page, rows).await
    }

    /// Where the messages of an influencer stand in time: as many as a page, and one more.
    pub(super) async fn influencer_message_places(
        &mut self,
        id: InfluencerId,
        page: Page,
    ) -> Result<Vec<(MessageId, Micros)>, StoreError> {
        let statement = match page.order {
            Order::NewestFirst => &INFLUENCER_MESSAGES_NEWEST,
            Order::OldestFirst => &INFLUENCER_MESSAGES_OLDEST,
        };
        let from = page.from();
        self.all(statement, values![id, from.at, from.id, page.fetch()]).await
    }

    async fn messages_at(
        &mut self,
        page: Page,
        rows: Vec<(MessageId, Micros)>,
    ) -> Result<Slice<MessageView>, StoreError> {
        let slice = page.cut(rows, |(id, at)| Place { at: *at, id: id.0 });
        let views = self.list_message_views(slice.data.iter().map(|(id, _)| *id).collect()).await?;
        Ok(slice.with(views))
    }
}

macro_rules! thread_columns {
    () => {
        "SELECT t.id, t.influencer_id, i.handle AS influencer_handle, t.channel, t.account, t.subject, t.message_count, \
         t.last_message_at, t.awaiting FROM thread t JOIN influencer i ON i.id = t.influencer_id "
    };
}

statements! {
    #[hot] THREADS_RECENT = concat!(thread_columns!(), "WHERE t.merged_into IS NULL AND (t.last_message_at, t.id) < ($1, $2) \
        ORDER BY t.last_message_at DESC, t.id DESC LIMIT $3");
    #[hot] THREADS_OF_INFLUENCER = concat!(thread_columns!(), "WHERE t.influencer_id = $4 AND t.merged_into IS NULL \
        AND (t.last_message_at, t.id) < ($1, $2) AND ($5::text IS NULL OR t.awaiting = $5) \
        AND ($6::text IS NULL OR t.account = $6) ORDER BY t.last_message_at DESC, t.id DESC LIMIT $3");
    #[hot] THREADS_AWAITING = concat!(thread_columns!(), "WHERE t.awaiting = $4 AND t.merged_into IS NULL \
        AND (t.last_message_at, t.id) < ($1, $2) AND ($5::text IS NULL OR t.account = $5) \
        ORDER BY t.last_message_at DESC, t.id DESC LIMIT $3");
    #[hot] THREADS_OF_ACCOUNT = concat!(thread_columns!(), "WHERE t.account = $4 AND t.merged_into IS NULL \
        AND (t.last_message_at, t.id) < ($1, $2) ORDER BY t.last_message_at DESC, t.id DESC LIMIT $3");
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
