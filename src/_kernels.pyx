"""Typed loops over the C core: recurrence, back-propagation through time, the update loop, sampling.

Legend: T seq_length, B batch, K vocabulary, H hidden, L LANES. A row of H or K elements takes Hp or Kp, the next
multiple of L; the elements between are zero in parameters, gradients and states. Time-major: row t*B + b of a
(T, B, H) array is stream b at time t. A gradient is its variable's name with `d` before it. Forward overwrites,
backward accumulates. Kernels know arrays, not models; `network.py` is the gate that checks what comes in here.

The equations are those of the classic character-level RNN (Elman 1990; Karpathy 2015, min-char-rnn):

    a_t = W h_{t-1} + U x_t + b    h_t = tanh(a_t)    p_t = softmax(V h_t + c)    loss = -sum_t log p_t[y_t]
"""
from cython cimport floating
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np


cdef extern from "core/core.h" nogil:
    enum: CORE_LANES
    ctypedef struct core_hyper:
        double rate, clip_value, clip_norm, weight_decay, momentum, decay, eps, beta1, beta2
        double correction1, correction2
        int64_t sparse
    ctypedef void core_step(Py_ssize_t n, void *p, const void *g, void *m, void *v,
                            const core_hyper *) noexcept nogil
    ctypedef struct core_table:
        Py_ssize_t width, panel, rows
        void (*gemm)(Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const void *A, Py_ssize_t ra, Py_ssize_t ca,
                     const void *B, Py_ssize_t bs, Py_ssize_t ps, const void *init, Py_ssize_t ldi,
                     void *C, Py_ssize_t ldc, int reverse) noexcept nogil
        void (*pack)(Py_ssize_t K, Py_ssize_t N, const void *src, Py_ssize_t rs, Py_ssize_t cs,
                     void *B, Py_ssize_t bs, Py_ssize_t ps) noexcept nogil
        void (*add)(Py_ssize_t n, const void *x, void *y) noexcept nogil
        void (*sum_rows)(Py_ssize_t M, Py_ssize_t n, const void *x, Py_ssize_t ld, void *y) noexcept nogil
        void (*exp)(Py_ssize_t n, void *x) noexcept nogil
        void (*tanh)(Py_ssize_t n, void *x) noexcept nogil
        void (*add_tanh)(Py_ssize_t n, const void *u, void *x) noexcept nogil
        void (*tanh_backward)(Py_ssize_t n, const void *h, void *d) noexcept nogil
        void (*sigmoid)(Py_ssize_t n, void *x) noexcept nogil
        void (*lstm_forward)(Py_ssize_t H, const void *u, const void *r, const void *c0, void *a, void *c,
                             void *h) noexcept nogil
        void (*lstm_backward)(Py_ssize_t H, const void *dh, const void *c0, const void *c, void *dc,
                              void *a) noexcept nogil
        void (*gru_forward)(Py_ssize_t H, const void *u, const void *r, const void *n, const void *h0, void *a,
                            void *h) noexcept nogil
        void (*gru_backward)(Py_ssize_t H, const void *dh, const void *h0, void *dh0, void *a) noexcept nogil
        void (*softmax)(Py_ssize_t M, Py_ssize_t K, void *p, Py_ssize_t ld, const int32_t *y, double smoothing,
                        double *loss) noexcept nogil
        void (*dropout)(Py_ssize_t n, double rate, uint32_t key, Py_ssize_t first, const void *x,
                        void *y) noexcept nogil
        double (*sum_squares)(Py_ssize_t n, const void *x) noexcept nogil
        void (*scale)(Py_ssize_t n, double factor, void *x) noexcept nogil
        core_step *sgd
        core_step *momentum
        core_step *rmsprop
        core_step *adagrad
        core_step *adam
        double (*spin)(Py_ssize_t n, void *x) noexcept nogil
        Py_ssize_t (*draw)(Py_ssize_t K, double temperature, double smoothing, double u, double *z) noexcept nogil
    const core_table *core_get(Py_ssize_t itemsize) noexcept nogil
    const char *core_name(int i) noexcept
    const char *core_best() noexcept
    int core_supported(const char *name) noexcept nogil
    int core_select(const char *name) noexcept nogil
    const char *core_selected() noexcept nogil
    uint32_t core_key(uint64_t seed, uint64_t counter) noexcept nogil
    double core_kept(double rate, double decay) noexcept nogil
    int core_meet(int32_t *shared, int size) noexcept nogil


LANES = CORE_LANES
CELLS = {
    "rnn": {"gates": 1, "shared": 1, "kept": 1, "states": 1, "in_place": 1},
    "lstm": {"gates": 4, "shared": 4, "kept": 4, "states": 2, "in_place": 0},
    "gru": {"gates": 3, "shared": 2, "kept": 4, "states": 1, "in_place": 0},
}
PRECISIONS = {
    name: {"weights": size, "products": size, "activations": size, "moments": size}
    for name, size in (("float32", 4), ("float64", 8))
}
RULES = ("sgd", "momentum", "rmsprop", "adagrad", "adam")

include "loops/records.pxi"


# --- instruction sets -------------------------------------------------------------------------------------------

def simd_names():
    """Instruction sets compiled into this build, widest first."""
    names = []
    while core_name(len(names)) != NULL:
        names.append((<bytes>core_name(len(names))).decode())
    return tuple(names)


def simd_supported(str name not None):
    """Whether this processor runs the instruction set."""
    return bool(core_supported(name.encode()))


def simd_best():
    """The instruction set that suits this processor best."""
    return (<bytes>core_best()).decode()


def simd_selected():
    """The instruction set in force."""
    return (<bytes>core_selected()).decode()


def simd_select(str name not None):
    """Put an instruction set in force for every kernel called from now on."""
    if core_select(name.encode()) != 0:
        names = simd_names()
        able = [n for n in names if core_supported(n.encode())]
        why = "this processor does not have it"
        if name not in names:
            from difflib import get_close_matches
            meant = get_close_matches(name.lower().replace("_", "-"), able, 1)
            why = "this build does not know it" + (f" (did you mean {meant[0]!r}?)" if meant else "")
        raise ImportError(
            f"PYCHARRNN_SIMD={name!a} cannot be used: {why}; "
            f"set it to one of {', '.join(able)}, or leave it unset for the best of them"
        )


# --- recurrent layers and the softmax head ----------------------------------------------------------------------

cdef enum: RNN, LSTM, GRU


