# Single primitives, for tests and benchmarks.
from cython cimport floating
from libc.stdint cimport int32_t


def matmul(const floating[:, ::1] A not None,  # (M, K), or (K, M) when transpose_left    in
           const floating[:, ::1] B not None,  # (K, Np)                                  in
           floating[:, ::1] C not None,        # (M, Np): where the sums start            in, out
           floating[::1] panels not None,      # ((Np + LANES) * K): scratch for the packed B; empty: it is read plain
           bint transpose_left, bint reverse, Py_ssize_t repeat=1,
           str precision=None,                 # the one whose arrays all have this type, if None
           ):
    """C += A @ B (or A.T @ B), `repeat` times."""
    cdef const core_table *k = table_named(precision, sizeof(floating))
    cdef Py_ssize_t K = B.shape[0], N = C.shape[1], M = C.shape[0], _i
    cdef core_matrix left = by_rows(&A[0, 0], A.shape[1])
    cdef core_panels right = plain(k, &B[0, 0], N)
    if transpose_left:
        left = transposed(&A[0, 0], A.shape[1])
    if panels.shape[0]:
        right = packed(k, &panels[0], K)
        k.pack(K, N, by_rows(&B[0, 0], N), right)
    right.reverse = reverse
    with nogil:
        for _i in range(repeat):
            multiply(k, M, N, K, left, right, onto(&C[0, 0], N))


def transpose(const floating[:, ::1] A not None,  # (N, K)       in
              floating[:, ::1] B not None,        # (K, Np)      out
              str precision=None,                 # as above
              ):
    """B[:, :N] = A.T, as operands of products in this precision"""
    cdef const core_table *k = table_named(precision, sizeof(floating))
    k.pack(A.shape[1], A.shape[0], transposed(&A[0, 0], A.shape[1]), plain(k, &B[0, 0], B.shape[1]))


def activation(str name not None, floating[::1] x not None):   # x (N)  in, out
    """x = exp(x) for x <= 0, tanh(x) or sigmoid(x)."""
    cdef const core_table *k = table_of(sizeof(floating))
    if name == "exp":
        k.exp(x.shape[0], &x[0])
    elif name == "tanh":
        k.tanh(x.shape[0], &x[0])
    elif name == "sigmoid":
        k.sigmoid(x.shape[0], &x[0])
    else:
        raise ValueError(f"no activation is called {name!r}")


def softmax(floating[:, ::1] p not None,     # (M, Kp): logits in, probabilities out, zero beyond K
            Py_ssize_t K,
            const int32_t[::1] y not None,   # (M)                                in
            double[::1] loss not None,       # (M) in nats                        out
            double smoothing=0,              # the share of the target y[i] that is spread evenly over all K
            ):
    """Softmax of each row and the cross-entropy of its target."""
    cdef const core_table *k = table_of(sizeof(floating))
    k.softmax(p.shape[0], K, &p[0, 0], p.shape[1], &y[0], smoothing, &loss[0])


def optimizer_step(str rule not None, const core_numbers[::1] numbers not None,
                   floating[::1] p not None,         # (N)         in, out
                   const floating[::1] g not None,   # (N)         in
                   floating[::1] m not None,         # (N)         in, out
                   floating[::1] v not None,         # (N)         in, out
                   ):
    """One step of an optimiser, the gradient clipped to [-clip_value, clip_value] first."""
    rule_named(table_of(sizeof(floating)), rule)(p.shape[0], &p[0], &g[0], &m[0], &v[0], &numbers[0])


def draw(const double[::1] p not None,            # (K): logits, or with `probabilities` these        in
         how not None,                            # drawing (1), bias (K) or (0); counts (1, K) or (1, 0)  in
         const double[::1] uniform not None,      # (N) in [0, 1)                                     in
         double[::1] logits not None,             # (3 * Kp): the shares of the last draw             out
         int32_t[::1] out not None,               # (N)                                               out
         bint probabilities=False,
         ):
    """A symbol for each number, -1 if none may come. A probability p counts as log(K p): 0 where all are alike."""
    cdef Py_ssize_t i, j, K = p.shape[0], Kp = logits.shape[0] // 3
    cdef Memory memory = memory_of(K, 0, how.drawing, how.bias, how.recent, how.counts, &logits[Kp])
    cdef double unlikely = core_log(1.0 * K)
    with nogil:
        for i in range(out.shape[0]):
            for j in range(K):
                logits[j] = unlikely + core_log(p[j]) if probabilities else p[j]
            out[i] = <int32_t>core_draw(K, &memory.drawing, &memory.context, uniform[i], &logits[0])


def multiply_adds(floating[::1] x not None, Py_ssize_t n):
    """n rounds of fused multiply-adds and nothing else; returns the floating-point operations done."""
    cdef const core_table *k = table_of(sizeof(floating))
    cdef double flops
    with nogil:
        flops = k.spin(n, &x[0])
    return flops
