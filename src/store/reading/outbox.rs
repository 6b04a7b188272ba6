//! The lists that people work through: what is to leave, what waits to be matched, and how the accounts are.

use std::collections::HashMap;

use super::view::{
    AccountView, EventView, FolderView, OutboxView, PauseView, RecipientView, SignInView, UnmatchedView,
};
use super::{Order, PAGE_MAX, Page, Place, Slice};
use crate::clock::machine_now;
use crate::domain::ids::MessageId;
use crate::domain::time::Micros;
use crate::domain::words::{OutboxStatus, SignInState};
use crate::store::login::LoginRow;
use crate::store::mailbox::{AccountRow, FolderRow};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

#[derive(sqlx::FromRow)]
struct OutboxViewRow {
    id: MessageId,
    account: String,
    status: OutboxStatus,
    due_at: Micros,
    attempts: i64,
    first_try_at: Option<Micros>,
    handed_over_at: Option<Micros>,
    finished_at: Option<Micros>,
    detail: Option<String>,
    held_reason: Option<String>,
    subject: String,
    created_at: Micros,
}

impl Tx {
    /// Outbox rows, the one queued last first; those of one status, or all.
    pub async fn view_outbox(
        &mut self,
        status: Option<OutboxStatus>,
        page: Page,
    ) -> Result<Slice<OutboxView>, StoreError> {
        let page = Page { order: Order::NewestFirst, ..page };
        let (from, limit) = (page.from().id, page.fetch());
        let rows: Vec<OutboxViewRow> = match status {
            Some(status) => self.all(&OUTBOX_OF_STATUS, values![from, limit, status]).await?,
            None => self.all(&OUTBOX_ALL, values![from, limit]).await?,
        };
        // Ordered by id alone: an id tells when the row was made.
        let slice = page.cut(rows, |r| Place { at: r.created_at, id: r.id.0 });
        let next = slice.next;
        Ok(Slice { data: self.outbox_views(slice.data).await?, next })
    }

    /// One outbox row.
    pub async fn get_outbox_view(&mut self, id: MessageId) -> Result<Option<OutboxView>, StoreError> {
        let row: Option<OutboxViewRow> = self.opt(&OUTBOX_ONE, values![id]).await?;
        Ok(self.outbox_views(row.into_iter().collect()).await?.pop())
    }

    async fn outbox_views(&mut self, rows: Vec<OutboxViewRow>) -> Result<Vec<OutboxView>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut recipients: HashMap<MessageId, Vec<RecipientView>> = HashMap::new();
        for row in self.recipient_rows(rows.iter().map(|r| r.id).collect()).await? {
            recipients.entry(row.outbox_id).or_default().push(RecipientView::from(row));
        }
        Ok(rows.into_iter().map(|r| outbox_view(r, &mut recipients)).collect())
    }

    /// Messages that wait for a person to say whose they are, newest first.
    pub async fn list_unmatched(&mut self, page: Page) -> Result<Slice<UnmatchedView>, StoreError> {
        let page = Page { order: Order::NewestFirst, ..page };
        let from = page.from();
        let rows = self.all(&UNMATCHED_OPEN, values![from.at, from.id, page.fetch()]).await?;
        Ok(page.cut(rows, |u: &UnmatchedView| Place { at: u.at, id: u.id.0 }))
    }

    /// One message that waits to be matched; `None` where it does not wait (any more).
    pub async fn get_unmatched_view(&mut self, id: MessageId) -> Result<Option<UnmatchedView>, StoreError> {
        self.opt(&UNMATCHED_ONE, values![id]).await
    }

    /// Events after a number, in order.
    pub async fn list_event_views(&mut self, after: i64, limit: usize) -> Result<Vec<EventView>, StoreError> {
        let limit = i64::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(1);
        Ok(self.list_events(after, limit).await?.into_iter().map(EventView::from).collect())
    }

    /// All accounts with their folders, by name.
    pub async fn list_account_views(&mut self) -> Result<Vec<AccountView>, StoreError> {
        let (mut views, logins, now) = (Vec::new(), self.list_logins().await?, machine_now());
        let pauses: Vec<PauseView> = self.list_pauses().await?.into_iter().map(PauseView::from).collect();
        for account in self.list_accounts().await? {
            let folders = self.list_folders(&account.name).await?;
            let login = logins.iter().find(|login| login.account == account.name).map(|login| sign_in_view(login, now));
            let stops = |pause: &&PauseView| pause.name.as_ref().is_none_or(|name| *name == account.name);
            let pauses = pauses.iter().filter(stops).cloned().collect();
            views.push(account_view(account, folders, (login, pauses)));
        }
        Ok(views)
    }
}

