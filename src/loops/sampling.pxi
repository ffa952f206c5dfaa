# Sampling: one stream as fast as it goes, or many that read the weights together.
from cython cimport floating
from libc.stdint cimport int32_t
from libc.string cimport memcpy

cdef inline void recur_all(const Window *w, bint reverse,
                           floating *work,  # WT, h in; r (L, N)  out
                           ) noexcept nogil:
    """The state's share of every layer's next step."""
    cdef Py_ssize_t q
    for q in range(w.plan.L):
        recur(w, &w.layers[q], 1, 0, w.plan.H, reverse, <const floating *>work + w.layers[q].h,
              work + w.plan.r + q * w.plan.As, work)


cdef inline void read_symbol(const Window *w, Py_ssize_t x,
                             floating *work,  # UT, zero, r in; h, s  in, out
                             ) noexcept nogil:
    """The state of a single stream reads a symbol."""
    cdef const Plan *plan = w.plan
    cdef const floating *weights = <const floating *>w.weights
    cdef const floating *below = weights + plan.E + x * w.layers[0].Ip
    cdef const Layer *layer
    cdef core_cell_step step
    cdef Py_ssize_t q
    step.dh = step.dh0 = step.ds = NULL
    for q in range(plan.L):
        layer = &w.layers[q]
        step.a = work + layer.a
        step.u = weights + layer.U + x * plan.Gp
        if layer.I:  # a = below @ U.T
            multiply(w.k, 1, w.cell.gates * plan.H, layer.I, by_rows(below, layer.Is),
                     packed(w.k, work + layer.UT, layer.I), into(step.a, plan.As))
            step.u = step.a
        step.r = work + plan.r + q * plan.As
        step.h0 = step.h = work + layer.h
        step.s0 = step.s = work + layer.s
        if zones(plan):  # what stays of the states is still needed
            step.h = work + layer.hc
            step.s = work + layer.sc
        step_forward(w, layer, &step, 0, plan.H, x == plan.end, <const floating *>work)
        if w.cell.in_place:
            memcpy(step.h, step.r, plan.Hp * sizeof(floating))
        if zones(plan):
            zone(w, layer, 0, 0, plan.H, &step, work + layer.h, work + layer.s)
        below = <const floating *>work + layer.h


# What the kernel knows of a stream while it draws, beside its states: how it draws, and what it remembers.
cdef struct Memory:
    core_drawing drawing
    core_context context
    Py_ssize_t window            # W: how many symbols are remembered; 0: none
    int32_t *recent              # (W + 1): those symbols, -1 where there is none yet, and the place of the next
    int32_t *counts              # (K): how often each is among them


cdef Memory memory_of(Py_ssize_t K, Py_ssize_t b,
                      const core_drawing[::1] drawing,
                      const double[::1] bias,     # (K), or (0): none
                      int32_t[:, ::1] recent,     # (B, W + 1), or (B, 0): nothing is remembered
                      int32_t[:, ::1] counts,     # (B, K), or (B, 0)
                      double *scratch,            # (2 * Kp)
                      ):
    """The memory of stream b."""
    cdef Memory memory
    memory.drawing = drawing[0]
    memory.window = recent.shape[1] - 1 if recent.shape[1] else 0
    memory.recent = &recent[b, 0] if memory.window else NULL
    memory.counts = &counts[b, 0] if memory.window else NULL
    memory.context.bias = &bias[0] if bias.shape[0] else NULL
    memory.context.counts = memory.counts
    memory.context.scratch = scratch
    return memory


cdef inline void remember(Memory *memory, Py_ssize_t x, Py_ssize_t end) noexcept nogil:
    """Let a symbol take the place of the oldest one; the end of a document is none."""
    cdef Py_ssize_t at
    if memory.window == 0 or x == end:
        return
    at = memory.recent[memory.window]
    if memory.recent[at] >= 0:
        memory.counts[memory.recent[at]] -= 1
    memory.recent[at] = <int32_t>x
    memory.counts[x] += 1
    memory.recent[memory.window] = <int32_t>((at + 1) % memory.window)


