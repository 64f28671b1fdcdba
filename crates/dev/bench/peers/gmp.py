"""GMP's F(n), as decimal digits: the median of the seconds that it took. Usage: gmp.py N REPEAT

A small n is calculated many times in a row, and what Python itself takes for a round, a call with a number and one of a
method, is measured and taken off.
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
idle = statistics.median(python.repeat(repeat, 100_000)) / 100_000
print(f"{statistics.median(timer.repeat(repeat, loops)) / loops - idle:.12f}")
