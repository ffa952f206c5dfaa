/* Matrix products of bfloat16 operands, and packing for them; all else of this precision is float32's. precisions.h
 * includes this file once for each instruction set.
 *
 * A bfloat16 number is a float whose lower sixteen bits are zero, and it lies in a float's place. Both operands of a
 * product are rounded to bfloat16. The sums are floats, in the order of Intel's instruction TDPBF16PS:
 *
 *     c = start;  for each block of 32 k, in order:  e = o = +0
 *         for q = 0 .. 15:  e = fma(a[2 q], b[2 q], e);  o = fma(a[2 q + 1], b[2 q + 1], o)
 *         c = c + (e + o)
 *
 * where zeros fill the last block, and a subnormal number, read or made, counts as zero. How rows, columns and blocks
 * are shared among tiles, caches and threads changes no bit.
 */
#define REAL float
#define VL ((idx)(VB / sizeof(REAL)))
#define NAME(x) JOIN(JOIN(JOIN(x, _), SET), _bf16)
#define FLOAT32(x) JOIN(JOIN(JOIN(x, _), SET), _f32) /* what the precision float32 has under this name */
#define load FLOAT32(load)
#define store FLOAT32(store)
#define vec FLOAT32(vec)

#define TALL (MR / 2) /* rows of a tile: each element has two sums in registers, e and o */
#define BLOCK 32      /* k between two additions to c */
#define DEPTH 128     /* k and */
#define BAND 112      /* rows of the left matrix that are rounded at a time; an odd number of cache lines */

/* To the nearest bfloat16 number, of two the even one. A subnormal number becomes zero, and a NaN stays one. */
static ALWAYS REAL NAME(rounded)(REAL x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    uint32_t near = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    near |= x != x ? 0x7fc00000 : 0;
    near &= bits & 0x7f800000 ? 0xffffffff : 0x80000000;
    __builtin_memcpy(&x, &near, sizeof x);
    return x;
}
static ALWAYS void NAME(round)(idx n, const REAL *restrict x, REAL *restrict y) {
    for (idx i = 0; i < n; i++) y[i] = NAME(rounded)(x[i]);
}
/* k rows of a panel of n columns: x_row apart, and then y_row. Loops of known length take half the time. */
static void NAME(round_panel)(idx k, idx n, const REAL *restrict x, idx x_row, REAL *restrict y, idx y_row) {
    if (n == 2 * VL)
        for (idx i = 0; i < k; i++) NAME(round)(2 * VL, x + i * x_row, y + i * y_row);
    else if (n == VL)
        for (idx i = 0; i < k; i++) NAME(round)(VL, x + i * x_row, y + i * y_row);
    else
        for (idx i = 0; i < k; i++) NAME(round)(n, x + i * x_row, y + i * y_row);
}

/* Panel by panel, some k at a time: rows as they lie are rounded on their way, columns once they have become rows. */
static void NAME(pack)(idx K, idx N, core_matrix source, core_panels out) {
    REAL rows[DEPTH * 2 * VB / sizeof(REAL)] __attribute__((aligned(64)));
    for (idx k = 0; k < K; k += DEPTH)
        for (idx j = 0; j < N; j += 2 * VL) {
            const idx depth = K - k < DEPTH ? K - k : DEPTH, n = N - j < 2 * VL ? N - j : 2 * VL;
            const REAL *x = (const REAL *)source.data + k * source.row + j * source.column;
            REAL *y = (REAL *)out.data + k * out.row + j / (2 * VL) * out.panel;
            if (source.column == 1) {
                NAME(round_panel)(depth, n, x, source.row, y, out.row);
            } else {
                const core_matrix columns = {x, source.row, source.column};
                FLOAT32(pack)(depth, n, columns, (core_panels){.data = rows, .row = 2 * VL});
                NAME(round_panel)(depth, n, rows, 2 * VL, y, out.row);
            }
        }
}

/* What a tile computes: out = start + a b. Columns of b come in pairs of vectors, b_panel apart. */
typedef struct {
    idx depth;
    const REAL *a; /* rounded */
    const REAL *b; /* rounded */
    idx b_row, b_panel;
    const REAL *start; /* NULL: zeros */
    idx start_row;
    REAL *out;
    idx out_row;
    const REAL *next; /* what is fetched meanwhile, a line each k, and how the lines of it lie */
    idx next_row;
} NAME(tile_of);

/* sum[i][v] += a[i, k] b[k, v] for the k at a and b */
#define ADD_PRODUCTS(sum, a, b)                                                   \
    UNROLL for (int v = 0; v < nv; v++) {                                         \
        const vec column = load((b) + v / 2 * b_panel + v % 2 * VL);              \
        UNROLL for (int i = 0; i < mr; i++) sum[i][v] += (a)[i * a_row] * column; \
    }

