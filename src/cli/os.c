/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool asks of the system: clock, memory, terminal, folders. POSIX. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

double cli_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

uint64_t cli_peak_rss_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return (uint64_t)usage.ru_maxrss * 1024u; /* Linux counts in KiB */
}

bool cli_is_terminal(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

bool cli_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cli_is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool cli_is_replaceable(const char *path)
{
    struct stat info;
    return lstat(path, &info) != 0 || S_ISREG(info.st_mode);
}

pith_status cli_make_folder(const char *path)
{
    CLI_CHECK(mkdir(path, 0777) == 0 || cli_is_folder(path), PITH_STATUS_IO, "can't make the folder '%s': %s",
              path, strerror(errno));
    return PITH_OK;
}

/* Opens nothing that is there: a pipe would wait for its reader. */
pith_status cli_check_output(const char *path, const char *source)
{
    struct stat to, from;
    const bool exists = stat(path, &to) == 0;
    CLI_CHECK(!exists || stat(source, &from) != 0 || to.st_dev != from.st_dev || to.st_ino != from.st_ino,
              PITH_STATUS_ARG, "'%s' and '%s' are the same file, which would be lost; give -o another name", path,
              source);
    CLI_CHECK(!exists || !S_ISDIR(to.st_mode), PITH_STATUS_IO, "can't write '%s': %s", path, strerror(EISDIR));
    const int made = exists ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (made >= 0) {
        close(made);
        remove(path);
        return PITH_OK;
    }
    const bool is_dangling_link = !exists && errno == EEXIST; /* whether it can be written will be seen */
    CLI_CHECK(is_dangling_link || (exists && access(path, W_OK) == 0), PITH_STATUS_IO, "can't write '%s': %s", path,
              strerror(errno));
    return PITH_OK;
}

void cli_cpu_name(char *text, size_t n_bytes)
{
    static const char key[] = "model name";
    char line[256];
    snprintf(text, n_bytes, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) {
        return;
    }
    while (fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, key, sizeof key - 1) == 0 && colon && colon[1] == ' ') {
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(text, n_bytes, "%s", colon + 2);
            break;
        }
    }
    fclose(file);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static pith_status collect_names(DIR *folder, const char *prefix, char ***names, int *n_names)
{
    size_t capacity = 0;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            CLI_TRY(cli_grow((void **)names, &capacity, (size_t)*n_names + 1, sizeof **names));
            CLI_TRY(cli_text_copy(entry->d_name, strlen(entry->d_name), &(*names)[*n_names]));
            ++*n_names;
        }
    }
    return PITH_OK;
}

pith_status cli_list_folder(const char *path, const char *prefix, char ***names_out, int *n_names_out)
{
    char **names = NULL;
    int n_names = 0;
    DIR *folder = opendir(path);
    CLI_CHECK(folder, PITH_STATUS_IO, "can't read the folder '%s': %s", path, strerror(errno));
    pith_status status = collect_names(folder, prefix, &names, &n_names);
    closedir(folder);
    if (status != PITH_OK) {
        cli_free_names(names, n_names);
        return status;
    }
    if (n_names) {
        qsort(names, (size_t)n_names, sizeof *names, compare_names);
    }
    *names_out = names;
    *n_names_out = n_names;
    return PITH_OK;
}

void cli_free_names(char **names, int n_names)
{
    for (int i = 0; i < n_names; i++) {
        cli_free(names[i]);
    }
    cli_free(names);
}

static bool has_colours(void)
{
    const char *off = getenv("NO_COLOR"); /* https://no-color.org */
    return cli_is_terminal(stdout) && !(off && *off);
}

const char *cli_colour_on(cli_colour colour)
{
    static const char *const codes[] = {
        [CLI_PLAIN] = "", [CLI_GOOD] = "\033[32m", [CLI_BAD] = "\033[31m", [CLI_STRONG] = "\033[1m",
        [CLI_FAINT] = "\033[2m",
    };
    return has_colours() ? codes[colour] : "";
}

const char *cli_colour_off(void)
{
    return has_colours() ? "\033[0m" : "";
}

void cli_progress(const char *format, ...)
{
    if (!cli_is_terminal(stderr)) {
        return;
    }
    va_list args;
    va_start(args, format);
    fprintf(stderr, "\r\033[K");
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
}
