"""Options that several commands have, as parents of their parsers."""

import argparse
import re

# As TorchNetwork.chooseDevice takes them; not imported from there, for torch takes seconds to load.
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
DEVICE_HELP = "auto (the GPU if there is one), cpu, cuda, cuda:1 (the second GPU), mps; default auto"
CUT_FOR_HELP = ("weights that training will begin with: slices are cut as they look at them (default: as the shipped "
                "weights do)")
# Of phantoms, as Phantom.Phantom.makePhantom takes them.
REGIONS = ("neck", "cervicothoracic", "chest", "abdomen", "pelvis", "whole")
STRATA = ("clinical", "routine", "coarse")  # of their resolution
TRAINED_ARCHITECTURES = ("yolov5n", "yolov5s", "yolov5n-relu", "yolov5s-relu")


def detectorOptions() -> argparse.ArgumentParser:
    """``--weights`` and ``--device``: which network, and where it runs."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help="a .safetensors file, or the name of weights")
    parser.add_argument("--device", type=device, default="auto", metavar="DEVICE", help=DEVICE_HELP)
    return parser


def outputOptions() -> argparse.ArgumentParser:
    """``--quiet`` and ``--verbose``: how much is printed. Every command has them."""
    parser = argparse.ArgumentParser(add_help=False)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    amount.add_argument("-v", "--verbose", action="store_true", help="print what the libraries say, too")
    return parser


def jsonOption() -> argparse.ArgumentParser:
    """``--json``: the result on standard output, for other programs."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true",
                        help="print the result as JSON on standard output, and all else on standard error")
    return parser


def device(text: str) -> str:
    """Type of an option that names where the network runs."""
    if not DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"there is no device {text}; use auto, cpu, cuda, cuda:1 or mps")
    return text


def precisionOption() -> argparse.ArgumentParser:
    """``--precision``: how exactly the network computes."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--precision", choices=("auto", "single"), default="auto",
                        help="auto: the fastest that this computer has; single: the same boxes on every processor")
    return parser


def positive(text: str) -> int:
    """Type of an option that takes a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
