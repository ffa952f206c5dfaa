# Recurrent layers: the forward pass of each part is followed by its backward pass.
from cython cimport floating
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memcpy, memset

# What a thread has of the steps of a layer: some of the streams and, of each of them, some of the units.
cdef struct Patch:
    Py_ssize_t lo, hi            # the streams
    Py_ssize_t begin, end        # the units: whole panels of W
    bint meets                   # whether all threads meet after each step, for others have the other units


# What decides how a team shares a step, counted in multiplications.
cdef enum:
    READ = 4                     # to read a weight
    MOVE = 40                    # to read a number that another thread has computed
    MEET = 1 << 15               # to meet, for each thread

# Columns of U.T that stay in the cache while all steps of a window meet them.
cdef enum:
    CACHED = 256


cdef inline Patch whole(const Window *w, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """All units of some streams."""
    return Patch(lo=lo, hi=hi, begin=0, end=w.plan.H, meets=False)


cdef Patch patch_of(const Window *w, Py_ssize_t lo, Py_ssize_t hi,
                    Py_ssize_t moved,  # numbers of a stream that a step needs from all units
                    ) noexcept nogil:
    """What this thread of the team has of the streams lo .. hi.

    A group of threads has some of the streams, and each of its threads one of `parts` of their units. A thread with all
    units reads all weights, and waits for nobody. A thread with some units reads few weights, but it meets the others
    after each step and reads what they have computed. On a busy machine each meeting may wait, so this way is taken
    only if it costs a quarter less. The sums and their bits are the same.
    """
    cdef Py_ssize_t size = w.team.size, rank = w.team.rank, H = w.plan.H
    cdef Py_ssize_t panel = max(w.k.panel, CORE_LANES)  # cells may compute whole lanes
    cdef Py_ssize_t parts, rows, units, cost, least = -1, chosen = 1
    for parts in range(1, size + 1):
        if size % parts or parts > 1 and w.cell.gates > 1 and H % panel:
            continue
        rows = (hi - lo + size // parts - 1) // (size // parts)
        units = ((H + panel - 1) // panel + parts - 1) // parts * panel
        cost = (rows + READ) * w.cell.gates * units * H
        if parts > 1:
            cost = (cost + rows * moved * MOVE + size * MEET) * 4 // 3
        if least < 0 or cost < least:
            least, chosen = cost, parts
    return Patch(
        lo=lo + part(hi - lo, 1, rank // chosen, size // chosen),
        hi=lo + part(hi - lo, 1, rank // chosen + 1, size // chosen),
        begin=part(H, panel, rank % chosen, chosen),
        end=part(H, panel, rank % chosen + 1, chosen),
        meets=chosen > 1,
    )


cdef inline Py_ssize_t state_stride(const Window *w) noexcept nogil:
    """Distance of the rows of r, the state's share of the pre-activations."""
    return w.plan.Hs if w.cell.in_place else w.plan.As


cdef inline void recur(const Window *w, const Layer *layer, Py_ssize_t rows,
                       Py_ssize_t begin, Py_ssize_t end,  # the units
                       bint reverse,
                       const floating *h,       # (rows, H)  in
                       floating *r,             # (rows, N)  out, of these units
                       floating *work,          # WT         in
                       ) noexcept nogil:
    """r = b + h @ W.T"""
    cdef core_panels W = state_weights(w, layer, <const floating *>work)
    cdef const floating *b = <const floating *>w.weights + layer.b
    cdef Py_ssize_t i, j, H = w.plan.H, gates = w.cell.gates
    W.reverse = reverse
    if end - begin == H:  # the gates lie side by side
        end, gates = gates * H, 1
    for i in range(gates):
        j = i * H + begin
        multiply(w.k, rows, end - begin, H, by_rows(h, w.plan.Hs), from_column(w.k, W, j, sizeof(floating)),
                 from_bias(b + j, r + j, state_stride(w)))


cdef inline void step_forward(const Window *w, const Layer *layer, core_cell_step *step,
                              Py_ssize_t begin, Py_ssize_t end,  # the units, with which the arrays of the step begin
                              bint start,              # whether a document starts
                              const floating *work,    # zero  in
                              ) noexcept nogil:
    """One step of one stream. A document starts from a zero state, whatever there was before."""
    cdef const floating *weights = <const floating *>w.weights
    cdef Py_ssize_t i, H = w.plan.H
    step.H, step.n = H, end - begin
    step.bias = weights + layer.n + begin
    if start:
        for i in range(w.cell.gates):
            memcpy(<floating *>step.r + i * H, weights + layer.b + i * H + begin, step.n * sizeof(floating))
        step.h0 = step.s0 = work + w.plan.zero
    w.cell.forward(step)


cdef inline bint is_start(const Window *w, Py_ssize_t row) noexcept nogil:
    """Whether the symbol of row t * B + b is read from a zero state: it begins a document, or another text."""
    return w.x[row] == w.plan.end or (w.fresh is not NULL and w.fresh[row] != 0)


cdef void layer_forward(const Window *w, const Layer *layer,
                        const Patch *patch,
                        floating *work,  # WT, zero, h[0], s[0]; a = x @ U.T, if there are inputs  in; h, s, a  out
                        ) noexcept nogil:
    """h[t+1] and s[t+1] of h[t] and s[t]. Every other step walks W backwards, to meet it in the cache."""
    cdef Py_ssize_t t
    for t in range(w.T):
        if not hurries(w.team):
            forward_step(w, layer, patch, t, work)
        if patch.meets and t + 1 < w.T:  # who hurries comes, too; after the last step all meet
            meet(w.team)


cdef inline void forward_step(const Window *w, const Layer *layer, const Patch *patch, Py_ssize_t t,
                              floating *work,  # as above
                              ) noexcept nogil:
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t i, q, ld = state_stride(w), lo = patch.lo, begin = patch.begin, end = patch.end
    cdef const floating *U = <const floating *>w.weights + layer.U + begin
    cdef core_cell_step step
    cdef floating *h = work + layer.h + t * plan.B * plan.Hs
    cdef floating *r = work + layer.hc + t * plan.B * plan.Hs if w.cell.in_place else work + plan.r
    step.dh = step.dh0 = step.ds = NULL
    recur(w, layer, patch.hi - lo, begin, end, t & 1, <const floating *>h + lo * plan.Hs, r + lo * ld, work)
    for i in range(lo, patch.hi):
        q = t * plan.B + i
        step.a = work + layer.a + q * plan.As + begin
        step.u = <const floating *>step.a if layer.I else U + w.x[q] * plan.Gp
        step.r = r + i * ld + begin
        step.h0 = h + i * plan.Hs + begin
        step.s0 = work + layer.s + q * plan.Hs + begin
        step.h = work + layer.hc + q * plan.Hs + begin
        step.s = work + layer.sc + q * plan.Hs + begin
        step_forward(w, layer, &step, begin, end, is_start(w, q), <const floating *>work)
        if zones(plan):
            zone(w, layer, q, begin, end, &step, h + (plan.B + i) * plan.Hs + begin,
                 work + layer.s + (q + plan.B) * plan.Hs + begin)


cdef void layer_backward(const Window *w, const Layer *layer,
                         const Patch *patch,
                         floating *work,  # WB, h, s, a in; d = dloss/dh from above in; da = dloss/d pre-activations out
                         ) noexcept nogil:
    """From the last step to the first: da[t] of d[t], then d[t-1] += da[t] @ W unless x[t] begins a document."""
    cdef Py_ssize_t t
    for t in range(w.T - 1, -1, -1):
        if not hurries(w.team):
            backward_step(w, layer, patch, t, work)
        if patch.meets and t > 0:  # as in the forward pass
            meet(w.team)
        if t > 0 and not hurries(w.team):
            backward_state(w, layer, patch, t, work)


cdef inline void backward_step(const Window *w, const Layer *layer, const Patch *patch, Py_ssize_t t,
                               floating *work,  # h, s, a, d, ds in; da, ds out
                               ) noexcept nogil:
    """da[t] of d[t]"""
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t i, q, begin = patch.begin, n_bytes = padded(plan, begin, patch.end) * sizeof(floating)
    cdef floating *ds = work + plan.z + plan.B * plan.Hs + begin  # (B, H): dloss/ds, carried back
    cdef floating *sink = ds + plan.B * plan.Hs                   # (B, H): gradients of states before the window
    cdef floating *stayed = sink + plan.B * plan.Hs               # (B, H): of ds, what zoneout passes by the cell
    cdef core_cell_step step
    cdef bint start
    step.H, step.n = plan.H, patch.end - begin
    step.u = step.r = step.bias = NULL
    for i in range(patch.lo, patch.hi):
        q = t * plan.B + i
        start = w.x[q] == plan.end
        step.h0 = work + plan.zero if start else work + layer.h + q * plan.Hs + begin
        step.s0 = work + plan.zero if start else work + layer.s + q * plan.Hs + begin
        step.h = work + layer.hc + q * plan.Hs + begin
        step.s = work + layer.sc + q * plan.Hs + begin
        step.a = work + layer.a + q * plan.As + begin
        step.dh = work + layer.d + q * plan.Hs + begin
        step.dh0 = <floating *>step.dh - plan.B * plan.Hs
        step.ds = ds + i * plan.Hs
        if start or t == 0:
            step.dh0 = sink + i * plan.Hs
        if t == w.T - 1:
            memset(step.ds, 0, n_bytes)
            memset(sink + i * plan.Hs, 0, n_bytes)
        if zones(plan):
            zone_backward(w, layer, q, begin, patch.end, &step, stayed + i * plan.Hs)
        w.cell.backward(&step)
        if plan.cell_zoneout > 0:
            w.k.add(padded(plan, begin, patch.end), stayed + i * plan.Hs, step.ds)
        if start:
            memset(step.ds, 0, n_bytes)


cdef inline void backward_state(const Window *w, const Layer *layer, const Patch *patch, Py_ssize_t t,
                                floating *work,  # WB, da in; d in, out
                                ) noexcept nogil:
    """d[t-1] += da[t] @ W, unless x[t] begins a document"""
    cdef const Plan *plan = w.plan
    cdef core_panels W = state_weights_back(w, layer, <const floating *>work)
    cdef floating *d = work + layer.d + (t - 1) * plan.B * plan.Hs
    cdef floating *before = work + plan.z  # (B, H): d[t-1] of streams that begin a document
    copy_starts(w, t, patch, <const floating *>d, before)
    W.reverse = ~t & 1
    multiply(w.k, patch.hi - patch.lo, patch.end - patch.begin, w.cell.gates * plan.H,
             by_rows(work + layer.da + (t * plan.B + patch.lo) * plan.Ds, plan.Ds),
             from_column(w.k, W, patch.begin, sizeof(floating)), onto(d + patch.lo * plan.Hs + patch.begin, plan.Hs))
    copy_starts(w, t, patch, <const floating *>before, d)


cdef inline Py_ssize_t padded(const Plan *plan, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Elements of a row from one unit to another, its padding included."""
    return (plan.Hp if end == plan.H else end) - begin


cdef inline void copy_starts(const Window *w, Py_ssize_t t, const Patch *patch,
                             const floating *source,  # (B, H)  in; NULL: zeros
                             floating *target,        # (B, H)  out: the rows of streams in which x[t] begins a document
                             ) noexcept nogil:
    cdef const int32_t *x = w.x + t * w.plan.B
    cdef Py_ssize_t i, j, n_bytes = padded(w.plan, patch.begin, patch.end) * sizeof(floating)
    for i in range(patch.lo, patch.hi):
        if x[i] == w.plan.end:
            j = i * w.plan.Hs + patch.begin
            if source == NULL:
                memset(target + j, 0, n_bytes)
            else:
                memcpy(target + j, source + j, n_bytes)


cdef inline void project(const Window *w, const Layer *layer, Py_ssize_t lo, Py_ssize_t hi, bint reverse,
                         floating *work,    # x (M, I), UT in; a (M, N) out
                         ) noexcept nogil:
    """a = x @ U.T, for the rows lo .. hi"""
    cdef core_panels U = packed(w.k, work + layer.UT, layer.I)
    U.reverse = reverse
    multiply(w.k, hi - lo, w.cell.gates * w.plan.H, layer.I, by_rows(work + layer.x + lo * layer.Is, layer.Is), U,
             into(work + layer.a + lo * w.plan.As, w.plan.As))


cdef inline void project_patch(const Window *w, const Layer *layer, const Patch *patch,
                               floating *work,    # x (T, B, I), UT in; a (T, B, N) out, of this patch
                               ) noexcept nogil:
    """a = x @ U.T. A few columns of U.T stay in the cache for all steps."""
    cdef const core_table *k = w.k
    cdef Py_ssize_t t, row, j, last, i, gates = w.cell.gates, H = w.plan.H, begin = patch.begin, end = patch.end
    cdef core_panels U = packed(k, work + layer.UT, layer.I)
    if end - begin == H:  # the gates lie side by side
        end, gates = gates * H, 1
    for i in range(gates):
        j, last = i * H + begin, i * H + end
        while j < last:
            for t in range(w.T):
                row = t * w.plan.B + patch.lo
                multiply(k, patch.hi - patch.lo, min(CACHED, last - j), layer.I,
                         by_rows(work + layer.x + row * layer.Is, layer.Is),
                         from_column(k, U, j, sizeof(floating)), into(work + layer.a + row * w.plan.As + j, w.plan.As))
            j += CACHED


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


cdef inline void zone(const Window *w, const Layer *layer, Py_ssize_t row, Py_ssize_t begin, Py_ssize_t end,
                      const core_cell_step *step,   # h0, s0 and, from the cell, h, s  in
                      floating *h,                  # (H): the state after the step    out
                      floating *s,                  # (H): the cell state after it     out
                      ) noexcept nogil:
    """Zoneout (Krueger et al. 2017): a unit stays as it was with some probability, or by that share on average.

    `row`, t * B + b, and the units are what the masks depend on, so any thread can draw them.
    """
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t which = 2 * (layer - w.layers), n = padded(plan, begin, end), first = row * plan.Hp + begin
    if plan.masked:
        w.k.zoneout(n, plan.zoneout, zone_key(w, which), first, step.h0, step.h, h)
        if w.cell.states > 1:
            w.k.zoneout(n, plan.cell_zoneout, zone_key(w, which + 1), first, step.s0, step.s, s)
        return
    w.k.mix(n, plan.zoneout, step.h0, step.h, h)
    if w.cell.states > 1:
        w.k.mix(n, plan.cell_zoneout, step.s0, step.s, s)


cdef inline void zone_backward(const Window *w, const Layer *layer, Py_ssize_t row, Py_ssize_t begin, Py_ssize_t end,
                               const core_cell_step *step,  # dh, ds: of the state after the step in, of the cell's out;
                                                            # dh0 += of what stayed
                               floating *stayed,            # (H): of ds, what belongs to s0  out
                               ) noexcept nogil:
    """The derivatives of what stayed go to the state before, the others to the cell."""
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t which = 2 * (layer - w.layers), n = padded(plan, begin, end), first = row * plan.Hp + begin
    memset(stayed, 0, n * sizeof(floating))
    if plan.masked:
        w.k.zoneout_backward(n, plan.zoneout, zone_key(w, which), first, step.dh0, step.dh)
        w.k.zoneout_backward(n, plan.cell_zoneout, zone_key(w, which + 1), first, stayed, step.ds)
        return
    w.k.mix_backward(n, plan.zoneout, step.dh0, step.dh)
    w.k.mix_backward(n, plan.cell_zoneout, stayed, step.ds)


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
