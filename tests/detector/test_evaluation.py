"""An evaluation counts honestly, and the judge decides by its rules, in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.detector.budget import Budget
from latentwatch.detector.confirmed import replay_confirmed
from latentwatch.detector.evaluation import evaluate, rate_interval
from latentwatch.detector.interface import Contexts, MapGround
from latentwatch.detector.judging import judge, keeps_promise
from latentwatch.detector.side_by_side import outcome
from latentwatch.domain.alert import ConfirmedAlert
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.model import Evaluation
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.rules import FeatureRules
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Scores

SCHEMA = RecordSchema.model_validate({"features": {"a": "numeric", "b": "numeric"}})
KEPT = Evaluation(0.01, 0.009, (0.006, 0.013), 5000, 40, 30, {"spike": 1.0, "lag": 0.25})
BROKEN = replace(KEPT, realised_rate=0.2, realised_interval=(0.15, 0.25), faults_found=38)


class RowContext:
    """The context of records scored on their own."""

    state_size = 0
    width = 0
    warm_after = 0

    def fresh(self, entities):
        """No state."""
        return np.zeros((len(entities), 0), np.float32)

    def extend(self, states, owners, batch):
        """No features."""
        return Contexts(np.zeros((len(batch), 0), np.float32), np.zeros(len(batch), np.int64))

    def adopt(self, states, previous):
        """Nothing to continue."""
        return states


class NormalDetector:
    """Knows that both features are standard normal, and scores the larger of the two."""

    bundle = ""
    kind = "known"
    cadence = 0.0
    follows_drift = False
    notes = ()
    schema = SCHEMA
    context = RowContext()

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """-log10 of the two-sided tail, for the larger of two, plus the offset."""
        from scipy.stats import norm

        largest = np.nanmax(np.abs(batch.numbers.astype(np.float64)), axis=1)
        inside = 1 - 2 * norm.sf(largest)
        surprise = (self.offset - np.log10(np.maximum(1 - inside**2, 1e-30))).astype(np.float32)
        return Scores(surprise, surprise, surprise)

    def explain(self, batch, contexts, scores) -> list[Explanation]:
        """The larger one is guilty."""
        return [
            Explanation({}, {"a": float(abs(row[0])), "b": float(abs(row[1]))}, (), (), (0.0, 0.0))
            for row in batch.numbers
        ]

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> np.ndarray:
        """A record that stands alone remembers nothing."""
        return scores.surprise

    def budget(self, policy: AlertPolicy) -> Budget:
        """Of one entity, from the rate's own surprise on."""
        return Budget(self.threshold(policy), 1, None, None, 6.0)

    def threshold(self, policy: AlertPolicy) -> float:
        """The rate's own surprise."""
        return float(-np.log10(policy.false_alarm_rate or 1e-3))

    def map_ground(self) -> MapGround:
        """None."""
        raise AssertionError("not asked for")


def records(count: int = 20_000, seed: int = 0) -> Batch:
    """Independent standard normal records."""
    rng = np.random.default_rng(seed)
    return batch_from_columns(SCHEMA, {"a": rng.normal(size=count), "b": rng.normal(size=count)})


def test_a_true_detector_keeps_its_promise_and_finds_spikes():
    """The realised rate's interval covers the promise; spikes are found and their feature named."""
    evaluation = evaluate(NormalDetector(), records(), AlertPolicy(false_alarm_rate=0.01))
    low, high = evaluation.realised_interval
    assert low <= 0.01 <= high
    assert high - low < 0.01
    assert evaluation.recall_by_fault["spike"] > 0.95
    assert evaluation.details["guilty_in_top_2"] == 1.0
    assert evaluation.faults_found <= evaluation.faults_planted
    assert keeps_promise(evaluation)


def test_a_loud_detector_breaks_its_promise_and_finds_less():
    """One that scores everything strange is caught: what it flags anyway is not found."""
    loud = evaluate(NormalDetector(offset=3.0), records(), AlertPolicy(false_alarm_rate=0.01))
    assert not keeps_promise(loud)
    assert loud.faults_found == 0


