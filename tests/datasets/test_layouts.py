"""Layouts: label, mask, group and role from where a file lies."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oddpixel import open_source
from oddpixel.errors import UsageError

Save = Callable[..., Path]


def grow(root: Path, *names: str) -> None:
    from PIL import Image

    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / name)


def facts(place: str, *wanted: str) -> dict[str, tuple[object, ...]]:
    return {image.source: tuple(image.meta.get(name) for name in wanted) for image in open_source(place)}


def test_mvtec(tmp_path: Path) -> None:
    grow(tmp_path, "bottle/train/good/000.png", "bottle/test/good/000.png", "bottle/test/crack/000.png")
    grow(tmp_path, "bottle/ground_truth/crack/000_mask.png", "bottle/other.png")
    mask = str(tmp_path / "bottle/ground_truth/crack/000_mask.png")
    assert facts(f"mvtec:{tmp_path}", "role", "label", "mask") == {
        "bottle/test/crack/000.png": ("test", "crack", mask),
        "bottle/test/good/000.png": ("test", "good", None),
        "bottle/train/good/000.png": ("train", "good", None),
    }
    assert len(facts(f"mvtec:{tmp_path}/bottle")) == 3


def test_imagefolder_with_and_without_roles(tmp_path: Path) -> None:
    grow(tmp_path / "flat", "cat/1.png", "dog/deep/2.png", "readme.png")
    assert facts(f"imagefolder:{tmp_path}/flat", "label", "role") == {
        "cat/1.png": ("cat", None),
        "dog/deep/2.png": ("dog", None),
    }
    grow(tmp_path / "split", "train/cat/1.png", "val/cat/2.png")
    assert facts(f"imagefolder:{tmp_path}/split", "label", "role") == {
        "train/cat/1.png": ("cat", "train"),
        "val/cat/2.png": ("cat", "validation"),
    }


def test_faceforensics_keeps_a_face_in_one_group(tmp_path: Path) -> None:
    real, fake = "original_sequences/youtube/c23/images", "manipulated_sequences/Deepfakes"
    grow(tmp_path, f"{real}/033/0.png", f"{real}/097/0.png", f"{real}/400/0.png", f"{real}/500/0.png")
    grow(tmp_path, f"{fake}/c23/images/033_097/0.png", f"{fake}/c23/images/097_400/0.png")
    grow(tmp_path, f"{fake}/masks/images/033_097/0.png")
    images = {image.source: image for image in open_source(f"faceforensics:{tmp_path}")}
    assert len(images) == 6
    assert images[f"{real}/033/0.png"].meta["label"] == "real"
    swapped = images[f"{fake}/c23/images/033_097/0.png"]
    assert swapped.meta["label"] == "Deepfakes"
    assert swapped.meta["mask"] == str(tmp_path / f"{fake}/masks/images/033_097/0.png")
    groups = {source: image.group for source, image in images.items()}
    assert len({group for source, group in groups.items() if "/500/" not in source}) == 1
    assert groups[f"{real}/500/0.png"] not in {groups[f"{real}/033/0.png"]}


@pytest.mark.parametrize("layout", ["mvtec", "mvtec2", "visa", "realiad", "coco", "imagefolder", "faceforensics"])
def test_a_tree_of_another_kind_is_refused_with_the_expected_one(layout: str, tmp_path: Path) -> None:
    grow(tmp_path, "a.png")
    with pytest.raises(UsageError, match="matches the layout"):
        open_source(f"{layout}:{tmp_path}")
    with pytest.raises(UsageError, match="does not exist"):
        open_source(f"{layout}:{tmp_path}/missing")


def test_mvtec2_knows_its_three_tests(tmp_path: Path) -> None:
    can = "can/test_public"
    grow(tmp_path, "can/train/good/0.png", "can/validation/good/0.png", f"{can}/good/0.png", f"{can}/bad/0.png")
    grow(tmp_path, f"{can}/ground_truth/bad/0_mask.png", "can/test_private/0.png", "can/test_private_mixed/0.png")
    assert facts(f"mvtec2:{tmp_path}", "role", "label", "mask") == {
        "can/train/good/0.png": ("train", "good", None),
        "can/validation/good/0.png": ("validation", "good", None),
        f"{can}/good/0.png": ("test", "good", None),
        f"{can}/bad/0.png": ("test", "bad", str(tmp_path / can / "ground_truth/bad/0_mask.png")),
        "can/test_private/0.png": ("test", None, None),
        "can/test_private_mixed/0.png": ("test", None, None),
    }
    assert len(facts(f"mvtec2:{tmp_path}/can")) == 6


def test_visa_by_its_own_tables_and_without(tmp_path: Path) -> None:
    data = "candle/Data"
    grow(tmp_path, f"{data}/Images/Normal/1.JPG", f"{data}/Images/Anomaly/1.JPG", f"{data}/Masks/Anomaly/1.png")
    mask = str(tmp_path / data / "Masks/Anomaly/1.png")
    without = {
        f"{data}/Images/Normal/1.JPG": (None, "normal", None),
        f"{data}/Images/Anomaly/1.JPG": (None, "anomaly", mask),
    }
    assert facts(f"visa:{tmp_path}", "role", "label", "mask") == without
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text(
        "object,split,label,image,mask\n"
        f"candle,train,normal,{data}/Images/Normal/1.JPG,\n"
        f"candle,test,anomaly,{data}/Images/Anomaly/1.JPG,{data}/Masks/Anomaly/1.png\n"
    )
    (tmp_path / "candle/image_anno.csv").write_text(
        f'image,label,mask\n{data}/Images/Normal/1.JPG,normal,\n{data}/Images/Anomaly/1.JPG,"melded,wax",x\n'
    )
    expected = [("test", "melded,wax", mask), ("train", "normal", None)]
    assert sorted(facts(f"visa:{tmp_path}", "role", "label", "mask").values()) == expected
    assert sorted(facts(f"visa:{tmp_path}/candle", "role", "label", "mask").values()) == expected
    (tmp_path / "candle/image_anno.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="not a table of VisA"):
        open_source(f"visa:{tmp_path}")


def test_realiad_keeps_the_views_of_a_piece_together(tmp_path: Path) -> None:
    images = "realiad_1024/usb"
    grow(tmp_path, f"{images}/OK/S0001/a_C1.jpg", f"{images}/OK/S0001/b_C2.jpg")
    grow(tmp_path, f"{images}/NG/HS/S0036/c_C1.jpg", f"{images}/NG/HS/S0036/c_C1.png", f"{images}/NG/HS/S0036/d_C2.jpg")
    tables = tmp_path / "realiad_jsons/realiad_jsons"
    tables.mkdir(parents=True)
    rows = {"train": [{"image_path": "OK/S0001/a_C1.jpg"}], "test": [{"image_path": "NG/HS/S0036/c_C1.jpg"}]}
    (tables / "usb.json").write_text(json.dumps({"meta": {"prefix": "usb/"}, **rows}))
    for place, below in ((f"realiad:{tmp_path}", f"{images}/"), (f"realiad:{tmp_path}/realiad_1024", "usb/")):
        assert facts(place, "label", "role") == {
            f"{below}OK/S0001/a_C1.jpg": ("OK", "train"),
            f"{below}OK/S0001/b_C2.jpg": ("OK", None),
            f"{below}NG/HS/S0036/c_C1.jpg": ("HS", "test"),
            f"{below}NG/HS/S0036/d_C2.jpg": ("OK", None),
        }
        assert len({image.group for image in open_source(place)}) == 2
    (tables / "usb.json").write_text("[]")
    with pytest.raises(UsageError, match="not a table of Real-IAD"):
        open_source(f"realiad:{tmp_path}")


def coco(path: Path, *files: str, marked: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": k, "file_name": file, "width": 8, "height": 8} for k, file in enumerate(files, 1)]
    annotations = [{"id": k, "image_id": 1, "category_id": k} for k, _ in enumerate(marked.split(), 1)]
    categories = [{"id": k, "name": name} for k, name in enumerate(marked.split(), 1)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def test_coco_where_tools_put_their_json(tmp_path: Path) -> None:
    grow(tmp_path / "cvat", "images/train/1.png", "images/train/2.png", "stray.png")
    coco(tmp_path / "cvat/annotations/instances_train.json", "1.png", "2.png", "gone.png", marked="stain crack")
    assert facts(f"coco:{tmp_path}/cvat", "label", "role") == {
        "images/train/1.png": ("crack, stain", "train"),
        "images/train/2.png": ("normal", "train"),
    }
    grow(tmp_path / "roboflow", "valid/1.png", "test/1.png")
    coco(tmp_path / "roboflow/valid/_annotations.coco.json", "1.png", marked="stain")
    coco(tmp_path / "roboflow/test/_annotations.coco.json", "1.png")
    (tmp_path / "roboflow/other.json").write_text("[1]")
    assert facts(f"coco:{tmp_path}/roboflow", "label", "role") == {
        "valid/1.png": ("stain", "validation"),
        "test/1.png": ("normal", "test"),
    }
    coco(tmp_path / "roboflow/again.json", "valid/1.png", marked="crack")  # of other marks, without a word about roles
    assert facts(f"coco:{tmp_path}/roboflow", "label", "role")["valid/1.png"] == ("crack, stain", "validation")
    (tmp_path / "roboflow/again.json").rename(tmp_path / "roboflow/again_test.json")
    with pytest.raises(UsageError, match="another role"):
        open_source(f"coco:{tmp_path}/roboflow")
    (tmp_path / "roboflow/again_test.json").write_text('{"images": 1, "annotations": [], "categories": []}')
    with pytest.raises(UsageError, match="not a COCO JSON"):
        open_source(f"coco:{tmp_path}/roboflow")


def test_no_name_in_a_coco_json_leads_out_of_the_folder(tmp_path: Path) -> None:
    grow(tmp_path, "outside.png", "in/a.png")
    coco(tmp_path / "in/marks.json", "../outside.png", "a.png", marked="odd")
    assert facts(f"coco:{tmp_path}/in", "label") == {"a.png": ("normal",)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep", "[" * 100_000),
        ("list for a number", '{"images": [{"id": [1], "file_name": "a.png"}], "annotations": [], "categories": []}'),
        ("no number", '{"images": [{"id": NaN, "file_name": "a.png"}], "annotations": [], "categories": []}'),
        ("text for a number", '{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}],'
         ' "annotations": [{"image_id": "1", "category_id": 1}]}'),
        ("nobody's mark", '{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}],'
         ' "annotations": [{"image_id": 9, "category_id": 1}]}'),
        ("no name", '{"images": [], "annotations": [], "categories": [{"id": 1, "name": null}]}'),
        ("two of a number", '{"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}],'
         ' "annotations": [], "categories": []}'),
    ],
)  # fmt: skip
def test_a_coco_json_that_would_label_wrongly_is_refused(name: str, content: str, tmp_path: Path) -> None:
    grow(tmp_path, "a.png", "b.png")
    (tmp_path / "marks.json").write_text(content)
    with pytest.raises(UsageError, match="COCO JSON|two are"):
        open_source(f"coco:{tmp_path}")


@pytest.mark.timeout(60)
def test_what_lies_beside_tables_is_left_alone(tmp_path: Path) -> None:
    """Pipes that nobody writes to, links out of the folder, hidden folders, folders with the name of a table."""
    grow(tmp_path / "in", "data/a.png", "data/B.PNG")
    coco(tmp_path / "in/labels.json", "a.png", "b.png", marked="stain")
    coco(tmp_path / "out.json", "data/B.PNG", marked="crack")
    (tmp_path / "in/linked.json").symlink_to(tmp_path / "out.json")
    (tmp_path / "in/folder.json").mkdir()
    (tmp_path / "in/.hidden").mkdir()
    (tmp_path / "in/.hidden/x.json").write_text("[")
    os.mkfifo(tmp_path / "in/pipe.json")
    assert facts(f"coco:{tmp_path}/in", "label") == {"data/a.png": ("stain",), "data/B.PNG": ("normal",)}
    grow(tmp_path / "visa", "candle/Data/Images/Normal/1.JPG")
    os.mkfifo(tmp_path / "visa/candle/image_anno.csv")
    with pytest.raises(UsageError, match="regular file"):
        open_source(f"visa:{tmp_path}/visa")


def test_names_that_windows_wrote(tmp_path: Path) -> None:
    grow(tmp_path / "coco", "images/train/a.png", "images/a.png")
    coco(tmp_path / "coco/annotations/instances_train.json", "A.png", marked="stain")
    assert facts(f"coco:{tmp_path}/coco", "label") == {"images/train/a.png": ("stain",)}, "of its own split"
    coco(tmp_path / "coco/annotations/instances_train.json", "images\\train\\a.png", marked="stain")
    assert facts(f"coco:{tmp_path}/coco", "label") == {"images/train/a.png": ("stain",)}
    grow(tmp_path / "ad", "can/test_public/bad/0.png", "can/test_public/ground_truth/bad/0_MASK.PNG")
    grow(tmp_path / "ad", "can/test_public/ground_truth/1_mask.png")
    mask = str(tmp_path / "ad/can/test_public/ground_truth/bad/0_MASK.PNG")
    assert facts(f"mvtec2:{tmp_path}/ad", "label", "mask") == {"can/test_public/bad/0.png": ("bad", mask)}


def test_visa_tables_that_contradict_are_refused(tmp_path: Path) -> None:
    grow(tmp_path, "candle/Data/Images/Normal/1.JPG")
    table = tmp_path / "candle/image_anno.csv"
    table.write_text("image,label,mask\ncandle/Data/Images/Normal/1.JPG\n")
    with pytest.raises(UsageError, match="has no label"):
        open_source(f"visa:{tmp_path}")
    table.unlink()
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text("image,split\ncandle\\Data\\Images\\Normal\\1.jpg,Train\n")
    assert facts(f"visa:{tmp_path}", "role") == {"candle/Data/Images/Normal/1.JPG": ("train",)}
    (tmp_path / "split_csv/1cls.csv").write_text("image,split\ncandle/Data/Images/Normal/1.JPG,holdout\n")
    with pytest.raises(UsageError, match="holdout"):
        open_source(f"visa:{tmp_path}")


def test_realiad_goes_by_its_tables_where_masks_are_not_there(tmp_path: Path) -> None:
    grow(tmp_path, "realiad_256/nut/NG/BX/S1/1.jpg", "realiad_256/nut/NG/BX/S2/1.jpg", "realiad_256/nut/OK/S3/1.jpg")
    assert facts(f"realiad:{tmp_path}", "label")["realiad_256/nut/NG/BX/S1/1.jpg"] == ("BX",), (
        "no masks at all say nothing"
    )
    rows = {
        "train": [{"image_path": "OK/S3/1.jpg", "anomaly_class": "OK"}],
        "test": [
            {"image_path": "NG/BX/S1/1.jpg", "anomaly_class": "BX"},
            {"image_path": "NG/BX/S2/1.jpg", "anomaly_class": "OK"},
        ],
    }
    (tmp_path / "realiad_jsons").mkdir()
    (tmp_path / "realiad_jsons/nut.json").write_text(json.dumps(rows))
    for place in ("realiad_256", "realiad_256/nut"):
        found = facts(f"realiad:{tmp_path}/{place}", "label", "role")
        assert sorted(found.values(), key=str) == [("BX", "test"), ("OK", "test"), ("OK", "train")]
    rows["train"].append(rows["test"][0])
    (tmp_path / "realiad_jsons/nut.json").write_text(json.dumps(rows))
    with pytest.raises(UsageError, match="stands there twice"):
        open_source(f"realiad:{tmp_path}")
