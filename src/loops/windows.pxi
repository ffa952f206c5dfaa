# A whole window: what the threads do between their meetings.
from cython cimport floating
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

cdef double forward(const Window *w,
                    floating *work,          # UT, WT, VT, row 0 of h and s in; h, s, a, p (softmax)  out
                    double *loss,            # (T, B)  out, nats
                    ) noexcept nogil:
    """The summed loss. The whole team gets the same."""
    cdef const Plan *plan = w.plan
    cdef Team *team = w.team
    cdef Py_ssize_t q, i, M = w.T * plan.B
    cdef Py_ssize_t first = share(team, M, 1, team.rank), last = share(team, M, 1, team.rank + 1)
    cdef Patch patch = patch_of(w, 0, plan.B, plan.H)
    cdef double total = 0
    cdef const Layer *layer
    for q in range(plan.L):
        layer = &w.layers[q]
        if layer.I:
            if q == 0:
                embed(w, first, last, work)
            project(w, layer, first, last, False, work)
            meet(team)
        layer_forward(w, layer, &patch, work)
        meet(team)
        if layer.dropout > 0:
            drop(w, q, first, last, <const floating *>work + layer.h + plan.B * plan.Hs, work + layer.y)
    head_forward(w, first, last, False, <const floating *>work + plan.top, work)
    if last > first:
        w.k.softmax(last - first, plan.K, work + plan.p + first * plan.Kp, plan.Kp, w.y + first,
                    plan.label_smoothing, loss + first)
    meet(team)
    for i in range(M):
        total += loss[i]
    return total


cdef void forward_streams(const Window *w,
                          Py_ssize_t lo, Py_ssize_t hi,  # the streams
                          floating *work,  # UT, WT, VT, row 0 of h and s in; h, s, a, p (softmax), row 0 = row T  out
                          double *loss,    # (T, B): the columns lo .. hi  out, nats
                          ) noexcept nogil:
    """The losses of these streams alone, without masks; then their state is carried.

    No stream needs another one: threads that read other streams of the space meanwhile need not be of this team.
    """
    cdef const Plan *plan = w.plan
    cdef Team *team = w.team
    cdef const Layer *layer
    cdef Py_ssize_t q, t, row, n_bytes = (hi - lo) * plan.Hs * sizeof(floating)
    cdef Py_ssize_t first = share(team, w.T, 1, team.rank), last = share(team, w.T, 1, team.rank + 1)
    cdef Patch patch = patch_of(w, lo, hi, plan.H)
    for q in range(plan.L):
        layer = &w.layers[q]
        if layer.I:
            if q == 0:
                for t in range(first, last):
                    embed(w, t * plan.B + lo, t * plan.B + hi, work)
                meet(team)
            project_patch(w, layer, &patch, work)
        layer_forward(w, layer, &patch, work)
        meet(team)
    for t in range(first, last):
        row = t * plan.B
        head_forward(w, row + lo, row + hi, False, <const floating *>work + plan.top, work)
        w.k.softmax(hi - lo, plan.K, work + plan.p + (row + lo) * plan.Kp, plan.Kp, w.y + row + lo, 0,
                    loss + row + lo)
    if team.rank:
        return
    for q in range(plan.L):
        layer = &w.layers[q]
        row = w.T * plan.B
        memcpy(work + layer.h + lo * plan.Hs, work + layer.h + (row + lo) * plan.Hs, n_bytes)
        if w.cell.states > 1:
            memcpy(work + layer.s + lo * plan.Hs, work + layer.s + (row + lo) * plan.Hs, n_bytes)


cdef void backward(const Window *w,
                   double factor,
                   floating *work,          # UB, WB, h, s, a, p (softmax) in; p = dlogits, da  out
                   ) noexcept nogil:
    """The derivatives of factor times the loss, down to those of the pre-activations and the embeddings."""
    cdef const Plan *plan = w.plan
    cdef Team *team = w.team
    cdef Py_ssize_t q, M = w.T * plan.B
    cdef Patch patch = patch_of(w, 0, plan.B, w.cell.gates * plan.H)
    cdef Py_ssize_t first = share(team, M, 1, team.rank), last = share(team, M, 1, team.rank + 1)
    cdef const Layer *layer
    cdef floating *d
    head_backward(w, first, last, factor, work + w.layers[plan.L - 1].d, work)
    for q in range(plan.L - 1, -1, -1):
        layer = &w.layers[q]
        if layer.dropout > 0:
            drop(w, q, first, last, <const floating *>work + layer.d, work + layer.d)
        meet(team)
        layer_backward(w, layer, &patch, work)
        meet(team)
        if layer.I:
            project_backward(w, layer, first, last, work)
    if plan.D and plan.dropout > 0:
        d = work + w.layers[0].dx
        drop(w, plan.L, first, last, <const floating *>d, d)


cdef void carry(const Window *w,
                floating *work,  # h, s: row T in, row 0 out
                ) noexcept nogil:
    """The state after a window becomes that before the next one."""
    cdef Py_ssize_t q, n = w.plan.B * w.plan.Hs
    cdef const Layer *layer
    for q in range(w.plan.L):
        layer = &w.layers[q]
        memcpy(work + layer.h, work + layer.h + w.T * n, n * sizeof(floating))
        if w.cell.states > 1:
            memcpy(work + layer.s, work + layer.s + w.T * n, n * sizeof(floating))


cdef void begin(const Window *w,
                const uint8_t *fresh,  # (B): the streams that begin from a zero state  in
                floating *work,        # h, s: row 0 = 0 of these                       out
                ) noexcept nogil:
    cdef Py_ssize_t q, i, n_bytes = w.plan.Hp * sizeof(floating)
    cdef const Layer *layer
    for i in range(w.plan.B):
        if not fresh[i]:
            continue
        for q in range(w.plan.L):
            layer = &w.layers[q]
            memset(work + layer.h + i * w.plan.Hs, 0, n_bytes)
            if w.cell.states > 1:
                memset(work + layer.s + i * w.plan.Hs, 0, n_bytes)
