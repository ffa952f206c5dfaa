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
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset


cdef extern from "core/core.h" nogil:
    enum: CORE_LANES
    ctypedef struct core_hyper:
        double rate, clip, momentum, decay, eps, beta1, beta2, correction1, correction2
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
        void (*softmax)(Py_ssize_t M, Py_ssize_t K, void *p, Py_ssize_t ld, const int32_t *y,
                        double *loss) noexcept nogil
        double (*sum_squares)(Py_ssize_t n, const void *x) noexcept nogil
        void (*scale)(Py_ssize_t n, double factor, void *x) noexcept nogil
        core_step *sgd
        core_step *momentum
        core_step *rmsprop
        core_step *adagrad
        core_step *adam
        double (*spin)(Py_ssize_t n, void *x) noexcept nogil
        Py_ssize_t (*draw)(Py_ssize_t K, double temperature, double u, double *z) noexcept nogil
    const core_table *core_get(Py_ssize_t itemsize) noexcept nogil
    const char *core_name(int i) noexcept
    const char *core_best() noexcept
    int core_supported(const char *name) noexcept nogil
    int core_select(const char *name) noexcept nogil
    const char *core_selected() noexcept nogil


LANES = CORE_LANES


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
        why = "this processor does not have it" if name in names else "this build does not know it"
        raise ImportError(
            f"PYCHARRNN_SIMD={name!r} cannot be used: {why}; "
            f"set it to one of {', '.join(able)}, or leave it unset for the best of them"
        )


# --- one recurrent layer and the softmax head -------------------------------------------------------------------

# Sizes, and where each array starts in the flat vectors (in elements). One dict of network.py becomes one Plan.
cdef struct Plan:
    Py_ssize_t T, B, K, H, Hp, Kp
    Py_ssize_t U, W, b, V, c     # in params, grads and moments: (K, H) (H, H) (H) (K, H) (K)
    Py_ssize_t h, p, d, WT, VT   # in work: (T+1, B, H) (T, B, K) (T, B, H) (H, H) packed, (H, K) packed
    Py_ssize_t r                 # in work, scratch: (B, H)
    Py_ssize_t end               # the symbol that ends a document and begins the next from a zero state; -1: none


cdef inline Py_ssize_t step_stride(const core_table *k, Plan *plan) noexcept nogil:
    """Distance of WT's rows: whole rows for a matrix-vector product, panels for a batch. Its panels are
    `panel_stride` apart. The one place that looks at the batch; both ways sum alike and give the same bits."""
    return plan.Hp if plan.B == 1 else k.panel


cdef inline Py_ssize_t panel_stride(const core_table *k, Plan *plan) noexcept nogil:
    return k.panel if plan.B == 1 else k.panel * plan.H


cdef inline Py_ssize_t columns(const core_table *k, Py_ssize_t n) noexcept nogil:
    """n in whole vectors: what a product has to compute of a padded row."""
    return (n + k.width - 1) // k.width * k.width


cdef void pack_weights(const core_table *k, Plan *plan,
                       floating *params,  # in
                       floating *work,    # WT = W.T and VT = V.T  out
                       ) noexcept nogil:
    k.pack(plan.H, plan.H, params + plan.W, 1, plan.Hp, work + plan.WT, step_stride(k, plan), panel_stride(k, plan))
    k.pack(plan.H, plan.K, params + plan.V, 1, plan.Hp, work + plan.VT, k.panel, k.panel * plan.H)


cdef inline void recur(const core_table *k, Plan *plan, bint reverse,
                       floating *params,  # b           in
                       floating *work,    # WT          in
                       floating *h,       # (B, H)      in
                       floating *a,       # (B, H)      out
                       ) noexcept nogil:
    """a = b + h @ W.T"""
    k.gemm(plan.B, columns(k, plan.H), plan.H, h, plan.Hp, 1, work + plan.WT, step_stride(k, plan),
           panel_stride(k, plan), params + plan.b, 0, a, plan.Hp, reverse)


