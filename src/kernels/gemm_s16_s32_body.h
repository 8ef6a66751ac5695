/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of rows x vectors of family gemm_s16_s32 in registers. The folder defines the vector: vi (type), VI_LANES,
 * VI_VECTORS (of a wide tile), vi_zero(), vi_load(p), vi_pair(p) (broadcast of two s16), vi_add_pairs(sum, a, b) and
 * vi_store_first(p, v, n). */
#define TILE_ROWS 4

static inline __attribute__((always_inline)) void tile(const pith_gemm_s16_task *task, int64_t row, int64_t column,
                                                       int n_rows, int n_vectors)
{
    vi sums[TILE_ROWS][VI_VECTORS];
    for (int r = 0; r < n_rows; r++) {
        for (int v = 0; v < n_vectors; v++) {
            sums[r][v] = vi_zero();
        }
    }
    const int16_t *a = task->a + row * task->a_stride, *b = task->b + 2 * column;
    for (int64_t p = 0; p < task->n_pairs; p++, a += 2, b += 2 * task->n_padded) {
        vi right[VI_VECTORS];
        for (int v = 0; v < n_vectors; v++) {
            right[v] = vi_load(b + 2 * VI_LANES * v);
        }
        for (int r = 0; r < n_rows; r++) {
            vi left = vi_pair(a + r * task->a_stride);
            for (int v = 0; v < n_vectors; v++) {
                sums[r][v] = vi_add_pairs(sums[r][v], left, right[v]);
            }
        }
    }
    for (int r = 0; r < n_rows; r++) {
        int32_t *y = task->y + (row + r) * task->y_stride + column;
        for (int v = 0; v < n_vectors; v++) {
            int64_t left = task->n_columns - column - VI_LANES * v;
            vi_store_first(y + VI_LANES * v, sums[r][v], left);
        }
    }
}

static void run(const pith_gemm_s16_task *task)
{
    const int64_t width = VI_LANES * VI_VECTORS;
    for (int64_t column = 0; column < task->n_columns;) {
        bool is_wide = task->n_padded - column >= width;
        int64_t row = 0;
        for (; row + TILE_ROWS <= task->n_rows; row += TILE_ROWS) {
            if (is_wide) {
                tile(task, row, column, TILE_ROWS, VI_VECTORS);
            } else {
                tile(task, row, column, TILE_ROWS, 1);
            }
        }
        for (; row < task->n_rows; row++) {
            if (is_wide) {
                tile(task, row, column, 1, VI_VECTORS);
            } else {
                tile(task, row, column, 1, 1);
            }
        }
        column += is_wide ? width : VI_LANES;
    }
}
