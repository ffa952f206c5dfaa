/* Optimiser steps, and the list of them: an optimiser is its step and a line in RULES. Included by template.h. */

/* The optimisers, by the names that Python calls them. */
#define RULES(R) \
    R(sgd)       \
    R(momentum)  \
    R(adagrad)   \
    R(rmsprop)   \
    R(adam)

/* 1 / sqrt(x) of a normal x > 0. In single precision y p(e), y an integer seed, e = 1 - x y^2 and p the cubic nearest
 * to (1 - e)^(-1/2) for the seed's |e| < 0.0684: an error below 9e-7 from six operations in the pipes of the
 * multiply-adds, where square roots and divisions queue up in a pipe of their own. */
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
#define STEP(name) \
    static void NAME(name)(idx n, void *p_, const void *g_, void *m_, void *v_, const core_numbers *numbers)
#define ARRAYS                                                                         \
    REAL *restrict p = p_, *restrict m = m_, *restrict v = v_;                         \
    const REAL *restrict G = g_, rate = (REAL)numbers->rate, eps = (REAL)numbers->eps; \
    const REAL clip = (REAL)numbers->clip_value;                                       \
    (void)m, (void)v, (void)eps, (void)rate
#define FLUSH(x) ((x) < TINY ? (REAL)0 : (x))

STEP(sgd) {
    ARRAYS;
    for (idx i = 0; i < n; i++) {
        REAL g = NAME(clamp)(G[i], clip);
        p[i] -= rate * g;
    }
}
STEP(momentum) {
    ARRAYS;
    const REAL mu = (REAL)numbers->momentum;
    for (idx i = 0; i < n; i++) {
        REAL g = NAME(clamp)(G[i], clip);
        REAL t = mu * m[i] + g;
        m[i] = t < TINY && t > -TINY ? (REAL)0 : t;
        p[i] -= rate * m[i];
    }
}
STEP(adagrad) {
    ARRAYS;
    for (idx i = 0; i < n; i++) {
        REAL g = NAME(clamp)(G[i], clip);
        v[i] = g * g + v[i];
        REAL by = rate * g, s = NAME(rsqrt1)(v[i] + eps);
        p[i] -= by * s;
    }
}
STEP(rmsprop) {
    ARRAYS;
    const REAL take = (REAL)(1 - numbers->decay);
    for (idx i = 0; i < n; i++) {
        REAL g = NAME(clamp)(G[i], clip);
        REAL change = g * g - v[i], t = take * change + v[i];
        v[i] = FLUSH(t);
        REAL by = rate * g, s = NAME(rsqrt1)(v[i] + eps);
        p[i] -= by * s;
    }
}
STEP(adam) {
    ARRAYS;
    const REAL a1 = (REAL)(1 - numbers->beta1), c1 = (REAL)(numbers->rate * numbers->correction1);
    const REAL a2 = (REAL)(1 - numbers->beta2), c2 = (REAL)numbers->correction2;
    for (idx i = 0; i < n; i++) {
        REAL g = NAME(clamp)(G[i], clip);
        REAL change1 = g - m[i], t1 = a1 * change1 + m[i];
        m[i] = t1 < TINY && t1 > -TINY ? (REAL)0 : t1;
        REAL change2 = g * g - v[i], t2 = a2 * change2 + v[i];
        v[i] = FLUSH(t2);
        REAL s = SQRT(v[i] * c2) + eps, by = c1 * m[i];
        p[i] -= by / s;
    }
}

#define RULE(name) {#name, NAME(name)},
static const core_rule NAME(rules)[] = {RULES(RULE){NULL, NULL}};

#undef RULES
#undef RULE
#undef TINY
#undef STEP
#undef ARRAYS
#undef FLUSH
