# make detect [CT=path] [OUTPUT=folder]   set up .venv, find the vertebrae of a CT (without CT: of a synthetic one)
# make preview [CT=path]                  set up .venv, open the Slicer module's panel in a window without Slicer
# make test                               set up .venv, run every test, on up to four cores
# make lint                               set up .venv, check style and types
# make account ACCOUNT=name               write the GitHub account that publishes this into CMake, description, pages
# make pictures CT=path                   retake the pages' pictures: the panel's, and preview.png
# make review-picture COHORT=folder       retake that of a review; marks the first CT of a cohort's results as reviewed
# make docs                               set up .venv, build the pages into output/site

PYTHON ?= python3
CT ?=
OUTPUT ?= output/detect
SAMPLE = output/sample/ct.nii.gz
SAMPLE_SEED = 17
# Libraries that vtk and opencv load from the system, each with its Debian package.
SYSTEM_LIBRARIES = libGL.so.1=libgl1 libEGL.so.1=libegl1 libX11.so.6=libx11-6 libXext.so.6=libxext6 \
  libSM.so.6=libsm6 libglib-2.0.so.0=libglib2.0-0
# The same for Qt, which the tests and the preview window use, and for its windows on a desktop.
QT_LIBRARIES = libfontconfig.so.1=libfontconfig1 libxkbcommon.so.0=libxkbcommon0 libdbus-1.so.3=libdbus-1-3
DESKTOP_LIBRARIES = libxcb-cursor.so.0=libxcb-cursor0 libxkbcommon-x11.so.0=libxkbcommon-x11-0 \
  libxcb-icccm.so.4=libxcb-icccm4 libxcb-keysyms.so.1=libxcb-keysyms1 libxcb-shape.so.0=libxcb-shape0
MISSING_PACKAGES = test "$$(uname)" != Linux || for library in $(1); do \
  $(PYTHON) -c "import ctypes, sys; ctypes.CDLL(sys.argv[1])" $${library%=*} 2>/dev/null || echo $${library\#*=}; done

# Through the environment, so that any character may stand in a path.
export CT OUTPUT COHORT
PIP_INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check

# Ends with the packages that are lacking, where any are.
CHECK_LIBRARIES = missing="$$($(call MISSING_PACKAGES,$(1)))"; test -z "$$missing" || \
  { echo "System libraries are missing; install them first: apt-get install" $$missing >&2; exit 1; }

.PHONY: detect preview test lint docs pictures review-picture account preview-ready test-ready missing-packages
.DELETE_ON_ERROR:

detect: .venv/installed $(if $(CT),,$(SAMPLE))
	.venv/bin/cervical-spine detect "$${CT:-$(SAMPLE)}" --output "$$OUTPUT"

$(SAMPLE): | .venv/installed
	.venv/bin/cervical-spine phantom --output $@ --seed $(SAMPLE_SEED)

preview: preview-ready .venv/installed-preview
	PYTHONPATH=Testing .venv/bin/python -m SlicerStandIn $${CT:+"$$CT"}

# On all cores, see "pytest_xdist_auto_num_workers"; a process that is done takes tests from the others. Many tests start
# Python: what it compiles is kept for the next.
test: test-ready .venv/installed-test
	PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest -n auto --dist worksteal

# What can be said before GB are downloaded.
preview-ready:
	@$(call CHECK_LIBRARIES,$(SYSTEM_LIBRARIES) $(QT_LIBRARIES) $(DESKTOP_LIBRARIES))
	@test "$$(uname)" != Linux || test -n "$$DISPLAY$$WAYLAND_DISPLAY$$QT_QPA_PLATFORM" || \
	  { echo "The preview window needs a desktop, and this session has none (DISPLAY is not set)." >&2; exit 1; }

test-ready:
	@$(call CHECK_LIBRARIES,$(SYSTEM_LIBRARIES) $(QT_LIBRARIES))

lint: .venv/installed-test
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

docs: .venv/installed-test
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
	@echo "Open output/site/index.html"

pictures: preview-ready .venv/installed-preview
	@test -n "$$CT" || { echo "Say of which CT: make pictures CT=path" >&2; exit 1; }
	PYTHONPATH=Testing .venv/bin/python -m SlicerStandIn "$$CT" --screenshots Resources/Screenshots
	.venv/bin/cervical-spine detect "$$CT" --output output/pictures --no-scene
	cp output/pictures/preview.png Resources/Screenshots/preview.png

review-picture: preview-ready .venv/installed-preview
	@test -n "$$COHORT" || { echo "Say of which results: make review-picture COHORT=folder" >&2; exit 1; }
	PYTHONPATH=Testing .venv/bin/python -m SlicerStandIn --screenshots Resources/Screenshots --review "$$COHORT"

# Where the account's name stands: literally, as the Extensions Index reads these files as text.
account:
	@test -n "$(ACCOUNT)" || { echo "Say which: make account ACCOUNT=name" >&2; exit 1; }
	sed -i.before 's#\(github[a-z]*\.com/\)[^/" ]*\(/SlicerCervicalSpineDetection\)#\1$(ACCOUNT)\2#g' \
	  CMakeLists.txt Resources/ExtensionsIndex/CervicalSpineDetection.json
	rm CMakeLists.txt.before Resources/ExtensionsIndex/CervicalSpineDetection.json.before

# The stamps are written last: an install that failed or was interrupted is done again.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "Python 3.10, 3.11 or 3.12 is needed; say which with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is incomplete; install it first: apt-get install python3-venv" >&2; exit 1; }
	@$(call CHECK_LIBRARIES,$(SYSTEM_LIBRARIES))
	@echo "Setting up .venv (several GB, some minutes)"
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --editable ".[slicer]"
	@touch $@

.venv/installed-preview: .venv/installed
	$(PIP_INSTALL) --editable ".[slicer,preview]"
	@touch $@

.venv/installed-test: .venv/installed
	$(PIP_INSTALL) --editable ".[slicer,test]"
	@touch $@

# Debian packages of the system libraries that can't be loaded here, one a line.
missing-packages:
	@$(call MISSING_PACKAGES,$(SYSTEM_LIBRARIES) $(QT_LIBRARIES) $(DESKTOP_LIBRARIES))
