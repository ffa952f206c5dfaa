"""From weights to better weights: the loop, budgets, optimisers, schedules, callbacks and what is remembered."""
