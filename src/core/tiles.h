/* Matrix products of bfloat16 operands by Intel's AMX, for the precision bfloat16 of the instruction set x86-64-v4-amx.
 * Sums have the order of bfloat16.h, which is that of the instruction TDPBF16PS: the same bits.
 *
 * A tile register holds up to 16 lines of 64 bytes. In tiles of a left matrix a line is 32 k of one row; in tiles of a
 * right matrix it is a pair of k of 16 columns. A word has two numbers, that of the even k in its lower half. What
 * `pack` writes are such lines, in panels of 32 columns: word (k / 2, j % 32) of a panel, so that a row of the matrix
 * takes the place of 16 floats. A panel ends with a whole pair.
 */
#define NAME(x) x##_v4_amx_bf16
#define FLOAT32(x) x##_v4_f32
#define real vec_v4_f32

typedef uint32_t NAME(line) __attribute__((vector_size(64), aligned(4), may_alias)); /* in a place of floats */
typedef uint16_t NAME(halves) __attribute__((vector_size(64)));
#define line NAME(line)
#define halves NAME(halves)

#define BLOCK 32  /* k in a line of the left matrix */
#define PAIRS 16  /* and lines of them in a tile of the right one */
#define LANES 16  /* columns in a tile of the right matrix, of which a panel has two */
#define DEPTH 256 /* k and */
#define HEIGHT 64 /* rows of the left matrix that are rounded at a time: they and a panel fit the first-level cache */

/* 32 numbers, rounded: first those of x, then those of y. (The instruction's first source is its upper half.) */
static ALWAYS line NAME(rounded)(real x, real y) {
    line out;
    __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(out) : "v"(x), "v"(y));
    return out;
}

