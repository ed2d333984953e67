//! What a head says of its body.

use tidegate_mask::Format;
use tidegate_sdk::prelude::*;

use crate::media::MediaTypes;

/// The fields of a head that are about its body.
pub(crate) struct Head {
    types: Vec<HeaderValue>,
    encoding: Option<HeaderValue>,
    is_partial: bool,
}

/// What a body is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Readable(Format),
    /// It is of a type that is masked, but cannot be: why.
    Unreadable(String),
    /// It is of another type.
    Other,
}

impl Head {
    pub(crate) fn of_response(response: &Response) -> Self {
        Self {
            types: response.header_all("content-type"),
            encoding: response.header("content-encoding"),
            is_partial: response.status() == 206,
        }
    }

    pub(crate) fn of_request(request: &Request) -> Self {
        Self {
            types: request.header_all("content-type"),
            encoding: request.header("content-encoding"),
            is_partial: request.header("content-range").is_some(),
        }
    }

    pub(crate) fn body(&self, types: &MediaTypes) -> Body {
        let format = match self.types.as_slice() {
            [] => Format::Unknown,
            [one] => match types.format(one.as_bytes()) {
                None if self.is_partial && one.as_bytes().to_ascii_lowercase().starts_with(b"multipart/") => {
                    return Body::Unreadable("it has parts of another".to_owned());
                }
                None => return Body::Other,
                Some(Ok(format)) => format,
                Some(Err(charset)) => return Body::Unreadable(format!("its charset is {charset}")),
            },
            // Who reads it may believe another one than we do.
            _ => return Body::Unreadable("it has more than one Content-Type".to_owned()),
        };
        let encoding = self.encoding.as_ref().map(HeaderValue::as_bytes);
        match encoding.filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")) {
            Some(encoding) => Body::Unreadable(format!("it is encoded: {}", encoding.escape_ascii())),
            None if self.is_partial => Body::Unreadable("it is a part of another".to_owned()),
            None => Body::Readable(format),
        }
    }
}
