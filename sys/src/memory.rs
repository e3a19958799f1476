//! Memory that this process has and does not need: given back.

/// Gives whole free pages back to the kernel (malloc_trim(3)). What a load needs for a moment, parsers and buffers, lies
/// between what stays, and glibc keeps it otherwise. Does nothing with another C library.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number and touches nothing but the allocator's own, under its own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Bytes that this process has allocated, with what the allocator adds to each (mallinfo2(3)). `None` with another C
/// library.
#[must_use]
pub fn allocated() -> Option<usize> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallinfo2 takes nothing and reads the allocator's own counts, under its own locks.
        let counts = unsafe { libc::mallinfo2() };
        Some(counts.uordblks + counts.hblkhd)
    }
    #[cfg(not(target_env = "gnu"))]
    None
}

/// Gives back what only the start needed: free memory, and the program's own code and constants, which come back page by
/// page as they are used again (the kernel keeps them with the file). Not for a process in which a page fault may be late.
pub fn give_back_start() {
    give_back();
    // SAFETY: the callback has the signature that is asked for, and is called while this call lasts only.
    unsafe {
        libc::dl_iterate_phdr(Some(give_back_constant_parts), std::ptr::null_mut());
    }
}

/// Called for each object of the process, the program itself first: what is not zero ends it there.
extern "C" fn give_back_constant_parts(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the loader hands a valid entry, with as many program headers as it says.
    let (base, headers) = unsafe {
        let info = &*info;
        if info.dlpi_phdr.is_null() {
            return 1;
        }
        (info.dlpi_addr, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    let page = page_size();
    for header in headers {
        // What the loader relocates is in a writable part, though it is made read-only afterwards.
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = (base + header.p_vaddr) & !(page - 1);
        let end = (base + header.p_vaddr + header.p_memsz).next_multiple_of(page);
        let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(end - start)) else {
            continue;
        };
        // SAFETY: these pages are mapped from the program's file, private and never written: what is dropped is read
        // from there again. A refusal changes nothing.
        unsafe {
            libc::madvise(
                std::ptr::with_exposed_provenance_mut(start),
                length,
                libc::MADV_DONTNEED,
            );
        }
    }
    1
}

fn page_size() -> u64 {
    // SAFETY: sysconf takes a number and gives one.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_kib() -> u64 {
        let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    fn what_was_given_back_is_there_again_when_it_is_used() {
        let before = resident_kib();
        give_back_start();
        let after = resident_kib();
        assert!(after < before, "{after} KiB, {before} KiB before");
        assert_eq!(format!("{:?}", [1.5, 2.5]), "[1.5, 2.5]");
    }
}
