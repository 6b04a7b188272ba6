//! Routes and their descriptions in one: no route can be made without saying what it does, and what can be read off a
//! handler's signature (its body, its id, its answer) is read off it, so that `/openapi.json` can't say something else.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::body::{Body, DeliveryId, Id, Name, Number, Optional, Whom, WhoseAddress};
use super::gate::Caller;
use super::page::{Asked, NoQuery};
use super::problem::Problem;
use super::{ApiState, BODY_MAX};
use crate::domain::ids::InfluencerId;

pub(super) mod document;

/// Makes the shape of a type, and keeps those of the types in it.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// The [`Shape`] of a type.
pub(super) fn shape<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// A path, and what answers there.
pub(super) struct Route<S = ApiState> {
    /// With `{…}`; those of the API without `/v1`.
    pub(super) path: &'static str,
    /// What is done there.
    pub(super) operations: Vec<Operation>,
    /// What does it.
    pub(super) methods: MethodRouter<S>,
}

/// One method at one path.
pub(super) struct Operation {
    /// The method; GET answers HEAD as well.
    pub(super) method: Method,
    /// What is said of it.
    pub(super) does: Does,
    /// What its handler says of itself.
    pub(super) signature: Signature,
}

/// What is said of an operation.
pub(super) struct Does {
    /// In one line.
    pub(super) summary: &'static str,
    /// Query parameters.
    pub(super) query: Vec<Parameter>,
    /// Headers.
    pub(super) headers: Vec<Parameter>,
    /// How a success is said.
    pub(super) status: Option<StatusCode>,
    /// Another success, with the same answer.
    pub(super) or: Option<StatusCode>,
    /// The codes of problems of its own, with their status.
    pub(super) problems: Vec<(StatusCode, &'static str)>,
    /// The shape of an answer whose type the handler does not say.
    pub(super) answer: Option<Shape>,
    /// The media type of an answer that is no JSON.
    pub(super) octets: Option<&'static str>,
    /// Another media type of the answer, where the request asks for it.
    pub(super) or_octets: Option<&'static str>,
    /// What went wrong is said with these, in plain words and not as a problem: people see it in a browser.
    pub(super) plainly: &'static [StatusCode],
    /// The same, on a page.
    pub(super) pages: &'static [StatusCode],
    /// Octets of a body that are taken.
    pub(super) body_max: usize,
    /// Whether its answer holds a secret, which is not kept.
    pub(super) secret: bool,
    /// Whether doing it again changes nothing more: it is done again, whatever key it has.
    pub(super) repeatable: bool,
}

/// A query parameter or header.
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// Its shape.
    pub(super) shape: Shape,
}

/// A parameter whose values have this shape.
pub(super) fn of<T: JsonSchema>(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, shape: shape::<T> }
}

/// A parameter that is any text.
pub(super) fn text(name: &'static str, about: &'static str) -> Parameter {
    of::<String>(name, about)
}

/// The parameters of a list that is given in pages.
pub(super) fn paged(more: Vec<Parameter>) -> Vec<Parameter> {
    let mut all = vec![
        of::<u32>("limit", "How many entries are wanted: from 1 to 200; 50 where it is not said"),
        text("cursor", "The `next_cursor` of the page before"),
    ];
    all.extend(more);
    all
}

/// What every POST takes.
fn idempotency_key() -> Parameter {
    let about = "A name for this request, of at most 200 printable characters: for 24 hours the same request with the same key \
        is answered as the first time and does nothing more";
    text("Idempotency-Key", about)
}

/// What everything takes that two people may edit.
fn if_match() -> Parameter {
    text("If-Match", "The `version` that was seen (the `ETag` of the answer): refused where it is another by now")
}

