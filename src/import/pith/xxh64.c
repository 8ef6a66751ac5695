/* SPDX-License-Identifier: Apache-2.0 */
/* XXH64, after the algorithm's description (github.com/Cyan4973/xxHash, doc/xxhash_spec.md). */
#include "import/pith/pith.h"

#define P1 11400714785074694791u
#define P2 14029467366897019727u
#define P3 1609587929392839161u
#define P4 9650029242287828579u
#define P5 2870177450012600261u

static uint64_t turn(uint64_t x, int n) { return x << n | x >> (64 - n); }
static uint64_t step(uint64_t lane, uint64_t word) { return turn(lane + word * P2, 31) * P1; }

static uint64_t load64(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint64_t finish(uint64_t hash, const unsigned char *at, size_t n_left)
{
    for (; n_left >= 8; n_left -= 8, at += 8) {
        hash = turn(hash ^ step(0, load64(at)), 27) * P1 + P4;
    }
    if (n_left >= 4) {
        hash = turn(hash ^ pithi_load_le(at, 4) * P1, 23) * P2 + P3;
        n_left -= 4;
        at += 4;
    }
    for (; n_left > 0; n_left--, at++) {
        hash = turn(hash ^ *at * P5, 11) * P1;
    }
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}

uint64_t pithi_xxh64(uint64_t seed, const void *data, size_t n_bytes)
{
    const unsigned char *at = data;
    uint64_t hash = seed + P5, lanes[4] = { seed + P1 + P2, seed + P2, seed, seed - P1 };
    size_t n_left = n_bytes;
    for (; n_left >= 32; n_left -= 32) {
        for (int i = 0; i < 4; i++, at += 8) {
            lanes[i] = step(lanes[i], load64(at));
        }
    }
    if (n_bytes >= 32) {
        hash = turn(lanes[0], 1) + turn(lanes[1], 7) + turn(lanes[2], 12) + turn(lanes[3], 18);
        for (int i = 0; i < 4; i++) {
            hash = (hash ^ step(0, lanes[i])) * P1 + P4;
        }
    }
    return finish(hash + n_bytes, at, n_left);
}
