"""A second set of clients, written from the catalogue alone by somebody who had not seen the checkers."""

import importlib

FAMILIES = ("tmo", "rty", "jit", "raf", "idm", "bud_cbk", "con", "err", "obs", "oau", "sec", "more")
CLIENTS = {}
for _family in FAMILIES:
    _module = importlib.import_module(f"{__name__}.{_family}")
    for _name, _made in list(vars(_module).items()):
        if isinstance(_made, type) and _made.__module__ == _module.__name__ and "PROFILE" in dir(_made):
            CLIENTS[_name] = _made
