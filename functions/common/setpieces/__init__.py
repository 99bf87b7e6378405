"""The common layer of Set Pieces: what every service needs and no service owns.

Import the module you use (``from setpieces import rest_api``); nothing is imported for you, because each import is paid for
at every cold start.
"""

import gc
import os

# Nearly all that a starting function allocates (modules, the models of AWS services) stays for good. With the default of 700
# allocations the collector walks over it again and again, a quarter of a cold start; 200,000 is more than a start makes.
# Measured by bench/cold_init.py.
gc.set_threshold(200_000, 20, 20)

# In a function botocore looks here before it looks into its own data: pages/aws_endpoints.py says why. Other processes, such as
# tests, use more services than functions do.
if "LAMBDA_TASK_ROOT" in os.environ:
    os.environ.setdefault("AWS_DATA_PATH", os.path.join(os.path.dirname(__file__), "botocore_data"))
