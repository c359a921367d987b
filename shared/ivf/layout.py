"""Names and shapes inside a postings file (HDF5, contiguous, uncompressed, immutable).

    centroids     (clusters, dim)  float32  in the first segment of a space only
    list_offsets  (clusters + 1,)  int64    list i is rows list_offsets[i] : list_offsets[i + 1]
    vectors       (rows, dim)      float32  raw features, grouped by cluster
    norms         (rows,)          float32  L2 norm of each vector
    ordinals      (rows,)          int64    the catalogue's number of each row's image
    by_ordinal    (rows,)          int64    row numbers in ascending order of ordinal

The method is the inverted file of Sivic & Zisserman, "Video Google" (ICCV 2003), in the form of
Jégou et al., "Product Quantization for Nearest Neighbor Search" (TPAMI 2011), with the vectors
themselves as postings.
"""

FORMAT = 1

CENTROIDS = "centroids"
LIST_OFFSETS = "list_offsets"
VECTORS = "vectors"
NORMS = "norms"
ORDINALS = "ordinals"
BY_ORDINAL = "by_ordinal"
