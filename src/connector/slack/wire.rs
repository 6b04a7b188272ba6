//! What lies below slack-morphism: its connector trait over hyper, with a largest size for every answer, with a 429 that is one whatever
//! its body is, and without an answer's body in any error.

use std::io::Cursor;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use slack_morphism::errors::{
    SlackClientApiError, SlackClientError, SlackClientHttpError, SlackClientHttpProtocolError,
    SlackClientProtocolError, SlackClientSystemError, SlackRateLimitError,
};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::{
    ClientResult, SlackApiToken, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId, SlackClientSecret,
};
use tokio::time::timeout;
use url::Url;

use super::api::ANSWER_OCTETS_MAX;
use super::line::Dialler;

/// A connection that was idle longer is not used again: the other side may be about to close it.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// How long nothing may come of an answer, however long it takes as a whole.
const SILENCE_MAX: Duration = Duration::from_secs(30);

type Body = Full<Cursor<Vec<u8>>>;

/// An HTTP answer, whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) header: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A 429 is one whatever its body is.
    pub(super) fn limited(&self) -> SlackClientError {
        let after = self.header.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
        let after = after.and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
        SlackClientError::RateLimitError(SlackRateLimitError::new().opt_retry_after(after))
    }

    /// What it says, where that is a yes.
    pub(super) fn value(self) -> ClientResult<Value> {
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.limited());
        }
        if self.status != StatusCode::OK {
            return Err(SlackClientError::HttpError(SlackClientHttpError::new(self.status)));
        }
        let value: Value = serde_json::from_slice(&self.body).map_err(unreadable)?;
        match (value.get("ok").and_then(Value::as_bool), value.get("error").and_then(Value::as_str)) {
            (Some(true), _) => Ok(value),
            (Some(false), code) => {
                let error = SlackClientApiError::new(code.unwrap_or("unknown_error").to_owned());
                Err(SlackClientError::ApiError(error.with_http_response_body(value.to_string())))
            }
            (None, _) => Err(unreadable(serde::de::Error::custom("there is no `ok` in it"))),
        }
    }
}

fn unreadable(error: serde_json::Error) -> SlackClientError {
    SlackClientError::ProtocolError(SlackClientProtocolError::new(error))
}

fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> SlackClientError {
    SlackClientError::HttpProtocolError(SlackClientHttpProtocolError::new().with_cause(Box::new(cause)))
}

/// A request that is signed with a token.
pub(super) fn request(
    method: &Method,
    url: &Url,
    token: Option<&SlackApiToken>,
    json: Option<Vec<u8>>,
) -> ClientResult<Request<Body>> {
    let mut request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("liaison/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = token {
        let mut value = http::HeaderValue::from_str(&format!("Bearer {}", token.token_value.0)).map_err(broken)?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    if json.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    }
    request.body(Full::new(Cursor::new(json.unwrap_or_default()))).map_err(broken)
}

/// What lies below slack-morphism.
pub(super) struct Wire {
    client: legacy::Client<Dialler, Body>,
    pub(super) dialler: Dialler,
    base: String,
}

impl Wire {
    /// Connects to nothing yet.
    pub(super) fn new(dialler: Dialler, base: &Url) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .retry_canceled_requests(false)
            .build(dialler.clone());
        Self { client, dialler, base: base.as_str().trim_end_matches('/').to_owned() }
    }

    /// One request, and its whole answer.
    pub(super) async fn ask(&self, request: Request<Body>, octets_max: usize) -> ClientResult<Answer> {
        // That it is no `legacy::Error` says that there was a connection.
        let silent = |_| broken(std::io::Error::other("nothing more came"));
        let (head, body) =
            timeout(SILENCE_MAX, self.client.request(request)).await.map_err(silent)?.map_err(broken)?.into_parts();
        let (mut pieces, mut body) = (Limited::new(body, octets_max), Vec::new());
        while let Some(frame) = timeout(SILENCE_MAX, pieces.frame()).await.map_err(silent)? {
            match frame {
                Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(error) if error.is::<LengthLimitError>() => {
                    return Err(SlackClientError::SystemError(SlackClientSystemError::new()));
                }
                // What the cause says is of no use.
                Err(_) => return Err(broken(std::io::Error::other("the answer broke off"))),
            }
        }
        Ok(Answer { status: head.status, header: head.headers, body })
    }

    async fn typed<RS: for<'de> serde::Deserialize<'de>>(
        &self,
        request: ClientResult<Request<Body>>,
    ) -> ClientResult<RS> {
        let value = self.ask(request?, ANSWER_OCTETS_MAX).await?.value()?;
        serde_json::from_value(value).map_err(unreadable)
    }
}

fn not_used<'a, RS: 'a + Send>() -> BoxFuture<'a, ClientResult<RS>> {
    let error = SlackClientError::SystemError(SlackClientSystemError::new());
    futures_util::future::ready(Err(error)).boxed()
}

impl SlackClientHttpConnector for Wire {
    fn create_method_uri_path(&self, method: &str) -> ClientResult<Url> {
        Ok(format!("{}/{method}", self.base).parse()?)
    }

    fn http_get_uri<'a, RS>(
        &'a self,
        url: Url,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        self.typed(request(&Method::GET, &url, context.token, None)).boxed()
    }

    fn http_get_with_client_secret<'a, RS>(
        &'a self,
        _: Url,
        _: &'a SlackClientId,
        _: &'a SlackClientSecret,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        not_used()
    }

    fn http_post_uri<'a, RQ, RS>(
        &'a self,
        url: Url,
        body: &'a RQ,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RQ: serde::ser::Serialize + Send + Sync,
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        let json = serde_json::to_vec(body).map_err(unreadable);
        let request = json.and_then(|json| request(&Method::POST, &url, context.token, Some(json)));
        self.typed(request).boxed()
    }

    fn http_post_uri_multipart_form<'a, 'p, RS, PT, TS>(
        &'a self,
        _: Url,
        _: Option<FileMultipartData<'p>>,
        _: &'p PT,
        _: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
        PT: IntoIterator<Item = (&'p str, Option<TS>)> + Clone,
        TS: AsRef<str> + 'p + Send,
    {
        not_used()
    }

    fn http_post_uri_binary<'a, 'p, RS>(
        &'a self,
        _: Url,
        _: String,
        _: &'a [u8],
        _: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        not_used()
    }
}
