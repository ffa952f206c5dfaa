/* Matrix products: C = start + left right, and packing a matrix into panels for them. Included by template.h.
 *
 * The three layers of a product: `multiply_rows` walks blocks that fit the caches, `tile` holds a block of sums in
 * registers, and a product of one row, the recurrence of a single stream, goes through `multiply_row`. All sum in the
 * same order.
 */

/* Blocks of a product: DEPTH rows of the right matrix in WIDTH panels. On its way through one a tile fetches the left
 * rows of the next tile, FETCH lines at a time. */
#define DEPTH 256
#define WIDTH ((1 << 18) / (DEPTH * 2 * VB))
#define FETCH (WIDTH < 16 ? 16 / WIDTH : 1)

/* What a tile, or a group of columns of a single row, computes: out = start + a b. Fields are those of core_product at
 * the place of the tile; strides are the distances of rows, columns and panels. */
typedef struct {
    idx depth;
    const REAL *a;
    idx a_row, a_column;
    const REAL *b;
    idx b_row, b_panel;
    const REAL *start; /* NULL: zeros */
    idx start_row;
    REAL *out;
    idx out_row;
    const REAL *next; /* what the next tile reads first, and how the lines of it lie */
    idx next_row, next_step;
    const REAL *later; /* the next block of the right matrix: the rows that this tile fetches, so many every 16 k */
    idx later_rows;
} NAME(tile_of);

/* A tile of mr rows and nv vectors, held in registers while k runs. Every 16 k it fetches the lines of MR elements at
 * next, next + next_row and so on, FETCH of them, and goes on to next + next_step. Three rows of a share an address,
 * which the assembler statement keeps in a register: thirteen addresses do not fit, and GCC would load them anew for
 * each k. */
