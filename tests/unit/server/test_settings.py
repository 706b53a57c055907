"""Settings: where they come from, what is refused, and that the page about them is true."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pegbox.settings import RESERVED, Settings, SettingsError, home_folder, read_settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_defaults_hold_where_nothing_is_given(tmp_path: Path) -> None:
    """No file and no variables is a complete set-up."""
    assert read_settings(tmp_path, {}) == Settings()


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    """File values are used, and a variable replaces one of them."""
    (tmp_path / "settings.toml").write_text('mode = "strict"\ngrace_seconds = 5\nallowed_hosts = ["a.b"]\n')
    read = read_settings(tmp_path, {"PEGBOX_GRACE_SECONDS": "7.5", "PEGBOX_COMPUTE_AHEAD": "no"})
    assert (read.mode, read.grace_seconds, read.allowed_hosts, read.compute_ahead) == (
        "strict",
        7.5,
        ("a.b",),
        False,
    )


def test_all_problems_are_told_at_once_with_field_value_and_remedy(tmp_path: Path) -> None:
    """Unknown keys get the nearest name, wrong values their rule, from file and variables together."""
    (tmp_path / "settings.toml").write_text('moed = "strict"\nregion = "moon"\naccount = 7\n')
    with pytest.raises(SettingsError) as caught:
        read_settings(tmp_path, {"PEGBOX_PORT": "80", "PEGBOX_HOST": "0.0.0.0", "PEGBOX_IDLE_SECONDS": "nan"})
    words = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 6
    for part in ("did you mean 'mode'", "'moon'", "must be a text", "PEGBOX_PORT = '80'", "::1", "finite"):
        assert part in words


@pytest.mark.parametrize("text", ["=", "\xff", "a = [1", 'mode = "strict"\nmode = "strict"'])
def test_a_broken_file_is_an_error(tmp_path: Path, text: str) -> None:
    """A file that is no TOML names itself in the error."""
    (tmp_path / "settings.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        read_settings(tmp_path, {})


def test_other_variables_of_pegbox_are_no_settings(tmp_path: Path) -> None:
    """Variables that other parts read do not disturb, whatever they hold; unknown ones do."""
    assert read_settings(tmp_path, {**dict.fromkeys(RESERVED, "x"), "PEGBOX_TEST_X": "1"}) == Settings()
    with pytest.raises(SettingsError, match="PEGBOX_NONSENSE is no setting"):
        read_settings(tmp_path, {"PEGBOX_NONSENSE": "1"})


def test_every_pegbox_variable_in_the_source_is_known() -> None:
    """A variable that some module reads is a setting, reserved, or the tests' own; else starting a server would fail."""
    source = Path(__file__).resolve().parents[3] / "src" / "pegbox"
    names = {
        name
        for path in source.rglob("*.py")
        for name in re.findall(r"\bPEGBOX_[A-Z_]*[A-Z]\b", path.read_text())
    }
    settings = {f"PEGBOX_{item.name.upper()}" for item in fields(Settings)}
    assert {name for name in names if not name.startswith("PEGBOX_TEST")} <= settings | set(RESERVED)


def test_the_page_lists_every_setting_with_its_default() -> None:
    """docs/settings.md has one row per setting: name, variable, default and the sentence of the code."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    wanted = []
    for item in fields(Settings):
        default = item.default
        shown = ", ".join(default) if isinstance(default, tuple) else str(default)
        shown = shown.lower() if isinstance(default, bool) else shown
        variable, cell = f"PEGBOX_{item.name.upper()}", f"`{shown}`" if shown else "(none)"
        wanted.append(f"| `{item.name}` | `{variable}` | {cell} | {item.metadata['doc']} |")
    assert rows == wanted


def test_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PEGBOX_HOME moves the home; relative and ~ paths are made absolute."""
    assert home_folder({"PEGBOX_HOME": str(tmp_path)}) == tmp_path
    monkeypatch.chdir(tmp_path)
    assert home_folder({"PEGBOX_HOME": "x"}) == tmp_path / "x"
    assert home_folder({"PEGBOX_HOME": ""}) == Path("~/.pegbox").expanduser()
