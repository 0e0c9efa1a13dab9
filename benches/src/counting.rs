//! An allocator that counts: how often a piece of work allocates says more of a parser than its time on one machine.
//! The counter is one relaxed atomic, which every measured side pays alike.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one hands every call to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// To be made the `#[global_allocator]` of a benchmark.
#[derive(Debug)]
pub struct Counting;

// SAFETY: every method passes its arguments on to `System` unchanged and returns what that returns, so `System`'s
// fulfilment of the contract is this one's; counting touches no memory but the atomic, and neither panics nor allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises for this call are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` by `alloc` or `realloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: `pointer` came from `System`, and the caller's promises are those that `System` asks for.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// How often `work` allocates, its result dropped afterwards; other threads must be at rest.
pub fn allocations<T>(work: impl FnOnce() -> T) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let result = work();
    let after = ALLOCATIONS.load(Ordering::Relaxed);
    drop(result);
    after - before
}