cdef inline void read(const core_table *k, Plan *plan,
                      const int32_t *x,   # (B)                        in
                      floating *params,   # U, b                       in
                      floating *a,        # (B, H): b + W h in, the new h out
                      ) noexcept nogil:
    """h = tanh(a + U[x]), with a = b where a document begins"""
    cdef Py_ssize_t i
    for i in range(plan.B):
        if x[i] == plan.end:
            memcpy(a + i * plan.Hp, params + plan.b, plan.Hp * sizeof(floating))
        k.add_tanh(plan.Hp, params + plan.U + x[i] * plan.Hp, a + i * plan.Hp)


cdef void rnn_forward(const core_table *k, Plan *plan, Py_ssize_t T,
                      const int32_t *x,   # (T, B)         in
                      floating *params,   # U, b           in
                      floating *work,     # WT in; h (T+1, B, H): row 0 in, rows 1.. out
                      ) noexcept nogil:
    """h[t+1] = tanh(b + h[t] @ W.T + U[x[t]]). Every other step walks W backwards, to meet it in the cache."""
    cdef Py_ssize_t t, n = plan.B * plan.Hp
    cdef floating *h = work + plan.h
    for t in range(T):
        recur(k, plan, t & 1, params, work, h + t * n, h + (t + 1) * n)
        read(k, plan, x + t * plan.B, params, h + (t + 1) * n)


cdef inline void copy_starts(Plan *plan,
                             const int32_t *x,  # (B)     in
                             floating *a,       # (B, H)  in; NULL: zeros
                             floating *c,       # (B, H)  out: the rows of streams in which x begins a document
                             ) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(plan.B):
        if x[i] == plan.end:
            if a == NULL:
                memset(c + i * plan.Hp, 0, plan.Hp * sizeof(floating))
            else:
                memcpy(c + i * plan.Hp, a + i * plan.Hp, plan.Hp * sizeof(floating))


cdef void rnn_backward(const core_table *k, Plan *plan, Py_ssize_t T,
                       const int32_t *x,  # (T, B)                                          in
                       floating *params,  # W                                               in
                       floating *work,    # h in; d (T, B, H): dloss/dh from the head in, dloss/da out
                       ) noexcept nogil:
    """da[t] = (1 - h[t+1]**2) * (dh[t] + da[t+1] @ W), without the product where x[t+1] begins a document"""
    cdef Py_ssize_t t, n = plan.B * plan.Hp
    cdef floating *d
    for t in range(T - 1, -1, -1):
        d = work + plan.d + t * n
        if t < T - 1:
            copy_starts(plan, x + (t + 1) * plan.B, d, work + plan.r)
            k.gemm(plan.B, columns(k, plan.H), plan.H, d + n, plan.Hp, 1, params + plan.W, plan.Hp, k.panel,
                   d, plan.Hp, d, plan.Hp, t & 1)
            copy_starts(plan, x + (t + 1) * plan.B, work + plan.r, d)
        k.tanh_backward(n, work + plan.h + (t + 1) * n, d)


cdef void head_forward(const core_table *k, Plan *plan, Py_ssize_t M,
                       bint reverse,
                       floating *h,       # (M, H)                    in
                       floating *params,  # c                         in
                       floating *work,    # VT in; p (M, K): logits   out
                       ) noexcept nogil:
    """logits = c + h @ V.T, for M rows at once"""
    k.gemm(M, columns(k, plan.K), plan.H, h, plan.Hp, 1, work + plan.VT, k.panel, k.panel * plan.H,
           params + plan.c, 0, work + plan.p, plan.Kp, reverse)


cdef void head_backward(const core_table *k, Plan *plan, Py_ssize_t M,
                        const int32_t *y,  # (M)                                         in
                        floating *params,  # V                                           in
                        floating *work,    # p: softmax in, dloss/dlogits out; d (M, H) = dlogits @ V  out
                        ) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(M):
        work[plan.p + i * plan.Kp + y[i]] -= 1
    k.gemm(M, columns(k, plan.H), plan.K, work + plan.p, plan.Kp, 1, params + plan.V, plan.Hp, k.panel,
           NULL, 0, work + plan.d, plan.Hp, 0)


