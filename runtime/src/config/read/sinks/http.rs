//! What only HTTP sinks have.

use http::{HeaderName, HeaderValue, header};

use super::super::Reading;
use super::super::listeners::period_into;
use crate::config::checked::{Compression, Framing, HttpFormat, HttpSink, SinkTo};
use crate::config::reader::{Fields, Located, Value, parse};
use crate::config::secret::Secret;
use crate::config::values::{FieldValue, Method, SinkUrl, Text};
use crate::hop_by_hop;
use crate::limits;

/// `format`.
#[derive(Clone, Copy)]
enum Format {
    Ndjson,
    Elasticsearch,
    Splunk,
    Loki,
}

const FORMATS: [(&str, Format); 4] = [
    ("ndjson", Format::Ndjson),
    ("elasticsearch", Format::Elasticsearch),
    ("splunk-hec", Format::Splunk),
    ("loki", Format::Loki),
];

const COMPRESSIONS: [(&str, Compression); 2] = [("none", Compression::None), ("gzip", Compression::Gzip)];

impl Reading<'_> {
    /// The format with what only it has.
    pub(super) fn http_format(&self, fields: &Fields<'_>) -> HttpFormat {
        let text = |key| fields.parse::<Text>(key).map(|text| text.value.0);
        match self.one_of(fields, "format", &FORMATS).unwrap_or(Format::Ndjson) {
            Format::Ndjson => HttpFormat::Ndjson,
            Format::Elasticsearch => HttpFormat::Elasticsearch { index: text("index") },
            Format::Splunk => {
                let own = ["index", "source", "sourcetype"].into_iter();
                HttpFormat::Splunk(own.filter_map(|key| Some((key, text(key)?))).collect())
            }
            Format::Loki => HttpFormat::Loki(self.labels(fields)),
        }
    }

    fn labels(&self, sink: &Fields<'_>) -> Vec<(String, String)> {
        let entries = sink.entries("labels");
        if entries.is_empty() {
            return vec![("job".to_owned(), "tidegate".to_owned())];
        }
        let mut labels = Vec::new();
        for (key, value) in entries {
            let name = key.value.as_str();
            let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !fits {
                let help = "letters, digits and `_`, not beginning with a digit";
                self.faults.at_with_help(&key.span, format!("\"{name}\" is no label's name"), help);
            }
            if let Some(value) = parse::<Text>(value, &format!("`{name}`"), self.faults) {
                labels.push((key.value, value.value.0));
            }
        }
        labels
    }

    pub(super) fn http_sink(&self, fields: &Fields<'_>, framing: Framing, format: HttpFormat) -> Option<SinkTo> {
        let url = fields.require::<SinkUrl>("url", "where records go, like \"https://elastic:9200/_bulk\"");
        let method = fields.parse::<Method>("method").map_or(http::Method::POST, |method| method.value.0);
        let content_type = fields.parse::<FieldValue>("content_type").map(|value| value.value.0);
        let headers = self.sink_headers(fields);
        let mut timeout = limits::SINK_TIMEOUT;
        period_into(fields, "timeout", &mut timeout);
        let compression = self.one_of(fields, "compression", &COMPRESSIONS).unwrap_or(Compression::None);
        let usual = HeaderValue::from_static(match (&format, framing) {
            (HttpFormat::Splunk(_) | HttpFormat::Loki(_), _) => "application/json",
            (HttpFormat::Elasticsearch { .. }, _) | (_, Framing::Newline) => "application/x-ndjson",
            (_, Framing::None) => "application/octet-stream",
        });
        let url = url?;
        if let HttpFormat::Elasticsearch { index } = &format {
            self.bulk_url(&url, index.as_deref());
        }
        Some(SinkTo::Http(HttpSink {
            url: url.value,
            method,
            content_type: content_type.unwrap_or(usual),
            headers,
            timeout,
            format,
            compression,
        }))
    }

    fn bulk_url(&self, url: &Located<SinkUrl>, index: Option<&str>) {
        match url.value.target.path().strip_suffix("/_bulk") {
            None => {
                let help = "like \"https://elastic:9200/_bulk\"";
                self.faults.at_with_help(&url.span, "the bulk API's path ends with `/_bulk`", help);
            }
            Some("") if index.is_none() => {
                let help = "index = \"NAME\", of an index or a data stream";
                self.faults.at_with_help(&url.span, "`index` is missing, and this URL names none", help);
            }
            Some(_) => {}
        }
    }

    fn sink_headers(&self, sink: &Fields<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let entries = sink.entries("headers");
        if let Some((key, _)) = entries.get(limits::SINK_HEADERS) {
            self.faults.at(&key.span, format!("there are at most {} of `headers`", limits::SINK_HEADERS));
        }
        for (key, value) in entries {
            // Whichever of them is a secret, none of them is shown.
            self.faults.conceal(value.span());
            let name = match HeaderName::try_from(key.value.as_str()) {
                Err(_) => Err(format!("\"{}\" is no header field's name", key.value)),
                Ok(name) if name == header::CONTENT_TYPE => {
                    Err("for `content-type` there is `content_type`".to_owned())
                }
                Ok(name) if name == header::HOST => Err("`host` is what `url` says".to_owned()),
                Ok(name) if hop_by_hop::is_gateways(&name) => Err(format!("`{name}` is the gateway's own to set")),
                Ok(name) if headers.iter().any(|(other, _)| *other == name) => {
                    Err(format!("`{name}` is listed twice: names ignore case"))
                }
                Ok(name) => Ok(name),
            };
            let name = name.map_err(|error| self.faults.at(&key.span, error)).ok();
            if let (Some(value), Some(name)) = (self.sink_header(&key.value, value), name) {
                headers.push((name, value));
            }
        }
        headers
    }

    fn sink_header(&self, key: &str, value: &Value<'_>) -> Option<HeaderValue> {
        let secret = parse::<Secret>(value, &format!("`{key}`"), self.faults)?;
        self.watched.borrow_mut().extend(secret.value.file(self.folder));
        let value = secret.value.reveal(self.folder).and_then(|text| {
            HeaderValue::try_from(text).map_err(|_| "this cannot be the value of a header field".to_owned())
        });
        let mut value = value.map_err(|error| self.faults.at(&secret.span, error)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
