/* Functions of one or two vectors: plain loops that the compiler vectorises. Included by template.h.
 *
 * Sums that shall become fused multiply-adds are written so that there is one way only to fuse them.
 */

/* exp(x) = 2^n (1 + expm1(f)), n = round(x / ln 2), |f| <= ln(2) / 2, expm1 by its Taylor series: the error of the
 * truncated series is below a tenth of the last place. Adding and taking away 1.5 * 2^(mantissa bits) rounds to an
 * integer whose low bits, shifted into the exponent, are 2^n. */
#if DOUBLE
#define BITS int64_t
#define MAGIC 6755399441055744.0
#define MANTISSA 52
#define LN2_HI 0x1.62e42fee00000p-1
#define LN2_LO 0x1.a39ef35793c76p-33
#define EXP_MIN (-708.0) /* below it exp is taken as zero: no subnormal numbers */
#define TANH_MAX 20.0
#else
#define BITS int32_t
#define MAGIC 12582912.0f
#define MANTISSA 23
#define LN2_HI 0x1.62ep-1f
#define LN2_LO 0x1.0bfbe8p-15f
#define EXP_MIN (-69.0f)
#define TANH_MAX 10.0f
#endif
static ALWAYS REAL NAME(exp_parts)(REAL x, REAL *scale) {
    REAL z = x * (REAL)1.4426950408889634 + MAGIC, n = z - MAGIC;
    REAL f = x - n * LN2_HI;
    f = f - n * LN2_LO;
#if DOUBLE
    REAL q = 1.0 / 6227020800;
    q = q * f + 1.0 / 479001600;
    q = q * f + 1.0 / 39916800;
    q = q * f + 1.0 / 3628800;
    q = q * f + 1.0 / 362880;
    q = q * f + 1.0 / 40320;
    q = q * f + 1.0 / 5040;
#else
    REAL q = 1.0f / 5040;
#endif
    q = q * f + (REAL)(1.0 / 720);
    q = q * f + (REAL)(1.0 / 120);
    q = q * f + (REAL)(1.0 / 24);
    q = q * f + (REAL)(1.0 / 6);
    q = q * f + (REAL)0.5;
    BITS bits;
    __builtin_memcpy(&bits, &z, sizeof bits);
    const REAL one = 1;
    BITS unit;
    __builtin_memcpy(&unit, &one, sizeof unit);
    bits = (BITS)((sizeof(REAL) == 4 ? (uint64_t)(uint32_t)bits : (uint64_t)bits) << MANTISSA) + unit;
    __builtin_memcpy(scale, &bits, sizeof bits);
    REAL f2 = f * f;
    return f2 * q + f;
}
static ALWAYS REAL NAME(clamp)(REAL x, REAL most) {
    x = x < -most ? -most : x; /* a NaN stays one */
    return x > most ? most : x;
}
/* exp of x <= 0 */
static ALWAYS REAL NAME(exp1)(REAL x) {
    REAL scale, y = x < EXP_MIN ? EXP_MIN : x, e = NAME(exp_parts)(y, &scale);
    e = scale * e + scale;
    return x < EXP_MIN ? (REAL)0 : e;
}
/* tanh(x) = e / (e + 2), e = exp(2x) - 1: accurate to the last places near zero too */
static ALWAYS REAL NAME(tanh1)(REAL x) {
    REAL scale, e = NAME(exp_parts)(NAME(clamp)(2 * x, 2 * TANH_MAX), &scale);
    e = scale * e + (scale - 1);
    return e / (e + 2);
}
static ALWAYS REAL NAME(sigmoid1)(REAL x) {
    REAL e = NAME(exp1)(x < 0 ? x : -x), d = 1 / (1 + e);
    return x < 0 ? e * d : d;
}

static void NAME(exp)(idx n, void *x_) {
    REAL *x = x_;
    for (idx i = 0; i < n; i++) x[i] = NAME(exp1)(x[i]);
}

static void NAME(tanh)(idx n, void *x_) {
    REAL *x = x_;
    for (idx i = 0; i < n; i++) x[i] = NAME(tanh1)(x[i]);
}
static void NAME(sigmoid)(idx n, void *x_) {
    REAL *x = x_;
    for (idx i = 0; i < n; i++) x[i] = NAME(sigmoid1)(x[i]);
}

