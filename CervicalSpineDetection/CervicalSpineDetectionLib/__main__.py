"""``python -m CervicalSpineDetectionLib``: the same as ``cervical-spine``."""

import os
import sys

# -m puts the current folder first on the path of imports; a file in there is none of this program's.
if not getattr(sys.flags, "safe_path", False) and sys.path[0] == os.getcwd():
    del sys.path[0]

from CervicalSpineDetectionLib.CommandLine.Main import main  # noqa: E402

sys.exit(main())
