"""The engine seam and the engines: `ivf` on disk, `milvus`."""
