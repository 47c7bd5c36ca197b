"""``python -m CervicalSpineDetectionLib.Scene``: the process behind ``SceneProcess``. Its exit status is its answer."""

import json
import sys
from pathlib import Path

from CervicalSpineDetectionLib.Scene.SceneFiles import writeMarkups, writeSceneParts
from CervicalSpineDetectionLib.Worker.Messages import resultFromMessage


def main() -> None:
    job = json.load(sys.stdin)
    result = resultFromMessage(job["result"])
    writeMarkups(Path(job["markups"]), result)
    if job["parts"]:
        writeSceneParts(Path(job["parts"]), result.image, result, job["name"], job["oriented"])


if __name__ == "__main__":
    main()
