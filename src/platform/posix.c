/* SPDX-License-Identifier: Apache-2.0 */
/* Files, clock and threads on POSIX; futexes where Linux has them, else a yielding wait. */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/ctx.h"
#include "platform/platform.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* A file that becomes shorter meanwhile is refused. */
static pith_status read_all(pith_ctx *ctx, const char *path, int descriptor, unsigned char *data, size_t n_bytes)
{
    for (size_t done = 0; done < n_bytes;) {
        ssize_t n = read(descriptor, data + done, n_bytes - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        PITH_CHECK(ctx, n >= 0, PITH_STATUS_IO, "can't read '%s': %s", path, strerror(errno));
        PITH_CHECK(ctx, n > 0, PITH_STATUS_IO, "'%s' had %zu bytes and ended after %zu: it was changed meanwhile", path,
                   n_bytes, done);
        done += (size_t)n;
    }
    return PITH_OK;
}

static pith_status copy_descriptor(pith_ctx *ctx, const char *path, int descriptor, size_t n_bytes, pithi_file *file)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc_raw(ctx, n_bytes, &block));
    pith_status status = read_all(ctx, path, descriptor, block, n_bytes);
    if (status != PITH_OK) {
        pithi_free(ctx, block);
        return status;
    }
    *file = (pithi_file){ block, n_bytes, ctx };
    return PITH_OK;
}

static pith_status map_descriptor(pith_ctx *ctx, const char *path, int descriptor, pithi_file *file)
{
    struct stat info;
    PITH_CHECK(ctx, fstat(descriptor, &info) == 0, PITH_STATUS_IO, "can't stat '%s': %s", path, strerror(errno));
    PITH_CHECK(ctx, S_ISREG(info.st_mode), PITH_STATUS_IO, "'%s' is not a regular file", path);
    PITH_CHECK(ctx, (uint64_t)info.st_size <= ctx->limits.max_file_bytes, PITH_STATUS_LIMIT,
               "'%s' has %lld bytes, the ceiling is %llu (max_file_bytes)", path, (long long)info.st_size,
               (unsigned long long)ctx->limits.max_file_bytes);
    *file = (pithi_file){ 0 };
    if (info.st_size > 0 && ctx->copies_files) {
        return copy_descriptor(ctx, path, descriptor, (size_t)info.st_size, file);
    }
    if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        PITH_CHECK(ctx, data != MAP_FAILED, PITH_STATUS_IO, "can't map '%s': %s", path, strerror(errno));
        *file = (pithi_file){ data, (size_t)info.st_size, NULL };
    }
    return PITH_OK;
}

pith_status pithi_file_map(pith_ctx *ctx, const char *path, pithi_file *file)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    PITH_CHECK(ctx, descriptor >= 0, PITH_STATUS_IO, "can't open '%s': %s", path, strerror(errno));
    pith_status status = map_descriptor(ctx, path, descriptor, file);
    close(descriptor);
    return status;
}

static pith_status map_resolved(pith_ctx *ctx, const char *folder, const char *path, pithi_file *file)
{
    size_t n_bytes = strlen(folder);
    bool is_root = n_bytes == 1; /* "/" ends with the separator itself */
    PITH_CHECK(ctx, strncmp(path, folder, n_bytes) == 0 && (is_root || path[n_bytes] == '/'), PITH_STATUS_IO,
               "'%s' is outside the folder '%s'; a model may only read files of its own folder", path, folder);
    return pithi_file_map(ctx, path, file);
}

pith_status pithi_file_map_below(pith_ctx *ctx, const char *folder, const char *name, pithi_file *file)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc_raw(ctx, 3 * PATH_MAX, &block));
    char *joined = block, *real_folder = joined + PATH_MAX, *real_path = real_folder + PATH_MAX;
    int length = snprintf(joined, PATH_MAX, "%s/%s", folder, name);
    pith_status status = PITH_OK;
    if (length < 0 || length >= PATH_MAX) {
        status = pithi_fail(ctx, PITH_STATUS_IO, "the path '%s/%s' is too long", folder, name);
    } else if (!realpath(folder, real_folder) || !realpath(joined, real_path)) {
        status = pithi_fail(ctx, PITH_STATUS_IO, "can't find '%s': %s", joined, strerror(errno));
    } else {
        status = map_resolved(ctx, real_folder, real_path, file);
    }
    pithi_free(ctx, block);
    return status;
}

void pithi_file_unmap(pithi_file *file)
{
    if (file->owner) {
        pithi_free(file->owner, (void *)(uintptr_t)file->data);
    } else if (file->data) {
        munmap((void *)(uintptr_t)file->data, file->n_bytes);
    }
    *file = (pithi_file){ 0 };
}

uint64_t pithi_file_identity(const char *path)
{
    struct stat info;
    char real[PATH_MAX];
    if (!realpath(path, real) || stat(real, &info) != 0) {
        return 0;
    }
    const int64_t facts[] = { (int64_t)info.st_size, (int64_t)info.st_mtim.tv_sec, (int64_t)info.st_mtim.tv_nsec,
                              (int64_t)info.st_ctim.tv_sec, (int64_t)info.st_ctim.tv_nsec };
    return pithi_hash(pithi_hash(PITHI_HASH_START, real, strlen(real)), facts, sizeof facts);
}

uint64_t pithi_library_identity(void)
{
    Dl_info info;
    static const char here = 0;
    return dladdr(&here, &info) && info.dli_fname ? pithi_file_identity(info.dli_fname) : 0;
}

bool pithi_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool write_all(const char *path, const char *data, size_t n_bytes)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    size_t n_done = 0;
    while (descriptor >= 0 && n_done < n_bytes) {
        ssize_t n = write(descriptor, data + n_done, n_bytes - n_done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        n_done += (size_t)n;
    }
    return descriptor >= 0 && close(descriptor) == 0 && n_done == n_bytes;
}