/// What may be said of it.
const IDEMPOTENCY_PROBLEMS: [(StatusCode, &str); 6] = [
    (StatusCode::BAD_REQUEST, "bad_idempotency_key"),
    (StatusCode::BAD_REQUEST, "cut_off"),
    (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
    (StatusCode::CONFLICT, "in_progress"),
    (StatusCode::CONFLICT, "answer_lost"),
    (StatusCode::UNPROCESSABLE_ENTITY, "key_reused"),
];

/// Begins a description.
pub(super) fn does(summary: &'static str) -> Does {
    Does {
        summary,
        query: Vec::new(),
        headers: Vec::new(),
        status: None,
        or: None,
        problems: Vec::new(),
        answer: None,
        octets: None,
        or_octets: None,
        plainly: &[],
        pages: &[],
        body_max: BODY_MAX,
        secret: false,
        repeatable: false,
    }
}

impl Does {
    /// The query parameters it takes; every other one is refused.
    pub(super) fn takes(mut self, query: Vec<Parameter>) -> Self {
        self.query = query;
        self
    }

    /// A header it looks at.
    pub(super) fn header(mut self, name: &'static str, about: &'static str) -> Self {
        self.headers.push(text(name, about));
        self
    }

    /// How a success is said, where the signature does not say it.
    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Another way in which a success is said.
    pub(super) fn or(mut self, status: StatusCode) -> Self {
        self.or = Some(status);
        self
    }

    /// In which states of things it refuses, by the code of the problem: 409.
    pub(super) fn conflicts(self, codes: &[&'static str]) -> Self {
        codes.iter().fold(self, |does, code| does.problem(StatusCode::CONFLICT, code))
    }

    /// A problem of its own.
    pub(super) fn problem(mut self, status: StatusCode, code: &'static str) -> Self {
        self.problems.push((status, code));
        self
    }

    /// The shape of its answer, where the handler passes on what another room wrote.
    pub(super) fn tells<T: JsonSchema>(mut self) -> Self {
        self.answer = Some(shape::<T>);
        self
    }

    /// Its answer is no JSON but this.
    pub(super) fn octets(mut self, media: &'static str) -> Self {
        self.octets = Some(media);
        self
    }

    /// Its answer is this in place of JSON, where the request asks for it.
    pub(super) fn or_octets(mut self, media: &'static str) -> Self {
        self.or_octets = Some(media);
        self
    }

    /// What goes wrong is said in plain text, with these.
    pub(super) fn plainly(mut self, statuses: &'static [StatusCode]) -> Self {
        self.plainly = statuses;
        self
    }

    /// What goes wrong is said on a page, with these.
    pub(super) fn pages(mut self, statuses: &'static [StatusCode]) -> Self {
        self.pages = statuses;
        self
    }

    /// How large its body may be.
    pub(super) fn body_max(mut self, octets: usize) -> Self {
        self.body_max = octets;
        self
    }

    /// Doing it again changes nothing more.
    pub(super) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Its answer holds a secret.
    pub(super) fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// A path where nothing answers yet.
    pub(super) fn at(path: &'static str) -> Self {
        Self { path, operations: Vec::new(), methods: MethodRouter::new() }
    }

    fn on<H, A, B>(mut self, method: (Method, MethodFilter), does: Does, handler: H) -> Self
    where
        H: Handler<A, S> + Described<B>,
        A: 'static,
    {
        let (method, filter) = method;
        let limited = MethodRouter::new().on(filter, handler).layer(DefaultBodyLimit::max(does.body_max));
        self.methods = self.methods.merge(limited);
        let mut signature = Signature::default();
        H::describe(&mut signature);
        self.operations.push(Operation { method, does, signature });
        self
    }

    /// What GET does here.
    pub(super) fn get<H: Handler<A, S> + Described<B>, A: 'static, B>(self, does: Does, handler: H) -> Self {
        self.on((Method::GET, MethodFilter::GET), does, handler)
    }

    /// What POST does here.
    pub(super) fn post<H: Handler<A, S> + Described<B>, A: 'static, B>(self, does: Does, handler: H) -> Self {
        self.on((Method::POST, MethodFilter::POST), does, handler)
    }

    /// What PUT does here.
    pub(super) fn put<H: Handler<A, S> + Described<B>, A: 'static, B>(self, does: Does, handler: H) -> Self {
        self.on((Method::PUT, MethodFilter::PUT), does, handler)
    }

    /// What PATCH does here.
    pub(super) fn patch<H: Handler<A, S> + Described<B>, A: 'static, B>(self, does: Does, handler: H) -> Self {
        self.on((Method::PATCH, MethodFilter::PATCH), does, handler)
    }

    /// What DELETE does here.
    pub(super) fn delete<H: Handler<A, S> + Described<B>, A: 'static, B>(self, does: Does, handler: H) -> Self {
        self.on((Method::DELETE, MethodFilter::DELETE), does, handler)
    }
}

