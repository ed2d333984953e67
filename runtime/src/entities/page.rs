//! Lists, in pages: which entities, and where the next page begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;
use toml_edit::DocumentMut;

use super::error::Error;
use super::index::{Entry, Index};
use super::kinds::{Entity, Kind, hidden};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// How many at most.
    pub size: Option<String>,
    /// What the page before has said.
    pub offset: Option<String>,
    /// `a,b`: those filed under both; `a/b`: those filed under either.
    pub tags: Option<String>,
    /// Only the one that another system calls so (Kong: of consumers).
    pub custom_id: Option<String>,
}

const SIZE: usize = 100;
const SIZE_MAX: usize = 1000;

/// The entities of this kind that belong to `owner`, and the offset of the next page, if there is one.
///
/// # Errors
/// There is no such page.
pub fn page(
    document: &DocumentMut,
    index: &Index,
    kind: Kind,
    owner: Option<&(&'static str, String)>,
    asked: &Page,
) -> Result<(Vec<Entity>, Option<String>), Error> {
    let size = match asked.size.as_deref().map(str::parse) {
        None => SIZE,
        Some(Ok(size)) if (1..=SIZE_MAX).contains(&size) => size,
        Some(_) => return Err(Error::size()),
    };
    let tags = asked.tags.as_deref().map(Tags::parse).transpose()?;
    let is_of = |entry: &&Entry| owner.is_none_or(|owner| entry.owners.contains(owner));
    let listed: Vec<&Entry> = index.of_kind(kind).filter(is_of).collect();
    let (from, first) = match asked.offset.as_deref() {
        None => (0, None),
        Some(offset) => decoded(offset).map(|(from, id)| (from, Some(id))).ok_or_else(|| Error::offset(offset))?,
    };
    // What was to come first may have moved, or gone: then its position has to do.
    let position = first.and_then(|id| listed.iter().position(|entry| entry.id == id));
    let start = position.unwrap_or(from);
    let mut entities = Vec::new();
    for (position, entry) in listed.into_iter().enumerate().skip(start) {
        let entity = index.read(document, entry);
        let custom_id = entity.get("custom_id").and_then(Json::as_str);
        if tags.as_ref().is_some_and(|tags| !tags.are_on(&entity))
            || asked.custom_id.as_deref().is_some_and(|asked| custom_id != Some(asked))
        {
            continue;
        }
        if entities.len() == size {
            return Ok((entities, Some(URL_SAFE_NO_PAD.encode(format!("{position}:{}", entry.id)))));
        }
        entities.push(hidden(kind, entity));
    }
    Ok((entities, None))
}

fn decoded(offset: &str) -> Option<(usize, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(offset).ok()?).ok()?;
    let (position, id) = text.split_once(':')?;
    Some((position.parse().ok()?, id.to_owned()))
}

enum Tags<'a> {
    All(Vec<&'a str>),
    Any(Vec<&'a str>),
}

impl<'a> Tags<'a> {
    fn parse(text: &'a str) -> Result<Self, Error> {
        let refuse = |problem: &str| Err(Error::field("tags", problem));
        let list = |separator| text.split(separator).collect::<Vec<_>>();
        let (tags, parsed) = match (text.contains(','), text.contains('/')) {
            (true, true) => return refuse("either all (a,b) or any (a/b), not both"),
            (false, true) => (list('/'), Self::Any as fn(Vec<&'a str>) -> Self),
            _ => (list(','), Self::All as fn(Vec<&'a str>) -> Self),
        };
        if tags.iter().any(|tag| tag.is_empty()) { refuse("there is an empty tag") } else { Ok(parsed(tags)) }
    }

    fn are_on(&self, entity: &Entity) -> bool {
        let has = |tag: &&str| {
            entity.get("tags").and_then(Json::as_array).is_some_and(|tags| tags.iter().any(|known| known == *tag))
        };
        match self {
            Self::All(tags) => tags.iter().all(has),
            Self::Any(tags) => tags.iter().any(has),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(asked: &Page) -> Result<Vec<Vec<String>>, Error> {
        let consumer = |n: usize| {
            let tags = if n.is_multiple_of(2) { "[\"even\", \"all\"]" } else { "[\"odd\", \"all\"]" };
            format!("[[consumers]]\nusername = \"c{n}\"\ntags = {tags}\n")
        };
        let document: DocumentMut = (0..5).map(consumer).collect::<String>().parse().unwrap();
        let index = Index::of(&document);
        let mut asked = asked.clone();
        let mut pages = Vec::new();
        loop {
            let (entities, next) = page(&document, &index, Kind::Consumer, None, &asked)?;
            pages.push(entities.iter().map(|entity| entity["username"].as_str().unwrap().to_owned()).collect());
            match next {
                None => return Ok(pages),
                Some(offset) => asked.offset = Some(offset),
            }
        }
    }

    fn tagged(tags: &str) -> Vec<String> {
        pages(&Page { tags: Some(tags.to_owned()), ..Page::default() }).unwrap().concat()
    }

    #[test]
    fn pages_follow_one_another() {
        let found = pages(&Page { size: Some("2".to_owned()), ..Page::default() }).unwrap();
        assert_eq!(found, [vec!["c0", "c1"], vec!["c2", "c3"], vec!["c4"]]);
        assert_eq!(pages(&Page::default()).unwrap().len(), 1);
    }

    #[test]
    fn tags_choose() {
        assert_eq!(tagged("even"), ["c0", "c2", "c4"]);
        assert_eq!(tagged("odd,all"), ["c1", "c3"]);
        assert_eq!(tagged("odd,even").len(), 0);
        assert_eq!(tagged("odd/even").len(), 5);
    }

    #[test]
    fn what_is_no_page_is_said() {
        for size in ["0", "1001", "x", "-1"] {
            assert_eq!(pages(&Page { size: Some(size.to_owned()), ..Page::default() }), Err(Error::size()));
        }
        assert!(pages(&Page { offset: Some("?".to_owned()), ..Page::default() }).is_err());
    }
}
