use super::*;
use crate::host::bindings::tidegate::plugin::types::Renaming;

#[test]
fn edits_that_take_no_room_are_made_however_full_a_head_is() {
    let header = |number: usize| Header { name: format!("x-{number}"), value: b"1".to_vec() };
    let mut headers = HeaderMap::new();
    edit(&mut headers, (0..limits::HEADER_FIELDS).map(|number| Edit::Append(header(number))).collect()).unwrap();
    edit(&mut headers, (0..50).map(|number| Edit::Set(header(number))).collect()).unwrap();
    edit(&mut headers, vec![Edit::Append(header(0))]).unwrap_err();
    edit(&mut headers, (0..50).map(|number| Edit::Replace(header(number))).collect()).unwrap();
    edit(&mut headers, (0..50).map(|number| Edit::Add(header(number))).collect()).unwrap();
    edit(&mut headers, vec![rename("x-0", "x-new"), Edit::Add(header(0))]).unwrap_err();
    assert!(headers.contains_key("x-0"), "half an edit was made");
    edit(&mut headers, vec![rename("x-0", "x-new"), rename("x-new", "x-0")]).unwrap();
    edit(&mut headers, vec![Edit::Remove("x-0".to_owned()), Edit::Add(header(0))]).unwrap();
    edit(&mut headers, (0..50).map(|number| Edit::Remove(format!("x-{number}"))).collect()).unwrap();
    assert_eq!(headers.len(), limits::HEADER_FIELDS - 50);
}

