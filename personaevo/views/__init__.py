"""Views of archives: pages for a terminal (``…_view``, rich renderables) and plain values for ``--json`` (``…_object``).

Import each view from its own module, as each needs another part of the engine.
"""



