"""A folder of checkpoints: what is kept, what is found, and what is said where something is wrong."""

import json
import os
import subprocess
import sys
import time

import numpy
import pytest

from xpnn.training import CheckpointError, Checkpoints, load
from xpnn.training import save as store


def arrays(step):
    return {"model.w": numpy.full(3, float(step)), "optimizer.m": numpy.arange(step)}


def save(checkpoints, *steps, **scores):
    for step in steps:
        path = checkpoints.save(arrays(step), {"seed": 1}, epoch=step // 10, step=step, score=scores.get(f"at{step}"))
    return path


def steps(checkpoints):
    return [int(path.stem.removeprefix("checkpoint-")) for path in checkpoints.paths()]


def is_of(found, step):
    got, metadata, path = found
    assert got.keys() == arrays(step).keys()
    for name, array in arrays(step).items():
        numpy.testing.assert_array_equal(got[name], array)
    assert metadata["seed"] == 1
    assert metadata["checkpoint"]["step"] == step
    assert int(path.stem.removeprefix("checkpoint-")) == step
    return True


def damage(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


# What is kept


def test_what_is_saved_is_found_again(tmp_path):
    path = save(Checkpoints(tmp_path / "a" / "b"), 10)
    assert path == tmp_path / "a" / "b" / "checkpoint-0000000010.safetensors"
    assert is_of(Checkpoints(tmp_path / "a" / "b").latest(), 10)
    assert load(path)[1] == {"seed": 1, "checkpoint": {"epoch": 1, "step": 10, "score": None}}


@pytest.mark.parametrize(
    ("keep", "kept"), [(1, [50]), (2, [40, 50]), (4, [20, 30, 40, 50]), (None, [10, 20, 30, 40, 50])]
)
def test_the_newest_few_are_kept(tmp_path, keep, kept):
    checkpoints = Checkpoints(tmp_path, keep=keep)
    save(checkpoints, 10, 20, 30, 40, 50)
    assert steps(checkpoints) == kept
    assert len(os.listdir(tmp_path)) == len(kept)


@pytest.mark.parametrize(
    ("name", "mode", "best"), [("val_loss", "auto", 20), ("val_accuracy", "auto", 30), ("x", "max", 30)]
)
def test_the_best_is_kept_too(tmp_path, name, mode, best):
    checkpoints = Checkpoints(tmp_path, best=name, mode=mode)
    scores = {"at10": 0.5, "at20": 0.1, "at30": 0.9, "at40": 0.5, "at50": 0.5}
    save(checkpoints, 10, 20, 30, 40, 50, 60, **scores)
    assert steps(checkpoints) == [best, 50, 60]
    assert is_of(checkpoints.best(), best)
    assert is_of(Checkpoints(tmp_path, best=name, mode=mode).best(), best)


def test_of_equal_scores_the_first_is_the_best_and_none_is_no_score(tmp_path):
    checkpoints = Checkpoints(tmp_path, best="val_loss", keep=None)
    assert checkpoints.best() is None
    save(checkpoints, 10, 20, 30, 40, 50, at20=0.5, at30=0.5, at40=float("nan"), at50=float("-inf"))
    assert is_of(checkpoints.best(), 20)
    assert checkpoints.latest()[1]["checkpoint"]["score"] is None


def test_a_new_manager_goes_on_with_what_it_finds(tmp_path):
    save(Checkpoints(tmp_path, best="val_loss"), 10, 20, 30, at10=0.1, at20=0.2, at30=0.3)
    checkpoints = Checkpoints(tmp_path, best="val_loss")
    save(checkpoints, 40, at40=0.4)
    assert steps(checkpoints) == [10, 30, 40]
    save(checkpoints, 50, at50=0.05)
    assert steps(checkpoints) == [40, 50]


def test_what_is_ahead_is_neither_counted_nor_removed(tmp_path):
    save(Checkpoints(tmp_path, keep=None), 10, 20, 30)
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 11, 12)
    assert steps(checkpoints) == [11, 12, 20, 30]


def test_the_same_step_again_takes_the_place_of_the_file(tmp_path):
    checkpoints = Checkpoints(tmp_path, best="val_loss")
    save(checkpoints, 10, 20)
    checkpoints.save(arrays(20), {"seed": 1, "end": True}, epoch=3, step=20, score=0.5)
    assert steps(checkpoints) == [10, 20]
    assert checkpoints.best()[1] == {"seed": 1, "end": True, "checkpoint": {"epoch": 3, "step": 20, "score": 0.5}}


def test_old_files_go_only_when_the_new_one_is_on_the_disk(tmp_path, monkeypatch):
    events = []
    checkpoints = Checkpoints(tmp_path, keep=1)
    save(checkpoints, 10)
    for name in ("fsync", "replace", "unlink"):
        function = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, f=function, n=name, **o: (events.append(n), f(*args, **o))[1])
    save(checkpoints, 20)
    assert events == ["fsync", "replace", "fsync", "unlink"]


