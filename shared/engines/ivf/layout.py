"""Names and shapes inside a postings file (HDF5, contiguous, uncompressed, immutable).

    centroids     (clusters, dim)  float32  in the first segment of a space only
    list_offsets  (clusters + 1,)  int64    list i is rows list_offsets[i] : list_offsets[i + 1]
    vectors       (rows, dim)      float32 or float16: raw features, grouped by cluster; of a space
                                   whose vectors are in Milvus, (rows, 0) in one list
    norms         (rows,)          float32  L2 norm of each vector
    ordinals      (rows,)          int64    the catalogue's number of each row's image
    by_ordinal    (rows,)          int64    row numbers in ascending order of ordinal

and, in the first segment of a space that is large enough to pay for it, what `codec.py` learned:

    mean          (dim,)           float32
    projection    (dim, width)     float32
    codebooks     (width / 2, 16, 2) float32

with, in every segment that is large enough:

    codes         (rows, width / 4) uint8   each vector's code, grouped as the vectors are

The method is the inverted file of Sivic & Zisserman, "Video Google" (ICCV 2003), in the form of
Jégou et al., "Product Quantization for Nearest Neighbor Search" (TPAMI 2011), with the vectors
themselves as postings and short codes beside them.
"""

FORMAT = 1

CENTROIDS = "centroids"
LIST_OFFSETS = "list_offsets"
VECTORS = "vectors"
NORMS = "norms"
ORDINALS = "ordinals"
BY_ORDINAL = "by_ordinal"
MEAN = "mean"
PROJECTION = "projection"
CODEBOOKS = "codebooks"
CODES = "codes"
