//! What is wrong with a configuration: every fault found, each with its place and what to do about it.
//! The stages of loading collect into one `Faults`; what comes of that is a `Report`, which `main` and the reload print.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::limits;

/// A place in the configuration file, in bytes.
pub type Span = Range<usize>;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` when the file as a whole is meant.
    pub span: Option<Span>,
    /// What to do about it.
    pub help: Option<String>,
}

/// Collects the faults of one configuration file. Noting one takes `&self`, so that the readers of several tables
/// can share it.
#[derive(Debug)]
pub struct Faults {
    path: PathBuf,
    text: String,
    found: RefCell<Vec<Fault>>,
    /// Places whose text nobody may see.
    secrets: RefCell<Vec<Span>>,
}

impl Faults {
    /// No faults yet, in the file at `path` that holds `text`.
    pub fn new(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), found: RefCell::default(), secrets: RefCell::default() }
    }

    /// Note a fault at `span`.
    pub fn at(&self, span: &Span, message: impl Into<String>) {
        self.push(Some(span.clone()), message.into(), None);
    }

    /// Note a fault at `span`, with advice.
    pub fn at_with_help(&self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(Some(span.clone()), message.into(), Some(help.into()));
    }

    /// Note a fault of the file as a whole.
    pub fn whole(&self, message: impl Into<String>, help: impl Into<String>) {
        self.push(None, message.into(), Some(help.into()));
    }

    /// Show stars for what stands at `span`, a secret.
    pub fn conceal(&self, span: Span) {
        self.secrets.borrow_mut().push(span);
    }

    /// Show stars for everything in quotes: without a document, nobody can tell what of it is a secret.
    pub fn conceal_strings(&self) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while let Some(quote) = bytes.get(at).copied() {
            let quotes = match quote {
                b'"' | b'\'' if bytes.get(at..at + 3) == Some(&[quote; 3]) => 3,
                b'"' | b'\'' => 1,
                _ => 0,
            };
            let start = at + quotes;
            at = start.max(at + 1);
            if quotes > 0 {
                let end = string_end(bytes, start, quote, quotes);
                self.conceal(start..end);
                at = end + quotes;
            }
        }
    }

    /// The line on which what is at `span` begins, counted from 1.
    pub fn line(&self, span: &Span) -> usize {
        1 + self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// How many faults there are.
    pub fn len(&self) -> usize {
        self.found.borrow().len()
    }

    /// Say what was noted after the first `before` faults in other words, and of whom.
    pub fn reword(&self, before: usize, of: &str, words: impl Fn(&str) -> String) {
        for fault in self.found.borrow_mut().iter_mut().skip(before) {
            fault.message = format!("{of}: {}", words(&fault.message));
            fault.help = fault.help.as_deref().map(&words);
        }
    }

    /// The value if nothing is wrong, else everything that is.
    ///
    /// # Errors
    /// The faults, as a report.
    pub fn into_result<T>(self, value: T) -> Result<T, Report> {
        if self.is_empty() { Ok(value) } else { Err(self.into_report()) }
    }

    /// Everything that is wrong, in the order of the file.
    pub fn into_report(self) -> Report {
        let mut faults = self.found.into_inner();
        faults.sort_by_key(|fault| fault.span.as_ref().map_or(0, |span| span.start));
        // What several tables refer to is looked at as often.
        let mut seen = HashSet::new();
        faults.retain(|fault| seen.insert((fault.span.clone(), fault.message.clone())));
        let mut text = self.text.into_bytes();
        for secret in self.secrets.into_inner() {
            text.get_mut(secret)
                .unwrap_or_default()
                .iter_mut()
                .filter(|byte| **byte != b'\n')
                .for_each(|byte| *byte = b'*');
        }
        // Secrets are whole strings, so no character was cut in two.
        let text = String::from_utf8_lossy(&text).into_owned();
        Report { path: self.path, text, faults }
    }

    fn push(&self, span: Option<Span>, message: String, help: Option<String>) {
        let fault = Fault { message, span, help };
        self.found.borrow_mut().push(fault);
    }
}

/// Everything that is wrong with a configuration file; never empty.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    text: String,
    faults: Vec<Fault>,
}

impl Report {
    /// What is wrong, in the order of the file.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl Report {
    /// Each fault in one line: where, what, and what to do about it.
    pub fn told(&self) -> impl Iterator<Item = String> {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.faults.iter().map(move |fault| {
            let before = fault.span.as_ref().and_then(|span| self.text.get(..span.start));
            let line = before.map(|before| 1 + before.bytes().filter(|byte| *byte == b'\n').count());
            let place = line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}"));
            let help = fault.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
            format!("{place}: {}{help}", fault.message)
        })
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    /// The form a person reads in an editor's terminal: `error: …`, `--> file:line:column`, the line, underlined.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
        for fault in self.faults.iter().take(limits::FAULTS_SHOWN) {
            let mut group =
                Level::ERROR.primary_title(fault.message.as_str()).elements(fault.span.iter().map(|span| {
                    Snippet::source(self.text.as_str())
                        .path(&*path)
                        .annotation(AnnotationKind::Primary.span(clamp(span, &self.text)))
                }));
            if fault.span.is_none() {
                group = group.element(annotate_snippets::Origin::path(&*path));
            }
            if let Some(help) = &fault.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            writeln!(f, "{}\n", renderer.render(&[group]))?;
        }
        let count = self.faults.len();
        if count > limits::FAULTS_SHOWN {
            writeln!(f, "... and {} more\n", count - limits::FAULTS_SHOWN)?;
        }
        write!(f, "{path}: {count} {}", if count == 1 { "fault" } else { "faults" })
    }
}

/// Where the string ends that begins at `start`, behind so many quotes: a single one holds it to its line.
fn string_end(bytes: &[u8], start: usize, quote: u8, quotes: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        let closed = match quotes {
            3 => bytes.get(at..at + 3) == Some(&[quote; 3]),
            _ => *byte == quote || *byte == b'\n',
        };
        match (closed, byte, bytes.get(at + 1)) {
            (true, ..) => return at,
            // What is escaped ends nothing.
            (false, b'\\', Some(next)) if quote == b'"' && *next != b'\n' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A span that the text really has: only the first line of it, so that a fault of a whole table stays readable.
fn clamp(span: &Span, text: &str) -> Span {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    let line_end = text.get(start..end).and_then(|s| s.find('\n')).map_or(end, |newline| start + newline);
    start..line_end
}

/// The known name that `name` was probably meant to be.
pub fn suggest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let best = known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (best.0 <= 1 + name.len() / 4).then(|| format!("did you mean `{}`?", best.1))
}
