"""What Slicer's and CTK's own sources say about the classes that Python reaches through PythonQt.

PythonQt gives Python the properties, public slots and Q_INVOKABLE functions of a class, the values of its registered
enumerations, and its signals; of Qt's own classes all that is public.
"""

import re
from functools import cached_property

from PySide6 import QtCore, QtGui, QtWidgets

COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/|^[ \t]*#[^\n]*", re.DOTALL | re.MULTILINE)
QUALIFIERS = re.compile(r"\b(Q_INVOKABLE|virtual|static|inline|const|override)\b")
FUNCTION = re.compile(r"^(?P<type>(?:[\w:<>]+[\s*&]+)+)(?P<name>\w+)\s*\((?P<arguments>.*)\)[^()]*$", re.DOTALL)
PROPERTY = re.compile(r"Q_PROPERTY\(\s*([\w:<>]+[\s*]+)(\w+)\s+READ")
SECTION = re.compile(r"^(public|protected|private|Q_SIGNALS|signals)\s*(Q_SLOTS|slots)?\s*:")
ENUMERATION = re.compile(r"\benum\s+(?:class\s+)?(\w+)[^{;]*\{([^}]*)\}")
# bool static_qSlicerCoreApplication_testingEnabled(); QWidget* widget(qSlicerModule* module)
DECORATORS = re.compile(r"\bstatic_(\w+?)_(\w+)\(|\b(\w+)\(\s*(\w+)\s*\*")
SOURCE_ENDINGS = (".cxx", ".cpp", ".hxx", ".txx")


class GenuineSources:
    """:param folders: checkouts of Slicer and CTK, Path."""

    def __init__(self, folders):
        self.folders = folders
        self._headers = {path.stem: path for folder in folders for path in folder.rglob("*.h")}
        self._classes = {}
        # What PythonQt is told to add to classes: (class, name).
        self.added = set()
        for path in self._headers.values():
            if path.stem.endswith("PythonQtDecorators"):
                text = COMMENTS.sub("", path.read_text(encoding="utf-8"))
                self.added |= {(a or d, b or c) for a, b, c, d in DECORATORS.findall(text)}

    def __getitem__(self, name):
        """:return: GenuineClass or QtClass. :raises KeyError: there is no such class."""
        if name not in self._classes:
            if name.startswith("Q"):
                self._classes[name] = QtClass(name)
            elif name in self._headers:
                self._classes[name] = GenuineClass(self, name, self._headers[name])
            else:
                raise KeyError(f"There is no class {name}.")
        return self._classes[name]

    def __contains__(self, name):
        try:
            return bool(self[name])
        except KeyError:
            return False

    @cached_property
    def _implementations(self):
        paths = (path for folder in self.folders for path in folder.rglob("*") if path.suffix in SOURCE_ENDINGS)
        return {path: path.read_text(encoding="utf-8", errors="replace") for path in paths}

    def isEmitted(self, declaringClass, name, count):
        """Whether a signal with so many arguments is emitted by the class that declares it, or relayed to anywhere."""
        emission = re.compile(rf"\bemit\s+(?:\w+(?:->|\.))?{name}\s*\(")
        relay = re.compile(rf"(?:SIGNAL\([^;]*|singleShot\([^;]*)\bSIGNAL\(\s*{name}\(([^)]*)\)")
        for path, text in self._implementations.items():
            if name not in text:
                continue
            if path.stem == declaringClass and any(
                numberOfArguments(text[found.end():closing(text, found.end())]) == count
                for found in emission.finditer(text)
            ):
                return True
            if any(numberOfArguments(found.group(1)) == count for found in relay.finditer(text)):
                return True
        return False


class QtClass:
    bases = ()

    def __init__(self, name):
        self._class = next((getattr(m, name) for m in (QtWidgets, QtGui, QtCore) if hasattr(m, name)), None)
        if self._class is None:
            raise KeyError(f"Qt has no class {name}.")

    def has(self, member):
        meta = getattr(self._class, "staticMetaObject", None)
        return hasattr(self._class, member) or meta is not None and meta.indexOfProperty(member) >= 0

    def isWritable(self, member):
        return self._class.staticMetaObject.indexOfProperty(member) >= 0

    def typeOf(self, member):
        return None

    def signal(self, signature):
        normalized = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
        return "emitted" if self._class.staticMetaObject.indexOfSignal(normalized) >= 0 else "unknown"


