"""Attacks on the answer of a called function: a value that lies, a reply that is forged, an end that comes too soon."""

from __future__ import annotations

from sandbox.attacks.attack import Attack, has_value, text

_WHY = "a value is compared outside; the weaker way, in one process, does not exist here"

FORGERIES: tuple[Attack, ...] = (
    Attack(
        "early-exit",
        text("""
            def f():
                import sys
                sys.exit(0)
        """),
        entry="f", no_control=_WHY, succeeded=has_value,
    ),
    Attack(
        "early-exit-below-python",
        text("""
            def f():
                import os
                os._exit(0)
        """),
        entry="f", no_control=_WHY, succeeded=has_value,
    ),
    Attack(
        "early-exit-on-import", "import os; os._exit(0)\ndef f(): return 1",
        entry="f", no_control=_WHY, succeeded=has_value,
    ),
    Attack(
        "other-program-ends-well",
        text("""
            def f():
                import os
                os.execv('/bin/true', ['true'])
        """),
        entry="f", no_control=_WHY, succeeded=has_value,
    ),
    Attack(
        "value-equal-to-everything",
        text("""
            class Always(int):
                def __eq__(self, other): return True
                __ne__ = __lt__ = __gt__ = lambda self, other: False
                __hash__ = int.__hash__
                __class__ = property(lambda self: int)
            def f(): return [Always(1)]
        """),
        entry="f", no_control=_WHY, succeeded=has_value,
    ),
    Attack(
        "forged-reply",
        text("""
            import os
            def f():
                for fd in range(3, 64):
                    for reply in (b'V', b'V{"i":1}', b'R', b'{"status": "ok"}', b'V' + b'[' * 9999):
                        try: os.write(fd, reply)
                        except OSError: pass
                os._exit(0)
        """),
        entry="f", no_control=_WHY, succeeded=has_value,
    ),
    Attack(
        "patched-serialiser",
        text("""
            import json, sys
            class Always:
                def __eq__(self, other): return True
            json.dumps = json.JSONEncoder.encode = lambda *a, **k: '1'
            for name, module in list(sys.modules.items()):
                if 'sandbox' in name: module.dumps = lambda value: b'1'
            def f(): return Always()
        """),
        entry="f", no_control=_WHY, succeeded=has_value,
    ),
    Attack(
        "answers-in-the-frames-above",
        text("""
            import gc, sys
            def f():
                frame, names = sys._getframe(), []
                while frame.f_back is not None:
                    frame = frame.f_back
                    names += [name for name in frame.f_locals if 'expect' in name or 'answer' in name]
                names += [name for thing in gc.get_objects() if type(thing) is dict
                          for name in thing if name in ('expected', 'expected_output')]
                if names: print('ESCAPED', names[:9])
                return 0
        """),
        entry="f", no_control="what is not in this package cannot be found in its processes",
    ),
)  # fmt: skip