def test_the_same_seed_plants_the_same_faults():
    """Two detectors are compared on the same faults."""
    policy = AlertPolicy(false_alarm_rate=0.01)
    assert evaluate(NormalDetector(), records(), policy, seed=5) == evaluate(
        NormalDetector(), records(), policy, seed=5
    )


def test_an_empty_holdout_is_refused():
    """There is nothing to measure on."""
    with pytest.raises(InvalidHistory, match="empty"):
        evaluate(NormalDetector(), records().take(slice(0, 0)), AlertPolicy(false_alarm_rate=0.01))


def test_clustered_alarms_widen_the_interval():
    """A hundred alarms in a row say less about the rate than a hundred spread out."""
    spread_out = records(20_000)
    numbers = spread_out.numbers.copy()
    strange = np.abs(numbers).max(axis=1) > 2.5
    clustered = replace(spread_out, numbers=np.concatenate([numbers[strange], numbers[~strange]]))
    policy = AlertPolicy(false_alarm_rate=0.01)
    independent = evaluate(NormalDetector(), spread_out, policy)
    runs = evaluate(NormalDetector(), clustered, policy)
    assert runs.realised_rate == independent.realised_rate
    assert np.ptp(runs.realised_interval) > 2 * np.ptp(independent.realised_interval)


@given(flagged=st.integers(0, 500), extra=st.integers(1, 5000), spread=st.floats(1, 50))
def test_an_interval_holds_its_rate(flagged, extra, spread):
    """It lies in [0, 1], covers the point estimate, and overdispersion only widens it."""
    records_ = flagged + extra
    low, high = rate_interval(flagged, records_)
    wide_low, wide_high = rate_interval(flagged, records_, spread)
    assert 0 <= wide_low <= low + 1e-12 <= flagged / records_ + 1e-9
    assert flagged / records_ - 1e-9 <= high <= wide_high + 1e-12 <= 1 + 1e-9


def test_the_smallest_change_is_told_in_the_feature_s_unit():
    """A change is caught in half of its places where it is about as large as the threshold, 2.8; sizes are powers of two."""
    evaluation = evaluate(NormalDetector(), records(), AlertPolicy(false_alarm_rate=0.01))
    told = {each["feature"]: each["change"] for each in evaluation.details["smallest_changes"]}
    assert told == {"a": pytest.approx(4.0, rel=0.05), "b": pytest.approx(4.0, rel=0.05)}
    assert "The smallest change that would be caught, up or down: a 3.9, b 4" in " ".join(
        judge(evaluation, None).reasons
    )


def test_it_says_which_promise_would_find_half():
    """At a threshold that nothing reaches few are found; at the promise that is told half of them are."""
    strict = evaluate(NormalDetector(), records(), AlertPolicy(false_alarm_rate=1e-40))
    assert strict.faults_found == 0
    half = strict.details["half_found_at"]
    assert any("half of them would be found at a promise of" in reason for reason in judge(strict, None).reasons)
    eased = evaluate(NormalDetector(), records(), AlertPolicy(false_alarm_rate=2 * half))
    assert 0.4 <= eased.faults_found / eased.faults_planted <= 0.9


def test_what_does_not_count_is_not_found():
    """The judge decides as the scorer does."""
    told = {"features": {"a": {"type": "numeric", "alarm_above": 1.0}, "b": "numeric"}}
    rules = FeatureRules.of(RecordSchema.model_validate(told), SCHEMA)
    evaluation = evaluate(NormalDetector(), records(), AlertPolicy(false_alarm_rate=0.01), rules=rules)
    assert evaluation.realised_rate == pytest.approx(0.16, abs=0.02)


def test_a_first_model_that_finds_next_to_nothing_needs_a_yes():
    """It is held, with what would help, and let in where that is accepted; later ones are compared as ever."""
    unseeing = replace(KEPT, faults_found=2)
    held = judge(unseeing, None)
    assert not held.promote
    assert "--accept-blind" in held.reasons[-1]
    let_in = judge(unseeing, None, accept_blind=True)
    assert let_in.promote
    assert any("Do not rely on it" in reason for reason in let_in.reasons)
    assert judge(unseeing, unseeing).promote
    assert judge(replace(KEPT, faults_planted=4, faults_found=0), None).promote  # too few to tell


