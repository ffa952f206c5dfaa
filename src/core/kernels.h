/* The primitives of core.h for one instruction set and one precision. core.c includes this file once for each:
 *   REAL  float or double        DOUBLE  0 or 1          NAME(x)  x with a suffix of its own
 *   VB    bytes in a vector      MR      rows of a tile  NARROW  vectors of a matrix-vector product at a time
 * Vector extensions do the matrix products; the rest are plain loops that the compiler vectorises. Sums that shall
 * become fused multiply-adds are written so that there is one way only to fuse them.
 */
#define VL ((idx)(VB / sizeof(REAL)))
#define vec NAME(vec)
typedef REAL vec __attribute__((vector_size(VB)));

static ALWAYS vec NAME(load)(const REAL *p) {
    vec v;
    __builtin_memcpy(&v, p, VB);
    return v;
}
static ALWAYS void NAME(store)(REAL *p, vec v) { __builtin_memcpy(p, &v, VB); }

/* Blocks of a product: DEPTH rows of B in WIDTH panels. On its way through one a tile fetches the A of the next tile, FETCH
 * lines at a time. */
#define DEPTH 256
#define WIDTH ((1 << 18) / (DEPTH * 2 * VB))
#define FETCH (WIDTH < 16 ? 16 / WIDTH : 1)
/* A tile of mr rows and nv vectors, held in registers while k runs. Every 16 k it fetches the lines of MR elements at next,
 * next + nr and so on, FETCH of them, and goes on to next + ns. Three rows of A share an address, which the assembler
 * statement keeps in a register: thirteen addresses do not fit, and GCC would load them anew for each k. */
static ALWAYS void NAME(tile)(const int mr, const int nv, idx K, const REAL *a, idx ra, idx ca, const REAL *b, idx bs,
                              const REAL *init, idx ldi, REAL *c, idx ldc, const REAL *next, idx nr, idx ns) {
    vec acc[MR][2];
    UNROLL for (int i = 0; i < mr; i++) {
        UNROLL for (int v = 0; v < nv; v++) acc[i][v] = init ? NAME(load)(init + i * ldi + v * VL) : (vec){0};
    }
    const REAL *p[(MR + 2) / 3];
    UNROLL for (int i = 0; i < (mr + 2) / 3; i++) p[i] = a + 3 * i * ra;
    for (idx k = 0; k < K; k++, b += bs) {
        if (k % 16 == 0) {
            UNROLL for (int i = 0; i < FETCH; i++) {
                __builtin_prefetch(next + i * nr);
                __builtin_prefetch(next + i * nr + MR - 1);
            }
            next += ns;
        }
        vec b0 = NAME(load)(b), b1 = nv > 1 ? NAME(load)(b + VL) : b0;
        UNROLL for (int i = 0; i < mr; i++) {
            acc[i][0] += p[i / 3][i % 3 * ra] * b0;
            if (nv > 1) acc[i][1] += p[i / 3][i % 3 * ra] * b1;
        }
        UNROLL for (int i = 0; i < (mr + 2) / 3; i++) {
            p[i] += ca;
            __asm__("" : "+r"(p[i]));
        }
    }
    UNROLL for (int i = 0; i < mr; i++) {
        UNROLL for (int v = 0; v < nv; v++) NAME(store)(c + i * ldc + v * VL, acc[i][v]);
    }
}

/* Tiles exist for every height up to MR, which is 6, 10 or 13, for A by rows (ca == 1) and by columns (ra == 1):
 * strides known to the compiler keep the thirteen row addresses out of registers. */
