"""Nothing leaves the machine, and nothing of the patient gets into what is written.

One whole run of the command on a DICOM series, in a process of its own: Python reports every attempt at a socket, and
where the system permits it the process has no network at all.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from dicomSeries import writeSeries
from goldenResults import GOLDEN

from CervicalSpineDetectionLib.ResultFiles import RESULT_FILES

# Audit events reach C code too, unlike a patched socket module (PEP 578).
WATCHED = """
import errno, os, socket, sys
attempts, isolated = sys.argv[1], sys.argv[2] == "isolated"
if isolated:
    try:
        socket.create_connection(("192.0.2.1", 80), 2)
    except OSError as error:
        assert error.errno == errno.ENETUNREACH, error
def watch(event, arguments):
    # Not "socket.__new__": urllib3, which ultralytics imports, makes a socket to see whether there is IPv6.
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr",
                 "socket.sendto", "socket.sendmsg", "urllib.Request", "http.client.connect"):
        with open(attempts, "a") as file:
            file.write(event + "\\n")
        raise OSError(errno.ENETUNREACH, "no network in this test")
sys.addaudithook(watch)
del sys.argv[1:3]
"""
DETECT = """
from CervicalSpineDetectionLib.CommandLine.Main import main
sys.exit(main(sys.argv[1:]))
"""
PATIENT = ("Doelittle", "Janette", "MRN-4711", "19570208", "Saint Elsewhere")


def canIsolate():
    return bool(shutil.which("unshare")) and subprocess.run(
        ["unshare", "-rn", "true"], capture_output=True).returncode == 0


def watched(folder, code, *arguments):
    """Run code under watch. :return: its process, the attempts it made, whether it had no network."""
    isolated = canIsolate()
    (folder / "tmp").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YOLO")}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": str(folder / "home"),
                    "TMPDIR": str(folder / "tmp"), "XDG_CONFIG_HOME": str(folder / "home"),
                    # Threads only wait for each other on a busy machine.
                    "OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "LP_NUM_THREADS": "0"}
    run = subprocess.run(
        [*(["unshare", "-rn"] if isolated else []), sys.executable, "-c", WATCHED + code, str(folder / "attempts"),
         "isolated" if isolated else "open", *map(str, arguments)],
        env=environment, cwd=folder, capture_output=True, text=True)
    attempts = (folder / "attempts").read_text().splitlines() if (folder / "attempts").exists() else []
    return SimpleNamespace(run=run, attempts=attempts, isolated=isolated)


def dicomOfPhantom(folder):
    """The phantom as DICOM of a patient with a name."""
    image = sitk.ReadImage(str(GOLDEN / "straight.nrrd"))
    voxels = sitk.GetArrayFromImage(image) + 1024
    columns, rows, slices = image.GetSize()
    spacing, origin = np.array(image.GetSpacing()), np.array(image.GetOrigin())

    def paint(k, dataset):
        dataset.PixelData = voxels[k].astype(np.uint16).tobytes()

    return writeSeries(
        folder, [origin + [0, 0, k * spacing[2]] for k in range(slices)], change=paint, Rows=rows, Columns=columns,
        PixelSpacing=[f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"], PatientName="Doelittle^Janette", PatientID="MRN-4711",
        PatientBirthDate="19570208", InstitutionName="Saint Elsewhere")


@pytest.fixture(scope="module")
def detection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    ct = dicomOfPhantom(folder / "Doelittle_Janette_MRN-4711")
    found = watched(folder, DETECT, "detect", ct, "--output", folder / "out", "--device", "cpu")
    return SimpleNamespace(**vars(found), folder=folder)


@pytest.mark.shows("Hostile", "network",
                   "no attempt in a whole run, which also works in a namespace without any network")
def test_wholeDetectionMakesNoAttemptAtTheNetwork(detection):
    assert detection.run.returncode == 0, detection.run.stderr
    assert detection.attempts == []


def test_wholeDetectionRunsWithoutAnyNetwork(detection):
    if not detection.isolated:
        pytest.skip("this system lets no ordinary user make a network namespace (unshare -rn)")
    assert detection.run.returncode == 0, detection.run.stderr


def test_attemptsAreSeen(tmp_path):
    code = """
import urllib.request
try:
    urllib.request.urlopen("http://localhost:1")
except OSError:
    pass
try:
    socket.gethostbyname("localhost")
except OSError:
    pass
"""
    found = watched(tmp_path, code)

    assert found.run.returncode == 0, found.run.stderr
    assert {"urllib.Request", "socket.gethostbyname"} <= set(found.attempts)


def allBytes(folder):
    """Content of every file, of files in bundles too, by path; the paths are content as well."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as bundle:
                    for name in bundle.namelist():
                        yield f"{path.name}/{name}", bundle.read(name)


@pytest.mark.shows("Hostile", "patient", "no name, ID, date, institution or path in any file of a whole run")
@pytest.mark.parametrize("where", ["out", "tmp", "home"])
def test_noFileHoldsPatientOrPath(detection, where):
    private = [text.encode() for text in (*PATIENT, str(detection.folder))]
    files = dict(allBytes(detection.folder / where))

    assert where != "out" or set(RESULT_FILES[1:]) <= files.keys()
    held = {(name, text) for name, content in files.items() for text in private if text in content + name.encode()}
    assert held == set()


def test_whatIsPrintedHoldsThePatientOnlyWhereTheUserTypedIt(detection):
    lines = (detection.run.stdout + detection.run.stderr).splitlines()
    others = [line for line in lines if not line.startswith(("Reading ", "Results: "))]

    assert len(lines) == len(others) + 2
    assert not [line for line in others for text in (*PATIENT, str(detection.folder)) if text in line]