cdef inline Py_ssize_t gates(const Plan *plan) noexcept nogil:
    """Pre-activations of a unit that meet the state."""
    return 1 if plan.cell == RNN else 4 if plan.cell == LSTM else 3


# The threads of one call: what each does is a share of rows or columns, and after each phase they meet.
cdef struct Team:
    int rank, size
    uint64_t seed, update        # what the masks of dropout are drawn from
    int32_t *shared              # (3): the meeting place, and whether to go on


cdef inline Py_ssize_t share(const Team *team, Py_ssize_t n, Py_ssize_t of, int rank) noexcept nogil:
    """Where the share of a rank begins: whole units of `of`."""
    cdef Py_ssize_t units = (n + of - 1) // of, first = rank * units // team.size * of
    return n if first > n else first


cdef inline Py_ssize_t step_stride(const core_table *k, const Plan *plan) noexcept nogil:
    """Distance of WT's rows: whole rows for a matrix-vector product, panels for a batch. Its panels are
    `panel_stride` apart. The one place that looks at the batch; both ways sum alike and give the same bits."""
    return plan.Gp if plan.B == 1 else k.panel


cdef inline Py_ssize_t panel_stride(const core_table *k, const Plan *plan) noexcept nogil:
    return k.panel if plan.B == 1 else k.panel * plan.H


cdef inline Py_ssize_t columns(const core_table *k, Py_ssize_t n) noexcept nogil:
    """n in whole vectors: what a product has to compute of a padded row."""
    return (n + k.width - 1) // k.width * k.width


cdef inline uint32_t mask(const Plan *plan, const Team *team, Py_ssize_t which) noexcept nogil:
    """The key of a mask of this update: that of the outputs of the layer with this number, L: of the embeddings."""
    return core_key(team.seed, team.update * (plan.L + 1) + which)


cdef void pack_weights(const core_table *k, const Plan *plan, const Layer *layers, Team *team,
                       const floating *params,  # in
                       floating *work,          # UT, WT, UB, WB and VT  out
                       ) noexcept nogil:
    """Each matrix in the order in which the products read it; a batch also packs those of the way back. A thread packs
    what comes of its rows of each."""
    cdef Py_ssize_t q, H = plan.H, panel = k.panel, N = gates(plan) * H
    cdef Py_ssize_t lo = share(team, N, panel, team.rank), hi = share(team, N, panel, team.rank + 1)
    cdef const Layer *layer
    cdef const floating *W
    cdef const floating *U
    for q in range(plan.L):
        layer = &layers[q]
        W = params + layer.W + lo * plan.Hp
        k.pack(H, hi - lo, W, 1, plan.Hp, work + layer.WT + lo // panel * panel_stride(k, plan), step_stride(k, plan),
               panel_stride(k, plan))
        if plan.B > 1:
            k.pack(hi - lo, H, W, plan.Hp, 1, work + layer.WB + lo * panel, panel, panel * N)
        if layer.I:
            U = params + layer.U + lo * layer.Ip
            k.pack(layer.I, hi - lo, U, 1, layer.Ip, work + layer.UT + lo * layer.I, panel, panel * layer.I)
            k.pack(hi - lo, layer.I, U, layer.Ip, 1, work + layer.UB + lo * panel, panel, panel * N)
    lo, hi = share(team, plan.K, panel, team.rank), share(team, plan.K, panel, team.rank + 1)
    k.pack(H, hi - lo, params + plan.V + lo * plan.Hp, 1, plan.Hp, work + plan.VT + lo * H, panel, panel * H)


cdef inline void recur(const core_table *k, const Plan *plan, const Layer *layer, Py_ssize_t M, bint reverse,
                       const floating *params,  # b           in
                       const floating *work,    # WT          in
                       const floating *h,       # (M, H)      in
                       floating *r, Py_ssize_t ldr,  # (M, G * H)  out
                       ) noexcept nogil:
    """r = b + h @ W.T"""
    k.gemm(M, columns(k, gates(plan) * plan.H), plan.H, h, plan.Hs, 1, work + layer.WT, step_stride(k, plan),
           panel_stride(k, plan), params + layer.b, 0, r, ldr, reverse)


cdef inline void cell_forward(const core_table *k, const Plan *plan, const Layer *layer, bint start,
                              const floating *params,                   # b, n                                       in
                              const floating *work,                     # zero                                       in
                              const floating *u,                        # (G * H): the input's share; may be a       in
                              floating *r,                              # (G * H): the state's share; RNN: h out     in
                              const floating *h0, const floating *c0,   # (H): the state                        in
                              floating *a,                              # (A * H): gates, for the way back           out
                              floating *h, floating *c,                 # (H)                                   out
                              ) noexcept nogil:
    """One stream, one step. A document starts from a zero state, whatever h0 and c0 are.

    RNN (Elman 1990)                     h = tanh(r + u)
    LSTM (Hochreiter, Schmidhuber 1997)  i, f, g, o = sigmoid, sigmoid, tanh, sigmoid(r + u)
                                         c = f c0 + i g;  h = o tanh(c)
    GRU (Cho et al. 2014)                s, z = sigmoid(r + u);  g = tanh(u_g + n + s r_g);  h = (1 - z) g + z h0
    """
    if start:
        memcpy(r, params + layer.b, gates(plan) * plan.H * sizeof(floating))
        h0 = c0 = work + plan.zero
    if plan.cell == RNN:
        k.add_tanh(plan.Hp, u, r)
    elif plan.cell == LSTM:
        k.lstm_forward(plan.H, u, r, c0, a, c, h)
    else:
        k.gru_forward(plan.H, u, r, params + layer.n, h0, a, h)


cdef void layer_forward(const core_table *k, const Plan *plan, const Layer *layer, Py_ssize_t T,
                        Py_ssize_t lo, Py_ssize_t hi,  # the streams
                        const int32_t *x,        # (T, B)                                         in
                        const floating *params,  # U, b, n                                        in
                        floating *work,          # WT, zero, h[0], c[0]; a = x @ U.T, if there are inputs  in; rest out
                        ) noexcept nogil:
    """h[t+1] of h[t]. Every other step walks W backwards, to meet it in the cache."""
    cdef Py_ssize_t t, i, q, ld = plan.Hs if plan.cell == RNN else plan.As
    cdef floating *h
    cdef floating *r
    cdef floating *a
    for t in range(T):
        h = work + layer.h + t * plan.B * plan.Hs
        r = h + plan.B * plan.Hs if plan.cell == RNN else work + plan.r
        recur(k, plan, layer, hi - lo, t & 1, params, work, h + lo * plan.Hs, r + lo * ld, ld)
        for i in range(lo, hi):
            q = t * plan.B + i
            a = work + layer.a + q * plan.As
            cell_forward(k, plan, layer, x[q] == plan.end, params, work,
                         <const floating *>a if layer.I else params + layer.U + x[q] * plan.Gp, r + i * ld,
                         h + i * plan.Hs, work + layer.s + q * plan.Hs, a,
                         h + (plan.B + i) * plan.Hs, work + layer.s + (q + plan.B) * plan.Hs)


