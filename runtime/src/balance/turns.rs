//! Smooth weighted round-robin, laid out once as a sequence, so that a turn is one atomic addition.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits;

/// Positions among the endpoints, in the order of their turns.
pub(super) struct Turns(Box<[u16]>);

impl Turns {
    /// A sequence in which each has its share; a weight of 0 has none.
    pub(super) fn new(weights: &[u32]) -> Self {
        let weights = scaled(weights);
        let total: usize = weights.iter().sum();
        let mut standing = vec![0_i64; weights.len()];
        let mut turns = Vec::with_capacity(total);
        for _ in 0..total {
            // Everybody gains their weight; who stands highest takes the turn and pays for it. So a target of weight
            // 2 among 2, 1, 1 gets every other turn instead of two in a row.
            for (standing, weight) in standing.iter_mut().zip(&weights) {
                *standing += i64::try_from(*weight).unwrap_or(i64::MAX);
            }
            let highest =
                standing.iter_mut().enumerate().max_by_key(|(at, standing)| (**standing, std::cmp::Reverse(*at)));
            if let Some((at, standing)) = highest {
                *standing -= i64::try_from(total).unwrap_or(i64::MAX);
                turns.push(u16::try_from(at).unwrap_or(u16::MAX));
            }
        }
        Self(turns.into())
    }

    /// The next whom `fits` takes. A turn that is skipped is used up, so the others' shares stay as they are and
    /// nobody inherits the turns of the one before them. `None` if some turns brought nobody.
    pub(super) fn next(&self, counter: &AtomicUsize, mut fits: impl FnMut(usize) -> bool) -> Option<usize> {
        for _ in 0..=limits::TURNS_SKIPPED {
            let turn = counter.fetch_add(1, Ordering::Relaxed).checked_rem(self.0.len())?;
            let at = self.at(turn)?;
            if fits(at) {
                return Some(at);
            }
        }
        None
    }

    /// Anyone, the likelier the more turns it has.
    pub(super) fn random(&self) -> Option<usize> {
        if self.0.is_empty() { None } else { self.at(fastrand::usize(..self.0.len())) }
    }

    fn at(&self, turn: usize) -> Option<usize> {
        self.0.get(turn).copied().map(usize::from)
    }
}

/// Weights divided by what they have in common, and scaled down if their sum were still too long a sequence.
fn scaled(weights: &[u32]) -> Vec<usize> {
    let weights: Vec<usize> = weights.iter().map(|weight| usize::try_from(*weight).unwrap_or(usize::MAX)).collect();
    let common = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let reduced: Vec<usize> = weights.iter().map(|weight| weight / common).collect();
    let total: usize = reduced.iter().sum();
    if total <= limits::BALANCE_SLOTS {
        return reduced;
    }
    reduced.iter().map(|weight| (weight * limits::BALANCE_SLOTS).div_ceil(total)).collect()
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(weights: &[u32], count: usize) -> Vec<usize> {
        let (turns, counter) = (Turns::new(weights), AtomicUsize::new(0));
        (0..count).filter_map(|_| turns.next(&counter, |_| true)).collect()
    }

    #[test]
    fn equal_targets_take_turns() {
        assert_eq!(turns(&[100, 100, 100], 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn heavier_targets_get_their_share_spread_out() {
        assert_eq!(turns(&[200, 100, 100], 4), [0, 1, 2, 0]);
        assert_eq!(turns(&[5, 0, 5], 4), [0, 2, 0, 2]);
        let many = turns(&[65_535, 1, 30_000], 10_000);
        assert!(many.contains(&1), "the smallest share is still one");
        assert!((6_000..7_500).contains(&many.iter().filter(|at| **at == 0).count()));
    }

    #[test]
    fn who_is_skipped_leaves_the_others_their_order() {
        let (turns, counter) = (Turns::new(&[1, 1, 1]), AtomicUsize::new(0));
        let without: Vec<_> = (0..4).filter_map(|_| turns.next(&counter, |at| at != 1)).collect();
        assert_eq!(without, [0, 2, 0, 2]);
        assert_eq!(turns.next(&counter, |_| false), None);
    }

    #[test]
    fn nobody_with_weight_means_nobody() {
        assert_eq!(turns(&[0, 0], 3), [0_usize; 0]);
        assert_eq!(Turns::new(&[]).random(), None);
    }
}
