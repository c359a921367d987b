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

/* Sums in numpy's order, so that a distance is the same to the last bit wherever it is computed
 * (numpy/_core/src/umath/loops_utils.h.src: pairwise summation). */
ON_AVX2 static double sum_of(const double *terms, int64_t n)
{
    double found = 0;
    if (n < 8) {
        for (int64_t i = 0; i < n; i++)
            found += terms[i];
        return found;
    }
    if (n > 128) {
        int64_t half = n / 2;
        half -= half % 8;
        return sum_of(terms, half) + sum_of(terms + half, n - half);
    }
    __m256d low = _mm256_loadu_pd(terms), high = _mm256_loadu_pd(terms + 4);
    int64_t i = 8;
    for (; i < n - n % 8; i += 8) {
        low = _mm256_add_pd(low, _mm256_loadu_pd(terms + i));
        high = _mm256_add_pd(high, _mm256_loadu_pd(terms + i + 4));
    }
    double r[8];
    _mm256_storeu_pd(r, low), _mm256_storeu_pd(r + 4, high);
    found = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++)
        found += terms[i];
    return found;
}

ON_AVX2 double squared_length(const float *a, int64_t n, double *terms)
{
    for (int64_t i = 0; i < n; i++)
        terms[i] = (double)a[i] * (double)a[i];
    return sum_of(terms, n);
}

/* 1 - cosine, or L2 (not squared), as `exact` of shared/maths/distances.py. */
ON_AVX2 double exact_distance(const float *a, const float *query, int64_t n, int metric,
                              double query_length, double *terms)
{
    if (metric == L2) {
        for (int64_t i = 0; i < n; i++) {
            double gap = (double)a[i] - (double)query[i];
            terms[i] = gap * gap;
        }
        return sqrt(sum_of(terms, n));
    }
    for (int64_t i = 0; i < n; i++)
        terms[i] = (double)a[i] * (double)query[i];
    double product = sum_of(terms, n);
    double lengths = sqrt(squared_length(a, n, terms)) * query_length;
    double distance = 1 - product / (lengths > 0 ? lengths : 1);
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
