//! `ready-edits`: what lies ready lies so for the thread, whatever exchange it is lent: natively, instances are plugins
//! that a test has.

use std::cell::RefCell;

use super::{exchange, gateway_once_loaded, limits, request, response};
use crate::host::types::Edit;
use crate::testing::headers;

thread_local! {
    static READY: RefCell<Vec<(Vec<Edit>, Vec<u32>)>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn prepare(edits: &[Edit], open: &[u32]) -> Result<u32, String> {
    gateway_once_loaded("no edits are prepared", |_| {
        if edits.len() > limits::HEADER_FIELDS {
            return Err(format!("up to {} edits lie ready together, not {}", limits::HEADER_FIELDS, edits.len()));
        }
        headers::check(edits)?;
        for (at, &place) in open.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| open.get(before));
            if !edits.get(place as usize).is_some_and(headers::has_value)
                || before.is_some_and(|&before| before >= place)
            {
                return Err(format!("there is no value to be left open at {place}"));
            }
        }
        READY.with_borrow_mut(|ready| {
            let (lists, bytes) = (limits::READY_EDITS, limits::EDIT_BYTES);
            let all = ready.iter().flat_map(|(edits, _)| edits).chain(edits);
            if ready.len() >= lists || all.map(headers::bytes).sum::<usize>() > bytes {
                return Err(format!("an instance has at most {lists} lists of edits ready, of {bytes} bytes together"));
            }
            ready.push((edits.to_vec(), open.to_vec()));
            Ok(ready.len() as u32 - 1)
        })
    })
}

pub(crate) fn edit_request(number: u32, values: &[u8]) -> Result<(), String> {
    request::edit(&with(number, values)?)
}

pub(crate) fn edit_response(number: u32, values: &[u8]) -> Result<(), String> {
    response::edit(&with(number, values)?)
}

pub(crate) fn edit_answer(number: u32, values: &[u8]) -> Result<(), String> {
    exchange::edit_answer(&with(number, values)?)
}

/// The edits of this number, with the values that they leave open.
#[track_caller]
fn with(number: u32, values: &[u8]) -> Result<Vec<Edit>, String> {
    let (mut edits, open) = READY.with_borrow(|ready| match ready.get(number as usize) {
        Some(ready) => ready.clone(),
        None => panic!("no edits lie ready under the number {number}"),
    });
    let mut lines = values.split_inclusive(|byte| *byte == b'\n');
    for place in &open {
        let field = headers::field(&mut edits[*place as usize]).expect("`prepare` has looked");
        let value = lines.next().and_then(|line| line.strip_suffix(b"\n"));
        let missing = || format!("there is no value for {} that ends with a line feed", field.name);
        field.value = value.ok_or_else(missing)?.to_vec();
    }
    match lines.next() {
        Some(_) => Err(format!("there are more values than the {} left open", open.len())),
        None => Ok(edits),
    }
}
