use std::future::poll_fn;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::*;
use crate::proxy::stream::Socket;

/// A line, and its client.
fn line() -> (Line, UnixStream) {
    let (ours, client) = UnixStream::pair().unwrap();
    (Line::new(Stream::from(Socket::Unix(ours))), client)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// All of a body, and its trailers.
async fn read(reader: &mut Reader) -> Result<(Vec<u8>, Option<http::HeaderMap>), Fault> {
    let (mut body, mut trailers) = (Vec::new(), None);
    while let Some(frame) = poll_fn(|cx| reader.poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(bytes) => body.extend_from_slice(&bytes),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((body, trailers))
}

/// Whether the next request can be read.
async fn ends(line: &Line) -> bool {
    poll_fn(|cx| Poll::Ready(line.end(cx))).await
}

async fn is_in_order(line: &Line) -> bool {
    poll_fn(|cx| Poll::Ready(line.is_in_order(cx))).await
}

#[test]
fn a_client_that_waits_is_told_once_and_only_if_there_is_nothing_yet() {
    run(async {
        let (line, mut client) = line();
        for _ in 0..2 {
            let mut reader = line.begin(Framing::Length(4), Waits::Yes);
            let told = async {
                let mut said = vec![0; GO_ON.len()];
                client.read_exact(&mut said).await.unwrap();
                client.write_all(b"body").await.unwrap();
                said
            };
            let (body, said) = tokio::join!(read(&mut reader), told);
            assert_eq!((body.unwrap().0.as_slice(), said.as_slice()), (&b"body"[..], GO_ON));
            assert!(line.rest_of_interim().is_empty() && ends(&line).await);
        }
        line.put_back(BytesMut::from("body"));
        let mut reader = line.begin(Framing::Length(4), Waits::Yes);
        assert_eq!(read(&mut reader).await.unwrap().0, b"body");
        // The answer begins: from now on it is too late.
        assert!(line.rest_of_interim().is_empty() && ends(&line).await);
        let mut byte = [0];
        assert!(client.try_read(&mut byte).is_err(), "nothing was said");
    });
}

#[test]
fn a_body_that_nobody_reads_is_thrown_away_if_it_is_here() {
    run(async {
        let (line, _client) = line();
        line.put_back(BytesMut::from("4\r\nbody\r\n0\r\n\r\n"));
        drop(line.begin(Framing::CHUNKED, Waits::Yes));
        assert!(is_in_order(&line).await && ends(&line).await && !line.has_read());
        // Somebody may still come to its end.
        line.put_back(BytesMut::from("half"));
        let reader = line.begin(Framing::Length(8), Waits::No);
        assert!(is_in_order(&line).await);
        drop(reader);
        assert!(!is_in_order(&line).await && !ends(&line).await);
        for (framing, sent) in
            [(Framing::CHUNKED, b"zz\r\n".to_vec()), (Framing::Length(10 << 20), vec![b'x'; limits::UNREAD_BYTES + 1])]
        {
            let (line, _client) = self::line();
            line.put_back(BytesMut::from(sent.as_slice()));
            drop(line.begin(framing, Waits::No));
            assert!(!is_in_order(&line).await && !ends(&line).await, "{framing:?}");
        }
    });
}

#[test]
fn a_body_ends_with_its_request() {
    run(async {
        let (line, mut client) = line();
        client.write_all(b"onetwo").await.unwrap();
        let mut first = line.begin(Framing::Length(3), Waits::No);
        assert_eq!(read(&mut first).await.unwrap().0, b"one");
        assert!(first.is_over() && ends(&line).await);
        let mut second = line.begin(Framing::Length(3), Waits::No);
        assert!(!first.is_over() && matches!(read(&mut first).await, Err(Fault::Closed)));
        drop(first);
        assert_eq!(read(&mut second).await.unwrap().0, b"two");
    });
}

#[test]
fn a_client_that_goes_away_is_noticed_by_whoever_reads() {
    run(async {
        let (line, mut client) = line();
        let mut reader = line.begin(Framing::Length(8), Waits::No);
        client.write_all(b"half").await.unwrap();
        drop(client);
        poll_fn(|cx| {
            assert!(line.poll_gone(cx).is_pending(), "it is the reader's to say");
            Poll::Ready(())
        })
        .await;
        assert!(matches!(read(&mut reader).await, Err(Fault::Closed)));
        drop(reader);
        assert!(!is_in_order(&line).await && !ends(&line).await);
        let (line, client) = self::line();
        drop(client);
        poll_fn(|cx| line.poll_gone(cx)).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However a body is cut and however it arrives, it is the same, and what comes behind it is left for the next.
    #[test]
    fn a_body_in_any_pieces(
        chunks in vec(vec(any::<u8>(), 1..60), 0..6),
        chunked in any::<bool>(),
        cuts in vec(1..40_usize, 1..12),
    ) {
        let (mut wire, body) = (Vec::new(), chunks.concat());
        let framing = if chunked {
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\nx-sum: 1\r\n\r\n");
            Framing::CHUNKED
        } else {
            wire.extend_from_slice(&body);
            Framing::Length(body.len() as u64)
        };
        wire.extend_from_slice(b"GET /next");
        run(async {
            let (line, mut client) = line();
            let writing = tokio::spawn(async move {
                let (mut rest, mut cuts) = (wire.as_slice(), cuts.iter().cycle());
                while !rest.is_empty() {
                    let cut = cuts.next().map_or(1, |cut| *cut).min(rest.len());
                    client.write_all(&rest[..cut]).await.unwrap();
                    rest = &rest[cut..];
                    tokio::task::yield_now().await;
                }
                client
            });
            let mut reader = line.begin(framing, Waits::No);
            let (read, trailers) = read(&mut reader).await.unwrap();
            assert_eq!(read, body);
            assert_eq!(trailers.is_some(), chunked);
            assert!(reader.is_over() && ends(&line).await);
            let mut next = line.take_read().to_vec();
            while next.len() < b"GET /next".len() {
                poll_fn(|cx| line.poll_more(cx)).await.unwrap();
                next.extend_from_slice(&line.take_read());
            }
            assert_eq!(next, b"GET /next");
            drop(writing.await.unwrap());
        });
    }

    /// Whatever is sent as chunks, nothing panics, and it comes to an end.
    #[test]
    fn garbage_instead_of_chunks(garbage in vec(any::<u8>(), 0..200), chunked in any::<bool>()) {
        run(async {
            let (line, mut client) = line();
            client.write_all(&garbage).await.unwrap();
            drop(client);
            let framing = if chunked { Framing::CHUNKED } else { Framing::Length(100) };
            let mut reader = line.begin(framing, Waits::No);
            let whole = read(&mut reader).await.is_ok();
            assert_eq!(whole, ends(&line).await);
        });
    }
}
