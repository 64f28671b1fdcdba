"""Prints the seconds that GMP takes for the decimal digits of F(N).

Usage: gmp.py N REPEAT

The time is the median of REPEAT measurements. For a small N, a measurement is the mean of many
calculations. Python's own time for the loop and the two calls is measured and subtracted.
"""

import statistics
import sys
import timeit

import gmpy2

n, repeat = int(sys.argv[1]), int(sys.argv[2])
names = {"fib": gmpy2.fib, "same": abs, "n": n, "zero": gmpy2.mpz(0)}
timer = timeit.Timer("fib(n).digits()", globals=names)
python = timeit.Timer("same(n); zero.__sizeof__()", globals=names)
timer.timeit(1)
loops = timer.autorange()[0] if n < 1_000_000 else 1
overhead = statistics.median(python.repeat(repeat, 100_000)) / 100_000
print(f"{statistics.median(timer.repeat(repeat, loops)) / loops - overhead:.12f}")
