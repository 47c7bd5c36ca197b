"""A neck of blocks: small, exact, and enough of one for the pipeline. Body, canal and arch of each level are boxes."""

import numpy as np
import SimpleITK as sitk

SIZE = (84, 70, 132)
LEVEL_HEIGHT, GAP = 14, 3


def blockNeck():
    """(CT, labels), 1 mm, LPS axes, centred on the origin: C1 to C7 on a line that leans forward."""
    labels = np.zeros(SIZE, np.uint8)
    for code in range(1, 8):
        top = SIZE[2] - 10 - (code - 1) * (LEVEL_HEIGHT + GAP)
        z = slice(top - LEVEL_HEIGHT, top)
        front = 12 + code
        bodyDepth = 6 if code == 1 else 15
        labels[32:53, front : front + bodyDepth, z] = code
        # Pedicles, transverse processes, laminae; the canal is between them.
        labels[18:34, front + 2 : front + 34, z] = code
        labels[51:67, front + 2 : front + 34, z] = code
        labels[18:67, front + 30 : front + 34, z] = code
        labels[34:51, front + 30 : front + 44, z] = code
    labelImage = sitk.GetImageFromArray(labels.T)
    labelImage.SetOrigin([-(n - 1) / 2 for n in SIZE])
    voxels = np.full(SIZE, -1000, np.int16)
    voxels[2:-2, 2:-2, 2:-2] = 40
    voxels[34:51, 4:10, 2:-2] = -1000  # the airway, in front of the spine
    voxels[labels > 0] = 600
    ct = sitk.GetImageFromArray(voxels.T)
    ct.CopyInformation(labelImage)
    return ct, labelImage
