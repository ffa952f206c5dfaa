/* Drawing a symbol from logits, always in double precision. Included by template.h. */

/* The index whose share of softmax(z / temperature) covers u in [0, 1): the distribution function inverted, first by
 * blocks of lanes, then within one. z is padded to whole blocks and overwritten: by all shares, but for a common
 * factor, unless the temperature is 0. Of smoothed labels a network learns q = (1 - smoothing) p + smoothing / K: the
 * logits are then made those of p. A symbol with q <= 2 smoothing / K cannot be told from noise and is dropped (Hewitt,
 * Manning, Liang 2022), unless all are. */
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
