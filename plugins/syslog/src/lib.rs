//! Sends a record of every exchange to a syslog server (RFC 5424), as JSON, as severe as its status is. Its settings are
//! those of Kong's plugin of this name; the record is Kong's log object.

use tidegate_sdk::prelude::*;

tidegate_records::settings! {
    /// Who gets the records, how severe they are, and what of an exchange goes there.
    #[config(
        validate = Settings::prepare,
        sink(
            instead = "sink",
            kind = "syslog",
            transport = "{transport}",
            address = ["unix:{socket}", "{host}:{port}"],
            facility = "{facility}",
            severity = "of-record",
            batch(max_wait = "200ms")
        )
    )]
    struct Settings {
        /// The host that takes the messages: a name or an address. An IPv6 address is in brackets.
        #[config(default = "127.0.0.1".to_owned())]
        host: String,
        /// The port there.
        #[config(default = 514)]
        #[schemars(range(min = 1))]
        port: u16,
        /// Path of a unix socket that takes the messages in place of a host and port, like `/dev/log`: as datagrams, which
        /// are then as other programs of the machine write theirs, or over a connection as RFC 5424 has them.
        socket: Option<String>,
        /// How messages travel: each as a datagram, or one after another over a connection, each behind its length (RFC
        /// 6587).
        #[config(default = Transport::Udp)]
        transport: Transport,
        /// The kind of program that messages say they are from.
        #[config(default = Facility::User)]
        facility: Facility,
        /// How severe the records of exchanges are whose status is below 400.
        #[config(default = Severity::Info)]
        successful_severity: Severity,
        /// Likewise, below 500.
        #[config(default = Severity::Info)]
        client_errors_severity: Severity,
        /// Likewise, of all others.
        #[config(default = Severity::Info)]
        server_errors_severity: Severity,
        /// The least severity that is sent at all.
        #[config(default = Severity::Info)]
        log_level: Severity,
        /// One of the gateway's `[[sinks]]`, which takes the messages in place of a host and port. It should be of kind
        /// `syslog`, with `severity = "of-record"`.
        sink: Option<String>,
    }
}

/// How messages travel.
#[derive(Config, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Transport {
    Udp,
    Tcp,
}

/// Table 1 of RFC 5424, by the names of syslog.conf.
#[derive(Config, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Facility {
    Auth,
    Authpriv,
    Cron,
    Daemon,
    Ftp,
    Kern,
    Lpr,
    Mail,
    News,
    Syslog,
    User,
    Local0,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
}

/// Table 2, the most severe first: a greater one is less severe.
#[derive(Config, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Emerg,
    Alert,
    Crit,
    Err,
    Warning,
    Notice,
    Info,
    Debug,
}

impl LogHook for Settings {
    fn on_log(&self, ended: &Ended, _: &Response, _: &Request) {
        let severity = match ended.status {
            ..400 => self.successful_severity,
            400..500 => self.client_errors_severity,
            500.. => self.server_errors_severity,
        };
        if severity <= self.log_level {
            self.records().emit(ended, severity.prefix());
        }
    }
}

export!(Settings: LogHook, priority = 4);

impl Severity {
    /// As a sink takes it from the beginning of a record.
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Emerg => b"<0>",
            Self::Alert => b"<1>",
            Self::Crit => b"<2>",
            Self::Err => b"<3>",
            Self::Warning => b"<4>",
            Self::Notice => b"<5>",
            Self::Info => b"<6>",
            Self::Debug => b"<7>",
        }
    }
}

#[cfg(test)]
mod tests;
