"""The stand-in for Slicer is loud where a panel asks for what Slicer's classes do not have."""

import pytest
from panelFixtures import application

__all__ = ["application"]


def loaded(tmp_path, widget):
    import qt

    path = tmp_path / "panel.ui"
    path.write_text(
        f'<ui version="4.0"><class>Form</class><widget class="QWidget" name="Form">{widget}</widget></ui>',
        encoding="utf-8",
    )
    file = qt.QFile(str(path))
    file.open(qt.QFile.ReadOnly)
    return qt.QUiLoader().load(file)


def test_unknownSignalRaises(application):
    import qt

    button = qt.QPushButton()
    with pytest.raises(ValueError, match='no signal "click'):
        button.connect("click(bool)", print)
    with pytest.raises(ValueError, match='no signal "clicked'):
        button.connect("clicked(int)", print)


def test_signalsThatSlicerNeverEmitsRaise(application):
    from SlicerStandIn.Views import layoutManager

    with pytest.raises(ValueError, match="no signal"):
        layoutManager().connect("layoutChanged()", print)


def test_timersThatSlicerNeverFreesRaise(application):
    import qt

    with pytest.raises(TypeError):
        qt.QTimer.singleShot(0, print)


def test_pathEditTellsValidPathsOnly(application, tmp_path):
    import ctk

    edit, told = ctk.ctkPathLineEdit(), []
    edit.connect("currentPathChanged(QString)", told.append)
    edit.connect("validInputChanged(bool)", told.append)
    edit.currentPath = str(tmp_path)
    edit.currentPath = ""

    assert told == [str(tmp_path), True, False]


def test_sampleDataWithoutAddressesRaises(application):
    import SampleData

    with pytest.raises(TypeError):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(sampleName="a", customDownloader=print)


def test_labelMapIsFoundWhereAScalarVolumeIsLookedFor(application):
    import slicer

    slicer.mrmlScene.Clear()
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")

    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode") is labels


def test_unknownPropertyRaises(application):
    import ctk
    import qt

    for widget in (qt.QLabel(), ctk.ctkCollapsibleButton()):
        with pytest.raises(AttributeError):
            widget.txt = "a"
        with pytest.raises(AttributeError):
            widget.txt  # noqa: B018


def test_unknownWidgetClassInAUiFileRaises(application, tmp_path):
    with pytest.raises(RuntimeError, match="qMRMLFancyWidget"):
        loaded(tmp_path, '<widget class="qMRMLFancyWidget" name="fancy"/>')


def test_unknownPropertyInAUiFileRaises(application, tmp_path):
    with pytest.raises(RuntimeError, match='no property "txt"'):
        loaded(tmp_path, '<widget class="QLabel" name="a"><property name="txt"><string>b</string></property></widget>')


def test_propertiesAreAttributesAndSlotsGetWhatTheyTake(application):
    import qt

    box = qt.QCheckBox()
    got = []
    box.connect("toggled(bool)", got.append)
    box.connect("toggled(bool)", lambda: got.append("none"))
    box.checked = True
    box.disconnect("toggled(bool)", got.append)
    box.text = "a"

    assert got == [True, "none"] and box.text == "a"


def test_panelsOwnClassesMayHaveAttributes(application):
    import qt

    class Box(qt.QComboBox):
        pass

    box = Box()
    box.remembered = 3
    assert box.remembered == 3
