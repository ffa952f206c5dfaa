/* Products of float32 for processors of Intel, which are slow to fetch rows that lie apart; all else is that of the set
 * OF. core.c includes this file once.
 *
 * A band of rows of the left matrix is copied, and meets one panel of the right matrix after the other. Of the copy the
 * compiler knows how its rows lie: one address serves a tile, and in each k it fetches one line of what comes next. The
 * sums are those of products.h, in the same order.
 */
#define REAL float
#define VL ((idx)(VB / sizeof(REAL)))
#define NAME(x) JOIN(JOIN(JOIN(x, _), SET), _f32)
#define FLOAT32(x) JOIN(JOIN(JOIN(x, _), OF), _f32) /* what the other set has under this name */
#define load FLOAT32(load)
#define store FLOAT32(store)
#define vec FLOAT32(vec)

/* A band has `TILES_OF_BAND` tiles of columns, which are SHALLOW numbers deep. Where the left matrix lies by rows, and
 * the right one in panels, it has half of them, twice as deep. Copies take 73 kB of the stack: threads may have little.
 */
#define LINE 16 /* numbers in a cache line */
#define DEEP 256
#define SHALLOW (DEEP / 2)
#define TILES_OF_BAND 8
#define BAND (TILES_OF_BAND * MR)
#define APART (DEEP + LINE)           /* from one row of a copy to the next: they take turns in the cache's places */
#define COLUMNS (SHALLOW * MR + LINE) /* from one tile of columns to the next: the last column may be a whole line */

typedef FLOAT32(tile_of) NAME(tile_of);

/* What is fetched on the way through a tile: a line each k. */
typedef struct {
    const REAL *line;
    idx step;
} NAME(fetch);

/* A tile of mr rows and nv vectors. Rows of a are APART; or each k has a column of MR rows. */
static ALWAYS void NAME(tile)(const int mr, const int nv, const int by_rows, const NAME(tile_of) *t, NAME(fetch) f) {
    const idx a_row = by_rows ? APART : 1, a_column = by_rows ? 1 : MR, b_row = t->b_row, out_row = t->out_row;
    const REAL *a = t->a, *b = t->b, *start = t->start;
    REAL *out = t->out;
    vec acc[MR][2];
    UNROLL for (int i = 0; i < mr; i++) {
        UNROLL for (int v = 0; v < nv; v++) acc[i][v] = start ? load(start + i * t->start_row + v * VL) : (vec){0};
    }
    for (idx k = 0; k < t->depth; k++, a += a_column, b += b_row, f.line += f.step) {
        vec b0 = load(b), b1 = nv > 1 ? load(b + VL) : b0;
        __builtin_prefetch(f.line, 0, 2);
        UNROLL for (int i = 0; i < mr; i++) {
            acc[i][0] += a[i * a_row] * b0;
            if (nv > 1) acc[i][1] += a[i * a_row] * b1;
        }
    }
    UNROLL for (int i = 0; i < mr; i++) {
        UNROLL for (int v = 0; v < nv; v++) store(out + i * out_row + v * VL, acc[i][v]);
    }
}

#define ROWS(mr)                                     \
    case mr:                                         \
        if (nv > 1) {                                \
            if (by_rows) NAME(tile)(mr, 2, 1, t, f); \
            else NAME(tile)(mr, 2, 0, t, f);         \
        } else {                                     \
            if (by_rows) NAME(tile)(mr, 1, 1, t, f); \
            else NAME(tile)(mr, 1, 0, t, f);         \
        }                                            \
        break;
static void NAME(tiles)(idx mr, int nv, int by_rows, const NAME(tile_of) *t, NAME(fetch) f) {
    switch (mr) {
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
        ROWS(6)
        ROWS(7)
        ROWS(8)
        ROWS(9)
        ROWS(10)
        ROWS(11)
        ROWS(12)
        ROWS(13)
    }
}
#undef ROWS

/* Where the tiles of a band begin, and where the last one ends. Their heights differ by at most one row. */
typedef struct {
    idx count, rows[TILES_OF_BAND + 1];
} NAME(split);
static NAME(split) NAME(split_band)(idx rows) {
    NAME(split) split = {.count = (rows + MR - 1) / MR};
    for (idx t = 0; t <= split.count; t++) split.rows[t] = t * rows / split.count;
    return split;
}

/* The first `depth` columns of a band, as `tile` reads them. `room` rows of the left matrix are left. */
static void NAME(copy_band)(const NAME(split) *split, idx room, idx depth, core_matrix left, REAL *restrict to) {
    const REAL *x = left.data;
    if (left.column == 1) {
        for (idx i = 0; i < split->rows[split->count]; i++)
            memcpy(to + i * APART, x + i * left.row, depth * sizeof(REAL));
        return;
    }
    for (idx k = 0; k < depth; k++, x += left.column)
        for (idx t = 0; t < split->count; t++) {
            const idx first = split->rows[t], end = split->rows[t + 1];
            REAL *column = to + t * COLUMNS + k * MR;
            if (first + LINE <= room) memcpy(column, x + first, LINE * sizeof(REAL)); /* at once */
            else
                for (idx i = first; i < end; i++) column[i - first] = x[i];
        }
}

/* `depth` rows of a panel of nv vectors, one after the other. */
static void NAME(copy_panel)(idx depth, int nv, const REAL *restrict x, idx x_row, REAL *restrict to) {
    for (idx k = 0; k < depth; k++, x += x_row, to += 2 * VL) {
        store(to, load(x));
        if (nv > 1) store(to + VL, load(x + VL));
    }
}

/* A band whose copy lies ready, and what its tiles fetch of the next band: of columns a line each, of rows a stretch of
 * memory, pads included. */
