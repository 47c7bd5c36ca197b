# make detect [CT=path] [OUTPUT=folder]   set up .venv, find the vertebrae of a CT (without CT: of a made one)
# make test                               set up .venv, run every test
# make lint                               set up .venv, check the style

PYTHON ?= python3
CT ?=
OUTPUT ?= output/detect
SAMPLE = output/sample/ct.nii.gz
SAMPLE_SEED = 17
# Libraries that vtk and opencv load from the system, each with its Debian package.
SYSTEM_LIBRARIES = libGL.so.1=libgl1 libEGL.so.1=libegl1 libX11.so.6=libx11-6 libXext.so.6=libxext6 \
  libSM.so.6=libsm6 libglib-2.0.so.0=libglib2.0-0
MISSING_PACKAGES = test "$$(uname)" != Linux || for library in $(SYSTEM_LIBRARIES); do \
  $(PYTHON) -c "import ctypes, sys; ctypes.CDLL(sys.argv[1])" $${library%=*} 2>/dev/null || echo $${library\#*=}; done

# Through the environment, so that any character may stand in a path.
export CT OUTPUT
PIP_INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: detect test lint missing-packages
.DELETE_ON_ERROR:

detect: .venv/installed $(if $(CT),,$(SAMPLE))
	.venv/bin/cervical-spine detect "$${CT:-$(SAMPLE)}" --output "$$OUTPUT"

$(SAMPLE): | .venv/installed
	.venv/bin/cervical-spine phantom --output $@ --seed $(SAMPLE_SEED)

test: .venv/installed-test
	.venv/bin/python -m pytest

lint: .venv/installed-test
	.venv/bin/ruff check .

# The stamps are written last: an install that failed or was interrupted is done again.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "Python 3.10, 3.11 or 3.12 is needed; say which with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is incomplete; install it first: apt-get install python3-venv" >&2; exit 1; }
	@missing="$$($(MISSING_PACKAGES))"; test -z "$$missing" || \
	  { echo "System libraries are missing; install them first: apt-get install" $$missing >&2; exit 1; }
	@echo "Setting up .venv (several GB, some minutes)"
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --editable ".[slicer]"
	@touch $@

.venv/installed-test: .venv/installed
	$(PIP_INSTALL) --editable ".[slicer,test]"
	@touch $@

# Debian packages of the system libraries that can't be loaded here, one a line.
missing-packages:
	@$(MISSING_PACKAGES)
