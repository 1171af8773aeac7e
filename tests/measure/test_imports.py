"""What both sides would import from one place: seen, and led to the side's own files."""

from __future__ import annotations

import json
from pathlib import Path

from perfgate.measure import imports


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
    return folder.resolve()


def test_a_path_file_that_leads_into_head_leads_into_base(tmp_path: Path) -> None:
    head, base, packages = (tree(tmp_path / name, "src") for name in ("head", "base", "packages"))
    (packages / "shop.pth").write_text(f"{head / 'src'}\n/nowhere\nimport os\n")
    assert imports.redirected(head, base, [packages]) == [base / "src"]


def test_an_editable_install_of_head_is_found_in_either_layout(tmp_path: Path) -> None:
    head, base = (tree(tmp_path / name, "services/shop/src") for name in ("head", "base"))
    packages = tree(tmp_path / "packages", "shop-1.dist-info")
    told = {"url": f"file://{head}/services/shop", "dir_info": {"editable": True}}
    (packages / "shop-1.dist-info" / "direct_url.json").write_text(json.dumps(told))
    wanted = [base / "services" / "shop" / "src", base / "services" / "shop"]
    assert imports.redirected(head, base, [packages]) == wanted


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
