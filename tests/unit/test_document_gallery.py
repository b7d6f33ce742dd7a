"""The page with the figures of real runs: made of results, and the committed one is whole."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.synthetic import make_summary
from workflow_scripts import decide_claims
from workflow_scripts.support.document_gallery import DEFAULT, RELATION, main
from workflow_scripts.support.netcdf import write_dataset

PAGE = ROOT / "docs/gallery.md"


def make_results(folder: Path, figures: list[str]) -> Path:
    """A folder of results with a summary, the claims on it, and figures of two colours."""
    (folder / "figures").mkdir(parents=True)
    write_dataset(make_summary(("a", "b")), folder / "summary.nc", title="summary", configuration={})
    claims = [folder / f"claims.{kind}" for kind in ("nc", "md", "html")]
    decide_claims.main([folder / "summary.nc"], *claims, {"displacement": 1.0, "interpolation": "bilinear"})
    for number, name in enumerate(figures):
        pixels = np.zeros((20, 30, 3), np.uint8)
        pixels[:10] = (number, 100, 250)
        Image.fromarray(pixels).save(folder / "figures" / f"{name}.png")
    return folder


def test_page_shows_every_figure_and_every_claim_that_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    default, relation = make_results(tmp_path / "default", list(DEFAULT)), make_results(tmp_path / "relation", list(RELATION))
    main(default, relation, tmp_path / "pictures")
    page = capsys.readouterr().out
    shown = re.findall(r"!\[.*\]\(pictures/(\w+)\.png\)", page)
    assert shown == [*DEFAULT, *RELATION]
    for folder, figures in ((default, DEFAULT), (relation, RELATION)):
        for name in figures:
            original, copied = Image.open(folder / f"figures/{name}.png"), Image.open(tmp_path / f"pictures/{name}.png")
            assert copied.mode == "P"
            np.testing.assert_array_equal(copied.convert("RGB"), original)
    assert page.count("**holds**") + page.count("**does not hold**") + page.count("**undecided**") == page.count("±") > 4


def test_committed_page_has_its_pictures_and_numbers() -> None:
    page = PAGE.read_text()
    shown = re.findall(r"!\[.*\]\((pictures/\w+\.png)\)", page)
    assert [Path(path).stem for path in shown] == [*DEFAULT, *RELATION]
    for path in shown:
        with Image.open(PAGE.parent / path) as picture:
            assert picture.width > 500
    assert page.count("±") > 20