def test_faults_that_look_like_any_record_are_not_found():
    """Hosts as one series: a fifth is found, and half of the faults of an hour look like any hour, of which the strangest
    minute is one in 87 in half of cases."""
    series = replace(KEPT, faults_found=8, details={"fault_records": 60, "half_found_at": 0.39})
    assert not judge(series, None).promote
    assert judge(replace(series, faults_found=10), None).promote
    assert not judge(replace(series, details={"fault_records": 60, "half_found_at": 0.012}), None).promote
    assert judge(replace(series, details={"fault_records": 60, "half_found_at": 0.011}), None).promote
    assert judge(replace(series, details={"fault_records": 1, "half_found_at": 0.39}), None).promote
    assert not judge(replace(series, details={"fault_records": 1, "half_found_at": 0.5}), None).promote


def test_what_is_caught_no_longer_is_named():
    """A challenger that needs a far larger change of a feature than the champion says so."""
    changes = [{"feature": "vib", "change": 0.4, "unit": "mm/s", "tried": 9.0, "records": 12}]
    champion = replace(KEPT, details={"smallest_changes": changes, "seconds_a_record": 1.0})
    duller = replace(KEPT, details={"smallest_changes": [{**changes[0], "change": None}]})
    assert any("No longer found" in each and "a change of vib." in each for each in judge(duller, champion).reasons)
    larger = replace(KEPT, details={"smallest_changes": [{**changes[0], "change": 1.6}]})
    assert any("vib (1.6 mm/s instead of 0.4 mm/s)" in each for each in judge(larger, champion).reasons)
    assert "for 12 records (12 s): vib 0.4 mm/s." in judge(champion, None).reasons[2]
    slow = replace(champion, details={**champion.details, "seconds_a_record": 599.975})
    assert "for 12 records (2 h): vib 0.4 mm/s." in judge(slow, None).reasons[2]


def _confirmed(hour: int) -> ConfirmedAlert:
    start = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return ConfirmedAlert(hour, "", start, start + timedelta(minutes=9))


def test_confirmed_alerts_are_replayed():
    """One is found where it is flagged and the records before it are not; what the history does not hold is told apart."""
    values = np.random.default_rng(0).normal(size=(600, 2)).clip(-2.0, 2.0)
    values[120:130] = 5.0
    times = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 + np.arange(600) * 60_000_000
    history = batch_from_columns(SCHEMA, {"a": values[:, 0], "b": values[:, 1]}, times=times)
    policy, alerts = AlertPolicy(false_alarm_rate=0.001), [_confirmed(2), _confirmed(4), _confirmed(20)]
    for detector, expected in ((NormalDetector(), [True, False, None]), (NormalDetector(9.0), [False, False, None])):
        assert [each["found"] for each in replay_confirmed(detector, history, alerts, policy)] == expected


def test_a_challenger_that_misses_a_confirmed_alert_is_held():
    """Whatever else it does better, where the champion finds it; where neither does, it is no reason."""
    told = [{"alert": 7, "name": "alert 7 (rig-1, 2026-01-01 02:00)", "found": True}]
    finds = replace(KEPT, details={"confirmed": told})
    misses = replace(KEPT, faults_found=31, details={"confirmed": [{**told[0], "found": False}]})
    judgement = judge(misses, finds)
    assert not judgement.promote
    assert "alert 7 (rig-1, 2026-01-01 02:00)" in judgement.reasons[-1]
    assert judge(misses, misses).promote
    assert judge(finds, misses).promote


def test_the_feature_that_false_alarms_are_about_is_named():
    """`b` moved by far more than in training: it is what breaks the promise, and a longer history is no advice."""
    values = np.random.default_rng(0).normal(size=(1000, 2))
    values[:, 1] *= 5
    holdout = batch_from_columns(SCHEMA, {"a": values[:, 0], "b": values[:, 1]})
    evaluation = evaluate(NormalDetector(), holdout, AlertPolicy(false_alarm_rate=0.01))
    reasons = judge(evaluation, None).reasons
    assert next(iter(evaluation.details["blamed"])) == "b"
    assert "What is flagged is mostly about b (" in reasons[0]
    assert "Look at b first" in reasons[-1]
    assert "blamed" in evaluate(NormalDetector(), records(), AlertPolicy(false_alarm_rate=1e-9)).details


