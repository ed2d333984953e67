//! Kong's endpoints for entities: lists, one by id or name, those that belong to another, and whom one belongs to.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::answer::Answer;
use super::body::{Encoding, fields};
use super::change::{self, Change, Made};
use super::request::{Request, Role};
use super::router::Router;
use super::schemas::{fill, take_texts};
use super::{Admin, Handler, handler};
use crate::entities::{self, Entry, Error, Index, Kind, Notation, Page, Wish, hidden};
use crate::proposal::Current;

/// A list below one of another kind: its last segment, what is in it, and the field by which that belongs there.
const BELOW: [(Kind, &str, Kind, &str); 8] = [
    (Kind::Service, "routes", Kind::Route, "service"),
    (Kind::Service, "plugins", Kind::Plugin, "service"),
    (Kind::Route, "plugins", Kind::Plugin, "route"),
    (Kind::Consumer, "plugins", Kind::Plugin, "consumer"),
    (Kind::Consumer, "acls", Kind::Acl, "consumer"),
    (Kind::Upstream, "targets", Kind::Target, "upstream"),
    (Kind::Upstream, "targets/all", Kind::Target, "upstream"),
    (Kind::Certificate, "snis", Kind::Sni, "certificate"),
];

/// Which entities a path is about.
#[derive(Clone, Copy)]
enum Of {
    /// All of the kind.
    All(Kind),
    /// Those that belong to the one that the second segment names.
    One { above: Kind, kind: Kind, field: &'static str },
}

/// The entity that a path names.
#[derive(Clone, Copy)]
struct Named {
    of: Of,
    /// Which segment names it.
    segment: usize,
}

/// Adds them.
pub(super) fn add(endpoints: &mut Router<Handler>) {
    for kind in Kind::ALL {
        let list = format!("/{}", kind.spec().collection);
        let of = Of::All(kind);
        add_list(endpoints, &list, of);
        add_one(endpoints, &format!("{list}/{}", segment(kind)), Named { of, segment: 1 });
        for (field, owner) in kind.spec().owners {
            let path = format!("{list}/{}/{field}", segment(kind));
            let (field, owner) = (*field, *owner);
            let get =
                handler(move |admin, request| async move { owner_of(&admin, &request, kind, field, owner).await });
            endpoints.add(Method::GET, &path, Role::Read, get);
        }
    }
    let credential = |kind: Kind| Some((Kind::Consumer, kind.credential()?, kind, "consumer"));
    for (above, last, kind, field) in BELOW.into_iter().chain(Kind::ALL.into_iter().filter_map(credential)) {
        let list = format!("/{0}/{{{0}}}/{last}", above.spec().collection);
        let of = Of::One { above, kind, field };
        add_list(endpoints, &list, of);
        if !last.contains('/') {
            add_one(endpoints, &format!("{list}/{}", segment(kind)), Named { of, segment: 3 });
        }
    }
}

/// A segment that names one of this kind; a key is not to be seen in a log.
fn segment(kind: Kind) -> String {
    let secret = if kind == Kind::KeyAuth { "!" } else { "" };
    format!("{{{secret}{}}}", kind.spec().collection)
}

fn add_list(endpoints: &mut Router<Handler>, path: &str, of: Of) {
    let get = handler(move |admin, request| async move { list(&admin, &request, of).await });
    endpoints.add(Method::GET, path, Role::Read, get);
    let post = handler(move |admin, request| async move { create(&admin, &request, of).await });
    endpoints.add(Method::POST, path, Role::Write, post);
}

fn add_one(endpoints: &mut Router<Handler>, path: &str, named: Named) {
    let get = handler(move |admin, request| async move { show(&admin, &request, named).await });
    endpoints.add(Method::GET, path, Role::Read, get);
    let put = handler(move |admin, request| async move { write(&admin, &request, named, entities::put).await });
    endpoints.add(Method::PUT, path, Role::Write, put);
    let patch = handler(move |admin, request| async move { write(&admin, &request, named, entities::update).await });
    endpoints.add(Method::PATCH, path, Role::Write, patch);
    let delete = handler(move |admin, request| async move { delete(&admin, &request, named).await });
    endpoints.add(Method::DELETE, path, Role::Write, delete);
}

type Write = fn(&mut toml_edit::DocumentMut, &Index, &Wish, &str) -> Result<crate::proposal::Edited, Error>;

/// What an entity is said to belong to by its path: the field, and the other's id.
type Owner = Option<(&'static str, String)>;

impl Of {
    fn kind(self) -> Kind {
        match self {
            Self::All(kind) | Self::One { kind, .. } => kind,
        }
    }

    /// Whom they belong to.
    fn owner(self, index: &Index, segments: &[String]) -> Result<Owner, Error> {
        match self {
            Self::All(_) => Ok(None),
            Self::One { above, field, .. } => {
                let above = segments.get(1).and_then(|named| index.find(above, named)).ok_or_else(Error::not_found)?;
                Ok(Some((field, above.id.clone())))
            }
        }
    }
}

async fn list(admin: &Admin, request: &Request, of: Of) -> Answer {
    let current = admin.configuration.current.load_full();
    let asked = |name: &str| request.query.value(name).map(str::to_owned);
    let custom_id = if of.kind() == Kind::Consumer { asked("custom_id") } else { None };
    let page = Page { size: asked("size"), offset: asked("offset"), tags: asked("tags"), custom_id };
    let found = of
        .owner(current.index(), &request.segments)
        .and_then(|owner| entities::page(&current.document, current.index(), of.kind(), owner.as_ref(), &page));
    match found {
        Ok((found, next)) => {
            let next = next.map(|offset| next_page(request, &page, &offset));
            let mut data: Vec<Json> = found.into_iter().map(Json::Object).collect();
            fill(admin, of.kind(), &mut data).await;
            let offset = next.as_ref().map(|(_, offset)| offset);
            let mut body = json!({ "data": data, "next": next.as_ref().map(|(path, _)| path) });
            if let (Some(offset), Some(body)) = (offset, body.as_object_mut()) {
                body.insert("offset".to_owned(), json!(offset));
            }
            change::tagged(Answer::json(StatusCode::OK, &body), &current)
        }
        Err(error) => change::refused(&error),
    }
}

/// The path of the next page, and its offset.
fn next_page(request: &Request, page: &Page, offset: &str) -> (String, String) {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("offset", offset);
    for (name, value) in [("size", &page.size), ("tags", &page.tags), ("custom_id", &page.custom_id)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let path: String = request.segments.iter().map(|segment| format!("/{}", encoded(segment))).collect();
    (format!("{path}?{}", query.finish()), offset.to_owned())
}

fn encoded(segment: &str) -> String {
    form_urlencoded::byte_serialize(segment.as_bytes()).collect::<String>().replace('+', "%20")
}

async fn show(admin: &Admin, request: &Request, named: Named) -> Answer {
    let current = admin.configuration.current.load_full();
    let found = named.of.owner(current.index(), &request.segments).and_then(|owner| {
        let key = request.segment(named.segment);
        entities::find(current.index(), named.of.kind(), owner.as_ref(), key).ok_or_else(Error::not_found)
    });
    match found {
        Ok(entry) => one(admin, &current, entry).await,
        Err(error) => change::refused(&error),
    }
}

/// What the entity that the path names belongs to.
async fn owner_of(admin: &Admin, request: &Request, kind: Kind, field: &str, owner: Kind) -> Answer {
    let current = admin.configuration.current.load_full();
    let index = current.index();
    let entry = entities::find(index, kind, None, request.segment(1));
    let id = entry.and_then(|entry| entry.owners.iter().find(|(known, _)| *known == field));
    match id.and_then(|(_, id)| index.by_id(owner, id)) {
        Some(owner) => one(admin, &current, owner).await,
        None => change::refused(&Error::not_found()),
    }
}

async fn one(admin: &Admin, current: &Current, entry: &Entry) -> Answer {
    let entity = current.index().read(&current.document, entry);
    let mut entity = Json::Object(hidden(entry.kind, entity));
    fill(admin, entry.kind, std::slice::from_mut(&mut entity)).await;
    change::tagged(Answer::json(StatusCode::OK, &entity), current)
}

async fn create(admin: &Arc<Admin>, request: &Request, of: Of) -> Answer {
    let wish = match wish(admin, request, of.kind(), None).await {
        Ok(wish) => wish,
        Err(answer) => return answer,
    };
    let segments = request.segments.clone();
    let edit = move |document: &mut toml_edit::DocumentMut, index: &Index| {
        let wish = Wish { owner: of.owner(index, &segments)?, ..wish };
        entities::create(document, index, &wish)
    };
    match change::make(admin, request, Box::new(edit)).await {
        Change::Made(made) => told(admin, of.kind(), made, StatusCode::CREATED).await,
        Change::Refused(answer) => answer,
    }
}

async fn write(admin: &Arc<Admin>, request: &Request, named: Named, write: Write) -> Answer {
    let changed = Some(request.segment(named.segment));
    let wish = match wish(admin, request, named.of.kind(), changed).await {
        Ok(wish) => wish,
        Err(answer) => return answer,
    };
    let (segments, key) = (request.segments.clone(), request.segment(named.segment).to_owned());
    let edit = move |document: &mut toml_edit::DocumentMut, index: &Index| {
        let wish = Wish { owner: named.of.owner(index, &segments)?, ..wish };
        write(document, index, &wish, &key)
    };
    match change::make(admin, request, Box::new(edit)).await {
        Change::Made(made) => told(admin, named.of.kind(), made, StatusCode::OK).await,
        Change::Refused(answer) => answer,
    }
}

async fn told(admin: &Admin, kind: Kind, mut made: Made, status: StatusCode) -> Answer {
    fill(admin, kind, std::slice::from_mut(&mut made.value)).await;
    made.json(status)
}

async fn delete(admin: &Arc<Admin>, request: &Request, named: Named) -> Answer {
    let (segments, key) = (request.segments.clone(), request.segment(named.segment).to_owned());
    let edit = move |document: &mut toml_edit::DocumentMut, index: &Index| {
        let owner = named.of.owner(index, &segments)?;
        entities::remove(document, index, named.of.kind(), owner.as_ref(), &key)
    };
    match change::make(admin, request, Box::new(edit)).await {
        Change::Made(made) => made.nothing(),
        Change::Refused(answer) => answer,
    }
}

/// What a body wants of an entity: of the one that `changed` names, or of a new one.
pub(super) async fn wish(admin: &Admin, request: &Request, kind: Kind, changed: Option<&str>) -> Result<Wish, Answer> {
    let fields = fields(request.content_type.as_ref(), &request.body)?;
    let notation = match fields.encoding {
        Encoding::Json => Notation::Typed,
        Encoding::Form => Notation::Form,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut wish = Wish { kind, body: fields.object, notation, owner: None, now };
    take_texts(admin, &mut wish, changed).await;
    Ok(wish)
}
