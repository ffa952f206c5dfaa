# Gradients, clipping and the optimiser's step.
from cython cimport floating
from libc.math cimport sqrt
from libc.stdint cimport int32_t
from libc.string cimport memset

# Products of a block of rows of a gradient, at most: between two blocks somebody may ask to stop.
cdef enum:
    MOST = 1 << 30


# What one update changes. `together` steps each block of rows while its gradient is still in the cache. One
# thread uses it where no step needs the whole gradient, that is, without `clip_norm`, and where nobody may ask to
# leave the update undone: what has been stepped cannot be taken back.
cdef struct Step:
    bint together
    Py_ssize_t size              # P
    void *weights                # (P)  in, out
    void *grads                  # (P)  scratch
    void *m                      # (P) or NULL  in, out
    void *v                      # (P) or NULL  in, out
    void *average                # (P) or NULL  in, out: the moving average of the weights
    core_numbers numbers
    core_rule_step *rule
    int32_t *seen                # (K)  scratch: the rows of embeddings or U that have been stepped


cdef core_rule_step *rule_named(const core_table *k, str name) except NULL:
    """The step of an optimiser."""
    cdef const core_rule *row = k.rules
    cdef bytes wanted = name.encode()
    while row.name != NULL:
        if row.name == wanted:
            return row.step
        row += 1
    raise ValueError(f"no optimiser step is called {name!r}; choose one of {', '.join(RULES)}")


cdef inline void apply(const core_table *k, Step *u, Py_ssize_t offset, Py_ssize_t n,
                       const floating *grad,  # (n)  in
                       ) noexcept nogil:
    """Weight decay and the optimiser's step of n weights from the offset on."""
    cdef floating *weights = <floating *>u.weights + offset
    if u.numbers.weight_decay > 0:
        k.scale(n, core_kept(u.numbers.rate, u.numbers.weight_decay), weights)
    u.rule(n, weights, grad,
           <floating *>u.m + offset if u.m != NULL else NULL,
           <floating *>u.v + offset if u.v != NULL else NULL, &u.numbers)


cdef core_panels operand(const Window *w,
                         const floating *x, Py_ssize_t ldx, Py_ssize_t N,  # (M, N)  in
                         floating *work,                                   # R       scratch
                         ) noexcept nogil:
    """x as the right matrix of a gradient: packed once for all threads, where products would round it again and again.

    All of them must have used the one before.
    """
    cdef const core_table *k = w.k
    cdef Py_ssize_t M = w.T * w.plan.B
    cdef Py_ssize_t lo = share(w.team, M, k.panel, w.team.rank), hi = share(w.team, M, k.panel, w.team.rank + 1)
    cdef core_panels right = packed(k, work + w.plan.R, M)
    if w.plan.R < 0:
        return plain(k, x, ldx)
    meet(w.team)
    k.pack(hi - lo, columns(k, N), by_rows(x + lo * ldx, ldx), from_row(right, lo, sizeof(floating)))
    meet(w.team)
    return right


