"""How many examples the property tests and fuzzers try: few in every run, many with FUZZ_TIMES=100 set."""

import os

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))


def examples(count):
    """Hypothesis settings. A found example is printed as it is: to shrink it would take minutes.

    :param count: examples of an ordinary run, the same ones in every run; with FUZZ_TIMES that many more, random ones.
    """
    return settings(
        max_examples=count * TIMES, derandomize=TIMES == 1, deadline=None, database=None, print_blob=True,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    )
