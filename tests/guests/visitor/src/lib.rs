//! Connects, sends datagrams, reads and writes files with nothing but the standard library, as the request's headers
//! say, and tells the client what came of it: 200 with what was read, or 599 with the error.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{fs, thread};

use tidegate_sdk::prelude::*;

#[derive(Config)]
#[config(validate = Settings::prepare)]
struct Settings {
    /// Read this file while the plugin is loaded, and tell what was in it where `x-prepared` asks.
    prepare: Option<String>,
    /// Connect there while the plugin is loaded, which fails.
    connect: Option<String>,
    /// Whom the timer asks.
    timer: Option<String>,
}

static PREPARED: OnceLock<String> = OnceLock::new();

thread_local! {
    /// A connection that is kept from one request to the next.
    static KEPT: RefCell<Option<TcpStream>> = const { RefCell::new(None) };
}

impl Settings {
    fn prepare(&self) -> Result<(), String> {
        if let Some(peer) = &self.connect {
            TcpStream::connect(peer).map_err(|error| format!("{peer}: {}", told(&error)))?;
        }
        if let Some(path) = &self.prepare {
            let text = fs::read_to_string(path).map_err(|error| format!("{path}: {}", told(&error)))?;
            PREPARED.get_or_init(|| text);
        }
        Ok(())
    }
}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        let asked = |name: &str| request.header(name).map(|value| value.to_str().unwrap_or_default().to_owned());
        let done = if let Some(peer) = asked("x-tcp") {
            TcpStream::connect(peer).and_then(ping)
        } else if let Some(peer) = asked("x-keep") {
            kept(&peer)
        } else if let Some(peer) = asked("x-udp") {
            udp(&peer)
        } else if let Some(address) = asked("x-listen") {
            TcpListener::bind(address).map(|_| "listening".to_owned())
        } else if let Some(path) = asked("x-read") {
            fs::read_to_string(path)
        } else if let Some(path) = asked("x-hoard") {
            let hoard: io::Result<Vec<_>> = (0..1_000).map(|_| fs::File::open(&path)).collect();
            hoard.map(|hoard| hoard.len().to_string())
        } else if let Some(path) = asked("x-list") {
            list(&path)
        } else if let Some(path) = asked("x-write") {
            fs::write(&path, "written").map(|()| "written".to_owned())
        } else if let Some(pauses) = asked("x-sleep") {
            for pause in pauses.split(' ') {
                thread::sleep(Duration::from_millis(pause.parse().unwrap_or_default()));
            }
            println!("slept for {pauses} ms");
            Ok("slept".to_owned())
        } else if asked("x-toil").is_some() {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(5) {
                let turn = Instant::now();
                while turn.elapsed() < Duration::from_millis(2) {}
                thread::sleep(Duration::from_nanos(1));
            }
            Ok("toiled".to_owned())
        } else if asked("x-prepared").is_some() {
            Ok(PREPARED.get().cloned().unwrap_or_default())
        } else {
            return Flow::Next;
        };
        match done {
            Ok(text) => Flow::reply(200).body(text),
            Err(error) => Flow::reply(599).body(told(&error)),
        }
    }
}

impl TimerHook for Settings {
    fn on_timer(&self) -> Result<()> {
        if let Some(peer) = &self.timer {
            log::info!("the timer was told {}", ping(TcpStream::connect(peer)?)?);
        }
        Ok(())
    }
}

export!(Settings: RequestHook, TimerHook);

/// One line there and one back.
fn ping(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"PING\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// The same over a connection that is made once.
fn kept(peer: &str) -> io::Result<String> {
    KEPT.with_borrow_mut(|kept| match kept {
        Some(stream) => ping(stream),
        None => ping(kept.insert(TcpStream::connect(peer)?)),
    })
}

fn udp(peer: &str) -> io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"PING", peer)?;
    let mut buffer = [0; 64];
    let (length, _) = socket.recv_from(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

fn told(error: &io::Error) -> String {
    format!("{:?}: {error}", error.kind())
}
