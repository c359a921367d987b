/* Distances of vectors, and the selection of the least of many numbers. */
#include <math.h>
#include <string.h>

#include "ivf.h"

#if ISE_SUPPORTED
#include <immintrin.h>

ON_AVX2 float dot(const float *a, const float *b, int64_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
    }
    for (; i + 8 <= n; i += 8)
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    s0 = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(s0), _mm256_extractf128_ps(s0, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    float sum = _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

ON_AVX2 void project(const float *vector, const float *projection, const float *offset, int64_t dim,
                     int64_t width, float *out)
{
    for (int64_t j = 0; j < width; j++)
        out[j] = -offset[j];
    for (int64_t i = 0; i < dim; i++) {
        float one = vector[i];
        const float *row = projection + i * width;
        for (int64_t j = 0; j < width; j++)
            out[j] += one * row[j];
    }
}

/* Four sums at once, of doubles, in an order that depends on the length alone. */
ON_AVX2 static inline double total(__m256d s)
{
    __m128d half = _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}

ON_AVX2 double squared_length(const float *a, int64_t n)
{
    __m256d sum = _mm256_setzero_pd();
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(a + i));
        sum = _mm256_fmadd_pd(x, x, sum);
    }
    double found = total(sum);
    for (; i < n; i++)
        found += (double)a[i] * a[i];
    return found;
}

/* 1 - cosine, or L2 (not squared), as `exact` of shared/maths/distances.py. */
ON_AVX2 double exact_distance(const float *a, const float *query, int64_t n, int metric,
                              double query_length)
{
    __m256d sum = _mm256_setzero_pd(), squares = sum;
    int64_t i = 0;
    double found, square;
    if (metric == L2) {
        for (; i + 4 <= n; i += 4) {
            __m256d x = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(a + i)),
                                      _mm256_cvtps_pd(_mm_loadu_ps(query + i)));
            sum = _mm256_fmadd_pd(x, x, sum);
        }
        found = total(sum);
        for (; i < n; i++)
            found += ((double)a[i] - query[i]) * ((double)a[i] - query[i]);
        return sqrt(found);
    }
    for (; i + 4 <= n; i += 4) {
        __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(a + i));
        sum = _mm256_fmadd_pd(x, _mm256_cvtps_pd(_mm_loadu_ps(query + i)), sum);
        squares = _mm256_fmadd_pd(x, x, squares);
    }
    found = total(sum), square = total(squares);
    for (; i < n; i++) {
        found += (double)a[i] * query[i];
        square += (double)a[i] * a[i];
    }
    double lengths = sqrt(square) * query_length;
    double distance = 1 - found / (lengths > 0 ? lengths : 1);
    return distance < 0 ? 0 : distance > 2 ? 2 : distance;
}

ON_AVX2 const float *as_floats(const Segment *segment, int64_t row, int64_t dim, float *scratch)
{
    const char *stored = segment->vectors + row * segment->stride;
    if (!segment->is_half)
        return (const float *)stored;
    const uint16_t *half = (const uint16_t *)stored;
    int64_t i = 0;
    for (; i + 8 <= dim; i += 8)
        _mm256_storeu_ps(scratch + i,
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(half + i))));
    for (; i < dim; i++)
        scratch[i] = _cvtsh_ss(half[i]);
    return scratch;
}

uint32_t sortable(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline void swap(uint64_t *a, uint64_t *b)
{
    uint64_t kept = *a;
    *a = *b, *b = kept;
}

void select_least(uint64_t *values, int64_t count, int64_t k)
{
    int64_t low = 0, high = count - 1;
    if (k <= 0 || k >= count)
        return;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (values[middle] < values[low]) swap(values + middle, values + low);
        if (values[high] < values[low]) swap(values + high, values + low);
        if (values[high] < values[middle]) swap(values + high, values + middle);
        uint64_t pivot = values[middle];
        int64_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) i++;
            while (values[j] > pivot) j--;
            if (i <= j) swap(values + i++, values + j--);
        }
        if (k - 1 <= j) high = j;
        else if (k - 1 >= i) low = i;
        else return;
    }
}
#endif
