# The places of all arrays, checked once.
cdef class Blueprint:
    """The places of all arrays in a space of T steps of B streams. It is read and checked once, not at each call."""
    cdef readonly object plan         # records.Plan (1)
    cdef readonly object layers       # records.Layer (L)
    cdef const Plan[::1] _plan
    cdef const Layer[::1] _layers
    cdef const core_precision *precision

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