def test_files_of_others_are_left_alone(tmp_path):
    names = [
        "model.safetensors",
        "checkpoint-1.safetensors",
        "checkpoint-0000000001.txt",
        ".checkpoint-x.part",
        "notes",
    ]
    for name in names:
        (tmp_path / name).write_text("mine")
    checkpoints = Checkpoints(tmp_path, keep=1)
    save(checkpoints, 10, 20)
    assert sorted(os.listdir(tmp_path)) == sorted([*names, "checkpoint-0000000020.safetensors"])


def test_two_managers_do_not_remove_what_the_other_writes(tmp_path):
    one, two = Checkpoints(tmp_path), Checkpoints(tmp_path)
    save(one, 1)
    save(two, 2)
    save(one, 11, 21, 31, 41)
    assert steps(one) == [2, 31, 41]
    save(two, 12)
    assert steps(one) == [2, 12, 31, 41]
    assert is_of(two.latest(), 41)


def test_names_sort_by_step_and_are_possible_on_windows(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=None)
    save(checkpoints, 9, 10, 11, 100, 99_999)
    names = [path.name for path in checkpoints.paths()]
    assert names == sorted(names)
    assert all(not set(name) & set('<>:"/\\|?*') and len(name) < 60 and name[-1] not in ". " for name in names)
    checkpoints.save({}, {}, epoch=0, step=10**12)
    assert steps(checkpoints)[-1] == 10**12


# What is found


def test_an_empty_folder_has_none(tmp_path):
    assert Checkpoints(tmp_path / "none").latest() is None
    assert Checkpoints(tmp_path).latest(strict=True) is None
    assert os.listdir(tmp_path) == []


def test_a_damaged_file_is_passed_over_with_a_warning_that_names_it_and_the_reason(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=3)
    damage(save(checkpoints, 10, 20, 30))
    with pytest.warns(
        UserWarning, match=r"passed over a damaged .*0030\.safetensors is not .* its checksum does not fit"
    ):
        assert is_of(checkpoints.latest(), 20)
    with pytest.raises(CheckpointError, match=r"0030\.safetensors is not a whole file"):
        checkpoints.latest(strict=True)


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"half a file"])
def test_a_file_cut_off_is_passed_over_too(tmp_path, content):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10, 20).write_bytes(content)
    with pytest.warns(UserWarning, match=r"0020\.safetensors is not a whole file"):
        assert is_of(checkpoints.latest(), 10)


def test_where_none_is_whole_it_raises_instead_of_beginning_anew(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for path in (save(checkpoints, 10), save(checkpoints, 20)):
        damage(path)
    with (
        pytest.raises(CheckpointError, match=r"has no checkpoint that is whole: .*0020.*; .*0010"),
        pytest.warns(UserWarning, match="passed over"),
    ):
        checkpoints.latest()


def test_a_newer_format_is_not_passed_over(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10)
    with monkeypatch.context() as later:
        later.setattr("xpnn.training.layout.FORMAT", 3)
        save(checkpoints, 20)
    with pytest.raises(CheckpointError, match="was written in format 3") as caught:
        checkpoints.latest()
    assert caught.value.newer


def test_a_damaged_file_does_not_count_among_those_kept(tmp_path):
    damage(save(Checkpoints(tmp_path), 10, 20))
    checkpoints = Checkpoints(tmp_path)
    with pytest.warns(UserWarning, match="passed over"):
        assert is_of(checkpoints.latest(), 10)
    save(checkpoints, 15)
    assert steps(checkpoints) == [10, 15, 20]  # what is ahead is not for 15 to remove
    save(checkpoints, 25)
    assert steps(checkpoints) == [15, 25]


def test_a_damaged_best_gives_the_next_best(tmp_path):
    checkpoints = Checkpoints(tmp_path, best="val_loss", keep=None)
    save(checkpoints, 10, 20, 30, at10=0.1, at20=0.3, at30=0.2)
    damage(checkpoints.paths()[0])
    assert is_of(Checkpoints(tmp_path, best="val_loss").best(), 30)


def refuse_to_open(monkeypatch, path, error):
    """Let a file fail to open, as one on a network drive may for a moment."""

    def opened(given, *options, **more):
        if given == path:
            raise error
        return open(given, *options, **more)

    monkeypatch.setattr("xpnn.training.checkpoint.open", opened, raising=False)


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), OSError(5, "I/O error"), OSError(116, "stale")])
def test_a_best_that_cannot_be_read_for_a_moment_is_not_removed(tmp_path, monkeypatch, error):
    save(Checkpoints(tmp_path, best="val_loss", keep=1), 10, 20, at10=0.1, at20=0.3)
    checkpoints = Checkpoints(tmp_path, best="val_loss", keep=1)
    with monkeypatch.context() as moment:
        refuse_to_open(moment, tmp_path / "checkpoint-0000000010.safetensors", error)
        save(checkpoints, 30, at30=0.2)
        assert steps(checkpoints) == [10, 30]
        if error.errno != 5:  # what damaged disks say
            with pytest.raises(OSError, match=error.strerror):
                checkpoints.best()
    assert is_of(checkpoints.best(), 10)
    save(checkpoints, 40, at40=0.05)  # its score is known again, and no longer the best
    assert steps(checkpoints) == [40]


