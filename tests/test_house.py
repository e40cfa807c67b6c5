"""House rules that a machine can check."""

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farthing.settings import load

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
HEAVY = {"uvicorn", "starlette", "msgspec", "genai_prices", "rich", "typer", "asyncio", "sqlite3", "re2", "jsonschema_rs", "prometheus_client"}
FORBIDDEN = {"litellm", "langchain", "langchain_core", "openai", "anthropic", "httpx", "aiohttp", "requests", "tiktoken", "tests", "bench"}
LONGEST_FILE_LINES = 400
POINTER = re.compile(r"(?<![\w/.])(?:bench|docs|examples|tests)/[\w/-]+\.(?:py|md|toml)")
MOST_DEPENDENCIES = 15


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _imported(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names}


def test_rooms_call_only_downwards() -> None:
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_importing_farthing_pulls_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", "import sys, farthing; print(*sys.modules)"], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY == set()


def test_direct_runtime_dependencies_are_few() -> None:
    assert len(_project()["project"]["dependencies"]) <= MOST_DEPENDENCIES


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    project = _project()["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    needed, optional = ({re.split(r"[^\w.-]", one)[0] for one in several} for several in (project["dependencies"], extras))
    owners = {module: {name.replace("_", "-") for name in names} for module, names in importlib.metadata.packages_distributions().items()}
    imported = set().union(*map(_imported, SOURCES)) - set(sys.stdlib_module_names) - {"farthing"}
    assert [module for module in imported if not owners[module] & (needed | optional)] == []
    words = set().union(*(re.findall(r"\w+", path.read_text()) for path in SOURCES))  # one of them is imported by name, in a child process
    assert needed - set().union(*(owners[module] for module in words & owners.keys())) == set()


def test_what_texts_point_at_is_there() -> None:
    texts = [
        *SOURCES,
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("bench/*.py"),
        *(path for path in ROOT.glob("examples/**/*") if path.is_file()),
    ]
    named = {(str(path.relative_to(ROOT)), found) for path in texts for found in POINTER.findall(path.read_text())}
    assert len(named) > 20
    assert [(where, name) for where, name in sorted(named) if not (ROOT / name).exists()] == []


def test_no_source_imports_a_client_or_another_gateway() -> None:
    found = {str(path.relative_to(ROOT)): _imported(path) & FORBIDDEN for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == {}


def test_files_stay_small() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE_LINES} == {}


def test_every_file_says_what_it_is() -> None:
    assert [str(path.relative_to(ROOT)) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_the_wheel_holds_what_is_needed_and_no_pth(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, capture_output=True, check=True)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert [name for name in names if name.endswith(".pth")] == []
    assert {name.partition("/")[0] for name in names} == {"farthing", f"farthing-{_project()['project']['version']}.dist-info"}
    assert any(name.startswith("farthing/stores/migrations/0001") for name in names)
    assert "farthing/data/sample_exchanges.jsonl" in names
    assert {"farthing/page/static/echarts.js", "farthing/page/static/NOTICE"} <= set(names)


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_locks_hold_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pinned = re.findall(r"^[\w.-]+(?:\[[\w,-]+\])?==", text, re.MULTILINE)
    assert len(re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)) - 1 == len(pinned)
    assert all("--hash=sha256:" in block for block in re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:])
    assert re.findall(r"://|--(?:extra-)?index|--find-links", text) == []


def test_the_locks_know_every_dependency_and_agree() -> None:
    locks = {
        name: dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
        for name in ("runtime", "dev")
    }
    project = _project()
    wanted = {"runtime": project["project"]["dependencies"], "dev": project["dependency-groups"]["dev"]}
    for name, requirements in wanted.items():
        bare = {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements}  # type: ignore[index]
        assert bare <= locks[name].keys(), name
    assert {package: version for package, version in locks["runtime"].items() if locks["dev"].get(package) != version} == {}


def test_the_page_of_the_configuration_is_up_to_date() -> None:
    script = _module(ROOT / "docs" / "config.py")
    assert script.PAGE.read_text() == script.page(), "run: python docs/config.py"


def test_continuous_integration_runs_the_readme_s_test_command() -> None:
    commands = re.findall(r"^\./go test$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands
    assert "exec ./go test\n" in (ROOT / ".ci" / "run").read_text()


def test_the_readme_s_configuration_is_good(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "farthing.toml").write_text(block[1])
    assert load(tmp_path / "farthing.toml", {"OPENAI_API_KEY": "x"}).notes == ()