/* A tile of mr rows and nv vectors. Element (i, k) of a is a[i * a_row + k * a_column]. */
static ALWAYS void NAME(tile)(const int mr, const int nv, const idx a_row, const idx a_column, const NAME(tile_of) *t) {
    const idx b_row = t->b_row, b_panel = t->b_panel, out_row = t->out_row;
    const REAL *a = t->a, *b = t->b, *start = t->start;
    idx start_row = t->start_row;
    REAL *out = t->out;
    const REAL *next = t->next;
    const idx next_row = t->next_row;
    for (idx k = 0; k < t->depth; k += BLOCK) {
        const idx left = t->depth - k, pairs = left < BLOCK ? left / 2 : BLOCK / 2;
        vec e[TALL][8], o[TALL][8];
        UNROLL for (int i = 0; i < mr; i++) { UNROLL for (int v = 0; v < nv; v++) e[i][v] = o[i][v] = (vec){0}; }
        for (idx q = 0; q < pairs; q++, a += 2 * a_column, b += 2 * b_row, next += next_row) {
            __builtin_prefetch(next, 0, 2);
            ADD_PRODUCTS(e, a, b)
            ADD_PRODUCTS(o, a + a_column, b + b_row)
        }
        if (left < BLOCK) {
            if (left % 2) {
                ADD_PRODUCTS(e, a, b)
            }
            UNROLL for (int i = 0; i < mr; i++) { /* zeros fill the block: an o of -0 becomes +0, and so does e + o */
                UNROLL for (int v = 0; v < nv; v++) o[i][v] += 0.0f;
            }
        }
        UNROLL for (int i = 0; i < mr; i++) {
            UNROLL for (int v = 0; v < nv; v++) {
                const idx at = v / 2 * 2 * VL + v % 2 * VL;
                vec sum = start ? load(start + i * start_row + at) : (vec){0};
                sum += e[i][v] + o[i][v];
                store(out + i * out_row + at, sum);
            }
        }
        start = out;
        start_row = out_row;
    }
}
#undef ADD_PRODUCTS

#define HEIGHT(mr)                                       \
    case mr:                                             \
        if (nv > 1) {                                    \
            if (by_rows) NAME(tile)(mr, 2, DEPTH, 1, t); \
            else NAME(tile)(mr, 2, 1, BAND, t);          \
        } else {                                         \
            if (by_rows) NAME(tile)(mr, 1, DEPTH, 1, t); \
            else NAME(tile)(mr, 1, 1, BAND, t);          \
        }                                                \
        break;
static void NAME(tiles)(idx mr, int nv, int by_rows, const NAME(tile_of) *t) {
    switch (mr) {
        HEIGHT(1)
        HEIGHT(2)
        HEIGHT(3)
#if TALL > 3
        HEIGHT(4)
        HEIGHT(5)
#endif
#if TALL > 5
        HEIGHT(6)
#endif
    }
}
#undef HEIGHT

/* The rows of a product are cut in equal shares of at most BAND, its depth in shares of DEPTH. One such block of the
 * left matrix is rounded into `a`, as it lies. It meets one panel of the right matrix after the other: panels that
 * `pack` wrote, or a panel that is rounded into `b`. A sum that is interrupted goes on from where it was stored. */
