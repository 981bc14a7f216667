"""The layers: imports point down only, and what belongs in one place is nowhere else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import datafolio

PACKAGE = Path(datafolio.__file__).parent

#: What a layer may import of the others.  `testing` holds contract tests, which may see all that they test.
BELOW = {
    "errors": set(),
    "_version": set(),
    "digest": set(),
    "canonical": {"errors"},
    "text": set(),
    "backend": {"errors", "digest"},
    "items": {"errors", "digest", "canonical"},
    "store": {"errors", "digest", "canonical", "text", "backend"},
    "porcelain": {"errors", "digest", "canonical", "text", "backend", "items", "store", "_version"},
    "__init__": {"errors", "porcelain", "_version"},
    "cli": {"errors", "digest", "canonical", "text", "backend", "items", "store", "porcelain", "__init__", "_version"},
    "__main__": {"cli"},
    "testing": {"errors", "digest", "canonical", "backend", "items", "store"},
}

HEAVY = ["pandas", "pyarrow", "numpy", "polars", "matplotlib", "fsspec", "cloudpickle", "sklearn", "joblib"]

#: Reasons why a module may be longer.
LONG = {
    "porcelain/folio.py": "the facade binds and delegates; its length is its methods' contracts",
}


def modules():
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def parsed(module):
    return ast.parse((PACKAGE / module).read_text("utf-8"), filename=module)


def layer_of(module):
    return module.partition("/")[0].removesuffix(".py")


def imported(module):
    """The dotted names that a module imports, at whatever depth, with the line of each."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative imports hide what is imported"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def imported_layers(module):
    for name, line in imported(module):
        parts = name.split(".")
        if parts[0] == "datafolio":
            known = len(parts) > 1 and parts[1] in BELOW
            yield (parts[1] if known else "__init__"), line


def test_every_module_belongs_to_a_layer():
    assert {layer_of(module) for module in modules()} <= set(BELOW)


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module):
    own = layer_of(module)
    wrong = [f"line {line}: {layer}" for layer, line in imported_layers(module) if layer not in BELOW[own] | {own}]
    assert not wrong, f"{module} imports from above or beside it: {wrong}"


def test_the_layers_have_an_order():
    order = [
        "errors",
        "_version",
        "digest",
        "canonical",
        "text",
        "backend",
        "items",
        "store",
        "porcelain",
        "__init__",
        "cli",
    ]
    for place, layer in enumerate(order):
        assert BELOW[layer] <= set(order[:place])
    assert "store" not in BELOW["items"]
    assert "items" not in BELOW["store"]


@pytest.mark.parametrize("module", [module for module in modules() if layer_of(module) != "testing"])
def test_nothing_heavy_is_imported_before_it_is_needed(module):
    wrong = [
        f"line {node.lineno}"
        for node in _at_import(parsed(module))
        if isinstance(node, (ast.Import, ast.ImportFrom)) and _roots(node) & set(HEAVY)
    ]
    assert not wrong, f"{module} imports a heavy library when it is imported: {wrong}"


def _at_import(tree):
    """The statements that run when a module is imported, those for type checkers aside."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting.extend(node.orelse)
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def _roots(node):
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("program", ["import datafolio", "import datafolio.store.fsck", "import datafolio.cli"])
def test_importing_loads_no_heavy_library(program):
    command = [sys.executable, "-c", f"{program}, sys; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert sorted(set(done.stdout.split()) & set(HEAVY)) == []


#: provenance/git.py hands its own environment on to the git that it runs, with a few settings more; nearby.py
#: finds the cache, which is one for the command and all other programs of a user.
ENVIRONMENT_ALLOWED = {"porcelain/provenance/git.py", "porcelain/nearby.py"}


@pytest.mark.parametrize("module", [module for module in modules() if layer_of(module) not in {"cli", "testing"}])
def test_only_the_command_line_reads_environment_variables_and_prints(module):
    found = []
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb", "stdout", "stderr"}:
            found.append((node.attr, node.lineno))
        if isinstance(node, ast.Name) and node.id in {"print", "environ", "getenv"}:
            found.append((node.id, node.lineno))
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            found += [(alias.name, node.lineno) for alias in node.names if alias.name in {"environ", "getenv"}]
    if module in ENVIRONMENT_ALLOWED:
        found = [(name, line) for name, line in found if name not in {"environ", "stdout", "stderr"}]
    assert not found, f"{module}: {found}"


#: What speaks to object stores, and the one module that knows of it.
SERVICES = {"fsspec", "s3fs", "gcsfs", "adlfs", "aiobotocore", "botocore", "boto3", "azure", "google", "aiohttp"}
SERVICES_ALLOWED = {"backend/remote/services.py"}


@pytest.mark.parametrize("module", modules())
def test_only_one_module_knows_what_speaks_to_object_stores(module):
    found = [f"line {line}: {name}" for name, line in imported(module) if name.partition(".")[0] in SERVICES]
    assert not found or module in SERVICES_ALLOWED, f"{module}: {found}"


@pytest.mark.parametrize("module", modules())
def test_no_error_is_swallowed_unseen(module):
    """No bare except; `except Exception` and wider only to raise another, or with the reason on the line."""
    lines = (PACKAGE / module).read_text("utf-8").splitlines()
    for node in ast.walk(parsed(module)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        assert node.type is not None, f"{module}:{node.lineno}: bare except"
        caught = {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)}
        if caught & {"Exception", "BaseException"}:
            raises = any(isinstance(part, ast.Raise) for part in ast.walk(node))
            reason = "# noqa: BLE001 - " in lines[node.lineno - 1]
            assert raises or reason, f"{module}:{node.lineno}: swallows any error"


@pytest.mark.parametrize("module", modules())
def test_no_module_is_over_400_lines(module):
    length = len((PACKAGE / module).read_text("utf-8").splitlines())
    assert length <= 400 or module in LONG, f"{module} has {length} lines; it is two modules"


@pytest.mark.parametrize("module", modules())
def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(parsed(module))


def test_the_namespace_holds_what_it_says():
    for name in datafolio.__all__:
        assert getattr(datafolio, name) is not None
    assert len(set(datafolio.__all__)) == len(datafolio.__all__)