static void NAME(add)(idx n, const void *x_, void *y_) {
    const REAL *restrict x = x_;
    REAL *restrict y = y_;
    for (idx i = 0; i < n; i++) y[i] += x[i];
}
static void NAME(sum_rows)(idx M, idx n, const void *x_, idx ld, void *y) {
    for (idx i = 0; i < M; i++) NAME(add)(n, (const REAL *)x_ + i * ld, y);
}
/* A hash for each element (the finaliser of MurmurHash3, Appleby 2011): any thread can draw any part of a mask. */
static ALWAYS uint32_t NAME(hash1)(uint32_t i, uint32_t key) {
    uint32_t z = i * 0x9E3779B1u ^ key;
    z = (z ^ z >> 16) * 0x85EBCA6Bu;
    z = (z ^ z >> 13) * 0xC2B2AE35u;
    return z ^ z >> 16;
}
#define THRESHOLD(rate) (uint32_t)((rate) * 4294967296.0)
static void NAME(dropout)(idx n, double rate, uint32_t key, idx first, const void *x_, void *y_) {
    const REAL *x = x_, by = (REAL)(1 / (1 - rate));
    REAL *y = y_;
    const uint32_t threshold = THRESHOLD(rate), start = (uint32_t)first;
    INDEPENDENT for (idx i = 0; i < n; i++) {
        REAL kept = x[i] * by;
        y[i] = NAME(hash1)(start + (uint32_t)i, key) >= threshold ? kept : (REAL)0;
    }
}
static void NAME(zoneout)(idx n, double rate, uint32_t key, idx first, const void *before_, const void *x_, void *y_) {
    const REAL *before = before_, *x = x_;
    REAL *y = y_;
    const uint32_t threshold = THRESHOLD(rate), start = (uint32_t)first;
    INDEPENDENT for (idx i = 0; i < n; i++) y[i] =
        NAME(hash1)(start + (uint32_t)i, key) >= threshold ? x[i] : before[i];
}
static void NAME(zoneout_backward)(idx n, double rate, uint32_t key, idx first, void *dbefore_, void *dy_) {
    REAL *restrict dbefore = dbefore_, *restrict dy = dy_;
    const uint32_t threshold = THRESHOLD(rate), start = (uint32_t)first;
    INDEPENDENT for (idx i = 0; i < n; i++) {
        int own = NAME(hash1)(start + (uint32_t)i, key) >= threshold;
        dbefore[i] += own ? (REAL)0 : dy[i];
        dy[i] = own ? dy[i] : (REAL)0;
    }
}
static void NAME(mix)(idx n, double share_, const void *before_, const void *x_, void *y_) {
    const REAL *before = before_, *x = x_, share = (REAL)share_;
    REAL *y = y_;
    INDEPENDENT for (idx i = 0; i < n; i++) {
        REAL change = before[i] - x[i];
        y[i] = share * change + x[i];
    }
}
static void NAME(mix_backward)(idx n, double share_, void *dbefore_, void *dy_) {
    REAL *restrict dbefore = dbefore_, *restrict dy = dy_;
    const REAL share = (REAL)share_, rest = 1 - share;
    for (idx i = 0; i < n; i++) {
        dbefore[i] = share * dy[i] + dbefore[i];
        dy[i] *= rest;
    }
}
static void NAME(scale)(idx n, double factor, void *x_) {
    REAL *x = x_, by = (REAL)factor;
    for (idx i = 0; i < n; i++) x[i] *= by;
}
static double NAME(sum_squares)(idx n, const void *x_) {
    const REAL *x = x_;
    double lane[CORE_LANES] = {0}, sum = 0;
    for (idx i = 0; i < n; i += CORE_LANES)
        for (int l = 0; l < CORE_LANES; l++) {
            double d = x[i + l];
            lane[l] += d * d;
        }
    for (int l = 0; l < CORE_LANES; l++) sum += lane[l];
    return sum;
}

/* Ten chains of multiply-adds, as many as hide their latency: the processor's peak, for benchmarks. */
static double NAME(spin)(idx n, void *x) {
    vec acc[10], factor = NAME(load)(x), term = NAME(load)((REAL *)x + VL), sum = {0};
    UNROLL for (int i = 0; i < 10; i++) acc[i] = term * (REAL)i; /* different, or one chain would do for all */
    for (idx k = 0; k < n; k++) {
        UNROLL for (int i = 0; i < 10; i++) acc[i] = acc[i] * factor + term;
    }
    UNROLL for (int i = 0; i < 10; i++) sum += acc[i];
    NAME(store)(x, sum);
    return 2.0 * 10 * (double)VL * (double)n;
}

#undef BITS
#undef THRESHOLD
#undef MAGIC
#undef MANTISSA
#undef LN2_HI
#undef LN2_LO
#undef EXP_MIN
#undef TANH_MAX