static __attribute__((noinline)) void NAME(multiply_rows)(const core_product *p) {
    REAL a[BAND * DEPTH] __attribute__((aligned(64))), b[DEPTH * 2 * VB / sizeof(REAL)] __attribute__((aligned(64)));
    const idx M = p->rows, N = p->columns, ra = p->left.row, ca = p->left.column, by_rows = ca == 1;
    const idx panels = (N + 2 * VL - 1) / (2 * VL), shares = (M + BAND - 1) / BAND, ldc = p->sums.out_row;
    const REAL *A = p->left.data, *B = p->right.data, *start = p->sums.start;
    NAME(tile_of) tile = {.b_row = p->right.ready ? p->right.row : 2 * VL, .out_row = ldc};
    for (idx share = 0; share < shares; share++) {
        const idx i0 = share * M / shares, rows = (share + 1) * M / shares - i0, tiles = (rows + TALL - 1) / TALL;
        for (idx k = 0; k < p->depth; k += DEPTH) {
            const idx depth = p->depth - k < DEPTH ? p->depth - k : DEPTH;
            tile.depth = depth;
            tile.start_row = k ? ldc : p->sums.start_row;
            if (by_rows)
                for (idx i = 0; i < rows; i++) NAME(round)(depth, A + (i0 + i) * ra + k, a + i * DEPTH);
            else
                for (idx q = 0; q < depth; q++) NAME(round)(rows, A + i0 + (k + q) * ca, a + q * BAND);
            for (idx q = 0; q < panels; q++) {
                const idx panel = p->right.reverse ? panels - 1 - q : q, j = panel * 2 * VL;
                const idx width = N - j >= 2 * VL ? 2 * VL : VL;
                const REAL *right = B + panel * p->right.panel + k * p->right.row;
                tile.b = p->right.ready ? right : b;
                const REAL *next =
                    q + 1 < panels ? right + (p->right.reverse ? -p->right.panel : p->right.panel) : right;
                if (!p->right.ready) NAME(round_panel)(depth, width, right, p->right.row, b, 2 * VL);
                for (idx t = 0; t < tiles; t++) { /* heights differ by at most one row */
                    const idx i = t * rows / tiles, end = (t + 1) * rows / tiles;
                    REAL *c = (REAL *)p->sums.out + (i0 + i) * ldc + j;
                    tile.a = a + i * (by_rows ? DEPTH : 1);
                    tile.start = k ? c : start ? start + (i0 + i) * p->sums.start_row + j : NULL;
                    tile.out = c;
                    tile.next = next + (t & 1) * VL + (t >> 1 & 1) * p->right.row;
                    tile.next_row = t < 4 ? 2 * p->right.row : 0;
                    for (idx row = i; row < end; row++) __builtin_prefetch(c + (row - i) * ldc, 1);
                    if (!p->right.ready)
                        for (idx r = t * depth / tiles; r < (t + 1) * depth / tiles; r++)
                            __builtin_prefetch(next + r * p->right.row);
                    NAME(tiles)(end - i, width > VL ? 2 : 1, (int)by_rows, &tile);
                }
            }
        }
    }
}

#define WIDE (MR > 6 ? 8 : 4) /* vectors of a single row at a time, at most */
#define VECTORS(nv) \
    case nv: NAME(tile)(1, nv, DEPTH, 1, &t); break;
/* A single row, of a right matrix that `pack` wrote: groups of as many panels each as can be. */
static __attribute__((noinline)) void NAME(multiply_row)(const core_product *p) {
    REAL a[BAND * DEPTH] __attribute__((aligned(64)));
    const idx most = BAND * DEPTH, ca = p->left.column, total = p->columns / VL, panels = (total + 1) / 2;
    const idx groups = (total + WIDE - 1) / WIDE;
    const REAL *A = p->left.data, *B = p->right.data, *start = p->sums.start;
    REAL *out = p->sums.out;
    NAME(tile_of) t = {.a = a, .b_row = p->right.row, .b_panel = p->right.panel};
    for (idx k = 0; k < p->depth; k += most, start = out) {
        t.depth = p->depth - k < most ? p->depth - k : most;
        if (ca == 1) NAME(round)(t.depth, A + k, a);
        else
            for (idx q = 0; q < t.depth; q++) a[q] = NAME(rounded)(A[(k + q) * ca]);
        for (idx q = 0; q < groups; q++) {
            const idx turn = p->right.reverse ? groups - 1 - q : q;
            const idx first = turn * panels / groups, end = (turn + 1) * panels / groups;
            t.b = B + first * p->right.panel + k * p->right.row;
            t.start = start ? start + first * 2 * VL : NULL;
            t.out = out + first * 2 * VL;
            switch (2 * end < total ? 2 * (end - first) : total - 2 * first) {
                VECTORS(1)
                VECTORS(2)
                VECTORS(3)
                VECTORS(4)
#if WIDE > 4
                VECTORS(5)
                VECTORS(6)
                VECTORS(7)
                VECTORS(8)
#endif
            }
        }
    }
}
#undef VECTORS
#undef WIDE

static void NAME(multiply)(const core_product *p) {
    const flushing before = flush_subnormals();
    if (p->rows == 1 && p->right.ready) NAME(multiply_row)(p);
    else NAME(multiply_rows)(p);
    restore_subnormals(before);
}

#define OWN(result, name, parameters) .name = NAME(name),
#define SHARED(result, name, parameters) .name = FLOAT32(name),
static const core_table NAME(table) = {.width = VL,
                                       .panel = 2 * VL,
                                       .row = 2 * VL,
                                       .pair = 1,
                                       .rows = BAND,
                                       .rounds = 1,
                                       .cells = FLOAT32(cells),
                                       .rules = FLOAT32(rules),
                                       CORE_PRODUCTS(OWN) CORE_FUNCTIONS(SHARED)};
#undef OWN
#undef SHARED

#undef TALL
#undef BLOCK
#undef DEPTH
#undef BAND
#undef load
#undef store
#undef vec
#undef FLOAT32
#undef NAME
#undef VL
#undef REAL
