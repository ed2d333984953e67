use proptest::prelude::*;

use super::*;

fn line_of(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

fn binary_of(command: u8, kind: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x20 | command, kind], &length, block].concat()
}

fn block_of(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let mut block = Vec::new();
    for ip in [source.ip(), destination.ip()] {
        match ip {
            IpAddr::V4(ip) => block.extend(ip.octets()),
            IpAddr::V6(ip) => block.extend(ip.octets()),
        }
    }
    block.extend(source.port().to_be_bytes());
    block.extend(destination.port().to_be_bytes());
    block
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind][..], &length, value].concat()
}

/// The header with its checksum, which is its last extension, filled in.
fn summed(mut header: Vec<u8>) -> Vec<u8> {
    let hole = header.len() - 4;
    let sum = checksum(&header, hole).to_be_bytes();
    header[hole..].copy_from_slice(&sum);
    header
}

fn done(source: &str, destination: &str, length: usize) -> Result<Parsed, Invalid> {
    Ok(Parsed::Done { source: Some((source.parse().unwrap(), destination.parse().unwrap())), length })
}

#[test]
fn the_specifications_lines() {
    let request = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n";
    assert_eq!(parse(request), done("192.168.0.1:56324", "192.168.0.11:443", 47));

    let longest = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    assert_eq!(longest.len(), 56);
    assert_eq!(parse(longest), done("255.255.255.255:65535", "255.255.255.255:65535", 56));

    let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let longest = format!("PROXY TCP6 {all} {all} 65535 65535\r\n");
    assert_eq!(longest.len(), 104);
    assert_eq!(parse(longest.as_bytes()), done(&format!("[{all}]:65535"), &format!("[{all}]:65535"), 104));

    let worst = format!("PROXY UNKNOWN {all} {all} 65535 65535\r\n");
    assert_eq!(worst.len(), 107);
    for unknown in ["PROXY UNKNOWN\r\n", &worst, "PROXY UNKNOWN \u{1}whatever \r is \n here\r\n"] {
        assert_eq!(parse(unknown.as_bytes()), Ok(Parsed::Done { source: None, length: unknown.len() }), "{unknown:?}");
    }
    assert_eq!(parse(b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), done("0.0.0.0:0", "0.0.0.0:0", 32));
    let mapped = b"PROXY TCP6 ::ffff:10.0.0.1 ::FFFF:a00:2 1 2\r\n";
    assert_eq!(parse(mapped), done("10.0.0.1:1", "10.0.0.2:2", mapped.len()));
}

#[test]
fn lines_that_are_none() {
    for (text, expected) in [
        ("GET / HTTP/1.1\r\n", Invalid::NoHeader),
        ("PROXYTCP4", Invalid::NoHeader),
        ("proxy TCP4 ", Invalid::NoHeader),
        ("\u{16}\u{3}\u{1}", Invalid::NoHeader),
        ("PROXY  TCP4", Invalid::Protocol),
        ("PROXY TCP5 ", Invalid::Protocol),
        ("PROXY UDP4 ", Invalid::Protocol),
        ("PROXY tcp4 ", Invalid::Protocol),
        ("PROXY UNKNOWNS\r\n", Invalid::Protocol),
        ("PROXY UNKNO\r\n", Invalid::Words),
        ("PROXY UNKNOWN\rX", Invalid::Protocol),
        ("PROXY TCP\r\n", Invalid::Words),
        ("PROXY \r\n", Invalid::Words),
        ("PROXY TCP4\t1.1.1.1", Invalid::Byte),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", Invalid::Byte),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", Invalid::Byte),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n", Invalid::Byte),
        ("PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", Invalid::Words),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", Invalid::Words),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", Invalid::Words),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", Invalid::Words),
        ("PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n", Invalid::Address),
        ("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", Invalid::Address),
        ("PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", Invalid::Address),
        ("PROXY TCP4 ::1 ::2 1 2\r\n", Invalid::Address),
        ("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", Invalid::Address),
        ("PROXY TCP6 ::1 ::1::2 1 2\r\n", Invalid::Address),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 080 2\r\n", Invalid::Port),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 00 2\r\n", Invalid::Port),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", Invalid::Port),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n", Invalid::Byte),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 a\r\n", Invalid::Port),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(expected), "{text:?}");
    }
    let mut endless = b"PROXY UNKNOWN ".to_vec();
    endless.resize(106, b'x');
    assert_eq!(parse(&endless), Ok(Parsed::Need));
    endless.push(b'\r');
    assert_eq!(parse(&endless), Err(Invalid::LineTooLong));
    endless.push(b'\n');
    assert_eq!(parse(&endless), Err(Invalid::LineTooLong));
}

#[test]
fn binary_headers() {
    let (source, destination) = ("192.168.0.1:56324", "192.168.0.11:443");
    // Written out, so that the other tests' way to make headers is tested too.
    let header = *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbbrest";
    assert_eq!(parse(&header), done(source, destination, 28));
    let block = block_of(source.parse().unwrap(), destination.parse().unwrap());
    assert_eq!(binary_of(1, 0x11, &block), header[..28]);
    assert_eq!(parse(&binary_of(1, 0x12, &block)), done(source, destination, 28));

    let none = |length| Ok(Parsed::Done { source: None, length });
    assert_eq!(parse(&binary_of(0, 0x00, b"")), none(16));
    assert_eq!(parse(&binary_of(0, 0xff, b"anything")), none(24));
    assert_eq!(parse(&binary_of(1, 0x00, b"anything")), none(24));
    assert_eq!(parse(&binary_of(1, 0x10, b"any")), none(19));
    assert_eq!(parse(&binary_of(1, 0x31, &[0; 216])), none(232));
    let extended = [&block[..], &tlv(1, b"h2"), &tlv(4, b""), &tlv(0xe0, &[7; 300])].concat();
    assert_eq!(parse(&binary_of(1, 0x11, &extended)), done(source, destination, 16 + extended.len()));
}

