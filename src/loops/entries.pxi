# What the package calls. The arrays of a call come in records; a `space` has plan, layers and memory.
from cython cimport floating
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

# What one call of `train` reads and writes beside the records.
cdef struct Course:
    Py_ssize_t n                 # windows
    const int32_t *steps         # (n)
    const uint8_t *fresh         # (n, B)
    const double *rates          # (n)
    double *loss                 # (n)
    double *losses               # (T * B)  scratch


cdef void updates(Window *w, Step *u, Run *run, const Course *course,
                  floating *work,    # packed weights, all arrays of a window
                  ) noexcept nogil:
    """One update after the other, by each thread of the team; the first one writes what they share."""
    cdef Team *team = w.team
    cdef Py_ssize_t i, B = w.plan.B
    cdef double total, power1 = run.power1, power2 = run.power2
    if not meet(team):
        return
    pack_weights(w, work)
    for i in range(course.n):
        w.T = course.steps[i]
        if team.rank == 0:
            begin(w, course.fresh + i * B, work)
        meet(team)
        total = forward(w, work, course.losses)
        if not total - total == 0:  # not finite, and all see the same total
            break
        backward(w, 1.0 / B, work)
        power1 *= u.numbers.beta1
        power2 *= u.numbers.beta2
        u.numbers.rate = course.rates[i]
        u.numbers.correction1 = 1 / (1 - power1)
        u.numbers.correction2 = 1 / (1 - power2)
        if not clip_and_step(w, u, work):
            break
        meet(team)
        team.update += 1
        if i + 1 < course.n:  # else the next call does
            pack_weights(w, work)
        if team.rank == 0:
            carry(w, work)
            course.loss[i] = total
            run.power1 = power1
            run.power2 = power2
            run.n_updates += 1
        w.x += w.T * B
        w.y += w.T * B


def train(floating[::1] weights not None,  # (P)                                                       in, out
          space not None,                  # blueprint; memory: row 0 of h and s is the carried state  in, out;
                                           # grads (P), seen (K) and losses (T * B)                    scratch
          windows not None,                # x and y: of one window after the other (steps, B); steps (n);
                                           # fresh (n, B): the streams that begin from a zero state    in
          update not None,                 # name, numbers (1) and rates (n) in; m, v, average (P) or (0) in, out
          Run[::1] run not None,           # (1)                                                       in, out
          double[::1] loss not None,       # (n): nats of each window, summed                          out
          team=None,                       # rank, size; meeting (5): zeros at first                   in, out
          ):
    """Make an update for each of n windows; stop before one whose loss is not finite, or that the team leaves undone.

    The weights are then those before it. Gradients are those of the loss summed over the steps, the mean of the
    streams.
    """
    cdef Blueprint blueprint = <Blueprint?>space.blueprint
    cdef floating[::1] work = space.memory
    cdef floating[::1] grads = space.grads
    cdef int32_t[::1] seen = space.seen
    cdef double[::1] losses = space.losses
    cdef const int32_t[::1] x = windows.x
    cdef const int32_t[::1] y = windows.y
    cdef const int32_t[::1] steps = windows.steps
    cdef const uint8_t[:, ::1] fresh = windows.fresh
    cdef const core_numbers[::1] numbers = update.numbers
    cdef const double[::1] rates = update.rates
    cdef floating[::1] m = update.m
    cdef floating[::1] v = update.v
    cdef floating[::1] average = update.average
    cdef Team own = alone() if team is None else team_of(team)
    cdef Window w
    cdef Step u
    cdef Course course
    if not loss.shape[0]:
        return
    blueprint.check_moments(sizeof(floating), m.shape[0], weights.shape[0])
    blueprint.check_moments(sizeof(floating), v.shape[0], weights.shape[0])
    own.seed, own.update = run[0].seed, run[0].n_updates
    blueprint.check_sizes(weights.shape[0], work.shape[0])
    w = blueprint.window(&own, &weights[0], sizeof(floating))
    w.x, w.y = &x[0], &y[0]
    u.together = numbers[0].clip_norm <= 0 and own.size == 1 and own.meeting == NULL and w.T * w.plan.B <= 256
    u.size = weights.shape[0]
    u.weights = &weights[0]
    u.grads = &grads[0]
    u.m = &m[0] if m.shape[0] else NULL
    u.v = &v[0] if v.shape[0] else NULL
    u.average = &average[0] if average.shape[0] else NULL
    u.numbers = numbers[0]
    u.rule = rule_named(w.k, update.name)
    u.seen = &seen[0]
    course = Course(loss.shape[0], &steps[0], &fresh[0, 0], &rates[0], &loss[0], &losses[0])
    with nogil:
        updates(&w, &u, &run[0], &course, &work[0])


