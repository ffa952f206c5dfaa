/* The C primitives under every kernel, one table of functions per instruction set and precision.
 *
 * Arrays are `void *` of the table's precision (float or double). All sizes and strides count elements. Rows are padded
 * by the caller to a multiple of CORE_LANES, so that no primitive has a ragged edge. Each output element is summed by
 * one accumulator with the summands in order (a product of bfloat16 operands has the order that bfloat16.h says), and
 * horizontal sums run over CORE_LANES virtual lanes: every path with fused multiply-add gives the same bits, whatever
 * its vector width.
 */
#ifndef PYCHARRNN_CORE_H
#define PYCHARRNN_CORE_H
#include <stddef.h>
#include <stdint.h>

#define CORE_LANES 16
typedef ptrdiff_t idx;

/* --- views of arrays, and the product of two of them ------------------------------------------------------------- */

/* Element (i, j) is data[i * row + j * column]; column == 1 where rows lie as they are, row == 1 where transposed. */
typedef struct {
    const void *data;
    idx row, column;
} core_matrix;

/* The right matrix of a product, W = the table's `panel` columns in each panel: element (k, j) is
 * data[j / W * panel + k * row + j % W]. Packed, row is the table's and panel = row * depth; a plain row-major matrix
 * has row = its stride and panel = W. With tiles a packed row takes half as many places: tiles.h says how it lies.
 * `reverse` walks the panels from the last to the first: what the product before has left in the cache comes first. It
 * changes no bit. `ready`: the table's `pack` wrote it, so its elements are rounded already. */
typedef struct {
    void *data;
    idx row, panel;
    idx reverse;
    idx ready;
} core_panels;

/* Where the sums of a product start and go: row i from start + i * start_row to out + i * out_row. start_row = 0
 * repeats a bias; start = NULL means zeros; start = out accumulates. */
typedef struct {
    const void *start;
    idx start_row;
    void *out;
    idx out_row;
} core_sums;

/* sums.out = sums.start + left @ right */
typedef struct {
    idx rows, columns, depth; /* columns: a multiple of the table's `width` */
    core_matrix left;         /* (rows, depth) */
    core_panels right;        /* (depth, columns) */
    core_sums sums;           /* (rows, columns) */
} core_product;

/* --- cells ------------------------------------------------------------------------------------------------------- */

/* One step of one stream, for n of its H units. Each array begins with the first of them; the gates of a unit lie H
 * apart. Nothing is written behind the n-th but, within a padded row, up to a multiple of CORE_LANES. Forward makes h
 * and s of h0 and s0; backward goes the other way. A cell ignores what its row says that it has not. */
typedef struct {
    idx H, n;
    const void *u;    /* (gates * H)             the input's share of the pre-activations; may be a         in  */
    void *r;          /* (gates * H)             the state's share, its bias included; in place: h          in  */
    const void *bias; /* ((gates - shared) * H)  the second bias, of the input's share                      in  */
    const void *h0;   /* (H)                     the state before                                           in  */
    const void *s0;   /* (H)                     the cell state before                                      in  */
    void *h;          /* (H)                     the state after                         forward out, backward in  */
    void *s;          /* (H)                     the cell state after                    forward out, backward in  */
    void *a;          /* (kept * H)              forward: what is cached                                    out
                                                 backward: in; the derivatives of the pre-activations      out */
    void *dh;         /* (H)                     dloss/dh in; in place: the pre-activations' derivatives    out */
    void *dh0;        /* (H)                     += the part of dloss/dh0 that does not pass through W      out */
    void *ds;         /* (H)                     dloss/ds by way of the next step in; dloss/ds0             out */
} core_cell_step;

typedef void core_cell_kernel(const core_cell_step *step);

/* A cell: a row, found by name. The loops branch on these properties and never on the cell. */
typedef struct {
    const char *name;
    idx gates;    /* pre-activations of a unit that meet the state: W is (gates * H, H) */
    idx shared;   /* how many of them, the first ones, take input and state as one sum; each of the others keeps the two
                     apart, and its input's share has a bias of its own */
    idx kept;     /* numbers of a unit that forward caches for backward */
    idx states;   /* 1: h; 2: h and a cell state s */
    idx in_place; /* h is computed in place of r, and the derivatives of the pre-activations in place of dh */
    core_cell_kernel *forward, *backward;
} core_cell;

