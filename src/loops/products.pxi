# Matrix products, and the threads that share them.
from cython cimport floating
from libc.stdint cimport int32_t, uint8_t, uint64_t

cdef struct Team:
    # The threads of one call: what each does is a share of rows, columns, streams or units. They meet after each phase,
    # and after each step in which they share units.
    int rank, size
    uint64_t seed, update        # what the masks of dropout are drawn from
    int32_t *meeting             # (5): the meeting place, whether to go on, and whether to stop; NULL: nobody asks


# What the loops need for one window; only its arrays of `floating` are passed beside it.
cdef struct Window:
    const core_table *k
    const core_cell *cell
    const Plan *plan
    const Layer *layers          # (L)
    Team *team
    Py_ssize_t T                 # steps, at most plan.T
    const int32_t *x             # (T, B): the symbols that are read     in
    const int32_t *y             # (T, B): those that are predicted      in
    const uint8_t *fresh         # (T, B): where a stream begins from a zero state, beside documents; NULL: nowhere  in
    const void *weights          # (P)                                   in


# A parameter in the flat vectors: `rows` rows of which `used` elements count, `stride` apart.
cdef struct Place:
    Py_ssize_t offset, rows, used, stride


cdef const core_table *table_of(Py_ssize_t itemsize) except NULL:
    """The table of the precision whose arrays all have items of this size."""
    cdef Py_ssize_t i = 0
    cdef const core_precision *row = core_precision_at(0)
    while row != NULL:
        if row.weights == row.products == row.activations == row.moments == itemsize:
            return core_table_at(i)
        i += 1
        row = core_precision_at(i)
    raise ValueError(f"no precision has items of {itemsize} bytes throughout")


cdef const core_table *table_named(str precision, Py_ssize_t itemsize) except NULL:
    """The table of a precision whose weights and activations have items of this size; None: as above."""
    cdef Py_ssize_t i
    if precision is None:
        return table_of(itemsize)
    i = list(PRECISIONS).index(precision)
    if not core_precision_at(i).weights == core_precision_at(i).activations == itemsize:
        raise ValueError(f"weights and activations of {precision} do not have {itemsize} bytes")
    return core_table_at(i)


# --- threads ----------------------------------------------------------------------------------------------------

cdef inline Team alone() noexcept nogil:
    return Team(rank=0, size=1, seed=0, update=0, meeting=NULL)


cdef Team team_of(team) except *:
    """What Python calls a team: rank, size and the meeting place, which the caller keeps alive."""
    cdef int32_t[::1] meeting = team.meeting
    return Team(rank=team.rank, size=team.size, seed=0, update=0, meeting=&meeting[0])


cdef inline bint meet(Team *team) noexcept nogil:
    """Wait for the whole team; False if one of its threads could not be started."""
    return team.size == 1 or core_meet(team.meeting, team.size) == 0


cdef inline bint hurries(Team *team) noexcept nogil:
    """Whether somebody asks to leave the update undone. What is left of it need not be computed then."""
    return team.meeting != NULL and core_hears(team.meeting) != 0


cdef inline bint is_undone(const Team *team) noexcept nogil:
    """Whether the update is left undone: the same for the whole team, after it has met."""
    return team.meeting != NULL and core_heard(team.meeting) != 0


