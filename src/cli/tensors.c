/* SPDX-License-Identifier: Apache-2.0 */
/* Owned tensors: making, converting, reading elements of every type. */
#include <math.h>

#include "tensors.h"

pith_status cli_tensor_check_shape(pith_dtype dtype, const pith_shape *shape, size_t *n_bytes_out)
{
    const unsigned bits = pith_dtype_bits(dtype);
    uint64_t n_bytes = bits >= 8 ? bits / 8 : bits > 0; /* or elements of less than a byte */
    bool is_empty = false;
    CLI_CHECK(n_bytes > 0, PITH_STATUS_DTYPE, "a tensor without element type");
    CLI_CHECK(shape->rank >= 0 && shape->rank <= PITH_MAX_RANK, PITH_STATUS_LIMIT,
              "rank %d is outside 0 to %d", shape->rank, PITH_MAX_RANK);
    for (int i = 0; i < shape->rank; i++) {
        CLI_CHECK(shape->dims[i] >= 0, PITH_STATUS_SHAPE, "dimension %d is %lld, below 0", i,
                  (long long)shape->dims[i]);
        is_empty = is_empty || shape->dims[i] == 0;
    }
    for (int i = 0; i < shape->rank; i++) { /* zeros must not hide an overflow of the others */
        uint64_t size = shape->dims[i] > 0 ? (uint64_t)shape->dims[i] : 1;
        CLI_CHECK(size <= CLI_MAX_TENSOR_BYTES / n_bytes, PITH_STATUS_LIMIT,
                  "a tensor of more than %llu GiB is refused", (unsigned long long)(CLI_MAX_TENSOR_BYTES >> 30));
        n_bytes *= size;
    }
    *n_bytes_out = is_empty ? 0 : (size_t)(bits >= 8 ? n_bytes : (n_bytes * bits + 7) / 8);
    return PITH_OK;
}

pith_status cli_tensor_make(pith_dtype dtype, const pith_shape *shape, cli_tensor *tensor_out)
{
    size_t n_bytes;
    void *data;
    CLI_TRY(cli_tensor_check_shape(dtype, shape, &n_bytes));
    CLI_TRY(cli_alloc(n_bytes, 1, &data));
    *tensor_out = (cli_tensor){ .view = { .dtype = dtype, .shape = *shape, .data = data } };
    return PITH_OK;
}

pith_status cli_tensor_set_name(cli_tensor *tensor, const char *name, size_t n_bytes)
{
    char *copy;
    CLI_TRY(cli_text_copy(name, n_bytes, &copy));
    cli_free(tensor->name);
    tensor->name = copy;
    return PITH_OK;
}

void cli_tensor_free(cli_tensor *tensor)
{
    cli_free(tensor->name);
    if (!tensor->store) {
        cli_free(tensor->view.data);
    }
    pith_object_store_destroy(tensor->store);
    *tensor = (cli_tensor){ 0 };
}

pith_status cli_tensor_copy(const pith_tensor *view, cli_tensor *copy_out)
{
    cli_tensor copy;
    CLI_TRY(cli_tensor_make(view->dtype, &view->shape, &copy));
    size_t n_bytes = pith_tensor_bytes(view);
    if (n_bytes) {
        memcpy(copy.view.data, view->data, n_bytes);
    }
    *copy_out = copy;
    return PITH_OK;
}

pith_status cli_tensor_convert(cli_tensor *tensor, pith_dtype dtype)
{
    cli_tensor converted;
    if (tensor->view.dtype == dtype) {
        return PITH_OK;
    }
    CLI_TRY(cli_tensor_make(dtype, &tensor->view.shape, &converted));
    size_t n = (size_t)pith_shape_elements(&tensor->view.shape);
    for (size_t i = 0; i < n; i++) {
        cli_set(&converted.view, i, cli_get(&tensor->view, i));
    }
    converted.name = tensor->name;
    tensor->name = NULL;
    cli_tensor_free(tensor);
    *tensor = converted;
    return PITH_OK;
}

pith_status cli_tensors_add(cli_tensors *list, cli_tensor *tensor)
{
    CLI_TRY(cli_grow((void **)&list->items, &list->capacity, (size_t)list->n + 1, sizeof *list->items));
    list->items[list->n++] = *tensor;
    *tensor = (cli_tensor){ 0 };
    return PITH_OK;
}

