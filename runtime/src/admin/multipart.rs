//! `multipart/form-data` (RFC 7578): a form whose values may be files. Names follow the rules of other forms.

use bytes::Bytes;
use memchr::memmem;
use serde_json::{Map, Value};

use super::body::{MediaType, is_shallow, with_parameters};
use super::form;
use crate::limits;

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The field's.
    pub name: String,
    /// The file's, if the value comes from one.
    pub file_name: Option<String>,
    /// What the value is, if the client says so.
    pub content_type: Option<MediaType>,
    /// The value.
    pub content: Bytes,
}

/// The fields of a form, as an object. Values are text, but those that say that they are JSON.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub fn object(content_type: &MediaType, body: &Bytes) -> Result<Map<String, Value>, String> {
    let mut fields = Vec::new();
    for part in parts(content_type, body)? {
        let value = value(&part).map_err(|problem| format!("\"{}\": {problem}", part.name))?;
        fields.push((part.name, value));
    }
    form::assemble(fields.into_iter())
}

fn value(part: &Part) -> Result<Value, String> {
    if part.content_type.as_ref().is_some_and(|kind| kind.essence == "application/json") {
        let value = serde_json::from_slice(&part.content).map_err(|error| error.to_string())?;
        let levels = limits::ADMIN_BODY_DEPTH - 1;
        return if is_shallow(&value, levels) { Ok(value) } else { Err("it is too deep".to_owned()) };
    }
    String::from_utf8(part.content.to_vec()).map(form::value_of).map_err(|_| "not UTF-8".to_owned())
}

/// The parts of a form, in order. What comes before the first and behind the last does not count.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub fn parts(content_type: &MediaType, body: &Bytes) -> Result<Vec<Part>, String> {
    // Longer ones are not allowed (RFC 2046, section 5.1.1).
    let boundary = content_type.parameter("boundary").filter(|boundary| (1..=70).contains(&boundary.len()));
    let boundary = boundary.ok_or("its Content-Type has no boundary of 1 to 70 characters")?;
    let delimiter = format!("\r\n--{boundary}");
    let delimiter = memmem::Finder::new(delimiter.as_bytes());
    let mut rest = match body.strip_prefix(format!("--{boundary}").as_bytes()) {
        Some(rest) => body.slice_ref(rest),
        None => behind(&delimiter, body).ok_or("its boundary is not in it")?.1,
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        if parts.len() == limits::ADMIN_FORM_FIELDS {
            return Err(form::too_many());
        }
        let padding = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        let part = rest.get(padding..).and_then(|rest| rest.strip_prefix(b"\r\n"));
        let part = rest.slice_ref(part.ok_or("a boundary is not followed by a new line")?);
        let (mut described, content) = description(&part)?;
        let (content, next) = behind(&delimiter, &content).ok_or("it ends before its last boundary")?;
        described.content = content;
        parts.push(described);
        rest = next;
    }
    Ok(parts)
}

/// What is before the delimiter, and what is behind it.
fn behind(delimiter: &memmem::Finder<'_>, bytes: &Bytes) -> Option<(Bytes, Bytes)> {
    let place = delimiter.find(bytes)?;
    Some((bytes.slice(..place), bytes.slice(place + delimiter.needle().len()..)))
}

