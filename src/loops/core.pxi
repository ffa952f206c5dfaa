# The declarations of core/core.h, which says what each means.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef extern from "core/core.h" nogil:
    enum: CORE_LANES
    ctypedef struct core_matrix:
        const void *data
        Py_ssize_t row, column
    ctypedef struct core_panels:
        void *data
        Py_ssize_t row, panel, reverse, ready
    ctypedef struct core_sums:
        const void *start
        Py_ssize_t start_row
        void *out
        Py_ssize_t out_row
    ctypedef struct core_product:
        Py_ssize_t rows, columns, depth
        core_matrix left
        core_panels right
        core_sums sums
    ctypedef struct core_cell_step:
        Py_ssize_t H, n
        const void *u
        void *r
        const void *bias
        const void *h0
        const void *s0
        void *h
        void *s
        void *a
        void *dh
        void *dh0
        void *ds
    ctypedef void core_cell_kernel(const core_cell_step *step) noexcept nogil
    ctypedef struct core_cell:
        const char *name
        Py_ssize_t gates, shared, kept, states, in_place
        core_cell_kernel *forward
        core_cell_kernel *backward
    ctypedef struct core_numbers:
        double rate, clip_value, clip_norm, weight_decay, momentum, decay, eps, beta1, beta2
        double correction1, correction2, ema_decay
        int64_t sparse
    ctypedef struct core_drawing:
        double temperature, smoothing
        int64_t whole
        double repetition_penalty
        int64_t repetition_window, top_k
        double top_p, min_p
    ctypedef struct core_context:
        const double *bias
        const int32_t *counts
        double *scratch
    ctypedef void core_rule_step(Py_ssize_t n, void *p, const void *g, void *m, void *v,
                                 const core_numbers *numbers) noexcept nogil
    ctypedef struct core_rule:
        const char *name
        core_rule_step *step
    ctypedef struct core_table:
        Py_ssize_t width, panel, row, pair, rows, rounds
        const core_cell *cells
        const core_rule *rules
        void (*multiply)(const core_product *product) noexcept nogil
        void (*pack)(Py_ssize_t K, Py_ssize_t N, core_matrix source, core_panels out) noexcept nogil
        void (*add)(Py_ssize_t n, const void *x, void *y) noexcept nogil
        void (*sum_rows)(Py_ssize_t M, Py_ssize_t n, const void *x, Py_ssize_t ld, void *y) noexcept nogil
        void (*exp)(Py_ssize_t n, void *x) noexcept nogil
        void (*tanh)(Py_ssize_t n, void *x) noexcept nogil
        void (*sigmoid)(Py_ssize_t n, void *x) noexcept nogil
        void (*softmax)(Py_ssize_t M, Py_ssize_t K, void *p, Py_ssize_t ld, const int32_t *y, double smoothing,
                        double *loss) noexcept nogil
        void (*dropout)(Py_ssize_t n, double rate, uint32_t key, Py_ssize_t first, const void *x,
                        void *y) noexcept nogil
        void (*mix)(Py_ssize_t n, double share, const void *before, const void *x, void *y) noexcept nogil
        void (*mix_backward)(Py_ssize_t n, double share, void *dbefore, void *dy) noexcept nogil
        void (*zoneout)(Py_ssize_t n, double rate, uint32_t key, Py_ssize_t first, const void *before, const void *x,
                        void *y) noexcept nogil
        void (*zoneout_backward)(Py_ssize_t n, double rate, uint32_t key, Py_ssize_t first, void *dbefore,
                                 void *dy) noexcept nogil
        double (*sum_squares)(Py_ssize_t n, const void *x) noexcept nogil
        void (*scale)(Py_ssize_t n, double factor, void *x) noexcept nogil
        double (*spin)(Py_ssize_t n, void *x) noexcept nogil
    ctypedef struct core_precision:
        const char *name
        Py_ssize_t weights, products, activations, moments
    const core_precision *core_precision_at(Py_ssize_t i)
    const core_table *core_table_at(Py_ssize_t i)
    Py_ssize_t core_draw(Py_ssize_t K, const core_drawing *how, const core_context *context, double u, double *z)
    double core_log(double x)
    uint32_t core_key(uint64_t seed, uint64_t counter)
    double core_kept(double rate, double decay)
    const char *core_name(int i)
    int core_supported(const char *name)
    const char *core_best()
    int core_select(const char *name)
    const char *core_selected()
    int core_meet(int32_t *meeting, int size)
    int core_hears(int32_t *meeting)
    int core_heard(const int32_t *meeting)


LANES = CORE_LANES
