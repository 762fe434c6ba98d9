"""Attacks on the next run: what one run leaves behind in files, processes or memory must be gone for the other."""

from __future__ import annotations

from sandbox.attacks.attack import LEAVE, LOOK, Attack, not_strict, text

LEFTOVERS: tuple[Attack, ...] = (
    Attack(
        "daemon",
        text("""
            import os, time
            if input() == 'leave':
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        for fd in range(3): os.close(fd)
                        while True:
                            open('/dev/shm/beat', 'a').write('x'); time.sleep(0.01)
                    os._exit(0)
                os.wait(); time.sleep(0.1)
            else:
                def size():
                    try: return os.stat('/dev/shm/beat').st_size
                    except OSError: return 0
                first = size(); time.sleep(0.2)
                if size() > first: print('ESCAPED')
        """),
        off=("namespaces", "cleanup"),
        inputs=(LEAVE, LOOK),
    ),
    Attack(
        "files-for-the-next-run",
        text("""
            import os
            if input() == 'leave':
                for area in ('/tmp', '/dev/shm', '/box'):
                    os.umask(0); open(area + '/note', 'w').write('answer')
            else:
                found = []
                for area in ('/tmp', '/dev/shm', '/box'):
                    if os.path.exists(area + '/note'): found.append(area)
                if found: print('ESCAPED', found)
        """),
        off=("namespaces", "cleanup"),
        inputs=(LEAVE, LOOK),
    ),
    Attack(
        "deep-tree-for-the-next-run",
        text("""
            import os
            if input() == 'leave':
                os.umask(0o777)
                os.chdir('/tmp')
                for _ in range(2000):
                    os.mkdir('d')
                    os.chmod('d', 0o700)
                    os.chdir('d')
            elif os.path.exists('/tmp/d'): print('ESCAPED')
        """),
        off=("namespaces", "cleanup"),
        inputs=(LEAVE, LOOK),
    ),
    Attack(
        "process-numbers-for-the-next-run",
        text("""
            import os
            if input() == 'leave':
                for _ in range(40):
                    child = os.fork()
                    if child == 0: os._exit(0)
                    os.waitpid(child, 0)
            elif os.getpid() > 40: print('ESCAPED', os.getpid())
        """),
        off=("namespaces",),
        inputs=(LEAVE, LOOK),
        skip=not_strict,
    ),
    Attack(
        "interpreter-for-the-next-run",
        text("""
            import builtins, json, os
            if input() == 'leave':
                builtins.len = lambda x: 7
                json.dumps = lambda x: 'bad'
                for path in (json.__file__, '/usr/bin/python3', '/opt/rlef/sandbox/runner/values.py'):
                    try: open(path, 'ab')
                    except OSError: pass
                    else: print('ESCAPED', path)
            elif len('') or json.dumps('') != '""': print('ESCAPED')
        """),
        no_control="every run is a new fork, and the root is read-only for the whole container",
        inputs=(LEAVE, LOOK),
    ),
    Attack(
        "inputs-of-other-runs",
        text("""
            import re
            word = input().encode()
            other, own = (b''.join(b'[%c]' % c for c in text) for text in (word[::-1], word))
            seen = set()
            for line in open('/proc/self/maps'):
                start, end = (int(part, 16) for part in line.split()[0].split('-'))
                if ' r' not in line or '[v' in line: continue
                with open('/proc/self/mem', 'rb', 0) as memory:
                    memory.seek(start)
                    try: data = memory.read(end - start)
                    except OSError: continue
                seen |= {name for name, words in (('other', other), ('own', own)) if re.search(words, data)}
                del data
            if 'other' in seen: print('ESCAPED')
            if 'own' not in seen: print('ESCAPED: this search finds nothing')
        """),
        no_control="the process a run is forked from never reads an input; the search proves itself on its own one",
        inputs=(b"5f1e0c7a93d84be2\n", b"2eb48d39a7c0e1f5\n"),
    ),
)
