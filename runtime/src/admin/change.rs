//! Changes of the configuration that are asked for here: made by the gateway, one after the other, and answered once every
//! worker serves them.

use std::sync::Arc;

use http::StatusCode;
use http::header::{ETAG, HeaderName, IF_MATCH};
use serde_json::{Value as Json, json};

use super::Admin;
use super::answer::Answer;
use super::request::Request;
use crate::config::store::NotStored;
use crate::entities::{Error, explain};
use crate::generations::Source;
use crate::proposal::{Current, Edit, Origin, Refusal, Taken};

/// Which generation has what was asked for.
const GENERATION: HeaderName = HeaderName::from_static("x-gateway-generation");

/// What became of a change.
pub(super) enum Change {
    /// It is there.
    Made(Made),
    /// It is not, and this is why.
    Refused(Answer),
}

/// A change that is there.
pub(super) struct Made {
    pub(super) value: Json,
    generation: u64,
    tag: Arc<str>,
}

impl Made {
    /// Says what the edit has to say.
    pub(super) fn json(self, status: StatusCode) -> Answer {
        let answer = Answer::json(status, &self.value);
        self.marked(answer)
    }

    /// Says no more than that it is there.
    pub(super) fn nothing(self) -> Answer {
        self.marked(Answer::nothing())
    }

    fn marked(self, answer: Answer) -> Answer {
        answer.with(GENERATION, &self.generation.to_string()).with(ETAG, &self.tag)
    }
}

/// Have this edit made, if it is still the configuration that `If-Match` means; with `?dry_run`, only look.
pub(super) async fn make(admin: &Admin, request: &Request, edit: Edit) -> Change {
    make_from(admin, request, Source::Admin, edit).await
}

/// The same, by other means than a plain edit.
pub(super) async fn make_from(admin: &Admin, request: &Request, source: Source, edit: Edit) -> Change {
    match propose(admin, request, source, edit).await {
        Ok(made) => Change::Made(made),
        Err(refusal) => Change::Refused(answer(&refusal)),
    }
}

/// The same, for who has words of their own for what is wrong.
pub(super) async fn propose(admin: &Admin, request: &Request, source: Source, edit: Edit) -> Result<Made, Refusal> {
    let origin = Origin { source, author: Some(request.author.who.to_string()) };
    let expected = request.headers.get(IF_MATCH).and_then(|tag| tag.to_str().ok()).filter(|tag| *tag != "*");
    let dry_run = request.query.value("dry_run").is_some_and(|said| !["0", "false"].contains(&said));
    let proposed = admin.configuration.propose(origin, expected.map(str::to_owned), dry_run, edit).await;
    let Taken { value, generation } = proposed?;
    let tag = Arc::clone(&admin.configuration.current.load().tag);
    Ok(Made { value, generation, tag })
}

/// `answer`, which says something of `current`.
pub(super) fn tagged(answer: Answer, current: &Current) -> Answer {
    answer.with(ETAG, &current.tag)
}

/// The answer to what cannot be done.
pub(super) fn refused(error: &Error) -> Answer {
    Answer::json(StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST), &error.body)
}

/// The answer to what has not been done.
pub(super) fn answer(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Objection(error) => refused(error),
        Refusal::Invalid(report, text, place) => refused(&explain(report, text, place)),
        Refusal::Stale(tag) => {
            let message = "the configuration is another one by now: read it again, then change that";
            Answer::message(StatusCode::PRECONDITION_FAILED, message).with(ETAG, tag)
        }
        Refusal::Outside(report) => {
            let message = "the configuration was changed by hand, and cannot be served: mend that first";
            let faults: Vec<String> = report.told().collect();
            Answer::json(StatusCode::CONFLICT, &json!({ "message": message, "faults": faults }))
        }
        Refusal::NotStored(problem) => {
            let status = match problem {
                NotStored::Changed(_) => StatusCode::CONFLICT,
                // What Kong says where its configuration cannot be written to.
                NotStored::ReadOnly(_) => return refused(&Error::unsupported(&problem.to_string())),
                NotStored::Failed { .. } => StatusCode::INSUFFICIENT_STORAGE,
            };
            Answer::message(status, &problem.to_string())
        }
        Refusal::Stopping => Answer::message(StatusCode::SERVICE_UNAVAILABLE, "the gateway is draining"),
    }
}