cdef void matrix_gradient(const Window *w, Step *u, Place P,
                          const floating *d, Py_ssize_t ldd,  # (M, P.rows)  in
                          core_panels x,                      # (M, P.used)  in
                          ) noexcept nogil:
    """dP += d.T @ x"""
    cdef const core_table *k = w.k
    cdef floating *grad = <floating *>u.grads + P.offset
    cdef Py_ssize_t i, end, q, blocks = (P.rows + k.rows - 1) // k.rows, M = w.T * w.plan.B
    if not u.together:
        i, end = share(w.team, P.rows, 1, w.team.rank), share(w.team, P.rows, 1, w.team.rank + 1)
        q = max(16 * k.rows, MOST // (P.used * M) // k.rows * k.rows)
        while i < end and not hurries(w.team):
            multiply(k, min(q, end - i), P.used, M, transposed(d + i, ldd), x, onto(grad + i * P.stride, P.stride))
            i += q
        return
    for q in range(blocks):
        i = q * P.rows // blocks
        end = (q + 1) * P.rows // blocks
        multiply(k, end - i, P.used, M, transposed(d + i, ldd), x, into(grad, P.stride))
        apply(k, u, P.offset + i * P.stride, (end - i) * P.stride, <const floating *>grad)


cdef void vector_gradient(const Window *w, Step *u, Place P,
                          const floating *d, Py_ssize_t ldd,  # (M, P.used)  in
                          ) noexcept nogil:
    """dP += d.sum(axis=0)"""
    cdef floating *grad = <floating *>u.grads + P.offset
    cdef Py_ssize_t i = share(w.team, P.used, CORE_LANES, w.team.rank)
    cdef Py_ssize_t end = share(w.team, P.used, CORE_LANES, w.team.rank + 1)
    if u.together:
        memset(grad, 0, P.stride * sizeof(floating))
    w.k.sum_rows(w.T * w.plan.B, end - i, d + i, ldd, grad + i)
    if u.together:
        apply(w.k, u, P.offset, P.stride, <const floating *>grad)


cdef void rows_gradient(const Window *w, Step *u, Place P,
                        const floating *d, Py_ssize_t ldd,  # (M, skipped + P.used)  in
                        Py_ssize_t shared,      # columns of d that come first, and
                        Py_ssize_t skipped,     # those behind them that are passed over
                        ) noexcept nogil:
    """dP[x[i]] += d[i]"""
    cdef Team *team = w.team
    cdef floating *grad = <floating *>u.grads + P.offset
    cdef Py_ssize_t i, rest = P.used - shared, M = w.T * w.plan.B
    cdef Py_ssize_t lo = share(team, shared, CORE_LANES, team.rank)
    cdef Py_ssize_t hi = share(team, shared, CORE_LANES, team.rank + 1)
    if u.together:
        zero_rows(w, u, P, grad)
    for i in range(M):
        w.k.add(hi - lo, d + i * ldd + lo, grad + w.x[i] * P.stride + lo)
    if rest:
        lo = shared + share(team, rest, CORE_LANES, team.rank)
        hi = shared + share(team, rest, CORE_LANES, team.rank + 1)
        for i in range(M):
            w.k.add(hi - lo, d + i * ldd + skipped + lo, grad + w.x[i] * P.stride + lo)
    if u.together:
        apply_rows(w, u, P, <const floating *>grad)


cdef inline void zero_rows(const Window *w, Step *u, Place P,
                           floating *grad,  # P  out: zeros in the rows that the window reads, or in all
                           ) noexcept nogil:
    cdef Py_ssize_t i
    if not u.numbers.sparse:
        memset(grad, 0, P.rows * P.stride * sizeof(floating))
        return
    for i in range(w.T * w.plan.B):
        memset(grad + w.x[i] * P.stride, 0, P.stride * sizeof(floating))


cdef inline void apply_rows(const Window *w, Step *u, Place P,
                            const floating *grad,  # P  in
                            ) noexcept nogil:
    """Step the rows that the window reads, each once, or all."""
    cdef Py_ssize_t i, row
    if not u.numbers.sparse:
        apply(w.k, u, P.offset, P.rows * P.stride, grad)
        return
    memset(u.seen, 0, P.rows * sizeof(int32_t))
    for i in range(w.T * w.plan.B):
        row = w.x[i]
        if not u.seen[row]:
            u.seen[row] = 1
            apply(w.k, u, P.offset + row * P.stride, P.stride, grad + row * P.stride)


cdef void layer_gradients(const Window *w, Step *u, const Layer *layer,
                          floating *work,    # da, h, x; of the first layer dx  in; R  scratch
                          ) noexcept nogil:
    """dW += da.T @ h, dU += da.T @ x, db += da.sum(axis=0), and dE of the first layer's inputs.

    Gates that are not shared have the derivatives of their input's share behind those of the state's.
    """
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t N = w.cell.gates * plan.H, shared = w.cell.shared * plan.H, rest = N - shared
    cdef const floating *da = work + layer.da
    cdef const floating *x = work + layer.x
    cdef core_panels right
    right = operand(w, <const floating *>work + layer.h, plan.Hs, plan.H, work)
    matrix_gradient(w, u, Place(layer.W, N, plan.H, plan.Hp), da, plan.Ds, right)
    if layer.I:
        right = operand(w, x, layer.Is, layer.I, work)
        matrix_gradient(w, u, Place(layer.U, shared, layer.I, layer.Ip), da, plan.Ds, right)
        if rest:
            matrix_gradient(w, u, Place(layer.U + shared * layer.Ip, rest, layer.I, layer.Ip), da + N, plan.Ds, right)
    else:
        rows_gradient(w, u, Place(layer.U, plan.K, N, plan.Gp), da, plan.Ds, shared, rest)
    if layer == w.layers and plan.D:
        rows_gradient(w, u, Place(plan.E, plan.K, plan.D, layer.Ip), work + layer.dx, layer.Is, plan.D, 0)
    vector_gradient(w, u, Place(layer.b, 1, N, plan.Gp), da, plan.Ds)
    if rest:
        vector_gradient(w, u, Place(layer.n, 1, rest, plan.Hp), da + N, plan.Ds)


cdef void gradients(const Window *w, Step *u,
                    floating *work,    # p = dlogits, da in; h in, then zeros before each document; R  scratch
                    ) noexcept nogil:
    """Of all weights: dV += dp.T @ h, dc += dp.sum(axis=0), then those of each layer.

    The state before each document is set to zero, because W read zeros there; a layer's only after the layer above has
    used it.
    """
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t q, t
    cdef const Layer *layer
    cdef Patch all = whole(w, 0, plan.B)
    matrix_gradient(w, u, Place(plan.V, plan.K, plan.H, plan.Hp), <const floating *>work + plan.p, plan.Kp,
                    operand(w, <const floating *>work + plan.top, plan.Hs, plan.H, work))
    vector_gradient(w, u, Place(plan.c, 1, plan.Kp, plan.Kp), <const floating *>work + plan.p, plan.Kp)
    for q in range(plan.L - 1, -1, -1):
        layer = &w.layers[q]
        if plan.end >= 0:
            meet(w.team)
            if w.team.rank == 0:
                for t in range(w.T):
                    copy_starts(w, t, &all, <const floating *>NULL, work + layer.h + t * plan.B * plan.Hs)
            meet(w.team)
        layer_gradients(w, u, layer, work)


cdef inline void follow(const Window *w, const Step *u, Py_ssize_t lo, Py_ssize_t hi,
                        floating *average,  # (P) in, out; NULL: there is none
                        ) noexcept nogil:
    """average += (1 - decay) (weights - average), of the weights lo .. hi.

    The n-th update has a decay of at most (1 + n) / (10 + n): the average soon forgets where the weights began.
    """
    cdef double n = w.team.update
    if average != NULL and hi > lo:
        w.k.mix(hi - lo, min(u.numbers.ema_decay, (1 + n) / (10 + n)), average + lo, <floating *>u.weights + lo,
                average + lo)


cdef bint clip_and_step(const Window *w, Step *u,
                        floating *work,    # what `gradients` reads and zeroes
                        ) noexcept nogil:
    """Gradients, clipping and the optimiser's step, at once or one after the other: the same bits.

    False: somebody asked to leave the update undone, and nothing has been changed.
    """
    cdef Team *team = w.team
    cdef floating *grads = <floating *>u.grads
    cdef Py_ssize_t lo = share(team, u.size, CORE_LANES, team.rank), hi = share(team, u.size, CORE_LANES, team.rank + 1)
    cdef double norm
    if u.together:
        gradients(w, u, work)
        follow(w, u, lo, hi, <floating *>u.average)
        return True
    memset(grads + lo, 0, (hi - lo) * sizeof(floating))
    meet(team)
    gradients(w, u, work)
    meet(team)
    if is_undone(team):
        return False
    if u.numbers.clip_norm > 0:
        norm = sqrt(w.k.sum_squares(u.size, grads))  # each thread the whole of it: the same bits, and no meeting
        meet(team)
        if norm > u.numbers.clip_norm:
            w.k.scale(hi - lo, u.numbers.clip_norm / norm, grads + lo)
    apply(w.k, u, lo, hi - lo, <const floating *>grads + lo)
    follow(w, u, lo, hi, <floating *>u.average)
    return True
