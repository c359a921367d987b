/* Many queries at once: each thread takes the next one. */
#include "ivf.h"

#if ISE_SUPPORTED
#include <pthread.h>

#define MOST_THREADS 64

typedef struct {
    const Coarse *coarse;
    Segment *const *segments;
    int64_t count, queries;
    const Mask *masks;
    const Request *requests;
    Found *found;
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
        if (search(work->coarse, work->segments, work->count, work->masks, work->requests + i, NULL,
                   0, work->found + i))
            __atomic_store_n(&work->failed, 1, __ATOMIC_RELAXED);
    }
}

int search_many(const Coarse *coarse, Segment *const *segments, int64_t count, const Mask *masks,
                const Request *requests, int64_t queries, int threads, Found *found)
{
    Work work = {coarse, segments, count, queries, masks, requests, found, 0, 0};
    pthread_t others[MOST_THREADS];
    int started = 0;
    threads = threads < MOST_THREADS ? threads : MOST_THREADS;
    /* Without threads of its own, this one does it all. */
    while (started < threads - 1 && started < queries - 1 &&
           pthread_create(others + started, NULL, take, &work) == 0)
        started++;
    take(&work);
    while (started > 0)
        pthread_join(others[--started], NULL);
    return work.failed ? -1 : 0;
}
#endif
