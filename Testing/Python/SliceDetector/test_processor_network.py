"""On a processor the network gives the boxes that it gives elsewhere, and no others."""

import copy

import numpy as np
import pytest
import torch
from goldenResults import GOLDEN

from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import slicesFor
from CervicalSpineDetectionLib.SliceDetector.BoxSelection import SCORE_THRESHOLD
from CervicalSpineDetectionLib.SliceDetector.ProcessorNetwork import blocksOf
from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import TorchNetwork
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, loadWeights
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import STRIDE, loadDetector


@pytest.fixture(scope="module")
def model():
    """The shipped one as ultralytics runs it."""
    model = detectionModel("yolov5n", 13)
    model.load_state_dict(loadWeights(findWeights())[1])
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pictures():
    """A slice through the neck, one beside it, one of noise."""
    slices = slicesFor(readImage(GOLDEN / "straight.nrrd"), loadDetector(device="cpu", forOneCt=True))[1]
    rows, columns = (size // STRIDE * STRIDE for size in slices.shape[2:])
    given = slices[[len(slices) // 2, 2, 2], :, :rows, :columns]
    given[2] = np.random.default_rng(2).integers(0, 256, given.shape[1:])
    return given


def test_blocksAreThoseOfTorch(pictures):
    blocks = blocksOf(pictures)
    assert torch.equal(blocks, torch.nn.functional.pixel_unshuffle(torch.from_numpy(pictures), 2))
    assert blocks.is_contiguous(memory_format=torch.channels_last)


def test_allThatIsSeenAndLittleElseIsGivenAsBefore(model, pictures):
    with torch.inference_mode():
        expected = model(torch.from_numpy(pictures).float() / 255)[0].transpose(1, 2).numpy()

    found = TorchNetwork(copy.deepcopy(model), torch.device("cpu"), "single").predict(pictures)

    seen = (expected[..., 4:] > SCORE_THRESHOLD).any(axis=(0, 2))
    assert 0 < seen.sum() < 0.5 * expected.shape[1]
    assert found.shape[1] < 1.2 * seen.sum()
    kept = (found[..., 4:] > SCORE_THRESHOLD).any(axis=(0, 2))
    np.testing.assert_allclose(found[:, kept], expected[:, seen], atol=2e-3)


def test_whereNothingIsSeenThereAreNoBoxes(model, pictures):
    blind = copy.deepcopy(model)
    for scores in blind.model[-1].cv3:
        scores[-1].bias[:] = -100

    assert TorchNetwork(blind, torch.device("cpu"), "single").predict(pictures).shape[1] == 0


@pytest.mark.parametrize(("architecture", "kind"), [("yolov5n", torch.nn.SiLU), ("yolov5n-relu", torch.nn.ReLU)])
def test_theNetworksOfTrainingKeepTheirActivations(architecture, kind):
    TorchNetwork(detectionModel(architecture, 13), torch.device("cpu"), "single")

    activations = [part.act for part in detectionModel(architecture, 13).modules() if hasattr(part, "act")]
    assert activations and all(type(one) is kind and not one.inplace for one in activations)