cdef void layer_backward(const core_table *k, const Plan *plan, const Layer *layer, Py_ssize_t T,
                         Py_ssize_t lo, Py_ssize_t hi,  # the streams
                         const int32_t *x,        # (T, B)                                                  in
                         const floating *params,  # W                                                       in
                         floating *work,          # WB, h, c, a in; d = dloss/dh from above in; da = dloss/d(r + u) out
                         ) noexcept nogil:
    """From the last step to the first: da[t] of d[t], then d[t-1] += da[t] @ W unless x[t] begins a document."""
    cdef Py_ssize_t t, i, q, N = gates(plan) * plan.H, bs = plan.Hp, ps = k.panel
    cdef const floating *W = params + layer.W
    cdef floating *d
    cdef floating *a
    cdef floating *keep = work + plan.z                         # (B, H): d[t-1] of the streams that begin a document
    cdef floating *dc = work + plan.z + plan.B * plan.Hs        # (B, H): LSTM's dloss/dc, carried back
    cdef const floating *zero = work + plan.zero
    cdef bint start
    if plan.B > 1:
        W, bs, ps = work + layer.WB, k.panel, k.panel * N
    memset(dc + lo * plan.Hs, 0, (hi - lo) * plan.Hs * sizeof(floating))
    for t in range(T - 1, -1, -1):
        for i in range(lo, hi):
            q = t * plan.B + i
            start = x[q] == plan.end
            d = work + layer.d + q * plan.Hs
            a = work + layer.a + q * plan.As
            if plan.cell == RNN:
                k.tanh_backward(plan.Hp, work + layer.h + (q + plan.B) * plan.Hs, d)
            elif plan.cell == LSTM:
                k.lstm_backward(plan.H, d, zero if start else work + layer.s + q * plan.Hs,
                                work + layer.s + (q + plan.B) * plan.Hs, dc + i * plan.Hs, a)
                if start:
                    memset(dc + i * plan.Hs, 0, plan.Hs * sizeof(floating))
            else:
                k.gru_backward(plan.H, d, zero if start else work + layer.h + q * plan.Hs,
                               dc + i * plan.Hs if start or t == 0 else d - plan.B * plan.Hs, a)
        if t == 0:
            break
        d = work + layer.d + (t - 1) * plan.B * plan.Hs
        copy_starts(plan, lo, hi, x + t * plan.B, d, keep)
        k.gemm(hi - lo, columns(k, plan.H), N, work + layer.da + (t * plan.B + lo) * plan.Ds, plan.Ds, 1, W, bs, ps,
               d + lo * plan.Hs, plan.Hs, d + lo * plan.Hs, plan.Hs, ~t & 1)
        copy_starts(plan, lo, hi, x + t * plan.B, keep, d)


cdef inline void copy_starts(const Plan *plan, Py_ssize_t lo, Py_ssize_t hi,
                             const int32_t *x,   # (B)     in
                             const floating *a,  # (B, H)  in; NULL: zeros
                             floating *c,        # (B, H)  out: the rows of streams in which x begins a document
                             ) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(lo, hi):
        if x[i] == plan.end:
            if a == NULL:
                memset(c + i * plan.Hs, 0, plan.Hp * sizeof(floating))
            else:
                memcpy(c + i * plan.Hs, a + i * plan.Hs, plan.Hp * sizeof(floating))


cdef inline void project(const core_table *k, const Plan *plan, const Layer *layer, Py_ssize_t lo, Py_ssize_t hi,
                         floating *work,    # x, UT in; a out
                         ) noexcept nogil:
    """a = x @ U.T, for the rows lo .. hi of all T * B"""
    k.gemm(hi - lo, columns(k, gates(plan) * plan.H), layer.I, work + layer.x + lo * layer.Is, layer.Is, 1, work + layer.UT,
           k.panel, k.panel * layer.I, NULL, 0, work + layer.a + lo * plan.As, plan.As, 0)


cdef inline void project_backward(const core_table *k, const Plan *plan, const Layer *layer,
                                  Py_ssize_t lo, Py_ssize_t hi,
                                  floating *work,    # da, UB in; dx out
                                  ) noexcept nogil:
    """dx = da @ U, for the rows lo .. hi. A GRU's candidate has its input's derivative beside its state's."""
    cdef Py_ssize_t N = gates(plan) * plan.H, n = 2 * plan.H if plan.cell == GRU else N
    cdef floating *da = work + layer.da + lo * plan.Ds
    cdef floating *dx = work + layer.dx + lo * layer.Is
    k.gemm(hi - lo, columns(k, layer.I), n, da, plan.Ds, 1, work + layer.UB, k.panel, k.panel * N,
           NULL, 0, dx, layer.Is, 0)
    if plan.cell == GRU:
        k.gemm(hi - lo, columns(k, layer.I), plan.H, da + 3 * plan.H, plan.Ds, 1, work + layer.UB + n * k.panel,
               k.panel, k.panel * N, dx, layer.Is, dx, layer.Is, 0)


cdef inline void drop(const core_table *k, const Plan *plan, uint32_t key, Py_ssize_t lo, Py_ssize_t hi,
                      Py_ssize_t n, Py_ssize_t ld,
                      const floating *x,  # (T * B, n)                                                     in
                      floating *y,        # (T * B, n): the rows lo .. hi of x without what dropout takes  out
                      ) noexcept nogil:
    """Forward with a layer's outputs and backward with their derivatives: the same mask."""
    cdef Py_ssize_t i
    for i in range(lo, hi):
        k.dropout(n, plan.dropout, key, i * n, x + i * ld, y + i * ld)


