/* Drawing a symbol from logits, always in double precision. Included by template.h.
 *
 * z, a (Kp) array, holds logits and then shares: probabilities, but for a common factor. The steps, in this order:
 *
 *     smoothing            z = the logits of p, where the network has learned q = (1 - smoothing) p + smoothing / K
 *     repetition_penalty   z / penalty, or z * penalty of a negative z, of the symbols that came lately
 *     bias                 z + bias; -inf where a symbol may not come
 *     temperature          exp((z - max z) / temperature); 0 takes the likeliest symbol, and nothing is drawn
 *     top_k, top_p, min_p  the shares of the symbols that are left out = 0
 *
 * The names and their meaning are those of GenerationConfig in Hugging Face's transformers. */

static ALWAYS double NAME(largest)(idx padded, const double *z) {
    double lane[CORE_LANES];
    for (int l = 0; l < CORE_LANES; l++) lane[l] = z[l];
    for (idx k = CORE_LANES; k < padded; k += CORE_LANES)
        for (int l = 0; l < CORE_LANES; l++) lane[l] = z[k + l] > lane[l] ? z[k + l] : lane[l];
    FOLD(lane, a, b, b > a ? b : a)
    return lane[0];
}

/* The first symbol with the largest logit or share, which is below K. */
static ALWAYS idx NAME(likeliest)(idx K, double top, const double *z) {
    idx k = 0;
    while (k < K - 1 && z[k] < top) k++;
    return k;
}

/* Logits of q become those of p; `top` is the largest. A symbol with q <= 2 smoothing / K cannot be told from noise and
 * is dropped (Hewitt, Manning, Liang 2022), unless all are. */
static void NAME(unsmooth)(idx K, idx padded, double smoothing, double top, double *z) {
    double sum = 0;
    for (idx k = 0; k < padded; k++) z[k] = NAME(exp1)(z[k] - top);
    for (idx k = 0; k < K; k++) sum += z[k];
    const double floor = smoothing * sum / (double)K, cut = floor < 0.5 ? 2 * floor : floor;
    for (idx k = 0; k < padded; k++) z[k] = z[k] > cut ? -NAME(log1)(1 / (z[k] - floor)) : -__builtin_inf();
}

/* Penalty and bias. The logits of the network are `shift` above those in z. What may come keeps a finite logit. */
static void NAME(adjust)(idx K, const core_drawing *how, const core_context *context, double shift, double *z) {
    const double penalty = how->repetition_penalty, never = -__builtin_inf(), most = 1e300;
    const int32_t *counts = penalty != 1 ? context->counts : NULL;
    for (idx k = 0; k < K; k++) {
        if (z[k] == never) continue;
        if (counts && counts[k]) {
            const double logit = z[k] + shift;
            z[k] = (logit < 0 ? logit * penalty : logit / penalty) - shift;
        }
        z[k] = z[k] > most ? most : z[k] < -most ? -most : z[k];
        if (context->bias) z[k] = context->bias[k] == never ? never : z[k] + context->bias[k];
        z[k] = z[k] > most ? most : z[k] < -most && z[k] != never ? -most : z[k];
    }
}

/* Whether symbol i comes after symbol j in the order of falling shares; of equal shares the first comes first. */
static ALWAYS int NAME(after)(const double *z, idx i, idx j) { return z[i] < z[j] || (z[i] == z[j] && i > j); }

/* order (n), a heap but for the symbol at `at`, becomes one: each symbol comes before both that hang below it. */
static void NAME(sink)(idx n, idx at, const double *z, idx *order) {
    for (idx below; (below = 2 * at + 1) < n; at = below) {
        if (below + 1 < n && NAME(after)(z, order[below], order[below + 1])) below++;
        if (!NAME(after)(z, order[at], order[below])) return;
        const idx symbol = order[at];
        order[at] = order[below], order[below] = symbol;
    }
}

/* Takes the first symbol off a heap of n and puts it behind the others. */
static ALWAYS idx NAME(take)(idx n, const double *z, idx *order) {
    const idx first = order[0];
    order[0] = order[n - 1], order[n - 1] = first;
    NAME(sink)(n - 1, 0, z, order);
    return first;
}

/* Keeps the likeliest symbols: the `top_k` first ones, with those that equal the last of them; of these the first that
 * have the share `top_p` together; of these those that have the part `min_p` of the largest share. The shares of the
 * others become 0. order (K)  scratch */
