import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from mlr_jax.report import atomic, figures, formatting, page, style


def pictures(parsed):
    sources = [value for tag, name, value in parsed.attributes if (tag, name) == ("img", "src")]
    files = [base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in sources]
    return [Image.open(io.BytesIO(file)) for file in files]


def test_the_page_holds_every_number(make_run, parse):
    directory = make_run(rates=(0.1, 0.01))
    path = page.write(directory)
    assert path == directory / "report.html"
    text = parse(path.read_text()).text
    summary = json.loads((directory / "summary.json").read_text())
    for entry in [*summary["metrics"].values(), *(e for group in summary["groups"] for e in group["metrics"].values())]:
        assert formatting.interval(entry) in text
        for member in (min(entry["members"]), max(entry["members"])):
            assert formatting.number(member) in text
    for expected in (
        "vision/digits_cnn",
        "python experiments/vision/digits_cnn.py --seeds 3",
        *("10.25 s", "2.125 s", "6400 images/s", "Some GPU"),
        *("batch_size", "128", "weight_decay", "0.0001", "learning_rate", "0.01", "0.10.2"),
    ):
        assert expected in text
    assert "not finished" not in text


def test_the_results_give_the_range_of_the_members(make_run):
    directory = make_run()
    members = json.loads((directory / "summary.json").read_text())["metrics"]["test_loss"]["members"]
    low, high = (formatting.number(extreme(members)) for extreme in (min, max))
    assert f'<td class="number">{low}</td><td class="number">{high}</td></tr>' in page.write(directory).read_text()


def test_the_page_needs_nothing_else(make_run, parse):
    parsed = parse(page.write(make_run(rates=(0.1, 0.01))).read_text())
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert all(value.startswith("data:") for _, name, value in parsed.attributes if name in ("src", "href"))
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on")]


def test_pictures_are_inside_and_not_empty(make_run, parse):
    directory = make_run(rates=(0.1, 0.01))
    (directory / "figures").mkdir()
    drawn = figures.png(figures.confusion_matrix([0, 1], [0, 0], ["a", "b"]))
    (directory / "figures" / "confusion_matrix.png").write_bytes(drawn)
    parsed = parse(page.write(directory).read_text())
    found = pictures(parsed)
    assert len(found) == 1 + 2 + 1  # one panel of curves, a sweep plot for each final metric, the experiment's own
    assert all(np.asarray(picture.convert("L")).std() > 5 for picture in found)
    captions = [value for tag, name, value in parsed.attributes if (tag, name) == ("img", "alt")]
    widths = [int(value) for tag, name, value in parsed.attributes if (tag, name) == ("img", "width")]
    assert widths == [round(picture.width * 96 / style.DPI) for picture in found]
    assert captions == ["train_loss, val_loss", "test_accuracy", "test_loss", "Confusion matrix"]


def test_names_are_escaped(make_run, parse):
    evil = '<script>alert("x")</script>'
    directory = make_run(metric=evil, experiment=evil, command=evil, config={evil: evil}, versions={evil: evil})
    (directory / "figures").mkdir()
    (directory / "figures" / "<script>&.png").write_bytes(figures.png(figures.image_grid(np.eye(4)[None])))
    parsed = parse(page.write(directory).read_text())
    assert "script" not in parsed.tags
    assert parsed.text.count(evil) >= 5


def test_an_unfinished_run_shows_what_is_there(make_run, parse):
    text = parse(page.write(make_run(finished=False, rates=(0.1, 0.01))).read_text()).text
    assert "This run has not finished (no summary.json); records reach step 500." in text
    assert "Latest values" in text
    assert "By setting" in text


def test_a_run_without_records_still_has_a_page(make_run, parse):
    directory = make_run(finished=False)
    (directory / "records.jsonl").unlink()
    assert "there are no records yet" in parse(page.write(directory).read_text()).text


def test_diverged_members_are_shown_as_such(make_run, parse):
    directory = make_run(finished=False)
    with (directory / "records.jsonl").open("a") as file:
        file.write('{"step": 600, "train_loss": [null, 0.25, 0.25]}\n{"step": 700, "val_lo')
    text = parse(page.write(directory).read_text()).text
    assert "0.25 ± 0 (1 diverged)" in text
    assert "reach step 600" in text


def test_the_page_is_written_whole_or_not_at_all(make_run, monkeypatch):
    directory = make_run()
    page.write(directory).write_text("the old page")

    def fail(*_):
        raise OSError("killed")

    monkeypatch.setattr(atomic.os, "replace", fail)
    with pytest.raises(OSError, match="killed"):
        page.write(directory)
    assert (directory / "report.html").read_text() == "the old page"


def test_a_foreign_directory_gets_no_page(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        page.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_none_is_named(make_run):
    directory = make_run()
    (directory / "figures").mkdir()
    (directory / "figures" / "bad_one.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match="'Bad one' is not a PNG picture"):
        page.write(directory)
