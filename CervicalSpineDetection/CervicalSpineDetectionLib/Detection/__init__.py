"""From a CT volume to named vertebrae. No MRML and no Qt in this folder."""
