/* Codes of 4 bits, compared 32 rows at a time in the processor's registers ("fast scan"; André et
 * al., "Quicker ADC", TPAMI 2021). */
#include <math.h>
#include <string.h>

#include "ivf.h"

#if ISE_SUPPORTED
#include <immintrin.h>

/* Byte p of 32 rows stands together; lists begin at blocks of their own. */
void pack_codes(const uint8_t *codes, const int64_t *list_offsets, int64_t clusters,
                int64_t code_size, uint8_t *packed, int64_t *first_blocks)
{
    int64_t block = 0;
    for (int64_t list = 0; list < clusters; list++) {
        int64_t first = list_offsets[list], end = list_offsets[list + 1];
        first_blocks[list] = block;
        for (int64_t row = first; row < end; row++) {
            int64_t place = row - first;
            uint8_t *out = packed + (block + place / BLOCK) * BLOCK * code_size + place % BLOCK;
            const uint8_t *code = codes + row * code_size;
            for (int64_t p = 0; p < code_size; p++)
                out[p * BLOCK] = code[p];
        }
        block += (end - first + BLOCK - 1) / BLOCK;
    }
}

ON_AVX2 void make_tables(const Coarse *coarse, const float *reduced, uint8_t *tables, float *base,
                         float *step)
{
    int64_t pairs = coarse->width / 2;
    float away[CODEWORDS], span = 0, least_of[MOST_WIDTH / 2];
    *base = 0;
    for (int64_t m = 0; m < pairs; m++) {
        const float *words = coarse->codebooks + m * CODEWORDS * 2;
        float least = INFINITY, most = 0;
        for (int c = 0; c < CODEWORDS; c++) {
            float x = reduced[2 * m] - words[2 * c], y = reduced[2 * m + 1] - words[2 * c + 1];
            float square = x * x + y * y;
            least = square < least ? square : least;
            most = square > most ? square : most;
        }
        least_of[m] = least;
        *base += least;
        span = most - least > span ? most - least : span;
    }
    float scale = span > 0 ? 255 / span : 0;
    *step = span > 0 ? span / 255 : 0;
    for (int64_t m = 0; m < pairs; m++) {
        const float *words = coarse->codebooks + m * CODEWORDS * 2;
        for (int c = 0; c < CODEWORDS; c++) {
            float x = reduced[2 * m] - words[2 * c], y = reduced[2 * m + 1] - words[2 * c + 1];
            away[c] = (x * x + y * y - least_of[m]) * scale + 0.5f;
        }
        for (int c = 0; c < CODEWORDS; c++)
            tables[m * CODEWORDS + c] = (uint8_t)(away[c] > 255 ? 255 : away[c]);
    }
}

/* Sums of even rows are in `even` with those of odd rows above them, which are in `odd`. */
ON_AVX2 static inline void finish(__m256i even, __m256i odd, uint16_t *sums, uint16_t *least)
{
    even = _mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8));
    __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
    _mm256_storeu_si256((__m256i *)sums, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256((__m256i *)(sums + 16), _mm256_permute2x128_si256(low, high, 0x31));
    __m256i each = _mm256_min_epu16(even, odd);
    __m128i both = _mm_min_epu16(_mm256_castsi256_si128(each), _mm256_extracti128_si256(each, 1));
    *least = (uint16_t)_mm_extract_epi16(_mm_minpos_epu16(both), 0);
}

ON_AVX2 static inline void add_pair(const uint8_t *codes, const uint8_t *tables, __m256i *even,
                                    __m256i *odd)
{
    __m256i nibble = _mm256_set1_epi8(15), code = _mm256_loadu_si256((const __m256i *)codes);
    __m256i one = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)tables));
    __m256i two = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(tables + 16)));
    one = _mm256_shuffle_epi8(one, _mm256_and_si256(code, nibble));
    two = _mm256_shuffle_epi8(two, _mm256_and_si256(_mm256_srli_epi16(code, 4), nibble));
    *even = _mm256_add_epi16(_mm256_add_epi16(*even, one), two);
    *odd = _mm256_add_epi16(*odd, _mm256_add_epi16(_mm256_srli_epi16(one, 8),
                                                   _mm256_srli_epi16(two, 8)));
}

ON_AVX2 static void sum_avx2(const uint8_t *packed, int64_t blocks, int64_t code_size,
                             const uint8_t *tables, uint16_t *sums, uint16_t *least)
{
    for (int64_t b = 0; b < blocks; b++) {
        const uint8_t *block = packed + b * BLOCK * code_size;
        __m256i even = _mm256_setzero_si256(), odd = even;
        for (int64_t p = 0; p < code_size; p++)
            add_pair(block + p * BLOCK, tables + 32 * p, &even, &odd);
        finish(even, odd, sums + b * BLOCK, least + b);
    }
}

ON_AVX512 static void sum_avx512(const uint8_t *packed, int64_t blocks, int64_t code_size,
                                 const uint8_t *tables, uint16_t *sums, uint16_t *least)
{
    /* Lanes 0 and 1 take the tables of the first byte, 2 and 3 those of the next one. */
    __m512i nibble = _mm512_set1_epi8(15);
    __m512i ones = _mm512_setr_epi64(0, 1, 0, 1, 4, 5, 4, 5);
    __m512i twos = _mm512_setr_epi64(2, 3, 2, 3, 6, 7, 6, 7);
    for (int64_t b = 0; b < blocks; b++) {
        const uint8_t *block = packed + b * BLOCK * code_size;
        __m512i even = _mm512_setzero_si512(), odd = even;
        int64_t p = 0;
        for (; p + 1 < code_size; p += 2) {
            __m512i code = _mm512_loadu_si512(block + p * BLOCK);
            __m512i both = _mm512_loadu_si512(tables + 32 * p);
            __m512i one = _mm512_shuffle_epi8(_mm512_permutexvar_epi64(ones, both),
                                              _mm512_and_si512(code, nibble));
            __m512i two = _mm512_shuffle_epi8(
                _mm512_permutexvar_epi64(twos, both),
                _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble));
            even = _mm512_add_epi16(_mm512_add_epi16(even, one), two);
            odd = _mm512_add_epi16(odd, _mm512_add_epi16(_mm512_srli_epi16(one, 8),
                                                         _mm512_srli_epi16(two, 8)));
        }
        __m256i even_half = _mm256_add_epi16(_mm512_castsi512_si256(even),
                                             _mm512_extracti64x4_epi64(even, 1));
        __m256i odd_half = _mm256_add_epi16(_mm512_castsi512_si256(odd),
                                            _mm512_extracti64x4_epi64(odd, 1));
        if (p < code_size)
            add_pair(block + p * BLOCK, tables + 32 * p, &even_half, &odd_half);
        finish(even_half, odd_half, sums + b * BLOCK, least + b);
    }
}

void sum_blocks(const uint8_t *packed, int64_t blocks, int64_t code_size, const uint8_t *tables,
                uint16_t *sums, uint16_t *least)
{
    (ivf_level() > 1 ? sum_avx512 : sum_avx2)(packed, blocks, code_size, tables, sums, least);
}

static int limit = 2;

int ivf_level(void)
{
    static int level = -1;
    if (level < 0) {
        __builtin_cpu_init();
        int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        int avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
        level = avx512 ? 2 : avx2;
    }
    return level < limit ? level : limit;
}

void ivf_limit_level(int level) { limit = level; }

#else
int ivf_level(void) { return 0; }
void ivf_limit_level(int level) { (void)level; }
#endif
