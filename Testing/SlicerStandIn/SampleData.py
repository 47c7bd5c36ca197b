"""Slicer's ``SampleData`` module: what registering a source of one's own asks for."""

import slicer


class SampleDataSource:
    """:raises TypeError: no list of addresses, not even an empty one.
    :raises ValueError: not as many file names as addresses.
    """

    def __init__(self, sampleName=None, uris=None, fileNames=None, customDownloader=None, thumbnailFileName=None):
        if len(uris) != len(fileNames):
            raise ValueError("All fields of sample data source must have the same length")
        self.sampleName, self.uris, self.fileNames = sampleName, uris, fileNames
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataSource(category="Custom", **source):
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        new = SampleDataSource(**source)
        if not any(vars(new) == vars(old) for old in sources):
            sources.append(new)