/* --- optimisers -------------------------------------------------------------------------------------------------- */

/* The numbers of an optimiser's update. Every field has 8 bytes: Python fills them by name. */
typedef struct {
    double rate;
    double clip_value;   /* every entry of the gradient is clipped to [-clip_value, clip_value]; infinity: none is */
    double clip_norm;    /* the gradient is scaled down to this Euclidean length; 0: it is not */
    double weight_decay; /* decoupled: before each step p *= 1 - rate * weight_decay */
    double momentum;
    double decay;
    double eps;
    double beta1;
    double beta2;
    double correction1; /* 1 / (1 - beta1 ** n) after n updates */
    double correction2; /* 1 / (1 - beta2 ** n) */
    double ema_decay;   /* what the moving average of the weights keeps of itself; 0: there is no average */
    int64_t sparse;     /* a zero gradient changes nothing: rows that were not read need no step */
} core_numbers;

/* p, m and v (n) in, out; g (n) in */
typedef void core_rule_step(idx n, void *p, const void *g, void *m, void *v, const core_numbers *numbers);

typedef struct {
    const char *name;
    core_rule_step *step;
} core_rule;

/* --- drawing ----------------------------------------------------------------------------------------------------- */

/* How a symbol is drawn. Every field has 8 bytes: Python fills them by name. drawing.h says what each does, and in
 * which order. */
typedef struct {
    double temperature;        /* divides the logits; 0 takes the likeliest symbol */
    double smoothing;          /* the label smoothing of the training, taken off again */
    int64_t whole;             /* whether to stop after the symbol that ends a document */
    double repetition_penalty; /* what the logits of symbols drawn lately are divided by, if positive; 1: nothing */
    int64_t repetition_window; /* how many symbols that is */
    int64_t top_k;             /* only so many of the likeliest symbols; 0: all */
    double top_p;              /* only the likeliest that have this share together; 1: all */
    double min_p;              /* only those with this part of the likeliest's share; 0: all */
} core_drawing;

/* What the symbols before this one, and the caller, say about it. */
typedef struct {
    const double *bias;    /* (K): added to the logits, -inf where a symbol may not come; NULL: none  in */
    const int32_t *counts; /* (K): how often each is among the last `repetition_window`; NULL: never  in */
    double *scratch;       /* (2 * Kp) */
} core_context;

/* --- the table of an instruction set and a precision ------------------------------------------------------------- */

/* F(result, name, parameters): the fields of core_table and, in template.h, its entries. Those of products differ in
 * every precision; the others depend on REAL alone. */
#define CORE_PRODUCTS(F)                             \
    /* sums = start + left @ right */                \
    F(void, multiply, (const core_product *product)) \
    /* out[k, j] = source[k, j] for k < K, j < N */  \
    F(void, pack, (idx K, idx N, core_matrix source, core_panels out))
