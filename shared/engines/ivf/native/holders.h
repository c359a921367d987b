/* Python objects of the module: structs whose arrays belong to Python. */
#ifndef ISE_HOLDERS_H
#define ISE_HOLDERS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ivf.h"

#define COARSE "ivf.Coarse"
#define SEGMENT "ivf.Segment"
#define MOST_BUFFERS 6

/* A struct whose arrays belong to Python, and are held for as long as it is. */
typedef struct {
    Coarse coarse;
    Segment segment;
    Py_buffer views[MOST_BUFFERS];
    int count;
} Holder;

PyObject *new_coarse(PyObject *self, PyObject *args);
PyObject *new_segment(PyObject *self, PyObject *args);

#endif
