//! Memory that is free in this process and yet not given back.

/// Gives whole free pages back to the kernel (malloc_trim(3)). What a load needs for a moment, parsers and buffers, lies
/// between what stays, and glibc keeps it otherwise. Does nothing with another C library.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number and touches nothing but the allocator's own, under its own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
