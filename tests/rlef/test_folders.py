"""Names of new folders."""

import pytest

from rlef.errors import RlefError
from rlef.run import claim, claimed


def test_what_begins_in_the_same_second_has_a_folder_of_its_own(tmp_path):
    folders = [claim(str(tmp_path), "eval") for _ in range(20)]
    assert len(set(folders)) == 20
    assert all(folder.is_dir() and "-eval" in folder.name for folder in folders)


def test_a_folder_with_nothing_in_it_goes_and_another_stays(tmp_path):
    with pytest.raises(KeyError), claimed(str(tmp_path), "eval"):
        raise KeyError
    assert not [*tmp_path.iterdir()]
    with claimed(str(tmp_path), "eval") as folder:
        (folder / "result.json").write_text("{}")
    assert (folder / "result.json").read_text() == "{}"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RlefError, match="choose another place with --out"):
        claim(str(tmp_path / "file"), "eval")
