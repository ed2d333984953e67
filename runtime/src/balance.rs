//! Which target of an upstream the next request goes to: smooth weighted round-robin, laid out once as a sequence, so
//! that choosing is one atomic addition.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::checked::Target;
use crate::config::values::Authority;
use crate::limits;

/// The targets of one upstream.
pub struct Balancer {
    targets: Vec<Arc<Authority>>,
    /// Positions in `targets`, in the order of turns.
    turns: Vec<u16>,
    next: AtomicUsize,
}

impl Balancer {
    /// A balancer over `targets`; one of weight 0 gets nothing.
    pub fn new(targets: &[Target]) -> Self {
        let weights = scaled(targets);
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
        let targets = targets.iter().map(|target| Arc::new(target.address.clone())).collect();
        Self { targets, turns, next: AtomicUsize::new(0) }
    }

    /// Whose turn it is; `None` if no target has any weight.
    pub fn pick(&self) -> Option<&Arc<Authority>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.turns.len())?;
        self.targets.get(usize::from(*self.turns.get(turn)?))
    }
}

/// Weights divided by what they have in common, and scaled down if their sum were still too long a sequence.
fn scaled(targets: &[Target]) -> Vec<usize> {
    let weights: Vec<usize> = targets.iter().map(|target| usize::from(target.weight)).collect();
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

    fn turns(weights: &[u16], count: usize) -> Vec<u16> {
        let targets: Vec<Target> = (1..)
            .zip(weights)
            .map(|(port, weight)| Target { address: Authority { host: "t".into(), port }, weight: *weight })
            .collect();
        let balancer = Balancer::new(&targets);
        (0..count).filter_map(|_| balancer.pick().map(|target| target.port)).collect()
    }

    #[test]
    fn equal_targets_take_turns() {
        assert_eq!(turns(&[100, 100, 100], 6), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn heavier_targets_get_their_share_spread_out() {
        assert_eq!(turns(&[200, 100, 100], 4), [1, 2, 3, 1]);
        assert_eq!(turns(&[5, 0, 5], 4), [1, 3, 1, 3]);
        let many = turns(&[65_535, 1, 30_000], 10_000);
        assert!(many.contains(&2), "the smallest share is still one");
        assert!((6_000..7_500).contains(&many.iter().filter(|port| **port == 1).count()));
    }

    #[test]
    fn nobody_with_weight_means_nobody() {
        assert_eq!(turns(&[0, 0], 3), [0_u16; 0]);
    }
}