cdef inline void embed(const core_table *k, const Plan *plan, const Layer *layer, const Team *team,
                       Py_ssize_t lo, Py_ssize_t hi,
                       const int32_t *x,        # (T * B)                                  in
                       const floating *params,  # E                                        in
                       floating *work,          # the rows lo .. hi of the layer's inputs  out
                       ) noexcept nogil:
    """What the first layer reads of each symbol."""
    cdef Py_ssize_t i
    cdef floating *inputs = work + layer.x
    for i in range(lo, hi):
        memcpy(inputs + i * layer.Is, params + plan.E + x[i] * layer.Ip, layer.Ip * sizeof(floating))
    if plan.dropout > 0:
        drop(k, plan, mask(plan, team, plan.L), lo, hi, layer.Ip, layer.Is, inputs, inputs)


cdef void head_forward(const core_table *k, const Plan *plan, Py_ssize_t lo, Py_ssize_t hi, bint reverse,
                       const floating *h,       # (M, H)                    in
                       const floating *params,  # c                         in
                       floating *work,          # VT in; p (M, K): logits   out
                       ) noexcept nogil:
    """logits = c + h @ V.T, for the rows lo .. hi at once"""
    k.gemm(hi - lo, columns(k, plan.K), plan.H, h + lo * plan.Hs, plan.Hs, 1, work + plan.VT, k.panel, k.panel * plan.H,
           params + plan.c, 0, work + plan.p + lo * plan.Kp, plan.Kp, reverse)


cdef void head_backward(const core_table *k, const Plan *plan, Py_ssize_t lo, Py_ssize_t hi, double weight,
                        const int32_t *y,        # (M)                                              in
                        const floating *params,  # V                                                in
                        floating *d,             # (M, H): weight * dlogits @ V                     out
                        floating *work,          # p: softmax in, weight * dloss/dlogits out
                        ) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef floating own = 1 - plan.label_smoothing, each = plan.label_smoothing / plan.K
    cdef floating *p = work + plan.p + lo * plan.Kp
    for i in range(lo, hi):
        p[y[i]] -= own
        if each > 0:
            for j in range(plan.K):
                p[j] -= each
        if weight != 1:
            k.scale(plan.Kp, weight, p)
        p += plan.Kp
    k.gemm(hi - lo, columns(k, plan.H), plan.K, work + plan.p + lo * plan.Kp, plan.Kp, 1, params + plan.V, plan.Hp,
           k.panel, NULL, 0, d + lo * plan.Hs, plan.Hs, 0)


cdef double forward(const core_table *k, const Plan *plan, const Layer *layers, Team *team, Py_ssize_t T,
                    const int32_t *x,        # (T, B)  in
                    const int32_t *y,        # (T, B)  in
                    const floating *params,  # in
                    floating *work,          # UT, WT, VT, row 0 of h and c in; h, c, a, p (softmax) out
                    double *loss,            # (T, B)  out, nats
                    ) noexcept nogil:
    """The summed loss. The whole team gets the same."""
    cdef Py_ssize_t q, i, M = T * plan.B
    cdef Py_ssize_t lo = share(team, plan.B, 1, team.rank), hi = share(team, plan.B, 1, team.rank + 1)
    cdef Py_ssize_t first = share(team, M, 1, team.rank), last = share(team, M, 1, team.rank + 1)
    cdef double total = 0
    cdef const Layer *layer
    for q in range(plan.L):
        layer = &layers[q]
        if layer.I:
            if q == 0:
                embed(k, plan, layer, team, first, last, x, params, work)
            project(k, plan, layer, first, last, work)
            meet(team)
        layer_forward(k, plan, layer, T, lo, hi, x, params, work)
        meet(team)
        if plan.dropout > 0:
            drop(k, plan, mask(plan, team, q), first, last, plan.Hp, plan.Hs, work + layer.h + plan.B * plan.Hs,
                 work + layer.y)
    head_forward(k, plan, first, last, False, work + plan.top, params, work)
    if last > first:
        k.softmax(last - first, plan.K, work + plan.p + first * plan.Kp, plan.Kp, y + first,
                  plan.label_smoothing, loss + first)
    meet(team)
    for i in range(M):
        total += loss[i]
    return total


cdef void backward(const core_table *k, const Plan *plan, const Layer *layers, Team *team, Py_ssize_t T, double weight,
                   const int32_t *x,        # (T, B)                               in
                   const int32_t *y,        # (T, B)                               in
                   const floating *params,  # in
                   floating *work,          # UB, WB, h, c, a, p (softmax) in; p = dlogits, da out
                   ) noexcept nogil:
    """The derivatives of weight times the loss, down to those of the gates."""
    cdef Py_ssize_t q, M = T * plan.B
    cdef Py_ssize_t lo = share(team, plan.B, 1, team.rank), hi = share(team, plan.B, 1, team.rank + 1)
    cdef Py_ssize_t first = share(team, M, 1, team.rank), last = share(team, M, 1, team.rank + 1)
    cdef const Layer *layer
    cdef floating *d
    head_backward(k, plan, first, last, weight, y, params, work + layers[plan.L - 1].d, work)
    for q in range(plan.L - 1, -1, -1):
        layer = &layers[q]
        if plan.dropout > 0:
            drop(k, plan, mask(plan, team, q), first, last, plan.Hp, plan.Hs, work + layer.d, work + layer.d)
        meet(team)
        layer_backward(k, plan, layer, T, lo, hi, x, params, work)
        meet(team)
        if layer.I:
            project_backward(k, plan, layer, first, last, work)
    if plan.D and plan.dropout > 0:
        d = work + layers[0].dx
        drop(k, plan, mask(plan, team, plan.L), first, last, layers[0].Ip, layers[0].Is, d, d)


cdef void carry(const Plan *plan, const Layer *layers, Py_ssize_t T,
                floating *work,  # h, c: row T in, row 0 out
                ) noexcept nogil:
    cdef Py_ssize_t q, n = plan.B * plan.Hs
    for q in range(plan.L):
        memcpy(work + layers[q].h, work + layers[q].h + T * n, n * sizeof(floating))
        if plan.cell == LSTM:
            memcpy(work + layers[q].s, work + layers[q].s + T * n, n * sizeof(floating))


cdef void begin(const Plan *plan, const Layer *layers,
                const uint8_t *fresh,  # (B): the streams that begin from a zero state  in
                floating *work,        # h, s: row 0 = 0 of these                       out
                ) noexcept nogil:
    cdef Py_ssize_t q, j
    for j in range(plan.B):
        if fresh[j]:
            for q in range(plan.L):
                memset(work + layers[q].h + j * plan.Hs, 0, plan.Hp * sizeof(floating))
                if plan.cell == LSTM:
                    memset(work + layers[q].s + j * plan.Hs, 0, plan.Hp * sizeof(floating))


