//! UUIDs (RFC 9562) as text.

use std::time::{SystemTime, UNIX_EPOCH};

/// 36 characters.
pub(crate) type Text = [u8; 36];

/// All random (version 4, section 5.4).
pub(crate) fn v4() -> Result<Text, getrandom::Error> {
    Ok(text(of_version(4, random()?)))
}

/// In the order of time (version 7, section 5.7): databases like their keys so.
pub(crate) fn v7() -> Result<Text, getrandom::Error> {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(text(of_version(7, random()? >> 48 | millis << 80)))
}

fn random() -> Result<u128, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_be_bytes(bytes))
}

/// With version and variant (sections 4.2 and 4.1) in their places.
fn of_version(version: u128, bits: u128) -> u128 {
    let places = 0xf << 76 | 0b11 << 62;
    bits & !places | version << 76 | 0b10 << 62
}

fn text(uuid: u128) -> Text {
    let mut text = [b'-'; 36];
    let (high, low) = ((uuid >> 64) as u64, uuid as u64);
    // Eight digits at a time, and those of groups that are shorter moved to their places.
    let parts =
        [(0, high >> 32, 8), (9, high >> 16, 4), (14, high, 4), (19, low >> 48, 4), (24, low >> 16, 8), (32, low, 4)];
    for (begin, bits, length) in parts {
        let digits = last_digits(bits);
        let digits = digits.get(8 - length..).unwrap_or_default();
        if let Some(places) = text.get_mut(begin..begin + length) {
            places.copy_from_slice(digits);
        }
    }
    text
}

/// The last eight hexadecimal digits: their bits are spread over eight bytes, and all made digits at once.
fn last_digits(bits: u64) -> [u8; 8] {
    const ALL: u64 = 0x0101_0101_0101_0101;
    let mut spread = bits & 0xffff_ffff;
    spread = (spread << 16 | spread) & 0x0000_ffff_0000_ffff;
    spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff;
    spread = (spread << 4 | spread) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte that is to be a letter.
    let letters = (spread + 6 * ALL) >> 4 & ALL;
    (spread + u64::from(b'0') * ALL + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_digits_in_order() {
        assert_eq!(&text(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef), b"01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(&text(of_version(4, u128::MAX)), b"ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(&text(of_version(7, 0)), b"00000000-0000-7000-8000-000000000000");
    }
}
