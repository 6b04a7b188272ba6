//! Filing a copy of what was sent, for providers that do not: once, and only where none lies there yet, and
//! without pixel and counted links: looking at it must count nothing.

use super::Tools;
use super::reconcile::{Places, VisitError, find};
use super::session::unpack;
use crate::connector::{ConnectorError, Source};
use crate::domain::veil::without_addresses;
use crate::render::mail::with_date;
use crate::store::outbox::outcome::UnfiledRow;

/// Files the copy of one message; `false` where the provider refuses it.
pub(super) async fn file(
    tools: &Tools,
    source: &mut dyn Source,
    places: &Places,
    row: &UnfiledRow,
) -> Result<bool, VisitError> {
    let id = row.internet_message_id.as_deref().unwrap_or_default();
    if !find(source, places, (id, &row.token)).await? {
        let Some(folder) = &places.sent else { return Ok(false) };
        let packed = tools.store.read().await?.get_clean_raw(row.id).await?;
        let Some(raw) = packed.and_then(|p| unpack(&p).ok()) else { return Ok(false) };
        let content = with_date(&raw, row.handed_over_at.unwrap_or_else(|| tools.clock.now()));
        match source.append(folder, &content).await {
            Ok(()) => {}
            Err(ConnectorError::Refused(why)) => {
                tracing::warn!(message = %row.id, why = without_addresses(&why), "the copy was not filed");
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut tx = tools.store.begin("outbound.filed").await?;
    tx.set_filed(row.id, tools.clock.now()).await?;
    tx.commit().await?;
    Ok(true)
}
