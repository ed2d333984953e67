//! What kind of body a message has, by its Content-Type.

/// What can be edited of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The members of a JSON object.
    Json,
    /// The parameters of a form.
    Form,
    /// Nothing: it passes as it is.
    Other,
}

/// By the media type (RFC 9110, section 8.3.1): `application/json` and whatever ends with `+json` (RFC 6839, section
/// 3.1) is JSON.
pub fn kind_of(content_type: &[u8]) -> Kind {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    match essence.as_slice() {
        b"application/json" => Kind::Json,
        b"application/x-www-form-urlencoded" => Kind::Form,
        other if other.ends_with(b"+json") => Kind::Json,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_decides() {
        for (content_type, kind) in [
            ("application/json", Kind::Json),
            ("Application/JSON ; charset=utf-8", Kind::Json),
            ("application/problem+json", Kind::Json),
            ("application/x-www-form-urlencoded; charset=UTF-8", Kind::Form),
            ("multipart/form-data; boundary=application/json", Kind::Other),
            ("text/plain; a=\"application/json\"", Kind::Other),
            ("application/jsonl", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(kind_of(content_type.as_bytes()), kind, "{content_type}");
        }
    }
}
