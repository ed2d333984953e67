//! Radix trees that are built once, from bytes to everything that was filed under a beginning of them. All trees lie
//! in one array, children side by side, each with its label, what is filed there and usually the way to its children
//! inside, so that a step down costs a cache line, and a host with a single path no more than its root.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

#[derive(Debug)]
pub(super) struct Radix<T> {
    /// The roots come first, by the numbers of their trees.
    nodes: Box<[Node<T>]>,
    /// The first byte of each node's label, at the node's own place, for parents that have no room for them. Siblings
    /// are in ascending order.
    edges: Box<[u8]>,
}

/// A cache line, if a `T` has 20 bytes.
#[derive(Debug)]
#[repr(align(64))]
struct Node<T> {
    /// Its label, what it adds to its parent's; longer ones go on in an only child. Behind it the first bytes of its
    /// children's, if there is room for all.
    text: [u8; TEXT],
    label_length: u8,
    /// Siblings have different first bytes, so there are 256 at most.
    children: u16,
    first_child: u32,
    value: Option<T>,
}

const TEXT: usize = 37;
/// How many beginnings of one path are put in order; nobody nests deeper.
const NESTED: usize = 8;

impl<T: Copy> Radix<T> {
    /// One tree for each of the lists of keys and what is filed under them.
    pub(super) fn new(trees: Vec<BTreeMap<Vec<u8>, T>>) -> Self {
        let mut radix = Draft { nodes: Vec::new(), edges: Vec::new() };
        let trees: Vec<(Vec<Vec<u8>>, Vec<T>)> = trees.into_iter().map(|filed| filed.into_iter().unzip()).collect();
        for (keys, _) in &trees {
            let label = keys.first().zip(keys.last()).map_or(&[][..], |(first, last)| common(first, last));
            radix.push(label, 0);
        }
        for (root, (keys, values)) in trees.iter().enumerate() {
            radix.grow(root, keys, values);
        }
        Self { nodes: radix.nodes.into(), edges: radix.edges.into() }
    }

    /// Visit what is filed in a tree under every beginning of `bytes`, with what of `bytes` is behind that: the longest
    /// first, but for what is filed deeper than anybody nests.
    pub(super) fn walk<'r, 'b>(&'r self, tree: u32, bytes: &'b [u8], mut visit: impl FnMut(&'r T, &'b [u8])) {
        let (mut met, mut count) = ([None; NESTED], 0);
        let Some(mut node) = self.nodes.get(tree as usize) else { return };
        let mut rest = bytes.strip_prefix(node.label());
        while let Some(behind) = rest {
            if let Some(value) = &node.value {
                match met.get_mut(count) {
                    Some(free) => *free = Some((value, behind)),
                    None => visit(value, behind),
                }
                count += 1;
            }
            let Some(child) = behind.first().and_then(|first| self.child(node, *first)) else { break };
            (node, rest) = (child, child.behind(behind));
        }
        for (value, behind) in met.iter().take(count).rev().flatten() {
            visit(value, behind);
        }
    }

    /// The child whose label begins with `first`, if there is one; an only child has to be looked at.
    fn child(&self, node: &Node<T>, first: u8) -> Option<&Node<T>> {
        let start = node.first_child as usize;
        match node.children {
            0 => None,
            1 => self.nodes.get(start),
            count => {
                let edges = node.edges().or_else(|| self.edges.get(start..start + usize::from(count)))?;
                // Digits and letters often stand there without a gap.
                let guess = edges.first().map(|least| usize::from(first.wrapping_sub(*least)));
                let guess = guess.filter(|guess| edges.get(*guess) == Some(&first));
                self.nodes.get(start + guess.or_else(|| edges.binary_search(&first).ok())?)
            }
        }
    }
}

impl<T> Node<T> {
    fn label(&self) -> &[u8] {
        self.text.get(..usize::from(self.label_length)).unwrap_or_default()
    }

    /// The first bytes of its children's labels, if there is room for them.
    fn edges(&self) -> Option<&[u8]> {
        self.text.get(usize::from(self.label_length)..)?.get(..usize::from(self.children))
    }

    /// What of `bytes` is behind the label, if they begin with it.
    fn behind<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        match (self.label(), bytes) {
            // Where keys differ byte by byte, it saves a call.
            ([label], [first, behind @ ..]) => (label == first).then_some(behind),
            (label, bytes) => bytes.strip_prefix(label),
        }
    }
}

/// Trees while they are built.
struct Draft<T> {
    nodes: Vec<Node<T>>,
    edges: Vec<u8>,
}

