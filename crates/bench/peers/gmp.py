"""GMP's F(n), as decimal digits: the median of the seconds that a call took. Usage: gmp.py N REPEAT

A small n is calculated many times in a row, in a loop that costs about a twentieth of a microsecond a round.
"""

import statistics
import sys
import timeit

import gmpy2

n, repeat = int(sys.argv[1]), int(sys.argv[2])
timer = timeit.Timer("fib(n).digits()", globals={"fib": gmpy2.fib, "n": n})
loops, took = timer.autorange() if n < 1_000_000 else (1, None)
print(f"{statistics.median(timer.repeat(repeat, loops)) / loops:.9f}")