pith_status pithi_file_write(pith_ctx *ctx, const char *path, const void *data, size_t n_bytes)
{
    pithi_text part = { .ctx = ctx };
    pithi_text_add(&part, "%s.part", path);
    bool is_written = !part.failed && write_all(part.data, data, n_bytes) && rename(part.data, path) == 0;
    int error = errno;
    if (!is_written && !part.failed) {
        unlink(part.data);
    }
    pithi_text_deinit(&part);
    PITH_CHECK(ctx, is_written, PITH_STATUS_IO, "can't write '%s': %s", path, strerror(error));
    return PITH_OK;
}

#define FORGOTTEN_BYTES ((size_t)32 << 10) /* less isn't worth a call of the system */

void pithi_file_forget(const void *data, size_t n_bytes)
{
    if (n_bytes < FORGOTTEN_BYTES) {
        return;
    }
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + n_bytes) / page * page;
    if (begin < end) {
        madvise((void *)begin, end - begin, MADV_DONTNEED); /* the pages are clean: they come back from the file */
    }
}

void *pithi_pages_map(size_t n_bytes, size_t alignment)
{
    if (n_bytes > SIZE_MAX - alignment) {
        return NULL;
    }
    char *mapped = mmap(NULL, n_bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        return NULL;
    }
    size_t before = (alignment - (uintptr_t)mapped % alignment) % alignment;
    if (before > 0) {
        munmap(mapped, before);
    }
    munmap(mapped + before + n_bytes, alignment - before);
    return mapped + before;
}

void pithi_pages_unmap(void *pages, size_t n_bytes)
{
    munmap(pages, n_bytes);
}

void pithi_pages_prefer_huge(void *pages, size_t n_bytes)
{
#if defined(MADV_HUGEPAGE)
    madvise(pages, n_bytes, MADV_HUGEPAGE);
#else
    (void)pages;
    (void)n_bytes;
#endif
}

void pithi_pages_forget(void *pages, size_t n_bytes)
{
    pithi_file_forget(pages, n_bytes);
}

uint64_t pithi_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t pithi_peak_rss_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024u;
}

struct pithi_thread {
    pthread_t handle;
    void (*main)(void *user);
    void *user;
};

static void *thread_entry(void *argument)
{
    pithi_thread *thread = argument;
    thread->main(thread->user);
    return NULL;
}

size_t pithi_thread_bytes(void) { return sizeof(pithi_thread); }

pith_status pithi_thread_start(pith_ctx *ctx, void (*main)(void *user), void *user, pithi_thread **thread_out)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc(ctx, sizeof(pithi_thread), &block));
    pithi_thread *thread = block;
    thread->main = main;
    thread->user = user;
    int error = pthread_create(&thread->handle, NULL, thread_entry, thread);
    if (error) {
        pithi_free(ctx, thread);
        PITH_FAIL(ctx, PITH_STATUS_NOMEM, "can't start a thread: %s", strerror(error));
    }
    *thread_out = thread;
    return PITH_OK;
}

void pithi_thread_join(pith_ctx *ctx, pithi_thread *thread)
{
    if (thread) {
        pthread_join(thread->handle, NULL);
        pithi_free(ctx, thread);
    }
}

void pithi_thread_yield(void)
{
    sched_yield();
}

void pithi_thread_pause(void)
{
#if defined(__x86_64__)
    _mm_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

#if defined(__linux__)
int pithi_thread_cpu(void)
{
    return sched_getcpu();
}

void pithi_thread_leave_cpu(int cpu)
{
    cpu_set_t all, others;
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getcpu() != cpu || sched_getaffinity(0, sizeof all, &all) != 0) {
        return;
    }
    others = all;
    CPU_CLR((unsigned)cpu, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0) {
        sched_setaffinity(0, sizeof all, &all);
    }
}

void pithi_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void pithi_futex_wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
#else
int pithi_thread_cpu(void)
{
    return -1;
}

void pithi_thread_leave_cpu(int cpu)
{
    (void)cpu;
}

static pthread_mutex_t wait_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wait_cond = PTHREAD_COND_INITIALIZER;

void pithi_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    pthread_mutex_lock(&wait_mutex);
    while (atomic_load(word) == expected) {
        pthread_cond_wait(&wait_cond, &wait_mutex);
    }
    pthread_mutex_unlock(&wait_mutex);
}

void pithi_futex_wake_all(_Atomic uint32_t *word)
{
    (void)word;
    pthread_mutex_lock(&wait_mutex);
    pthread_cond_broadcast(&wait_cond);
    pthread_mutex_unlock(&wait_mutex);
}
#endif

#if defined(__x86_64__)
#define FLUSH_AND_DENORMALS_ZERO 0x8040u

uint32_t pithi_denormals_off(void)
{
    uint32_t former = _mm_getcsr();
    _mm_setcsr(former | FLUSH_AND_DENORMALS_ZERO);
    return former;
}

void pithi_denormals_restore(uint32_t former)
{
    _mm_setcsr(former);
}
#elif defined(__aarch64__)
uint32_t pithi_denormals_off(void)
{
    uint64_t former;
    __asm__ volatile("mrs %0, fpcr" : "=r"(former));
    __asm__ volatile("msr fpcr, %0" : : "r"(former | (1u << 24)));
    return (uint32_t)former;
}

void pithi_denormals_restore(uint32_t former)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)former));
}
#else
uint32_t pithi_denormals_off(void) { return 0; }
void pithi_denormals_restore(uint32_t former) { (void)former; }
#endif
