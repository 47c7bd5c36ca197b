"""Public data sets of labelled spine CTs, read as they are published."""
