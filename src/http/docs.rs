//! `/openapi.json`, and `/docs`: a page that shows it and tries it, whole in itself. Open to everybody: they say what the API
//! does, nothing of anybody. A token that is typed into the page goes to the API alone and is forgotten with the page.

use std::sync::OnceLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::describe::{Route, does};
use super::problem::Problem;

const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/openapi.json")
            .get(does("This description of the API, as OpenAPI 3.1").octets("application/json"), description),
        Route::at("/docs").get(does("A page that shows this description, and tries it").octets("text/html"), page),
    ]
}

#[allow(clippy::unused_async, reason = "axum asks for an async function")]
async fn description() -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(super::description().to_string())).clone();
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

/// The page, and the policy that lets it do what it does and nothing else: its own script and style, known by their hashes,
/// and requests to where it came from.
struct Shown {
    page: Bytes,
    policy: HeaderValue,
}

fn shown() -> Option<&'static Shown> {
    static SHOWN: OnceLock<Option<Shown>> = OnceLock::new();
    let make = || {
        let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; form-action 'none'; \
             frame-ancestors 'none'; base-uri 'none'",
            hash(SCRIPT),
            hash(STYLE)
        );
        let page = PAGE.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT);
        Some(Shown { page: Bytes::from(page), policy: HeaderValue::from_str(&policy).ok()? })
    };
    SHOWN.get_or_init(make).as_ref()
}

#[allow(clippy::unused_async, reason = "axum asks for an async function")]
async fn page() -> Result<Response, Problem> {
    let shown = shown().ok_or_else(Problem::internal)?;
    let mut response = (StatusCode::OK, shown.page.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, shown.policy.clone());
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
