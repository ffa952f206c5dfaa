/* Recurrent cells, one step of one stream at a time, and their rows. Included by template.h.
 *
 * A cell is its two kernels and its row. A kernel reads and writes the arrays of core_cell_step; forward leaves in a
 * what backward needs, backward overwrites it with the derivatives of the pre-activations: of the state's share gates
 * times H, then of the input's share where that differs. Gates lie side by side, H of each, of which a kernel computes
 * n.
 *
 * FLUSH keeps subnormal numbers out of the state. A sum of two products can fuse in two ways. `clamp` rounds the first
 * product and leaves its value, so only the second can fuse. (FLUSH cannot do this: a compiler may branch and drop the
 * sum.)
 */
#define TINY ((REAL)1e-30)
#define FLUSH(x) ((x) < TINY && (x) > -TINY ? (REAL)0 : (x))

/* Fetches what the next stream has cached, four numbers of a unit. It follows this one's in memory; the forward pass
 * used it last. */
static ALWAYS void NAME(fetch_next)(const core_cell_step *s) {
    const REAL *next = (const REAL *)s->a + 4 * s->H;
    for (idx kept = 0; kept < 4; kept++, next += s->H)
        for (idx j = 0; j < s->n; j += CORE_LANES) __builtin_prefetch(next + j);
}

/* RNN (Elman 1990, Cognitive Science 14): h = tanh(r + u), in place of r. n is rounded up: padding stays, for tanh(0) =
 * 0. */
static void NAME(rnn_forward)(const core_cell_step *s) {
    const idx padded = (s->n + CORE_LANES - 1) & ~(idx)(CORE_LANES - 1);
    const REAL *restrict u = s->u;
    REAL *restrict h = s->r;
    for (idx j = 0; j < padded; j++) h[j] = NAME(tanh1)(h[j] + u[j]);
}
/* da = (1 - h^2) dh, in place of dh */
static void NAME(rnn_backward)(const core_cell_step *s) {
    const idx padded = (s->n + CORE_LANES - 1) & ~(idx)(CORE_LANES - 1);
    const REAL *restrict h = s->h;
    REAL *restrict d = s->dh;
    for (idx j = 0; j < padded; j++) {
        REAL slope = 1 - h[j] * h[j];
        d[j] *= slope;
    }
}

/* LSTM (Hochreiter and Schmidhuber 1997, Neural Computation 9; the forget gate of Gers, Schmidhuber and Cummins 2000).
 *
 *     i, f, g, o = sigmoid, sigmoid, tanh, sigmoid(r + u);  s = f s0 + i g;  h = o tanh(s)
 */
static void NAME(lstm_forward)(const core_cell_step *step) {
    const idx H = step->H, n = step->n;
    const REAL *u = step->u, *r = step->r, *s0 = step->s0;
    REAL *a = step->a, *s = step->s, *h = step->h;
    INDEPENDENT for (idx j = 0; j < n; j++) {
        REAL i = NAME(sigmoid1)(r[j] + u[j]), f = NAME(sigmoid1)(r[H + j] + u[H + j]);
        REAL g = NAME(tanh1)(r[2 * H + j] + u[2 * H + j]), o = NAME(sigmoid1)(r[3 * H + j] + u[3 * H + j]);
        REAL in = NAME(clamp)(i * g, 1), now = f * s0[j] + in;
        a[j] = i;
        a[H + j] = f;
        a[2 * H + j] = g;
        a[3 * H + j] = o;
        s[j] = FLUSH(now);
        h[j] = o * NAME(tanh1)(now);
    }
}
/* ds += dh o (1 - tanh(s)^2);  da = ds g i (1 - i), ds s0 f (1 - f), ds i (1 - g^2), dh tanh(s) o (1 - o);
 * ds0 = ds f */
static void NAME(lstm_backward)(const core_cell_step *step) {
    const idx H = step->H, n = step->n;
    const REAL *dh = step->dh, *s0 = step->s0, *s = step->s;
    REAL *ds = step->ds, *a = step->a;
    NAME(fetch_next)(step);
    INDEPENDENT for (idx j = 0; j < n; j++) {
        REAL i = a[j], f = a[H + j], g = a[2 * H + j], o = a[3 * H + j];
        REAL t = NAME(tanh1)(s[j]);
        REAL slope = 1 - t * t;
        REAL flat = 1 - g * g;
        REAL by = dh[j] * o;
        REAL d = by * slope + ds[j];
        a[j] = d * g * i * (1 - i);
        a[H + j] = d * s0[j] * f * (1 - f);
        a[2 * H + j] = d * i * flat;
        a[3 * H + j] = dh[j] * t * o * (1 - o);
        REAL carried = d * f;
        ds[j] = FLUSH(carried);
    }
}

/* GRU (Cho et al. 2014, arXiv 1406.1078), with the reset gate behind the product, as cuDNN and PyTorch have it.
 *
 *     reset, z = sigmoid(r + u);  q = r_n;  n = tanh(u_n + bias + reset q);  h = (1 - z) n + z h0
 */
static void NAME(gru_forward)(const core_cell_step *s) {
    const idx H = s->H, units = s->n;
    const REAL *u = s->u, *r = s->r, *bias = s->bias, *h0 = s->h0;
    REAL *a = s->a, *h = s->h;
    INDEPENDENT for (idx j = 0; j < units; j++) {
        REAL reset = NAME(sigmoid1)(r[j] + u[j]), z = NAME(sigmoid1)(r[H + j] + u[H + j]), q = r[2 * H + j];
        REAL x = u[2 * H + j] + bias[j];
        REAL n = NAME(tanh1)(reset * q + x);
        REAL change = h0[j] - n;
        REAL now = z * change + n;
        a[j] = reset;
        a[H + j] = z;
        a[2 * H + j] = n;
        a[3 * H + j] = q;
        h[j] = FLUSH(now);
    }
}
/* dn = dh (1 - z) (1 - n^2);  da = dn q reset (1 - reset), dh (h0 - n) z (1 - z), dn reset, and dn on the input's side;
 * dh0 += dh z */
static void NAME(gru_backward)(const core_cell_step *s) {
    const idx H = s->H, units = s->n;
    const REAL *dh = s->dh, *h0 = s->h0;
    REAL *dh0 = s->dh0, *a = s->a;
    NAME(fetch_next)(s);
    INDEPENDENT for (idx j = 0; j < units; j++) {
        REAL reset = a[j], z = a[H + j], n = a[2 * H + j], q = a[3 * H + j];
        REAL slope = 1 - n * n;
        REAL change = h0[j] - n;
        REAL dn = dh[j] * (1 - z) * slope;
        a[j] = dn * q * reset * (1 - reset);
        a[H + j] = dh[j] * change * z * (1 - z);
        a[2 * H + j] = dn * reset;
        a[3 * H + j] = dn;
        dh0[j] = dh[j] * z + dh0[j];
    }
}

/* The rows: core.h says what each field means. CELL names both kernels by the cell, so that no row has another's. */
#define CELL(cell) .name = #cell, .forward = NAME(cell##_forward), .backward = NAME(cell##_backward)
static const core_cell NAME(cells)[] = {
    {CELL(rnn), .gates = 1, .shared = 1, .kept = 1, .states = 1, .in_place = 1},
    {CELL(lstm), .gates = 4, .shared = 4, .kept = 4, .states = 2, .in_place = 0},
    {CELL(gru), .gates = 3, .shared = 2, .kept = 4, .states = 1, .in_place = 0},
    {.name = NULL},
};
#undef CELL
#undef TINY
#undef FLUSH