/// What a handler's signature says.
#[derive(Default)]
pub(super) struct Signature {
    /// The shape of the body, and whether it may be left out.
    pub(super) body: Option<(Shape, bool)>,
    /// The shape of the id in the path.
    pub(super) id: Option<Shape>,
    /// Whether the query is looked at.
    pub(super) query: bool,
    /// The shape of the answer.
    pub(super) answer: Option<Shape>,
    /// How a success is said.
    pub(super) status: Option<StatusCode>,
    /// Whether the answer has its version in `ETag`.
    pub(super) tagged: bool,
    /// Whether `If-Match` is looked at.
    pub(super) seen: bool,
}

/// A handler that can be described: every function of what is [`Taken`] that gives what is [`Given`].
pub(super) trait Described<Args> {
    /// Writes down what it takes and gives.
    fn describe(signature: &mut Signature);
}

/// What a handler takes.
pub(super) trait Taken {
    /// Writes down what this means for the request; much means nothing.
    fn tell(_: &mut Signature) {}
}

/// What a handler gives.
pub(super) trait Given {
    /// Writes down what the answer looks like.
    fn tell(signature: &mut Signature);
}

macro_rules! described {
    ($($taken:ident),*) => {
        impl<F, Fut, R, $($taken),*> Described<($($taken,)*)> for F
        where
            F: Fn($($taken),*) -> Fut,
            Fut: Future<Output = R>,
            R: Given,
            $($taken: Taken,)*
        {
            fn describe(signature: &mut Signature) {
                $(<$taken as Taken>::tell(signature);)*
                R::tell(signature);
            }
        }
    };
}
described!();
described!(A1);
described!(A1, A2);
described!(A1, A2, A3);
described!(A1, A2, A3, A4);
described!(A1, A2, A3, A4, A5);
described!(A1, A2, A3, A4, A5, A6);

impl<S> Taken for State<S> {}
impl Taken for Caller {}
impl Taken for HeaderMap {}
impl Taken for NoQuery {}
impl Taken for RawQuery {}
impl Taken for Name {}
impl Taken for Number {}
impl Taken for DeliveryId {}
impl Taken for Request {}
impl Taken for Bytes {}
impl<T> Taken for Path<T> {}
impl<T> Taken for Result<Path<T>, PathRejection> {}

impl Taken for Asked {
    fn tell(signature: &mut Signature) {
        signature.query = true;
    }
}

impl<T: JsonSchema> Taken for Id<T> {
    fn tell(signature: &mut Signature) {
        signature.id = Some(shape::<T>);
    }
}

impl Taken for Whom {
    fn tell(signature: &mut Signature) {
        signature.id = Some(shape::<InfluencerId>);
    }
}

impl Taken for WhoseAddress {
    fn tell(signature: &mut Signature) {
        <Whom as Taken>::tell(signature);
    }
}

impl<T: JsonSchema> Taken for Body<T> {
    fn tell(signature: &mut Signature) {
        signature.body = Some((shape::<T>, false));
    }
}

impl<T: JsonSchema> Taken for Optional<T> {
    fn tell(signature: &mut Signature) {
        signature.body = Some((shape::<T>, true));
    }
}

impl<T: JsonSchema> Given for Json<T> {
    fn tell(signature: &mut Signature) {
        signature.answer = Some(shape::<T>);
    }
}

impl<T: JsonSchema> Given for (StatusCode, Json<T>) {
    fn tell(signature: &mut Signature) {
        signature.answer = Some(shape::<T>);
        signature.status = Some(StatusCode::CREATED);
    }
}

impl Given for StatusCode {
    fn tell(signature: &mut Signature) {
        signature.status = Some(StatusCode::NO_CONTENT);
    }
}

impl Given for Response {
    fn tell(_: &mut Signature) {}
}

impl<T: Given> Given for Result<T, Problem> {
    fn tell(signature: &mut Signature) {
        T::tell(signature);
    }
}
