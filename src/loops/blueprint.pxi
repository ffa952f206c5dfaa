# The places of all arrays, checked once.
cdef class Blueprint:
    """The places of all arrays in a space of T steps of B streams. It is read and checked once, not at each call."""
    cdef readonly object plan         # records.Plan (1)
    cdef readonly object layers       # records.Layer (L)
    cdef const Plan[::1] _plan
    cdef const Layer[::1] _layers
    cdef const core_precision *precision
    cdef Py_ssize_t n_weights         # P, padding included
    cdef Py_ssize_t n_memory          # elements of memory that reach to the end of each array of a window, at least

    def __cinit__(self, plan not None, layers not None):
        self.plan = plan
        self.layers = layers
        self._plan = plan
        self._layers = layers
        if self._plan.shape[0] != 1 or self._layers.shape[0] != self._plan[0].L:
            raise ValueError(f"a space has one plan and as many layers as it says, got {plan} and {layers}")
        self.precision = core_precision_at(self._plan[0].precision)
        if self.precision == NULL:
            raise ValueError(f"no precision has the code {self._plan[0].precision}")
        if not 0 <= self._plan[0].cell < len(CELLS):
            raise ValueError(f"no cell has the code {self._plan[0].cell}")
        self.n_weights = self._plan[0].c + self._plan[0].Kp  # the head's bias comes last
        self.n_memory = self._end()
        self._check_places()

    cdef Py_ssize_t _end(self):
        """Where the last array of a window ends. What is packed ends later still."""
        cdef const Plan *plan = &self._plan[0]
        cdef const Layer *layer
        cdef Py_ssize_t q, M = plan.T * plan.B, states = (plan.T + 1) * plan.B * plan.Hs
        cdef Py_ssize_t end = max(plan.p + M * plan.Kp, plan.zero + plan.H, plan.z + 4 * plan.B * plan.Hs,
                                  plan.r + max(plan.L, plan.B) * plan.As, plan.top + M * plan.Hs, plan.VT)
        end = max(end, plan.R)
        for q in range(plan.L):
            layer = &self._layers[q]
            end = max(end, layer.h + states, layer.d + M * plan.Hs, layer.da + M * plan.Ds, layer.UT, layer.WT)
            end = max(end, layer.UB, layer.WB, layer.hc, layer.sc, layer.s, layer.a)
            if layer.I:
                end = max(end, layer.x + M * layer.Is, layer.dx + M * layer.Is)
        return end

    cdef int _check_places(self) except -1:
        """No size and no place is negative, and the weights of each layer lie among all weights."""
        cdef const Plan *plan = &self._plan[0]
        cdef const Layer *layer
        cdef Py_ssize_t q, P = self.n_weights, last = plan.V + plan.K * plan.Hp
        sizes = (plan.T, plan.B, plan.K, plan.H, plan.L)
        if min(sizes) < 1 or min(plan.E, plan.V, plan.c, plan.p, plan.VT, plan.r, plan.z, plan.zero, plan.top) < 0:
            raise ValueError(f"a plan has sizes of at least 1 and places of at least 0, got {self.plan}")
        for q in range(plan.L):
            layer = &self._layers[q]
            last = max(last, layer.W + plan.H * plan.Hp, layer.b + plan.Gp, layer.n + plan.Hp,
                       layer.U + (layer.Ip if layer.I else plan.K * plan.Gp))
            if min(layer.U, layer.W, layer.b, layer.n, layer.h, layer.s, layer.hc, layer.sc, layer.a, layer.d,
                   layer.da, layer.UT, layer.WT, layer.UB, layer.WB, layer.y, layer.x, layer.dx) < 0:
                raise ValueError(f"places are at least 0, got {self.layers}")
        if last > P:
            raise ValueError(f"weights lie in a vector of {P}, not up to {last}: {self.plan}")
        return 0

    cdef int check_sizes(self, Py_ssize_t n_weights, Py_ssize_t n_memory) except -1:
        """The weights are as many as the plan says, and the memory reaches to the end of each array."""
        if n_weights != self.n_weights:
            raise ValueError(f"weights of this plan are {self.n_weights} numbers, not {n_weights}")
        if n_memory < self.n_memory:
            raise ValueError(f"memory of this plan has at least {self.n_memory} numbers, not {n_memory}")
        return 0

    cdef Window window(self, Team *team, const void *weights, Py_ssize_t itemsize) except *:
        """A window of no symbols yet, for weights whose items have this size."""
        cdef const Plan *plan = &self._plan[0]
        cdef Window w
        if itemsize != self.precision.weights:
            raise ValueError(f"weights of this precision have {self.precision.weights} bytes, not {itemsize}")
        w.k = core_table_at(plan.precision)
        w.cell = w.k.cells + plan.cell
        w.plan = plan
        w.layers = &self._layers[0]
        w.team = team
        w.T = plan.T
        w.x = w.y = NULL
        w.fresh = NULL
        w.weights = weights
        return w

    cdef int check_moments(self, Py_ssize_t itemsize, Py_ssize_t size, Py_ssize_t wanted) except -1:
        """Moments have the precision's size of an item, and are as long as the weights or empty."""
        if itemsize != self.precision.moments:
            raise ValueError(f"moments of this precision have {self.precision.moments} bytes, not {itemsize}")
        if size != 0 and size != wanted:
            raise ValueError(f"moments must be as long as the weights, {wanted}, or empty, not {size}")
        return 0