def test_a_best_of_a_newer_format_is_not_removed(tmp_path, monkeypatch):
    with monkeypatch.context() as later:
        later.setattr("xpnn.training.layout.FORMAT", 3)
        save(Checkpoints(tmp_path, best="val_loss", keep=1), 10, at10=0.1)
    checkpoints = Checkpoints(tmp_path, best="val_loss", keep=1)
    save(checkpoints, 20, 30, at20=0.3, at30=0.2)
    assert steps(checkpoints) == [10, 30]
    with pytest.raises(CheckpointError, match="was written in format 3"):
        checkpoints.best()


def test_damage_found_when_scores_are_read_does_not_count_among_those_kept(tmp_path):
    damage(save(Checkpoints(tmp_path, best="val_loss"), 10, 20, at10=0.2, at20=0.1))
    checkpoints = Checkpoints(tmp_path, best="val_loss", keep=2)
    save(checkpoints, 30, at30=0.3)
    assert steps(checkpoints) == [10, 30]


def test_a_score_too_large_for_a_float_is_none(tmp_path):
    checkpoints = Checkpoints(tmp_path, best="val_loss")
    store(tmp_path / "checkpoint-0000000010.safetensors", arrays(10), {"checkpoint": {"step": 10, "score": 10**400}})
    save(checkpoints, 20, at20=0.5)
    save(checkpoints, 30, at30=10**400)
    assert is_of(checkpoints.best(), 20)


def test_a_file_that_another_process_removes_meanwhile_is_no_damage(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10, 20)
    paths = checkpoints.paths()
    monkeypatch.setattr(checkpoints, "paths", lambda: [*paths, tmp_path / "checkpoint-0000000030.safetensors"])
    assert is_of(checkpoints.latest(), 20)


def test_a_file_that_cannot_be_read_raises(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10)
    (tmp_path / "checkpoint-0000000020.safetensors").mkdir()
    with pytest.raises(OSError, match="checkpoint-0000000020"):
        checkpoints.latest()


# Start


def test_a_start_makes_the_folder_and_leaves_nothing_in_it(tmp_path):
    checkpoints = Checkpoints(tmp_path / "new" / "folder")
    assert checkpoints.start() is None
    assert os.listdir(checkpoints.folder) == []
    assert checkpoints.start(resume=True) is None


def test_a_start_in_the_folder_of_another_training_is_refused(tmp_path):
    save(Checkpoints(tmp_path), 10, 20)
    with pytest.raises(FileExistsError, match=r"up to step 20: pass resume=True .*, or take another") as caught:
        Checkpoints(tmp_path).start()
    assert caught.value.filename == str(tmp_path)


def test_a_start_goes_on_and_may_then_start_again(tmp_path):
    save(Checkpoints(tmp_path), 10, 20)
    checkpoints = Checkpoints(tmp_path)
    assert is_of(checkpoints.start(resume=True), 20)
    save(checkpoints, 30)
    assert checkpoints.start() is None


PART = ".checkpoint-0000000010.safetensors.{host}-{process}-0123456789abcdef.part"


def leftovers(folder):
    """Temporary files of processes dead and living, of another machine and of another program, by what they are."""
    from xpnn.training.files import _host

    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = _host()
    made = {
        "dead": PART.format(host=host, process=dead.pid),
        "huge": PART.format(host=host, process=10**30),
        "before": PART.format(host=host, process=os.getpid()),
        "living": PART.format(host=host, process=os.getppid()),
        "elsewhere": PART.format(host="00000000", process=dead.pid),
        "other": f".model.safetensors.{host}-{dead.pid}-0123456789abcdef.part",
        "odd": ".checkpoint-0000000010.safetensors.part",
    }
    for name in made.values():
        (folder / name).write_bytes(b"half")
    return made