/// What a part's header fields say, and what is behind them.
fn description(part: &Bytes) -> Result<(Part, Bytes), String> {
    let head = part.get(..limits::ADMIN_PART_HEAD_BYTES.min(part.len())).unwrap_or_default();
    let mut headers = [httparse::EMPTY_HEADER; limits::ADMIN_PART_HEADERS];
    let (length, headers) = match httparse::parse_headers(head, &mut headers) {
        Ok(httparse::Status::Complete(complete)) => complete,
        Ok(httparse::Status::Partial) => return Err("a part's header fields do not end".to_owned()),
        Err(error) => return Err(format!("a part's header fields: {error}")),
    };
    let field = |name: &str| {
        let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found
            .map(|header| str::from_utf8(header.value).map_err(|_| format!("a part's {name} is not UTF-8")))
            .transpose()
    };
    let disposition = field("content-disposition")?.and_then(with_parameters);
    let parameters = disposition.filter(|(kind, _)| kind == "form-data").map(|(_, parameters)| parameters);
    let parameter =
        |name: &str| parameters.iter().flatten().find(|(found, _)| found == name).map(|(_, value)| value.to_owned());
    let name = parameter("name").ok_or("a part has no name: Content-Disposition: form-data; name=\"…\"")?;
    let content_type = field("content-type")?.map(str::parse).transpose()?;
    let described = Part { name, file_name: parameter("filename"), content_type, content: Bytes::new() };
    Ok((described, part.slice(length..)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A form with this boundary whose parts are these heads and contents.
    fn form(parts: &[(&str, &str)]) -> String {
        let parts: String = parts.iter().map(|(head, content)| format!("--b\r\n{head}\r\n\r\n{content}\r\n")).collect();
        format!("{parts}--b--\r\n")
    }

    fn read(body: &str) -> Result<Value, String> {
        let kind = "multipart/form-data; boundary=b".parse().unwrap();
        object(&kind, &Bytes::copy_from_slice(body.as_bytes())).map(Value::Object)
    }

    #[test]
    fn parts_are_fields() {
        let body = form(&[
            ("Content-Disposition: form-data; name=\"name\"", "s"),
            ("content-disposition: form-data; name=\"paths[]\"", "/a"),
            ("Content-Disposition: form-data; name=\"paths[]\"", "/b"),
            ("Content-Disposition: form-data; name=\"config.minute\"", ""),
            (
                "Content-Disposition: form-data; name=\"cert\"; filename=\"a \\\"b\\\".pem\"\r\nContent-Type: text/plain",
                "line\r\nline\r\n",
            ),
            ("Content-Disposition: form-data; name=\"limits\"\r\nContent-Type: application/json", "{\"a\": [1, true]}"),
        ]);
        let expected = json!({
            "name": "s", "paths": ["/a", "/b"], "config": { "minute": null }, "cert": "line\r\nline\r\n",
            "limits": { "a": [1, true] },
        });
        assert_eq!(read(&body).unwrap(), expected);
        // With words around it, and white space behind a boundary.
        assert_eq!(read(&format!("preamble\r\n{}epilogue", body.replace("--b\r\n", "--b \t\r\n"))).unwrap(), expected);
        assert_eq!(read("--b--").unwrap(), json!({}));
    }

    #[test]
    fn files_come_as_they_are() {
        let mut body = b"--b\r\nContent-Disposition: form-data; name=file; filename=\"p.wasm\"\r\n\r\n".to_vec();
        let content: &[u8] = b"\0asm\r\n--\r\n\xff\r\n--";
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--b--");
        let kind = "multipart/form-data; boundary=\"b\"".parse().unwrap();
        let parts = parts(&kind, &body.clone().into()).unwrap();
        assert_eq!((parts.len(), parts[0].name.as_str(), &parts[0].content[..]), (1, "file", content));
        assert_eq!(parts[0].file_name.as_deref(), Some("p.wasm"));
        assert_eq!(object(&kind, &body.into()).unwrap_err(), "\"file\": not UTF-8");
    }

    #[test]
    fn what_is_no_form_is_refused_with_the_reason() {
        let named = "Content-Disposition: form-data; name=\"a\"";
        let long = format!("{named}\r\nx: {}", "y".repeat(limits::ADMIN_PART_HEAD_BYTES));
        for (body, expected) in [
            (String::new(), "its boundary is not in it"),
            ("--c--".to_owned(), "its boundary is not in it"),
            ("--bc\r\n".to_owned(), "a boundary is not followed by a new line"),
            (format!("--b\r\n{named}\r\n\r\nx"), "it ends before its last boundary"),
            (format!("--b\r\n{named}\r\n"), "a part's header fields do not end"),
            (form(&[(&long, "x")]), "a part's header fields do not end"),
            (form(&[("Content-Disposition: form-data", "x")]), "a part has no name"),
            (form(&[("Content-Disposition: attachment; name=\"a\"", "x")]), "a part has no name"),
            (form(&[("Content-Disposition: form-data; name=\"a", "x")]), "a part has no name"),
            (form(&[("Content-Type: text/plain", "x")]), "a part has no name"),
            (form(&[("no header field", "x")]), "a part's header fields: "),
            (form(&[(&format!("{named}\r\nContent-Type: json"), "x")]), "\"json\" is no media type"),
            (form(&[(&format!("{named}\r\nContent-Type: application/json"), "{")]), "\"a\": EOF while parsing"),
            (form(&vec![(named, "x"); limits::ADMIN_FORM_FIELDS + 1]), "more than 1000 fields"),
        ] {
            let problem = read(&body).unwrap_err();
            assert!(problem.starts_with(expected), "{body}: {problem}");
        }
        for kind in ["multipart/form-data", "multipart/form-data; boundary=\"\""] {
            assert!(object(&kind.parse().unwrap(), &"--b--".into()).unwrap_err().contains("boundary of 1 to 70"));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(pieces in proptest::collection::vec(prop_oneof![
            Just("--b"), Just("\r\n"), Just("--"), Just("Content-Disposition: form-data; name=\"a\""), Just(": ; \""), Just("é"),
        ], 0..20)) {
            drop(read(&pieces.concat()));
        }

        #[test]
        fn any_content_comes_out_as_it_went_in(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assume!(memmem::find(&content, b"\r\n--b").is_none());
            let mut body = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n".to_vec();
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n--b--");
            let parts = parts(&"multipart/form-data; boundary=b".parse().unwrap(), &body.into()).unwrap();
            prop_assert_eq!(&parts[0].content[..], &content[..]);
        }
    }
}