static ALWAYS void NAME(tile)(const int mr, const int nv, const int by_rows, const NAME(tile_of) *t) {
    const idx ra = by_rows ? t->a_row : 1, ca = by_rows ? 1 : t->a_column;
    const idx depth = t->depth, b_row = t->b_row, next_row = t->next_row, next_step = t->next_step;
    const REAL *b = t->b, *next = t->next, *later = t->later, *start = t->start;
    const idx later_rows = t->later_rows;
    vec acc[MR][2];
    UNROLL for (int i = 0; i < mr; i++) {
        UNROLL for (int v = 0; v < nv; v++) acc[i][v] =
            start ? NAME(load)(start + i * t->start_row + v * VL) : (vec){0};
    }
    const REAL *p[(MR + 2) / 3];
    UNROLL for (int i = 0; i < (mr + 2) / 3; i++) p[i] = t->a + 3 * i * ra;
    for (idx k = 0; k < depth; k++, b += b_row) {
        if (k % 16 == 0) {
            UNROLL for (int i = 0; i < FETCH; i++) {
                __builtin_prefetch(next + i * next_row);
                __builtin_prefetch(next + i * next_row + MR - 1);
            }
            next += next_step;
            for (idx i = 0; i < later_rows; i++, later += b_row) {
                __builtin_prefetch(later, 0, 2);
                if (VB > 32) __builtin_prefetch(later + VL, 0, 2);
            }
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
    REAL *out = t->out;
    const idx out_row = t->out_row;
    UNROLL for (int i = 0; i < mr; i++) {
        UNROLL for (int v = 0; v < nv; v++) NAME(store)(out + i * out_row + v * VL, acc[i][v]);
    }
}

/* Tiles exist for every height up to MR, which is 6, 10 or 13, for a by rows (a_column == 1) and by columns (a_row ==
 * 1): strides known to the compiler keep the thirteen row addresses out of registers. */
#define ROWS(mr)                                  \
    case mr:                                      \
        if (nv > 1) {                             \
            if (by_rows) NAME(tile)(mr, 2, 1, t); \
            else NAME(tile)(mr, 2, 0, t);         \
        } else {                                  \
            if (by_rows) NAME(tile)(mr, 1, 1, t); \
            else NAME(tile)(mr, 1, 0, t);         \
        }                                         \
        break;

static void NAME(tiles)(int mr, int nv, const NAME(tile_of) *t) {
    const int by_rows = t->a_column == 1;
    switch (mr) {
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
        ROWS(6)
#if MR > 6
        ROWS(7)
        ROWS(8)
        ROWS(9)
        ROWS(10)
#endif
#if MR > 10
        ROWS(11)
        ROWS(12)
        ROWS(13)
#endif
    }
}
#undef ROWS

/* nv vectors of a single row in registers. Of the group of columns that comes next, one cache line a row is fetched
 * ahead. */
static ALWAYS void NAME(group)(const int nv, const NAME(tile_of) *t) {
    const idx depth = t->depth, a_column = t->a_column, b_row = t->b_row, b_panel = t->b_panel;
    const REAL *a = t->a, *b = t->b, *start = t->start, *next = t->next;
    vec acc[8];
    UNROLL for (int v = 0; v < nv; v++) acc[v] = start ? NAME(load)(start + v * VL) : (vec){0};
    for (idx k = 0; k < depth; k++, a += a_column, b += b_row) {
        UNROLL for (int v = 0; v < nv; v++) acc[v] += *a * NAME(load)(b + v / 2 * b_panel + v % 2 * VL);
        __builtin_prefetch(next + k * b_row);
    }
    UNROLL for (int v = 0; v < nv; v++) NAME(store)(t->out + v * VL, acc[v]);
}

#define VECTORS(nv) \
    case nv: NAME(group)(nv, &t); break;
static void NAME(multiply_row)(const core_product *p) {
    /* A matrix that the first-level cache holds is limited by the latency of the sums: many vectors at once. One
     * that it does not hold is limited by its stream: few at once, so that a walk back finds the last ones cached. */
    const idx bytes = p->depth * p->columns * (idx)sizeof(REAL), most = bytes <= core_l1d ? 8 : NARROW;
    const idx total = p->columns / VL, panels = (total + 1) / 2, groups = (total + most - 1) / most;
    const idx b_panel = p->right.panel;
    const REAL *B = p->right.data, *start = p->sums.start;
    REAL *out = p->sums.out;
    NAME(tile_of) t = {.depth = p->depth, .a = p->left.data, .a_column = p->left.column, .b_row = p->right.row};
    t.b_panel = b_panel;
    for (idx q = 0; q < groups; q++) { /* of as many panels each as can be */
        const idx turn = p->right.reverse ? groups - 1 - q : q, then = p->right.reverse ? turn - 1 : turn + 1;
        const idx first = turn * panels / groups, end = (turn + 1) * panels / groups;
        t.b = B + first * b_panel;
        t.start = start ? start + first * 2 * VL : NULL;
        t.out = out + first * 2 * VL;
        t.next = q + 1 < groups ? B + then * panels / groups * b_panel : t.b;
        switch (2 * end < total ? 2 * (end - first) : total - 2 * first) {
            VECTORS(1)
            VECTORS(2)
            VECTORS(3)
            VECTORS(4)
            VECTORS(5)
            VECTORS(6)
            VECTORS(7)
            VECTORS(8)
        }
    }
}
#undef VECTORS

/* Blocks of the right matrix that the second-level cache holds. Within one, a tile's rows of the left matrix, which the
 * first-level cache holds, meet all of its panels, while the rows of the sums and of the left matrix that come next are
 * fetched. Each tile also fetches its share of the next block, which lies farther away. A sum that is interrupted goes
 * on from where it was stored: the same bits as without blocks. */
static void NAME(multiply_rows)(const core_product *p) {
    const idx M = p->rows, N = p->columns, ra = p->left.row, ca = p->left.column, reverse = p->right.reverse;
    const idx panels = (N + 2 * VL - 1) / (2 * VL), tiles = (M + MR - 1) / MR, ahead = reverse ? -2 * VL : 2 * VL;
    const idx ldc = p->sums.out_row;
    const REAL *A = p->left.data, *B = p->right.data, *start = p->sums.start;
    REAL *C = p->sums.out;
    NAME(tile_of) tile = {.a_row = ra, .a_column = ca, .b_row = p->right.row, .out_row = ldc};
    tile.next_row = ca == 1 ? WIDTH * ra : ca;
    tile.next_step = ca == 1 ? 16 : FETCH * ca;
    for (idx k = 0; k < p->depth || k == 0; k += DEPTH) {
        const idx depth = p->depth - k < DEPTH ? p->depth - k : DEPTH;
        tile.depth = depth;
        tile.start_row = k ? ldc : p->sums.start_row;
        for (idx first = 0; first < panels; first += WIDTH) {
            const idx last = panels - first < WIDTH ? panels : first + WIDTH;
            const idx later = last < panels ? last : 0, later_k = last < panels ? k : k + DEPTH;
            const idx each = later_k < p->depth ? (16 + tiles - 1) / tiles : 0;
            for (idx t = 0; t < tiles; t++) { /* heights differ by at most one row */
                const idx i = t * M / tiles, end = (t + 1) * M / tiles;
                const idx fetched = t * each * ((depth + 15) / 16); /* rows of the next block, by the tiles before */
                tile.later_rows = fetched < DEPTH ? each : 0;
                tile.a = A + i * ra + k * ca;
                const REAL *next = tile.a + (end - i) * ra; /* the rows of the next tile */
                for (idx q = first; q < last; q++) {
                    const idx panel = reverse ? panels - 1 - q : q, j = panel * 2 * VL;
                    REAL *c = C + i * ldc + j;
                    if (2 * depth >= DEPTH && q + 1 < last) /* shorter sums are of small matrices, cached anyway */
                        for (idx row = 0; row < end - i; row++) {
                            __builtin_prefetch(c + row * ldc + ahead, 1);
                            __builtin_prefetch(c + row * ldc + ahead + 2 * VL - 1, 1);
                        }
                    tile.b = B + panel * p->right.panel + k * p->right.row;
                    tile.start = k ? c : start ? start + i * p->sums.start_row + j : NULL;
                    tile.out = c;
                    if (tile.later_rows) {
                        const idx after = later + q - first < panels ? later + q - first : panels - 1;
                        tile.later = B + (reverse ? panels - 1 - after : after) * p->right.panel;
                        tile.later += (later_k + fetched) * p->right.row;
                    }
                    tile.next = next + (q - first) * (ca == 1 ? ra : 16 * FETCH * ca);
                    NAME(tiles)((int)(end - i), N - j >= 2 * VL ? 2 : 1, &tile);
                }
            }
        }
    }
}

static void NAME(multiply)(const core_product *p) {
    if (p->rows == 1) NAME(multiply_row)(p);
    else NAME(multiply_rows)(p);
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
static void NAME(pack)(idx K, idx N, core_matrix source, core_panels out) {
    const REAL *src = source.data;
    REAL *B = out.data;
    const idx rs = source.row, cs = source.column, bs = out.row, ps = out.panel, nr = 2 * VL;
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

#undef WIDTH
#undef DEPTH
#undef FETCH
