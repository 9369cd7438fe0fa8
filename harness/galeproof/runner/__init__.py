"""World, subject and scenario in, histories and verdicts out; keeps and replays runs."""

from galeproof.runner.catalogue import run_catalogue
from galeproof.runner.folder import RunFolder, read_run
from galeproof.runner.judging import Judged, judge_runs
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject, subject_again, subject_of
from galeproof.runner.weather import Run, run_scenario

__all__ = ["Judged", "Run", "RunFolder", "Station", "Subject", "judge_runs", "read_run",
           "run_catalogue", "run_scenario", "subject_again", "subject_of"]