#define ROWS(mr)                                                                                 \
    case mr:                                                                                     \
        if (nv > 1) {                                                                            \
            if (ca == 1) NAME(tile)(mr, 2, K, a, ra, 1, b, bs, init, ldi, c, ldc, next, nr, ns); \
            else NAME(tile)(mr, 2, K, a, 1, ca, b, bs, init, ldi, c, ldc, next, nr, ns);         \
        } else {                                                                                 \
            if (ca == 1) NAME(tile)(mr, 1, K, a, ra, 1, b, bs, init, ldi, c, ldc, next, nr, ns); \
            else NAME(tile)(mr, 1, K, a, 1, ca, b, bs, init, ldi, c, ldc, next, nr, ns);         \
        }                                                                                        \
        break;

static void NAME(tiles)(int mr, int nv, idx K, const REAL *a, idx ra, idx ca, const REAL *b, idx bs, const REAL *init,
                        idx ldi, REAL *c, idx ldc, const REAL *next, idx nr, idx ns) {
    switch (mr) {
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#if MR > 6
        ROWS(7) ROWS(8) ROWS(9) ROWS(10)
#endif
#if MR > 10
        ROWS(11) ROWS(12) ROWS(13)
#endif
    }
}
#undef ROWS

/* One row of output, nv vectors of it in registers: the matrix-vector product of a recurrence with batch 1. Of the
 * group of columns that comes next, one cache line a row is fetched ahead. */
static ALWAYS void NAME(row)(const int nv, idx K, const REAL *a, idx ca, const REAL *b, idx bs, idx ps,
                             const REAL *init, REAL *c, const REAL *next) {
    vec acc[8];
    UNROLL for (int v = 0; v < nv; v++) acc[v] = init ? NAME(load)(init + v * VL) : (vec){0};
    for (idx k = 0; k < K; k++, a += ca, b += bs) {
        UNROLL for (int v = 0; v < nv; v++) acc[v] += *a * NAME(load)(b + v / 2 * ps + v % 2 * VL);
        __builtin_prefetch(next + k * bs);
    }
    UNROLL for (int v = 0; v < nv; v++) NAME(store)(c + v * VL, acc[v]);
}

#define VECTORS(nv) case nv: NAME(row)(nv, K, a, ca, b, bs, ps, init, c, next); break;
static void NAME(gemv)(idx N, idx K, const REAL *a, idx ca, const REAL *B, idx bs, idx ps, const REAL *init_, REAL *C,
                       int reverse) {
    /* A matrix that the first-level cache holds is limited by the latency of the sums: many vectors at once. One
     * that it does not hold is limited by its stream: few at once, so that a walk back finds the last ones cached. */
    const idx most = K * N * (idx)sizeof(REAL) <= core_l1d ? 8 : NARROW, total = N / VL;
    const idx panels = (total + 1) / 2, groups = (total + most - 1) / most;
    for (idx q = 0; q < groups; q++) { /* of as many panels each as can be */
        idx turn = reverse ? groups - 1 - q : q, then = reverse ? turn - 1 : turn + 1;
        idx first = turn * panels / groups, end = (turn + 1) * panels / groups;
        const REAL *b = B + first * ps, *init = init_ ? init_ + first * 2 * VL : NULL;
        const REAL *next = q + 1 < groups ? B + then * panels / groups * ps : b;
        REAL *c = C + first * 2 * VL;
        switch (2 * end < total ? 2 * (end - first) : total - 2 * first) {
            VECTORS(1) VECTORS(2) VECTORS(3) VECTORS(4) VECTORS(5) VECTORS(6) VECTORS(7) VECTORS(8)
        }
    }
}
#undef VECTORS