#define CORE_FUNCTIONS(F)                                                                                         \
    /* y += x */                                                                                                  \
    F(void, add, (idx n, const void *x, void *y))                                                                 \
    /* y += the sum of the M rows of x, which are ld apart */                                                     \
    F(void, sum_rows, (idx M, idx n, const void *x, idx ld, void *y))                                             \
    /* x = exp(x), for x <= 0 */                                                                                  \
    F(void, exp, (idx n, void *x))                                                                                \
    /* x = tanh(x) */                                                                                             \
    F(void, tanh, (idx n, void *x))                                                                               \
    /* x = 1 / (1 + exp(-x)) */                                                                                   \
    F(void, sigmoid, (idx n, void *x))                                                                            \
    /* M rows of K logits, ld apart, become rows of softmax(logits). loss[i] in nats is the cross-entropy of a    \
     * target that is y[i] but for the share `smoothing`, which is spread evenly over all K. */                   \
    F(void, softmax, (idx M, idx K, void *p, idx ld, const int32_t *y, double smoothing, double *loss))           \
    /* y = x / (1 - rate) or, with the probability `rate`, 0; element i depends on `key` and first + i alone.     \
     * y may be x. */                                                                                             \
    F(void, dropout, (idx n, double rate, uint32_t key, idx first, const void *x, void *y))                       \
    /* y = x + share (before - x). y may be x or before. */                                                       \
    F(void, mix, (idx n, double share, const void *before, const void *x, void *y))                               \
    /* The derivatives: dbefore += share dy;  dx = (1 - share) dy, in place of dy. */                             \
    F(void, mix_backward, (idx n, double share, void *dbefore, void *dy))                                         \
    /* y = before with the probability `rate`, else x; element i depends on `key` and first + i alone. */         \
    F(void, zoneout, (idx n, double rate, uint32_t key, idx first, const void *before, const void *x, void *y))   \
    /* The derivatives: dbefore += dy where y is `before`, else 0;  dx = dy elsewhere, else 0, in place of dy. */ \
    F(void, zoneout_backward, (idx n, double rate, uint32_t key, idx first, void *dbefore, void *dy))             \
    /* the sum of x^2 */                                                                                          \
    F(double, sum_squares, (idx n, const void *x))                                                                \
    /* x *= factor */                                                                                             \
    F(void, scale, (idx n, double factor, void *x))                                                               \
    /* n rounds of nothing but fused multiply-adds over x (2 * width); the floating-point operations done */      \
    F(double, spin, (idx n, void *x))

#define CORE_FIELD(result, name, parameters) result(*name) parameters;
typedef struct {
    idx width;              /* elements in a vector */
    idx panel;              /* columns in one panel of a packed matrix */
    idx row;                /* places that a row of a panel takes, and */
    idx pair;               /* rows that stay together: a panel has whole pairs. */
    idx rows;               /* rows of the left matrix that a product takes at a time */
    idx rounds;             /* whether the operands of a product are rounded: `pack` then changes numbers */
    const core_cell *cells; /* the last one has no name */
    const core_rule *rules; /* the last one has no name */
    CORE_PRODUCTS(CORE_FIELD) CORE_FUNCTIONS(CORE_FIELD)
} core_table;
#undef CORE_FIELD

/* A precision: the bytes of an item of each kind of array. */
typedef struct {
    const char *name;
    idx weights, products, activations, moments;
} core_precision;

/* The i-th precision, and its table on the instruction set in force; NULL if there is none. */
const core_precision *core_precision_at(idx i);
const core_table *core_table_at(idx i);

/* --- what has one precision only --------------------------------------------------------------------------------- */

/* The index whose share covers u in [0, 1); -1 if every logit is -inf. z (Kp) has the logits, and then the shares, but
 * for a common factor. */
idx core_draw(idx K, const core_drawing *how, const core_context *context, double u, double *z);
/* log x of 0 <= x < infinity */
double core_log(double x);
/* A key for each seed and counter. */
uint32_t core_key(uint64_t seed, uint64_t counter);
/* What weight decay leaves of a weight: 1 - rate * decay, in two operations on every processor. */
double core_kept(double rate, double decay);

/* --- instruction sets and threads -------------------------------------------------------------------------------- */

/* The i-th instruction set compiled in, widest first, or NULL; whether this processor runs one; the one to prefer. */
const char *core_name(int i);
int core_supported(const char *name);
const char *core_best(void);
/* Puts an instruction set in force: 0, or -1 when it is unknown or this processor lacks it. */
int core_select(const char *name);
const char *core_selected(void);
/* Waits until `size` threads have come; meeting starts as zeros. -1 once meeting[2] says that not all will come. */
int core_meet(int32_t *meeting, int size);
/* Whether meeting[3] asks the threads to leave their update undone; then meeting[4] says that one has heard it. */
int core_hears(int32_t *meeting);
/* Whether one of them has heard it: the same for all, after they have met. */
int core_heard(const int32_t *meeting);
#endif
