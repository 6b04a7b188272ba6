//! Answers that are read as they are sent, and how much of such may be open at once: so that large mails, and many of them at a
//! time, cost the memory of a few.

use std::io::Read;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::store::{Store, StoreError};

/// Megabytes of mail that are open at once in this process, counted as they are unpacked. Who wants more waits, as long as a request
/// may take.
pub(super) const OPEN_MB_MAX: u32 = 128;
/// Octets sent at once.
const PIECE: usize = 64 * 1024;

static OPEN: Semaphore = Semaphore::const_new(OPEN_MB_MAX as usize);

/// The room that something takes; free again when this is dropped.
pub(super) struct Room {
    _held: Option<SemaphorePermit<'static>>,
}

impl Room {
    /// Waits for the room for so many octets. What is larger than all of it takes all of it.
    pub(super) async fn of(octets: u64) -> Self {
        let megabytes = u32::try_from(octets / 1_000_000).unwrap_or(u32::MAX).saturating_add(1);
        // It is never closed.
        Self { _held: OPEN.acquire_many(megabytes.min(OPEN_MB_MAX)).await.ok() }
    }
}

/// A content that is read as it is sent.
pub(super) struct Streamed {
    /// Its octets.
    pub(super) length: u64,
    /// The content.
    pub(super) content: Box<dyn Read + Send>,
    /// The room it takes until it is sent.
    pub(super) room: Room,
}

impl IntoResponse for Streamed {
    fn into_response(self) -> Response {
        let Self { length, content, room } = self;
        let pieces = stream::try_unfold((content, room), |(mut content, room)| async move {
            let mut piece = Vec::with_capacity(PIECE);
            // A piece is unpacked faster than another thread would begin to.
            (&mut content).take(PIECE as u64).read_to_end(&mut piece)?;
            Ok::<_, std::io::Error>((!piece.is_empty()).then(|| (Bytes::from(piece), (content, room))))
        });
        let mut response = Body::from_stream(pieces).into_response();
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

/// Octets of a piece of a kept file, and of what it is unpacked from, about.
pub(super) const PIECE_OCTETS_MAX: u64 = 2_000_000;

/// A kept file, read from the database piece by piece as it is sent: nothing is held there while its reader is slow.
pub(super) struct Pieces {
    /// Its octets.
    pub(super) length: u64,
    /// What its content is found by.
    pub(super) hash: Vec<u8>,
    /// Where it is.
    pub(super) store: Store,
    /// The room a piece takes until all are sent.
    pub(super) room: Room,
}

impl IntoResponse for Pieces {
    fn into_response(self) -> Response {
        let Self { length, hash, store, room } = self;
        let pieces = stream::try_unfold((hash, store, room, 0), |(hash, store, room, position)| async move {
            let piece = store.read().await?.get_file_piece(&hash, position).await?;
            let Some(piece) = piece else { return Ok::<_, StoreError>(None) };
            Ok(Some((Bytes::from(piece.unpack()?), (hash, store, room, position + 1))))
        });
        let mut response = Body::from_stream(pieces).into_response();
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Gives octets without end, and counts them.
    struct Counted(Arc<AtomicU64>);

    impl Read for Counted {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.fetch_add(into.len() as u64, Ordering::SeqCst);
            Ok(into.len())
        }
    }

    #[tokio::test]
    async fn a_content_is_read_no_further_than_it_is_sent_and_gives_its_room_back() {
        use futures_util::StreamExt as _;
        let read = Arc::new(AtomicU64::new(0));
        let room = Room::of(3_000_000_000).await;
        assert_eq!(OPEN.available_permits(), 0, "the largest takes all there is");
        let content = Box::new(Counted(Arc::clone(&read)).take(1 << 40));
        let response = Streamed { length: 1 << 40, content, room }.into_response();
        assert_eq!(response.headers()[header::CONTENT_LENGTH], (1_u64 << 40).to_string());
        let mut body = response.into_body().into_data_stream();
        for _ in 0..3 {
            assert_eq!(body.next().await.unwrap().unwrap().len(), PIECE);
        }
        assert_eq!(read.load(Ordering::SeqCst), 3 * PIECE as u64);
        drop(body);
        assert_eq!(OPEN.available_permits(), OPEN_MB_MAX as usize);
    }
}