cdef inline int32_t draw_from(const Window *w, const Memory *memory, double u,
                              const floating *p,       # (K): logits                         in
                              double *logits,          # (Kp): the same, then the shares     out
                              ) noexcept nogil:
    """A symbol; -1 if none may come."""
    cdef Py_ssize_t j
    for j in range(w.plan.K):
        logits[j] = p[j]
    return <int32_t>core_draw(w.plan.K, &memory.drawing, &memory.context, u, logits)


def sample(const floating[::1] weights not None,   # (P), and packed in the space                        in
           space not None,                         # of T = B = 1: blueprint; memory: row 0 of h and s is the carried
                                                   # state in, out; logits (3 * Kp)  scratch
           const int32_t[::1] prompt not None,     # (M): read before the first symbol is drawn; may be empty  in
           how not None,                           # drawing (1), bias (K) or (0)                        in
                                                   # recent (1, W + 1) or (1, 0), counts (1, K) or (1, 0)    in, out
           const double[::1] uniform not None,     # (N) in [0, 1)                                       in
           int32_t[::1] out not None,              # (N)                                                 out
           ):
    """Draw N symbols, or fewer of a whole document; return how many, or -1 if there came none that may come.

    The state has not read the last of them: it is the prompt of the next call.
    """
    cdef Blueprint blueprint = <Blueprint?>space.blueprint
    cdef floating[::1] work = space.memory
    cdef double[::1] logits = space.logits
    cdef Team team = alone()
    cdef Window w
    cdef const Plan *plan = &blueprint._plan[0]
    cdef Memory memory = memory_of(plan.K, 0, how.drawing, how.bias, how.recent, how.counts, &logits[plan.Kp])
    cdef Py_ssize_t i, x, M = prompt.shape[0], drawn = out.shape[0]
    cdef const floating *top = &work[0] + blueprint._layers[plan.L - 1].h
    cdef const floating *p = &work[0] + plan.p
    blueprint.check_sizes(weights.shape[0], work.shape[0])
    w = blueprint.window(&team, &weights[0], sizeof(floating))
    with nogil:
        recur_all(&w, False, &work[0])
        for i in range(M + out.shape[0]):
            if i != M:  # the state reads a symbol; at M it has read the prompt and nothing else
                x = prompt[i] if i < M else out[i - M - 1]
                read_symbol(&w, x, &work[0])
                remember(&memory, x, plan.end)
            # Odd symbols compute the head first, even ones the recurrence: each begins with the weights that the symbol
            # before left in the cache.
            if i & 1 and i >= M:
                head_forward(&w, 0, 1, True, top, &work[0])
            if i != M:
                recur_all(&w, i & 1, &work[0])
            if not i & 1 and i >= M:
                head_forward(&w, 0, 1, False, top, &work[0])
            if i >= M:
                out[i - M] = draw_from(&w, &memory, uniform[i - M], p, &logits[0])
                if out[i - M] < 0:
                    drawn = -1
                    break
                if memory.drawing.whole and out[i - M] == plan.end:
                    drawn = i - M + 1
                    break
    return drawn


# --- many streams -----------------------------------------------------------------------------------------------