static void NAME(filter)(idx K, const core_drawing *how, double largest, idx *order, double *z) {
    const double least = how->min_p * largest;
    const int few = how->top_k > 0 && how->top_k < K;
    idx taken = 0, kept = 0;
    double total = 0, sum = 0, last = 0;
    if (!few && how->top_p >= 1) {
        for (idx k = 0; k < K; k++) z[k] = z[k] < least ? 0 : z[k];
        return;
    }
    for (idx k = 0; k < K; k++) order[k] = k;
    for (idx k = K / 2 - 1; k >= 0; k--) NAME(sink)(K, k, z, order);
    while (few && taken < K && (taken < how->top_k || z[order[0]] == last)) {
        last = z[NAME(take)(K - taken++, z, order)];
        total += last;
    }
    const idx most = few ? taken : K;
    for (idx k = 0; !few && k < K; k++) total += z[k];
    for (; kept < most; kept++) {
        if (kept == taken) NAME(take)(K - taken++, z, order);
        const double share = z[order[K - 1 - kept]];
        if (kept && (share < least || share == 0 || (how->top_p < 1 && sum >= how->top_p * total))) break;
        sum += share;
    }
    for (idx i = 0; i < K - kept; i++) z[order[i]] = 0;
}

static ALWAYS double NAME(total)(idx padded, const double *z) {
    double lane[CORE_LANES] = {0};
    for (idx k = 0; k < padded; k += CORE_LANES)
        for (int l = 0; l < CORE_LANES; l++) lane[l] += z[k + l];
    FOLD(lane, a, b, a + b)
    return lane[0];
}

/* Logits become shares, the largest of them 1. Returns their total, summed as `total` does. */
static ALWAYS double NAME(shares)(idx padded, double top, double temperature, double *z) {
    double lane[CORE_LANES] = {0};
    if (temperature != 1)
        for (idx k = 0; k < padded; k++) z[k] = (z[k] - top) / temperature;
    const double least = temperature == 1 ? top : 0;
    for (idx k = 0; k < padded; k += CORE_LANES)
        for (int l = 0; l < CORE_LANES; l++) lane[l] += z[k + l] = NAME(exp1)(z[k + l] - least);
    FOLD(lane, a, b, a + b)
    return lane[0];
}

/* The index whose share covers `target`, from 0 to less than the total: the distribution function inverted, first by
 * blocks of lanes, then within one. The two sums of a block differ by rounding: where the target lies between them, the
 * next symbol that has a share is taken. */
static ALWAYS idx NAME(cover)(idx padded, double target, const double *z) {
    double lane[CORE_LANES], below = 0;
    for (idx k = 0; k < padded; k += CORE_LANES) {
        for (int l = 0; l < CORE_LANES; l++) lane[l] = z[k + l];
        FOLD(lane, a, b, a + b)
        double sum = 0;
        for (idx j = k; below + lane[0] > target && j < k + CORE_LANES; j++) {
            sum += z[j];
            if (below + sum > target && z[j] > 0) return j;
        }
        below += lane[0];
    }
    return NAME(likeliest)(padded, NAME(largest)(padded, z), z); /* rounding left the target beyond the last share */
}

/* The logarithm of a probability, or of a number above one. */
static double NAME(logarithm)(double x) {
    if (!(x > 0)) return -__builtin_inf();
    return x < 1 ? -NAME(log1)(1 / x) : NAME(log1)(x);
}

/* -1 if no symbol may come. */
static idx NAME(draw)(idx K, const core_drawing *how, const core_context *context, double u, double *z) {
    const idx padded = (K + CORE_LANES - 1) & ~(idx)(CORE_LANES - 1);
    const double temperature = how->temperature;
    const int adjusts = context->bias || (context->counts && how->repetition_penalty != 1);
    for (idx k = K; k < padded; k++) z[k] = -__builtin_inf(); /* no symbol: its share is 0 */
    double top = NAME(largest)(padded, z);
    if (top == -__builtin_inf()) return -1;
    if (temperature == 0 && !adjusts) return NAME(likeliest)(K, top, z);
    if (adjusts) __builtin_memcpy(context->scratch, z, (size_t)padded * sizeof(double));
    double shift = 0;
    if (how->smoothing > 0) {
        const idx likeliest = NAME(likeliest)(K, top, z);
        NAME(unsmooth)(K, padded, how->smoothing, top, z);
        shift = top - z[likeliest];
        top = z[likeliest];
    }
    if (adjusts) {
        NAME(adjust)(K, how, context, shift, z);
        top = NAME(largest)(padded, z);
        if (top == -__builtin_inf()) { /* all that may come was dropped as noise: noise it is */
            __builtin_memcpy(z, context->scratch, (size_t)padded * sizeof(double));
            NAME(adjust)(K, how, context, 0, z);
            top = NAME(largest)(padded, z);
            if (top == -__builtin_inf()) return -1;
        }
        if (temperature == 0) return NAME(likeliest)(K, top, z);
    }
    double total = NAME(shares)(padded, top, temperature, z);
    if (how->top_k > 0 || how->top_p < 1 || how->min_p > 0) {
        NAME(filter)(K, how, NAME(largest)(padded, z), (idx *)(context->scratch + padded), z);
        total = NAME(total)(padded, z);
    }
    return NAME(cover)(padded, u * total, z);
}