fn outbox_view(row: OutboxViewRow, recipients: &mut HashMap<MessageId, Vec<RecipientView>>) -> OutboxView {
    OutboxView {
        id: row.id,
        account: row.account,
        status: row.status,
        due_at: row.due_at,
        attempts: row.attempts,
        first_try_at: row.first_try_at,
        handed_over_at: row.handed_over_at,
        finished_at: row.finished_at,
        detail: row.detail,
        held_reason: row.held_reason,
        subject: row.subject,
        recipients: recipients.remove(&row.id).unwrap_or_default(),
        created_at: row.created_at,
    }
}

/// How a sign-in is, by the clock of the machine, as all that is kept of it.
fn sign_in_view(login: &LoginRow, now: Micros) -> SignInView {
    let state = match login.refused_at {
        Some(_) => SignInState::Refused,
        None if login.access_sealed.is_some() && now < login.expires_at => SignInState::Valid,
        None => SignInState::Due,
    };
    SignInView {
        state,
        signed_in_at: login.signed_in_at,
        renewed_at: login.renewed_at,
        expires_at: login.expires_at,
        refused_at: login.refused_at,
        refused_why: login.refused_why.clone(),
    }
}

fn account_view(
    account: AccountRow,
    folders: Vec<FolderRow>,
    (sign_in, pauses): (Option<SignInView>, Vec<PauseView>),
) -> AccountView {
    let (state, detail) = account.overall();
    let detail = detail.map(str::to_owned);
    AccountView {
        state,
        detail,
        id: account.name,
        kind: account.kind,
        address: account.address,
        changed_at: account.changed_at,
        last_sync_at: account.last_sync_at,
        pauses,
        sign_in,
        folders: folders
            .into_iter()
            .map(|f| FolderView {
                name: f.name,
                role: f.role,
                server: f.server_count,
                stored: f.stored_count,
                missing: f.missing_count,
                counted_at: f.counted_at,
                last_sync_at: f.last_sync_at,
            })
            .collect(),
    }
}

macro_rules! outbox_columns {
    () => {
        "SELECT o.id, o.account, o.status, o.due_at, o.attempts, o.first_try_at, o.handed_over_at, o.finished_at, o.detail, \
         o.held_reason, m.subject, o.created_at FROM outbox o JOIN message m ON m.id = o.id "
    };
}
macro_rules! unmatched_columns {
    () => {
        "SELECT m.id, u.reason, u.address, u.name, u.influencer_id, u.agent_id, u.at, m.channel, m.account, m.kind, m.subject, \
         SUBSTR(m.text, 1, 280) AS excerpt FROM unmatched u JOIN message m ON m.id = u.message_id "
    };
}

statements! {
    #[hot] OUTBOX_ALL = concat!(outbox_columns!(), "WHERE o.id < $1 ORDER BY o.id DESC LIMIT $2");
    #[hot] OUTBOX_OF_STATUS = concat!(outbox_columns!(), "WHERE o.status = $3 AND o.id < $1 ORDER BY o.id DESC LIMIT $2");
    #[hot] OUTBOX_ONE = concat!(outbox_columns!(), "WHERE o.id = $1");
    #[hot] UNMATCHED_OPEN = concat!(unmatched_columns!(), "WHERE u.resolved_at IS NULL AND (u.at, u.message_id) < ($1, $2) \
        ORDER BY u.at DESC, u.message_id DESC LIMIT $3");
    #[hot] UNMATCHED_ONE = concat!(unmatched_columns!(), "WHERE u.message_id = $1 AND u.resolved_at IS NULL");
}
