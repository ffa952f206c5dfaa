"""Looking at it: gradient checks, plots and reports."""
