/* The rows of some lists whose codes are nearest. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ivf.h"

#if ISE_SUPPORTED
/* What a sum of looked up bytes means for the order of the rows of the other metric: codes tell the
 * squared distance of what was clustered, norms the rest. */
typedef struct {
    float base, step, length, square;
    int is_other, metric;
} Scale;

ON_AVX2 static void as_keys(const Scale *scale, const uint16_t *sums, const float *norms,
                            int64_t count, float *keys)
{
    float base = scale->base, step = scale->step, length = scale->length, square = scale->square;
    if (scale->metric == L2) /* codes of unit vectors: d = 2 - 2 cosine */
        for (int64_t i = 0; i < count; i++)
            keys[i] = norms[i] * (norms[i] - length * (2 - (base + step * sums[i])));
    else
        for (int64_t i = 0; i < count; i++) {
            float norm = norms[i] > 0 ? norms[i] : 1;
            keys[i] = (base + step * sums[i] - norms[i] * norms[i] - square) / norm;
        }
}

int64_t scan_codes(const Coarse *coarse, const Segment *segment, const float *reduced,
                        const float *query, const int64_t *lists, int64_t count, int64_t depth,
                        int metric, const uint8_t *bits, uint64_t *out)
{
    int64_t longest = 0, found = 0, room = 4 * depth + 1024;
    for (int64_t i = 0; i < count; i++) {
        int64_t size = segment->list_offsets[lists[i] + 1] - segment->list_offsets[lists[i]];
        longest = size > longest ? size : longest;
    }
    int64_t blocks = (longest + BLOCK - 1) / BLOCK;
    uint8_t *tables = malloc((size_t)(32 * segment->code_size + 64));
    uint16_t *sums = malloc((size_t)(blocks * (BLOCK + 1) + 1) * sizeof(uint16_t));
    float *keys = malloc((size_t)(blocks * BLOCK + 1) * sizeof(float));
    uint64_t *best = malloc((size_t)room * sizeof(uint64_t)), worst = UINT64_MAX;
    if (tables == NULL || sums == NULL || keys == NULL || best == NULL) {
        free(tables), free(sums), free(keys), free(best);
        return -1;
    }
    uint16_t *least = sums + blocks * BLOCK;
    Scale scale = {.is_other = metric != coarse->metric, .metric = metric};
    make_tables(coarse, reduced, tables, &scale.base, &scale.step);
    if (scale.is_other) {
        scale.square = dot(query, query, coarse->dim);
        scale.length = sqrtf(scale.square);
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t first = segment->list_offsets[lists[i]];
        int64_t size = segment->list_offsets[lists[i] + 1] - first;
        int64_t here = (size + BLOCK - 1) / BLOCK;
        sum_blocks(segment->packed + segment->first_blocks[lists[i]] * BLOCK * segment->code_size,
                   here, segment->code_size, tables, sums, least);
        if (scale.is_other)
            as_keys(&scale, sums, segment->norms + first, size, keys);
        for (int64_t b = 0; b < here; b++) {
            if (!scale.is_other && (uint64_t)least[b] << 32 > worst)
                continue;
            int64_t end = (b + 1) * BLOCK < size ? (b + 1) * BLOCK : size;
            for (int64_t j = b * BLOCK; j < end; j++) {
                uint64_t key = scale.is_other ? sortable(keys[j]) : sums[j];
                key = key << 32 | (uint64_t)(first + j);
                if (key > worst)
                    continue;
                if (bits != NULL && !(bits[(first + j) >> 3] >> ((first + j) & 7) & 1))
                    continue;
                best[found++] = key;
                if (found == room) {
                    select_least(best, found, depth);
                    found = depth;
                    worst = best[0];
                    for (int64_t n = 1; n < depth; n++)
                        worst = best[n] > worst ? best[n] : worst;
                }
            }
        }
    }
    if (found > depth) {
        select_least(best, found, depth);
        found = depth;
    }
    memcpy(out, best, (size_t)found * sizeof(uint64_t));
    free(tables), free(sums), free(keys), free(best);
    return found;
}

/* Keys in the upper half, rows in the lower one; in no order. */
int64_t nearest_codes(const Coarse *coarse, const Segment *segment, const float *query,
                      const int64_t *lists, int64_t count, int64_t depth, int metric,
                      const uint8_t *bits, uint64_t *out)
{
    float *point = as_clustered(coarse, query);
    if (point == NULL)
        return -1;
    int64_t found = scan_codes(coarse, segment, point + coarse->dim, query, lists, count, depth,
                             metric, bits, out);
    free(point);
    return found;
}
#endif
