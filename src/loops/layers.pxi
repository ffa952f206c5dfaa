# Recurrent layers: the forward pass of each part is followed by its backward pass.
from cython cimport floating
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memcpy, memset

cdef inline Py_ssize_t state_stride(const Window *w) noexcept nogil:
    """Distance of the rows of r, the state's share of the pre-activations."""
    return w.plan.Hs if w.cell.in_place else w.plan.As


cdef inline void recur(const Window *w, const Layer *layer, Py_ssize_t rows, bint reverse,
                       const floating *h,       # (rows, H)  in
                       floating *r,             # (rows, N)  out
                       floating *work,          # WT         in
                       ) noexcept nogil:
    """r = b + h @ W.T"""
    cdef core_panels W = state_weights(w, layer, <const floating *>work)
    cdef const floating *b = <const floating *>w.weights + layer.b
    W.reverse = reverse
    multiply(w.k, rows, w.cell.gates * w.plan.H, w.plan.H, by_rows(h, w.plan.Hs), W, from_bias(b, r, state_stride(w)))


cdef inline void step_forward(const Window *w, const Layer *layer, core_cell_step *step,
                              bint start,              # whether a document starts
                              const floating *work,    # zero  in
                              ) noexcept nogil:
    """One step of one stream. A document starts from a zero state, whatever there was before."""
    cdef const floating *weights = <const floating *>w.weights
    step.H = w.plan.H
    step.bias = weights + layer.n
    if start:
        memcpy(step.r, weights + layer.b, w.cell.gates * w.plan.H * sizeof(floating))
        step.h0 = step.s0 = work + w.plan.zero
    w.cell.forward(step)


cdef inline bint is_start(const Window *w, Py_ssize_t row) noexcept nogil:
    """Whether the symbol of row t * B + b is read from a zero state: it begins a document, or another text."""
    return w.x[row] == w.plan.end or (w.fresh is not NULL and w.fresh[row] != 0)


cdef void layer_forward(const Window *w, const Layer *layer,
                        Py_ssize_t lo, Py_ssize_t hi,  # the streams
                        floating *work,  # WT, zero, h[0], s[0]; a = x @ U.T, if there are inputs  in; h, s, a  out
                        ) noexcept nogil:
    """h[t+1] and s[t+1] of h[t] and s[t]. Every other step walks W backwards, to meet it in the cache."""
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t t, i, q, ld = state_stride(w)
    cdef const floating *U = <const floating *>w.weights + layer.U
    cdef core_cell_step step
    cdef floating *h
    cdef floating *r
    step.dh = step.dh0 = step.ds = NULL
    for t in range(w.T):
        if hurries(w.team):
            return
        h = work + layer.h + t * plan.B * plan.Hs
        r = work + layer.hc + t * plan.B * plan.Hs if w.cell.in_place else work + plan.r
        recur(w, layer, hi - lo, t & 1, <const floating *>h + lo * plan.Hs, r + lo * ld, work)
        for i in range(lo, hi):
            q = t * plan.B + i
            step.a = work + layer.a + q * plan.As
            step.u = <const floating *>step.a if layer.I else U + w.x[q] * plan.Gp
            step.r = r + i * ld
            step.h0 = h + i * plan.Hs
            step.s0 = work + layer.s + q * plan.Hs
            step.h = work + layer.hc + q * plan.Hs
            step.s = work + layer.sc + q * plan.Hs
            step_forward(w, layer, &step, is_start(w, q), <const floating *>work)
            if zones(plan):
                zone(w, layer, q, &step, h + (plan.B + i) * plan.Hs, work + layer.s + (q + plan.B) * plan.Hs)