#[test]
fn fields_are_renamed_all_together_in_place_of_others() {
    let mut headers = HeaderMap::new();
    for (name, value) in [("x-a", "1"), ("x-b", "0"), ("x-a", "2"), ("x-b", "9")] {
        headers.append(name, HeaderValue::from_static(value));
    }
    edit(&mut headers, vec![rename("X-Not-There", "x-b"), rename("x-a", "X-A"), rename("X-A", "X-B")]).unwrap();
    assert_eq!(headers.get_all("x-b").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(headers.len(), 2);
    let refusal = "content-length belongs to the gateway, plugins cannot edit it";
    assert_eq!(edit(&mut headers, vec![rename("Content-Length", "x-b")]), Err(refusal.to_owned()));
    assert_eq!(edit(&mut headers, vec![rename("x-b", "Content-Length")]), Err(refusal.to_owned()));
}

fn set(name: &str, value: &str) -> Edit {
    Edit::Set(Header { name: name.to_owned(), value: value.as_bytes().to_vec() })
}

#[test]
fn edits_lie_ready_with_values_left_open() {
    let edits = vec![set("x-a", "1"), set("x-b", "?"), Edit::Remove("x-c".to_owned()), set("x-d", "?")];
    let ready = Ready::new(edits, &[1, 3]).unwrap();
    for (text, b, d) in [("2\n4\n", "2", "4"), ("\n\n", "", ""), ("a b\n\tc\n", "a b", "\tc")] {
        let mut headers = HeaderMap::from_iter([(HeaderName::from_static("x-c"), HeaderValue::from_static("3"))]);
        ready.make(&mut headers, ready.values(text.as_bytes()).unwrap()).unwrap();
        let expected = [("x-a", "1"), ("x-b", b), ("x-d", d)];
        assert!(expected.iter().all(|(name, value)| headers.get(*name).unwrap() == value), "{headers:?}");
        assert_eq!(headers.len(), 3);
    }
    for (text, problem) in [
        ("", "there is no value for x-b that ends with a line feed"),
        ("2\n", "there is no value for x-d that ends with a line feed"),
        ("2\n4", "there is no value for x-d that ends with a line feed"),
        ("2\n4\n5\n", "there are more values than the 2 left open"),
        ("2\r\n4\n", "the value of x-b has a byte that no header value may have"),
    ] {
        assert_eq!(ready.values(text.as_bytes()).unwrap_err(), problem, "{text:?}");
    }
}

#[test]
fn what_cannot_be_made_lies_nowhere_ready() {
    let edits = || vec![set("x-a", "1"), Edit::Remove("x-b".to_owned()), set("x-c", "1")];
    for open in [&[1][..], &[3], &[0, 0], &[2, 0], &[u32::MAX]] {
        assert!(Ready::new(edits(), open).unwrap_err().starts_with("there is no value to be left open at"), "{open:?}");
    }
    assert!(Ready::new(edits(), &[0, 2]).is_ok());
    assert_eq!(Ready::new(vec![set("te", "1")], &[]).unwrap_err(), "te belongs to the gateway, plugins cannot edit it");
    let many = |count: usize| (0..count).map(|number| set(&format!("x-{number}"), "1")).collect::<Vec<_>>();
    assert!(Ready::new(many(limits::HEADER_FIELDS), &[]).is_ok());
    assert!(Ready::new(many(limits::HEADER_FIELDS + 1), &[]).is_err());
}

#[test]
fn an_instance_has_so_much_ready_and_no_more() {
    let ready = |bytes: usize| Ready::new(vec![set("x", &"1".repeat(bytes - 1))], &[]).unwrap();
    let mut shelf = Shelf::default();
    for number in 0..limits::READY_EDITS {
        assert_eq!(shelf.keep(ready(2)), Ok(u32::try_from(number).unwrap()));
    }
    shelf.keep(ready(2)).unwrap_err();
    assert!(shelf.list(63).is_ok());
    assert!(shelf.list(64).unwrap_err().to_string().contains("no edits lie ready under the number 64"));
    let mut shelf = Shelf::default();
    assert_eq!(shelf.keep(ready(limits::EDIT_BYTES)), Ok(0));
    shelf.keep(ready(1)).unwrap_err();
}

#[test]
fn what_is_handed_over_for_an_answer_is_bounded_and_each_uses_own() {
    let count = Ready::new((0..100).map(|number| set(&format!("x-{number}"), "1")).collect(), &[]).unwrap();
    let mut advance = InAdvance::default();
    advance.hand_over(Space(1), Arc::clone(&count), Values::new()).unwrap();
    advance.hand_over(Space(2), Arc::clone(&count), Values::new()).unwrap();
    advance.hand_over(Space(2), Ready::new(vec![set("x-a", "1")], &[]).unwrap(), Values::new()).unwrap_err();
    advance.forget(Space(2));
    let open = Ready::new(vec![set("x-open", "")], &[0]).unwrap();
    let long = HeaderValue::from_maybe_shared(Bytes::from(vec![b'1'; limits::EDIT_BYTES])).unwrap();
    advance.hand_over(Space(3), Arc::clone(&open), Values::from_iter([long])).unwrap_err();
    advance.hand_over(Space(3), open, Values::from_iter([HeaderValue::from_static("3")])).unwrap();
    let mut headers = HeaderMap::new();
    advance.make(Space(2), &mut headers).unwrap();
    assert!(headers.is_empty());
    advance.make(Space(3), &mut headers).unwrap();
    assert_eq!((headers.len(), headers.get("x-open").unwrap()), (1, &HeaderValue::from_static("3")));
    advance.make(Space(1), &mut headers).unwrap();
    assert_eq!(headers.len(), 101);
    assert_eq!(advance.make(Space(1), &mut (200..400).map(numbered).collect()).unwrap_err(), full());
}

fn numbered(number: u32) -> (HeaderName, HeaderValue) {
    (format!("x-{number}").parse().unwrap(), HeaderValue::from_static("1"))
}

fn full() -> String {
    format!("a header section holds at most {} fields here", limits::HEADER_FIELDS)
}

fn rename(old: &str, new: &str) -> Edit {
    Edit::Rename(Renaming { old: old.to_owned(), new: new.to_owned() })
}
