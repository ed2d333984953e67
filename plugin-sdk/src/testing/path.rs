//! The normal form of a path, which routes, plugins and upstreams see: as in the gateway's `proxy/path.rs`.

/// `path` with percent-encodings of unreserved characters decoded, the others in upper case, what no path may have
/// encoded, slashes in a row made one, and dot segments removed.
///
/// # Errors
/// A "%" that encodes nothing.
pub(super) fn normalise(path: &str) -> Result<String, String> {
    // "*" of OPTIONS is the one target that is no path.
    if !path.starts_with('/') {
        return Ok(path.to_owned());
    }
    let recoded = recode(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in recoded.split('/') {
        last = segment;
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut normal: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
    if normal.is_empty() || matches!(last, "" | "." | "..") {
        normal.push('/');
    }
    Ok(normal)
}

/// One way to write each byte; what is reserved stays encoded.
fn recode(path: &str) -> Result<String, String> {
    let mut recoded = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if may_stand(byte) {
            recoded.push(char::from(byte));
            continue;
        }
        let byte = if byte == b'%' { (hex(bytes.next())? << 4) | hex(bytes.next())? } else { byte };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            recoded.push(char::from(byte));
        } else {
            recoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(recoded)
}

/// What can stand in a path as it is (RFC 3986, section 3.3).
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte)
}

fn hex(digit: Option<u8>) -> Result<u8, String> {
    let value = digit.and_then(|digit| char::from(digit).to_digit(16)).and_then(|value| u8::try_from(value).ok());
    value.ok_or_else(|| "a % that is not followed by two hexadecimal digits".to_owned())
}