cdef double forward(const core_table *k, Plan *plan, Py_ssize_t T,
                    const int32_t *x,   # (T, B)  in
                    const int32_t *y,   # (T, B)  in
                    floating *params,   # in
                    floating *work,     # WT, VT, h[0] in; h, p (softmax) out
                    double *loss,       # (T, B)  out, nats
                    ) noexcept nogil:
    cdef Py_ssize_t i
    cdef double total = 0
    rnn_forward(k, plan, T, x, params, work)
    head_forward(k, plan, T * plan.B, False, work + plan.h + plan.B * plan.Hp, params, work)
    k.softmax(T * plan.B, plan.K, work + plan.p, plan.Kp, y, loss)
    for i in range(T * plan.B):
        total += loss[i]
    return total


# --- gradients and the update -----------------------------------------------------------------------------------

cdef struct Optimizer:
    bint sparse                  # a zero gradient changes nothing: rows that were not read need no step
    double clip_norm             # 0: no clipping by norm
    core_hyper hyper


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
# whole gradient, so it is the way when nothing has to look at all of it first.
cdef struct Update:
    bint together
    Py_ssize_t size
    void *params
    void *grads
    void *m
    void *v
    void *best                   # takes the parameters before their step, or NULL
    Optimizer *optimizer
    core_step *step
    int32_t *seen                # (K)


cdef inline void step(Update *u, Py_ssize_t offset, Py_ssize_t n, floating *grad) noexcept nogil:
    if u.best != NULL:  # now that the step reads them anyway
        memcpy(<floating *>u.best + offset, <floating *>u.params + offset, n * sizeof(floating))
    u.step(n, <floating *>u.params + offset, grad,
           <floating *>u.m + offset if u.m != NULL else NULL,
           <floating *>u.v + offset if u.v != NULL else NULL, &u.optimizer.hyper)


cdef void matrix_gradient(const core_table *k, Update *u, Py_ssize_t offset, Py_ssize_t rows, Py_ssize_t used,
                          Py_ssize_t n, Py_ssize_t M,
                          floating *d, Py_ssize_t ldd,  # (M, rows)  in
                          floating *x,                  # (M, n)     in
                          ) noexcept nogil:
    """dP += d.T @ x, P (rows, n) at the offset"""
    cdef floating *grad = <floating *>u.grads + offset
    cdef Py_ssize_t i, end, q, blocks = (rows + k.rows - 1) // k.rows
    if not u.together:
        k.gemm(rows, columns(k, used), M, d, 1, ldd, x, n, k.panel, grad, n, grad, n, 0)
        return
    for q in range(blocks):
        i = q * rows // blocks
        end = (q + 1) * rows // blocks
        k.gemm(end - i, columns(k, used), M, d + i, 1, ldd, x, n, k.panel, NULL, 0, grad, n, 0)
        step(u, offset + i * n, (end - i) * n, grad)


cdef void vector_gradient(const core_table *k, Update *u, Py_ssize_t offset, Py_ssize_t n, Py_ssize_t M,
                          floating *d,  # (M, n)  in
                          ) noexcept nogil:
    """dp += d.sum(axis=0), p (n) at the offset"""
    cdef floating *grad = <floating *>u.grads + offset
    if u.together:
        memset(grad, 0, n * sizeof(floating))
    k.sum_rows(M, n, d, n, grad)
    if u.together:
        step(u, offset, n, grad)


cdef void rows_gradient(const core_table *k, Update *u, Py_ssize_t offset, Py_ssize_t rows, Py_ssize_t n,
                        Py_ssize_t M,
                        const int32_t *x,  # (M)     in: the rows that were read
                        floating *d,       # (M, n)  in
                        ) noexcept nogil:
    """dP[x[i]] += d[i], P (rows, n) at the offset"""
    cdef floating *grad = <floating *>u.grads + offset
    cdef Py_ssize_t i
    if u.together:
        if u.optimizer.sparse:
            for i in range(M):
                memset(grad + x[i] * n, 0, n * sizeof(floating))
        else:
            memset(grad, 0, rows * n * sizeof(floating))
    for i in range(M):
        k.add(n, d + i * n, grad + x[i] * n)
    if not u.together:
        return
    if not u.optimizer.sparse:
        step(u, offset, rows * n, grad)
        return
    if u.best != NULL:  # all rows, not only those that are stepped
        memcpy(<floating *>u.best + offset, <floating *>u.params + offset, rows * n * sizeof(floating))
    memset(u.seen, 0, rows * sizeof(int32_t))
    for i in range(M):
        if not u.seen[x[i]]:
            u.seen[x[i]] = 1
            step(u, offset + x[i] * n, n, grad + x[i] * n)


