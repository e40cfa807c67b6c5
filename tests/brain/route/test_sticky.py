"""Sessions are bounded, forget in time and never reach across tenants."""

from farthing.brain.route.sticky import Sessions
from farthing.core.exchange import Target

MINI, LARGE = Target("openai", "mini", "cheap"), Target("openai", "large", "expensive")


def test_a_session_is_remembered_for_its_time_after_the_last_call():
    sessions = Sessions(keep_s=10)
    sessions.put("acme", "s", MINI, now=0)
    assert sessions.get("acme", "s", now=10) == MINI
    sessions.put("acme", "s", MINI, now=10)
    assert sessions.get("acme", "s", now=20) == MINI
    assert sessions.get("acme", "s", now=20.1) is None
    assert len(sessions) == 0


def test_the_same_session_name_of_another_tenant_is_another_session():
    sessions = Sessions(keep_s=10)
    sessions.put("acme", "s", MINI, now=0)
    sessions.put("other", "s", LARGE, now=0)
    assert sessions.get("acme", "s", now=1) == MINI
    assert sessions.get("third", "s", now=1) is None


def test_the_longest_silent_session_goes_first():
    sessions = Sessions(keep_s=100, max_sessions=2)
    for name, now in (("a", 0), ("b", 1), ("a", 2), ("c", 3)):
        sessions.put("acme", name, MINI, now=now)
    assert [sessions.get("acme", name, now=4) for name in "abc"] == [MINI, None, MINI]