static void NAME(gemm)(idx M, idx N, idx K, const void *A_, idx ra, idx ca, const void *B_, idx bs, idx ps,
                       const void *init_, idx ldi, void *C_, idx ldc, int reverse) {
    const REAL *A = A_, *B = B_, *init = init_;
    REAL *C = C_;
    if (M == 1) {
        NAME(gemv)(N, K, A, ca, B, bs, ps, init, C, reverse);
        return;
    }
    /* Blocks of B that the second-level cache holds; within one, a tile's rows of A, which the first-level cache holds,
     * meet all of its panels, while the rows of C and of A that come next are fetched. A sum that is interrupted goes on
     * from where it was stored: the same bits as without blocks. */
    const idx panels = (N + 2 * VL - 1) / (2 * VL), tiles = (M + MR - 1) / MR, ahead = reverse ? -2 * VL : 2 * VL;
    for (idx k = 0; k < K || k == 0; k += DEPTH) {
        const idx depth = K - k < DEPTH ? K - k : DEPTH;
        for (idx first = 0; first < panels; first += WIDTH) {
            const idx last = panels - first < WIDTH ? panels : first + WIDTH;
            for (idx t = 0; t < tiles; t++) { /* heights differ by at most one row */
                const idx i = t * M / tiles, end = (t + 1) * M / tiles;
                const REAL *a = A + i * ra + k * ca, *next = a + (end - i) * ra; /* the rows of the next tile */
                for (idx q = first; q < last; q++) {
                    const idx p = reverse ? panels - 1 - q : q, j = p * 2 * VL;
                    REAL *c = C + i * ldc + j;
                    if (2 * depth >= DEPTH && q + 1 < last) /* shorter sums are of small matrices, cached anyway */
                        for (idx row = 0; row < end - i; row++) {
                            __builtin_prefetch(c + row * ldc + ahead, 1);
                            __builtin_prefetch(c + row * ldc + ahead + 2 * VL - 1, 1);
                        }
                    NAME(tiles)((int)(end - i), N - j >= 2 * VL ? 2 : 1, depth, a, ra, ca,
                                B + p * ps + k * bs, bs, k ? c : init ? init + i * ldi + j : NULL, k ? ldc : ldi, c, ldc,
                                next + (q - first) * (ca == 1 ? ra : 16 * FETCH * ca), ca == 1 ? WIDTH * ra : ca,
                                ca == 1 ? 16 : FETCH * ca);
                }
            }
        }
    }
}