def loss_and_gradients(const floating[::1] weights not None,  # (P)                                     in
                       space not None,                 # blueprint; memory: row 0 of h and s is the state before x[0]
                       const int32_t[::1] x not None,  # (T * B)                                        in
                       const int32_t[::1] y not None,  # (T * B)                                        in
                       floating[::1] grads not None,   # (P) += dloss/dweights; empty: the loss alone
                       double[::1] loss not None,      # (T * B)                                        out, nats
                       uint64_t seed=0,                # of the masks of dropout, those of the first update
                       ):
    """The summed loss of one window and, when there is room for them, its gradients."""
    cdef Blueprint blueprint = <Blueprint?>space.blueprint
    cdef floating[::1] work = space.memory
    cdef Team team = alone()
    cdef Window w
    cdef Step u
    cdef double total
    memset(&u, 0, sizeof(Step))
    team.seed = seed
    blueprint.check_sizes(weights.shape[0], work.shape[0])
    w = blueprint.window(&team, &weights[0], sizeof(floating))
    w.x, w.y = &x[0], &y[0]
    with nogil:
        pack_weights(&w, &work[0])
        total = forward(&w, &work[0], &loss[0])
        if grads.shape[0]:
            u.grads = &grads[0]
            backward(&w, 1.0, &work[0])
            gradients(&w, &u, &work[0])
    return total


def evaluate(const floating[::1] weights not None,  # (P)                                                  in
             space not None,                        # blueprint; memory: row 0 of h and s is the state before
                                                    # ids[0] in, before ids[N] out
             const int32_t[::1] ids not None,       # (N + 1)                                              in
             double[::1] loss not None,             # (N): nats of each symbol after the first             out
             ):
    """-log p of every next symbol, the state carried along."""
    cdef Blueprint blueprint = <Blueprint?>space.blueprint
    cdef floating[::1] work = space.memory
    cdef Team team = alone()
    cdef Window w
    cdef Py_ssize_t start = 0, end = ids.shape[0] - 1
    blueprint.check_sizes(weights.shape[0], work.shape[0])
    w = blueprint.window(&team, &weights[0], sizeof(floating))
    with nogil:
        pack_weights(&w, &work[0])
        while start < end:
            w.T = min(end - start, w.plan.T)
            w.x, w.y = &ids[start], &ids[start + 1]
            forward(&w, &work[0], &loss[start])
            carry(&w, &work[0])
            start += w.T


def read_streams(const floating[::1] weights not None,  # (P), and packed in the space                        in
                 space not None,                    # blueprint; memory: row 0 of h and s is the state before the
                                                    # window in, after it out
                 const int32_t[:, ::1] x not None,  # (T, B): of the streams lo .. hi                         in
                 const int32_t[:, ::1] y not None,  # (T, B)                                                  in
                 const uint8_t[:, ::1] fresh not None,  # (T, B): the steps that begin from a zero state      in
                 double[:, ::1] loss not None,      # (T, B): nats                                            out
                 Py_ssize_t lo, Py_ssize_t hi,
                 team=None,                         # rank, size; meeting (5): zeros at first             in, out
                 ):
    """-log p of the symbols that some streams predict. Other threads may read others of the same space meanwhile."""
    cdef Blueprint blueprint = <Blueprint?>space.blueprint
    cdef floating[::1] work = space.memory
    cdef Team own = alone() if team is None else team_of(team)
    cdef Window w
    blueprint.check_sizes(weights.shape[0], work.shape[0])
    w = blueprint.window(&own, &weights[0], sizeof(floating))
    w.T = x.shape[0]
    w.x, w.y, w.fresh = &x[0, 0], &y[0, 0], &fresh[0, 0]
    with nogil:
        if meet(&own):
            forward_streams(&w, lo, hi, &work[0], &loss[0, 0])


def pack(const floating[::1] weights not None,  # (P)                                     in
         space not None,                        # blueprint in; memory: packed weights  out
         ):
    """Pack weights for any number of calls of `sample`."""
    cdef Blueprint blueprint = <Blueprint?>space.blueprint
    cdef floating[::1] work = space.memory
    cdef Team team = alone()
    cdef Window w
    blueprint.check_sizes(weights.shape[0], work.shape[0])
    w = blueprint.window(&team, &weights[0], sizeof(floating))
    pack_weights(&w, &work[0])


def reflect(const double[::1] v not None,   # (n), of the length sqrt(2)                in
            double[:, :] Q not None,        # (n, n); its rows may lie in longer ones   in, out
            double[::1] sums not None,      # (2 * n)                                   scratch
            ):
    """Q -= v (v.T @ Q): the reflection of each column in the plane across v.

    Products and sums are primitives of their own, one after the other through memory, so that no compiler fuses them:
    the same bits on every instruction set, with fused multiply-add and without.
    """
    cdef const core_table *k = table_of(sizeof(double))
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


def moving_average(const double[::1] x not None,       # (n)  in
                   const double[::1] weights not None,  # (n)  in
                   double[::1] out not None,            # (n)  out
                   double mean,
                   ):
    """The mean after each x: mean += weight * (x - mean); a mean below 0 says that there is none yet. Returns the last.

    No compiler fuses the product and the sum: the same bits everywhere.
    """
    cdef volatile double change
    cdef Py_ssize_t i
    for i in range(out.shape[0]):
        change = weights[i] * (x[i] - mean)
        mean = mean + change if mean >= 0 else x[i]
        out[i] = mean
    return mean
