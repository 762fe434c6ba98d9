"""What runs inside a slot as PID 1: standard library only, small enough to audit in one sitting.

`__main__` talks to the host, `supervisor` watches one run, `spawner` forks it, `isolation` fences it in, `files` hold
what it is given, `python_main` is the preforked interpreter with its `parts` and `output`, `dialogue` and `talk` let
one run call another, `cgroup` measures, `cleanup` kills, wipes and verifies. `enter` makes the slot itself where there
is no engine to do so. Only `values`, `talk` and the frames of `sandbox.protocol` are shared with the host.
"""
