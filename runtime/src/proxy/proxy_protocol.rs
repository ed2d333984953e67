//! The PROXY protocol, versions 1 and 2: what a load balancer in front says about whom it connects
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>). Bytes in, addresses out; reading, waiting and whom to
//! believe are the caller's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::limits;

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header: read on.
    Need,
    /// A whole header.
    Done {
        /// Whose connection it is, and where it was made to. `None`: the load balancer's own (a health check), or one of
        /// a kind that has no such addresses; the connection's own count then.
        source: Option<(SocketAddr, SocketAddr)>,
        /// Bytes of the header; what follows is the client's.
        length: usize,
    },
}

/// Bytes that are no header, and will not be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The first bytes are those of something else.
    #[error("the connection does not begin with a PROXY protocol header: is the load balancer told to send one?")]
    NoHeader,
    /// The line is too long, or has no end.
    #[error("the PROXY header's line does not end within {LINE_BYTES} bytes")]
    LineTooLong,
    /// Neither TCP4 nor TCP6 nor UNKNOWN.
    #[error("the PROXY header's protocol is none of TCP4, TCP6 and UNKNOWN")]
    Protocol,
    /// A byte that has no place in the line.
    #[error("the PROXY header's line holds a byte that does not belong there")]
    Byte,
    /// Too few or too many words, or too many spaces.
    #[error("the PROXY header is not made of two addresses and two ports, with one space before each")]
    Words,
    /// An address that is none, or of the other family.
    #[error("an address in the PROXY header is not valid")]
    Address,
    /// A port that is none.
    #[error("a port in the PROXY header is not valid")]
    Port,
    /// A later version.
    #[error("the PROXY header is of version {0}; 1 and 2 are understood")]
    Version(u8),
    /// A command that the specification does not know.
    #[error("the PROXY header's command {0} is unknown")]
    Command(u8),
    /// A family or transport that the specification does not know.
    #[error("the PROXY header's address family and transport {0:#04x} are unknown")]
    Family(u8),
    /// More than a header needs.
    #[error("the PROXY header has {0} bytes; at most {max} are read", max = limits::PROXY_HEADER_BYTES)]
    TooLong(usize),
    /// Fewer bytes than the addresses have.
    #[error("the PROXY header is too short for its addresses")]
    TooShort,
    /// An extension that goes on beyond the header.
    #[error("an extension (TLV) of the PROXY header is longer than what is left of it")]
    Extension,
    /// The checksum is not that of the header.
    #[error("the PROXY header's checksum is wrong")]
    Checksum,
}

/// Read a header from the first bytes of a connection. Called again with more of them until it is whole; nothing is
/// decoded before that, but bytes that can be no header's are refused at once.
///
/// # Errors
/// This is no header. The connection is to be closed: without one, nobody knows whose it is.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Invalid> {
    if begins(bytes, LINE_START) {
        line(bytes)
    } else if begins(bytes, SIGNATURE) {
        binary(bytes)
    } else {
        Err(Invalid::NoHeader)
    }
}

/// Whether `bytes` are the beginning of something that starts with `start`, as far as they go.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(byte, expected)| byte == expected)
}

/// Version 1 (section 2.1).
fn line(bytes: &[u8]) -> Result<Parsed, Invalid> {
    let window = bytes.get(..LINE_BYTES).unwrap_or(bytes);
    let end = window.windows(2).position(|pair| pair == b"\r\n");
    let Some(rest) = window.get(LINE_START.len()..end.unwrap_or(window.len())) else { return Ok(Parsed::Need) };

    // The receiver ignores what an unknown connection's line says.
    let unknown = rest.starts_with(b"UNKNOWN") && rest.get(7).is_none_or(|byte| *byte == b' ');
    if !unknown {
        begun(rest, end.is_some())?;
    }
    match end {
        None if bytes.len() >= LINE_BYTES => Err(Invalid::LineTooLong),
        None => Ok(Parsed::Need),
        Some(end) if unknown => Ok(Parsed::Done { source: None, length: end + 2 }),
        Some(end) => Ok(Parsed::Done { source: Some(endpoints(rest)?), length: end + 2 }),
    }
}

/// Whether what is behind "PROXY " can become a line.
fn begun(rest: &[u8], whole: bool) -> Result<(), Invalid> {
    // The line's end may have come in half.
    let rest = if whole { rest } else { rest.strip_suffix(b"\r").unwrap_or(rest) };
    if rest.len() < 8 && begins(rest, b"UNKNOWN") {
        return Ok(());
    }
    let (word, addresses) = rest.split_at_checked(4).unwrap_or((rest, b""));
    if !begins(word, b"TCP4") && !begins(word, b"TCP6") {
        return Err(Invalid::Protocol);
    }
    let belongs = |byte: &u8| byte.is_ascii_hexdigit() || b" .:".contains(byte);
    if addresses.iter().all(belongs) { Ok(()) } else { Err(Invalid::Byte) }
}

/// "TCP4 192.168.0.1 192.168.0.11 56324 443", behind "PROXY ".
fn endpoints(rest: &[u8]) -> Result<(SocketAddr, SocketAddr), Invalid> {
    let rest = std::str::from_utf8(rest).map_err(|_| Invalid::Byte)?;
    let mut words = rest.split(' ');
    let mut word = || words.next().ok_or(Invalid::Words);
    let (family, source, destination, source_port, destination_port) = (word()?, word()?, word()?, word()?, word()?);
    if words.next().is_some() || [source, destination, source_port, destination_port].contains(&"") {
        return Err(Invalid::Words);
    }
    let (source, destination) = match family {
        "TCP4" => (address::<Ipv4Addr>(source)?, address::<Ipv4Addr>(destination)?),
        "TCP6" => (address::<Ipv6Addr>(source)?, address::<Ipv6Addr>(destination)?),
        _ => return Err(Invalid::Protocol),
    };
    Ok((SocketAddr::new(source, port(source_port)?), SocketAddr::new(destination, port(destination_port)?)))
}

