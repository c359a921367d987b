/* One query from its vector to exact distances. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ivf.h"

#if ISE_SUPPORTED
#define AHEAD 4         /* rows that are fetched before they are compared */
#define ROUNDING 2e-5f  /* as in shared/maths/distances.py */
#define SLOW_ROW 3e-6   /* seconds: a row that takes longer came from disk */

typedef struct {
    float away;
    int64_t segment, row;
} Candidate;

typedef struct {
    Candidate *items;
    int64_t count, room;
    float margin;
} Candidates;

static int64_t at_most(const int64_t *sorted, int64_t count, int64_t value)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (sorted[middle] <= value) low = middle + 1;
        else high = middle;
    }
    return low;
}

static int by_row(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Asks for rows that lie on disk all at once; adjacent ones are one read. */
static void read_ahead(const Segment *segment, int64_t *rows, int64_t count)
{
    qsort(rows, (size_t)count, sizeof *rows, by_row);
    for (int64_t i = 0; i < count;) {
        int64_t j = i + 1;
        while (j < count && rows[j] - rows[j - 1] <= 1)
            j++;
        posix_fadvise(segment->file, segment->file_offset + rows[i] * segment->stride,
                      (rows[j - 1] - rows[i] + 1) * segment->stride, POSIX_FADV_WILLNEED);
        i = j;
    }
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Distances in float32, each right but for the margin; see `approximate`. */
static int measure_rows(Segment *segment, int64_t number, int64_t *rows, int64_t count, int64_t dim,
                        const float *point, float square, int metric, float *scratch,
                        Candidates *into)
{
    if (into->count + count > into->room) {
        int64_t room = 2 * (into->count + count);
        Candidate *items = realloc(into->items, (size_t)room * sizeof *items);
        if (items == NULL)
            return -1;
        into->items = items, into->room = room;
    }
    if (segment->comes_from_disk && segment->file >= 0)
        read_ahead(segment, rows, count);
    double started = now();
    float most = 0;
    for (int64_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            const char *next = segment->vectors + rows[i + AHEAD] * segment->stride;
            for (int64_t at = 0; at < segment->stride && at < 2048; at += 64)
                __builtin_prefetch(next + at);
        }
        const float *vector = as_floats(segment, rows[i], dim, scratch);
        float product = dot(vector, point, dim), norm = segment->norms[rows[i]], away;
        if (metric == COSINE) {
            away = 1 - product / (norm > 0 ? norm : 1);
        } else {
            float squares = norm * norm + square;
            most = squares > most ? squares : most;
            away = squares - 2 * product;
        }
        into->items[into->count++] = (Candidate){away, number, rows[i]};
    }
    if (count)
        segment->comes_from_disk = now() - started > SLOW_ROW * (double)count;
    float margin = metric == COSINE ? ROUNDING : ROUNDING * most;
    into->margin = margin > into->margin ? margin : into->margin;
    return 0;
}

/* The row of an image, or -1. */
static int64_t row_of(const Segment *segment, int64_t ordinal)
{
    int64_t low = 0, high = segment->rows;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        int64_t row = segment->by_ordinal[middle];
        if (row < 0 || row >= segment->rows)
            return -1; /* the file is damaged */
        if (segment->ordinals[row] < ordinal) low = middle + 1;
        else high = middle;
    }
    if (low == segment->rows)
        return -1;
    int64_t found = segment->by_ordinal[low];
    return found >= 0 && found < segment->rows && segment->ordinals[found] == ordinal ? found : -1;
}

static int is_allowed(const uint8_t *bits, int64_t row)
{
    return bits == NULL || bits[row >> 3] >> (row & 7) & 1;
}

/* The rows of a segment that are worth a look: `*rows` is allocated. */
static int64_t chosen(const Coarse *coarse, const Segment *segment, const float *point,
                      const int64_t *lists, int64_t count, int64_t in_lists, const uint8_t *bits,
                      const Request *request, int64_t **rows)
{
    int64_t found = 0, extra = -1;
    int is_coded = segment->packed != NULL;
    int64_t depth = request->depth > 0 ? request->depth : 0;
    int64_t room = is_coded && depth < in_lists ? depth : in_lists;
    *rows = malloc((size_t)(room + 1) * sizeof **rows);
    if (*rows == NULL)
        return -1;
    if (is_coded) {
        found = scan_codes(coarse, segment, point + coarse->dim, request->query, lists, count, room,
                         request->metric, bits, (uint64_t *)*rows);
        for (int64_t i = 0; i < found; i++)
            (*rows)[i] &= 0xffffffff;
    } else {
        for (int64_t i = 0; i < count; i++)
            for (int64_t row = segment->list_offsets[lists[i]];
                 row < segment->list_offsets[lists[i] + 1]; row++)
                if (is_allowed(bits, row))
                    (*rows)[found++] = row;
    }
    if (request->has_include && found >= 0)
        extra = row_of(segment, request->include);
    if (extra >= 0 && is_allowed(bits, extra)) {
        int64_t i = 0;
        while (i < found && (*rows)[i] != extra)
            i++;
        if (i == found)
            (*rows)[found++] = extra;
    }
    return found;
}

