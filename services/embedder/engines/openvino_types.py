"""Tables that OpenVINO's binding for Python makes at their first use."""

import threading

import numpy as np

_lock = threading.Lock()


def make_tables() -> None:
    """Make the tables of types, once for the process; call it before an inference.

    The binding makes each behind a lock of its own, for which it lets go of the interpreter's lock.
    Two threads that infer for the first time could so wait for each other, and all others for them.
    """
    import openvino

    with _lock:
        openvino.Tensor(np.zeros(1, np.float32), shared_memory=True).element_type.to_dtype()