/// Canonical: an IPv4 address that comes as an IPv6 one is to meet the same rules as the client's other connections.
fn address<A: FromStr + Into<IpAddr>>(word: &str) -> Result<IpAddr, Invalid> {
    word.parse::<A>().map(|address| address.into().to_canonical()).map_err(|_| Invalid::Address)
}

fn port(word: &str) -> Result<u16, Invalid> {
    // parse takes "+80" and "080" too.
    let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| plain).ok_or(Invalid::Port)
}

/// Version 2 (section 2.2).
fn binary(bytes: &[u8]) -> Result<Parsed, Invalid> {
    let Some(command) = bytes.get(SIGNATURE.len()) else { return Ok(Parsed::Need) };
    if command >> 4 != 2 {
        return Err(Invalid::Version(command >> 4));
    }
    let command = command & 0xf;
    if command > PROXY {
        return Err(Invalid::Command(command));
    }
    let Some(kind) = bytes.get(SIGNATURE.len() + 1) else { return Ok(Parsed::Need) };
    let (family, transport) = (kind >> 4, kind & 0xf);
    // Of the load balancer's own connections not even the family counts.
    if command == PROXY && (family > UNIX || transport > DATAGRAM) {
        return Err(Invalid::Family(*kind));
    }
    let Some(&[high, low]) = bytes.get(SIGNATURE.len() + 2..FIXED_BYTES) else { return Ok(Parsed::Need) };
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if length > limits::PROXY_HEADER_BYTES {
        return Err(Invalid::TooLong(length));
    }
    if command == PROXY && length < FIXED_BYTES + address_bytes(family, transport) {
        return Err(Invalid::TooShort);
    }
    let (Some(header), Some(block)) = (bytes.get(..length), bytes.get(FIXED_BYTES..length)) else {
        return Ok(Parsed::Need);
    };
    if command != PROXY || family == UNSPECIFIED || transport == UNSPECIFIED {
        return Ok(Parsed::Done { source: None, length });
    }
    let source = match family {
        INET => binary_endpoints::<4>(block).map(Some),
        INET6 => binary_endpoints::<16>(block).map(Some),
        _ => Ok(None),
    }?;
    extensions(header, FIXED_BYTES + address_bytes(family, transport))?;
    Ok(Parsed::Done { source, length })
}

/// What the specification reserves for the two addresses.
fn address_bytes(family: u8, transport: u8) -> usize {
    match family {
        _ if transport == UNSPECIFIED => 0,
        INET => 2 * 4 + 2 * 2,
        INET6 => 2 * 16 + 2 * 2,
        UNIX => 2 * 108,
        _ => 0,
    }
}

/// Source and destination address of `N` bytes each, then their ports.
fn binary_endpoints<const N: usize>(block: &[u8]) -> Result<(SocketAddr, SocketAddr), Invalid>
where
    IpAddr: From<[u8; N]>,
{
    let read = || {
        let (source, rest) = block.split_first_chunk::<N>()?;
        let (destination, rest) = rest.split_first_chunk::<N>()?;
        let (source_port, rest) = rest.split_first_chunk::<2>()?;
        let (destination_port, _) = rest.split_first_chunk::<2>()?;
        let endpoint = |address: &[u8; N], port: &[u8; 2]| {
            SocketAddr::new(IpAddr::from(*address).to_canonical(), u16::from_be_bytes(*port))
        };
        Some((endpoint(source, source_port), endpoint(destination, destination_port)))
    };
    read().ok_or(Invalid::TooShort)
}

/// The type-length-value vectors from `start` to the header's end: skipped, but for the checksum.
fn extensions(header: &[u8], start: usize) -> Result<(), Invalid> {
    let mut at = start;
    while at < header.len() {
        let Some(&[kind, high, low]) = header.get(at..at + 3) else { return Err(Invalid::Extension) };
        let value = at + 3..at + 3 + usize::from(u16::from_be_bytes([high, low]));
        let Some(found) = header.get(value.clone()) else { return Err(Invalid::Extension) };
        if kind == CRC32C {
            let expected: [u8; 4] = found.try_into().map_err(|_| Invalid::Checksum)?;
            if checksum(header, value.start) != u32::from_be_bytes(expected) {
                return Err(Invalid::Checksum);
            }
        }
        at = value.end;
    }
    Ok(())
}

/// CRC32c (RFC 4960, appendix B) of `header`, the four bytes at `hole` taken as zeros. Bit by bit: few headers have one,
/// and they are short.
fn checksum(header: &[u8], hole: usize) -> u32 {
    let mut register = u32::MAX;
    for (at, byte) in header.iter().enumerate() {
        register ^= if (hole..hole + 4).contains(&at) { 0 } else { u32::from(*byte) };
        for _ in 0..8 {
            let feedback = if register & 1 == 1 { CASTAGNOLI } else { 0 };
            register = (register >> 1) ^ feedback;
        }
    }
    !register
}

const LINE_START: &[u8] = b"PROXY ";
/// The specification's worst case, the line's end included.
const LINE_BYTES: usize = 107;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family and length.
const FIXED_BYTES: usize = 16;
const PROXY: u8 = 1;
const UNSPECIFIED: u8 = 0;
const INET: u8 = 1;
const INET6: u8 = 2;
const UNIX: u8 = 3;
const DATAGRAM: u8 = 2;
const CRC32C: u8 = 3;
const CASTAGNOLI: u32 = 0x82f6_3b78;

#[cfg(test)]
mod tests;
