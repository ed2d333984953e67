//! What was found out about User-Agents of late. Few clients differ in theirs, so that regexes are seldom asked; the
//! memory for it has a bound, whatever clients send.

use std::cell::RefCell;
use std::collections::HashMap;

/// What a User-Agent says of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Welcome,
    Bot,
}

/// Verdicts in two halves: when the newer one is full, the older one is forgotten and the newer one becomes it. What is
/// asked for again in time thus stays.
#[derive(Default)]
pub(crate) struct Verdicts(RefCell<Halves>);

#[derive(Default)]
struct Halves {
    newer: HashMap<Box<[u8]>, Verdict>,
    older: HashMap<Box<[u8]>, Verdict>,
}

/// Of each half: with User-Agents of 1 KiB at most, both take less than 2 MiB.
const MOST: usize = 512;

impl Verdicts {
    /// The verdict on `agent`, by `judge` unless it is known.
    pub(crate) fn of(&self, agent: &[u8], judge: impl FnOnce(&[u8]) -> Verdict) -> Verdict {
        let halves = &mut *self.0.borrow_mut();
        if let Some(known) = halves.newer.get(agent) {
            return *known;
        }
        let verdict = halves.older.remove(agent).unwrap_or_else(|| judge(agent));
        if halves.newer.len() >= MOST {
            halves.older = std::mem::take(&mut halves.newer);
        }
        halves.newer.insert(agent.into(), verdict);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_user_agent_is_judged_once() {
        let (verdicts, judged) = (Verdicts::default(), Cell::new(0));
        let judge = |agent: &[u8]| {
            judged.set(judged.get() + 1);
            if agent == b"bot" { Verdict::Bot } else { Verdict::Welcome }
        };
        for _ in 0..3 {
            assert_eq!(verdicts.of(b"bot", judge), Verdict::Bot);
            assert_eq!(verdicts.of(b"human", judge), Verdict::Welcome);
        }
        assert_eq!(judged.get(), 2);
    }

    #[test]
    fn strangers_take_bounded_memory_and_push_out_nobody_who_keeps_coming() {
        let verdicts = Verdicts::default();
        assert_eq!(verdicts.of(b"regular", |_| Verdict::Bot), Verdict::Bot);
        for stranger in 0..10 * MOST {
            verdicts.of(stranger.to_string().as_bytes(), |_| Verdict::Welcome);
            let regular = verdicts.of(b"regular", |_| panic!("it is known"));
            assert_eq!(regular, Verdict::Bot);
            let halves = verdicts.0.borrow();
            assert!(halves.newer.len() <= MOST && halves.older.len() <= MOST);
        }
    }
}