def test_a_champion_that_cannot_be_evaluated_is_named():
    """Whoever asks later why a model was let in without a comparison is told; it was not the first."""
    judgement = judge(KEPT, None, unfit=7)
    assert judgement.promote
    assert "version 7" in judgement.reasons[-2]
    assert not any("first model" in reason for reason in judgement.reasons)


DOUBTFUL = replace(KEPT, realised_rate=0.024, realised_interval=(0.004, 0.06))


def test_more_than_twice_the_promise_is_never_called_kept():
    """Where few records cannot prove a break, it is let in as ever, and every sentence of it says what was seen."""
    for champion in (None, KEPT, BROKEN):
        judgement = judge(DOUBTFUL, champion)
        assert judgement.promote
        who = "The model" if champion is None else "The challenger"
        assert judgement.reasons[0].startswith(f"{who} may not keep its promise: 2.4 % of")
        assert "more than twice as many" in judgement.reasons[0]
        ours = [each for each in judgement.reasons if not each.startswith("The champion")]
        assert not any("keeps" in each for each in ours)
    assert "may raise more than twice the false alarms" in judge(DOUBTFUL, None).reasons[-1]
    assert "may not keep" not in " ".join(judge(replace(DOUBTFUL, realised_rate=0.019), None).reasons)


def test_a_single_flagged_record_proves_and_suggests_nothing():
    """One of 600 where .04 % are promised is four times as many, and what chance does; eight of 506 for .3 % is not."""
    one = replace(
        KEPT, promised_rate=0.0004, realised_rate=1 / 600, realised_interval=(0.0, 0.009), holdout_records=600
    )
    assert "keeps its promise" in judge(one, None).reasons[0]
    eight = replace(
        KEPT, promised_rate=0.003, realised_rate=8 / 506, realised_interval=(0.003, 0.045), holdout_records=506
    )
    assert "may not keep its promise" in judge(eight, None).reasons[0]


LOUDER = replace(BROKEN, realised_rate=0.3, realised_interval=(0.24, 0.36))
SMALLEST = {"feature": "vib", "change": 0.4, "unit": "mm/s", "tried": 9.0, "records": 12}
OTHERS = [{**SMALLEST, "feature": f"other {number}"} for number in range(19)]


def _of(outcomes: str, **changed: Any) -> Evaluation:
    """With what became of each of its planted faults."""
    counted = replace(KEPT, faults_planted=len(outcomes), faults_found=outcomes.count("1"))
    return replace(counted, **{"details": {"outcomes": {"shift of a": outcomes}}, **changed})


@pytest.mark.parametrize(
    ("challenger", "champion", "promote", "word"),
    [
        (KEPT, KEPT, True, "as many planted faults"),
        (replace(KEPT, faults_found=29), KEPT, True, "as many planted faults"),  # one of forty is chance
        (replace(KEPT, faults_found=20), KEPT, False, "fewer"),
        (BROKEN, KEPT, False, "more false alarms"),
        (KEPT, BROKEN, True, "no longer"),
        (replace(KEPT, faults_found=0), BROKEN, False, "finding nothing"),
        (replace(BROKEN, realised_rate=0.19), BROKEN, True, "no more false alarms"),
        (replace(BROKEN, realised_rate=0.21), BROKEN, True, "no more false alarms"),
        (LOUDER, BROKEN, False, "champion is nearer"),
        (_of("1" * 54 + "0" * 6), _of("1" * 60), False, "fewer"),
        (_of("1" * 54 + "~" * 6), _of("1" * 60), True, "as many planted faults"),  # a threshold moved a little
        (_of("1" * 27 + "0" * 3 + "1" * 30), _of("1" * 57 + "0" * 3), True, "as many planted faults"),
        (_of("1" * 594 + "0" * 6), _of("1" * 600), True, "as many planted faults"),  # real, and too little to matter
        (_of("1", details={"smallest_changes": [{**SMALLEST, "change": 1.6}]}),
         _of("1", details={"smallest_changes": [SMALLEST]}), False, "far larger changes"),
        (_of("1", details={"smallest_changes": [{**SMALLEST, "change": 0.8}]}),
         _of("1", details={"smallest_changes": [SMALLEST]}), True, "as many planted faults"),
        (_of("1", details={"smallest_changes": [{**SMALLEST, "change": 1.6}, *OTHERS]}),
         _of("1", details={"smallest_changes": [SMALLEST, *OTHERS]}), True, "as many planted faults"),  # one of twenty
        (_of("1", details={"smallest_changes": [{**SMALLEST, "change": None}]}),
         _of("1", details={"smallest_changes": [SMALLEST]}), False, "no change of vib"),
    ],
)  # fmt: skip
def test_the_judge_follows_its_rules(challenger, champion, promote, word):
    """Each case ends with the reason that decided it."""
    judgement = judge(challenger, champion)
    assert judgement.promote is promote
    assert word in judgement.reasons[-1]


