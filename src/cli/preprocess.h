/* SPDX-License-Identifier: Apache-2.0 */
/* From picture to tensor, and what the outputs mean: settings of a sidecar file MODEL_STEM.preprocess
 * (docs/preprocess.md) and of the same-named options of `pith run`. */
#ifndef PITH_CLI_PREPROCESS_H
#define PITH_CLI_PREPROCESS_H

#include "image.h"

#define CLI_MAX_CHANNELS 4

typedef enum cli_layout { CLI_LAYOUT_AUTO, CLI_LAYOUT_NCHW, CLI_LAYOUT_NHWC } cli_layout;
typedef enum cli_color { CLI_COLOR_AUTO, CLI_COLOR_RGB, CLI_COLOR_BGR, CLI_COLOR_GRAY } cli_color;
typedef enum cli_fit { CLI_FIT_STRETCH, CLI_FIT_LETTERBOX, CLI_FIT_CROP } cli_fit;
typedef enum cli_anchor { CLI_ANCHOR_CENTER, CLI_ANCHOR_CORNER } cli_anchor;
typedef enum cli_scores { CLI_SCORES_AUTO, CLI_SCORES_LOGITS, CLI_SCORES_PROBS, CLI_SCORES_LOGPROBS } cli_scores;

#define CLI_SIZE_MODEL 0  /* as the model says */
#define CLI_SIZE_KEEP (-1) /* "auto": follows the other side, aspect ratio kept */

/* A list of one value stands for all channels. */
typedef struct cli_channel_values {
    double items[CLI_MAX_CHANNELS];
    int n; /* 0: not set */
} cli_channel_values;

typedef struct cli_preprocess {
    int layout, color, resize, anchor; /* the enums above */
    int height, width;                 /* of the tensor: sizes, CLI_SIZE_MODEL or CLI_SIZE_KEEP */
    int64_t width_multiple;
    double pad_value;                  /* a pixel, before mean and scale */
    cli_channel_values mean, scale;    /* value = (pixel - mean) * scale */
    char dtype[16];
    char image_input[256];             /* which input takes the picture */
    char task[32], labels[1024];
    int64_t top, blank, beam, background;
    int ctc_output;
    char decoder[32];
    double score_threshold, iou_threshold;
    double output_scale;               /* pixel = value * output_scale; 0: by the values */
    uint64_t is_set;                   /* bit per key */
} cli_preprocess;

void cli_preprocess_init(cli_preprocess *settings);
/* Sets one key from text; `key` may be spelt with '-' for '_'. */
pith_status cli_preprocess_set(cli_preprocess *settings, const char *key, const char *value);
/* As if no file of labels had been named. */
void cli_preprocess_forget_labels(cli_preprocess *settings);
bool cli_preprocess_has(const cli_preprocess *settings, const char *key);
bool cli_preprocess_is_key(const char *key);
/* Lines "key = value", '#' comments. File names in it are relative to its folder. */
pith_status cli_preprocess_parse(const char *text, size_t n_bytes, cli_preprocess *settings);
pith_status cli_preprocess_load(const char *path, cli_preprocess *settings);
/* Keys that are set, one per line. */
pith_status cli_preprocess_write(const cli_preprocess *settings, cli_bytes *bytes);
/* Settings for a model: the sidecar given, or the one beside it if there is one, or the one in it, then KEY=VALUE
 * words. */
pith_status cli_preprocess_of_model(const char *model, const char *sidecar, const cli_words *words,
                                    cli_preprocess *settings);

/* Where the picture lies in the tensor: tensor x = picture x * scale_x + left. */
typedef struct cli_placement {
    int width, height; /* of the tensor */
    double scale_x, scale_y, left, top;
} cli_placement;

/* The tensor for one picture: dtype and open dimensions come from the settings, the rest from `dtype`
 * and `shape` of the model's input (rank 3 or 4, a batch of one). */
pith_status cli_preprocess_apply(const cli_preprocess *settings, const cli_image *picture, pith_dtype dtype,
                                 const pith_shape *shape, cli_tensor *tensor_out, cli_placement *placement_out);

#endif
