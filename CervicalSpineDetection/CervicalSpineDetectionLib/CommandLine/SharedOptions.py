"""Options that several commands have, as parents of their parsers."""

import argparse

# As YoloDetector.chooseDevice takes them; not imported from there, for torch takes seconds to load.
DEVICES = ("auto", "cpu", "cuda", "mps")
# Of phantoms, as Phantom.Phantom.makePhantom takes them.
REGIONS = ("neck", "cervicothoracic", "chest", "abdomen", "pelvis", "whole")


def detectorOptions():
    """``--weights`` and ``--device``: which network, and where it runs."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help="a .safetensors file, or the name of weights")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="auto: the GPU if there is one")
    return parser


def precisionOption():
    """``--precision``: how exactly the network computes."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--precision", choices=("auto", "single"), default="auto",
                        help="auto: the fastest that this computer has; single: the same boxes on every processor")
    return parser


def positive(text):
    """Type of an option that takes a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
