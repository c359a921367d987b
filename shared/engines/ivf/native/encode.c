/* Vectors as codes: the nearest of 16 codewords for each two dimensions of a projected vector. */
#include <math.h>
#include <stdlib.h>

#include "ivf.h"

#if ISE_SUPPORTED
#define PAIRS (MOST_WIDTH / 2)

/* Codewords by number, those of all pairs together: what a register holds belongs to many pairs. */
typedef struct {
    float x[CODEWORDS][PAIRS], y[CODEWORDS][PAIRS];
} Words;

static inline __attribute__((always_inline)) void encode(const float *points, int64_t rows,
                                                         int64_t pairs, const Words *words,
                                                         uint8_t *codes)
{
    float x[PAIRS], y[PAIRS], least[PAIRS];
    int32_t nearest[PAIRS];
    for (int64_t row = 0; row < rows; row++) {
        const float *point = points + row * pairs * 2;
        for (int64_t p = 0; p < pairs; p++)
            x[p] = point[2 * p], y[p] = point[2 * p + 1], least[p] = INFINITY, nearest[p] = 0;
        for (int32_t c = 0; c < CODEWORDS; c++)
            for (int64_t p = 0; p < pairs; p++) {
                float dx = x[p] - words->x[c][p], dy = y[p] - words->y[c][p];
                float away = dx * dx + dy * dy;
                nearest[p] = away < least[p] ? c : nearest[p];
                least[p] = away < least[p] ? away : least[p];
            }
        for (int64_t p = 0; p < pairs; p += 2)
            *codes++ = (uint8_t)(nearest[p] | nearest[p + 1] << 4);
    }
}

ON_AVX2 static void encode_avx2(const float *points, int64_t rows, int64_t pairs,
                                const Words *words, uint8_t *codes)
{
    encode(points, rows, pairs, words, codes);
}

ON_AVX512 static void encode_avx512(const float *points, int64_t rows, int64_t pairs,
                                    const Words *words, uint8_t *codes)
{
    encode(points, rows, pairs, words, codes);
}

int encode_points(const float *points, int64_t rows, int64_t pairs, const float *codebooks,
                  uint8_t *codes)
{
    Words *words = calloc(1, sizeof *words);
    if (words == NULL)
        return -1;
    for (int64_t p = 0; p < pairs; p++)
        for (int64_t c = 0; c < CODEWORDS; c++) {
            words->x[c][p] = codebooks[(p * CODEWORDS + c) * 2];
            words->y[c][p] = codebooks[(p * CODEWORDS + c) * 2 + 1];
        }
    (ivf_level() > 1 ? encode_avx512 : encode_avx2)(points, rows, pairs, words, codes);
    free(words);
    return 0;
}
#endif