cli_tensor *cli_tensors_find(const cli_tensors *list, const char *name)
{
    for (int i = 0; i < list->n; i++) {
        if (list->items[i].name && strcmp(list->items[i].name, name) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

void cli_tensors_free(cli_tensors *list)
{
    for (int i = 0; i < list->n; i++) {
        cli_tensor_free(&list->items[i]);
    }
    cli_free(list->items);
    *list = (cli_tensors){ 0 };
}

bool cli_dtype_is_float(pith_dtype dtype)
{
    return dtype >= PITH_DTYPE_F32 && dtype <= PITH_DTYPE_F4E2M1;
}

pith_dtype cli_dtype_from_name(const char *name)
{
    for (int i = PITH_DTYPE_NONE + 1; i < PITH_DTYPE_COUNT; i++) {
        if (strcmp(pith_dtype_name((pith_dtype)i), name) == 0) {
            return (pith_dtype)i;
        }
    }
    return PITH_DTYPE_NONE;
}

int64_t cli_get_s64(const pith_tensor *tensor, size_t index)
{
    const void *data = tensor->data;
    switch (tensor->dtype) {
    case PITH_DTYPE_S8: return ((const int8_t *)data)[index];
    case PITH_DTYPE_U8:
    case PITH_DTYPE_BOOL: return ((const uint8_t *)data)[index];
    case PITH_DTYPE_S16: return ((const int16_t *)data)[index];
    case PITH_DTYPE_U16: return ((const uint16_t *)data)[index];
    case PITH_DTYPE_S32: return ((const int32_t *)data)[index];
    case PITH_DTYPE_U32: return ((const uint32_t *)data)[index];
    case PITH_DTYPE_S64:
    case PITH_DTYPE_U64: return ((const int64_t *)data)[index];
    default: return (int64_t)cli_get(tensor, index);
    }
}

double cli_get(const pith_tensor *tensor, size_t index) { return pith_tensor_get(tensor, (int64_t)index); }

void cli_set(pith_tensor *tensor, size_t index, double value) { pith_tensor_set(tensor, (int64_t)index, value); }

pith_tensor cli_tensor_parts(const pith_tensor *tensor)
{
    pith_tensor parts = *tensor;
    if (tensor->dtype == PITH_DTYPE_C64 || tensor->dtype == PITH_DTYPE_C128) {
        parts.dtype = tensor->dtype == PITH_DTYPE_C64 ? PITH_DTYPE_F32 : PITH_DTYPE_F64;
        parts.shape = (pith_shape){ 1, { 2 * pith_shape_elements(&tensor->shape) } };
    }
    return parts;
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static bool agrees(const pith_shape *given, const pith_shape *wanted)
{
    bool is_same = given->rank == wanted->rank;
    for (int i = 0; is_same && i < given->rank; i++) {
        is_same = wanted->dims[i] < 0 || wanted->dims[i] == given->dims[i];
    }
    return is_same;
}

/* Axes from `i` on of what is wanted take lengths from axis `k` on of what is given. Fixed ones of length 1 and an open
 * batch take none; other open ones take the next that isn't 1, or else a 1 in front of that. */
static bool takes_lengths(const pith_shape *wanted, int i, const pith_shape *given, int k, pith_shape *fitted)
{
    const int first = k;
    while (k < given->rank && given->dims[k] == 1) {
        k++;
    }
    if (i == wanted->rank) {
        return k == given->rank;
    }
    const int64_t length = wanted->dims[i];
    const bool is_one = length == 1 || (i == 0 && length < 0);
    if (!is_one && k < given->rank && (length < 0 || length == given->dims[k])) {
        fitted->dims[i] = given->dims[k];
        if (takes_lengths(wanted, i + 1, given, k + 1, fitted)) {
            return true;
        }
    }
    fitted->dims[i] = 1;
    return (is_one && takes_lengths(wanted, i + 1, given, first, fitted)) ||
           (!is_one && length < 0 && k > first && takes_lengths(wanted, i + 1, given, first + 1, fitted));
}

void cli_shape_fit(const pith_shape *wanted, pith_shape *shape)
{
    pith_shape fitted = *wanted;
    if (wanted->rank >= 0 && !agrees(shape, wanted) && takes_lengths(wanted, 0, shape, 0, &fitted)) {
        *shape = fitted;
    }
}

void cli_tensor_random(pith_tensor *tensor, uint64_t seed, int64_t n_integers)
{
    const bool is_float = cli_dtype_is_float(tensor->dtype);
    const double low = is_float ? -1.0 : 0.0;
    const double high = is_float ? 1.0 : tensor->dtype == PITH_DTYPE_U8 ? 256.0 : (double)n_integers;
    pith_tensor parts = cli_tensor_parts(tensor);
    tensor = &parts;
    size_t n = (size_t)pith_shape_elements(&tensor->shape);
    for (size_t i = 0; i < n; i++) {
        double unit = (double)(mix(mix(seed) ^ i) >> 11) * 0x1p-53;
        if (tensor->dtype == PITH_DTYPE_BOOL) {
            cli_set(tensor, i, unit < 0.5);
        } else {
            double value = low + unit * (high - low);
            cli_set(tensor, i, cli_dtype_is_float(tensor->dtype) ? value : floor(value));
        }
    }
}