#[test]
fn binary_headers_that_are_none() {
    let block = [1; 12];
    let with = |extension: &[u8]| parse(&binary_of(1, 0x11, &[&block[..], extension].concat()));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIX"), Err(Invalid::NoHeader));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\n\x11"), Err(Invalid::Version(1)));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\n\x31"), Err(Invalid::Version(3)));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\n\x22"), Err(Invalid::Command(2)));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\n\x21\x41"), Err(Invalid::Family(0x41)));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\n\x21\x13"), Err(Invalid::Family(0x13)));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\x00"), Err(Invalid::TooLong(4112)));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x23"), Err(Invalid::TooShort));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xd7"), Err(Invalid::TooShort));
    assert_eq!(with(&[4, 0]), Err(Invalid::Extension));
    assert_eq!(with(&[4, 0, 2, 0]), Err(Invalid::Extension));
    assert_eq!(with(&[4, 0xff, 0xff, 0]), Err(Invalid::Extension));
    assert_eq!(with(&tlv(3, &[0; 3])), Err(Invalid::Checksum));
    assert_eq!(with(&tlv(3, &[0; 4])), Err(Invalid::Checksum));
    let largest = vec![0; limits::PROXY_HEADER_BYTES - FIXED_BYTES];
    assert!(parse(&binary_of(0, 0, &largest)).is_ok());
}

#[test]
fn the_checksum_is_castagnolis_and_covers_the_header() {
    // RFC 3720, appendix B.4, and the check value that catalogues of CRCs give.
    assert_eq!(checksum(&[0; 32], 100), 0x8a91_36aa);
    assert_eq!(checksum(b"123456789", 100), 0xe306_9283);
    let block = [&[9; 12][..], &tlv(1, b"h2"), &tlv(3, &[0; 4])].concat();
    let header = summed(binary_of(1, 0x11, &block));
    assert!(parse(&header).is_ok());
    // With another type, the checksum would be some extension that nobody knows.
    let own_type = header.len() - 7;
    for at in (FIXED_BYTES..header.len()).filter(|at| *at != own_type) {
        let mut damaged = header.clone();
        damaged[at] ^= 0x10;
        assert!(parse(&damaged).is_err(), "byte {at}");
    }
}

fn endpoints_of_one_family() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let of = |ip: BoxedStrategy<IpAddr>| (ip.clone(), any::<u16>(), ip, any::<u16>());
    let v4 = any::<[u8; 4]>().prop_map(IpAddr::from).boxed();
    let v6 = any::<[u8; 16]>().prop_map(|octets| IpAddr::from(octets).to_canonical());
    let v6 = v6.prop_filter("an IPv4 address", IpAddr::is_ipv6).boxed();
    prop_oneof![of(v4), of(v6)]
        .prop_map(|(from, port, to, other)| (SocketAddr::new(from, port), SocketAddr::new(to, other)))
}

fn any_header() -> impl Strategy<Value = (Option<(SocketAddr, SocketAddr)>, Vec<u8>)> {
    let line = endpoints_of_one_family().prop_map(|(from, to)| (Some((from, to)), line_of(from, to)));
    let extensions = proptest::collection::vec((4_u8.., proptest::collection::vec(any::<u8>(), 0..40)), 0..4);
    let binary = (endpoints_of_one_family(), extensions, any::<bool>()).prop_map(|((from, to), extensions, sum)| {
        let mut block = block_of(from, to);
        extensions.iter().for_each(|(kind, value)| block.extend(tlv(*kind, value)));
        if sum {
            block.extend(tlv(CRC32C, &[0; 4]));
        }
        let header = binary_of(1, if from.is_ipv4() { 0x11 } else { 0x21 }, &block);
        (Some((from, to)), if sum { summed(header) } else { header })
    });
    let local = proptest::collection::vec(any::<u8>(), 0..60).prop_map(|block| (None, binary_of(0, 0, &block)));
    let unknown = "[ -~]{0,80}".prop_map(|rest| (None, format!("PROXY UNKNOWN {rest}\r\n").into_bytes()));
    prop_oneof![line, binary, local, unknown]
}

proptest! {
    #[test]
    fn a_header_comes_back_however_it_is_split((source, header) in any_header(), rest in any::<[u8; 8]>()) {
        for cut in 0..header.len() {
            prop_assert_eq!(parse(&header[..cut]), Ok(Parsed::Need), "after {} bytes", cut);
        }
        let whole = Ok(Parsed::Done { source, length: header.len() });
        prop_assert_eq!(parse(&header), whole);
        prop_assert_eq!(parse(&[&header[..], &rest].concat()), whole);
    }

    #[test]
    fn random_bytes_are_refused_or_read_and_never_more_than_there_are(
        start in prop::sample::select(vec![
            &b""[..], LINE_START, b"PROXY TCP4 ", SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00",
        ]),
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &rest].concat();
        if let Ok(Parsed::Done { length, .. }) = parse(&bytes) {
            prop_assert!(length <= bytes.len());
        }
        // What was refused stays refused, whatever follows.
        if let Err(refused) = parse(&bytes[..bytes.len() / 2]) {
            prop_assert!(parse(&bytes).is_err(), "{}", refused);
        }
    }

    #[test]
    fn a_changed_header_never_panics((_, mut header) in any_header(), at in any::<prop::sample::Index>(), to: u8) {
        let at = at.index(header.len());
        header[at] = to;
        let _ = parse(&header);
    }
}
