/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded model with its session, shapes from the command line, and generated inputs. */
#ifndef PITH_CLI_NET_H
#define PITH_CLI_NET_H

#include "args.h"
#include "tensors.h"

#define CLI_MAX_INPUTS 64

typedef struct cli_net {
    const char *path;
    pith_ctx *ctx;
    pith_model *model;
    pith_session *session; /* NULL until cli_net_start() */
    double load_ms;        /* load and session */
} cli_net;

/* Ceilings of the library that a verb lets the user set; 0: as the library has them. */
typedef struct cli_ceilings {
    double max_memory, max_tensor; /* bytes */
    double max_time;               /* seconds a run */
    double max_operations, max_iterations;
    bool copies_files, skips_hashes;
} cli_ceilings;

#define CLI_CEILING(settings, field, name, value, help)                                            \
    { name, 0, CLI_KIND_BYTES, offsetof(settings, ceilings) + offsetof(cli_ceilings, field), value, help, 0, 0 }

/* Entries of an option table whose settings have `cli_ceilings ceilings`. */
#define CLI_CEILINGS(settings)                                                                     \
    CLI_CEILING(settings, max_memory, "max-memory", "BYTES", "memory of model and session together (64G)"), \
    CLI_CEILING(settings, max_tensor, "max-tensor", "BYTES", "a single tensor (8G)"),              \
    CLI_CEILING(settings, max_time, "max-time", "SECONDS", "time of a run (no ceiling)"),          \
    CLI_CEILING(settings, max_operations, "max-operations", "N", "operations of a run (1e15)"),    \
    CLI_CEILING(settings, max_iterations, "max-iterations", "N", "iterations of all loops of a run (1e8)"), \
    { "copy-files", 0, CLI_KIND_FLAG, offsetof(settings, ceilings) + offsetof(cli_ceilings, copies_files), NULL, \
      "read the model into memory rather than map it: others may write to the file meanwhile", 0, 0 }, \
    { "skip-hashes", 0, CLI_KIND_FLAG, offsetof(settings, ceilings) + offsetof(cli_ceilings, skips_hashes), NULL, \
      "start faster: don't check the weights of a .pith file for damage", 0, 0 }

#define CLI_OPTION_FLOAT16(settings)                                                               \
    { "float16", 0, CLI_KIND_FLAG, offsetof(settings, float16), NULL,                              \
      "multiply in float16 where the CPU can (less accurate)", 0, 0 }

typedef struct cli_net_options {
    const char *isa, *disable_passes; /* NULL: default */
    const char *cache;                /* folder for packed weights, or NULL */
    int n_threads;                    /* 0: default */
    bool keeps_all_values, is_exact, float16;
    const cli_ceilings *ceilings;     /* may be NULL */
    bool describes_only;
} cli_net_options;

pith_status cli_net_open(const char *path, const cli_net_options *options, cli_net *net_out);
/* Creates the session; refuses a model with unsupported nodes, naming the first. */
pith_status cli_net_start(cli_net *net, const cli_net_options *options);
/* Zeroed nets are allowed. */
void cli_net_close(cli_net *net);
/* Takes the library's message over, with the model's name in front. */
pith_status cli_net_fail(const cli_net *net, pith_status status);
/* Index of an input, or a failure that names the nearest. */
pith_status cli_net_find_input(const cli_net *net, const char *name, int *index_out);

/* "NAME=1x3x224x224", "NAME:1,3,224,224", or without name for a model of one input. */
pith_status cli_parse_shape(const char *word, char *name, size_t n_name_bytes, pith_shape *shape_out);

typedef struct cli_shapes {
    pith_shape items[CLI_MAX_INPUTS];
    bool is_assumed[CLI_MAX_INPUTS]; /* a dimension was not known and had to be chosen */
    int n;
} cli_shapes;

/* Shapes of inputs as the model and the words (NAME=SIZES; dims: SYMBOL=SIZE, may be NULL) give them; -1 where both
 * leave a dimension open. */
pith_status cli_net_given_shapes(const cli_net *net, const cli_words *words, const cli_words *dims,
                                 cli_shapes *shapes_out);

/* Shapes of all inputs: from the words, from the model, and where both leave a dimension open, by
 * trying sizes until the model can be planned: what another input has in a dimension of the same
 * name, 1 for the first dimension, 3 for channels of rank 4, 224 and then others for height and
 * width, 32 and then others elsewhere. On failure the shapes of the first try are left in
 * `shapes_out`. */
pith_status cli_net_choose_shapes(cli_net *net, const cli_words *words, const cli_words *dims, cli_shapes *shapes_out);
/* "x=1x3x224x224, y=1x2"; cut if too long. */
void cli_net_shapes_text(const cli_net *net, const cli_shapes *shapes, char *text, size_t n_bytes);
/* A line on stderr if a shape was assumed. */
void cli_net_tell_assumed(const cli_net *net, const cli_shapes *shapes);

/* What numbers an input of integers takes: those of the rows that a constant table has for them, else 0 and 1. */
int64_t cli_net_count_integers(const cli_net *net, int input);
/* One tensor per input, from the seed: floats in [-1, 1), u8 0..255, other integers below cli_net_count_integers(). */
pith_status cli_net_random_inputs(const cli_net *net, const cli_shapes *shapes, uint64_t seed, cli_tensors *list);

#endif
