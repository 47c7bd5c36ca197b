"""Run the tests of scene and panel on Slicer's libraries of 5.11, 5.12 and 5.13, each with its genuine Python files.

    python Testing/slicerVersions.py <clone of Slicer's repository> [arguments of pytest]

Each version's wheels are installed once, into ``output/slicer-versions``; all else comes from the Python that runs
this.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "output" / "slicer-versions"
# slicer-core, the vtk it asks for, and the revision of Slicer with its Python files. 5.11 was no release: the wheel's
# slicer/util.py is that of this revision.
VERSIONS = (
    ("5.11.0.6", "9.6.0", "a5782921368bb15a5e74207759677cfa00377283"),
    ("5.12.4.0", "9.6.0", "9034c71a8fce68ab312458b3d7d16f610562263d"),
    ("5.13.31053.0", "9.6.2", "583e9b37d50ead7daf7b783dce465ccaecec8809"),
)
SOURCES = ["Base/Python/slicer", "Modules/Scripted/SampleData"]
TESTS = ["Testing/Python/Panel", "Testing/Python/Scene"]


def makeEnvironment(folder, packages):
    """:return: path of a Python with these packages before those of this Python."""
    python = folder / "bin" / "python"
    if not (folder / "installed").is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], check=True)
        (site,) = folder.glob("lib/python*/site-packages")
        shared = [str(REPOSITORY / "CervicalSpineDetection"), *(path for path in sys.path if "site-packages" in path)]
        (site / "shared.pth").write_text("\n".join(shared), encoding="utf-8")
        (folder / "installed").touch()
    return python


def genuineFiles(clone, revision, folder):
    """Slicer's own Python files at a revision, taken from a clone."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "-C", clone, "archive", revision, *SOURCES], check=True, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", folder], check=True, input=archive.stdout)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--only", metavar="VERSION", help="begin of a version, such as 5.12")
    arguments, pytestArguments = parser.parse_known_args()
    failed = []
    for version, vtk, revision in VERSIONS:
        if not version.startswith(arguments.only or ""):
            continue
        python = makeEnvironment(FOLDER / version, [f"slicer-core=={version}", f"vtk=={vtk}"])
        sources = genuineFiles(arguments.clone, revision, FOLDER / version / "sources")
        print(f"slicer-core {version}, Slicer {revision}", flush=True)
        run = subprocess.run([python, "-m", "pytest", "-q", *(pytestArguments or TESTS)], cwd=REPOSITORY,
                             env={**os.environ, "SLICER_SOURCE": str(sources)})
        if run.returncode:
            failed.append(version)
    sys.exit(f"Failed on {', '.join(failed)}." if failed else 0)


if __name__ == "__main__":
    main()
