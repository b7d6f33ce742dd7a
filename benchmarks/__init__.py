"""Speed against straightforward implementations; `make bench` writes docs/benchmarks.md."""
