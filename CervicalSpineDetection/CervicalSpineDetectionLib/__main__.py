import sys

from CervicalSpineDetectionLib.CommandLine.Main import main

sys.exit(main())