# --- gradients and the update -----------------------------------------------------------------------------------

cdef core_step *step_of(const core_table *k, str rule) except NULL:
    if rule == "sgd":
        return k.sgd
    if rule == "momentum":
        return k.momentum
    if rule == "rmsprop":
        return k.rmsprop
    if rule == "adagrad":
        return k.adagrad
    if rule == "adam":
        return k.adam
    raise ValueError(f"no optimiser step is called {rule!r}")


# What one update moves. `together` steps each block of rows while its gradient is still in the cache; it needs no
# whole gradient, so it is the way of one thread when nothing has to look at all of it first.
cdef struct Update:
    bint together
    Py_ssize_t size
    void *params
    void *grads
    void *m
    void *v
    const core_hyper *numbers
    core_step *step
    void (*scale)(Py_ssize_t, double, void *) noexcept nogil
    int32_t *seen                # (K)


cdef inline void step(Update *u, Py_ssize_t offset, Py_ssize_t n, const floating *grad) noexcept nogil:
    if u.numbers.weight_decay > 0:
        u.scale(n, core_kept(u.numbers.rate, u.numbers.weight_decay), <floating *>u.params + offset)
    u.step(n, <floating *>u.params + offset, grad,
           <floating *>u.m + offset if u.m != NULL else NULL,
           <floating *>u.v + offset if u.v != NULL else NULL, u.numbers)


cdef void matrix_gradient(const core_table *k, Update *u, Team *team, Py_ssize_t offset, Py_ssize_t rows,
                          Py_ssize_t used, Py_ssize_t n, Py_ssize_t M,
                          const floating *d, Py_ssize_t ldd,  # (M, rows)  in
                          const floating *x, Py_ssize_t ldx,  # (M, used)  in
                          ) noexcept nogil:
    """dP += d.T @ x, P (rows, n) at the offset"""
    cdef floating *grad = <floating *>u.grads + offset
    cdef Py_ssize_t i, end, q, blocks = (rows + k.rows - 1) // k.rows
    if not u.together:
        i, end = share(team, rows, 1, team.rank), share(team, rows, 1, team.rank + 1)
        if end > i:
            k.gemm(end - i, columns(k, used), M, d + i, 1, ldd, x, ldx, k.panel, grad + i * n, n, grad + i * n, n, 0)
        return
    for q in range(blocks):
        i = q * rows // blocks
        end = (q + 1) * rows // blocks
        k.gemm(end - i, columns(k, used), M, d + i, 1, ldd, x, ldx, k.panel, NULL, 0, grad, n, 0)
        step(u, offset + i * n, (end - i) * n, grad)


cdef void vector_gradient(const core_table *k, Update *u, Team *team, Py_ssize_t offset, Py_ssize_t used, Py_ssize_t n,
                          Py_ssize_t M,
                          const floating *d, Py_ssize_t ldd,  # (M, used)  in
                          ) noexcept nogil:
    """dp += d.sum(axis=0), p (used, padded to n) at the offset"""
    cdef floating *grad = <floating *>u.grads + offset
    cdef Py_ssize_t i = share(team, used, CORE_LANES, team.rank), end = share(team, used, CORE_LANES, team.rank + 1)
    if u.together:
        memset(grad, 0, n * sizeof(floating))
    k.sum_rows(M, end - i, d + i, ldd, grad + i)
    if u.together:
        step(u, offset, n, grad)


cdef void rows_gradient(const core_table *k, Update *u, Team *team, const Plan *plan, Py_ssize_t offset, Py_ssize_t n,
                        Py_ssize_t M,
                        const int32_t *x,                   # (M)        in: the rows that were read
                        const floating *d, Py_ssize_t ldd,  # (M, some)  in
                        Py_ssize_t some,                    # columns of d
                        Py_ssize_t others,                  # those of d that are to be passed over, and
                        Py_ssize_t behind,                  # behind which columns they are
                        ) noexcept nogil:
    """dP[x[i]] += d[i], P (K, n) at the offset"""
    cdef floating *grad = <floating *>u.grads + offset
    cdef Py_ssize_t i
    cdef Py_ssize_t lo = share(team, behind, CORE_LANES, team.rank), hi = share(team, behind, CORE_LANES, team.rank + 1)
    if u.together:
        if u.numbers.sparse:
            for i in range(M):
                memset(grad + x[i] * n, 0, n * sizeof(floating))
        else:
            memset(grad, 0, plan.K * n * sizeof(floating))
    for i in range(M):
        k.add(hi - lo, d + i * ldd + lo, grad + x[i] * n + lo)
    if others:
        lo = behind + share(team, some - behind, CORE_LANES, team.rank)
        hi = behind + share(team, some - behind, CORE_LANES, team.rank + 1)
        for i in range(M):
            k.add(hi - lo, d + i * ldd + others + lo, grad + x[i] * n + lo)
    if not u.together:
        return
    if not u.numbers.sparse:
        step(u, offset, plan.K * n, grad)
        return
    memset(u.seen, 0, plan.K * sizeof(int32_t))
    for i in range(M):
        if not u.seen[x[i]]:
            u.seen[x[i]] = 1
            step(u, offset + x[i] * n, n, grad + x[i] * n)


