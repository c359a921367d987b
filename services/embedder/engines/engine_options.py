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
    results. `mixed`: bf16, but the first layers in fp32, by OpenVINO on a CPU. `int8` changes
    features so much that it is part of a model's fingerprint.
    """

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    MIXED = "mixed"
    FP16 = "fp16"
    INT8 = "int8"
