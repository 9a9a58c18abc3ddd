"""A fault plan is chosen by name, share and seed."""

from __future__ import annotations

import pytest

from vonage_simulator.delivery.fault_plan import FAULTS, LOSSLESS, LOSSY, FaultPlan, tampered


def test_faults_are_read_with_and_without_a_share() -> None:
    faults = FaultPlan.read(" reorder, duplicate=0.3 ,lose")
    assert faults.shares == {"reorder": 0.2, "duplicate": 0.3, "lose": 0.05}


def test_groups_include_their_members_and_the_last_share_counts() -> None:
    assert FaultPlan.read("lossless").shares == dict.fromkeys(LOSSLESS, 0.2)
    assert FaultPlan.read("all").shares == dict.fromkeys(LOSSLESS, 0.2) | dict.fromkeys(LOSSY, 0.05)
    assert FaultPlan.read("all=0.5,drop=0").shares == dict.fromkeys(FAULTS, 0.5) | {"drop": 0.0}
    assert FaultPlan.read("").shares == {}


@pytest.mark.parametrize(("text", "lossless"), [("", True), ("lossless", True), ("all", False), ("lose=0", True)])
def test_a_plan_knows_whether_it_is_lossless(text: str, lossless: bool) -> None:
    assert FaultPlan.read(text).lossless is lossless


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'dorp'.*reorder, .*replay, lossless, all"):
        FaultPlan.read("dorp")


@pytest.mark.parametrize("share", ["", "lots", "1.5", "-1", "nan"])
def test_a_share_is_from_0_to_1(share: str) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        FaultPlan.read(f"drop={share}")


def test_a_fault_befalls_its_share_of_the_webhooks() -> None:
    faults = FaultPlan.read("delay=0.3")
    plans = [faults.plan(0, 0, number, reply_read=False, signed=True) for number in range(2000)]
    assert 500 < sum(plan.delay > 0 for plan in plans) < 700


def test_adding_a_fault_does_not_move_the_others() -> None:
    few, more = FaultPlan.read("duplicate,delay"), FaultPlan.read("duplicate,delay,reorder,lose,drop")
    for number in range(100):
        plan = few.plan(1, 2, number, reply_read=False, signed=True)
        other = more.plan(1, 2, number, reply_read=False, signed=True)
        assert (plan.delay, plan.duplicate_after) == (other.delay, other.duplicate_after)


def test_altering_changes_one_text() -> None:
    body = {"uuid": "leg", "size": 12, "empty": "", "zero": "0"}
    for pick in (0.0, 0.4, 0.99):
        altered = tampered(body, pick)
        assert sum(altered[name] != value for name, value in body.items()) == 1
        assert altered["size"] == 12
    assert tampered({"size": 12}, 0.5) != {"size": 12}
