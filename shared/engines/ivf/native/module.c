/* The Python module `shared.engines.ivf._native`, of the stable ABI. */
#include "holders.h"

#include <stdlib.h>
#include <string.h>

#if ISE_SUPPORTED
static Holder *holder_of(PyObject *capsule, const char *name)
{
    return PyCapsule_GetPointer(capsule, name);
}

static int as_view(PyObject *array, Py_buffer *view, Py_ssize_t least)
{
    if (PyObject_GetBuffer(array, view, PyBUF_SIMPLE))
        return -1;
    if (view->len < least) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_ValueError, "an array is too short");
        return -1;
    }
    return 0;
}

/* A segment over the same clusters, whose codes and vectors are as long as the index has them. */
static Segment *segment_of(PyObject *capsule, const Coarse *coarse)
{
    Holder *holder = capsule == NULL ? NULL : holder_of(capsule, SEGMENT);
    if (holder == NULL)
        return NULL;
    Segment *segment = &holder->segment;
    if (segment->clusters != coarse->clusters ||
        segment->stride != coarse->dim * (segment->is_half ? 2 : 4) ||
        (segment->packed != NULL && 4 * segment->code_size != coarse->width)) {
        PyErr_SetString(PyExc_ValueError, "a segment doesn't fit its index");
        return NULL;
    }
    return segment;
}

static int are_lists(const Py_buffer *view, int64_t clusters)
{
    const int64_t *lists = view->buf;
    for (Py_ssize_t i = 0; i < view->len / 8; i++)
        if (lists[i] < 0 || lists[i] >= clusters) {
            PyErr_SetString(PyExc_ValueError, "there is no such list");
            return 0;
        }
    return 1;
}

/* Columns of int64 and float64, one after another. */
static PyObject *as_bytes(const Found *found)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, found->count * 40);
    char *text = bytes == NULL ? NULL : PyBytes_AsString(bytes);
    if (text == NULL)
        return NULL;
    int64_t *out = (int64_t *)text, n = found->count;
    for (int64_t i = 0; i < n; i++) {
        const Hit *hit = found->hits + i;
        out[i] = hit->ordinal;
        out[n + i] = hit->cluster;
        out[2 * n + i] = hit->rank;
        out[3 * n + i] = hit->segment;
        memcpy(out + 4 * n + i, &hit->distance, 8);
    }
    return bytes;
}

static PyObject *as_answer(const Found *found)
{
    PyObject *bytes = as_bytes(found);
    if (bytes == NULL)
        return NULL;
    return Py_BuildValue("NLLLL", bytes, (long long)found->count, (long long)found->scanned,
                         (long long)found->reranked, (long long)found->nprobe);
}

/* Fills `masks` from pairs of arrays; each view is released by the caller. */
static int as_masks(PyObject *given, const Coarse *coarse, Segment *const *segments,
                    Py_ssize_t count, Mask *masks, Py_buffer *views, int *viewed)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyTuple_GetItem(given, i);
        PyObject *offsets = pair == NULL ? NULL : PyTuple_GetItem(pair, 0);
        PyObject *bits = pair == NULL ? NULL : PyTuple_GetItem(pair, 1);
        if (offsets == NULL || bits == NULL)
            return -1;
        if (as_view(offsets, views + *viewed, (coarse->clusters + 1) * 8))
            return -1;
        masks[i].offsets = views[(*viewed)++].buf;
        masks[i].bits = NULL;
        if (bits != Py_None) {
            if (as_view(bits, views + *viewed, (segments[i]->rows + 7) / 8))
                return -1;
            masks[i].bits = views[(*viewed)++].buf;
        }
    }
    return 0;
}

static PyObject *py_search(PyObject *self, PyObject *args)
{
    PyObject *coarse_of, *segments_of, *query, *lists, *reach, *mask, *include, *answer = NULL;
    long long nprobe, k, depth;
    int metric;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO!OOLOLiLOO", &coarse_of, &PyTuple_Type, &segments_of, &query,
                          &lists, &nprobe, &reach, &k, &metric, &depth, &mask, &include))
        return NULL;
    Holder *holder = holder_of(coarse_of, COARSE);
    if (holder == NULL)
        return NULL;
    const Coarse *coarse = &holder->coarse;
    Py_ssize_t count = PyTuple_Size(segments_of);
    Segment **segments = malloc((size_t)(count + 1) * sizeof *segments);
    Mask *masks = malloc((size_t)(count + 1) * sizeof *masks);
    Py_buffer *views = malloc((size_t)(2 * count + 2) * sizeof *views);
    int viewed = 0;
    Request request = {.metric = metric, .nprobe = nprobe, .k = k, .depth = depth};
    const int64_t *given = NULL;
    int64_t given_count = 0;
    if (segments == NULL || masks == NULL || views == NULL) {
        PyErr_NoMemory();
        goto end;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        segments[i] = segment_of(PyTuple_GetItem(segments_of, i), coarse);
        if (segments[i] == NULL)
            goto end;
    }
    if (as_view(query, views, coarse->dim * 4))
        goto end;
    request.query = views[viewed++].buf;
    if (lists != Py_None) {
        if (as_view(lists, views + viewed, 0))
            goto end;
        given = views[viewed++].buf, given_count = views[viewed - 1].len / 8;
        if (!are_lists(views + viewed - 1, coarse->clusters))
            goto end;
    }
    if (reach != Py_None)
        request.has_reach = 1, request.reach = (float)PyFloat_AsDouble(reach);
    if (include != Py_None)
        request.has_include = 1, request.include = PyLong_AsLongLong(include);
    if (PyErr_Occurred())
        goto end;
    if (mask != Py_None && as_masks(mask, coarse, segments, count, masks, views, &viewed))
        goto end;
    Found found;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = search(coarse, segments, count, mask == Py_None ? NULL : masks, &request, given,
                    given_count, &found);
    Py_END_ALLOW_THREADS
    answer = failed ? PyErr_NoMemory() : as_answer(&found);
    free(found.hits);