cdef void gradients(const core_table *k, Plan *plan, Py_ssize_t T, Update *u,
                    const int32_t *x,  # (T, B)                     in
                    floating *work,    # p = dlogits, d = da in; h in, then zero before each document: what W met there
                    ) noexcept nogil:
    cdef Py_ssize_t t, M = T * plan.B
    matrix_gradient(k, u, plan.V, plan.K, plan.H, plan.Hp, M, work + plan.p, plan.Kp, work + plan.h + plan.B * plan.Hp)
    vector_gradient(k, u, plan.c, plan.Kp, M, work + plan.p)
    for t in range(T):
        copy_starts(plan, x + t * plan.B, <floating *>NULL, work + plan.h + t * plan.B * plan.Hp)
    matrix_gradient(k, u, plan.W, plan.H, plan.H, plan.Hp, M, work + plan.d, plan.Hp, work + plan.h)
    rows_gradient(k, u, plan.U, plan.K, plan.Hp, M, x, work + plan.d)
    vector_gradient(k, u, plan.b, plan.Hp, M, work + plan.d)


cdef void update(const core_table *k, Plan *plan, Py_ssize_t T, Update *u, const int32_t *x, floating *work,
                 ) noexcept nogil:
    """Gradients, clipping and the optimiser's step, at once or one after the other: the same bits."""
    cdef floating *grads = <floating *>u.grads
    cdef double norm
    if not u.together:
        memset(grads, 0, u.size * sizeof(floating))
    gradients(k, plan, T, u, x, work)
    if not u.together:
        if u.optimizer.clip_norm > 0:
            norm = sqrt(k.sum_squares(u.size, grads))
            if norm > u.optimizer.clip_norm:
                k.scale(u.size, u.optimizer.clip_norm / norm, grads)
        step(u, 0, u.size, grads)


# --- entry points -----------------------------------------------------------------------------------------------

# What a run carries from one call of `train` to the next, written in place: an interrupt loses none of it.
cdef enum:
    POSITION                     # in the stream: where the next window starts
    N_UPDATES
    BEST_UPDATE                  # updates made by the best weights
cdef enum:
    SMOOTH_LOSS                  # nats per T characters; negative before the first update
    BEST_LOSS
    POWER1                       # beta1**n and
    POWER2                       # beta2**n of Adam