cdef void read_symbols(const Window *w, Py_ssize_t rows, bint reverse,
                       const int32_t *x,   # (rows): the symbols; -1: the stream reads nothing  in
                       floating *work,     # UT, WT, zero in; x, r, a  scratch; h, s            in, out
                       ) noexcept nogil:
    """The states of the first streams read a symbol each. They stay in row 0 of h and s."""
    cdef const Plan *plan = w.plan
    cdef const floating *weights = <const floating *>w.weights
    cdef const floating *below = NULL
    cdef const Layer *layer
    cdef core_cell_step step
    cdef Py_ssize_t q, i, ld = state_stride(w), below_ld
    step.dh = step.dh0 = step.ds = NULL
    for q in range(plan.L):
        layer = &w.layers[q]
        recur(w, layer, rows, 0, plan.H, reverse, <const floating *>work + layer.h, work + plan.r, work)
        if layer.I:  # a = below @ U.T
            below_ld = plan.Hs
            if q == 0:
                below, below_ld = work + layer.x, layer.Is
                for i in range(rows):
                    memcpy(work + layer.x + i * layer.Is, weights + plan.E + max(x[i], 0) * layer.Ip,
                           layer.Ip * sizeof(floating))
            multiply(w.k, rows, w.cell.gates * plan.H, layer.I, by_rows(below, below_ld),
                     packed(w.k, work + layer.UT, layer.I), into(work + layer.a, plan.As))
        for i in range(rows):
            if x[i] < 0:
                continue
            step.a = work + layer.a + i * plan.As
            step.u = <const floating *>step.a if layer.I else weights + layer.U + x[i] * plan.Gp
            step.r = work + plan.r + i * ld
            step.h0 = step.h = work + layer.h + i * plan.Hs
            step.s0 = step.s = work + layer.s + i * plan.Hs
            if zones(plan):  # what stays of the states is still needed
                step.h = work + layer.hc + i * plan.Hs
                step.s = work + layer.sc + i * plan.Hs
            step_forward(w, layer, &step, 0, plan.H, x[i] == plan.end, <const floating *>work)
            if w.cell.in_place:
                memcpy(step.h, step.r, plan.Hp * sizeof(floating))
            if zones(plan):
                zone(w, layer, 0, 0, plan.H, &step, work + layer.h + i * plan.Hs, work + layer.s + i * plan.Hs)
        below = <const floating *>work + layer.h


cdef inline void swap_rows(Py_ssize_t n, floating *a, floating *b) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating x
    for i in range(n):
        x = a[i]
        a[i] = b[i]
        b[i] = x


cdef void swap_streams(const Window *w, Py_ssize_t i, Py_ssize_t j, int32_t *order,
                       floating *work,  # rows i and j of h and s  in, out
                       ) noexcept nogil:
    """Two streams change places."""
    cdef Py_ssize_t q, ld = w.plan.Hs
    cdef int32_t stream = order[i]
    cdef const Layer *layer
    if i == j:
        return
    order[i], order[j] = order[j], stream
    for q in range(w.plan.L):
        layer = &w.layers[q]
        swap_rows(w.plan.Hp, work + layer.h + i * ld, work + layer.h + j * ld)
        if w.cell.states > 1:
            swap_rows(w.plan.Hp, work + layer.s + i * ld, work + layer.s + j * ld)


# What each of B streams reads and draws in one call.
cdef struct Streams:
    Py_ssize_t Q, N
    const int32_t *queue         # (B, Q): symbols to read first                            in
    const int32_t *queued        # (B): how many of them                                    in
    const int32_t *wanted        # (B): how many to draw then                               in
    const double *uniform        # (B, N)                                                   in
    int32_t *out                 # (B, N): the symbols                                      out
    int32_t *drawn               # (B): how many                                            out
    int32_t *order               # (B): which stream each row of the states belongs to      in, out
    int32_t *reads               # (B): symbols read in this call                           scratch
    int32_t *x                   # (B): the symbol that each row reads                      scratch


cdef inline bint is_done(const Streams *s, Py_ssize_t b, const Memory *memories, Py_ssize_t end) noexcept nogil:
    """Whether stream b has read and drawn what it shall in this call."""
    cdef Py_ssize_t n = s.drawn[b]
    cdef bint whole = memories[b].drawing.whole
    return s.reads[b] >= s.queued[b] and (n == s.wanted[b] or (whole and n > 0 and s.out[b * s.N + n - 1] == end))


cdef Py_ssize_t retire(const Window *w, const Streams *s, Py_ssize_t rows, const Memory *memories,
                       floating *work) noexcept nogil:
    """Put the streams that are done behind the others; how many others there are."""
    cdef Py_ssize_t i
    for i in range(rows - 1, -1, -1):
        if is_done(s, s.order[i], memories, w.plan.end):
            rows -= 1
            swap_streams(w, i, rows, s.order, work)
    return rows


