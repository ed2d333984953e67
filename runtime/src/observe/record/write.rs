//! The pieces of a line: numbers, addresses, and text from anybody, made harmless. A line is written for each request,
//! so the usual case of each piece is one pass and one copy.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::balance::Address;
use crate::limits;

/// Add `number`.
pub(super) fn number(line: &mut Vec<u8>, number: u64) {
    padded(line, number, 1);
}

/// Add `number` with at least `width` digits, at most 20.
pub(super) fn padded(line: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if number == 0 && used >= width {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
    }
    line.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Add `time` in milliseconds, with three decimals.
pub(super) fn milliseconds(line: &mut Vec<u8>, time: Duration) {
    let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    number(line, microseconds / 1_000);
    line.push(b'.');
    padded(line, microseconds % 1_000, 3);
}

/// Add an address.
pub(super) fn address(line: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            number(line, a.into());
            for octet in [b, c, d] {
                line.push(b'.');
                number(line, octet.into());
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(address) => {
            let _ = write!(line, "{address}");
        }
    }
}

/// Add an address and its port.
pub(super) fn socket_address(line: &mut Vec<u8>, socket: SocketAddr) {
    match socket {
        SocketAddr::V4(_) => {
            address(line, socket.ip());
            line.push(b':');
            number(line, socket.port().into());
        }
        // Writing to a Vec cannot fail.
        SocketAddr::V6(socket) => {
            let _ = write!(line, "{socket}");
        }
    }
}

/// Add the address of a target.
pub(super) fn place(line: &mut Vec<u8>, address: &Address, escape: Escape) {
    match address {
        Address::Tcp(address) => socket_address(line, *address),
        Address::Unix(path) => {
            line.extend_from_slice(b"unix:");
            bytes(line, path.as_os_str().as_encoded_bytes(), escape);
        }
    }
}

/// How a piece of text is written where it is not plain.
pub(super) type Escape = fn(&mut Vec<u8>, char);

/// Add `text`, all but plain characters by way of `escape`; too long a text is cut, and ends in "…".
pub(super) fn text(line: &mut Vec<u8>, text: &str, escape: Escape) {
    let kept = text.get(..text.floor_char_boundary(limits::ACCESS_LOG_FIELD_BYTES)).unwrap_or_default();
    if is_plain(kept.as_bytes()) {
        line.extend_from_slice(kept.as_bytes());
    } else {
        kept.chars().for_each(|character| escape(line, character));
    }
    if kept.len() < text.len() {
        line.extend_from_slice("…".as_bytes());
    }
}

/// Add `bytes` as text. A byte that is no UTF-8 is shown as `\xff`. So is a backslash that an "x" follows, as `\x5c`:
/// what was sent can be told from what is shown.
pub(super) fn bytes(line: &mut Vec<u8>, bytes: &[u8], escape: Escape) {
    let kept = bytes.get(..limits::ACCESS_LOG_FIELD_BYTES).unwrap_or(bytes);
    if is_plain(kept) {
        line.extend_from_slice(kept);
    } else {
        for chunk in kept.utf8_chunks() {
            let mut characters = chunk.valid().chars().peekable();
            while let Some(character) = characters.next() {
                if character == '\\' && characters.peek() == Some(&'x') {
                    byte(line, b'\\', escape);
                } else {
                    escape(line, character);
                }
            }
            chunk.invalid().iter().for_each(|invalid| byte(line, *invalid, escape));
        }
    }
    if kept.len() < bytes.len() {
        line.extend_from_slice("…".as_bytes());
    }
}

fn byte(line: &mut Vec<u8>, byte: u8, escape: Escape) {
    escape(line, '\\');
    line.push(b'x');
    hexadecimal(line, byte.into(), 2);
}

/// As in a JSON string. What terminals, editors and readers of lines may obey is escaped, though JSON does not ask for
/// it.
pub(super) fn escape_json(line: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => line.extend_from_slice(&[b'\\', character as u8]),
        // All of them have at most four digits.
        _ if is_obeyed(character) => {
            line.extend_from_slice(b"\\u");
            hexadecimal(line, character.into(), 4);
        }
        _ => line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// As in a line for people: no character moves the cursor, ends the line or turns it around.
pub(super) fn escape_text(line: &mut Vec<u8>, character: char) {
    if is_obeyed(character) {
        line.extend_from_slice(b"\\u{");
        hexadecimal(line, character.into(), 1);
        line.push(b'}');
    } else {
        line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Whether a character does something instead of being shown: controls, line and paragraph separators, and marks that
/// change the direction of writing.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether all of it can be written as it is, in either form. In blocks, of which the compiler makes vectors.
fn is_plain(text: &[u8]) -> bool {
    let plain = |byte: &u8| (byte.wrapping_sub(b' ') < 0x5f) & (*byte != b'"') & (*byte != b'\\');
    let (blocks, rest) = text.as_chunks::<16>();
    blocks.iter().all(|block| block.iter().fold(true, |all, byte| all & plain(byte))) && rest.iter().all(plain)
}

/// At least `width` digits, lower case.
fn hexadecimal(line: &mut Vec<u8>, number: u32, width: usize) {
    // Writing to a Vec cannot fail.
    let _ = write!(line, "{number:0width$x}");
}
