//! Breaks the contract in every way that the SDK does not let a plugin break it, as `x-attack` says, or its config while
//! it is loaded. Some of it is done below the SDK, by the functions as they are imported.

use std::time::Duration;

use tidegate_sdk::prelude::*;

#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// What to do while it is configured.
    attack: Option<String>,
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        match self.attack.as_deref() {
            Some("loop") => spin(),
            Some("trap") => panic!("configured to death"),
            Some("exchange") => Err(format!("it is {}", exchange::id())),
            Some("read-ahead") => {
                raw::begin_read("file");
                Ok(())
            }
            // Looked at, so that no compiler finds that nobody needs it.
            Some("grow") => Err(format!("{} bytes", std::hint::black_box(vec![1_u8; 1 << 30]).len())),
            _ => Ok(()),
        }
    }
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        let Some(attack) = request.header("x-attack") else { return Ok(Flow::Next) };
        match attack.to_str()? {
            // What is said to be at the end of memory, and far beyond.
            "huge-length" => raw::log_write(2, 8, i32::MAX),
            "negative-length" => raw::log_write(2, 8, -1),
            "beyond-memory" => raw::log_write(2, i32::MIN, 16),
            "no-such-level" => raw::log_write(99, 8, 1),
            "not-utf8" => raw::header(&[b'x', 0xff, 0xfe]),
            "odd-return-place" => raw::header_to(1),
            "response-in-request" => raw::response_status(),
            "large-reply" => return Ok(Flow::reply(200).body(vec![b'x'; 6 << 20])),
            "many-headers" => {
                let reply = (0..5_000).fold(Flow::reply(200), |reply, at| reply.header(format!("x-{at}"), "1"));
                return Ok(reply.empty());
            }
            "edits" => (0..5_000).for_each(|at| request.set_header(format!("x-{at}"), "1")),
            "flood" => loop {
                std::hint::black_box(exchange::id());
            },
            "scratch" => exchange::set("k", vec![0; 1 << 20]),
            "deep" => return Err(format!("{}", deep(0)).into()),
            "sleep" => std::thread::sleep(Duration::from_secs(60)),
            "print" => {
                println!("printed on purpose");
                eprintln!("complained on purpose");
            }
            "read-file" => return Err(format!("{:?}", std::fs::read("/etc/passwd")).into()),
            "environment" => return Err(format!("{:?}", std::env::vars().count()).into()),
            "connect" => return Err(format!("{:?}", std::net::TcpStream::connect("127.0.0.1:1").err()).into()),
            "random" => return Err(format!("{} bytes", raw::random(1 << 20)).into()),
            "print-at-once" => raw::print(&b"x\n".repeat(256 << 10)),
            "read-inner" => return Ok(Flow::reply(200).body(std::fs::read("/inner/file")?)),
            "read-behind" => return Ok(Flow::reply(200).body(raw::end_read())),
            "exit" => std::process::exit(3),
            other => return Err(format!("there is no attack {other:?}").into()),
        }
        Ok(Flow::Next)
    }
}

export!(Settings: RequestHook);

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "on purpose")]
fn deep(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    deep(depth + 1) + std::hint::black_box(frame[0])
}

/// The gateway's functions as they are imported, with whatever for their arguments.
#[cfg(target_family = "wasm")]
mod raw {
    #![expect(unsafe_code, reason = "the point of it is to say what no safe code could")]

    use std::cell::RefCell;

    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
    use wasip2::io::streams::InputStream;

    thread_local! {
        static BEGUN: RefCell<Option<InputStream>> = const { RefCell::new(None) };
    }

    #[link(wasm_import_module = "tidegate:plugin/log@0.1.0")]
    unsafe extern "C" {
        #[link_name = "write"]
        fn write(level: i32, at: i32, length: i32);
    }

    #[link(wasm_import_module = "tidegate:plugin/request@0.1.0")]
    unsafe extern "C" {
        #[link_name = "header"]
        fn get(at: *const u8, length: usize, returned: i32);
    }

    #[link(wasm_import_module = "tidegate:plugin/response@0.1.0")]
    unsafe extern "C" {
        #[link_name = "status"]
        fn status() -> i32;
    }

    pub(super) fn log_write(level: i32, at: i32, length: i32) {
        unsafe { write(level, at, length) }
    }

    pub(super) fn header(name: &[u8]) {
        let mut returned = [0_u32; 4];
        unsafe { get(name.as_ptr(), name.len(), returned.as_mut_ptr() as i32) }
    }

    pub(super) fn header_to(returned: i32) {
        unsafe { get(b"host".as_ptr(), 4, returned) }
    }

    pub(super) fn response_status() {
        let _ = unsafe { status() };
    }

    pub(super) fn random(length: u64) -> usize {
        wasip2::random::random::get_random_bytes(length).len()
    }

    pub(super) fn print(lines: &[u8]) {
        let _ = wasip2::cli::stdout::get_stdout().write(lines);
    }

    /// Begin to read a file of the granted folder, and do not wait for it.
    pub(super) fn begin_read(path: &str) {
        let (folder, _) = get_directories().remove(0);
        let file = folder.open_at(PathFlags::empty(), path, OpenFlags::empty(), DescriptorFlags::READ).unwrap();
        let stream = file.read_via_stream(0).unwrap();
        assert!(stream.read(64).unwrap().is_empty(), "it has waited");
        BEGUN.set(Some(stream));
    }

    /// Wait for it.
    pub(super) fn end_read() -> Vec<u8> {
        BEGUN.take().map(|stream| stream.blocking_read(64).unwrap()).unwrap_or_default()
    }
}

/// Natively there is no boundary to be broken.
#[cfg(not(target_family = "wasm"))]
mod raw {
    pub(super) fn log_write(_: i32, _: i32, _: i32) {}
    pub(super) fn header(_: &[u8]) {}
    pub(super) fn header_to(_: i32) {}
    pub(super) fn response_status() {}
    pub(super) fn print(_: &[u8]) {}
    pub(super) fn begin_read(_: &str) {}
    pub(super) fn end_read() -> Vec<u8> {
        Vec::new()
    }
    pub(super) fn random(_: u64) -> usize {
        0
    }
}