cdef void layer_backward(const Window *w, const Layer *layer,
                         Py_ssize_t lo, Py_ssize_t hi,  # the streams
                         floating *work,  # WB, h, s, a in; d = dloss/dh from above in; da = dloss/d pre-activations out
                         ) noexcept nogil:
    """From the last step to the first: da[t] of d[t], then d[t-1] += da[t] @ W unless x[t] begins a document."""
    cdef const core_table *k = w.k
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t t, i, q, H = plan.H, N = w.cell.gates * H
    cdef core_panels W = state_weights_back(w, layer, <const floating *>work)
    cdef core_cell_step step
    cdef floating *d
    cdef floating *before = work + plan.z                       # (B, H): d[t-1] of streams that begin a document
    cdef floating *ds = before + plan.B * plan.Hs               # (B, H): dloss/ds, carried back
    cdef floating *sink = ds + plan.B * plan.Hs                 # (B, H): gradients of states before the window
    cdef floating *stayed = sink + plan.B * plan.Hs             # (B, H): of ds, what zoneout passes by the cell
    cdef bint start
    memset(ds + lo * plan.Hs, 0, (hi - lo) * plan.Hs * sizeof(floating))
    memset(sink + lo * plan.Hs, 0, (hi - lo) * plan.Hs * sizeof(floating))
    step.H = H
    step.u = step.r = step.bias = NULL
    for t in range(w.T - 1, -1, -1):
        if hurries(w.team):
            return
        for i in range(lo, hi):
            q = t * plan.B + i
            start = w.x[q] == plan.end
            d = work + layer.d + q * plan.Hs
            step.h0 = work + plan.zero if start else work + layer.h + q * plan.Hs
            step.s0 = work + plan.zero if start else work + layer.s + q * plan.Hs
            step.h = work + layer.hc + q * plan.Hs
            step.s = work + layer.sc + q * plan.Hs
            step.a = work + layer.a + q * plan.As
            step.dh = d
            step.dh0 = sink + i * plan.Hs if start or t == 0 else d - plan.B * plan.Hs
            step.ds = ds + i * plan.Hs
            if zones(plan):
                zone_backward(w, layer, q, &step, stayed + i * plan.Hs)
            w.cell.backward(&step)
            if plan.cell_zoneout > 0:
                k.add(plan.Hp, stayed + i * plan.Hs, ds + i * plan.Hs)
            if start:
                memset(ds + i * plan.Hs, 0, plan.Hs * sizeof(floating))
        if t == 0:
            break
        # d[t-1] += da[t] @ W
        d = work + layer.d + (t - 1) * plan.B * plan.Hs
        copy_starts(w, t, lo, hi, <const floating *>d, before)
        W.reverse = ~t & 1
        multiply(k, hi - lo, H, N, by_rows(work + layer.da + (t * plan.B + lo) * plan.Ds, plan.Ds), W,
                 onto(d + lo * plan.Hs, plan.Hs))
        copy_starts(w, t, lo, hi, <const floating *>before, d)


cdef inline void copy_starts(const Window *w, Py_ssize_t t, Py_ssize_t lo, Py_ssize_t hi,
                             const floating *source,  # (B, H)  in; NULL: zeros
                             floating *target,        # (B, H)  out: the rows of streams in which x[t] begins a document
                             ) noexcept nogil:
    cdef const int32_t *x = w.x + t * w.plan.B
    cdef Py_ssize_t i, ld = w.plan.Hs, n_bytes = w.plan.Hp * sizeof(floating)
    for i in range(lo, hi):
        if x[i] == w.plan.end:
            if source == NULL:
                memset(target + i * ld, 0, n_bytes)
            else:
                memcpy(target + i * ld, source + i * ld, n_bytes)


cdef inline void project(const Window *w, const Layer *layer, Py_ssize_t lo, Py_ssize_t hi, bint reverse,
                         floating *work,    # x (M, I), UT in; a (M, N) out
                         ) noexcept nogil:
    """a = x @ U.T, for the rows lo .. hi"""
    cdef core_panels U = packed(w.k, work + layer.UT, layer.I)
    U.reverse = reverse
    multiply(w.k, hi - lo, w.cell.gates * w.plan.H, layer.I, by_rows(work + layer.x + lo * layer.Is, layer.Is), U,
             into(work + layer.a + lo * w.plan.As, w.plan.As))


cdef inline void project_backward(const Window *w, const Layer *layer, Py_ssize_t lo, Py_ssize_t hi,
                                  floating *work,    # da (M, .), UB in; dx (M, I) out
                                  ) noexcept nogil:
    """dx = da @ U, for the rows lo .. hi. Gates not shared have their input's derivatives behind the state's."""
    cdef const core_table *k = w.k
    cdef Py_ssize_t N = w.cell.gates * w.plan.H, shared = w.cell.shared * w.plan.H
    cdef core_panels U = packed(k, work + layer.UB, N)
    cdef floating *da = work + layer.da + lo * w.plan.Ds
    cdef floating *dx = work + layer.dx + lo * layer.Is
    multiply(k, hi - lo, layer.I, shared, by_rows(da, w.plan.Ds), U, into(dx, layer.Is))
    if shared < N:
        U = from_row(U, shared, sizeof(floating))
        if shared % k.pair:  # the two parts share a pair
            U = plain(k, <const floating *>w.weights + layer.U + shared * layer.Ip, layer.Ip)
        multiply(k, hi - lo, layer.I, N - shared, by_rows(da + N, w.plan.Ds), U, onto(dx, layer.Is))


