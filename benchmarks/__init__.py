"""How fast this project is beside what people use: `python -m benchmarks NAME [--json]`."""
