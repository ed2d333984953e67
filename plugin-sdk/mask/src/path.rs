//! JSON paths: the part of RFC 9535 that can be decided while the document goes by.

/// A path: from the root, one segment after another.
pub(crate) type Path = Vec<Segment>;

/// One step down, or any number of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// `..`: at any depth below.
    pub(crate) descends: bool,
    pub(crate) selector: Selector,
}

/// Which children a segment selects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Name(String),
    Index(u32),
    Any,
}

/// Parse a path.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(path: &str) -> Result<Path, String> {
    let refused = |why: &str| Err(format!("{path:?} is no path: {why}"));
    let Some(mut rest) = path.strip_prefix('$') else { return refused("it has to begin with $") };
    let mut segments = Path::new();
    while !rest.is_empty() {
        let parsed = segment(rest);
        match parsed {
            Ok((segment, after)) => {
                segments.push(segment);
                rest = after;
            }
            Err(why) => return refused(&why),
        }
    }
    if segments.is_empty() { refused("it selects the whole document") } else { Ok(segments) }
}

/// The first segment, and what follows it.
fn segment(path: &str) -> Result<(Segment, &str), String> {
    let (descends, rest) = match path.strip_prefix("..") {
        Some(rest) => (true, rest),
        None => (false, path),
    };
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (selector, rest) = bracket(bracketed)?;
        return Ok((Segment { descends, selector }, rest));
    }
    let named = if descends { Some(rest) } else { rest.strip_prefix('.') };
    let Some(named) = named else { return Err(format!("{rest:?} begins with neither . nor [")) };
    if let Some(rest) = named.strip_prefix('*') {
        return Ok((Segment { descends, selector: Selector::Any }, rest));
    }
    // What a name without quotes may have in it (section 2.5.1.1).
    let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii();
    let (name, rest) = named.split_at(named.find(|c| !is_name(c)).unwrap_or(named.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "there is no name at {named:?}: others than of letters, digits and _ are written ['like-this']"
        ));
    }
    Ok((Segment { descends, selector: Selector::Name(name.to_owned()) }, rest))
}

/// What is in brackets, and what follows them.
fn bracket(path: &str) -> Result<(Selector, &str), String> {
    if let Some(quote) = path.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        return quoted(path.get(1..).unwrap_or_default(), quote);
    }
    let (selector, rest) = path.split_once(']').ok_or("a [ is not closed")?;
    let selector =
        match selector.trim() {
            "*" => Selector::Any,
            index if index.len() > 1 && index.starts_with('0') => return Err(format!("[{index}] begins with 0")),
            index => Selector::Index(index.parse().map_err(|_| {
                format!("[{index}] is neither a name in quotes, nor *, nor an index from the beginning")
            })?),
        };
    Ok((selector, rest))
}

/// A name up to `quote` and `]`.
fn quoted(path: &str, quote: char) -> Result<(Selector, &str), String> {
    let mut name = String::new();
    let mut chars = path.chars();
    loop {
        match chars.next() {
            Some('\\') => match chars.next() {
                Some(c @ ('\\' | '\'' | '"' | '/')) => name.push(c),
                _ => return Err("\\ stands before quotes, / and itself only".to_owned()),
            },
            Some(c) if c == quote => break,
            Some(c) => name.push(c),
            None => return Err(format!("a {quote} is not closed")),
        }
    }
    let rest = chars.as_str().strip_prefix(']').ok_or_else(|| format!("there is no ] after {name:?}"))?;
    Ok((Selector::Name(name), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_segment_by_segment() {
        let child = |selector| Segment { descends: false, selector };
        let below = |selector| Segment { descends: true, selector };
        let name = |name: &str| Selector::Name(name.to_owned());
        let parsed = parse(r#"$.a['b-c'][0][*].*..d..*..["\"e'"]..[12]"#).unwrap();
        let expected = [
            child(name("a")),
            child(name("b-c")),
            child(Selector::Index(0)),
            child(Selector::Any),
            child(Selector::Any),
            below(name("d")),
            below(Selector::Any),
            below(name("\"e'")),
            below(Selector::Index(12)),
        ];
        assert_eq!(parsed, expected);
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_reason() {
        let cases = [
            ("a.b", "it has to begin with $"),
            ("$", "the whole document"),
            ("$a", "neither . nor ["),
            ("$.", "no name at"),
            ("$.a-b", "neither . nor ["),
            ("$.1a", "no name at"),
            ("$['a'", "no ] after \"a\""),
            ("$['a", "' is not closed"),
            ("$[1", "[ is not closed"),
            ("$[-1]", "from the beginning"),
            ("$[01]", "begins with 0"),
            ("$[1:2]", "from the beginning"),
            ("$[?@.a]", "from the beginning"),
            ("$['a','b']", "no ] after \"a\""),
            ("$['\\n']", "quotes, / and itself only"),
        ];
        for (path, why) in cases {
            let error = parse(path).unwrap_err();
            assert!(error.starts_with(&format!("{path:?} is no path: ")) && error.contains(why), "{error}");
        }
    }
}
