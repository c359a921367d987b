/* Many queries at once: each thread takes the next one. */
#include "ivf.h"

#if ISE_SUPPORTED
#include <pthread.h>
#include <stdlib.h>

#define MOST_THREADS 64

typedef struct Work {
    int (*one)(struct Work *, int64_t);
    const Coarse *coarse;
    Segment *const *segments;
    int64_t segment_count, queries;
    const Mask *masks;
    const Request *requests;
    Found *found;
    const Lists *lists;
    Rows *rows;
    int64_t next;
    int failed;
} Work;

static void *take(void *given)
{
    Work *work = given;
    for (;;) {
        int64_t i = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED);
        if (i >= work->queries)
            return NULL;
        if (work->one(work, i))
            __atomic_store_n(&work->failed, 1, __ATOMIC_RELAXED);
    }
}

static int share(Work *work, int threads)
{
    pthread_t others[MOST_THREADS];
    int started = 0;
    threads = threads < MOST_THREADS ? threads : MOST_THREADS;
    /* Without threads of its own, this one does it all. */
    while (started < threads - 1 && started < work->queries - 1 &&
           pthread_create(others + started, NULL, take, work) == 0)
        started++;
    take(work);
    while (started > 0)
        pthread_join(others[--started], NULL);
    return work->failed ? -1 : 0;
}

static int search_one(Work *work, int64_t i)
{
    return search(work->coarse, work->segments, work->segment_count, work->masks,
                  work->requests + i, NULL, 0, work->found + i);
}

int search_many(const Coarse *coarse, Segment *const *segments, int64_t count, const Mask *masks,
                const Request *requests, int64_t queries, int threads, Found *found)
{
    Work work = {.one = search_one, .coarse = coarse, .segments = segments, .segment_count = count,
                 .masks = masks, .requests = requests, .queries = queries, .found = found};
    return share(&work, threads);
}

static int nearest_one(Work *work, int64_t i)
{
    const Request *request = work->requests + i;
    Rows *rows = work->rows + i;
    rows->keys = malloc((size_t)(request->depth + 1) * sizeof *rows->keys);
    rows->count = rows->keys == NULL ? -1 : nearest_codes(
        work->coarse, work->segments[0], request->query, work->lists[i].numbers,
        work->lists[i].count, request->depth, request->metric, NULL, rows->keys);
    return rows->count < 0 ? -1 : 0;
}

int nearest_many(const Coarse *coarse, Segment *segment, const Request *requests,
                 const Lists *lists, int64_t queries, int threads, Rows *rows)
{
    Work work = {.one = nearest_one, .coarse = coarse, .segments = &segment, .segment_count = 1,
                 .requests = requests, .lists = lists, .queries = queries, .rows = rows};
    return share(&work, threads);
}
#endif