end:
    for (int i = 0; views != NULL && i < viewed; i++)
        PyBuffer_Release(views + i);
    free(segments), free(masks), free(views);
    return answer;
}

/* One query of many: (vector, nprobe, reach, k, metric, depth, include). */
static int as_request(PyObject *given, const Coarse *coarse, Request *request, Py_buffer *view)
{
    PyObject *query, *reach, *include;
    long long nprobe, k, depth;
    int metric;
    if (!PyArg_ParseTuple(given, "OLOLiLO", &query, &nprobe, &reach, &k, &metric, &depth, &include))
        return -1;
    if (as_view(query, view, coarse->dim * 4))
        return -1;
    *request = (Request){.query = view->buf, .metric = metric, .nprobe = nprobe, .k = k,
                         .depth = depth};
    if (reach != Py_None)
        request->has_reach = 1, request->reach = (float)PyFloat_AsDouble(reach);
    if (include != Py_None)
        request->has_include = 1, request->include = PyLong_AsLongLong(include);
    return 0;
}

static PyObject *py_search_many(PyObject *self, PyObject *args)
{
    PyObject *coarse_of, *segments_of, *requests_of, *mask, *answer = NULL;
    int threads, viewed = 0, seen = 0, failed;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO!O!Oi", &coarse_of, &PyTuple_Type, &segments_of, &PyTuple_Type,
                          &requests_of, &mask, &threads))
        return NULL;
    Holder *holder = holder_of(coarse_of, COARSE);
    if (holder == NULL)
        return NULL;
    const Coarse *coarse = &holder->coarse;
    Py_ssize_t count = PyTuple_Size(segments_of), queries = PyTuple_Size(requests_of), i;
    Segment **segments = malloc((size_t)(count + 1) * sizeof *segments);
    Mask *masks = malloc((size_t)(count + 1) * sizeof *masks);
    Request *requests = malloc((size_t)(queries + 1) * sizeof *requests);
    Found *found = calloc((size_t)(queries + 1), sizeof *found);
    Py_buffer *views = malloc((size_t)(2 * count + 1) * sizeof *views);
    Py_buffer *vectors = malloc((size_t)(queries + 1) * sizeof *vectors);
    if (!segments || !masks || !requests || !found || !views || !vectors) {
        PyErr_NoMemory();
        goto end;
    }
    for (i = 0; i < count; i++) {
        segments[i] = segment_of(PyTuple_GetItem(segments_of, i), coarse);
        if (segments[i] == NULL)
            goto end;
    }
    if (mask != Py_None && as_masks(mask, coarse, segments, count, masks, views, &viewed))
        goto end;
    for (; seen < queries; seen++)
        if (as_request(PyTuple_GetItem(requests_of, seen), coarse, requests + seen, vectors + seen))
            goto end;
    if (PyErr_Occurred())
        goto end;
    Py_BEGIN_ALLOW_THREADS
    failed = search_many(coarse, segments, count, mask == Py_None ? NULL : masks, requests, queries,
                         threads, found);
    Py_END_ALLOW_THREADS
    answer = failed ? PyErr_NoMemory() : PyList_New(0);
    for (i = 0; answer != NULL && i < queries; i++) {
        PyObject *one = as_answer(found + i);
        if (one == NULL || PyList_Append(answer, one)) {
            Py_DECREF(answer);
            answer = NULL;
        }
        Py_XDECREF(one);
    }
end:
    for (i = 0; found != NULL && i < queries; i++)
        free(found[i].hits);
    for (i = 0; i < viewed; i++)
        PyBuffer_Release(views + i);
    for (i = 0; i < seen; i++)
        PyBuffer_Release(vectors + i);
    free(segments), free(masks), free(requests), free(found), free(views), free(vectors);
    return answer;
}

