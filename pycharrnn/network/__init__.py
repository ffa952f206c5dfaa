"""Arrays and kernels: architectures, weights, states, and the engine that runs windows of symbols."""
