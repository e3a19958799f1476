/* Loaded into User Mode Linux with LD_PRELOAD.
 *
 * Why: the kernel in Debian's package keeps the floating-point registers of its processes in a buffer of a fixed size.
 * On CPUs with a larger extended state (AVX-512 together with AMX) the host's PTRACE_SETREGSET(NT_X86_XSTATE) refuses
 * a buffer that is shorter than the state, and the booted kernel panics in its first process ("put_fp_registers").
 * So a short write becomes: read the whole state, lay the caller's bytes over its beginning, write the whole back.
 *
 * Build: cc -O2 -shared -fPIC -o xstate_shim.so xstate_shim.c
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* From linux/ptrace.h, which may not be included beside glibc's own declaration of ptrace(). */
#define REQUEST_PEEK_FIRST 1
#define REQUEST_PEEK_LAST 3
#define REQUEST_GETREGSET 0x4204
#define REQUEST_SETREGSET 0x4205

/* The XSAVE header lies behind the 512 bytes of the FXSAVE area; its first word says which features hold data. */
#define FEATURES_OFFSET 512
/* x87, SSE, AVX, MPX, AVX-512 and PKRU: what fits into the buffer of the packaged kernel. */
#define FEATURES_KEPT ((uint64_t)0x3ff)

static unsigned char whole[1 << 16] __attribute__((aligned(64)));

static long kernel_ptrace(long request, long pid, void *address, void *data)
{
	return syscall(SYS_ptrace, request, pid, address, data);
}

/* Writes the state, in full if the caller's part is shorter than what the host holds. */
static long write_state(long pid, struct iovec *part)
{
	struct iovec all = { .iov_base = whole, .iov_len = sizeof(whole) };
	uint64_t features;

	if (kernel_ptrace(REQUEST_GETREGSET, pid, (void *)NT_X86_XSTATE, &all) != 0)
		return -1;
	if (part->iov_len >= all.iov_len)
		return kernel_ptrace(REQUEST_SETREGSET, pid, (void *)NT_X86_XSTATE, part);

	memcpy(whole, part->iov_base, part->iov_len);
	memcpy(&features, whole + FEATURES_OFFSET, sizeof(features));
	features &= FEATURES_KEPT;
	memcpy(whole + FEATURES_OFFSET, &features, sizeof(features));
	return kernel_ptrace(REQUEST_SETREGSET, pid, (void *)NT_X86_XSTATE, &all);
}

long ptrace(int request, ...)
{
	va_list rest;
	long pid, word, result;
	void *address, *data;

	va_start(rest, request);
	pid = va_arg(rest, long);
	address = va_arg(rest, void *);
	data = va_arg(rest, void *);
	va_end(rest);

	if (request == REQUEST_SETREGSET && (long)address == NT_X86_XSTATE)
		return write_state(pid, data);

	/* glibc's ptrace() returns the word that was read, the system call stores it through its last argument. */
	if (request >= REQUEST_PEEK_FIRST && request <= REQUEST_PEEK_LAST) {
		result = kernel_ptrace(request, pid, address, &word);
		if (result != 0)
			return -1;
		errno = 0;
		return word;
	}
	return kernel_ptrace(request, pid, address, data);
}
