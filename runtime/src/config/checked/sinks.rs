//! `[[sinks]]`: where records go that plugins hand over, and how.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use crate::config::reader::Located;
use crate::config::values::{Name, PlainHost, SinkAddress, SinkUrl};

/// One sink.
#[derive(Debug)]
pub struct Sink {
    /// What plugins call it.
    pub name: Located<Name>,
    /// All that makes a difference, but for what is in the file of `ca`.
    pub settings: SinkSettings,
    /// Where its records are kept until they are delivered; `None`: in memory alone.
    pub disk: Option<Located<DiskBuffer>>,
    /// Authorities that may have issued its peer's certificate; `None`: the system's.
    pub ca: Option<Located<PathBuf>>,
}

/// What becomes of a sink's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSettings {
    /// Where they go.
    pub to: SinkTo,
    /// How they are told apart, where nothing else does that.
    pub framing: Framing,
    /// What is sent at a time.
    pub batch: BatchLimits,
    /// The most bytes that are kept in memory.
    pub buffer: usize,
    /// What happens after a delivery that failed.
    pub retry: SinkRetry,
}

/// `buffer.disk` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskBuffer {
    /// Where its files are.
    pub folder: PathBuf,
    /// The most bytes of records that are kept.
    pub most: usize,
    /// How long what was written may be in the system's cache alone.
    pub sync: Duration,
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkTo {
    /// To the end of a file.
    File(FileSink),
    /// Each batch is one request.
    Http(HttpSink),
    /// Into one connection: TCP, or a unix socket that streams.
    Tcp(StreamSink),
    /// Each record is one datagram, to this address: UDP, or a unix socket that takes datagrams.
    Udp(SinkAddress),
    /// Each record is one message.
    Syslog(SyslogSink),
}

impl SinkTo {
    /// Whether nobody says what becomes of a record: datagrams, but to a unix socket, which says whether it takes one.
    pub fn is_by_udp(&self) -> bool {
        match self {
            Self::Udp(address) | Self::Syslog(SyslogSink { over: SyslogOver::Udp(address), .. }) => {
                matches!(address, SinkAddress::Host(_))
            }
            Self::File(_) | Self::Http(_) | Self::Tcp(_) | Self::Syslog(_) => false,
        }
    }

    /// The place, as logs and metrics may show it: URLs often have secrets in their path or query.
    pub fn place(&self) -> String {
        match self {
            Self::File(file) => file.path.display().to_string(),
            Self::Http(HttpSink { url, .. }) => {
                format!("{}://{}", if url.tls { "https" } else { "http" }, url.authority)
            }
            Self::Tcp(StreamSink { address, .. }) | Self::Udp(address) => address.to_string(),
            Self::Syslog(SyslogSink { over, .. }) => match over {
                SyslogOver::Udp(address) | SyslogOver::Tcp(StreamSink { address, .. }) => address.to_string(),
            },
        }
    }
}

/// `kind = "file"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSink {
    /// Where it is.
    pub path: PathBuf,
    /// When it is found that there is another file at its path, or none.
    pub looked_for: LookedFor,
    /// When another is begun; `None`: never by us.
    pub rotate: Option<Rotate>,
}

/// When a file that may be rotated is looked for at its path. SIGHUP has it opened again at once, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookedFor {
    /// Before a batch, but not more often than once a second.
    NowAndThen,
    /// Before every batch.
    EachTime,
}

/// `rotate`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotate {
    /// The most bytes of a file, unless one batch has more.
    pub bytes: u64,
    /// How many are kept besides the one that is written to.
    pub keep: u32,
}

/// `kind = "http"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSink {
    /// Where requests go.
    pub url: SinkUrl,
    /// Their method.
    pub method: Method,
    /// Their `Content-Type`.
    pub content_type: HeaderValue,
    /// What else they have; marked as sensitive, for it may be secret.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For one of them as a whole, connecting included.
    pub timeout: Duration,
    /// How records stand in them.
    pub format: HttpFormat,
    /// What becomes of the whole then.
    pub compression: Compression,
}

/// How records stand in a request, and how its answer is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFormat {
    /// One behind the other, as the sink's framing says. The answer's status decides.
    Ndjson,
    /// The bulk API of Elasticsearch and OpenSearch.
    Elasticsearch {
        /// Where records go, unless the URL says it.
        index: Option<String>,
    },
    /// Splunk's HTTP event collector: what each event says besides the record and its time, as JSON text by its key.
    Splunk(Vec<(&'static str, String)>),
    /// Loki's push API: the labels of the one stream.
    Loki(Vec<(String, String)>),
}

/// `compression`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None.
    None,
    /// RFC 1952.
    Gzip,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSink {
    /// Who is connected to.
    pub address: SinkAddress,
    /// Whether TLS is spoken; never to a unix socket.
    pub tls: bool,
    /// Whom the peer's certificate must be for, and who is asked for (SNI); `None`: the host that is connected to.
    pub server_name: Option<PlainHost>,
    /// For connecting, and for the peer to take more.
    pub timeout: Duration,
}

/// `kind = "syslog"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogSink {
    /// How messages travel.
    pub over: SyslogOver,
    /// What they begin with.
    pub format: SyslogFormat,
    /// By its number (RFC 5424, section 6.2.1).
    pub facility: u8,
    /// How severe messages are.
    pub severity: Severity,
    /// `APP-NAME`.
    pub app_name: String,
}

/// How severe a sink's messages are, by number (RFC 5424, section 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// All alike.
    Always(u8),
    /// As each record says at its beginning, `<0>` to `<7>`; one that does not is this.
    OfRecord(u8),
}

/// How syslog messages travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogOver {
    /// One datagram each (RFC 5426).
    Udp(SinkAddress),
    /// One after the other, each with its length before it (RFC 6587, octet counting; over TLS: RFC 5425).
    Tcp(StreamSink),
}

/// What a syslog message begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyslogFormat {
    /// RFC 5424.
    Rfc5424,
    /// As syslog(3) writes it to `/dev/log`, where daemons expect nothing else: `<134>tidegate[4711]: `. Without the time,
    /// for that would be in the machine's zone, and daemons put their own in its place.
    Local,
}

/// How records are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each ends with a newline; one that does already gets no other.
    Newline,
    /// Not at all.
    None,
}

/// What is sent at a time: whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// So many bytes.
    pub bytes: usize,
    /// So many records.
    pub records: usize,
    /// What there is when its first record is so old.
    pub wait: Duration,
}

/// What happens after a delivery that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkRetry {
    /// The longest pause between two attempts.
    pub wait: Duration,
    /// How long a batch is tried until it is dropped; `None`: for ever.
    pub give_up: Option<Duration>,
}