static PyObject *py_nearest_many(PyObject *self, PyObject *args)
{
    PyObject *coarse_of, *given, *queries_of, *answer = NULL;
    long long depth;
    int metric, threads, viewed = 0, failed;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOO!Lii", &coarse_of, &given, &PyTuple_Type, &queries_of, &depth,
                          &metric, &threads))
        return NULL;
    Holder *one = holder_of(coarse_of, COARSE);
    Segment *segment = one == NULL ? NULL : segment_of(given, &one->coarse);
    if (segment == NULL)
        return NULL;
    if (segment->packed == NULL) {
        PyErr_SetString(PyExc_ValueError, "a segment has no codes");
        return NULL;
    }
    depth = depth < 0 ? 0 : depth < segment->rows ? depth : segment->rows;
    Py_ssize_t queries = PyTuple_Size(queries_of), i;
    Request *requests = calloc((size_t)(queries + 1), sizeof *requests);
    Lists *lists = calloc((size_t)(queries + 1), sizeof *lists);
    Rows *rows = calloc((size_t)(queries + 1), sizeof *rows);
    Py_buffer *views = malloc((size_t)(2 * queries + 1) * sizeof *views);
    if (!requests || !lists || !rows || !views) {
        PyErr_NoMemory();
        goto end;
    }
    for (i = 0; i < queries; i++) {
        PyObject *query, *numbers;
        if (!PyArg_ParseTuple(PyTuple_GetItem(queries_of, i), "OO", &query, &numbers) ||
            as_view(query, views + viewed, one->coarse.dim * 4))
            goto end;
        requests[i] = (Request){.query = views[viewed++].buf, .metric = metric, .depth = depth};
        if (as_view(numbers, views + viewed, 0))
            goto end;
        lists[i] = (Lists){views[viewed].buf, views[viewed].len / 8};
        viewed++;
        if (!are_lists(views + viewed - 1, one->coarse.clusters))
            goto end;
    }
    Py_BEGIN_ALLOW_THREADS
    failed = nearest_many(&one->coarse, segment, requests, lists, queries, threads, rows);
    Py_END_ALLOW_THREADS
    answer = failed ? PyErr_NoMemory() : PyList_New(0);
    for (i = 0; answer != NULL && i < queries; i++) {
        PyObject *keys = PyBytes_FromStringAndSize((const char *)rows[i].keys, rows[i].count * 8);
        if (keys == NULL || PyList_Append(answer, keys)) {
            Py_DECREF(answer);
            answer = NULL;
        }
        Py_XDECREF(keys);
    }
end:
    for (i = 0; rows != NULL && i < queries; i++)
        free(rows[i].keys);
    for (i = 0; i < viewed; i++)
        PyBuffer_Release(views + i);
    free(requests), free(lists), free(rows), free(views);
    return answer;
}

static PyObject *py_encode(PyObject *self, PyObject *args)
{
    PyObject *points_of, *codebooks_of, *codes = NULL;
    long long pairs;
    Py_buffer points, codebooks;
    int failed;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOL", &points_of, &codebooks_of, &pairs))
        return NULL;
    if (pairs < 2 || pairs % 2 || pairs > MOST_WIDTH / 2) {
        PyErr_SetString(PyExc_ValueError, "points of such a length have no codes");
        return NULL;
    }
    if (as_view(points_of, &points, 0))
        return NULL;
    if (as_view(codebooks_of, &codebooks, pairs * CODEWORDS * 8)) {
        PyBuffer_Release(&points);
        return NULL;
    }
    int64_t rows = points.len / (pairs * 8);
    codes = PyBytes_FromStringAndSize(NULL, rows * pairs / 2);
    char *out = codes == NULL ? NULL : PyBytes_AsString(codes);
    if (out != NULL) {
        Py_BEGIN_ALLOW_THREADS
        failed = encode_points(points.buf, rows, pairs, codebooks.buf, (uint8_t *)out);
        Py_END_ALLOW_THREADS
        if (failed) {
            Py_DECREF(codes);
            codes = PyErr_NoMemory();
        }
    }
    PyBuffer_Release(&points);
    PyBuffer_Release(&codebooks);
    return codes;
}
#endif

static PyObject *py_level(PyObject *self, PyObject *args)
{
    int limit = -1;
    (void)self;
    if (!PyArg_ParseTuple(args, "|i", &limit))
        return NULL;
    if (limit >= 0)
        ivf_limit_level(limit);
    return PyLong_FromLong(ivf_level());
}

static PyMethodDef methods[] = {
    {"level", py_level, METH_VARARGS, "Return 0: can't run here, 1: AVX2, 2: AVX-512."},
#if ISE_SUPPORTED
    {"coarse", new_coarse, METH_VARARGS, "Return the clusters of an index."},
    {"segment", new_segment, METH_VARARGS, "Return a segment; its codes are copied."},
    {"search", py_search, METH_VARARGS, "Search with one query."},
    {"search_many", py_search_many, METH_VARARGS, "Search with many queries."},
    {"encode", py_encode, METH_VARARGS, "Return the codes of projected points."},
    {"nearest_many", py_nearest_many, METH_VARARGS,
     "Return the rows with the nearest codes of each query, unordered."},
#endif
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_native", "Search of the local engine.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
