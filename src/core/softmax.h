/* The softmax head: probabilities and cross-entropies of rows of logits. Included by template.h. */

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
#define FOLD(lane, l, r, expression)                                                       \
    UNROLL for (int w = CORE_LANES / 2; w; w /= 2) UNROLL for (int i_ = 0; i_ < w; i_++) { \
        REAL l = lane[i_], r = lane[i_ + w];                                               \
        lane[i_] = (expression);                                                           \
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
