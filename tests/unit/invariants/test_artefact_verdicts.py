"""SEC005 on literal histories, and the watch that its evidence comes from."""

import gzip
import os
import subprocess
import sys
import zipfile

import pytest

from galeproof.subject.artefacts import Artefacts

BOTH = ("files", "arguments")


def _run(words, *, left=(), found=BOTH, sent=True):
    """One operation; what the process left behind; probes."""
    storm = words.Storm(("ok",), secrets={"api_key": words.canary}, channels=["log"]).start()
    storm.request("ok", headers={"Authorization": f"Bearer {words.canary}"} if sent else {}).answer(200).end()
    for channel, text in left:
        storm.add("subject", "capture", channel=channel, level=None, logger="cassette.yaml", text=text)
    for channel in (*BOTH, "log", "exception"):
        storm.add("subject", "probe", channel=channel, found=channel in (*found, "log"))
    return storm.history()


def test_nothing_left_behind_passes(gale_words):
    """Both probes were found, the canary went over the wire."""
    assert ("PASS", None) == gale_words.told(_run(gale_words), "SEC005")
    assert ("PASS", None) == gale_words.told(_run(gale_words), "SEC001")


@pytest.mark.parametrize("channel", BOTH)
def test_a_secret_left_behind_fails_alone(gale_words, channel):
    """A cassette, or a child's command line."""
    history = _run(gale_words, left=[(channel, f"authorization: Bearer {gale_words.canary}")])
    assert ["SEC005"] == gale_words.failing(history)


def test_a_masked_secret_is_no_leak(gale_words):
    """Its last four characters."""
    history = _run(gale_words, left=[("files", f"Bearer ****{gale_words.canary[-4:]}")])
    assert ("PASS", None) == gale_words.told(history, "SEC005")


@pytest.mark.parametrize("more", [{"found": ("files",)}, {"found": ("arguments",)}, {"sent": False}])
def test_where_nobody_could_see_it_is_unknown(gale_words, more):
    """A probe that was not found, or a canary that nobody used."""
    assert ("UNKNOWN", "capture_missing") == gale_words.told(_run(gale_words, **more), "SEC005")


def _plain(folder, secret):
    (folder / "left.txt").write_text(f"key={secret}")


def _packed(folder, secret):
    with gzip.open(folder / "left.gz", "wt") as file:
        file.write(secret)


def _zipped(folder, secret):
    with zipfile.ZipFile(folder / "left.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", secret * 3)


def _renamed(folder, secret):
    (folder / "first").write_text(secret)
    os.rename(folder / "first", folder / "left.txt")


def _child(folder, secret):
    subprocess.run([sys.executable, "-ISc", "", f"--header={secret}"], check=True)


@pytest.mark.parametrize(("leave", "channel"), [
    (_plain, "files"), (_packed, "files"), (_zipped, "files"), (_renamed, "files"), (_child, "arguments")])
def test_what_a_process_leaves_is_seen(gale_words, tmp_path, leave, channel):
    """Plain, packed, renamed, and as a child's argument; both probes are found."""
    watch = Artefacts([gale_words.canary])
    watch.start()
    leave(tmp_path, gale_words.canary)
    captured, probes = watch.stop()
    assert {channel} == {data["channel"] for _, data in captured}
    assert [True, True] == [probe["found"] for probe in probes]


def test_a_childs_file_in_the_temporary_folder_is_seen(gale_words):
    """The interpreter tells nothing of it; the folder is the subject's own."""
    before = os.environ.get("TMPDIR")
    watch = Artefacts([gale_words.canary], own_temp=True)
    watch.start()
    code = "import os, sys; open(os.environ['TMPDIR'] + '/left', 'w').write(sys.stdin.read())"
    subprocess.run([sys.executable, "-ISc", code], input=gale_words.canary, text=True, check=True)
    captured, _ = watch.stop()
    assert ["left"] == [data["logger"] for _, data in captured]
    assert before == os.environ.get("TMPDIR")


def test_what_is_read_or_removed_is_no_artefact(gale_words, tmp_path):
    """A file that is only read; one that is gone at the end."""
    (tmp_path / "given").write_text(gale_words.canary)
    watch = Artefacts([gale_words.canary])
    watch.start()
    (tmp_path / "given").read_text()
    (tmp_path / "gone").write_text(gale_words.canary)
    (tmp_path / "gone").unlink()
    assert [] == watch.stop()[0]