typedef REAL NAME(vec4) __attribute__((vector_size(4 * sizeof(REAL))));
typedef REAL NAME(vec8) __attribute__((vector_size(8 * sizeof(REAL))));
/* d[k, j] = s[j, k] for 4 k and 8 j (or 4): rows j and j + 4 side by side, then 4 x 4 transposes of both halves. */
static ALWAYS void NAME(transpose)(const int eight, const REAL *s, idx cs, REAL *d, idx bs) {
    NAME(vec4) low[4], high[4];
    NAME(vec8) r[4], q[4];
    UNROLL for (int i = 0; i < 4; i++) {
        __builtin_memcpy(&low[i], s + i * cs, sizeof *low);
        __builtin_memcpy(&high[i], s + (eight ? i + 4 : i) * cs, sizeof *low);
        r[i] = __builtin_shufflevector(low[i], high[i], 0, 1, 2, 3, 4, 5, 6, 7);
    }
    UNROLL for (int i = 0; i < 4; i += 2) {
        q[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        q[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    UNROLL for (int i = 0; i < 2; i++) {
        r[2 * i] = __builtin_shufflevector(q[i], q[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        r[2 * i + 1] = __builtin_shufflevector(q[i], q[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    UNROLL for (int i = 0; i < 4; i++) __builtin_memcpy(d + i * bs, &r[i], (eight ? 8 : 4) * sizeof(REAL));
}
static void NAME(pack)(idx K, idx N, const void *src_, idx rs, idx cs, void *B_, idx bs, idx ps) {
    const REAL *src = src_;
    REAL *B = B_;
    const idx nr = 2 * VL;
    idx K4 = 0, N4 = 0;
    if (cs != 1) {
        K4 = K & ~(idx)3, N4 = N & ~(idx)3;
        for (idx j = 0, step; j < N4; j += step) {
            const REAL *s = src + j * cs;
            REAL *d = B + j / nr * ps + j % nr;
            const idx fit = N4 - j < nr - j % nr ? N4 - j : nr - j % nr;
            step = fit >= 16 ? 16 : fit >= 8 ? 8 : 4;
            for (idx k = 0; k < K4; k += 4, s += 4, d += 4 * bs)
                if (step == 4) {
                    NAME(transpose)(0, s, cs, d, bs);
                } else {
                    NAME(transpose)(1, s, cs, d, bs);
                    if (step == 16) NAME(transpose)(1, s + 8 * cs, cs, d + 8, bs); /* whole cache lines at a time */
                }
        }
    }
    for (idx k = 0; k < K; k++)
        for (idx j = k < K4 ? N4 : 0; j < N; j++) B[j / nr * ps + k * bs + j % nr] = src[k * rs + j * cs];
}

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
static void NAME(tanh)(idx n, void *x_) {
    REAL *x = x_;
    for (idx i = 0; i < n; i++) x[i] = NAME(tanh1)(x[i]);
}
static void NAME(add_tanh)(idx n, const void *u_, void *x_) {
    const REAL *restrict u = u_;
    REAL *restrict x = x_;
    for (idx i = 0; i < n; i++) x[i] = NAME(tanh1)(x[i] + u[i]);
}
static ALWAYS REAL NAME(sigmoid1)(REAL x) {
    REAL e = NAME(exp1)(x < 0 ? x : -x), d = 1 / (1 + e);
    return x < 0 ? e * d : d;
}
static void NAME(sigmoid)(idx n, void *x_) {
    REAL *x = x_;
    for (idx i = 0; i < n; i++) x[i] = NAME(sigmoid1)(x[i]);
}
/* Cells, one stream at a time. FLUSH_BOTH keeps subnormal numbers out of the state. Of two products in a sum, one is
 * clamped to where it lies anyway, which leaves one way only to fuse. (To flush it would not do: where a compiler
 * branches, it drops the sum with zero and with that the fusion.) */
#define FLUSH_BOTH(x) ((x) < TINY && (x) > -TINY ? (REAL)0 : (x))
#define TINY ((REAL)1e-30)
static void NAME(lstm_forward)(idx H, const void *u_, const void *r_, const void *c0_, void *a_, void *c_, void *h_) {
    const REAL *u = u_, *r = r_, *c0 = c0_;
    REAL *a = a_, *c = c_, *h = h_;
    INDEPENDENT for (idx j = 0; j < H; j++) {
        REAL i = NAME(sigmoid1)(r[j] + u[j]), f = NAME(sigmoid1)(r[H + j] + u[H + j]);
        REAL g = NAME(tanh1)(r[2 * H + j] + u[2 * H + j]), o = NAME(sigmoid1)(r[3 * H + j] + u[3 * H + j]);
        REAL in = NAME(clamp)(i * g, 1), now = f * c0[j] + in;
        a[j] = i, a[H + j] = f, a[2 * H + j] = g, a[3 * H + j] = o;
        c[j] = FLUSH_BOTH(now);
        h[j] = o * NAME(tanh1)(now);
    }
}
/* Those of the next stream lie behind these, last seen in the way forward. */
static ALWAYS void NAME(fetch_gates)(idx H, const REAL *a) {
    for (idx j = 0; j < 4 * H; j += CORE_LANES) __builtin_prefetch(a + 4 * H + j);
}
static void NAME(lstm_backward)(idx H, const void *dh_, const void *c0_, const void *c_, void *dc_, void *a_) {
    const REAL *dh = dh_, *c0 = c0_, *c = c_;
    REAL *dc = dc_, *a = a_;
    NAME(fetch_gates)(H, a);
    INDEPENDENT for (idx j = 0; j < H; j++) {
        REAL i = a[j], f = a[H + j], g = a[2 * H + j], o = a[3 * H + j], t = NAME(tanh1)(c[j]);
        REAL slope = 1 - t * t, flat = 1 - g * g, by = dh[j] * o, d = by * slope + dc[j];
        a[j] = d * g * i * (1 - i);
        a[H + j] = d * c0[j] * f * (1 - f);
        a[2 * H + j] = d * i * flat;
        a[3 * H + j] = dh[j] * t * o * (1 - o);
        REAL carried = d * f;
        dc[j] = FLUSH_BOTH(carried);
    }
}
static void NAME(gru_forward)(idx H, const void *u_, const void *r_, const void *n_, const void *h0_, void *a_, void *h_) {
    const REAL *u = u_, *r = r_, *bias = n_, *h0 = h0_;
    REAL *a = a_, *h = h_;
    INDEPENDENT for (idx j = 0; j < H; j++) {
        REAL reset = NAME(sigmoid1)(r[j] + u[j]), z = NAME(sigmoid1)(r[H + j] + u[H + j]), q = r[2 * H + j];
        REAL x = u[2 * H + j] + bias[j], n = NAME(tanh1)(reset * q + x), change = h0[j] - n, now = z * change + n;
        a[j] = reset, a[H + j] = z, a[2 * H + j] = n, a[3 * H + j] = q;
        h[j] = FLUSH_BOTH(now);
    }
}
static void NAME(gru_backward)(idx H, const void *dh_, const void *h0_, void *dh0_, void *a_) {
    const REAL *dh = dh_, *h0 = h0_;
    REAL *dh0 = dh0_, *a = a_;
    NAME(fetch_gates)(H, a);
    INDEPENDENT for (idx j = 0; j < H; j++) {
        REAL reset = a[j], z = a[H + j], n = a[2 * H + j], q = a[3 * H + j], slope = 1 - n * n, change = h0[j] - n;
        REAL dn = dh[j] * (1 - z) * slope;
        a[j] = dn * q * reset * (1 - reset);
        a[H + j] = dh[j] * change * z * (1 - z);
        a[2 * H + j] = dn * reset;
        a[3 * H + j] = dn;
        dh0[j] = dh[j] * z + dh0[j];
    }
}
#undef TINY
#undef FLUSH_BOTH
static void NAME(tanh_backward)(idx n, const void *h_, void *d_) {
    const REAL *restrict h = h_;
    REAL *restrict d = d_;
    for (idx i = 0; i < n; i++) {
        REAL slope = 1 - h[i] * h[i];
        d[i] *= slope;
    }
}
static void NAME(exp)(idx n, void *x_) {
    REAL *x = x_;
    for (idx i = 0; i < n; i++) x[i] = NAME(exp1)(x[i]);
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
static void NAME(dropout)(idx n, double rate, uint32_t key, idx first, const void *x_, void *y_) {
    const REAL *x = x_, by = (REAL)(1 / (1 - rate));
    REAL *y = y_;
    const uint32_t threshold = (uint32_t)(rate * 4294967296.0), start = (uint32_t)first;
    INDEPENDENT for (idx i = 0; i < n; i++) {
        uint32_t z = (start + (uint32_t)i) * 0x9E3779B1u ^ key;
        z = (z ^ z >> 16) * 0x85EBCA6Bu;
        z = (z ^ z >> 13) * 0xC2B2AE35u;
        z ^= z >> 16;
        REAL kept = x[i] * by;
        y[i] = z >= threshold ? kept : (REAL)0;
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

/* ln(x) of x >= 1 in double: x = 2^e m, ln m = 2 atanh((m - 1) / (m + 1)) */
static ALWAYS double NAME(log1)(double x) {
    uint64_t bits, exponent;
    __builtin_memcpy(&bits, &x, sizeof bits);
    bits += 0x95F619980C433; /* 1 - sqrt(1/2) of a binade: m runs from sqrt(1/2) to sqrt(2) */
    exponent = (bits >> 52) + (0x4330000000000000 - 1023);
    bits = (bits & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD;
    double e, m;
    __builtin_memcpy(&e, &exponent, sizeof e);
    __builtin_memcpy(&m, &bits, sizeof m);
    double s = (m - 1) / (m + 1), s2 = s * s, q = 1.0 / 21;
    q = q * s2 + 1.0 / 19;
    q = q * s2 + 1.0 / 17;
    q = q * s2 + 1.0 / 15;
    q = q * s2 + 1.0 / 13;
    q = q * s2 + 1.0 / 11;
    q = q * s2 + 1.0 / 9;
    q = q * s2 + 1.0 / 7;
    q = q * s2 + 1.0 / 5;
    q = q * s2 + 1.0 / 3;
    s += s;
    s2 *= s;
    m = s2 * q + s;
    return (e - 4503599627370496.0) * 0.6931471805599453 + m;
}

/* lane[0] = the fold of all lanes, in a fixed tree */
#define FOLD(lane, l, r, expression)              \
    for (int w = CORE_LANES / 2; w; w /= 2)       \
        for (int i_ = 0; i_ < w; i_++) {          \
            REAL l = lane[i_], r = lane[i_ + w];  \
            lane[i_] = (expression);              \
        }

/* A few rows at a time, one pass after the other: rows are too short to hide the latency of their folds. */
static void NAME(softmax)(idx M, idx K, void *p_, idx ld, const int32_t *y, double smoothing, double *loss) {
    const idx padded = (K + CORE_LANES - 1) & ~(idx)(CORE_LANES - 1);
    for (idx first = 0, rows; first < M; first += rows, y += rows, loss += rows) {
        REAL *block = (REAL *)p_ + first * ld, top[CORE_LANES], inverse[CORE_LANES];
        double sums[CORE_LANES], targets[CORE_LANES];
        rows = M - first < CORE_LANES ? M - first : CORE_LANES;
        for (int i = 0; i < CORE_LANES; i++) sums[i] = 1;
        for (idx i = 0; i < rows; i++) {
            REAL *p = block + i * ld, lane[CORE_LANES];
            for (idx k = K; k < padded; k++) p[k] = p[0];
            vec most = NAME(load)(p);
            for (idx k = VL; k < padded; k += VL) {
                vec x = NAME(load)(p + k);
                __typeof__(x > most) larger = x > most; /* C has no choice by vector */
                most = (vec)((larger & (__typeof__(larger))x) | (~larger & (__typeof__(larger))most));
            }
            NAME(store)(lane, most);
            top[i] = lane[0];
            for (int l = 1; l < VL; l++) top[i] = lane[l] > top[i] ? lane[l] : top[i];
            targets[i] = p[y[i]] - top[i];
            if (smoothing > 0) {
                for (int l = 0; l < CORE_LANES; l++) lane[l] = 0;
                for (idx k = 0; k < padded; k += CORE_LANES)
                    for (int l = 0; l < CORE_LANES; l++) lane[l] += k + l < K ? p[k + l] - top[i] : 0;
                FOLD(lane, a, b, a + b)
                targets[i] += smoothing * ((double)lane[0] / (double)K - targets[i]);
            }
        }
        for (idx i = 0; i < rows; i++) {
            REAL *p = block + i * ld;
            for (idx k = 0; k < padded; k++) p[k] = NAME(exp1)(p[k] - top[i]);
        }
        for (idx i = 0; i < rows; i++) {
            REAL *p = block + i * ld, lane[CORE_LANES];
            for (idx k = K; k < padded; k++) p[k] = 0;
            for (int l = 0; l < CORE_LANES; l++) lane[l] = p[l];
            for (idx k = CORE_LANES; k < padded; k += CORE_LANES)
                for (int l = 0; l < CORE_LANES; l++) lane[l] += p[k + l];
            FOLD(lane, a, b, a + b)
            sums[i] = lane[0];
            inverse[i] = 1 / lane[0];
        }
        for (idx i = 0; i < rows; i++) {
            REAL *p = block + i * ld;
            for (idx k = 0; k < padded; k++) p[k] *= inverse[i];
        }
        for (int i = 0; i < CORE_LANES; i++) sums[i] = NAME(log1)(sums[i]); /* the unused ones too: they are one */
        for (idx i = 0; i < rows; i++) loss[i] = sums[i] - targets[i];
    }
}

#if DOUBLE
/* The index whose share of softmax(z / temperature) covers u in [0, 1): the distribution function inverted, first by
 * blocks of lanes, then within one. z is padded to whole blocks and overwritten. Of smoothed labels a network learns
 * q = (1 - smoothing) p + smoothing / K: the logits are then made those of p. Where p has less than the smoothing gave it
 * cannot be told from noise and is cut off (Hewitt, Manning, Liang 2022), unless smoothing is all there is. */
static idx NAME(draw)(idx K, double temperature, double smoothing, double u, double *z) {
    const idx padded = (K + CORE_LANES - 1) & ~(idx)(CORE_LANES - 1);
    double lane[CORE_LANES], top, below = 0, sum = 0;
    for (idx k = K; k < padded; k++) z[k] = z[0];
    for (int l = 0; l < CORE_LANES; l++) lane[l] = z[l];
    for (idx k = CORE_LANES; k < padded; k += CORE_LANES)
        for (int l = 0; l < CORE_LANES; l++) lane[l] = z[k + l] > lane[l] ? z[k + l] : lane[l];
    FOLD(lane, a, b, b > a ? b : a)
    top = lane[0];
    idx likeliest = 0;
    while (likeliest < K - 1 && z[likeliest] < top) likeliest++;
    if (temperature == 0) return likeliest;
    if (smoothing > 0) {
        for (idx k = 0; k < padded; k++) z[k] = NAME(exp1)(z[k] - top);
        for (idx k = 0; k < K; k++) sum += z[k];
        const double floor = smoothing * sum / (double)K, cut = floor < 0.5 ? 2 * floor : floor;
        for (idx k = 0; k < padded; k++) z[k] = z[k] > cut ? -NAME(log1)(1 / (z[k] - floor)) : -__builtin_inf();
        top = z[likeliest], sum = 0;
    }
    if (temperature == 1)
        for (idx k = 0; k < padded; k++) z[k] = NAME(exp1)(z[k] - top);
    else
        for (idx k = 0; k < padded; k++) z[k] = NAME(exp1)((z[k] - top) / temperature);
    for (idx k = K; k < padded; k++) z[k] = 0;
    for (int l = 0; l < CORE_LANES; l++) lane[l] = 0;
    for (idx k = 0; k < padded; k += CORE_LANES)
        for (int l = 0; l < CORE_LANES; l++) lane[l] += z[k + l];
    FOLD(lane, a, b, a + b)
    const double target = u * lane[0];
    for (idx k = 0; k < padded; k += CORE_LANES) {
        for (int l = 0; l < CORE_LANES; l++) lane[l] = z[k + l];
        FOLD(lane, a, b, a + b)
        for (idx j = k; below + lane[0] > target && j < k + CORE_LANES; j++) {
            sum += z[j];
            if (below + sum > target) return j;
        }
        below += lane[0];
    }
    return likeliest; /* rounding left the target beyond the last share */
}
#endif

/* 1 / sqrt(x) of a normal x > 0. In single precision y p(e), y an integer seed, e = 1 - x y^2 and p the cubic nearest to
 * (1 - e)^(-1/2) for the seed's |e| < 0.0684: an error below 9e-7 from six operations in the pipes of the multiply-adds,
 * where square roots and divisions queue up in a pipe of their own. */
static ALWAYS REAL NAME(rsqrt1)(REAL x) {
#if DOUBLE
    return 1 / __builtin_sqrt(x);
#else
    int32_t i;
    __builtin_memcpy(&i, &x, sizeof i);
    i = 0x5F374000 - (i >> 1);
    REAL y;
    __builtin_memcpy(&y, &i, sizeof y);
    REAL t = x * y, e = 1 - t * y, p = 0.31422713f;
    p = p * e + 0.3762715f;
    p = p * e + 0.4999977f;
    p = p * e + 0.99999926f;
    return y * p;
#endif
}

/* Optimiser steps: p parameters, g gradient, m and v moments. A moment below TINY becomes zero, so that vanishing
 * gradients never leave subnormal numbers, which some processors compute a hundred times more slowly. AdaGrad's v only
 * grows: it starts at TINY instead, which eps drowns. */
#define TINY ((REAL)1e-30)
#define STEP(name)                                                                                              \
    static void NAME(name)(idx n, void *p_, const void *g_, void *m_, void *v_, const core_hyper *hyper) {         \
        REAL *restrict p = p_, *restrict m = m_, *restrict v = v_;                                                 \
        const REAL *restrict G = g_, rate = (REAL)hyper->rate, clip = (REAL)hyper->clip_value, eps = (REAL)hyper->eps;   \
        (void)m, (void)v, (void)eps;
#define EACH for (idx i = 0; i < n; i++)
#define GRADIENT REAL g = NAME(clamp)(G[i], clip)
#define FLUSH(x) ((x) < TINY ? (REAL)0 : (x))

STEP(sgd)
    EACH {
        GRADIENT;
        p[i] -= rate * g;
    }
}
STEP(momentum)
    const REAL mu = (REAL)hyper->momentum;
    EACH {
        GRADIENT;
        REAL t = mu * m[i] + g;
        m[i] = t < TINY && t > -TINY ? (REAL)0 : t;
        p[i] -= rate * m[i];
    }
}
STEP(adagrad)
    EACH {
        GRADIENT;
        v[i] = g * g + v[i];
        REAL by = rate * g, s = NAME(rsqrt1)(v[i] + eps);
        p[i] -= by * s;
    }
}
STEP(rmsprop)
    const REAL take = (REAL)(1 - hyper->decay);
    EACH {
        GRADIENT;
        REAL change = g * g - v[i], t = take * change + v[i];
        v[i] = FLUSH(t);
        REAL by = rate * g, s = NAME(rsqrt1)(v[i] + eps);
        p[i] -= by * s;
    }
}
STEP(adam)
    const REAL a1 = (REAL)(1 - hyper->beta1), c1 = (REAL)(hyper->rate * hyper->correction1);
    const REAL a2 = (REAL)(1 - hyper->beta2), c2 = (REAL)hyper->correction2;
    (void)rate;
    EACH {
        GRADIENT;
        REAL change1 = g - m[i], t1 = a1 * change1 + m[i];
        m[i] = t1 < TINY && t1 > -TINY ? (REAL)0 : t1;
        REAL change2 = g * g - v[i], t2 = a2 * change2 + v[i];
        v[i] = FLUSH(t2);
        REAL s = SQRT(v[i] * c2) + eps, by = c1 * m[i];
        p[i] -= by / s;
    }
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

static const core_table NAME(table) = {
    VL, 2 * VL, MR, NAME(gemm), NAME(pack), NAME(add), NAME(sum_rows), NAME(exp), NAME(tanh), NAME(add_tanh), NAME(tanh_backward),
    NAME(sigmoid), NAME(lstm_forward), NAME(lstm_backward), NAME(gru_forward), NAME(gru_backward), NAME(softmax), NAME(dropout), NAME(sum_squares), NAME(scale), NAME(sgd), NAME(momentum), NAME(rmsprop), NAME(adagrad), NAME(adam),
    NAME(spin),
#if DOUBLE
    NAME(draw),
#else
    NULL,
#endif
};

#undef VL
#undef vec
#undef WIDTH
#undef DEPTH
#undef FETCH
#undef BITS
#undef MAGIC
#undef MANTISSA
#undef LN2_HI
#undef LN2_LO
#undef EXP_MIN
#undef TANH_MAX
#undef TINY
#undef STEP
#undef EACH
#undef GRADIENT
#undef FLUSH
#undef FOLD