typedef struct {
    NAME(split) split;
    idx first, k; /* where it begins in the product */
    const REAL *copy;
    const REAL *later;
    idx fetched, all;
} NAME(band);

/* The tiles of a band and a panel, tile.b, whose sums begin in column j. After it comes the panel at `next`, by `ahead`
 * panels farther. */
static void NAME(multiply_panel)(const core_product *p, NAME(band) *band, NAME(tile_of) tile, idx j, const REAL *next,
                                 idx ahead) {
    const idx ldc = p->sums.out_row, by_rows = p->left.column == 1, tiles = band->split.count;
    const REAL *start = p->sums.start;
    for (idx t = 0; t < tiles; t++) {
        const idx i = band->split.rows[t], end = band->split.rows[t + 1];
        REAL *c = (REAL *)p->sums.out + (band->first + i) * ldc + j;
        const REAL *after = t + 1 < tiles ? c + (end - i) * ldc : c - i * ldc + ahead * 2 * VL;
        for (idx row = 0; row < MR; row++) {
            __builtin_prefetch(after + row * ldc, 1);
            __builtin_prefetch(after + row * ldc + 2 * VL - 1, 1);
        }
        NAME(fetch) fetch = {next + t * LINE, p->right.row}; /* the first two: a line of each row of a panel */
        if (t > 1 && band->fetched < band->all) {
            fetch = (NAME(fetch)){band->later + band->fetched, by_rows ? LINE : p->left.column};
            band->fetched += by_rows ? tile.depth * LINE : LINE;
        } else if (t > 1) {
            fetch = (NAME(fetch)){c, 0};
        }
        tile.a = band->copy + (by_rows ? i * APART : t * COLUMNS);
        tile.start = band->k ? c : start ? start + (band->first + i) * p->sums.start_row + j : NULL;
        tile.out = c;
        NAME(tiles)(end - i, p->columns - j >= 2 * VL ? 2 : 1, (int)by_rows, &tile, fetch);
    }
}

static __attribute__((noinline)) void NAME(multiply_bands)(const core_product *p) {
    REAL copy[BAND / 2 * APART] __attribute__((aligned(64)));
    REAL panel[SHALLOW * 2 * VB / sizeof(REAL)] __attribute__((aligned(64)));
    const idx M = p->rows, N = p->columns, ra = p->left.row, ca = p->left.column, b_row = p->right.row;
    const idx panels = (N + 2 * VL - 1) / (2 * VL), reverse = p->right.reverse;
    const idx by_rows = ca == 1, in_panels = b_row == 2 * VL;
    const idx deep = by_rows && in_panels ? DEEP : SHALLOW, most = by_rows ? BAND / 2 : BAND;
    const idx bands = (M + most - 1) / most;
    for (idx k = 0; k < p->depth; k += deep) {
        const idx depth = p->depth - k < deep ? p->depth - k : deep;
        NAME(tile_of) tile = {.depth = depth, .out_row = p->sums.out_row};
        tile.start_row = k ? tile.out_row : p->sums.start_row;
        for (idx n = 0; n < bands; n++) {
            const idx first = n * M / bands, last = (n + 1) * M / bands, rows = last - first;
            const REAL *left = (const REAL *)p->left.data + first * ra + k * ca;
            NAME(band) band = {.split = NAME(split_band)(rows), .first = first, .k = k, .copy = copy};
            band.later = left + rows * ra;
            if (last < M) band.all = !by_rows ? rows : 2 * depth > ra ? rows * ra : 0;
            NAME(copy_band)(&band.split, M - first, depth, (core_matrix){left, ra, ca}, copy);
            const int copies = !in_panels && band.split.count > 2;
            for (idx q = 0; q < panels; q++) {
                const idx at = reverse ? panels - 1 - q : q;
                const idx ahead = q + 1 < panels ? (reverse ? -1 : 1) : (reverse ? panels - 1 : 1 - panels);
                const REAL *right = (const REAL *)p->right.data + at * p->right.panel + k * b_row;
                const REAL *next = right + ahead * p->right.panel;
                if (q + 1 == panels && last == M) next += depth * b_row;
                if (copies) NAME(copy_panel)(depth, N - at * 2 * VL >= 2 * VL ? 2 : 1, right, b_row, panel);
                tile.b = copies ? panel : right;
                tile.b_row = copies ? 2 * VL : b_row;
                NAME(multiply_panel)(p, &band, tile, at * 2 * VL, next, ahead);
            }
        }
    }
}

/* Small matrices are cached: copies of them cost more than they bring. */
static void NAME(multiply)(const core_product *p) {
    if (p->rows > 1 && p->depth * p->columns * (idx)sizeof(REAL) > 2 * core_l1d) NAME(multiply_bands)(p);
    else FLOAT32(multiply)(p);
}

static void NAME(pack)(idx K, idx N, core_matrix source, core_panels out) { FLOAT32(pack)(K, N, source, out); }

#define OWN(result, name, parameters) .name = NAME(name),
#define SHARED(result, name, parameters) .name = FLOAT32(name),
static const core_table NAME(table) = {.width = VL,
                                       .panel = 2 * VL,
                                       .row = 2 * VL,
                                       .pair = 1,
                                       .rows = MR,
                                       .cells = FLOAT32(cells),
                                       .rules = FLOAT32(rules),
                                       CORE_PRODUCTS(OWN) CORE_FUNCTIONS(SHARED)};
#undef OWN
#undef SHARED

#undef LINE
#undef DEEP
#undef SHALLOW
#undef TILES_OF_BAND
#undef BAND
#undef COLUMNS
#undef APART
#undef load
#undef store
#undef vec
#undef FLOAT32
#undef NAME
#undef VL
#undef REAL
#undef SET
#undef OF
#undef VB
#undef MR
