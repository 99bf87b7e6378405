"""The common layer of Set Pieces: what every service needs and no service owns.

Import the module you use (``from setpieces import rest``); nothing is imported for you, because each import is paid for
at every cold start.
"""

import gc

# Nearly all that a starting function allocates (modules, the models of AWS services) stays for good. The default of 700 allocations
# has the collector walk over it again and again, a quarter of a cold start; 200,000 is reached after it. See bench/cold_init.py.
gc.set_threshold(200_000, 20, 20)
