/* The local engine's search in C: clusters are ranked, their codes compared, the best rows measured.
 *
 * The same steps are in `coarse.py`, `codes.py` and `index.py` in numpy and faiss, for processors and
 * installations without this module; tests compare the two.
 */
#ifndef ISE_IVF_H
#define ISE_IVF_H

#include <stdint.h>

#define BLOCK 32 /* rows whose codes are compared at a time */
#define CODEWORDS 16
#define MOST_WIDTH 256 /* dimensions of codes; a sum of looked up bytes fits 16 bits */

#if defined(__x86_64__) && defined(__GNUC__) && defined(__linux__)
#define ISE_SUPPORTED 1
#define ON_AVX2 __attribute__((target("avx2,fma,f16c")))
#define ON_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx2,fma,f16c")))
#else
#define ISE_SUPPORTED 0
#endif

enum { COSINE = 0, L2 = 1 };

/* Centroids, and how a query is compared with them and with codes. */
typedef struct {
    int64_t dim, width, clusters, points_dim;
    int metric;               /* what the clusters and codes were made for */
    const float *projection;  /* (dim, width) */
    const float *offset;      /* (width,) */
    const float *points;      /* (clusters, points_dim): centroids, projected where codes are shorter */
    const float *squares;     /* (clusters,) */
    const float *codebooks;   /* (width / 2, 16, 2) */
} Coarse;

/* One segment. `packed`: codes in blocks, NULL where it has none. */
typedef struct {
    int64_t rows, clusters, code_size, stride; /* stride: bytes a vector */
    int is_half;                     /* vectors are float16 */
    const int64_t *list_offsets, *ordinals, *by_ordinal;
    const float *norms;
    const char *vectors;
    uint8_t *packed;
    int64_t *first_blocks; /* (clusters,) */
    int file;
    int64_t file_offset; /* of the vectors */
    volatile int comes_from_disk;
} Segment;

/* The rows of a segment that may be hits. bits: NULL where all may. */
typedef struct {
    const int64_t *offsets; /* such rows before each list, (clusters + 1,) */
    const uint8_t *bits;    /* a bit a row, the lowest first */
} Mask;

typedef struct {
    const float *query;
    int metric, has_reach, has_include;
    float reach;
    int64_t nprobe, k, depth, include;
} Request;

typedef struct {
    int64_t ordinal, cluster, rank, segment;
    double distance;
} Hit;

typedef struct {
    Hit *hits;
    int64_t count, scanned, reranked, nprobe;
} Found;

/* Some lists, by number. */
typedef struct {
    const int64_t *numbers;
    int64_t count;
} Lists;

/* Rows with the nearest codes, as `nearest_codes` gives them. */
typedef struct {
    uint64_t *keys;
    int64_t count;
} Rows;

/* 0: no AVX2, nothing here runs; 1: AVX2; 2: AVX-512. */
int ivf_level(void);
void ivf_limit_level(int level);

/* codes.c */
void pack_codes(const uint8_t *codes, const int64_t *list_offsets, int64_t clusters,
                int64_t code_size, uint8_t *packed, int64_t *first_blocks);
/* A query as lookup tables of bytes: squared distance = base + step * sum of looked up bytes. */
void make_tables(const Coarse *coarse, const float *reduced, uint8_t *tables, float *base,
                 float *step);
/* The sum of each row of some blocks, and the least sum of each block. */
void sum_blocks(const uint8_t *packed, int64_t blocks, int64_t code_size, const uint8_t *tables,
                uint16_t *sums, uint16_t *least);

/* encode.c: projected points (rows, 2 * pairs) as codes (rows, pairs / 2); pairs are even, and no more
 * than half of MOST_WIDTH. Returns -1 without memory. */
int encode_points(const float *points, int64_t rows, int64_t pairs, const float *codebooks,
                  uint8_t *codes);

/* numbers.c */
float dot(const float *a, const float *b, int64_t n);
void project(const float *vector, const float *projection, const float *offset, int64_t dim,
             int64_t width, float *out);
/* `terms`: room for n numbers. */
double squared_length(const float *a, int64_t n, double *terms);
double exact_distance(const float *a, const float *query, int64_t n, int metric,
                      double query_length, double *terms);
const float *as_floats(const Segment *segment, int64_t row, int64_t dim, float *scratch);
uint32_t sortable(float value);
/* Reorders so that the first `k` are the least. */
void select_least(uint64_t *values, int64_t count, int64_t k);

/* clusters.c: the point, then its projection; to be freed. NULL without memory. */
float *as_clustered(const Coarse *coarse, const float *query);
/* The nearest clusters, the nearest first; returns their number, or -1 without memory. */
int64_t rank_clusters(const Coarse *coarse, const float *point, const Request *request,
                      int64_t *lists);

/* scan.c: keys in the upper half, rows in the lower one; in no order. Both return the number of
 * rows, or -1 without memory. */
int64_t scan_codes(const Coarse *coarse, const Segment *segment, const float *reduced,
                   const float *query, const int64_t *lists, int64_t count, int64_t depth,
                   int metric, const uint8_t *bits, uint64_t *out);
int64_t nearest_codes(const Coarse *coarse, const Segment *segment, const float *query,
                      const int64_t *lists, int64_t count, int64_t depth, int metric,
                      const uint8_t *bits, uint64_t *out);

/* search.c, many.c: return 0, or -1 without memory. */
int search(const Coarse *coarse, Segment *const *segments, int64_t count, const Mask *masks,
           const Request *request, const int64_t *given, int64_t given_count, Found *found);
/* Many queries, shared by some threads. */
int search_many(const Coarse *coarse, Segment *const *segments, int64_t count, const Mask *masks,
                const Request *requests, int64_t queries, int threads, Found *found);
/* The nearest codes of many queries, each within its own lists. `keys` are to be freed. */
int nearest_many(const Coarse *coarse, Segment *segment, const Request *requests,
                 const Lists *lists, int64_t queries, int threads, Rows *rows);

#endif