/* The words (i, q) of 16 lines become words (q, i): each round turns the number of a word left by a bit. */
static ALWAYS void NAME(turn)(line r[16]) {
    line t[16];
    UNROLL for (int round = 0; round < 4; round++) {
        UNROLL for (int i = 0; i < 16; i += 2) {
            t[i] =
                __builtin_shufflevector(r[i / 2], r[i / 2 + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            t[i + 1] = __builtin_shufflevector(r[i / 2], r[i / 2 + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,
                                               30, 15, 31);
        }
        UNROLL for (int i = 0; i < 16; i++) r[i] = t[i];
    }
}

/* The first n of 16 numbers at x, and zeros. */
static ALWAYS real NAME(some)(idx n, const float *x) {
    float filled[16] = {0};
    if (n >= 16) return FLOAT32(load)(x);
    for (idx i = 0; i < n; i++) filled[i] = x[i];
    return FLOAT32(load)(filled);
}

/* n lines of `length` numbers each, which are x_row apart: a line of words for each, zeros behind the last number. */
static ALWAYS void NAME(as_rows)(idx n, idx length, const float *x, idx x_row, line *out) {
    if (length >= BLOCK)
        for (idx i = 0; i < n; i++, x += x_row) out[i] = NAME(rounded)(FLOAT32(load)(x), FLOAT32(load)(x + 16));
    else
        for (idx i = 0; i < n; i++, x += x_row)
            out[i] = NAME(rounded)(NAME(some)(length, x), NAME(some)(length - 16, x + 16));
}

/* `depth` lines of n <= 16 numbers each, x_row apart: a line of words for each pair, zeros behind the last number. */
static ALWAYS void NAME(as_pairs)(idx depth, idx n, const float *x, idx x_row, line *out, idx out_row) {
    for (idx k = 0; k < depth; k += 2, x += 2 * x_row, out += out_row) {
        const real even = NAME(some)(n, x), odd = k + 1 < depth ? NAME(some)(n, x + x_row) : (real){0};
        const halves both = (halves)NAME(rounded)(even, odd);
        *out = (line)__builtin_shufflevector(both, both, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24,
                                             9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
}

/* Rows as they lie become pairs at once; columns become lines first, which are turned. */
static void NAME(pack)(idx K, idx N, core_matrix source, core_panels out) {
    if (!out.ready) { /* a plain matrix: floats, as without tiles */
        pack_v4_bf16(K, N, source, out);
        return;
    }
    for (idx k = 0; k < K; k += BLOCK)
        for (idx j = 0; j < N; j += LANES) {
            const idx depth = K - k < BLOCK ? K - k : BLOCK, n = N - j < LANES ? N - j : LANES;
            const float *x = (const float *)source.data + k * source.row + j * source.column;
            line *y = (line *)((float *)out.data + k * out.row + j / (2 * LANES) * out.panel) + j / LANES % 2;
            if (source.column == 1) {
                NAME(as_pairs)(depth, n, x, source.row, y, 2);
                continue;
            }
            line r[16] = {0};
            NAME(as_rows)(n, depth, x, source.column, r);
            NAME(turn)(r);
            for (idx q = 0; 2 * q < depth; q++) y[2 * q] = r[q];
        }
}

/* --- tiles ------------------------------------------------------------------------------------------------------- */

/* Tiles 0 to 3 are sums, two by two; 4 and 5 rows of the left matrix, 6 and 7 columns of the right one. Which of them
 * a thread has, and how high they are, it says before the first and until the last. */
#define CONFIGURE(c) __asm__ volatile("ldtilecfg (%0)" ::"r"(c) : "memory")
#define RELEASE __asm__ volatile("tilerelease" ::: "memory")
#define LOAD(t, p, stride) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t::"r"(p), "r"((idx)(stride)) : "memory")
#define STORE(t, p, stride) \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(p), "r"((idx)(stride)) : "memory")
#define ZERO(t) __asm__ volatile("tilezero %%tmm" #t::: "memory")
#define ADD_PRODUCT(sum, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum::: "memory")

static ALWAYS void NAME(configure)(idx top, idx bottom) {
    struct {
        uint8_t palette, start, none[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } c __attribute__((aligned(64))) = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.bytes[i] = 64;
        c.rows[i] = (uint8_t)(i > 5 ? PAIRS : i < 2 || i == 4 ? top : bottom ? bottom : 1);
    }
    CONFIGURE(&c);
}

/* Where the sums of a block go. */
typedef struct {
    float *top;    /* the rows of the upper tiles */
    float *bottom; /* the rows of the lower tiles */
    idx row;       /* bytes from one row to the next */
} NAME(place);

/* c = start + a b, for up to 32 rows and 32 columns. The sums of the block before are stored while the first products
 * of this one run: the unit is not idle between two blocks. */
typedef struct {
    idx blocks;         /* of 32 k each */
    const line *a;      /* the upper tile, in the first block */
    idx below;          /* lines from the upper tile to the lower one */
    idx a_step;         /* lines from one block to the next */
    const line *b;      /* the left tile, in the first block; each line of the right tile stands beside its own */
    const line *last;   /* the tiles of b in the last block, where they lie apart; else NULL */
    const float *start; /* where the sums of the upper tiles start; NULL: zeros */
    idx start_row;      /* floats from one row to the next */
    idx start_below;    /* floats from the upper tiles to the lower ones */
    NAME(place) c;      /* where these sums go */
    NAME(place) before; /* and where those of the block before go */
} NAME(block_of);

#define BEGIN(t, offset)                                   \
    if (w->start) LOAD(t, w->start + (offset), start_row); \
    else ZERO(t);
static ALWAYS void NAME(block)(const int tall, const int wide, const NAME(block_of) *w) {
    const line *a = w->a, *b = w->b;
    const idx start_row = w->start_row * (idx)sizeof(float);
    const NAME(place) before = w->before;
    for (idx k = 0; k < w->blocks; k++, a += w->a_step, b += 2 * PAIRS) {
        if (k + 1 == w->blocks && w->last) b = w->last;
        if (k == 0) {
            STORE(0, before.top, before.row);
            BEGIN(0, 0)
            if (wide) {
                STORE(1, before.top + LANES, before.row);
                BEGIN(1, LANES)
            }
        }
        LOAD(6, b, 2 * sizeof(line));
        LOAD(4, a, sizeof(line));
        ADD_PRODUCT(0, 4, 6);
        if (k == 0 && tall) {
            STORE(2, before.bottom, before.row);
            BEGIN(2, w->start_below)
            if (wide) {
                STORE(3, before.bottom + LANES, before.row);
                BEGIN(3, w->start_below + LANES)
            }
        }
        if (wide) {
            LOAD(7, b + 1, 2 * sizeof(line));
            ADD_PRODUCT(1, 4, 7);
        }
        if (tall) {
            LOAD(5, a + w->below, sizeof(line));
            ADD_PRODUCT(2, 5, 6);
            if (wide) ADD_PRODUCT(3, 5, 7);
        }
    }
}
#undef BEGIN

static ALWAYS void NAME(finish)(const int tall, const int wide, NAME(place) c) {
    STORE(0, c.top, c.row);
    if (wide) STORE(1, c.top + LANES, c.row);
    if (tall) STORE(2, c.bottom, c.row);
    if (tall && wide) STORE(3, c.bottom + LANES, c.row);
}

#define SHAPES(function, ...)                            \
    if (tall && wide) NAME(function)(1, 1, __VA_ARGS__); \
    else if (tall) NAME(function)(1, 0, __VA_ARGS__);    \
    else if (wide) NAME(function)(0, 1, __VA_ARGS__);    \
    else NAME(function)(0, 0, __VA_ARGS__);

/* A block of the left matrix in lines: those of the first 32 k, row by row, then those of the next. */
static void NAME(round_left)(idx rows, idx depth, core_matrix left, idx first, idx k0, line *a) {
    const float *A = (const float *)left.data + first * left.row + k0 * left.column;
    for (idx k = 0; k < depth; k += BLOCK, a += rows) {
        const idx length = depth - k < BLOCK ? depth - k : BLOCK;
        if (left.column == 1) {
            NAME(as_rows)(rows, length, A + k, left.row, a);
            continue;
        }
        for (idx i = 0; i < rows; i += 16) {
            line r[16] = {0};
            NAME(as_pairs)(length, rows - i < 16 ? rows - i : 16, A + i + k * left.column, left.column, r, 1);
            NAME(turn)(r);
            for (idx q = 0; q < 16 && i + q < rows; q++) a[i + q] = r[q];
        }
    }
}

/* What is left of a panel's depth after whole blocks: its pairs, and zeros, whatever lies behind them. */
static ALWAYS void NAME(fill_block)(idx depth, const line *b, line *out) {
    for (idx q = 0; q < 2 * PAIRS; q++) out[q] = q / 2 * 2 < depth ? b[q] : (line){0};
}

/* How many of the rows that are left come next: one group of at most 32, or two groups of the same height. */
static ALWAYS idx NAME(rows_at_once)(idx left) {
    if (left >= HEIGHT) return HEIGHT;
    return left > HEIGHT / 2 && left % 2 ? left / 2 + 1 : left;
}

/* A block of the left matrix, HEIGHT rows and DEPTH k at most, is rounded into `a`; it meets one panel of the right
 * matrix after the other. A sum that is interrupted goes on from where it was stored. */
static __attribute__((noinline)) void NAME(multiply_tiles)(const core_product *p) {
    line a[HEIGHT * DEPTH / BLOCK] __attribute__((aligned(64))), b[DEPTH] __attribute__((aligned(64)));
    line last[2 * PAIRS] __attribute__((aligned(64))), nowhere[HEIGHT] __attribute__((aligned(64)));
    const idx M = p->rows, N = p->columns, panels = (N + 2 * LANES - 1) / (2 * LANES), ldc = p->sums.out_row;
    NAME(block_of) w;
    for (idx i0 = 0, rows; i0 < M; i0 += rows) {
        rows = NAME(rows_at_once)(M - i0);
        const idx groups = rows > HEIGHT / 2 ? 2 : 1, high = rows / groups, top = high > 16 ? (high + 1) / 2 : high;
        const int tall = high > 16;
        int wide = 1;
        w.a_step = rows;
        w.below = top;
        NAME(configure)(top, high - top);
        w.c = (NAME(place)){(float *)nowhere, (float *)nowhere, 2 * sizeof(line)};
        for (idx k = 0; k < p->depth; k += DEPTH) {
            const idx depth = p->depth - k < DEPTH ? p->depth - k : DEPTH, whole = depth / BLOCK, rest = depth % BLOCK;
            const float *start = k ? p->sums.out : p->sums.start;
            w.start_row = k ? ldc : p->sums.start_row;
            w.start_below = top * w.start_row;
            NAME(round_left)(rows, depth, p->left, i0, k, a);
            for (idx q = 0; q < panels; q++) {
                const idx panel = p->right.reverse ? panels - 1 - q : q, j = panel * 2 * LANES;
                const float *right = (const float *)p->right.data + panel * p->right.panel + k * p->right.row;
                const line *B = (const line *)right;
                const int now = N - j > LANES;
                if (now != wide) { /* no block stores tiles that it has not */
                    SHAPES(finish, w.c)
                    w.c = (NAME(place)){(float *)nowhere, (float *)nowhere, 2 * sizeof(line)};
                    wide = now;
                }
                if (!p->right.ready) {
                    for (int side = 0; side <= now; side++)
                        NAME(as_pairs)(depth, LANES, right + side * LANES, p->right.row, b + side, 2);
                    B = b;
                }
                if (rest) NAME(fill_block)(rest, B + whole * 2 * PAIRS, last);
                for (idx g = 0; g < groups; g++) {
                    float *c = (float *)p->sums.out + (i0 + g * high) * ldc + j;
                    w.a = a + g * high;
                    w.b = B;
                    w.blocks = whole + (rest > 0);
                    w.last = rest ? last : NULL;
                    w.start = start ? start + (i0 + g * high) * w.start_row + j : NULL;
                    w.before = w.c;
                    w.c = (NAME(place)){c, c + top * ldc, ldc * (idx)sizeof(float)};
                    SHAPES(block, &w)
                }
            }
        }
        SHAPES(finish, w.c)
    }
    RELEASE; /* a change of context then saves no tiles */
}

/* --- a single row ------------------------------------------------------------------------------------------------ */

/* Vectors of sums in registers: out = start + a b, with fused multiply-adds, for a row alone would leave tiles nearly
 * empty. a holds rounded floats; the panels of b are `panel` lines apart. */
static ALWAYS void NAME(vectors)(const int n, idx depth, const float *a, const line *b, idx panel, const float *start,
                                 float *out) {
    for (idx k = 0; k < depth; k += BLOCK) {
        const idx left = depth - k, pairs = left < BLOCK ? left / 2 : PAIRS;
        real e[8], o[8];
        UNROLL for (int v = 0; v < n; v++) e[v] = o[v] = (real){0};
        for (idx q = 0; q < pairs; q++, a += 2, b += 2) {
            UNROLL for (int v = 0; v < n; v++) {
                const line words = b[v / 2 * panel + v % 2];
                e[v] += a[0] * (real)(words << 16);
                o[v] += a[1] * (real)(words & 0xffff0000);
            }
        }
        if (left < BLOCK) { /* zeros fill the block: an o of -0 becomes +0, and so does e + o */
            if (left % 2) {
                UNROLL for (int v = 0; v < n; v++) e[v] += a[0] * (real)(b[v / 2 * panel + v % 2] << 16);
            }
            UNROLL for (int v = 0; v < n; v++) o[v] += 0.0f;
        }
        UNROLL for (int v = 0; v < n; v++) {
            real sum = start ? FLOAT32(load)(start + v * LANES) : (real){0};
            sum += e[v] + o[v];
            FLOAT32(store)(out + v * LANES, sum);
        }
        start = out;
    }
}

#define VECTORS(n) \
    case n: NAME(vectors)(n, depth, a, b, p->right.panel / LANES, from, out + j); break;
static __attribute__((noinline)) void NAME(multiply_row)(const core_product *p) {
    float a[16 * DEPTH] __attribute__((aligned(64)));
    const idx N = p->columns, ca = p->left.column, most = 16 * DEPTH, groups = (N + 4 * LANES - 1) / (4 * LANES);
    const float *A = p->left.data, *start = p->sums.start;
    float *out = p->sums.out;
    for (idx k = 0; k < p->depth; k += most, start = out) {
        const idx depth = p->depth - k < most ? p->depth - k : most;
        for (idx q = 0; q < depth; q++) a[q] = rounded_v4_bf16(A[(k + q) * ca]);
        for (idx q = 0; q < groups; q++) { /* two panels each */
            const idx turn = p->right.reverse ? groups - 1 - q : q, j = turn * 4 * LANES;
            const line *b = (const line *)((const float *)p->right.data + 2 * turn * p->right.panel + k * p->right.row);
            const float *from = start ? start + j : NULL;
            switch (N - j < 4 * LANES ? (N - j) / LANES : 4) {
                VECTORS(1)
                VECTORS(2)
                VECTORS(3)
                VECTORS(4)
            }
        }
    }
}
#undef VECTORS

static void NAME(multiply)(const core_product *p) {
    const flushing before = flush_subnormals(); /* tiles do it of themselves */
    if (p->rows == 1 && p->right.ready) NAME(multiply_row)(p);
    else NAME(multiply_tiles)(p);
    restore_subnormals(before);
}

#define OWN(result, name, parameters) .name = NAME(name),
#define SHARED(result, name, parameters) .name = FLOAT32(name),
static const core_table NAME(table) = {.width = LANES,
                                       .panel = 2 * LANES,
                                       .row = LANES,
                                       .pair = 2,
                                       .rows = HEIGHT,
                                       .rounds = 1,
                                       .cells = FLOAT32(cells),
                                       .rules = FLOAT32(rules),
                                       CORE_PRODUCTS(OWN) CORE_FUNCTIONS(SHARED)};
#undef OWN
#undef SHARED

/* All else of this instruction set is x86-64-v4's. */
static const core_table *const tables_v4_amx[] = {&table_v4_copy_f32, &table_v4_f64, &NAME(table)};
_Static_assert(sizeof tables_v4_amx == sizeof tables_v4, "a table for each precision");
#define draw_v4_amx_f64 draw_v4_f64
#define logarithm_v4_amx_f64 logarithm_v4_f64

#undef CONFIGURE
#undef RELEASE
#undef LOAD
#undef STORE
#undef ZERO
#undef ADD_PRODUCT
#undef SHAPES
#undef BLOCK
#undef PAIRS
#undef LANES
#undef DEPTH
#undef HEIGHT
#undef line
#undef halves
#undef real
#undef FLOAT32
#undef NAME
