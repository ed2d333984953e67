//! A body that comes piece by piece.

use std::borrow::Cow;
use std::fmt;

use crate::action::Form;
use crate::bytes::{past_line, past_whitespace};
use crate::json::{BYTE_ORDER_MARK, Json, Unreadable};
use crate::mask::Mask;
use crate::output::Output;
use crate::record::Texts;
use crate::text::{self, Progress};

pub(crate) use saved::{Reader, Writer};

mod saved;

/// How a body is written.
///
/// ```
/// use tidegate_mask::{Format, Mask, Masked, Rule, Stream, WhenUnparsable};
/// use tidegate_sdk::{json, testing::configure};
///
/// let rules: [Rule; 2] = [configure(json!({ "names": ["pin"] }))?, configure(json!({ "patterns": ["email"] }))?];
/// let mask = Mask::new(&rules, None)?;
/// let masked = |format, body: &str| match Stream::new(&mask, format, WhenUnparsable::Pass).push(&mask, body.as_bytes(), true) {
///     Ok(Masked::Replaced(bytes)) => String::from_utf8(bytes).unwrap(),
///     Ok(Masked::Same) => body.to_owned(),
///     Err(error) => error.to_string(),
/// };
/// assert_eq!(masked(Format::Json, r#"{"pin": 1234}"#), r#"{"pin": "***"}"#);
/// assert_eq!(masked(Format::Lines, "{\"pin\":1}\nno\n{\"pin\":2}\n"), "{\"pin\":\"***\"}\nno\n{\"pin\":\"***\"}\n");
/// assert_eq!(masked(Format::Text, "pin of a@example.com: 1234"), "pin of ***: 1234");
/// assert_eq!(masked(Format::Unknown, " {\"pin\": 1}"), " {\"pin\": \"***\"}");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON document.
    Json,
    /// JSON documents in lines: NDJSON.
    Lines,
    /// Text, in which nothing has a name.
    Text,
    /// JSON if it begins like an object, an array or a string; text otherwise.
    Unknown,
}

/// What to do from where a body cannot be read on.
///
/// ```
/// use tidegate_mask::{Format, Mask, Masked, Rule, Stream, WhenUnparsable};
/// use tidegate_sdk::{json, testing::configure};
///
/// let rule: Rule = configure(json!({ "names": ["pin"], "patterns": ["email"] }))?;
/// let mask = Mask::new(&[rule], None)?;
/// let pushed = |when| Stream::new(&mask, Format::Json, when).push(&mask, br#"{"pin":1,pin:2,to:"a@example.com"}"#, true);
/// assert_eq!(pushed(WhenUnparsable::Stop).unwrap_err().to_string(), "it is no JSON from byte 9 on");
/// assert_eq!(pushed(WhenUnparsable::Pass), Ok(Masked::Replaced(br#"{"pin":"***",pin:2,to:"***"}"#.to_vec())));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnparsable {
    /// Say so.
    Stop,
    /// Read on as text, up to the end of the line with [`Format::Lines`].
    Pass,
}

/// What goes on in place of a piece.
///
/// ```
/// use tidegate_mask::{Format, Mask, Masked, Rule, Stream, WhenUnparsable};
/// use tidegate_sdk::{json, testing::configure};
///
/// let rule: Rule = configure(json!({ "names": ["pin"] }))?;
/// let mask = Mask::new(&[rule], None)?;
/// let mut stream = Stream::new(&mask, Format::Json, WhenUnparsable::Stop);
/// assert_eq!(stream.push(&mask, br#"{"id":1,"pi"#, false), Ok(Masked::Replaced(br#"{"id":1,"#.to_vec())));
/// assert_eq!(stream.push(&mask, br#"n":2}"#, true), Ok(Masked::Replaced(br#""pin":"***"}"#.to_vec())));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Masked {
    /// The piece as it is.
    Same,
    /// These bytes. What has to be waited with comes with a later piece.
    Replaced(Vec<u8>),
}

/// A body that cannot be read.
///
/// ```
/// use tidegate_mask::{Format, Mask, Rule, Stream, WhenUnparsable};
/// use tidegate_sdk::{json, testing::configure};
///
/// let rule: Rule = configure(json!({ "names": ["pin"] }))?;
/// let mask = Mask::new(&[rule], None)?;
/// let mut stream = Stream::new(&mask, Format::Json, WhenUnparsable::Stop);
/// let error = stream.push(&mask, b"<html>", true).unwrap_err();
/// assert_eq!((error.at, error.to_string().as_str()), (0, "it is no JSON from byte 0 on"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unparsable {
    /// Bytes of the body before that place.
    pub at: u64,
}

impl fmt::Display for Unparsable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is no JSON from byte {} on", self.at)
    }
}

impl std::error::Error for Unparsable {}