def train(const int32_t[::1] ids not None,   # (N)                                  in
          floating[::1] params not None,     # (P)                                  in, out
          floating[::1] grads not None,      # (P)                                  scratch
          floating[::1] m not None,          # (P) or (0)                           in, out
          floating[::1] v not None,          # (P) or (0)                           in, out
          floating[::1] best not None,       # (P): weights of the lowest smooth loss   out
          floating[::1] work not None,       # h[0] is the carried state            in, out
          int32_t[::1] seen not None,        # (K)                                  scratch
          int32_t[::1] xy not None,          # (2 * T * B)                          scratch
          Plan plan, str rule not None, Optimizer optimizer,
          int64_t[::1] counts not None,      # (3)                                  in, out
          double[::1] scalars not None,      # (4)                                  in, out
          double[::1] step_loss not None,    # (T * B)                              scratch
          double[::1] loss not None,         # (n): loss of each update             out
          double[::1] smooth not None,       # (n): smooth loss after each          out
          ):
    """Run n updates, or stop before one whose loss is not finite: the weights are then those that gave it.

    Each stream is read in windows of T, the last one as short as what is left, and the state is reset when the text
    starts anew. A window of n < T characters weighs n / T in the smooth loss, so that every character counts alike;
    losses are given for T characters of one stream.
    """
    cdef const core_table *k = core_get(sizeof(floating))
    cdef Update u
    cdef Py_ssize_t i, t, j, n, S = (ids.shape[0] - 1) // plan.B, state = plan.B * plan.Hp
    cdef double total, share
    cdef int32_t *x = &xy[0]
    cdef int32_t *y
    cdef floating *P = &params[0]
    cdef floating *w = &work[0]
    u.together = optimizer.clip_norm <= 0
    u.size = params.shape[0]
    u.params = P
    u.grads = &grads[0]
    u.m = &m[0] if m.shape[0] else NULL
    u.v = &v[0] if v.shape[0] else NULL
    u.optimizer = &optimizer
    u.step = step_of(k, rule)
    u.seen = &seen[0]
    with nogil:
        pack_weights(k, &plan, P, w)
        for i in range(loss.shape[0]):
            n = S - counts[POSITION]
            if n > plan.T:
                n = plan.T
            y = x + n * plan.B
            for t in range(n):
                for j in range(plan.B):
                    x[t * plan.B + j] = ids[j * S + counts[POSITION] + t]
                    y[t * plan.B + j] = ids[j * S + counts[POSITION] + t + 1]
            if counts[POSITION] == 0:
                memset(w + plan.h, 0, state * sizeof(floating))
            total = forward(k, &plan, n, x, y, P, w, &step_loss[0])
            if not total - total == 0:
                break
            share = <double>n / plan.T
            loss[i] = total / share / plan.B
            if scalars[SMOOTH_LOSS] < 0:
                scalars[SMOOTH_LOSS] = loss[i]
            else:
                scalars[SMOOTH_LOSS] += 0.001 * share * (loss[i] - scalars[SMOOTH_LOSS])
            smooth[i] = scalars[SMOOTH_LOSS]
            u.best = NULL
            if scalars[SMOOTH_LOSS] < scalars[BEST_LOSS]:
                scalars[BEST_LOSS] = scalars[SMOOTH_LOSS]
                counts[BEST_UPDATE] = counts[N_UPDATES]
                u.best = &best[0]
            head_backward(k, &plan, n * plan.B, y, P, w)
            rnn_backward(k, &plan, n, x, P, w)
            scalars[POWER1] *= optimizer.hyper.beta1
            scalars[POWER2] *= optimizer.hyper.beta2
            optimizer.hyper.correction1 = 1 / (1 - scalars[POWER1])
            optimizer.hyper.correction2 = 1 / (1 - scalars[POWER2])
            update(k, &plan, n, &u, x, w)
            pack_weights(k, &plan, P, w)
            memcpy(w + plan.h, w + plan.h + n * state, state * sizeof(floating))
            counts[N_UPDATES] += 1
            counts[POSITION] += n
            if counts[POSITION] == S:
                counts[POSITION] = 0


def loss_and_gradients(const int32_t[::1] x not None,     # (T * B)                         in
                       const int32_t[::1] y not None,     # (T * B)                         in
                       floating[::1] params not None,     # (P)                             in
                       floating[::1] grads not None,      # (P) += dloss/dparams; empty: the loss alone
                       floating[::1] work not None,       # h[0] is the state before x[0]   in
                       Plan plan,
                       double[::1] loss not None,         # (T * B)                         out, nats
                       ):
    """The summed loss of one window and, when there is room for them, its gradients."""
    cdef const core_table *k = core_get(sizeof(floating))
    cdef Update u
    cdef double total
    cdef floating *P = &params[0]
    cdef floating *w = &work[0]
    memset(&u, 0, sizeof(Update))
    with nogil:
        pack_weights(k, &plan, P, w)
        total = forward(k, &plan, plan.T, &x[0], &y[0], P, w, &loss[0])
        if grads.shape[0]:
            u.grads = &grads[0]
            head_backward(k, &plan, plan.T * plan.B, &y[0], P, w)
            rnn_backward(k, &plan, plan.T, &x[0], P, w)
            gradients(k, &plan, plan.T, &u, &x[0], w)
    return total


def evaluate(const int32_t[::1] ids not None,   # (N)                                   in
             floating[::1] params not None,     # (P)                                   in
             floating[::1] work not None,       # h[0] is the state before ids[0]: in; before ids[N-1]: out
             Plan plan,
             double[::1] loss not None,         # (N - 1): nats of each character after the first  out
             ):
    """-log p of every next character, the state carried along."""
    cdef const core_table *k = core_get(sizeof(floating))
    cdef Py_ssize_t n, start = 0, state = plan.Hp, N = ids.shape[0] - 1
    cdef floating *P = &params[0]
    cdef floating *w = &work[0]
    with nogil:
        pack_weights(k, &plan, P, w)
        while start < N:
            n = N - start if N - start < plan.T else plan.T
            forward(k, &plan, n, &ids[start], &ids[start + 1], P, w, &loss[start])
            memcpy(w + plan.h, w + plan.h + n * state, state * sizeof(floating))
            start += n