cdef void gradients(const core_table *k, const Plan *plan, const Layer *layers, Team *team, Py_ssize_t T, Update *u,
                    const int32_t *x,  # (T, B)                     in
                    floating *work,    # p = dlogits, da in; h in, then zero before each document: what W met there
                    ) noexcept nogil:
    cdef Py_ssize_t q, t, M = T * plan.B, N = gates(plan) * plan.H, H = plan.H
    cdef Py_ssize_t own = 2 * H if plan.cell == GRU else N  # gates whose derivatives are the same for input and state
    cdef const Layer *layer
    cdef floating *da
    matrix_gradient(k, u, team, plan.V, plan.K, H, plan.Hp, M, work + plan.p, plan.Kp, work + plan.top, plan.Hs)
    vector_gradient(k, u, team, plan.c, plan.Kp, plan.Kp, M, work + plan.p, plan.Kp)
    for q in range(plan.L - 1, -1, -1):  # what a layer gave to the one above is zeroed only after that has read it
        layer = &layers[q]
        da = work + layer.da
        if plan.end >= 0:
            meet(team)
            if team.rank == 0:
                for t in range(T):
                    copy_starts(plan, 0, plan.B, x + t * plan.B, <const floating *>NULL,
                                work + layer.h + t * plan.B * plan.Hs)
            meet(team)
        matrix_gradient(k, u, team, layer.W, N, H, plan.Hp, M, da, plan.Ds, work + layer.h, plan.Hs)
        if layer.I:
            matrix_gradient(k, u, team, layer.U, own, layer.I, layer.Ip, M, da, plan.Ds, work + layer.x, layer.Is)
            if plan.cell == GRU:
                matrix_gradient(k, u, team, layer.U + own * layer.Ip, H, layer.I, layer.Ip, M, da + 3 * H, plan.Ds,
                                work + layer.x, layer.Is)
        else:
            rows_gradient(k, u, team, plan, layer.U, plan.Gp, M, x, da, plan.Ds, N, H if plan.cell == GRU else 0, own)
        if q == 0 and plan.D:
            rows_gradient(k, u, team, plan, plan.E, layer.Ip, M, x, work + layer.dx, layer.Is, plan.D, 0, plan.D)
        vector_gradient(k, u, team, layer.b, N, plan.Gp, M, da, plan.Ds)
        if plan.cell == GRU:
            vector_gradient(k, u, team, layer.n, H, plan.Hp, M, da + 3 * H, plan.Ds)


cdef void clip_and_step(const core_table *k, const Plan *plan, const Layer *layers, Team *team, Py_ssize_t T, Update *u,
                 const int32_t *x,  # (T, B)                     in
                 floating *work,    # what `gradients` reads and zeroes
                 ) noexcept nogil:
    """Gradients, clipping and the optimiser's step, at once or one after the other: the same bits."""
    cdef floating *grads = <floating *>u.grads
    cdef Py_ssize_t lo = share(team, u.size, CORE_LANES, team.rank), hi = share(team, u.size, CORE_LANES, team.rank + 1)
    cdef double norm
    if not u.together:
        memset(grads + lo, 0, (hi - lo) * sizeof(floating))
        meet(team)
    gradients(k, plan, layers, team, T, u, x, work)
    if not u.together:
        meet(team)
        if u.numbers.clip_norm > 0:
            norm = sqrt(k.sum_squares(u.size, grads))  # each thread the whole of it: the same bits, and no meeting
            meet(team)
            if norm > u.numbers.clip_norm:
                k.scale(hi - lo, u.numbers.clip_norm / norm, grads + lo)
        step(u, lo, hi - lo, grads + lo)


# --- entry points -----------------------------------------------------------------------------------------------

cdef inline void alone(Team *team) noexcept nogil:
    team.rank, team.size, team.seed, team.update, team.shared = 0, 1, 0, 0, NULL


cdef inline bint meet(Team *team) noexcept nogil:
    """Wait for the whole team; False if one of its threads could not be started."""
    return team.size == 1 or core_meet(team.shared, team.size) == 0


cdef const Plan *checked(const Plan[::1] plan, const Layer[::1] layers, Py_ssize_t item) except NULL:
    """The one plan of a space, whose precision must be that of the arrays, with as many layers as it says."""
    cdef Py_ssize_t q = plan[0].precision
    if not 0 <= q < len(PRECISIONS) or list(PRECISIONS.values())[q]["weights"] != item:
        raise ValueError(f"precision {q} has no weights of {item} bytes")
    if not 0 <= plan[0].cell < len(CELLS):
        raise ValueError(f"no cell has the code {plan[0].cell}")
    if layers.shape[0] != plan[0].L:
        raise ValueError(f"the plan has {plan[0].L} layers, the space {layers.shape[0]}")
    return &plan[0]


def train(floating[::1] weights not None,  # (P)                                                       in, out
          space not None,                  # plan, layers; memory: row 0 of h and s is the carried state  in, out;
                                           # grads (P), seen (K) and losses (T * B)                    scratch
          windows not None,                # x and y: of one window after the other (steps, B); steps (n);
                                           # fresh (n, B): the streams that begin from a zero state    in
          update not None,                 # name, numbers (1) and rates (n) in; moments m, v (P) or (0)  in, out
          Run[::1] run not None,           # (1)                                                       in, out
          double[::1] loss not None,       # (n): nats of each window, summed                          out
          team=None,                       # rank, size; meeting (3): zeros at first                   in, out
          ):
    """Make an update for each of n windows, or stop before one whose loss is not finite.

    The weights are then those that gave it. Gradients are those of the loss summed over the steps, the mean of the
    streams.
    """
    cdef const Plan[::1] plans = space.plan
    cdef const Layer[::1] layers = space.layers
    cdef floating[::1] work = space.memory
    cdef floating[::1] grads = space.grads
    cdef int32_t[::1] seen = space.seen
    cdef double[::1] losses = space.losses
    cdef const int32_t[::1] x = windows.x
    cdef const int32_t[::1] y = windows.y
    cdef const int32_t[::1] steps = windows.steps
    cdef const uint8_t[:, ::1] fresh = windows.fresh
    cdef const core_hyper[::1] numbers = update.numbers
    cdef const double[::1] rates = update.rates
    cdef floating[::1] m = update.m
    cdef floating[::1] v = update.v
    cdef int32_t[::1] meeting
    cdef const Plan *plan = checked(plans, layers, sizeof(floating))
    cdef const core_table *k = core_get(sizeof(floating))
    cdef const Layer *L = &layers[0]
    cdef core_hyper hyper = numbers[0]
    cdef Update u
    cdef Team own
    cdef Py_ssize_t i, n, at = 0
    cdef double total, power1 = run[0].power1, power2 = run[0].power2
    cdef floating *P = &weights[0]
    cdef floating *w = &work[0]
    alone(&own)
    own.seed, own.update = run[0].seed, run[0].n_updates
    if team is not None and team.size > 1:
        meeting = team.meeting
        own.rank, own.size, own.shared = team.rank, team.size, &meeting[0]
    u.together = hyper.clip_norm <= 0 and own.size == 1 and plan.T * plan.B <= 256
    u.size = weights.shape[0]
    u.params = P
    u.grads = &grads[0]
    u.m = &m[0] if m.shape[0] else NULL
    u.v = &v[0] if v.shape[0] else NULL
    u.numbers = &hyper
    u.step = step_of(k, update.name)
    u.scale = k.scale
    u.seen = &seen[0]
    with nogil:
        if meet(&own):
            pack_weights(k, plan, L, &own, P, w)
            for i in range(loss.shape[0]):
                n = steps[i]
                if own.rank == 0:
                    begin(plan, L, &fresh[i, 0], w)
                meet(&own)
                total = forward(k, plan, L, &own, n, &x[at], &y[at], P, w, &losses[0])
                if not total - total == 0:  # all see the same total
                    break
                backward(k, plan, L, &own, n, 1.0 / plan.B, &x[at], &y[at], P, w)
                hyper.rate = rates[i]
                power1 *= hyper.beta1
                power2 *= hyper.beta2
                hyper.correction1 = 1 / (1 - power1)
                hyper.correction2 = 1 / (1 - power2)
                clip_and_step(k, plan, L, &own, n, &u, &x[at], w)
                meet(&own)
                own.update += 1
                if i + 1 < loss.shape[0]:  # else the next call does
                    pack_weights(k, plan, L, &own, P, w)
                at += n * plan.B
                if own.rank == 0:
                    carry(plan, L, n, w)
                    loss[i] = total
                    run[0].power1 = power1
                    run[0].power2 = power2
                    run[0].n_updates += 1


