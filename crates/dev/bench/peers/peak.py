"""Prints the peak resident memory of a command, in KiB. Usage: peak.py COMMAND [ARGUMENT ...]"""

import resource
import subprocess
import sys

subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