def sample(const int32_t[::1] prompt not None,   # (M): read before the first character is drawn; may be empty   in
           floating[::1] params not None,        # (P)                                                in
           floating[::1] work not None,          # T = B = 1; h[0] is the carried state               in, out
           Plan plan, bint pack,                 # pack the weights first: once for each set of them
           const double[::1] uniform not None,   # (N) in [0, 1)                                      in
           double temperature,                   # divides the logits; 0 takes the likeliest character
           double[::1] weights not None,         # (Kp)                                               scratch
           bint whole,                           # stop after the symbol that ends a document
           int32_t[::1] out not None,            # (N)                                                out
           ):
    """Draw N symbols, or fewer of a whole document; return how many.

    The state has not read the last of them: it is the prompt of the next call.
    """
    cdef const core_table *k = core_get(sizeof(floating))
    cdef const core_table *k64 = core_get(sizeof(double))
    cdef Py_ssize_t i, j, M = prompt.shape[0], drawn = out.shape[0]
    cdef const int32_t *x
    cdef double *z = &weights[0]
    cdef floating *P = &params[0]
    cdef floating *w = &work[0]
    cdef floating *h = w + plan.h
    cdef floating *a = h + plan.Hp
    with nogil:
        if pack:
            pack_weights(k, &plan, P, w)
        recur(k, &plan, False, P, w, h, a)
        for i in range(M + out.shape[0]):
            if i != M:  # the state reads a character; at M it has read the prompt and nothing else
                x = &prompt[i] if i < M else &out[i - M - 1]
                read(k, &plan, x, P, a)
                memcpy(h, a, plan.Hp * sizeof(floating))
            # Both products read the same h, so they take turns to be last: what one character leaves in the cache
            # is what the next one begins with.
            if i & 1 and i >= M:
                head_forward(k, &plan, 1, True, h, P, w)
            if i != M:
                recur(k, &plan, i & 1, P, w, h, a)
            if not i & 1 and i >= M:
                head_forward(k, &plan, 1, False, h, P, w)
            if i >= M:
                for j in range(plan.K):
                    z[j] = w[plan.p + j]
                out[i - M] = <int32_t>k64.draw(plan.K, temperature, uniform[i - M], z)
                if whole and out[i - M] == plan.end:
                    drawn = i - M + 1
                    break
    return drawn


# --- single primitives, for tests and benchmarks ----------------------------------------------------------------

def matmul(floating[:, ::1] A not None,      # (M, K), or (K, M) when transposed     in
           floating[:, ::1] B not None,      # (K, N)                                in
           floating[:, ::1] C not None,      # (M, Np): where the sums start         in, out
           floating[::1] panels not None,    # ((N + 2 * LANES) * K)  scratch for the packed B
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


def transpose(floating[:, ::1] A not None,   # (N, K)       in
              floating[:, ::1] B not None,   # (K, Np)      out
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
            double[::1] loss not None,       # (M): -log p[i, y[i]] in nats        out
            ):
    """Softmax of each row and the cross-entropy of its target."""
    cdef const core_table *k = core_get(sizeof(floating))
    k.softmax(p.shape[0], K, &p[0, 0], p.shape[1], &y[0], &loss[0])


def optimizer_step(str rule not None, core_hyper hyper,
                   floating[::1] p not None,         # (N)         in, out
                   const floating[::1] g not None,   # (N)         in
                   floating[::1] m not None,         # (N)         in, out
                   floating[::1] v not None,         # (N)         in, out
                   ):
    """One step of an optimiser, the gradient clipped to [-hyper.clip, hyper.clip] first."""
    step_of(core_get(sizeof(floating)), rule)(p.shape[0], &p[0], &g[0], &m[0], &v[0], &hyper)


def multiply_adds(floating[::1] x not None, Py_ssize_t n):
    """n rounds of fused multiply-adds and nothing else; returns the floating-point operations done."""
    cdef const core_table *k = core_get(sizeof(floating))
    cdef double flops
    with nogil:
        flops = k.spin(n, &x[0])
    return flops
