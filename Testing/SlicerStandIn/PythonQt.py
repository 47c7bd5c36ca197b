"""Slicer's ``qt`` module on PySide6, with PythonQt's habits, and loud where PythonQt would fail silently.

PythonQt gives properties as attributes (``button.text``), connects with ``object.connect("clicked(bool)", slot)``,
hands a slot as many arguments as it takes, and lets file dialogs return the path alone. Unknown signals, properties
and widget classes raise here.
"""

import inspect
import io
import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from types import MethodType

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

# Virtual functions that C++ calls: as attributes they would break the layout.
KEPT = {"sizeHint", "minimumSizeHint", "QProgressBar.text"}
SIGNATURE = re.compile(r"^(\w+)\((.*)\)$")
# What stands in for Slicer's classes; panels may not add attributes of their own to instances of them.
SEALED = ("PySide6.", "SlicerStandIn.CtkWidgets", "SlicerStandIn.MrmlWidgets")


def _exposeProperties(cls):
    """Make the Qt properties a class declares attributes, as in PythonQt, instead of getter functions."""
    meta = cls.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(index).name()
        isKept = name in KEPT or f"{cls.__name__}.{name}" in KEPT
        if not isKept and not isinstance(inspect.getattr_static(cls, name, None), property | QtCore.Property):
            setattr(cls, name, property(
                lambda self, name=name: self.property(name),
                lambda self, value, name=name: self.setProperty(name, value),
            ))


for _package in (QtCore, QtGui, QtWidgets):
    for _name in dir(_package):
        if _name.startswith("Q"):
            _class = globals()[_name] = getattr(_package, _name)
            if isinstance(_class, type) and issubclass(_class, QtCore.QObject):
                _exposeProperties(_class)
                if hasattr(_class, "exec") and not hasattr(_class, "exec_"):
                    _class.exec_ = _class.exec
Signal = QtCore.Signal
Qt = QtCore.Qt
QtCore.QObject.name = property(lambda self: self.objectName, lambda self, name: self.setObjectName(name))
QtCore.QObject.className = lambda self: self.metaObject().className()


def _signal(sender, signature):
    """The bound signal of a signature such as ``"clicked(bool)"``.

    :raises ValueError: the sender has no such signal.
    """
    match = SIGNATURE.match(signature)
    normalized = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
    declared = {name for cls in type(sender).__mro__ for name in vars(cls).get("_signatures", ())}
    inQt = sender.metaObject().indexOfSignal(normalized) >= 0
    if not match or not (inQt or normalized in declared):
        raise ValueError(f'{type(sender).__name__} has no signal "{signature}"')
    signal = getattr(sender, match.group(1))
    arguments = normalized[normalized.index("(") + 1 : -1]
    try:
        return signal[arguments] if inQt and arguments else signal
    except (KeyError, IndexError):
        return signal


def _numberOfArguments(slot):
    """How many positional arguments a slot takes; None for any number."""
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind == parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _connect(self, signature, slot):
    count = _numberOfArguments(slot)
    wrapped = slot if count is None else lambda *arguments: slot(*arguments[:count])
    signal = _signal(self, signature)
    signal.connect(wrapped)
    _connectionsOf(self).append((signature, slot, signal, wrapped))
    return True


def _disconnect(self, signature, slot):
    _signal(self, signature)
    connections = _connectionsOf(self)
    for connection in [each for each in connections if each[:2] == (signature, slot)]:
        connection[2].disconnect(connection[3])
        connections.remove(connection)
    return True


def _connectionsOf(sender):
    if "_connections" not in sender.__dict__:
        sender._connections = []
    return sender.__dict__["_connections"]


_HOOKS = {"connect": _connect, "disconnect": _disconnect}
_getAttribute = QtCore.QObject.__getattribute__


def _getattribute(self, name):
    return MethodType(_HOOKS[name], self) if name in _HOOKS else _getAttribute(self, name)


def _setattr(self, name, value):
    known = inspect.getattr_static(type(self), name, None)
    if isinstance(known, QtCore.Property):
        known.fset(self, value)
    elif hasattr(type(known), "__set__"):
        known.__set__(self, value)
    elif (
        name.startswith("_")
        or not type(self).__module__.startswith(SEALED)
        # The .ui loader makes named children attributes of their root, as PythonQt does of any parent.
        or isinstance(value, QtCore.QObject) and value.objectName == name
        # PySide keeps the signals of an object there.
        or isinstance(value, QtCore.SignalInstance)
    ):
        self.__dict__[name] = value
    else:
        raise AttributeError(f'{type(self).__name__} has no property "{name}"')


# PySide looks at an object's signals before the attributes of its class.
QtCore.QObject.__getattribute__ = _getattribute
# Not inherited by classes that PySide makes later (their slots are filled from C++).
for _class in {c for c in list(globals().values()) if isinstance(c, type) and issubclass(c, QtCore.QObject)}:
    _class.__setattr__ = _setattr


@cache
def _propertyNames(cls):
    # Asked once: PySide deletes the description of a Python class with the first instance.
    meta = cls.staticMetaObject
    return {meta.property(index).name() for index in range(meta.propertyCount())}


class QFileDialog(QtWidgets.QFileDialog):
    @staticmethod
    def getSaveFileName(*arguments):
        return QtWidgets.QFileDialog.getSaveFileName(*arguments)[0]

    @staticmethod
    def getOpenFileName(*arguments):
        return QtWidgets.QFileDialog.getOpenFileName(*arguments)[0]


class QUiLoader(QtUiTools.QUiLoader):
    """Knows Slicer's widget classes and makes the connections of the .ui file.

    :raises RuntimeError: the file names a class for which there is no stand-in.
    """

    standIns = {}

    def createWidget(self, className, parent=None, name=""):
        if className in self.standIns:
            widget = self.standIns[className](parent)
            widget.setObjectName(name)
            return widget
        if not hasattr(QtWidgets, className):
            raise RuntimeError(f"There is no stand-in for the widget class {className} ({name}).")
        return super().createWidget(className, parent, name)

    def load(self, file, parent=None):
        path = file.fileName()
        file.close()
        tree = ElementTree.parse(path)
        unknown = {widget.get("class") for widget in tree.iter("widget")} - set(self.standIns) - set(dir(QtWidgets))
        if unknown:
            raise RuntimeError(f"There is no stand-in for the widget class {', '.join(sorted(unknown))}.")
        self._checkProperties(tree)
        connections = [[connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")]
                       for connection in tree.iter("connection")]
        for element in tree.getroot().findall("connections"):
            tree.getroot().remove(element)
        stream = io.BytesIO()
        tree.write(stream)
        buffer = QtCore.QBuffer()
        buffer.setData(stream.getvalue())
        buffer.open(QtCore.QIODevice.ReadOnly)
        root = super().load(buffer, parent)
        if root is None:
            raise RuntimeError(self.errorString())

        def named(name):
            return root if root.objectName == name else root.findChild(QtCore.QObject, name)

        for sender, signature, receiver, slot in connections:
            named(sender).connect(signature, getattr(named(receiver), SIGNATURE.match(slot).group(1)))
        return root

    def _checkProperties(self, tree):
        """Qt's loader takes a misspelt property for a dynamic one."""
        for element in tree.iter("widget"):
            className = element.get("class")
            cls = self.standIns.get(className) or getattr(QtWidgets, className)
            for item in element.findall("property"):
                name = item.get("name")
                if item.get("stdset") != "0" and name not in _propertyNames(cls):
                    raise RuntimeError(f'{className} ({element.get("name")}) has no property "{name}".')