def loss_and_gradients(const floating[::1] weights not None,  # (P)                                     in
                       space not None,                 # plan, layers; memory: row 0 of h and s is the state before x[0]
                       const int32_t[::1] x not None,  # (T * B)                                        in
                       const int32_t[::1] y not None,  # (T * B)                                        in
                       floating[::1] grads not None,   # (P) += dloss/dweights; empty: the loss alone
                       double[::1] loss not None,      # (T * B)                                        out, nats
                       uint64_t seed=0,                # of the masks of dropout, those of the first update
                       ):
    """The summed loss of one window and, when there is room for them, its gradients."""
    cdef const Plan[::1] plans = space.plan
    cdef const Layer[::1] layers = space.layers
    cdef floating[::1] work = space.memory
    cdef const Plan *plan = checked(plans, layers, sizeof(floating))
    cdef const core_table *k = core_get(sizeof(floating))
    cdef const Layer *L = &layers[0]
    cdef Update u
    cdef Team team
    cdef double total
    cdef const floating *P = &weights[0]
    cdef floating *w = &work[0]
    memset(&u, 0, sizeof(Update))
    alone(&team)
    team.seed = seed
    with nogil:
        pack_weights(k, plan, L, &team, P, w)
        total = forward(k, plan, L, &team, plan.T, &x[0], &y[0], P, w, &loss[0])
        if grads.shape[0]:
            u.grads = &grads[0]
            backward(k, plan, L, &team, plan.T, 1.0, &x[0], &y[0], P, w)
            gradients(k, plan, L, &team, plan.T, &u, &x[0], w)
    return total


def evaluate(const floating[::1] weights not None,  # (P)                                                  in
             space not None,                        # plan, layers; memory: row 0 of h and s is the state before
                                                    # ids[0] in, before ids[N-1] out
             const int32_t[::1] ids not None,       # (N)                                                  in
             double[::1] loss not None,             # (N - 1): nats of each symbol after the first         out
             ):
    """-log p of every next symbol, the state carried along."""
    cdef const Plan[::1] plans = space.plan
    cdef const Layer[::1] layers = space.layers
    cdef floating[::1] work = space.memory
    cdef const Plan *plan = checked(plans, layers, sizeof(floating))
    cdef const core_table *k = core_get(sizeof(floating))
    cdef const Layer *L = &layers[0]
    cdef Team team
    cdef Py_ssize_t n, start = 0, N = ids.shape[0] - 1
    cdef const floating *P = &weights[0]
    cdef floating *w = &work[0]
    alone(&team)
    with nogil:
        pack_weights(k, plan, L, &team, P, w)
        while start < N:
            n = N - start if N - start < plan.T else plan.T
            forward(k, plan, L, &team, n, &ids[start], &ids[start + 1], P, w, &loss[start])
            carry(plan, L, n, w)
            start += n


def pack(const floating[::1] weights not None,  # (P)                                   in
         space not None,                        # plan, layers in; memory: packed weights  out
         ):
    """Pack weights for any number of calls of `sample`."""
    cdef const Plan[::1] plans = space.plan
    cdef const Layer[::1] layers = space.layers
    cdef floating[::1] work = space.memory
    cdef const Plan *plan = checked(plans, layers, sizeof(floating))
    cdef Team team
    alone(&team)
    pack_weights(core_get(sizeof(floating)), plan, &layers[0], &team, &weights[0], &work[0])


def sample(const floating[::1] weights not None,   # (P), and packed in the space                        in
           space not None,                         # of T = B = 1: plan, layers; memory: row 0 of h and s is the carried
                                                   # state in, out; logits (Kp)  scratch
           const int32_t[::1] prompt not None,     # (M): read before the first symbol is drawn; may be empty  in
           const Drawing[::1] drawing not None,    # (1)                                                 in
           const double[::1] uniform not None,     # (N) in [0, 1)                                       in
           int32_t[::1] out not None,              # (N)                                                 out
           ):
    """Draw N symbols, or fewer of a whole document; return how many.

    The state has not read the last of them: it is the prompt of the next call.
    """
    cdef const Plan[::1] plans = space.plan
    cdef const Layer[::1] layers = space.layers
    cdef floating[::1] work = space.memory
    cdef double[::1] logits = space.logits
    cdef const Plan *plan = checked(plans, layers, sizeof(floating))
    cdef const core_table *k = core_get(sizeof(floating))
    cdef const core_table *k64 = core_get(sizeof(double))
    cdef const Layer *L = &layers[0]
    cdef const Layer *layer
    cdef Py_ssize_t i, j, q, M = prompt.shape[0], drawn = out.shape[0], x
    cdef double *z = &logits[0]
    cdef const floating *P = &weights[0]
    cdef floating *w = &work[0]
    cdef const floating *top = w + L[plan.L - 1].h
    cdef const floating *below
    cdef floating *r
    cdef floating *h
    cdef floating *a
    with nogil:
        for q in range(plan.L):
            recur(k, plan, &L[q], 1, False, P, w, w + L[q].h, w + plan.r + q * plan.As, plan.As)
        for i in range(M + out.shape[0]):
            if i != M:  # the state reads a symbol; at M it has read the prompt and nothing else
                x = prompt[i] if i < M else out[i - M - 1]
                for q in range(plan.L):
                    layer = &L[q]
                    h, a, r = w + layer.h, w + layer.a, w + plan.r + q * plan.As
                    if layer.I:
                        below = <const floating *>w + L[q - 1].h if q else P + plan.E + x * layer.Ip
                        k.gemm(1, columns(k, gates(plan) * plan.H), layer.I, below, layer.Is, 1, w + layer.UT,
                               k.panel, k.panel * layer.I, NULL, 0, a, plan.As, 0)
                    cell_forward(k, plan, layer, x == plan.end, P, w,
                                 <const floating *>a if layer.I else P + layer.U + x * plan.Gp, r,
                                 h, w + layer.s, a, h, w + layer.s)
                    if plan.cell == RNN:
                        memcpy(h, r, plan.Hp * sizeof(floating))
            # The products over h take turns to be last: what one symbol leaves in the cache is what the next one
            # begins with.
            if i & 1 and i >= M:
                head_forward(k, plan, 0, 1, True, top, P, w)
            if i != M:
                for q in range(plan.L):
                    recur(k, plan, &L[q], 1, i & 1, P, w, w + L[q].h, w + plan.r + q * plan.As, plan.As)
            if not i & 1 and i >= M:
                head_forward(k, plan, 0, 1, False, top, P, w)
            if i >= M:
                for j in range(plan.K):
                    z[j] = w[plan.p + j]
                out[i - M] = <int32_t>k64.draw(plan.K, drawing[0].temperature, drawing[0].smoothing, uniform[i - M], z)
                if drawing[0].whole and out[i - M] == plan.end:
                    drawn = i - M + 1
                    break
    return drawn