impl<T: Copy> Draft<T> {
    /// Put everything below `root` that is to be there. Keys are sorted, so those below a node are a slice of them, and
    /// those below a child a slice of that.
    fn grow(&mut self, root: usize, keys: &[Vec<u8>], values: &[T]) {
        let depth = self.nodes.get(root).map_or(0, |node| node.label().len());
        let mut open = VecDeque::from([Open { node: root, keys: 0..keys.len(), depth }]);
        while let Some(Open { node, keys: Range { mut start, end }, depth }) = open.pop_front() {
            let mut value = None;
            if start < end && keys.get(start).is_some_and(|key| key.len() == depth) {
                value = values.get(start).copied();
                start += 1;
            }
            let first_child = self.nodes.len();
            while let Some((first, behind)) = keys.get(start).filter(|_| start < end).and_then(|key| step(key, depth)) {
                let below = keys.get(start..end).unwrap_or_default();
                let count = below.partition_point(|key| key.get(depth).is_some_and(|byte| *byte <= first));
                let last = below.get(count.saturating_sub(1)).and_then(|key| key.get(depth..)).unwrap_or_default();
                let label = common(behind, last);
                open.push_back(Open { node: self.nodes.len(), keys: start..start + count, depth: depth + label.len() });
                self.push(label, first);
                start += count;
            }
            let children = self.nodes.len() - first_child;
            if let Some(node) = self.nodes.get_mut(node) {
                node.value = value;
                node.first_child = index(first_child);
                node.children = u16::try_from(children).unwrap_or(u16::MAX);
                let room =
                    node.text.get_mut(usize::from(node.label_length)..).and_then(|text| text.get_mut(..children));
                if let (Some(room), Some(edges)) = (room, self.edges.get(first_child..)) {
                    room.copy_from_slice(edges);
                }
            }
        }
    }

    /// `label` has `TEXT` bytes at most.
    fn push(&mut self, label: &[u8], edge: u8) {
        let mut node = Node { text: [0; TEXT], label_length: 0, children: 0, first_child: 0, value: None };
        for (to, from) in node.text.iter_mut().zip(label) {
            *to = *from;
            node.label_length += 1;
        }
        self.nodes.push(node);
        self.edges.push(edge);
    }
}

/// What both begin with, as far as it fits into a node.
fn common<'k>(a: &'k [u8], b: &[u8]) -> &'k [u8] {
    let length = a.iter().zip(b).take(TEXT).take_while(|(a, b)| a == b).count();
    a.get(..length).unwrap_or_default()
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

/// Four billion of anything do not fit into memory; were they there, the last ones would not be found.
pub(super) fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_walk_meets_every_beginning_and_nothing_else() {
        let mut random = fastrand::Rng::with_seed(3);
        let text = |random: &mut fastrand::Rng| -> Vec<u8> {
            let longest = if random.u8(0..8) == 0 { 300 } else { 7 };
            (0..random.usize(0..longest)).map(|_| *random.choice(b"ab\x00\xff").unwrap()).collect()
        };
        let trees = (0..300).map(|round| (0..round).map(|_| text(&mut random)).collect());
        let trees: Vec<BTreeSet<Vec<u8>>> = trees.collect();
        let radix = Radix::new(trees.iter().map(|keys| keys.iter().cloned().zip(0..).collect()).collect());
        for (tree, keys) in (0..).zip(trees) {
            let keys: Vec<Vec<u8>> = keys.into_iter().collect();
            for _ in 0..100 {
                let asked = text(&mut random);
                let mut met = Vec::new();
                radix.walk(tree, &asked, |key: &usize, behind| {
                    assert_eq!([&keys[*key], behind].concat(), asked);
                    met.push(&keys[*key]);
                });
                let mut expected: Vec<_> = keys.iter().filter(|key| asked.starts_with(key)).collect();
                expected.sort_by_key(|key| Reverse(key.len()));
                if expected.len() > NESTED {
                    let deeper = expected.drain(..expected.len() - NESTED).rev().collect::<Vec<_>>();
                    expected.splice(..0, deeper);
                }
                assert_eq!(met, expected, "{asked:?} among {keys:?}");
            }
        }
    }

    #[test]
    fn no_tree_an_empty_one_and_all_256_edges_are_fine() {
        Radix::<()>::new(Vec::new()).walk(0, b"abc", |(), _| panic!("nothing is filed"));
        let full = (0..=255u8).map(|byte| (vec![byte, 7], byte)).collect();
        let radix = Radix::new(vec![BTreeMap::new(), full]);
        radix.walk(0, b"abc", |_, _| panic!("nothing is filed"));
        for byte in 0..=255 {
            let mut met = Vec::new();
            radix.walk(1, &[byte, 7, 9], |found, _| met.push(*found));
            assert_eq!(met, [byte]);
        }
    }

    #[test]
    fn a_single_key_is_a_single_node() {
        assert_eq!(Radix::new(vec![BTreeMap::from([(b"/v1/orders".to_vec(), ())])]).nodes.len(), 1);
    }
}
