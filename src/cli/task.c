/* SPDX-License-Identifier: Apache-2.0 */
/* The collected tasks, and what their drawings share. */
#include "task.h"

#define PITH_TASK(name) extern const cli_task cli_task_##name;
#include "pith_tasks.inc"
#undef PITH_TASK

static const cli_task *const tasks[] = {
#define PITH_TASK(name) &cli_task_##name,
#include "pith_tasks.inc"
#undef PITH_TASK
};

const cli_task *cli_find_task(const char *name)
{
    for (int i = 0; i < CLI_COUNT(tasks); i++) {
        if (strcmp(tasks[i]->name, name) == 0) {
            return tasks[i];
        }
    }
    return NULL;
}

void cli_list_tasks(char *text, size_t n_bytes)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < CLI_COUNT(tasks) && at < n_bytes; i++) {
        at += (size_t)snprintf(text + at, n_bytes - at, "%s%s", i ? ", " : "", tasks[i]->name);
    }
}

int cli_caption_zoom(const cli_image *picture)
{
    int zoom = picture->width / 320;
    return zoom < 1 ? 1 : zoom > 6 ? 6 : zoom;
}

pith_status cli_draw_captions(const cli_result *result, const char *const *lines, int n_lines)
{
    const cli_rgb ink = { 20, 20, 20 };
    const cli_image *picture = result->picture;
    CLI_CHECK(picture, PITH_STATUS_ARG, "there is no picture to draw on");
    int zoom = cli_caption_zoom(picture) + (picture->width >= 200);
    int margin = 2 * zoom;
    int width = picture->width;
    for (int i = 0; i < n_lines; i++) {
        while (zoom > 1 && cli_text_width(zoom, lines[i]) + 2 * margin > width) {
            zoom--;
        }
    }
    for (int i = 0; i < n_lines; i++) {
        int needed = cli_text_width(zoom, lines[i]) + 2 * margin;
        width = needed > width ? needed : width;
    }
    int height = picture->height + n_lines * cli_text_height(zoom) + 2 * margin;
    CLI_TRY(cli_image_make(width, height, 3, 245, result->drawing));
    cli_draw_image(result->drawing, 0, 0, picture);
    for (int i = 0; i < n_lines; i++) {
        int top = picture->height + margin + i * cli_text_height(zoom);
        cli_draw_text(result->drawing, margin, top, zoom, lines[i], ink);
    }
    return PITH_OK;
}
