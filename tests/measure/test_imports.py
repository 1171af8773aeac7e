"""What both sides would import from one place: seen, and led to the side's own files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from perfgate.measure import imports


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
    return folder.resolve()


def test_a_path_file_that_leads_into_head_leads_into_base(tmp_path: Path) -> None:
    head, base, packages = (tree(tmp_path / name, "src") for name in ("head", "base", "packages"))
    (packages / "shop.pth").write_text(f"{head / 'src'}\n/nowhere\nimport os\n")
    assert imports.redirected(head, base, [packages]) == [base / "src"]


@pytest.mark.parametrize("told", [{"editable": True}, {}])
def test_an_install_of_head_is_led_to_base_in_either_layout(tmp_path: Path, told: dict[str, bool]) -> None:
    head, base = (tree(tmp_path / name, "services/shop") for name in ("head", "base"))
    packages = tree(tmp_path / "packages", "shop-1.dist-info")
    direct = {"url": f"file://{head}/services/shop", "dir_info": told}
    (packages / "shop-1.dist-info" / "direct_url.json").write_text(json.dumps(direct))
    wanted = [base / "services" / "shop" / "src", base / "services" / "shop"]
    assert imports.redirected(head, base, [packages]) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", '"x"', "\xff", '{"url": 1, "dir_info": {}}', '{"dir_info": {}}'),
        *('{"url": "file:///x"}', '{"url": "file:///x", "dir_info": 7}', '{"url": "http://[", "dir_info": {}}'),
    ],
)
def test_an_install_that_is_told_in_no_known_way_is_left_alone(tmp_path: Path, text: str) -> None:
    packages = tree(tmp_path / "packages", "shop-1.dist-info")
    (packages / "shop-1.dist-info" / "direct_url.json").write_text(text, encoding="latin-1")
    assert imports.redirected(tmp_path / "head", tmp_path / "base", [packages]) == []


def test_what_is_installed_from_elsewhere_is_left_alone(tmp_path: Path) -> None:
    head, base, other = (tree(tmp_path / name, "src") for name in ("head", "base", "other"))
    packages = tree(tmp_path / "packages", "x")
    (packages / "other.pth").write_text(f"{other / 'src'}\n")
    assert imports.redirected(head, base, [packages]) == []


def test_an_install_into_the_packages_changes_their_state(tmp_path: Path) -> None:
    before = imports.state([tmp_path])
    assert imports.state([tmp_path]) == before
    (tmp_path / "shop-1.dist-info").mkdir()
    assert imports.state([tmp_path]) != before


def test_the_packages_of_the_first_python_of_the_search_path_are_found() -> None:
    assert any((folder / "pytest").is_dir() for folder in imports.packages())


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Head and base, which both have `src`; only head has an environment, `.venv`."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    head, base = tree(tmp_path / "head", "src", ".venv/bin"), tree(tmp_path / "base", "src")
    (tmp_path / "link").symlink_to(head)
    return head, base


@pytest.mark.parametrize(
    ("name", "told", "led"),
    [
        ("PYTHONPATH", "/opt/x:{head}/src", "/opt/x:{base}/src"),
        ("PYTHONPATH", "{head}/gone:{head}", "{base}/gone:{base}"),
        ("PYTHONPATH", "{head}/../link/src/", "{base}/src"),
        ("NODE_PATH", "{head}/node_modules", "{base}/node_modules"),
        ("NODE_OPTIONS", "--require {head}/src", "--require {base}/src"),
        ("GITHUB_WORKSPACE", "{head}", "{base}"),
        ("SOURCE", "file://{head}/src;x", "file://{base}/src;x"),
    ],
)
def test_what_leads_to_heads_code_leads_to_bases(
    sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str, told: str, led: str
) -> None:
    head, base = sides
    monkeypatch.setenv(name, told.format(head=head))
    assert imports.environment(head, base, [])[name] == led.format(base=base)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("PYTHONPATH", "/opt/x:src"),
        ("VIRTUAL_ENV", "{head}/.venv"),
        ("DATA", "{head}/data"),
        ("OTHER", "{head}-2/src"),
        ("OTHER", "/mnt{head}/src"),
        ("HOME", "{head}"),
        ("DATABASE_URL", "sqlite:///{head}/src"),
        ("PGPASSFILE", "{head}/src"),
    ],
)
def test_what_base_lacks_or_is_no_code_stays(
    sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    head, base = sides
    monkeypatch.setenv(name, told.format(head=head))
    assert name not in imports.environment(head, base, [])


def test_bases_programs_come_before_heads_that_stand_in_for_them(
    sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    head, base = sides
    monkeypatch.setenv("PATH", f"{head}/.venv/bin:/usr/bin")
    beside = Path(sys.executable).parent
    wanted = [str(beside), f"{base}/.venv/bin", f"{head}/.venv/bin", "/usr/bin"]
    assert imports.environment(head, base, [])["PATH"].split(os.pathsep) == wanted
    monkeypatch.setattr(sys, "executable", f"{head}/.venv/bin/python")
    wanted = [f"{base}/.venv/bin", f"{head}/.venv/bin"] * 2 + ["/usr/bin"]
    assert imports.environment(head, base, [])["PATH"].split(os.pathsep) == wanted


def test_what_was_told_comes_before_what_is_installed(
    sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, base = sides
    packages = tree(tmp_path / "packages", "x")
    (packages / "shop.pth").write_text(f"{head / 'src'}\n")
    monkeypatch.setenv("PYTHONPATH", f"/opt/x:{head}")
    assert imports.environment(head, base, [packages])["PYTHONPATH"] == f"/opt/x:{base}:{base}/src"


def test_an_environment_that_knows_nothing_of_head_stays(sides: tuple[Path, Path]) -> None:
    assert imports.environment(*sides, []) == {}
