"""Typed loops over the C core: recurrence, back-propagation through time, the update loop, sampling.

Legend
    T seq_length    B batch    K vocabulary    H hidden size    L layers    D embedding size    I inputs of a layer
    M = T * B       rows of a window           N = gates * H    columns of the pre-activations
    P               elements of the flat weights, of gradients and of moments
    Hp, Kp, Gp      elements of a padded row of H, K or N: the next multiple of LANES. Those between are zero in
                    weights, gradients and states.
    U, W, b, n      a layer's input weights, state weights, bias and second bias
    E, V, c         embeddings, and the weights and bias of the head
    h, s            the states; s is the cell state, which papers call c
    a               what a cell caches of a step
    p               logits, their softmax, and the derivatives of the logits

Arrays are time-major: row t*B + i of a (T, B, H) array is stream i at time t. The states have T+1 rows of B, the
incoming ones in row 0, so that no step is special. A gradient is its variable's name with `d` before it. Forward
overwrites, backward accumulates. Kernels know arrays, not models; `network/engine.py` is the gate that checks what
comes in here.

The equations are those of the classic character-level RNN (Elman 1990; Karpathy 2015, min-char-rnn):

    a_t = W h_{t-1} + U x_t + b    h_t = tanh(a_t)    p_t = softmax(V h_t + c)    loss = -sum_t log p_t[y_t]

The parts below are one module: each knows those above it.
"""
include "loops/core.pxi"                # what C offers
include "loops/records.pxi"             # what Python fills, and the rows that it reads
include "loops/instruction_sets.pxi"    # which one is in force
include "loops/products.pxi"            # matrix products, threads
include "loops/blueprint.pxi"           # the places of all arrays, checked once
include "loops/layers.pxi"              # the recurrence and its derivatives
include "loops/head.pxi"                # logits and their derivatives
include "loops/windows.pxi"             # a whole window, forward and backward
include "loops/updates.pxi"             # gradients, clipping, steps
include "loops/entries.pxi"             # what the package calls to train and to evaluate
include "loops/sampling.pxi"            # what it calls to draw
include "loops/primitives.pxi"          # what tests and benchmarks call
