//! Media types: which of them are read, and how.

use tidegate_mask::Format;

/// Settings, parsed.
pub(crate) struct MediaTypes(Vec<(Pattern, Format)>);

/// A media type in lower case, cut in two at its `*`, if it has one.
struct Pattern {
    before: String,
    after: Option<String>,
}

/// Charsets in which ASCII is itself, and nothing else is ASCII: what structure, names and patterns are made of.
const ASCII_LIKE: [&str; 6] = ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "windows-125"];

pub(crate) fn list(types: &[&str]) -> Vec<String> {
    types.iter().map(|media_type| (*media_type).to_owned()).collect()
}

impl MediaTypes {
    /// # Errors
    /// Which is none.
    pub(crate) fn new(json: &[String], ndjson: &[String], text: &[String]) -> Result<Self, String> {
        let settings = [
            ("ndjson_types", ndjson, Format::Lines),
            ("json_types", json, Format::Json),
            ("text_types", text, Format::Text),
        ];
        let mut patterns = Vec::new();
        for (setting, types, format) in settings {
            for media_type in types {
                let pattern = Pattern::parse(media_type)
                    .ok_or_else(|| format!("{setting}: {media_type:?} is no media type, like text/plain or text/*"))?;
                patterns.push((pattern, format));
            }
        }
        Ok(Self(patterns))
    }

    /// How a body with this Content-Type is read, or the charset that it cannot be read for; `None`: it is left alone.
    pub(crate) fn format(&self, content_type: &[u8]) -> Option<Result<Format, String>> {
        let text = String::from_utf8_lossy(content_type).to_ascii_lowercase();
        let (media_type, parameters) = text.split_once(';').unwrap_or((&text, ""));
        let media_type = media_type.trim();
        let (_, format) = self.0.iter().find(|(pattern, _)| pattern.matches(media_type))?;
        let charset = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            (name.trim() == "charset").then(|| value.trim().trim_matches('"'))
        });
        Some(match charset.filter(|charset| !ASCII_LIKE.iter().any(|known| charset.starts_with(known))) {
            Some(charset) => Err(charset.to_owned()),
            None => Ok(*format),
        })
    }
}

impl Pattern {
    fn parse(media_type: &str) -> Option<Self> {
        let (kind, subtype) = media_type.split_once('/')?;
        // RFC 9110, section 5.6.2.
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if kind.is_empty() || subtype.is_empty() || !kind.chars().chain(subtype.chars()).all(is_token) {
            return None;
        }
        let media_type = media_type.to_ascii_lowercase();
        let (before, after) = match media_type.as_str() {
            "*/*" => ("", Some("")),
            _ => {
                media_type.split_once('*').map_or((media_type.as_str(), None), |(before, after)| (before, Some(after)))
            }
        };
        if after.is_some_and(|after| after.contains('*')) {
            return None;
        }
        Some(Self { before: before.to_owned(), after: after.map(str::to_owned) })
    }

    fn matches(&self, media_type: &str) -> bool {
        match (media_type.strip_prefix(self.before.as_str()), &self.after) {
            (Some(rest), None) => rest.is_empty(),
            (Some(rest), Some(after)) => rest.ends_with(after.as_str()),
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> MediaTypes {
        MediaTypes::new(
            &list(&["application/json", "Application/*+JSON"]),
            &list(&["application/x-ndjson", "application/lines+json"]),
            &list(&["text/*"]),
        )
        .unwrap()
    }

    #[test]
    fn a_type_is_known_by_its_name_whatever_its_parameters() {
        let types = types();
        let cases = [
            ("application/json", Some(Format::Json)),
            ("APPLICATION/JSON ; charset=UTF-8", Some(Format::Json)),
            ("application/problem+json;charset=\"utf-8\"", Some(Format::Json)),
            ("application/lines+json", Some(Format::Lines)),
            ("application/x-ndjson", Some(Format::Lines)),
            ("text/html; a=b; charset=iso-8859-1", Some(Format::Text)),
            ("application/jsonx", None),
            ("application/xml", None),
            ("", None),
        ];
        for (content_type, format) in cases {
            assert_eq!(types.format(content_type.as_bytes()), format.map(Ok), "{content_type}");
        }
        let all = MediaTypes::new(&[], &[], &list(&["*/*"])).unwrap();
        assert_eq!(all.format(b"image/png"), Some(Ok(Format::Text)));
    }

    #[test]
    fn what_is_not_written_in_ascii_cannot_be_read() {
        assert_eq!(types().format(b"application/json; charset=UTF-16LE"), Some(Err("utf-16le".to_owned())));
        assert_eq!(types().format(b"text/plain; x; charset=\"utf-7\""), Some(Err("utf-7".to_owned())));
        assert_eq!(types().format(b"image/png; charset=utf-16"), None);
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for wrong in ["json", "a/", "/b", "a b/c", "*/*+*", "a/b;c=d"] {
            let error = MediaTypes::new(&list(&[wrong]), &[], &[]).err().unwrap();
            assert!(error.starts_with(&format!("json_types: {wrong:?} is no media type")), "{error}");
        }
    }
}