def _seen(surprises: np.ndarray) -> Evaluation:
    """A model that gives planted faults these surprises, at a threshold of 3."""
    return _of("".join(outcome(bool(each >= 3), float(each), 3.0) for each in surprises))


def test_models_that_are_equally_good_are_rarely_held_and_worse_ones_nearly_always():
    """By simulation, of 360 faults; a retraining moves each surprise, and the threshold for all. Counting held half of them."""
    random = np.random.default_rng(0)

    def retrained(surprises: np.ndarray, lost: float) -> np.ndarray:
        moved = surprises + random.normal(0, 0.2, len(surprises)) + random.normal(0, 0.1)
        return np.where(random.random(len(surprises)) < lost, random.gamma(1, 0.5, len(surprises)), moved)

    held: dict[float, list[bool]] = {0.0: [], 0.1: []}
    fewer = []
    for _ in range(200):
        true = random.gamma(4, 1.3, 360) + 0.5
        champion = _seen(retrained(true, 0.0))
        for lost, verdicts in held.items():
            challenger = _seen(retrained(true, lost))
            verdicts.append(not judge(challenger, champion).promote)
            fewer += [challenger.faults_found < champion.faults_found] if not lost else []
    assert 0.4 < np.mean(fewer) < 0.6
    assert np.mean(held[0.0]) < 0.05
    assert np.mean(held[0.1]) > 0.95


def test_false_alarms_are_compared_by_part_of_time():
    """One burst in one part says nothing; as much everywhere does."""
    quiet = replace(BROKEN, details={"flagged_by_part": [10, 12] * 10})
    burst = replace(BROKEN, realised_rate=0.3, details={"flagged_by_part": [10, 12] * 9 + [10, 122]})
    louder = replace(BROKEN, realised_rate=0.3, details={"flagged_by_part": [15, 18] * 10})
    assert judge(burst, quiet).promote
    assert not judge(louder, quiet).promote


def test_what_becomes_of_each_planted_fault_is_kept():
    """The same faults for every model of the same fields, sixty or more also of a short holdout, and none that is counted twice."""
    told = evaluate(NormalDetector(), records(), AlertPolicy(false_alarm_rate=0.01))
    dull = evaluate(NormalDetector(offset=-2.0), records(), AlertPolicy(false_alarm_rate=0.01))
    planted = [{kind: len(each) for kind, each in one.details["outcomes"].items()} for one in (told, dull)]
    assert planted[0] == planted[1]
    letters = "".join(told.details["outcomes"].values())
    assert (letters.count("1"), len(letters)) == (told.faults_found, told.faults_planted)
    assert not judge(dull, told).promote
    assert evaluate(NormalDetector(), records(50), AlertPolicy(false_alarm_rate=0.01)).faults_planted >= 60
    assert sum(told.details["flagged_by_part"]) == round(told.realised_rate * told.holdout_records)


def test_reasons_name_what_is_missed():
    """A person reads which faults would go unseen."""
    assert any("lag" in reason for reason in judge(KEPT, None).reasons)
