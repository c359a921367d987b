"""Quantise a network to int8: `python -m services.embedder.engines.quantizer MODEL PIXELS RESULT`.

A process of its own: NNCF reports its use to a server unless its environment says otherwise, takes
memory that the service would keep, and can be ended.
"""

import sys
from pathlib import Path

import numpy as np


def main(argv: list[str]) -> None:
    """Read an OpenVINO model and pixels (n, height, width, 3) as .npy; write the int8 model."""
    import nncf
    import openvino
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    model, pixels, result = (Path(argument) for argument in argv[1:])
    pictures = np.load(pixels)
    quantized = nncf.quantize(
        openvino.Core().read_model(model),
        nncf.Dataset([picture[None] for picture in pictures]),
        subset_size=len(pictures),
        # Activations around zero get all of their range.
        preset=nncf.QuantizationPreset.MIXED,
        # Weights of 7 bits: without VNNI instructions sums of 8 bits overflow, and features must
        # not depend on the processor.
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE),
    )
    openvino.save_model(quantized, result, compress_to_fp16=False)


if __name__ == "__main__":
    main(sys.argv)
