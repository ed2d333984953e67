//! From text to pieces: `$(headers.x or 'none')` among text that stands for itself.

use super::{Piece, Source, Trait};
use crate::HeaderName;

/// What is wrong, and at which byte.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: String,
}

pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut cursor = Cursor { text, at: 0 };
    let (mut pieces, mut plain) = (Vec::new(), String::new());
    while let Some(next) = cursor.peek() {
        if cursor.skip("$$(") {
            plain.push_str("$(");
        } else if cursor.skip("$(") {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Place(place(&mut cursor)?));
        } else {
            plain.push(next);
            cursor.at += next.len_utf8();
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// What stands between `$(` and `)`.
fn place(cursor: &mut Cursor<'_>) -> Result<Vec<Source>, Fault> {
    let mut sources = Vec::new();
    loop {
        cursor.skip_spaces();
        sources.push(source(cursor)?);
        cursor.skip_spaces();
        if cursor.skip(")") {
            return Ok(sources);
        }
        let at = cursor.at;
        if cursor.word(is_word) != "or" {
            return Err(Fault { at, problem: "here must be \"or\", or the closing \")\"".to_owned() });
        }
    }
}

fn source(cursor: &mut Cursor<'_>) -> Result<Source, Fault> {
    if let Some(text) = cursor.quoted()? {
        return Ok(Source::Text(text.to_owned()));
    }
    let at = cursor.at;
    let root = cursor.word(is_word);
    if root.is_empty() {
        return cursor.fault("here must be something to fill in, like headers.x-user, or a text in quotes");
    }
    match root {
        "headers" => {
            let (at, name) = cursor.name(root)?;
            let name: HeaderName = name.parse().map_err(|error| fault(at, &error))?;
            Ok(Source::Header(name.as_str().to_owned()))
        }
        "query_params" => Ok(Source::QueryParam(cursor.name(root)?.1.to_owned())),
        "uri_captures" => Ok(Source::Capture(cursor.name(root)?.1.to_owned())),
        "shared" => Ok(Source::Shared(cursor.name(root)?.1.to_owned())),
        "consumer" => {
            let (at, name) = cursor.name(root)?;
            let of = match name {
                "username" => Trait::Username,
                "custom_id" => Trait::CustomId,
                "groups" => Trait::Groups,
                _ => return Err(fault(at, &format!("a consumer has username, custom_id and groups, and no {name:?}"))),
            };
            Ok(Source::Consumer(of))
        }
        "claims" => claim(cursor).map(Source::Claim),
        _ => Err(fault(
            at,
            &format!(
                "there is no {root:?}: what can be filled in is headers, query_params, uri_captures, shared, consumer \
                 and claims"
            ),
        )),
    }
}

/// One name after another, each within what the one before it names.
fn claim(cursor: &mut Cursor<'_>) -> Result<Vec<String>, Fault> {
    let mut path = Vec::new();
    loop {
        let (at, name) = cursor.name("claims")?;
        // Brackets hold one name, whatever is in it.
        if cursor.text.get(..at).is_some_and(|before| before.ends_with(['\'', '"'])) {
            path.push(name.to_owned());
        } else {
            path.extend(name.split('.').map(str::to_owned));
        }
        if path.iter().any(String::is_empty) {
            return Err(fault(at, &"a claim has a name"));
        }
        if !matches!(cursor.peek(), Some('.' | '[')) {
            return Ok(path);
        }
    }
}

fn fault(at: usize, problem: &impl ToString) -> Fault {
    Fault { at, problem: problem.to_string() }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What a name may have that stands behind a dot.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// As many of these characters as there are.
    fn word(&mut self, part: fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// A text in single or double quotes, if one begins here. It has no quote of its own kind in it.
    fn quoted(&mut self) -> Result<Option<&'t str>, Fault> {
        let Some(quote @ ('\'' | '"')) = self.peek() else { return Ok(None) };
        let rest = self.rest().get(1..).unwrap_or_default();
        let Some(end) = rest.find(quote) else { return self.fault("this quote is never closed") };
        self.at += end + 2;
        Ok(rest.get(..end))
    }

    /// `.x-user`, or `['x-user']`: the name, and where it stands.
    fn name(&mut self, root: &str) -> Result<(usize, &'t str), Fault> {
        if self.skip(".") {
            let at = self.at;
            let name = self.word(is_plain);
            return if name.is_empty() { self.lacks_name(root) } else { Ok((at, name)) };
        }
        if !self.skip("[") {
            return self.lacks_name(root);
        }
        self.skip_spaces();
        let at = self.at + 1;
        let Some(name) = self.quoted()? else {
            return self.fault(&format!("the name must be in quotes: {root}['NAME']"));
        };
        self.skip_spaces();
        match self.skip("]") {
            _ if name.is_empty() => Err(fault(at, &"this name is empty")),
            true => Ok((at, name)),
            false => self.fault("here must be the closing \"]\""),
        }
    }

    fn lacks_name<T>(&self, root: &str) -> Result<T, Fault> {
        self.fault(&format!("here must be a name: {root}.NAME, or {root}['NAME']"))
    }

    fn fault<T>(&self, problem: &str) -> Result<T, Fault> {
        Err(fault(self.at, &problem))
    }
}
