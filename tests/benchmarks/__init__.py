"""The benchmarks' own arithmetic: what they count and what they conclude. How fast anything is, no test says."""