cdef bint advance(const Window *w, const Streams *s, Memory *memories, double *logits, floating *work) noexcept nogil:
    """Each stream reads and draws until it is done. Those that are left share each product.

    Returns whether each had a symbol that may come.
    """
    cdef const Plan *plan = w.plan
    cdef const floating *top = <const floating *>work + w.layers[plan.L - 1].h
    cdef Py_ssize_t i, b, rows = retire(w, s, plan.B, memories, work)
    cdef bint reverse = False, draws
    while rows > 0:
        draws = False
        for i in range(rows):
            b = s.order[i]
            if s.reads[b] < s.queued[b]:
                s.x[i] = s.queue[b * s.Q + s.reads[b]]
            else:
                s.x[i] = s.out[b * s.N + s.drawn[b] - 1] if s.drawn[b] else -1
            s.reads[b] += s.x[i] >= 0
            draws |= s.reads[b] >= s.queued[b] and s.wanted[b] > 0
        read_symbols(w, rows, reverse, s.x, work)
        if draws:
            head_forward(w, 0, rows, reverse, top, work)
        for i in range(rows):
            b = s.order[i]
            if s.x[i] >= 0:
                remember(&memories[b], s.x[i], plan.end)
            if s.reads[b] >= s.queued[b] and s.drawn[b] < s.wanted[b]:
                s.out[b * s.N + s.drawn[b]] = draw_from(w, &memories[b], s.uniform[b * s.N + s.drawn[b]],
                                                        <const floating *>work + plan.p + i * plan.Kp, logits)
                if s.out[b * s.N + s.drawn[b]] < 0:
                    return False
                s.drawn[b] += 1
        rows = retire(w, s, rows, memories, work)
        reverse = not reverse
    return True


def sample_streams(const floating[::1] weights not None,  # (P), and packed in the space                          in
                   space not None,                 # of T = 1: blueprint; memory: row 0 of h and s is the carried state
                                                   # in, out; logits (3 * Kp)  scratch
                   how not None,                   # of all: drawing (1), bias (K) or (0)                      in
                                                   # recent (B, W + 1) or (B, 0), counts (B, K) or (B, 0)  in, out
                                                   # or a list of B of them, each of one stream
                   queues not None,                # queue (B, Q), queued (B), wanted (B), uniform (B, N) in [0, 1) in
                                                   # out (B, N), drawn (B)  out;  order (B)  in, out
                                                   # scratch (2, B)
                   ):
    """The same as `sample` for B streams, each with a queue of its own to read and a number of symbols to draw.

    Returns whether each had a symbol that may come; if not, all have drawn nothing of use.
    """
    cdef Blueprint blueprint = <Blueprint?>space.blueprint
    cdef floating[::1] work = space.memory
    cdef double[::1] logits = space.logits
    cdef Team team = alone()
    cdef const int32_t[:, ::1] queue = queues.queue
    cdef const int32_t[::1] queued = queues.queued, wanted = queues.wanted
    cdef const double[:, ::1] uniform = queues.uniform
    cdef int32_t[:, ::1] out = queues.out, scratch = queues.scratch
    cdef int32_t[::1] drawn = queues.drawn, order = queues.order
    cdef Window w
    cdef Streams s
    cdef const Plan *plan = &blueprint._plan[0]
    cdef Py_ssize_t b
    cdef bint shared = not isinstance(how, list)
    memories = bytearray(plan.B * sizeof(Memory))
    cdef Memory *each = <Memory *><char *>memories
    for b in range(plan.B):
        if queued[b] == 0 and wanted[b] == 0:  # it rests, and its memory stays zeros
            continue
        own = how if shared else how[b]
        each[b] = memory_of(plan.K, b if shared else 0, own.drawing, own.bias, own.recent, own.counts,
                            &logits[plan.Kp])
    blueprint.check_sizes(weights.shape[0], work.shape[0])
    w = blueprint.window(&team, &weights[0], sizeof(floating))
    s.Q, s.N = queue.shape[1], out.shape[1]
    s.queue = &queue[0, 0] if s.Q else NULL
    s.uniform = &uniform[0, 0] if s.N else NULL
    s.out = &out[0, 0] if s.N else NULL
    s.queued, s.wanted = &queued[0], &wanted[0]
    s.order, s.drawn, s.reads, s.x = &order[0], &drawn[0], &scratch[0, 0], &scratch[1, 0]
    drawn[:] = 0
    scratch[0, :] = 0
    cdef bint could
    with nogil:
        could = advance(&w, &s, each, &logits[0], &work[0])
    return could