def reflect(const double[::1] v not None,   # (n), of the length sqrt(2)                in
            double[:, :] Q not None,        # (n, n); its rows may lie in longer ones   in, out
            double[::1] sums not None,      # (2 * n)                                   scratch
            ):
    """Q -= v (v.T @ Q): the reflection of each column in the plane across v.

    Products and sums are primitives of their own, one after the other through memory, so that no compiler fuses them:
    the same bits on every instruction set, with fused multiply-add and without.
    """
    cdef const core_table *k = core_get(sizeof(double))
    cdef Py_ssize_t i, n = v.shape[0]
    cdef double *sum = &sums[0]
    cdef double *row = &sums[n]
    memset(sum, 0, n * sizeof(double))
    with nogil:
        for i in range(n):
            memcpy(row, &Q[i, 0], n * sizeof(double))
            k.scale(n, v[i], row)
            k.add(n, row, sum)
        for i in range(n):
            memcpy(row, sum, n * sizeof(double))
            k.scale(n, -v[i], row)
            k.add(n, row, &Q[i, 0])


# --- single primitives, for tests and benchmarks ----------------------------------------------------------------

def matmul(const floating[:, ::1] A not None,  # (M, K), or (K, M) when transposed     in
           const floating[:, ::1] B not None,  # (K, N)                                in
           floating[:, ::1] C not None,        # (M, Np): where the sums start         in, out
           floating[::1] panels not None,      # ((N + 2 * LANES) * K)  scratch for the packed B
           bint transposed, bint packed, bint reverse, Py_ssize_t repeat=1,
           ):
    """C += A @ B (or A.T @ B), N padded to LANES."""
    cdef const core_table *k = core_get(sizeof(floating))
    cdef Py_ssize_t M = A.shape[1] if transposed else A.shape[0], K = B.shape[0], N = C.shape[1], _i
    cdef Py_ssize_t bs = k.panel if packed else N, ps = k.panel * K if packed else k.panel
    cdef Py_ssize_t ra = 1 if transposed else K, ca = M if transposed else 1
    k.pack(K, B.shape[1], &B[0, 0], B.shape[1], 1, &panels[0], bs, ps)
    with nogil:
        for _i in range(repeat):
            k.gemm(M, N, K, &A[0, 0], ra, ca, &panels[0], bs, ps, &C[0, 0], N, &C[0, 0], N, reverse)


def transpose(const floating[:, ::1] A not None,  # (N, K)       in
              floating[:, ::1] B not None,        # (K, Np)      out
              ):
    """B[:, :N] = A.T"""
    cdef const core_table *k = core_get(sizeof(floating))
    k.pack(A.shape[1], A.shape[0], &A[0, 0], 1, A.shape[1], &B[0, 0], B.shape[1], k.panel)


def activation(str name not None, floating[::1] x not None):   # x (N)  in, out
    """x = exp(x) for x <= 0, tanh(x) or sigmoid(x)."""
    cdef const core_table *k = core_get(sizeof(floating))
    if name == "exp":
        k.exp(x.shape[0], &x[0])
    elif name == "tanh":
        k.tanh(x.shape[0], &x[0])
    elif name == "sigmoid":
        k.sigmoid(x.shape[0], &x[0])
    else:
        raise ValueError(f"no activation is called {name!r}")


def softmax(floating[:, ::1] p not None,     # (M, Kp): logits in, probabilities out, zero beyond K
            Py_ssize_t K,
            const int32_t[::1] y not None,   # (M)                                in
            double[::1] loss not None,       # (M) in nats                        out
            double smoothing=0,              # the share of the target y[i] that is spread evenly over all K
            ):
    """Softmax of each row and the cross-entropy of its target."""
    cdef const core_table *k = core_get(sizeof(floating))
    k.softmax(p.shape[0], K, &p[0, 0], p.shape[1], &y[0], smoothing, &loss[0])


def optimizer_step(str rule not None, const core_hyper[::1] numbers not None,
                   floating[::1] p not None,         # (N)         in, out
                   const floating[::1] g not None,   # (N)         in
                   floating[::1] m not None,         # (N)         in, out
                   floating[::1] v not None,         # (N)         in, out
                   ):
    """One step of an optimiser, the gradient clipped to [-clip_value, clip_value] first."""
    step_of(core_get(sizeof(floating)), rule)(p.shape[0], &p[0], &g[0], &m[0], &v[0], &numbers[0])


def multiply_adds(floating[::1] x not None, Py_ssize_t n):
    """n rounds of fused multiply-adds and nothing else; returns the floating-point operations done."""
    cdef const core_table *k = core_get(sizeof(floating))
    cdef double flops
    with nogil:
        flops = k.spin(n, &x[0])
    return flops
