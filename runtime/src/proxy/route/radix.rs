//! A radix tree that is built once: from bytes to everything that was filed under a beginning of them. Nodes, children
//! side by side, each with its label inside, so that a step down costs one or two cache lines.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

#[derive(Debug)]
pub(super) struct Radix<T> {
    /// The root comes first, its label empty.
    nodes: Box<[Node]>,
    /// The first byte of each node's label, at the node's own place: siblings are in ascending order.
    edges: Box<[u8]>,
    /// In the order of their keys.
    values: Box<[T]>,
}

/// 32 bytes, two to a cache line.
#[derive(Debug)]
struct Node {
    /// What it adds to its parent's; longer ones go on in an only child.
    label: [u8; LABEL],
    label_length: u8,
    /// Siblings have different first bytes, so there are 256 at most.
    children: u16,
    first_child: u32,
    /// `NONE`: nothing ends here.
    value: u32,
}

const LABEL: usize = 21;
const NONE: u32 = u32::MAX;

impl<T> Radix<T> {
    pub(super) fn new(filed: BTreeMap<Vec<u8>, T>) -> Self {
        let (keys, values): (Vec<Vec<u8>>, Vec<T>) = filed.into_iter().unzip();
        let (mut nodes, mut edges) = (vec![Node::new(&[])], vec![0]);
        // Keys are sorted, so those below a node are a slice of them, and those below a child a slice of that.
        let mut open = VecDeque::from([Open { node: 0, keys: 0..keys.len(), depth: 0 }]);
        while let Some(Open { node, keys: Range { mut start, end }, depth }) = open.pop_front() {
            let mut value = NONE;
            if start < end && keys.get(start).is_some_and(|key| key.len() == depth) {
                value = index(start);
                start += 1;
            }
            let first_child = index(nodes.len());
            while let Some((first, behind)) = keys.get(start).filter(|_| start < end).and_then(|key| step(key, depth)) {
                let below = keys.get(start..end).unwrap_or_default();
                let count = below.partition_point(|key| key.get(depth).is_some_and(|byte| *byte <= first));
                let last = below.get(count.saturating_sub(1)).and_then(|key| key.get(depth..)).unwrap_or_default();
                let common = behind.iter().zip(last).take(LABEL).take_while(|(a, b)| a == b).count();

                open.push_back(Open { node: nodes.len(), keys: start..start + count, depth: depth + common });
                nodes.push(Node::new(behind.get(..common).unwrap_or_default()));
                edges.push(first);
                start += count;
            }
            let children = nodes.len() - first_child as usize;
            if let Some(node) = nodes.get_mut(node) {
                node.value = value;
                node.first_child = first_child;
                node.children = u16::try_from(children).unwrap_or(u16::MAX);
            }
        }
        Self { nodes: nodes.into(), edges: edges.into(), values: values.into() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Visit what is filed under every beginning of `bytes`, the shortest first.
    pub(super) fn walk<'r>(&'r self, bytes: &[u8], mut visit: impl FnMut(&'r T)) {
        let (mut node, mut rest) = (self.nodes.first(), bytes);
        while let Some(here) = node {
            if let Some(value) = self.values.get(here.value as usize) {
                visit(value);
            }
            let Some(child) = rest.first().and_then(|first| self.child(here, *first)) else { return };
            let Some(behind) = rest.strip_prefix(child.label()) else { return };
            (node, rest) = (Some(child), behind);
        }
    }

    fn child(&self, node: &Node, first: u8) -> Option<&Node> {
        let start = node.first_child as usize;
        match node.children {
            0 => None,
            // Whether it is the right one, its label tells.
            1 => self.nodes.get(start),
            count => {
                let nth = self.edges.get(start..start + usize::from(count))?.binary_search(&first).ok()?;
                self.nodes.get(start + nth)
            }
        }
    }
}

impl Node {
    /// `label` has `LABEL` bytes at most.
    fn new(label: &[u8]) -> Self {
        let mut node = Self { label: [0; LABEL], label_length: 0, children: 0, first_child: 0, value: NONE };
        for (to, from) in node.label.iter_mut().zip(label) {
            *to = *from;
            node.label_length += 1;
        }
        node
    }

    fn label(&self) -> &[u8] {
        self.label.get(..usize::from(self.label_length)).unwrap_or_default()
    }
}

/// A node whose children are still to be made, of these keys, which agree in their first `depth` bytes.
struct Open {
    node: usize,
    keys: Range<usize>,
    depth: usize,
}

/// The byte that leads from `depth` into `key`, and all from there.
fn step(key: &[u8], depth: usize) -> Option<(u8, &[u8])> {
    key.get(depth..).and_then(|behind| Some((*behind.first()?, behind)))
}

/// Four billion nodes do not fit into memory; were they there, the last ones would not be found.
fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_fit_into_a_cache_line() {
        assert_eq!(size_of::<Node>(), 32);
    }

    #[test]
    fn a_walk_meets_every_beginning_and_nothing_else() {
        let mut random = fastrand::Rng::with_seed(3);
        let text = |random: &mut fastrand::Rng| -> Vec<u8> {
            let longest = if random.u8(0..8) == 0 { 300 } else { 7 };
            (0..random.usize(0..longest)).map(|_| *random.choice(b"ab\x00\xff").unwrap()).collect()
        };
        for round in 0..300 {
            let keys: BTreeMap<Vec<u8>, Vec<u8>> =
                (0..round).map(|_| text(&mut random)).map(|key| (key.clone(), key)).collect();
            let tree = Radix::new(keys.clone());
            for _ in 0..100 {
                let asked = text(&mut random);
                let mut met = Vec::new();
                tree.walk(&asked, |key| met.push(key.clone()));
                let mut expected: Vec<_> = keys.keys().filter(|key| asked.starts_with(key)).cloned().collect();
                expected.sort_by_key(Vec::len);
                assert_eq!(met, expected, "{asked:?} among {keys:?}");
            }
        }
    }

    #[test]
    fn an_empty_tree_and_all_256_edges_are_fine() {
        let empty = Radix::<()>::new(BTreeMap::new());
        empty.walk(b"abc", |()| panic!("nothing is filed"));
        assert!(empty.is_empty());
        let full = Radix::new((0..=255u8).map(|byte| (vec![byte, 7], byte)).collect());
        for byte in 0..=255 {
            let mut met = Vec::new();
            full.walk(&[byte, 7, 9], |found| met.push(*found));
            assert_eq!(met, [byte]);
        }
    }
}
