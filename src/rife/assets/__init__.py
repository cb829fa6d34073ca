"""Downloads, and the cache folder."""
