/* Makes what an index holds for as long as it is open. */
#include "holders.h"

#include <stdlib.h>
#include <string.h>

#if ISE_SUPPORTED
static void release(PyObject *capsule)
{
    Holder *holder = PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    for (int i = 0; i < holder->count; i++)
        PyBuffer_Release(holder->views + i);
    free(holder->segment.packed), free(holder->segment.first_blocks);
    free(holder);
}

/* Lists that ascend from the first row; of a damaged file they need not. */
static int are_offsets(const int64_t *offsets, int64_t clusters)
{
    int64_t last = 0;
    for (int64_t i = 0; i <= clusters; i++) {
        if (offsets[i] < last || (i == 0 && offsets[i] != 0))
            return 0;
        last = offsets[i];
    }
    return 1;
}

static int refuse(const char *why)
{
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

static const void *hold(Holder *holder, PyObject *array, Py_ssize_t bytes)
{
    Py_buffer *view = holder->views + holder->count;
    if (PyObject_GetBuffer(array, view, PyBUF_SIMPLE))
        return NULL;
    holder->count++;
    if (view->len != bytes) {
        PyErr_Format(PyExc_ValueError, "%zd bytes where %zd are needed", view->len, bytes);
        return NULL;
    }
    return view->buf != NULL ? view->buf : "";
}

PyObject *new_coarse(PyObject *self, PyObject *args)
{
    long long dim, width, clusters, points_dim;
    int metric;
    PyObject *arrays[5];
    (void)self;
    if (!PyArg_ParseTuple(args, "LLLLiOOOOO", &dim, &width, &clusters, &points_dim, &metric,
                          arrays, arrays + 1, arrays + 2, arrays + 3, arrays + 4))
        return NULL;
    if (dim < 1 || clusters < 1 || width < 4 || width % 4 || width > MOST_WIDTH ||
        (points_dim != dim && points_dim != width)) {
        refuse("codes of such a shape can't be searched");
        return NULL;
    }
    Holder *holder = calloc(1, sizeof *holder);
    if (holder == NULL)
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(holder, COARSE, release);
    if (capsule == NULL) {
        free(holder);
        return NULL;
    }
    Coarse *made = &holder->coarse;
    made->dim = dim, made->width = width, made->clusters = clusters;
    made->points_dim = points_dim, made->metric = metric;
    Py_ssize_t size = sizeof(float);
    if ((made->projection = hold(holder, arrays[0], dim * width * size)) == NULL ||
        (made->offset = hold(holder, arrays[1], width * size)) == NULL ||
        (made->points = hold(holder, arrays[2], clusters * points_dim * size)) == NULL ||
        (made->squares = hold(holder, arrays[3], clusters * size)) == NULL ||
        (made->codebooks = hold(holder, arrays[4], width * CODEWORDS * size)) == NULL) {
        Py_DECREF(capsule);
        return NULL;
    }
    return capsule;
}

PyObject *new_segment(PyObject *self, PyObject *args)
{
    long long clusters, code_size, stride, file_offset;
    int is_half, file;
    PyObject *offsets, *ordinals, *by_ordinal, *norms, *codes, *stored;
    (void)self;
    if (!PyArg_ParseTuple(args, "LLLpiLOOOOOO", &clusters, &code_size, &stride, &is_half, &file,
                          &file_offset, &offsets, &ordinals, &by_ordinal, &norms, &stored,
                          &codes))
        return NULL;
    if (clusters < 1 || code_size < 0 || stride < 2) {
        refuse("a segment of such a shape can't be searched");
        return NULL;
    }
    Holder *holder = calloc(1, sizeof *holder);
    if (holder == NULL)
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(holder, SEGMENT, release);
    if (capsule == NULL) {
        free(holder);
        return NULL;
    }
    Segment *made = &holder->segment;
    made->clusters = clusters, made->code_size = code_size, made->stride = stride, made->is_half = is_half;
    made->file = file, made->file_offset = file_offset;
    const uint8_t *bytes = NULL;
    made->list_offsets = hold(holder, offsets, (clusters + 1) * 8);
    if (made->list_offsets != NULL && !are_offsets(made->list_offsets, clusters)) {
        refuse("the lists of a segment don't ascend");
        Py_DECREF(capsule);
        return NULL;
    }
    if (made->list_offsets != NULL)
        made->rows = made->list_offsets[clusters];
    if (made->list_offsets == NULL ||
        (made->ordinals = hold(holder, ordinals, made->rows * 8)) == NULL ||
        (made->by_ordinal = hold(holder, by_ordinal, made->rows * 8)) == NULL ||
        (made->norms = hold(holder, norms, made->rows * 4)) == NULL ||
        (made->vectors = hold(holder, stored, made->rows * stride)) == NULL ||
        (codes != Py_None && (bytes = hold(holder, codes, made->rows * code_size)) == NULL)) {
        Py_DECREF(capsule);
        return NULL;
    }
    if (bytes != NULL) {
        int64_t blocks = 0;
        for (int64_t list = 0; list < clusters; list++)
            blocks += (made->list_offsets[list + 1] - made->list_offsets[list] + BLOCK - 1) / BLOCK;
        made->packed = calloc((size_t)(blocks * BLOCK * code_size + 64), 1);
        made->first_blocks = malloc((size_t)(clusters + 1) * sizeof(int64_t));
        if (made->packed == NULL || made->first_blocks == NULL) {
            Py_DECREF(capsule);
            return PyErr_NoMemory();
        }
        Py_BEGIN_ALLOW_THREADS
        pack_codes(bytes, made->list_offsets, clusters, code_size, made->packed,
                   made->first_blocks);
        Py_END_ALLOW_THREADS
    }
    return capsule;
}
#endif
