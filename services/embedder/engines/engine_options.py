"""Engine settings that a user may choose."""

from enum import StrEnum


class Inference(StrEnum):
    """Inference engine of the networks; `auto`: the fastest whose results agree."""

    AUTO = "auto"
    EAGER = "eager"
    COMPILE = "compile"
    OPENVINO = "openvino"


class Precision(StrEnum):
    """Number format of an engine; `auto`: the lowest precision at full speed with correct
    results. `int8` changes features so much that it is part of a model's fingerprint.
    """

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"
