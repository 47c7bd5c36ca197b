"""What the module's code asks of Slicer's Qt classes: read from the code, without running it."""

import ast
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """:param className: "ctkPathLineEdit". :param member: name; the signature of a signal.
    :param kind: "read", "write" or "signal". :param place: file and line.
    """

    className: str
    member: str
    kind: str
    place: str


# Objects whose class no expression tells.
KNOWN = {
    "slicer.app": "qSlicerApplication",
    "CervicalSpineDetection.self.parent": "qSlicerScriptedLoadableModule",
    "CervicalSpineDetectionWidget.self.parent": "qSlicerScriptedLoadableModuleWidget",
}


class PanelCode:
    """:param paths: Python files. :param uiPath: the panel's .ui file.
    :param typeOf: function that gives the class that a member of a class has or returns, or None.
    """

    def __init__(self, paths, uiPath, typeOf):
        self._typeOf = typeOf
        widgets = ElementTree.parse(uiPath).iter("widget")
        self._widgets = {element.get("name"): element.get("class") for element in widgets}
        self._uiPath = uiPath
        self.uses = [use for path in paths for use in self._usesIn(path)] + list(self._usesInUi())

    def _usesInUi(self):
        tree = ElementTree.parse(self._uiPath)
        place = self._uiPath.name
        for widget in tree.iter("widget"):
            for item in widget.findall("property"):
                if item.get("stdset") != "0":
                    yield Use(widget.get("class"), item.get("name"), "write", place)
        for connection in tree.iter("connection"):
            sender, receiver = (self._widgets[connection.findtext(tag)] for tag in ("sender", "receiver"))
            yield Use(sender, connection.findtext("signal"), "signal", place)
            yield Use(receiver, connection.findtext("slot").split("(")[0], "read", place)

    def _usesIn(self, path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for classNode in [node for node in tree.body if isinstance(node, ast.ClassDef)] + [None]:
            owner = classNode.name if classNode else ""
            body = classNode.body if classNode else tree.body
            functions = [node for node in body if isinstance(node, ast.FunctionDef)]
            attributes = {}
            # Twice: an attribute may be used in a function above the one that sets it.
            for _ in range(2):
                found = []
                for function in functions:
                    found += self._usesInFunction(function, owner, attributes, path.name)
            yield from found

    def _usesInFunction(self, function, owner, attributes, fileName):
        names, found = {}, []

        def classOf(node):
            text = ast.unparse(node)
            known = KNOWN.get(text) or KNOWN.get(f"{owner}.{text}") or attributes.get(text) or names.get(text)
            if known:
                return known
            if isinstance(node, ast.Attribute):
                if _isUi(node.value):
                    return self._widgets.get(node.attr)
                base = classOf(node.value)
                return base and self._typeOf(base, node.attr)
            if isinstance(node, ast.Call):
                if ast.unparse(node.func) == "slicer.util.loadUI":
                    return next(iter(self._widgets.values()))
                if isinstance(node.func, ast.Attribute):
                    if ast.unparse(node.func.value) == "qt" and node.func.attr.startswith("Q"):
                        return node.func.attr
                    base = classOf(node.func.value)
                    return base and self._typeOf(base, node.func.attr)
            return None

        for node in _inOrder(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    kind = classOf(node.value)
                    if kind:
                        (attributes if isinstance(target, ast.Attribute) else names)[ast.unparse(target)] = kind
            elif isinstance(node, ast.Attribute):
                base = classOf(node.value)
                if base:
                    kind = "write" if isinstance(node.ctx, ast.Store) else "read"
                    found.append(Use(base, node.attr, kind, f"{fileName}:{node.lineno}"))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                base = classOf(node.func.value)
                if base and node.func.attr in ("connect", "disconnect") and isinstance(node.args[0], ast.Constant):
                    found.append(Use(base, node.args[0].value, "signal", f"{fileName}:{node.lineno}"))
        return found


def _isUi(node):
    return isinstance(node, ast.Attribute) and node.attr == "ui" or isinstance(node, ast.Name) and node.id == "ui"


def _inOrder(node):
    """As ast.walk, but in the order of the text."""
    for child in ast.iter_child_nodes(node):
        yield child
        yield from _inOrder(child)
