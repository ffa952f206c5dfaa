/* The C primitives under every kernel, one table of functions per instruction set and precision.
 *
 * Arrays are `void *` of the table's precision (float or double). All sizes and strides count elements. Row
 * lengths N are padded by the caller to a multiple of CORE_LANES, so that no primitive has a ragged edge.
 * Each output element is summed by one accumulator with the summands in order, and horizontal sums run over
 * CORE_LANES virtual lanes: every path with fused multiply-add gives the same bits, whatever its vector width.
 */
#ifndef PYCHARRNN_CORE_H
#define PYCHARRNN_CORE_H
#include <stddef.h>
#include <stdint.h>

#define CORE_LANES 16
typedef ptrdiff_t idx;

/* The numbers of an optimiser's update. Fields of 8 bytes each: Python fills them by name. */
typedef struct {
    double rate;
    double clip_value; /* gradients are clipped to [-clip_value, clip_value]; infinity: they are not */
    double clip_norm;  /* the gradient is scaled down to this Euclidean length; 0: it is not */
    double weight_decay; /* decoupled: before each step p *= 1 - rate * weight_decay */
    double momentum, decay, eps, beta1, beta2;
    double correction1, correction2; /* 1 / (1 - beta1 ** n) and 1 / (1 - beta2 ** n) */
    int64_t sparse; /* a zero gradient changes nothing: rows that were not read need no step */
} core_hyper;

typedef void core_step(idx n, void *p, const void *g, void *m, void *v, const core_hyper *hyper);

typedef struct {
    idx width; /* elements in a vector: N of a product is a multiple of it */
    idx panel; /* columns in one panel of a packed matrix */
    idx rows;  /* rows of the largest tile of a matrix product */

    /* C = init + A B: A[i, k] = A[i*ra + k*ca] with ra == 1 or ca == 1 (any ca when M == 1); B packed in panels,
     * B[k, j] = B[(j / panel)*ps + k*bs + j % panel] (so bs = ld, ps = panel reads a plain row-major matrix);
     * init + i*ldi is where row i starts from (ldi = 0 repeats a bias; NULL means zero; init = C accumulates).
     * reverse walks the panels from the last to the first: what the previous product left in the cache first. */
    void (*gemm)(idx M, idx N, idx K, const void *A, idx ra, idx ca, const void *B, idx bs, idx ps, const void *init,
                 idx ldi, void *C, idx ldc, int reverse);
    /* B[k, j] = src[k*rs + j*cs] for k < K, j < N, into panels; rs == 1 or cs == 1. */
    void (*pack)(idx K, idx N, const void *src, idx rs, idx cs, void *B, idx bs, idx ps);

    void (*add)(idx n, const void *x, void *y);                     /* y += x */
    void (*sum_rows)(idx M, idx n, const void *x, idx ld, void *y); /* y += the sum of the M rows of x */
    void (*exp)(idx n, void *x);                                    /* x = exp(x), for x <= 0 */
    void (*tanh)(idx n, void *x);                                   /* x = tanh(x) */
    void (*add_tanh)(idx n, const void *u, void *x);                /* x = tanh(x + u) */
    void (*tanh_backward)(idx n, const void *h, void *d);           /* d = (1 - h^2) d, where h = tanh(a) */
    void (*sigmoid)(idx n, void *x);                                /* x = 1 / (1 + exp(-x)) */

    /* One step of one stream. u is the input's share of the gates and r the state's (u may be a), a the gates as they were
     * and, backward, their derivatives; the gates lie side by side, H of each. n is GRU's bias of the candidate. Forward
     * makes h (and c) of h0 (and c0); backward takes dh, takes and leaves the dc that is carried, and adds to dh0. */
    void (*lstm_forward)(idx H, const void *u, const void *r, const void *c0, void *a, void *c, void *h);
    void (*lstm_backward)(idx H, const void *dh, const void *c0, const void *c, void *dc, void *a);
    void (*gru_forward)(idx H, const void *u, const void *r, const void *n, const void *h0, void *a, void *h);
    void (*gru_backward)(idx H, const void *dh, const void *h0, void *dh0, void *a);
    /* Rows of logits become rows of softmax(logits); loss[i] in nats is the cross-entropy of a target that is y[i] but for
     * the share `smoothing`, which is spread evenly over all K: -log p[i, y[i]] without any. */
    void (*softmax)(idx M, idx K, void *p, idx ld, const int32_t *y, double smoothing, double *loss);
    /* y = x / (1 - rate) or, with the probability `rate`, 0; element i depends on `key` and first + i alone. y may be x. */
    void (*dropout)(idx n, double rate, uint32_t key, idx first, const void *x, void *y);
    double (*sum_squares)(idx n, const void *x);
    void (*scale)(idx n, double factor, void *x);

    core_step *sgd, *momentum, *rmsprop, *adagrad, *adam;

    /* n rounds of nothing but fused multiply-adds over x (2 * width elements); the floating-point operations done. */
    double (*spin)(idx n, void *x);
    /* Double precision only. The index whose share covers u in [0, 1): that of softmax(z / temperature) or, where the share
     * `smoothing` of each target was spread evenly over all K, of what is left without it. z is overwritten. */
    idx (*draw)(idx K, double temperature, double smoothing, double u, double *z);
} core_table;

/* The table of a precision (item size 4 or 8) on the instruction set in force. */
const core_table *core_get(idx itemsize);
/* A key for each seed and counter. */
uint32_t core_key(uint64_t seed, uint64_t counter);
/* What is left of a weight by decay: 1 - rate * decay, in two operations on every processor. */
double core_kept(double rate, double decay);
/* The i-th instruction set compiled in, widest first, or NULL; whether this processor runs one; the one to prefer. */
const char *core_name(int i);
int core_supported(const char *name);
const char *core_best(void);
/* Puts an instruction set in force: 0, or -1 when it is unknown or this processor lacks it. */
int core_select(const char *name);
const char *core_selected(void);
/* Waits until `size` threads have come; shared[3] starts as zeros. -1 once shared[2] says that not all will come. */
int core_meet(int32_t *shared, int size);
#endif
