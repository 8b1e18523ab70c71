"""What a cell leaves for the next one of its session, which must still end in a result, and for other sessions.

Every attack is followed by a look at a session that comes after it: that look is the arena's (`Arena.check`).
"""

from cort_data.interpreter import Status

from .arena import WAITS, Arena

PATCHES = {  # the next cell of the same session may suffer, but only that session, and it still gives a result
    "import hook": "import sys\nclass Hook:\n    def find_spec(*a): raise SystemExit\nsys.meta_path.insert(0, Hook())",
    "path hook": (
        "import sys\nsys.path_hooks.insert(0, print); sys.path_importer_cache.clear(); sys.path.insert(0, '.')"
    ),
    "site customize": "for name in ('sitecustomize', 'usercustomize', 'json'): open(name + '.py', 'w').write('1 / 0')",
    "cached bytecode": "os.mkdir('__pycache__')\nopen('__pycache__/json.cpython-311.pyc', 'wb').write(b'x' * 100)",
    "modules": "import sys\nsys.modules.clear()",
    "module replaced": "import sys\nsys.modules['json'] = sys.modules['numpy'] = sys.modules['os'] = None",
    "builtins": (
        "import builtins\n"
        "for n in ('len', 'isinstance', 'print', 'compile', 'type', 'open', 'repr'): setattr(builtins, n, None)"
    ),
    "exec": "import builtins\nbuiltins.exec = builtins.eval = lambda *a: os._exit(0)",
    "import": "import builtins\nbuiltins.__import__ = None",
    "json": "import json\njson.dumps = json.loads = json.encoder.JSONEncoder.encode = lambda *a, **k: '{'",
    "os": (
        "for n in dir(os):\n    if n not in ('_exit',):\n"
        "        try: setattr(os, n, lambda *a, **k: 0)\n        except Exception: pass"
    ),
    "getpid": "os.getpid = lambda: 1",
    "random": "import random\nrandom.seed = random.random = None",
    "signal": "import signal\nsignal.signal = signal.setitimer = lambda *a: None\nwhile True: pass",
    "time": "import time\ntime.perf_counter = time.process_time = time.monotonic = lambda: 'never'",
    "exit": "import sys\nsys.exit = quit = exit = print",
    "streams": "import sys\nsys.stdout = sys.stderr = sys.stdin = sys.__stdout__ = object()",
    "hooks": (
        "import sys\n"
        "sys.excepthook = sys.unraisablehook = sys.displayhook = sys.breakpointhook = lambda *a: os._exit(0)"
    ),
    "trace": "import sys, threading\nsys.settrace(lambda *a: os._exit(0)); threading.settrace(print)",
    "profile": "import sys\nsys.setprofile(lambda *a: 1 / 0)",
    "audit": "import sys\nsys.addaudithook(lambda *a: 1 / 0)",
    "recursion": "import sys\nsys.setrecursionlimit(30)",
    "traceback": "import traceback, linecache\nlinecache.cache = None\ntraceback.format_exception_only = None\n1 / 0",
    "collector": "import gc\ngc.callbacks.append(lambda *a: 1 / 0)\ngc.set_threshold(1)",
    "memory": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1, 1))",
    "descriptors limit": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))",
    "file limit": "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    "cpu limit": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
    "environment": "os.environ.clear()\nos.environ['PYTHONHASHSEED'] = os.environ['HOME'] = '/nowhere'",
    "umask": "os.umask(0o777)",
    "locale": "import locale\nlocale.setlocale(locale.LC_ALL, 'C')",
    "main": "import sys\nsys.modules['__main__'] = None\nglobals().clear()",
    "names": "__builtins__ = None",
    "decimal": "import decimal\ndecimal.getcontext().prec = 1",
    "sympy cache": "import sympy\nsympy.core.cache.clear_cache()\nsympy.Integer.__add__ = lambda *a: 1",
    "numpy": "import numpy\nnumpy.seterr(all='raise')\nnumpy.random.seed(1)",
    "warnings": "import warnings\nwarnings.simplefilter('error')",
    "codecs": (
        "import codecs\ncodecs.register(lambda n: 1 / 0)\ncodecs.register_error('backslashreplace', lambda e: 1 / 0)"
    ),
    "seccomp": "libc.prctl(22, 1, 0, 0, 0)",  # strict: read, write and exit alone
    "death signal": "libc.prctl(1, 9, 0, 0, 0)",
    "undumpable": "libc.prctl(4, 0, 0, 0, 0)",
}
LATER = {  # what comes when the cell is over
    "thread": (
        "import threading\ndef f():\n    while True: print('x' * 100)\nthreading.Thread(target=f, daemon=True).start()"
    ),
    "patient thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
    "many threads": (
        "import threading, time\nfor _ in range(20): threading.Thread(target=time.sleep, args=(600,)).start()"
    ),
    "timer": "import threading\nthreading.Timer(0.01, lambda: os._exit(0)).start()",
    "thread that kills": (
        "import _thread, time\n_thread.start_new_thread(lambda: (time.sleep(0.05), _thread.interrupt_main()), ())"
    ),
    "alarm": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.01)",
    "handled alarm": (
        "import signal\nsignal.signal(14, lambda *a: 1 / 0)\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.001)"
    ),
    "virtual alarm": (
        "import signal\nsignal.signal(26, lambda *a: 1 / 0)\nsignal.setitimer(signal.ITIMER_VIRTUAL, 0.01, 0.001)"
    ),
    "at exit": "import atexit\natexit.register(lambda: [0 for _ in iter(int, 1)])",
    "finalizer": "class C:\n    def __del__(self):\n        while True: pass\nkept = C()",
    "weak reference": "import weakref\nclass C: pass\nkept = C(); weakref.finalize(kept, os._exit, 0)",
    "generator": "def g():\n    try: yield\n    finally:\n        while True: pass\nkept = g(); next(kept)",
    "async": "import signal\nsignal.set_wakeup_fd(os.dup(1))",
    "fork handlers": "os.register_at_fork(before=lambda: 1 / 0, after_in_child=lambda: os._exit(0))",
    "pending call": "ctypes.pythonapi.Py_AddPendingCall(ctypes.cast(libc.abort, ctypes.c_void_p), None)",
    "asynchronous error": (
        "import threading, time\nmain = threading.get_ident()\ndef f():\n    while True:\n        time.sleep(0.001)\n"
        "        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(SystemExit))\n"
        "threading.Thread(target=f, daemon=True).start()"
    ),
}
NEXT = ["1 / 0", "del kept", "print(1)\n2"]
EXCEPTIONS = {
    "text raises": "class E(Exception):\n    def __str__(self): raise self\nraise E",
    "text loops": "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
    "text exits": "class E(Exception):\n    def __str__(self): os._exit(0)\nraise E",
    "text is no text": "class E(Exception):\n    def __str__(self): return 5\nraise E",
    "name": "class M(type):\n    __name__ = property(lambda c: 1 / 0)\nclass E(Exception, metaclass=M): pass\nraise E",
    "kind": "class M(type):\n    def __subclasscheck__(*a): 1 / 0\nclass E(Exception, metaclass=M): pass\nraise E",
    "syntax": "class E(SyntaxError):\n    msg = filename = text = property(lambda e: 1 / 0)\nraise E",
    "exit code": "class C:\n    def __repr__(self): raise SystemExit\n    __str__ = __repr__\nraise SystemExit(C())",
    "traceback loop": "e = ValueError(); e.__cause__ = e\nraise e",
    "notes": "e = ValueError(); e.__notes__ = [1, object(), 'x' * 10**6]\nraise e",
    "group": "raise BaseExceptionGroup('g', [ValueError(), SystemExit()])",
    "echo raises": "class C:\n    def __repr__(self): raise BaseException\nC()",
    "echo is no text": "class C:\n    def __repr__(self): return 5\nC()",
    "subclass of text": "class T(str):\n    __len__ = __getitem__ = lambda *a: 1 / 0\nprint(T('x')); T('y')",
    "surrogates": "print('\\ud800\\udfff\\x00\\x1b[2J\\u202e'); '\\ud800'",
    "file name": "exec(compile('1 / 0', '<cell ' + 'x' * 10**6, 'exec'))",
    "interrupt": "raise KeyboardInterrupt",
    "generator exit": "raise GeneratorExit",
}


def test_patches(anywhere: Arena) -> None:
    anywhere.attack_on(PATCHES, *NEXT, limits=WAITS)


def test_what_comes_later(anywhere: Arena) -> None:
    anywhere.attack_on(LATER, *NEXT, limits=WAITS)


def test_exceptions_that_resist(anywhere: Arena) -> None:
    for kind, result in anywhere.attack_all(EXCEPTIONS, WAITS).items():
        assert result.status is not Status.OK or kind in ("subclass of text", "surrogates"), kind
        result.feedback.encode()


def test_a_twin_beside_a_busy_thread(anywhere: Arena) -> None:
    """The thread asks for the interpreter's lock all the time, so that it is asked for at the moment of the fork."""
    busy = "import sys, threading\nsys.setswitchinterval(1e-6)\ndef f():\n    while True: pass\n"
    with anywhere.session(WAITS) as session:
        assert session.run(f"{busy}threading.Thread(target=f, daemon=True).start()").status is Status.OK
        for _ in range(5):
            twin = session.fork()
            assert twin.run("1").text.endswith("1\n")
            twin.close()
