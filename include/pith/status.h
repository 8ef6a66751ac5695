/* SPDX-License-Identifier: Apache-2.0 */
/* Context, statuses and limits: every other public header builds on this one. */
#ifndef PITH_STATUS_H
#define PITH_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Outcome of every call that can fail. PITH_OK is 0, failures are negative. */
typedef enum pith_status {
    PITH_OK = 0,
    PITH_STATUS_ARG = -1,         /**< A parameter breaks the function's contract. */
    PITH_STATUS_NOMEM = -2,       /**< The allocator returned NULL. */
    PITH_STATUS_IO = -3,          /**< A file can't be opened, read or written. */
    PITH_STATUS_FORMAT = -4,      /**< A file is malformed. */
    PITH_STATUS_UNSUPPORTED = -5, /**< Valid, but pith doesn't implement it. */
    PITH_STATUS_SHAPE = -6,       /**< Shapes contradict each other or the operator's rule. */
    PITH_STATUS_DTYPE = -7,       /**< An element type that the operator doesn't take. */
    PITH_STATUS_LIMIT = -8,       /**< A limit of pith_limits would be exceeded. */
    PITH_STATUS_STATE = -9,       /**< The call isn't allowed now. */
    PITH_STATUS_AUTH = -10,       /**< A signature or key doesn't match. */
    PITH_STATUS_INTERNAL = -11    /**< A bug in pith. */
} pith_status;

/** Static English word for a status, such as "shape". Never NULL. */
const char *pith_status_name(pith_status status);

/**
 * Memory functions. `n_bytes` is always the size that was asked for; pith keeps it, so a simple
 * arena can serve. All three may be called from the thread that owns the context only.
 */
typedef struct pith_allocator {
    void *(*alloc)(void *user, size_t n_bytes);              /**< NULL on failure; alignment 16. */
    void (*release)(void *user, void *block, size_t n_bytes); /**< Never called with NULL. */
    void *user;                                              /**< Passed through. */
} pith_allocator;

/** Ceilings that hold for everything made through a context. A file can't raise them. */
typedef struct pith_limits {
    uint64_t max_file_bytes;   /**< Largest file that is opened. Default 64 GiB. */
    uint64_t max_tensor_bytes; /**< Largest single tensor. Default 8 GiB. */
    uint64_t max_memory_bytes; /**< Total that the context may hold at once. Default 64 GiB. */
    uint64_t max_nodes;        /**< Nodes of a graph after functions are expanded. Default 1e6. */
    int max_nesting;           /**< Depth of nested messages and sub-graphs. Default 32. */
    uint64_t max_operations;   /**< Operations (FLOPs of the cost report) of one run. Default 1e15. */
    uint64_t max_iterations;   /**< Iterations of all loops of one run together. Default 1e8. */
    uint64_t max_run_ms;       /**< Time of one run, looked at between steps. 0, the default: no ceiling. */
} pith_limits;

/**
 * Owner of allocator, limits, ISA cap and the one error record. Use from one thread at a time;
 * any number of contexts may exist. Must outlive everything that was made with it.
 */
typedef struct pith_ctx pith_ctx;

/**
 * Creates a context.
 *
 * @param allocator  Copied; NULL takes malloc, and pages of the system for large blocks.
 * @param ctx_out    Receives the context; the caller destroys it.
 * @retval PITH_STATUS_NOMEM  No memory for the context itself.
 */
pith_status pith_ctx_create(const pith_allocator *allocator, pith_ctx **ctx_out);

/** Destroys a context; NULL is allowed. Objects made with it must be gone. */
void pith_ctx_destroy(pith_ctx *ctx);

/** Message of the first failure since pith_ctx_clear_error(); "" if none. Borrowed. */
const char *pith_ctx_error(const pith_ctx *ctx);

/** Forgets the error record, so that the next failure writes a fresh message. */
void pith_ctx_clear_error(pith_ctx *ctx);

/** Current limits, to be read or lowered in place before a model is loaded. */
pith_limits *pith_ctx_limits(pith_ctx *ctx);

/**
 * 1: model files and their weights are read into memory of the context from now on; 0 (the start): they are mapped. A
 * mapped file must not be changed in place while the model lives (replace it by renaming another one over it): where it
 * is cut off, reading its weights ends the process. Where others may write to the files of models, copy.
 */
void pith_ctx_set_copy_files(pith_ctx *ctx, int copies);

/**
 * Caps the instruction sets that kernels may use from now on: a folder name under src/kernels,
 * such as "portable" or "x86_avx2". NULL lifts the cap. The environment variable PITH_ISA_MAX
 * gives the initial cap.
 * @retval PITH_STATUS_ARG  No such instruction set in this build.
 */
pith_status pith_ctx_set_isa_limit(pith_ctx *ctx, const char *isa);

/** Name of the best instruction set that is available here under the cap. Static. */
const char *pith_ctx_isa(const pith_ctx *ctx);

/**
 * 1 if `float16` of pith_model_options changes how models run here, under the cap: the CPU has float16 arithmetic that
 * this build has kernels for. With a cap at "portable" it does everywhere: the same bits as in hardware, slowly.
 */
int pith_ctx_has_float16(const pith_ctx *ctx);

/** Bytes now held, and the most ever held, through the context's allocator. */
size_t pith_ctx_memory_bytes(const pith_ctx *ctx);
size_t pith_ctx_memory_peak_bytes(const pith_ctx *ctx);

/** Version of the library, such as "0.1.0". Static. */
const char *pith_version(void);

#ifdef __cplusplus
}
#endif
#endif
