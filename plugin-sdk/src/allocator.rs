//! Memory for plugins. What a hook takes is small and soon given back: such pieces come from lists of free ones, one for
//! each size, in a few instructions. Whatever is larger is left to the standard library's allocator.
#![allow(unsafe_code, reason = "no allocator can do without; a plugin's own memory is at stake, inside of its sandbox")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// How small pieces get, and what all of them are aligned to.
const SMALLEST: usize = 16;
/// Each is twice as large as the one before: 16 bytes to 1 KiB.
const SIZES: usize = 7;
/// What is cut into pieces.
const CHUNK: usize = 8 << 10;

/// For the one thread that a plugin has.
pub(crate) struct Allocator(UnsafeCell<Pieces>);

struct Pieces {
    /// The first free one of each size.
    free: [*mut Free; SIZES],
    /// What is left of the chunk that is being cut.
    rest: *mut u8,
    left: usize,
}

/// A piece that nobody has.
struct Free {
    next: *mut Free,
}

// SAFETY: there are no other threads in a plugin.
unsafe impl Sync for Allocator {}

impl Allocator {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(Pieces { free: [ptr::null_mut(); SIZES], rest: ptr::null_mut(), left: 0 }))
    }
}

// SAFETY: a piece has at least the bytes and the alignment that were asked for, and is in nobody else's hands: it is cut
// from a chunk once, and in the list of its size only while it is free. The rest is `System`'s word.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the one thread is in here once, since nothing below calls anything but `System`.
        let pieces = unsafe { &mut *self.0.get() };
        let Some(size) = size(layout) else { return unsafe { System.alloc(layout) } };
        match pieces.free.get_mut(size) {
            Some(first) if !first.is_null() => {
                let piece = *first;
                // SAFETY: what is in a list was put there by `dealloc`, which has written where the next one is.
                *first = unsafe { (*piece).next };
                piece.cast()
            }
            _ => pieces.cut(SMALLEST << size),
        }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        let pieces = unsafe { &mut *self.0.get() };
        let list = size(layout).and_then(|size| pieces.free.get_mut(size));
        let Some(first) = list else { return unsafe { System.dealloc(at, layout) } };
        let piece: *mut Free = at.cast();
        // SAFETY: each piece has room for a pointer, is aligned to it, and nobody's any more.
        unsafe { piece.write(Free { next: *first }) };
        *first = piece;
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller sees to it that the size is one that a layout can have.
        let wanted = unsafe { Layout::from_size_align_unchecked(bytes, layout.align()) };
        match (size(layout), size(wanted)) {
            (Some(had), Some(has)) if had == has => at,
            // SAFETY: both are `System`'s.
            (None, None) => unsafe { System.realloc(at, layout, bytes) },
            _ => {
                // SAFETY: as for any two pieces that do not overlap.
                let moved = unsafe { self.alloc(wanted) };
                if !moved.is_null() {
                    unsafe { ptr::copy_nonoverlapping(at, moved, layout.size().min(bytes)) };
                    unsafe { self.dealloc(at, layout) };
                }
                moved
            }
        }
    }
}

impl Pieces {
    /// A new piece of so many bytes; null if there is no memory.
    fn cut(&mut self, bytes: usize) -> *mut u8 {
        if self.left < bytes {
            // What is left of the last chunk is less than the largest piece, and forgotten.
            let Ok(layout) = Layout::from_size_align(CHUNK, SMALLEST) else { return ptr::null_mut() };
            // SAFETY: it has a size.
            let chunk = unsafe { System.alloc(layout) };
            if chunk.is_null() {
                return chunk;
            }
            (self.rest, self.left) = (chunk, CHUNK);
        }
        let piece = self.rest;
        self.left -= bytes;
        // SAFETY: it stays within the chunk, or at its end.
        self.rest = unsafe { piece.add(bytes) };
        piece
    }
}

/// Which of the sizes; `None`: it is larger than any, or aligned to more.
fn size(layout: Layout) -> Option<usize> {
    if layout.align() > SMALLEST || layout.size() > SMALLEST << (SIZES - 1) {
        return None;
    }
    let bytes = layout.size().max(SMALLEST).next_power_of_two();
    Some((bytes.trailing_zeros() - SMALLEST.trailing_zeros()) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A piece in somebody's hands, and the byte that all of it is filled with.
    struct Held {
        at: *mut u8,
        layout: Layout,
        mark: u8,
    }

    impl Held {
        fn fill(&self) {
            unsafe { ptr::write_bytes(self.at, self.mark, self.layout.size()) };
        }

        fn check(&self, bytes: usize) {
            assert_eq!(self.at as usize % self.layout.align(), 0);
            let held = unsafe { std::slice::from_raw_parts(self.at, bytes) };
            assert!(held.iter().all(|byte| *byte == self.mark), "somebody else has written to it");
        }
    }

    proptest! {
        #[test]
        fn nobody_gets_what_another_has(
            steps in prop::collection::vec((0..3_u8, 1..3_000_usize, 0..7_u32, any::<prop::sample::Index>()), 1..300),
        ) {
            let allocator = Allocator::new();
            let mut held: Vec<Held> = Vec::new();
            for (mark, (what, bytes, align, which)) in steps.into_iter().enumerate() {
                match what {
                    0 => {
                        let layout = Layout::from_size_align(bytes, 1 << align).unwrap();
                        let piece = Held { at: unsafe { allocator.alloc(layout) }, layout, mark: mark as u8 };
                        piece.fill();
                        held.push(piece);
                    }
                    _ if held.is_empty() => {}
                    1 => {
                        let piece = held.swap_remove(which.index(held.len()));
                        piece.check(piece.layout.size());
                        unsafe { allocator.dealloc(piece.at, piece.layout) };
                    }
                    _ => {
                        let at = which.index(held.len());
                        let piece = &mut held[at];
                        let kept = piece.layout.size().min(bytes);
                        piece.at = unsafe { allocator.realloc(piece.at, piece.layout, bytes) };
                        piece.layout = Layout::from_size_align(bytes, piece.layout.align()).unwrap();
                        piece.check(kept);
                        piece.fill();
                    }
                }
            }
            for piece in held {
                piece.check(piece.layout.size());
                unsafe { allocator.dealloc(piece.at, piece.layout) };
            }
        }
    }

    #[test]
    fn what_is_given_back_is_taken_again() {
        let allocator = Allocator::new();
        let layout = Layout::from_size_align(100, 8).unwrap();
        let first = unsafe { allocator.alloc(layout) };
        unsafe { allocator.dealloc(first, layout) };
        for bytes in [65, 128] {
            let layout = Layout::from_size_align(bytes, 1).unwrap();
            let again = unsafe { allocator.alloc(layout) };
            assert_eq!(again, first, "{bytes}");
            unsafe { allocator.dealloc(again, layout) };
        }
    }
}