@pytest.mark.parametrize("way", ["start", "save"])
def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path, way):
    made = leftovers(tmp_path)
    checkpoints = Checkpoints(tmp_path)
    if way == "start":
        checkpoints.start()
    else:
        save(checkpoints, 10)
    left = {what for what, name in made.items() if (tmp_path / name).exists()}
    assert left == {"living", "elsewhere", "other", "odd"}


def test_a_file_that_this_process_is_writing_is_no_leftover(tmp_path, monkeypatch):
    found = []
    replace = os.replace

    def look_and_replace(a, b):
        Checkpoints(tmp_path).start(resume=True)
        found.append(os.path.exists(a))
        monkeypatch.setattr(os, "replace", replace)
        replace(a, b)

    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10)
    monkeypatch.setattr(os, "replace", look_and_replace)
    monkeypatch.setattr("xpnn.training.checkpoints.write_whole", lambda *args: None)  # the probe
    save(checkpoints, 20)
    assert found == [True]


# When


def test_what_is_due(tmp_path):
    every = Checkpoints(tmp_path, every_epochs=2, every_steps=3)
    assert [epoch for epoch in range(1, 6) if every.due(step=1, epoch=epoch)] == [2, 4]
    assert [step for step in range(8) if every.due(step=step)] == [3, 6]
    assert not any(Checkpoints(tmp_path, every_epochs=None).due(step=n, epoch=n) for n in range(5))
    assert Checkpoints(tmp_path).due(step=7, epoch=1)


def test_after_some_seconds_one_is_due(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, every_epochs=None, every_seconds=10)
    assert not checkpoints.due(step=1)
    now[0] += 10
    assert checkpoints.due(step=1)
    save(checkpoints, 1)
    assert not checkpoints.due(step=2)
    now[0] += 11
    assert checkpoints.due(step=2)
    checkpoints.start()
    assert not checkpoints.due(step=2)


# What is refused


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"keep": 0}, ValueError, "keep to be an integer of 1 or more, got 0"),
        ({"keep": True}, ValueError, "keep"),
        ({"every_steps": 0.5}, ValueError, "every_steps to be an integer"),
        ({"every_epochs": -1}, ValueError, "every_epochs"),
        ({"every_seconds": 0}, ValueError, "every_seconds above 0, got 0"),
        ({"every_seconds": float("nan")}, ValueError, "every_seconds above 0"),
        ({"best": True}, TypeError, "best to name a number such as 'val_loss', got True"),
        ({"mode": "most"}, ValueError, "mode 'auto', 'min' or 'max', got 'most'"),
    ],
)
def test_an_argument_out_of_range_is_named(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        Checkpoints(tmp_path, **options)


def test_a_file_in_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"Checkpoints expected a folder, got a file: .*file"):
        Checkpoints(tmp_path / "file")
    checkpoints = Checkpoints(tmp_path / "later")
    (tmp_path / "later").write_text("")
    for action in (checkpoints.latest, checkpoints.start, lambda: save(checkpoints, 10)):
        with pytest.raises(OSError, match="later"):
            action()


def test_metadata_of_a_name_that_is_taken_are_refused(tmp_path):
    with pytest.raises(ValueError, match="without the key 'checkpoint'"):
        Checkpoints(tmp_path).save({}, {"checkpoint": 1}, epoch=0, step=0)
    assert os.listdir(tmp_path) == []


def test_the_best_needs_a_name(tmp_path):
    with pytest.raises(ValueError, match="got best=None"):
        Checkpoints(tmp_path).best()


@pytest.mark.parametrize("where", [{"epoch": -1, "step": 0}, {"epoch": 0, "step": 0.5}])
def test_a_place_that_is_none_is_refused(tmp_path, where):
    with pytest.raises(ValueError, match="integer of 0 or more"):
        Checkpoints(tmp_path).save({}, {}, **where)


def test_numpy_numbers_are_numbers(tmp_path):
    checkpoints = Checkpoints(tmp_path, best="val_loss")
    path = checkpoints.save({}, {}, epoch=numpy.int64(1), step=numpy.int32(2), score=numpy.float32(0.5))
    assert json.dumps(load(path)[1]) == '{"checkpoint": {"epoch": 1, "step": 2, "score": 0.5}}'


def test_a_name_that_does_not_say_what_is_better_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Checkpoints cannot tell by the name .* 'val_hits' .* say mode='max' or"):
        Checkpoints(tmp_path, best="val_hits")
    assert Checkpoints(tmp_path, best="val_hits", mode="max").mode == "max"


def test_it_shows_what_it_is(tmp_path):
    assert repr(Checkpoints(tmp_path, best="val_loss")) == f"Checkpoints({str(tmp_path)!r}, keep=2, best='val_loss')"