class GenuineClass:
    def __init__(self, sources, name, path):
        self._sources, self.name = sources, name
        text = COMMENTS.sub("", path.read_text(encoding="utf-8", errors="replace"))
        head = re.search(rf"\bclass\s+(?:\w+\s+)?{name}\s*(?:final\s*)?:\s*([^{{]+)\{{", text)
        if head is None:
            raise KeyError(f"{path.name} declares no class {name}.")
        self.bases = re.findall(r"public\s+(?:virtual\s+)?(\w+)", head.group(1))
        body = text[head.end():closing(text, head.end(), "{}")]
        self.properties = {property: kind.strip() for kind, property in PROPERTY.findall(body)}
        self.enumerators = {value for names in self._registeredEnumerations(body) for value in names}
        self.callables, self.signals = {}, {}
        section = "private"
        for statement in statements(body):
            found = SECTION.match(statement)
            while found:
                section = " ".join(filter(None, found.groups()))
                statement = statement[found.end():].strip()
                found = SECTION.match(statement)
            self._add(statement, section)

    @staticmethod
    def _registeredEnumerations(body):
        registered = set(re.findall(r"\w+", " ".join(re.findall(r"Q_(?:ENUMS?|FLAGS?)\(([^)]*)\)", body))))
        flagsOf = dict(re.findall(r"Q_DECLARE_FLAGS\(\s*(\w+)\s*,\s*(\w+)\s*\)", body))
        registered |= {flagsOf[name] for name in registered & flagsOf.keys()}
        for name, values in ENUMERATION.findall(body):
            if name in registered:
                yield re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|$)", values.strip())

    def _add(self, statement, section):
        isInvokable = "Q_INVOKABLE" in statement
        function = FUNCTION.match(QUALIFIERS.sub(" ", statement).strip())
        if function is None:
            return
        kind, name = function["type"].strip(" *&"), function["name"]
        if section in ("Q_SIGNALS", "signals"):
            self.signals.setdefault(name, []).append(numberOfArguments(function["arguments"]))
        elif isInvokable or section in ("public Q_SLOTS", "public slots"):
            self.callables[name] = kind

    def _ancestors(self):
        yield self
        for base in self.bases:
            if base in self._sources:
                ancestor = self._sources[base]
                yield from [ancestor] if isinstance(ancestor, QtClass) else ancestor._ancestors()

    def has(self, member):
        return any(
            each.has(member) if isinstance(each, QtClass)
            else member in each.properties or member in each.callables or member in each.enumerators
            or (each.name, member) in self._sources.added
            for each in self._ancestors()
        )

    def isWritable(self, member):
        return any(each.isWritable(member) if isinstance(each, QtClass) else member in each.properties
                   for each in self._ancestors())

    def typeOf(self, member):
        """Class of a property, or of what a function returns; None where that is unknown."""
        for each in self._ancestors():
            if not isinstance(each, QtClass):
                kind = each.properties.get(member) or each.callables.get(member)
                if kind:
                    return kind.strip(" *&")
        return None

    def signal(self, signature):
        """:return: "emitted", "never emitted" or "unknown"."""
        name, arguments = re.fullmatch(r"(\w+)\((.*)\)", signature).groups()
        count = numberOfArguments(arguments)
        for each in self._ancestors():
            if isinstance(each, QtClass):
                if each.signal(signature) == "emitted":
                    return "emitted"
            # With default arguments there are several.
            elif any(declared >= count for declared in each.signals.get(name, ())):
                emitted = self._sources.isEmitted(each.name, name, count)
                if not emitted and each is not self:
                    emitted = self._sources.isEmitted(self.name, name, count)
                return "emitted" if emitted else "never emitted"
        return "unknown"


def statements(body):
    """Declarations of a class body, without the bodies of its functions."""
    start = position = 0
    while position < len(body):
        character = body[position]
        if character == "{":
            yield body[start:position].strip()
            start = position = closing(body, position + 1, "{}") + 1
            continue
        if character == "\n" and re.match(r"\s*Q_(OBJECT|PROPERTY|ENUMS?|FLAGS?|DECLARE_\w+)\b", body[start:position]):
            if body[start:position].count("(") == body[start:position].count(")"):
                start = position + 1
        if character == ";":
            yield body[start:position].strip()
            start = position + 1
        position += 1


def closing(text, start, brackets="()"):
    """Index of the bracket that closes one opened before ``start``."""
    depth = 1
    for index in range(start, len(text)):
        depth += (text[index] == brackets[0]) - (text[index] == brackets[1])
        if depth == 0:
            return index
    return len(text)


def numberOfArguments(text):
    """Of a list of parameters or arguments, as in ``a, f(b, c)``."""
    if not text.strip() or text.strip() == "void":
        return 0
    depth, count = 0, 1
    for character in text:
        depth += (character in "(<[") - (character in ")>]")
        count += character == "," and depth == 0
    return count
