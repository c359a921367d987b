/* The coarse quantizer: a query as clusters and codes see it, and the clusters nearest to it. */
#include <math.h>
#include <stdlib.h>

#include "ivf.h"

#if ISE_SUPPORTED
#define FEW 128 /* so many are sorted by insertion */

float *as_clustered(const Coarse *coarse, const float *query)
{
    float *point = malloc((size_t)(coarse->dim + coarse->width) * sizeof(float));
    double *terms = malloc((size_t)coarse->dim * sizeof(double));
    if (point == NULL || terms == NULL) {
        free(point), free(terms);
        return NULL;
    }
    double length = coarse->metric == COSINE ? sqrt(squared_length(query, coarse->dim, terms)) : 1;
    free(terms);
    for (int64_t i = 0; i < coarse->dim; i++)
        point[i] = length > 0 ? (float)(query[i] / length) : query[i];
    if (coarse->width)
        project(point, coarse->projection, coarse->offset, coarse->dim, coarse->width,
                point + coarse->dim);
    return point;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_keys(uint64_t *keys, int64_t count)
{
    if (count > FEW) {
        qsort(keys, (size_t)count, sizeof *keys, by_key);
        return;
    }
    for (int64_t i = 1; i < count; i++) {
        uint64_t one = keys[i];
        int64_t j = i;
        for (; j > 0 && keys[j - 1] > one; j--)
            keys[j] = keys[j - 1];
        keys[j] = one;
    }
}

/* The nearest clusters, the nearest first, ties by number; see `Coarse.rank`. */
int64_t rank_clusters(const Coarse *coarse, const float *point, const Request *request,
                      int64_t *lists)
{
    const float *compared = coarse->points_dim == coarse->dim ? point : point + coarse->dim;
    int64_t clusters = coarse->clusters, count = 0;
    float *away = malloc((size_t)clusters * sizeof(float)), least = INFINITY;
    uint64_t *keys = malloc((size_t)clusters * sizeof(uint64_t));
    if (away == NULL || keys == NULL) {
        free(away), free(keys);
        return -1;
    }
    for (int64_t c = 0; c < clusters; c++) {
        float product = dot(coarse->points + c * coarse->points_dim, compared, coarse->points_dim);
        away[c] = coarse->squares[c] - 2 * product;
        least = away[c] < least ? away[c] : least;
    }
    for (int64_t c = 0; c < clusters; c++)
        if (!request->has_reach || away[c] - least <= request->reach)
            keys[count++] = (uint64_t)sortable(away[c]) << 32 | (uint64_t)c;
    int64_t nprobe = request->nprobe > 0 ? request->nprobe : 0;
    if (nprobe < count) {
        select_least(keys, count, nprobe);
        count = nprobe;
    }
    sort_keys(keys, count);
    for (int64_t i = 0; i < count; i++)
        lists[i] = (int64_t)(keys[i] & 0xffffffffu);
    free(away), free(keys);
    return count;
}
#endif
