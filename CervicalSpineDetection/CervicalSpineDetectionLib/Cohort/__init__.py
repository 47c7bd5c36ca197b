"""Many CTs: finding them, one result folder each, on several processes, a table and a page of all."""
