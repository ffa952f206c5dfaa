# Records that Python fills by name. Every field has 8 bytes, so that no record has gaps. The dtype of each comes from
# the C struct itself; network/records.py mirrors the names and compares them at import.
from libc.stdint cimport int64_t

import re

import numpy as np


cdef struct Plan:
    # What all loops need to know of windows of T steps of B streams. Sizes and strides count elements.
    Py_ssize_t precision, cell    # which row of PRECISIONS and of CELLS
    Py_ssize_t T, B, K, H, L      # see the legend
    Py_ssize_t D                  # elements of an embedding; 0: the first layer gathers rows of its U
    Py_ssize_t Hp, Kp, Gp         # padded rows of H, K and gates * H elements
    Py_ssize_t Hs, As, Ds         # distances of rows in work: of h, s, d and y; of a; of da
    Py_ssize_t E, V, c            # where they begin in params, grads and moments: (K, D) (K, H) (K)
    Py_ssize_t p, VT              # in work: logits, softmax or their derivatives (T, B, K); V.T packed (H, K)
    Py_ssize_t r, z, zero         # in work: scratch (L or B, kept * H) and (4, B, H); zeros (H)
    Py_ssize_t R                  # in work: scratch for the packed right matrix of a gradient (T * B, H or I); -1: none
    Py_ssize_t top                # in work: what the head reads (T, B, H)
    Py_ssize_t end                # the symbol that ends a document and begins the next from a zero state; -1: none
    double dropout                # the probability with which an element of an embedding is dropped
    double zoneout, cell_zoneout  # the probabilities with which h and s of a unit stay as they are for a step
    Py_ssize_t masked             # whether zoneout is drawn at random, or each state is the mean of both
    double label_smoothing        # the share of each target that is spread evenly over all symbols

cdef struct Layer:
    # Where the arrays of one layer begin. Of params: U (gates * H, I) or, to gather from, (K, gates * H);
    # W (gates * H, H); b (gates * H), the bias on the state's side; n ((gates - shared) * H), that on the input's.
    Py_ssize_t U, W, b, n
    Py_ssize_t h, s               # in work: the states after each step (T+1, B, H), the incoming ones in row 0
    Py_ssize_t hc, sc             # in work: what the cell makes of them (T, B, H); without zoneout the rows of h and s
    Py_ssize_t a                  # in work: what the cell caches of each step for the backward pass (T, B, kept * H)
    Py_ssize_t d, da              # in work: dloss/dh (T, B, H); dloss/d pre-activations (T, B, .): d itself or a
    Py_ssize_t UT, WT, UB, WB     # in work, packed: U.T (I, gates * H), W.T (H, gates * H), and U and W as they are
    Py_ssize_t y                  # in work: h after dropout (T, B, H)
    Py_ssize_t I, Ip, Is          # elements of an input, 0: gathered; padded, in U; distance of rows in x and dx
    Py_ssize_t x, dx              # in work: inputs (T, B, I), embeddings or the layer below's y or h; and dloss/dx
    double dropout                # the probability with which an output is dropped for what lies above

cdef struct Run:
    # What each update changes besides the arrays. An interrupt finds it as the last whole update left it.
    int64_t n_updates
    int64_t seed                  # of the masks of dropout
    double power1, power2         # Adam's beta1 ** n and beta2 ** n


cdef Plan _plan
cdef Layer _layer
cdef Run _run
cdef core_drawing _drawing
cdef core_numbers _numbers


def _dtype(records):
    """The dtype of C records, from the format of their buffer, T{q:n_updates:...}. NumPy parses it far more slowly."""
    return np.dtype([(name, kind) for kind, name in re.findall(r"(\w):(\w+):", memoryview(records).format)])


PLAN = _dtype(<Plan[:1]> &_plan)
LAYER = _dtype(<Layer[:1]> &_layer)
RUN = _dtype(<Run[:1]> &_run)
DRAWING = _dtype(<core_drawing[:1]> &_drawing)
NUMBERS = _dtype(<core_numbers[:1]> &_numbers)


def _assert_sizes():
    """The C compiler knows how long a struct is, whatever core.pxi declares of it."""
    sizes = (sizeof(Plan), sizeof(Layer), sizeof(Run), sizeof(core_drawing), sizeof(core_numbers))
    for dtype, size in zip((PLAN, LAYER, RUN, DRAWING, NUMBERS), sizes, strict=True):
        if dtype.itemsize != size or size != 8 * len(dtype.names):
            raise ImportError(f"a record of {size} bytes has other fields in core.h than in core.pxi: {dtype}")


_assert_sizes()


# --- rows of the core, by name ----------------------------------------------------------------------------------

def _cells():
    """C's rows of cells, which Python's must equal; their order is that of Plan.cell."""
    cdef const core_cell *row = core_table_at(0).cells
    found = {}
    while row.name != NULL:
        found[(<bytes>row.name).decode()] = {
            "gates": row.gates, "shared": row.shared, "kept": row.kept, "states": row.states, "in_place": row.in_place,
        }
        row += 1
    return found


def _rules():
    """The names of the optimisers."""
    cdef const core_rule *row = core_table_at(0).rules
    found = []
    while row.name != NULL:
        found.append((<bytes>row.name).decode())
        row += 1
    return tuple(found)


def _precisions():
    """The bytes of an item of each kind of array; their order is that of Plan.precision."""
    cdef Py_ssize_t i = 0
    found = {}
    while core_precision_at(i) != NULL:
        row = core_precision_at(i)
        found[(<bytes>row.name).decode()] = {
            "weights": row.weights, "products": row.products, "activations": row.activations, "moments": row.moments,
        }
        i += 1
    return found


CELLS = _cells()
RULES = _rules()
PRECISIONS = _precisions()