cdef inline Py_ssize_t part(Py_ssize_t n, Py_ssize_t of, Py_ssize_t i, Py_ssize_t parts) noexcept nogil:
    """Where the i-th of so many parts of n begins: at a multiple of `of`."""
    cdef Py_ssize_t units = (n + of - 1) // of
    return min(n, i * units // parts * of)


cdef inline Py_ssize_t share(const Team *team, Py_ssize_t n, Py_ssize_t of, int rank) noexcept nogil:
    """Where the share of a rank begins, as `part`."""
    return part(n, of, rank, team.size)


# --- views ------------------------------------------------------------------------------------------------------

cdef inline Py_ssize_t columns(const core_table *k, Py_ssize_t n) noexcept nogil:
    """n in whole vectors: what a product has to compute of a padded row."""
    return (n + k.width - 1) // k.width * k.width


cdef inline core_matrix by_rows(const void *data, Py_ssize_t stride) noexcept nogil:
    """A matrix as it lies, its rows `stride` apart."""
    return core_matrix(data=data, row=stride, column=1)


cdef inline core_matrix transposed(const void *data, Py_ssize_t stride) noexcept nogil:
    """The transpose of a matrix whose rows are `stride` apart."""
    return core_matrix(data=data, row=1, column=stride)


cdef inline core_panels packed(const core_table *k, const void *data, Py_ssize_t depth) noexcept nogil:
    """A right matrix of so many rows that has been packed."""
    cdef Py_ssize_t panel = (depth + k.pair - 1) // k.pair * k.pair * k.row
    return core_panels(data=<void *>data, row=k.row, panel=panel, reverse=0, ready=1)


cdef inline core_panels plain(const core_table *k, const void *data, Py_ssize_t stride) noexcept nogil:
    """A right matrix as it lies, its rows `stride` apart."""
    return core_panels(data=<void *>data, row=stride, panel=k.panel, reverse=0, ready=0)


cdef inline core_panels packed_rows(const core_table *k, const void *data, Py_ssize_t depth,
                                    Py_ssize_t stride) noexcept nogil:
    """A right matrix that has been packed into whole rows, `stride` apart, unless rows stay together."""
    if k.pair > 1:
        return packed(k, data, depth)
    return core_panels(data=<void *>data, row=stride, panel=k.panel, reverse=0, ready=1)


cdef inline core_panels from_column(const core_table *k, core_panels right, Py_ssize_t j,
                                    size_t itemsize) noexcept nogil:
    """What follows the first j columns, which are whole panels."""
    right.data = <char *>right.data + j // k.panel * right.panel * itemsize
    return right


cdef inline core_panels from_row(core_panels right, Py_ssize_t i, size_t itemsize) noexcept nogil:
    """What follows the first i rows."""
    right.data = <char *>right.data + i * right.row * itemsize
    return right


cdef inline core_sums into(void *out, Py_ssize_t stride) noexcept nogil:
    """Sums that start from zero."""
    return core_sums(start=NULL, start_row=0, out=out, out_row=stride)


cdef inline core_sums onto(void *out, Py_ssize_t stride) noexcept nogil:
    """Sums that are added to what is there."""
    return core_sums(start=out, start_row=stride, out=out, out_row=stride)


cdef inline core_sums from_bias(const void *bias, void *out, Py_ssize_t stride) noexcept nogil:
    """Sums that start from the same row each."""
    return core_sums(start=bias, start_row=0, out=out, out_row=stride)


cdef inline void multiply(const core_table *k, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t depth,
                          core_matrix left,    # (rows, depth)  in
                          core_panels right,   # (depth, cols)  in
                          core_sums sums,      # (rows, cols)   in, out
                          ) noexcept nogil:
    """sums.out = sums.start + left @ right"""
    cdef core_product product
    if rows < 1 or cols < 1:  # a thread may have no share
        return
    product.rows = rows
    product.columns = columns(k, cols)
    product.depth = depth
    product.left = left
    product.right = right
    product.sums = sums
    k.multiply(&product)


cdef inline core_panels state_weights(const Window *w, const Layer *layer,
                                      const floating *work,  # WT (H, N)  in
                                      ) noexcept nogil:
    """W.T: whole rows for the product of a single row, panels for a batch. Both ways sum alike: the same bits."""
    if w.plan.B == 1:
        return packed_rows(w.k, work + layer.WT, w.plan.H, w.plan.Gp)
    return packed(w.k, work + layer.WT, w.plan.H)


cdef inline core_panels state_weights_back(const Window *w, const Layer *layer,
                                           const floating *work,  # WB (N, H)  in
                                           ) noexcept nogil:
    """W: panels for a batch; for a single row whole rows, which are those of the weights unless products round them."""
    if w.plan.B > 1:
        return packed(w.k, work + layer.WB, w.cell.gates * w.plan.H)
    if w.k.rounds:
        return packed_rows(w.k, work + layer.WB, w.cell.gates * w.plan.H, w.plan.Hp)
    return plain(w.k, <const floating *>w.weights + layer.W, w.plan.Hp)


cdef void pack_weights(const Window *w,
                       floating *work,          # UT, WT, UB, WB and VT  out
                       ) noexcept nogil:
    """Each matrix in the order in which the products read it, and rounded, if they round.

    A thread packs the columns of U.T, W.T and V.T, and the rows of U and W, that belong to its share of the gates.
    """
    cdef const core_table *k = w.k
    cdef const Plan *plan = w.plan
    cdef const floating *weights = <const floating *>w.weights
    cdef Py_ssize_t q, H = plan.H, panel = k.panel, N = w.cell.gates * H
    cdef Py_ssize_t lo = share(w.team, N, panel, w.team.rank), hi = share(w.team, N, panel, w.team.rank + 1)
    cdef const Layer *layer
    cdef const floating *W
    cdef const floating *U
    cdef core_panels right
    cdef size_t size = sizeof(floating)
    for q in range(plan.L):
        layer = &w.layers[q]
        W = weights + layer.W + lo * plan.Hp
        right = state_weights(w, layer, <const floating *>work)
        k.pack(H, hi - lo, transposed(W, plan.Hp), from_column(k, right, lo, size))
        if plan.B > 1 or k.rounds:
            right = state_weights_back(w, layer, <const floating *>work)
            k.pack(hi - lo, H, by_rows(W, plan.Hp), from_row(right, lo, size))
        if layer.I:
            U = weights + layer.U + lo * layer.Ip
            right = packed(k, work + layer.UT, layer.I)
            k.pack(layer.I, hi - lo, transposed(U, layer.Ip), from_column(k, right, lo, size))
            right = packed(k, work + layer.UB, N)
            k.pack(hi - lo, layer.I, by_rows(U, layer.Ip), from_row(right, lo, size))
    lo, hi = share(w.team, plan.K, panel, w.team.rank), share(w.team, plan.K, panel, w.team.rank + 1)
    right = packed(k, work + plan.VT, H)
    k.pack(H, hi - lo, transposed(weights + plan.V + lo * plan.Hp, plan.Hp), from_column(k, right, lo, size))
