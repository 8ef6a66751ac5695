/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* syscall */
#include "support/allocations.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic bool is_counting;
static _Atomic long n_allocations;

void pith_test_allocations_start(void)
{
    atomic_store(&n_allocations, 0);
    atomic_store(&is_counting, true);
}

long pith_test_allocations_stop(void)
{
    atomic_store(&is_counting, false);
    return atomic_load(&n_allocations);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define IS_SANITIZED
#endif
#endif
#if defined(__GLIBC__) && defined(SYS_mmap) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(IS_SANITIZED)

void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t n_bytes);
void *__libc_realloc(void *block, size_t n_bytes);
void *__libc_memalign(size_t alignment, size_t n_bytes);

static void count(void)
{
    if (atomic_load_explicit(&is_counting, memory_order_relaxed)) {
        atomic_fetch_add(&n_allocations, 1);
    }
}

void *malloc(size_t n_bytes)
{
    count();
    return __libc_malloc(n_bytes);
}

void *calloc(size_t n, size_t n_bytes)
{
    count();
    return __libc_calloc(n, n_bytes);
}

void *realloc(void *block, size_t n_bytes)
{
    count();
    return __libc_realloc(block, n_bytes);
}

void *memalign(size_t alignment, size_t n_bytes)
{
    count();
    return __libc_memalign(alignment, n_bytes);
}

void *aligned_alloc(size_t alignment, size_t n_bytes)
{
    return memalign(alignment, n_bytes);
}

int posix_memalign(void **block_out, size_t alignment, size_t n_bytes)
{
    void *block = memalign(alignment, n_bytes);
    *block_out = block ? block : *block_out;
    return block ? 0 : ENOMEM;
}

void *mmap(void *address, size_t n_bytes, int protection, int flags, int file, off_t offset)
{
    count();
    return (void *)syscall(SYS_mmap, address, n_bytes, protection, flags, file, offset);
}

bool pith_test_counts_allocations(void) { return true; }

#else

bool pith_test_counts_allocations(void) { return false; }

#endif
