use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A body, its trailers, and what was left unread.
type Read = (Vec<u8>, Option<HeaderMap>, Vec<u8>);

/// What comes of `wire`, read in these pieces.
fn read(mut framing: Framing, pieces: &[&[u8]]) -> Result<Read, String> {
    let (mut body, mut trailers, mut buffer) = (Vec::new(), None, BytesMut::new());
    let mut pieces = pieces.iter();
    loop {
        match framing.decode(&mut buffer).map_err(|fault| fault.to_string())? {
            Step::Frame(frame) => match frame.into_data() {
                Ok(bytes) => body.extend_from_slice(&bytes),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
            Step::End => return Ok((body, trailers, buffer.to_vec())),
            Step::More => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => return Err("more".to_owned()),
            },
        }
    }
}

const CHUNKED: Framing = Framing::CHUNKED;

fn chunked(wire: &str) -> Result<Read, String> {
    let bytes: Vec<&[u8]> = wire.as_bytes().chunks(1).collect();
    let (whole, bit_by_bit) = (read(CHUNKED, &[wire.as_bytes()]), read(CHUNKED, &bytes));
    match (&whole, &bit_by_bit) {
        // What comes behind the body is not read for it, so it is there only if it came in one piece.
        (Ok((body, trailers, _)), Ok(other)) => assert_eq!((body, trailers), (&other.0, &other.1), "{wire:?}"),
        _ => assert_eq!(whole.is_err(), bit_by_bit.is_err(), "{wire:?}: {whole:?}, {bit_by_bit:?}"),
    }
    whole
}

#[test]
fn chunks_end_with_an_empty_one_and_what_follows_is_left_alone() {
    for (wire, body, left) in [
        ("0\r\n\r\n", "", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
        ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nHTTP/1.1", "hello world", "HTTP/1.1"),
        ("A;a=b;c=\"d\"\r\n0123456789\r\n00 ;last\r\n\r\n", "0123456789", ""),
        ("5  \r\nhello\r\n000\r\n\r\n", "hello", ""),
        ("1\r\n\n\r\n0\r\n\r\n", "\n", ""),
    ] {
        let (read, trailers, unread) = chunked(wire).unwrap();
        assert_eq!(
            (read.as_slice(), trailers, unread.as_slice()),
            (body.as_bytes(), None, left.as_bytes()),
            "{wire:?}"
        );
    }
}

#[test]
fn trailers_come_behind_the_last_chunk() {
    let (body, trailers, left) = chunked("2\r\nok\r\n0\r\nX-Sum: 1\r\nx-sum:2 \r\n\r\nnext").unwrap();
    let sums: Vec<_> = trailers.as_ref().unwrap().get_all("x-sum").iter().collect();
    assert_eq!(sums, ["1", "2"]);
    assert_eq!((body.as_slice(), left.as_slice()), (&b"ok"[..], &b"next"[..]));
}

#[test]
fn what_is_no_chunk_is_refused() {
    for wire in [
        "\r\n",
        "zz\r\nok",
        "-1\r\nok",
        "+2\r\nok",
        "0x2\r\nok",
        " 2\r\nok",
        "2\nok\r\n0\r\n\r\n",
        "2\r\nokk\r\n",
        "2\r\nok\n0\r\n\r\n",
        "2\r\nok\r\r\n",
        "2 2\r\nok\r\n",
        "2;a\rb\r\nok\r\n",
        "10000000000000000\r\n",
        "fffffffffffffffff\r\n",
        "2\r\r\nok\r\n",
        "2\x0c\r\nok\r\n",
        "0\r\nno field\r\n\r\n",
        "0\r\n\n",
        "0\r\na: b\n\r\n",
        "0\r\na: b\r\n\n",
        "0\r\na: \0\r\n\r\n",
        "0\r\n: a\r\n\r\n",
    ] {
        let refused = chunked(wire).expect_err(wire);
        assert_ne!(refused, "more", "{wire:?}");
    }
}

#[test]
fn lines_and_trailers_are_bounded() {
    let endless = |wire: String| chunked(&wire).unwrap_err();
    assert_ne!(endless(format!("1;{}", "a".repeat(limits::CHUNK_LINE_BYTES))), "more");
    let small = format!("1;{}\r\nx\r\n", "a".repeat(1000));
    assert_ne!(endless(small.repeat(limits::CHUNK_EXTENSION_BYTES / 1000 + 1)), "more");
    assert_ne!(endless(format!("0\r\na: {}", "a".repeat(limits::TRAILER_BYTES))), "more");
    assert_ne!(endless(format!("0\r\na: {}\r\n\r\n", "a".repeat(limits::TRAILER_BYTES))), "more");
    assert_ne!(endless(format!("0\r\n{}", "a: b\r\n".repeat(limits::TRAILERS + 1))), "more");
}

#[test]
fn a_length_is_kept_to_and_none_lasts_until_the_connection_ends() {
    let (body, _, left) = read(Framing::Length(5), &[b"he", b"llo, next"]).unwrap();
    assert_eq!((body.as_slice(), left.as_slice()), (&b"hello"[..], &b", next"[..]));
    assert_eq!(read(Framing::Length(5), &[b"hell"]).unwrap_err(), "more");
    assert_eq!(read(Framing::Length(0), &[b"hello"]).unwrap().0, b"");
    let mut endless = Framing::UntilClosed;
    assert!(matches!(endless.decode(&mut BytesMut::from("x")), Ok(Step::Frame(_))));
    assert!(matches!(endless.decode(&mut BytesMut::new()), Ok(Step::More)));
    assert!(endless.ends_with_the_connection() && !endless.is_over());
}

#[test]
fn an_end_that_came_along_with_the_last_piece_is_seen_at_once() {
    for (rest, over) in [("\r\n0\r\n\r\n", true), ("\r\n0\r\n", false), ("\r\n0\r\na: b\r\n\r\n", false), ("", false)] {
        let mut framing = CHUNKED;
        let mut buffer = BytesMut::from(format!("2\r\nok{rest}").as_str());
        assert!(matches!(framing.decode(&mut buffer), Ok(Step::Frame(_))));
        assert_eq!(framing.is_over(), over, "{rest:?}");
    }
}

proptest! {
    /// However chunks are cut and however they arrive, the body is the same, and nothing panics.
    #[test]
    fn any_chunks_in_any_pieces(
        chunks in vec(vec(any::<u8>(), 1..40), 0..8),
        cuts in vec(1..30_usize, 1..20),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let (mut pieces, mut rest, mut cuts) = (Vec::new(), wire.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(read(CHUNKED, &pieces).unwrap().0, chunks.concat());
    }

    #[test]
    fn nothing_that_comes_panics(wire in vec(select(), 0..60), size in 1..20_usize) {
        let _ = read(CHUNKED, &wire.chunks(size).collect::<Vec<_>>());
    }
}

/// Bytes that have a meaning here more often than not.
fn select() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b"\r\n0123456789abcdefABCDEF;: \t".to_vec()), any::<u8>()]
}
