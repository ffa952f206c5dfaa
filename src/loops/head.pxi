# The softmax head: logits, and the derivatives of the loss by them and by what they are made of.
from cython cimport floating

cdef void head_forward(const Window *w, Py_ssize_t lo, Py_ssize_t hi, bint reverse,
                       const floating *h,       # (M, H)                    in
                       floating *work,          # VT in; p (M, K): logits   out
                       ) noexcept nogil:
    """p = c + h @ V.T, for the rows lo .. hi"""
    cdef const Plan *plan = w.plan
    cdef core_panels V = packed(w.k, work + plan.VT, plan.H)
    V.reverse = reverse
    multiply(w.k, hi - lo, plan.K, plan.H, by_rows(h + lo * plan.Hs, plan.Hs), V,
             from_bias(<const floating *>w.weights + plan.c, work + plan.p + lo * plan.Kp, plan.Kp))


cdef void head_backward(const Window *w, Py_ssize_t lo, Py_ssize_t hi,
                        double factor,
                        floating *d,             # (M, H): factor * dlogits @ V                      out
                        floating *work,          # p: softmax in, factor * dloss/dlogits             out
                        ) noexcept nogil:
    """dp = factor * (p - target), d = dp @ V, for the rows lo .. hi"""
    cdef const Plan *plan = w.plan
    cdef Py_ssize_t i, j
    cdef floating own = 1 - plan.label_smoothing, each = plan.label_smoothing / plan.K
    cdef floating *p = work + plan.p + lo * plan.Kp
    for i in range(lo, hi):
        p[w.y[i]] -= own
        if each > 0:
            for j in range(plan.K):
                p[j] -= each
        if factor != 1:
            w.k.scale(plan.Kp, factor, p)
        p += plan.Kp
    multiply(w.k, hi - lo, plan.H, plan.K, by_rows(work + plan.p + lo * plan.Kp, plan.Kp),
             plain(w.k, <const floating *>w.weights + plan.V, plan.Hp), into(d + lo * plan.Hs, plan.Hs))