/// A body on its way: what has to be known of it between two pieces is a few bytes, and at most some kilobytes of it.
///
/// ```
/// use tidegate_mask::{Format, Mask, Masked, Rule, Stream, WhenUnparsable};
/// use tidegate_sdk::{json, testing::configure};
///
/// let rule: Rule = configure(json!({ "names": ["pin"] }))?;
/// let mask = Mask::new(&[rule], None)?;
/// let mut stream = Stream::new(&mask, Format::Json, WhenUnparsable::Stop);
/// let mut body = Vec::new();
/// for piece in [r#"{"p\u006"#, r#"9n":"12"#, r#"34","id":1}"#] {
///     // Instances of plugins serve other exchanges in between.
///     let kept = stream.save();
///     stream = Stream::restore(&kept).unwrap();
///     match stream.push(&mask, piece.as_bytes(), piece.ends_with('}'))? {
///         Masked::Same => body.extend(piece.as_bytes()),
///         Masked::Replaced(bytes) => body.extend(bytes),
///     }
/// }
/// assert_eq!(String::from_utf8(body)?, r#"{"p\u0069n":"***","id":1}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    when_unparsable: WhenUnparsable,
    mode: Mode,
    /// What came and was not decided yet.
    kept: Vec<u8>,
    /// Bytes of the body before that.
    gone: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    Unknown,
    Json(Json),
    /// JSON in lines, one of which could not be read: documents begin again after it.
    Line(Progress),
    Lines(Json),
    Text(Progress),
}

/// Nothing was before.
const TEXT: Progress = Progress { before: b'\n', in_token: false };

impl Stream {
    /// A body of this format.
    pub fn new(mask: &Mask, format: Format, when_unparsable: WhenUnparsable) -> Self {
        let mode = match format {
            Format::Json => Mode::Json(Json::new(mask, false)),
            Format::Lines => Mode::Lines(Json::new(mask, true)),
            Format::Text => Mode::Text(TEXT),
            Format::Unknown => Mode::Unknown,
        };
        Self { when_unparsable, mode, kept: Vec::new(), gone: 0 }
    }

    /// Mask the next piece of the body, which `ends` with it.
    ///
    /// # Errors
    /// It cannot be read, and that is to be said.
    pub fn push(&mut self, mask: &Mask, piece: &[u8], ends: bool) -> Result<Masked, Unparsable> {
        let kept = std::mem::take(&mut self.kept);
        let had_kept = !kept.is_empty();
        let source = if had_kept { Cow::Owned([kept.as_slice(), piece].concat()) } else { Cow::Borrowed(piece) };
        let is_muted = match &self.mode {
            Mode::Json(json) | Mode::Lines(json) => json.is_muted(),
            _ => false,
        };
        let mut output = Output::new(&source, is_muted);
        let mut place = 0;
        loop {
            let (reached, is_done) = self.advance(mask, &mut output, place, ends)?;
            place = reached;
            if is_done {
                break;
            }
        }
        self.kept = source.get(place..).unwrap_or_default().to_vec();
        self.gone += place as u64;
        let is_all = !had_kept && self.kept.is_empty();
        Ok(match output.finish(place) {
            None if is_all => Masked::Same,
            None => Masked::Replaced(source.get(..place).unwrap_or_default().to_vec()),
            Some(written) => Masked::Replaced(written),
        })
    }

    /// Go on from `from`: how far that is, and whether it is all for now.
    fn advance(
        &mut self,
        mask: &Mask,
        output: &mut Output<'_>,
        from: usize,
        ends: bool,
    ) -> Result<(usize, bool), Unparsable> {
        match &mut self.mode {
            Mode::Unknown => {
                let begin = past_whitespace(output.source(), from);
                let rest = output.source().get(begin..).unwrap_or_default();
                if rest.starts_with(BYTE_ORDER_MARK) {
                    return Ok((begin + BYTE_ORDER_MARK.len(), false));
                }
                match rest.first() {
                    // Nothing yet, or the mark's beginning.
                    _ if BYTE_ORDER_MARK.starts_with(rest) && !ends => return Ok((begin, true)),
                    None => return Ok((begin, true)),
                    Some(b'{' | b'[' | b'"') => self.mode = Mode::Lines(Json::new(mask, true)),
                    Some(_) => self.mode = Mode::Text(TEXT),
                }
                Ok((begin, false))
            }
            Mode::Json(json) => match json.walk(mask, output, from, ends, Texts::Application) {
                Ok(reached) => Ok((reached, true)),
                Err(Unreadable(at)) => {
                    self.stop(at)?;
                    output.mute_from(at, false);
                    self.mode = Mode::Text(TEXT);
                    Ok((at, false))
                }
            },
            Mode::Lines(json) => match json.walk(mask, output, from, ends, Texts::Application) {
                Ok(reached) => Ok((reached, true)),
                Err(Unreadable(at)) => {
                    self.stop(at)?;
                    output.mute_from(at, false);
                    self.mode = Mode::Line(TEXT);
                    Ok((at, false))
                }
            },
            Mode::Line(progress) => {
                let line = past_line(output.source(), from);
                let to = line.unwrap_or(output.source().len());
                let reached = text::mask(mask, output, (from, to), Form::Plain, ends || line.is_some(), progress);
                if line.is_some() {
                    self.mode = Mode::Lines(Json::new(mask, true));
                }
                Ok((reached, line.is_none()))
            }
            Mode::Text(_) if mask.detectors().is_none() => Ok((output.source().len(), true)),
            Mode::Text(progress) => {
                let line = past_line(output.source(), from);
                let to = line.unwrap_or(output.source().len());
                let reached = text::mask(mask, output, (from, to), Form::Plain, ends || line.is_some(), progress);
                if line.is_some() {
                    *progress = TEXT;
                }
                Ok((reached, line.is_none()))
            }
        }
    }

    fn stop(&self, at: usize) -> Result<(), Unparsable> {
        match self.when_unparsable {
            WhenUnparsable::Pass => Ok(()),
            WhenUnparsable::Stop => Err(Unparsable { at: self.gone + at as u64 }),
        }
    }
}

#[cfg(test)]
mod tests;
