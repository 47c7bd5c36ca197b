"""Widget code of the module's panel. The only folder of the library that knows Qt."""
