"""The house rules a machine can check, over every file that git tracks. A rule nobody checks erodes."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("domain", "detector", "streams", "alerts", "review", "dags", "latentwatch")
LONGEST_FILE = 400
CLOCK = "domain/clock.py"
TRANSACTIONS = "alerts/session.py"


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project that still exists, relative to its root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return tuple(path for name in listed.stdout.split("\0") if name and (ROOT / (path := Path(name))).is_file())


@cache
def texts() -> dict[Path, str]:
    """The tracked files that are text."""
    found = {}
    for path in tracked():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            found[path] = content.decode()
    return found


@cache
def modules() -> dict[Path, ast.Module]:
    """The tracked Python files, parsed."""
    return {path: ast.parse(text, str(path)) for path, text in texts().items() if path.suffix == ".py"}


def offences(broken: Callable[[ast.AST], bool], *allowed: str) -> list[str]:
    """Where a node of the code breaks a rule, as `file:line`."""
    return [
        f"{path}:{node.lineno}"
        for path, module in modules().items()
        if str(path) not in allowed
        for node in ast.walk(module)
        if broken(node)
    ]


def imported(node: ast.AST) -> Iterator[str]:
    """The dotted names an import statement brings in."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called(node: ast.AST) -> str:
    """The name as written of the function a call calls, or nothing."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def test_transactions_end_in_one_place() -> None:
    """Only `alerts/session.py` ends a database transaction; the other rooms are inside somebody's.

    Benchmarks are free to: they hold what people would write without us.
    """

    def ends_transaction(node: ast.AST) -> bool:
        return called(node).endswith(".commit") and isinstance(node, ast.Call) and not (node.args or node.keywords)

    found = offences(ends_transaction, TRANSACTIONS)
    assert not [place for place in found if place.startswith(tuple(f"{room}/" for room in ROOMS))]


def test_no_mocks() -> None:
    """Fakes are written down and shared; nothing is mocked."""
    assert not offences(lambda node: any(name.startswith("unittest.mock") for name in imported(node)))


def test_time_comes_from_the_clock() -> None:
    """Nobody sleeps or reads wall time but the clock, so that everything that waits can be tested without waiting."""
    forbidden = {"time.sleep", "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.datetime.now"}

    def tells_time(node: ast.AST) -> bool:
        return called(node) in forbidden or bool({"time.sleep", "time.time", "time.time_ns"} & set(imported(node)))

    assert not offences(tells_time, CLOCK)


def test_nothing_untrusted_becomes_code() -> None:
    """No pickle in any of its names, no eval or exec, no unsafe YAML, no shell."""
    serialisers = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    calls = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.load", "torch.save", "os.system"}

    def dangerous(node: ast.AST) -> bool:
        if called(node) in calls or any(name.partition(".")[0] in serialisers for name in imported(node)):
            return True
        flag = isinstance(node, ast.keyword) and node.arg in {"shell", "allow_pickle"}
        return bool(flag and isinstance(node.value, ast.Constant) and node.value.value is True)

    assert not offences(dangerous)


def test_tests_say_what_they_hold() -> None:
    """Every test has a docstring: the sentence that is true when it passes."""

    def silent(node: ast.AST) -> bool:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            return False
        return not ast.get_docstring(node)

    found = [place for place in offences(silent) if place.startswith("tests/")]
    assert not found


def test_public_names_say_what_they_are() -> None:
    """Every public function and class at the top of a module has a docstring; what Alembic calls is named by Alembic."""
    found = [
        f"{path}:{node.lineno} {node.name}"
        for path, module in modules().items()
        if path.parts[0] in (*ROOMS, "benchmarks", "deploy") and "migrations" not in path.parts
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not found


def test_no_test_is_left_out() -> None:
    """A test passes or fails; none is skipped, and none is expected to fail."""
    ways_out = {"skip", "skipif", "importorskip", "xfail", "skipIf", "SkipTest"}
    assert not offences(lambda node: isinstance(node, ast.Attribute) and node.attr in ways_out)


def test_test_folders_are_packages() -> None:
    """Every folder of tests is a package, so that two files of one name can live in two of them."""
    folders = {path.parent for path in modules() if path.parts[0] == "tests"}
    assert not [folder for folder in folders if not (ROOT / folder / "__init__.py").exists()]


def test_files_hold_one_idea() -> None:
    """No Python file is too long to be read in one sitting."""
    long = {path: text.count("\n") for path, text in texts().items() if path.suffix == ".py"}
    assert not {str(path): lines for path, lines in long.items() if lines > LONGEST_FILE}


def test_names_say_something() -> None:
    """No module is called after nothing in particular."""
    empty_words = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "abstract"}
    assert not [str(path) for path in tracked() if empty_words & set(re.split(r"[_/.]", str(path.with_suffix(""))))]


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        (
            "an address of a package registry",
            r"py[p]i\.org|pythonhoste[d]\.|npm[j]s\.(?:org|com)|mave[n]\.org|repo\.mave[n]",
        ),
        ("a path of one machine", r"(?<![\w.$}~-])/(?:work|root|home|Users)/\w"),
        ("a promise instead of code", r"\bTOD[O]\b|\bFIXM[E]\b|\bXX[X]\b"),
    ],
)
def test_files_do_not_hold(what: str, pattern: str) -> None:
    """No tracked text holds what ties it to one machine or one mirror, or leaves work for later."""
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found, f"{what}: {found}"


def test_no_two_classes_share_a_name() -> None:
    """A class of the product is found by its name alone."""
    places: dict[str, list[str]] = {}
    for path, module in modules().items():
        if path.parts[0] in (*ROOMS, "benchmarks", "deploy"):
            for node in ast.walk(module):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(f"{path}:{node.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_words_are_those_of_the_glossary() -> None:
    """Words that the glossary replaced do not come back. The glossary names them, and migrations."""
    replaced = re.compile(
        r"witness|\benerg(?:y|ies)\b|(?<!accept-)\bblind\b|familiar|\byouth\b|foret(?:ell|old)", re.IGNORECASE
    )
    keep = {Path("docs/glossary.md"), Path("tests/test_house.py")}
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in texts().items()
        if path.suffix in {".py", ".md", ".html"} and path not in keep and "migrations" not in path.parts
        for number, line in enumerate(text.splitlines(), 1)
        if replaced.search(line)
    ]
    assert not found


def test_no_lock_files() -> None:
    """No file that records where packages were downloaded from; requirements are pinned by hash instead."""
    locks = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"}
    assert not [str(path) for path in tracked() if path.name in locks]


def test_readme_maps_every_package() -> None:
    """README names every top-level folder, so that a newcomer knows where to look."""
    readme = (ROOT / "README.md").read_text()
    folders = {path.parts[0] for path in tracked() if len(path.parts) > 1 and not path.parts[0].startswith(".")}
    assert not [folder for folder in sorted(folders) if f"{folder}/" not in readme]


def anchors(page: str) -> list[str]:
    """The anchors that GitHub gives the headings of a page, in order."""
    headings = re.findall(r"^#{2,} (.+)$", page, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_links_between_pages_lead_somewhere() -> None:
    """A link of a Markdown page to a file or a heading of the project finds it."""
    broken = []
    for path, text in texts().items():
        for link in re.findall(r"\]\(([^)\s]+)\)", text) if path.suffix == ".md" else ():
            if "://" in link:
                continue
            name, _, anchor = link.partition("#")
            target = ROOT / path.parent / name if name else ROOT / path
            if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
                broken.append(f"{path}: {link}")
    assert not broken


def test_experiments_begin_with_an_index() -> None:
    """The index of docs/experiments.md lists every entry, in order."""
    page = (ROOT / "docs" / "experiments.md").read_text()
    index = page.partition("## Index")[2].partition("\n## ")[0]
    entries = anchors(page)
    assert re.findall(r"\]\(#([^)]+)\)", index) == entries[entries.index("index") + 1 :]


def defined(name: str, path: str) -> ast.FunctionDef | None:
    """The function of a file, or `Class.method`, by its name."""
    *owner, function = name.split(".")
    scope: ast.AST = modules()[Path(path)]
    if owner:
        scope = next(node for node in ast.walk(scope) if isinstance(node, ast.ClassDef) and node.name == owner[0])
    return next(
        (node for node in ast.iter_child_nodes(scope) if isinstance(node, ast.FunctionDef) and node.name == function),
        None,
    )


def test_the_architecture_page_states_signatures_as_they_are() -> None:
    """Every `name(parameters) -> Type  # file` of docs/architecture.md is a function there, with those parameters first,
    the others having defaults, and of that type, where it is a type and no word."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    stated = re.findall(r"^([\w.]+)\(([\w, ]+)\) -> (.+?) +# ([\w/]+\.py)", page, re.MULTILINE)
    assert len(stated) == len(re.findall(r"^\S+\(.*\) -> ", page, re.MULTILINE))
    for name, parameters, result, path in stated:
        function = defined(name, path)
        assert function is not None, f"{path} has no {name}"
        arguments = [argument.arg for argument in function.args.args if argument.arg != "self"]
        names = parameters.split(", ")
        assert arguments[: len(names)] == names, f"{name}: {arguments}"
        assert len(arguments) - len(names) <= len(function.args.defaults), f"{name}: {arguments}"
        assert function.returns is not None
        if not result.islower():
            assert ast.unparse(function.returns) == result.partition("(")[0], name


@pytest.mark.slow
@pytest.mark.parametrize("front", ["streams", "review"])
def test_serving_imports_no_training(front: str) -> None:
    """Importing every module a scorer or a review app is made of brings in neither torch, MLflow, Airflow nor Spark."""
    names = [
        "latentwatch." + ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in modules()
        if path.parts[0] in {"domain", "alerts", front} and "migrations" not in path.parts
    ]
    code = "\n".join(f"import {name}" for name in [*names, "latentwatch.cli", "latentwatch.detector.bundle", "sys"])
    code += "\nprint(*sorted({'torch', 'mlflow', 'airflow', 'pyspark'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    assert not result.stdout.strip()