static int by_distance(const void *a, const void *b)
{
    const Hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

/* What may be among the k nearest is measured in float64. */
static int measure_exactly(const Coarse *coarse, Segment *const *segments, const Request *request,
                           const int64_t *lists, int64_t count, Candidates *some, float *scratch,
                           double *terms, Found *found)
{
    float limit = INFINITY;
    if (some->count > request->k && request->k > 0) {
        uint64_t *keys = malloc((size_t)some->count * sizeof *keys);
        if (keys == NULL)
            return -1;
        for (int64_t i = 0; i < some->count; i++)
            keys[i] = (uint64_t)sortable(some->items[i].away) << 32 | (uint64_t)i;
        select_least(keys, some->count, request->k);
        uint64_t last = 0;
        for (int64_t i = 0; i < request->k; i++)
            last = keys[i] > last ? keys[i] : last;
        limit = some->items[last & 0xffffffffu].away + some->margin;
        free(keys);
    }
    double length = sqrt(squared_length(request->query, coarse->dim, terms));
    int64_t *ranks = calloc((size_t)coarse->clusters, sizeof *ranks);
    found->hits = malloc((size_t)(some->count + 1) * sizeof *found->hits);
    if (ranks == NULL || found->hits == NULL) {
        free(ranks);
        return -1;
    }
    for (int64_t i = 0; i < count; i++)
        ranks[lists[i]] = i + 1;
    for (int64_t i = 0; i < some->count; i++) {
        Candidate one = some->items[i];
        if (!(one.away <= limit))
            continue;
        const Segment *segment = segments[one.segment];
        int64_t cluster = at_most(segment->list_offsets, coarse->clusters + 1, one.row) - 1;
        const float *vector = as_floats(segment, one.row, coarse->dim, scratch);
        found->hits[found->count++] = (Hit){
            .ordinal = segment->ordinals[one.row],
            .cluster = cluster,
            .rank = ranks[cluster],
            .segment = one.segment,
            .distance = exact_distance(vector, request->query, coarse->dim, request->metric, length,
                                       terms),
        };
    }
    qsort(found->hits, (size_t)found->count, sizeof *found->hits, by_distance);
    free(ranks);
    return 0;
}

int search(const Coarse *coarse, Segment *const *segments, int64_t count, const Mask *masks,
           const Request *request, const int64_t *given, int64_t given_count, Found *found)
{
    int64_t dim = coarse->dim, listed = given_count;
    int failed = 0;
    Candidates some = {0};
    float *point = as_clustered(coarse, request->query);
    float *floats = malloc((size_t)(2 * dim) * sizeof(float));
    double *terms = malloc((size_t)dim * sizeof(double));
    int64_t *own = malloc((size_t)(coarse->clusters + 1) * sizeof(int64_t));
    const int64_t *lists = given != NULL ? given : own;
    memset(found, 0, sizeof *found);
    failed = point == NULL || floats == NULL || terms == NULL || own == NULL;
    if (!failed && given == NULL) {
        listed = rank_clusters(coarse, point, request, own);
        failed = listed < 0;
    }
    found->nprobe = listed;
    if (!failed && given == NULL && listed >= coarse->clusters)
        goto done; /* every row is compared, elsewhere */

    float square = 0;
    if (!failed) {
        double length = sqrt(squared_length(request->query, dim, terms));
        square = (float)(length * length);
        for (int64_t i = 0; i < dim; i++) {
            float one = request->query[i];
            floats[i] = request->metric == COSINE && length > 0 ? (float)(one / length) : one;
        }
    }
    for (int64_t n = 0; n < count && !failed; n++) {
        const Segment *segment = segments[n];
        const int64_t *offsets = masks ? masks[n].offsets : segment->list_offsets;
        const uint8_t *bits = masks ? masks[n].bits : NULL;
        int64_t held = 0, in_lists = 0, *rows = NULL;
        for (int64_t i = 0; i < listed; i++) {
            held += offsets[lists[i] + 1] - offsets[lists[i]];
            in_lists += segment->list_offsets[lists[i] + 1] - segment->list_offsets[lists[i]];
        }
        found->scanned += held;
        if (!held && !request->has_include)
            continue; /* most small additions have no row in the probed lists */
        int64_t looked = chosen(coarse, segment, point, lists, listed, in_lists, bits, request,
                                &rows);
        failed = looked < 0 || measure_rows(segments[n], n, rows, looked, dim, floats, square,
                                            request->metric, floats + dim, &some);
        found->reranked += looked > 0 ? looked : 0;
        free(rows);
    }
    if (!failed)
        failed = measure_exactly(coarse, segments, request, lists, listed, &some, floats + dim,
                                 terms, found);
done:
    free(point), free(floats), free(terms), free(own), free(some.items);
    return failed ? -1 : 0;
}
#endif
