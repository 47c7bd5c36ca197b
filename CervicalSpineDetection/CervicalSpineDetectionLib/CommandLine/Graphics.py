"""Whether pictures can be drawn on this computer."""

import subprocess
import sys

DRAW_NOTHING = """
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderWindow
window = vtkRenderWindow()
window.SetOffScreenRendering(True)
window.Render()
"""


def canDraw():
    """Try in a process of its own: without OpenGL (no GPU driver, no Mesa) VTK does not raise, it ends the process."""
    trial = subprocess.run([sys.executable, "-c", DRAW_NOTHING], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return trial.returncode == 0
