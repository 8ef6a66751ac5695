/* SPDX-License-Identifier: Apache-2.0 */
/* The part of gemm_s8_body.h for tiles of one or two rows, whose B lies in strips. */

/* Four k of mr rows by a strip. */
S8_INLINE void s8_low_step(s8_v flip, const uint8_t *const *a, size_t k, const int8_t *b, const int mr,
                           s8_acc acc[][S8_STRIP])
{
    s8_a left[PITH_GEMM_S8_STRIP_ROWS];
    S8_UNROLL
    for (int m = 0; m < mr; m++) {
        left[m] = s8_spread(a[m] + k, flip);
    }
    S8_UNROLL
    for (int v = 0; v < S8_STRIP; v++) {
        const s8_b right = s8_load_b(b + v * 4 * S8_NR);
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            acc[m][v] = s8_dot(acc[m][v], left[m], right);
        }
    }
}

S8_INLINE void s8_low_finish(const s8_strip *p, int n0, int m, s8_v sums[S8_STRIP])
{
    const pith_gemm_s8_tile *t = p->t;
    const size_t at = (size_t)m * t->c_stride + (size_t)n0;
    for (int v = 0; v < S8_STRIP && t->row_sums; v++) {
        sums[v] = s8_less(sums[v], t->row_sums[m], s8_load(t->b_zero + n0 + v * S8_NR));
    }
    if (t->scale) {
        s8_f scale[S8_STRIP];
        for (int v = 0; v < S8_STRIP; v++) {
            scale[v] = s8_load_n_f(t->scale + n0 + v * S8_NR, S8_NR);
        }
        s8_store((uint8_t *)t->c + at, s8_in_order(s8_pack(sums, scale, &p->limits), &p->limits));
        return;
    }
    for (int v = 0; v < S8_STRIP; v++) {
        s8_store((int32_t *)t->c + at + v * S8_NR, sums[v]);
    }
}

/* Whole strips of mr rows; returns how many columns that are. Such rows read B once, as fast as L2 gives it: in one
 * long stream, where panels of 2 KiB side by side come at half that rate; and what higher tiles need besides (the
 * buffer, choosing heights) would take as long as the products. A single row has two chains of sums. */
S8_INLINE int s8_run_low(const s8_strip *p, const int mr)
{
    const pith_gemm_s8_tile *t = p->t;
    const s8_v flip = p->flip, none = s8_bytes(0);
    int n0 = 0;
    for (; n0 + S8_FULL <= t->n_columns; n0 += S8_FULL) {
        const int8_t *b = t->b + (size_t)(n0 / S8_NR) * t->b_panel_stride;
        const uint8_t *a[S8_TALLEST];
        uint32_t rest[S8_TALLEST];
        s8_acc acc[2][S8_STRIP];
        s8_v bias[S8_STRIP], sums[S8_STRIP];
        S8_UNROLL
        for (int v = 0; v < S8_STRIP; v++) {
            bias[v] = s8_load(t->bias + n0 + v * S8_NR);
            acc[0][v] = s8_start(bias[v]);
            acc[1][v] = s8_start(mr > 1 ? bias[v] : none);
        }
        for (int piece = 0; piece < p->n_pieces; piece++) {
            const size_t n_bytes = s8_start_piece(p, t->a_rows, piece, mr, a, rest);
            size_t k = 0;
            for (; k + 16 <= n_bytes; k += 16) {
                S8_UNROLL
                for (int i = 0; i < 4; i++, b += 4 * S8_FULL) {
                    s8_low_step(flip, a, k + 4 * (size_t)i, b, mr, acc + (mr > 1 ? 0 : i % 2));
                }
            }
            for (; k < n_bytes; k += 4, b += 4 * S8_FULL) {
                s8_low_step(flip, a, k, b, mr, acc);
            }
        }
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            S8_UNROLL
            for (int v = 0; v < S8_STRIP; v++) {
                sums[v] = s8_end(acc[m][v], bias[v]);
                sums[v] = mr > 1 ? sums[v] : s8_add(sums[v], s8_end(acc[1][v], none));
            }
            s8_low_finish(p, n0, m, sums);
        }
    }
    return n0;
}

static __attribute__((noinline)) int s8_low_1(const s8_strip *p) { return s8_run_low(p, 1); }
static __attribute__((noinline)) int s8_low_2(const s8_strip *p) { return s8_run_low(p, 2); }