cdef inline bint zones(const Plan *plan) noexcept nogil:
    """Whether states may stay as they are for a step."""
    return plan.zoneout > 0 or plan.cell_zoneout > 0


cdef inline void zone(const Window *w, const Layer *layer, Py_ssize_t row,
                      const core_cell_step *step,   # h0, s0 and, from the cell, h, s  in
                      floating *h,                  # (H): the state after the step    out
                      floating *s,                  # (H): the cell state after it     out
                      ) noexcept nogil:
    """Zoneout (Krueger et al. 2017): a unit stays as it was with some probability, or by that share on average.

    `row`, t * B + b, is what the masks depend on, so any thread can draw them.
    """
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t which = 2 * (layer - w.layers)
    if plan.masked:
        w.k.zoneout(plan.Hp, plan.zoneout, zone_key(w, which), row * plan.Hp, step.h0, step.h, h)
        if w.cell.states > 1:
            w.k.zoneout(plan.Hp, plan.cell_zoneout, zone_key(w, which + 1), row * plan.Hp, step.s0, step.s, s)
        return
    w.k.mix(plan.Hp, plan.zoneout, step.h0, step.h, h)
    if w.cell.states > 1:
        w.k.mix(plan.Hp, plan.cell_zoneout, step.s0, step.s, s)


cdef inline void zone_backward(const Window *w, const Layer *layer, Py_ssize_t row,
                               const core_cell_step *step,  # dh, ds: of the state after the step in, of the cell's out;
                                                            # dh0 += of what stayed
                               floating *stayed,            # (H): of ds, what belongs to s0  out
                               ) noexcept nogil:
    """The derivatives of what stayed go to the state before, the others to the cell."""
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t which = 2 * (layer - w.layers)
    memset(stayed, 0, plan.Hp * sizeof(floating))
    if plan.masked:
        w.k.zoneout_backward(plan.Hp, plan.zoneout, zone_key(w, which), row * plan.Hp, step.dh0, step.dh)
        w.k.zoneout_backward(plan.Hp, plan.cell_zoneout, zone_key(w, which + 1), row * plan.Hp, stayed, step.ds)
        return
    w.k.mix_backward(plan.Hp, plan.zoneout, step.dh0, step.dh)
    w.k.mix_backward(plan.Hp, plan.cell_zoneout, stayed, step.ds)


cdef inline uint32_t zone_key(const Window *w, Py_ssize_t which) noexcept nogil:
    """The key of a mask of zoneout in this update, for h and s of each layer. Those of dropout have the seed itself."""
    return core_key(~w.team.seed, w.team.update * 2 * w.plan.L + which)


cdef inline uint32_t mask(const Window *w, Py_ssize_t which) noexcept nogil:
    """The key of a mask of this update: that of the outputs of the layer with this number, L: of the embeddings."""
    return core_key(w.team.seed, w.team.update * (w.plan.L + 1) + which)


cdef inline void drop(const Window *w, Py_ssize_t which, Py_ssize_t lo, Py_ssize_t hi,
                      const floating *x,  # (M, H or D)                                                in
                      floating *y,        # (M, H or D): the rows lo .. hi of x without what is dropped  out
                      ) noexcept nogil:
    """Forward with a layer's outputs and backward with their derivatives: the same mask."""
    cdef Py_ssize_t i, n = w.plan.Hp, ld = w.plan.Hs
    cdef uint32_t key = mask(w, which)
    cdef double rate = w.plan.dropout
    if which == w.plan.L:
        n, ld = w.layers[0].Ip, w.layers[0].Is
    else:
        rate = w.layers[which].dropout
    for i in range(lo, hi):
        w.k.dropout(n, rate, key, i * n, x + i * ld, y + i * ld)


cdef inline void embed(const Window *w, Py_ssize_t lo, Py_ssize_t hi,
                       floating *work,          # the rows lo .. hi of the first layer's inputs  out
                       ) noexcept nogil:
    """x = E[symbols], without what is dropped"""
    cdef const Layer *layer = &w.layers[0]
    cdef const floating *E = <const floating *>w.weights + w.plan.E
    cdef floating *inputs = work + layer.x
    cdef Py_ssize_t i
    for i in range(lo, hi):
        memcpy(inputs + i * layer.Is, E + w.x[i] * layer.Ip, layer.Ip * sizeof(floating))
    if w.plan.dropout > 0:
        drop(w, w.plan.L, lo, hi, <const floating *>inputs, inputs)
