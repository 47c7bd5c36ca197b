"""``python -m CervicalSpineDetectionLib``: the same as ``cervical-spine``."""

import sys

from CervicalSpineDetectionLib.CommandLine.Main import main

sys.exit(main())
