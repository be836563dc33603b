"""What a session was made for must be there: `XPNN_REQUIRE="nvrtc"` makes each test fail that would skip without NVRTC.

The words, between spaces, are looked for in the reason of a skip, upper and lower case alike. Without the variable all
skips are skips, so that `pytest` alone runs what can run anywhere.
"""

import os

import pytest


def insisted(report: pytest.TestReport | pytest.CollectReport) -> pytest.TestReport | pytest.CollectReport:
    """The report, as a failure if it is a skip for want of something required."""
    words = os.environ.get("XPNN_REQUIRE", "").lower().split()
    if words and report.skipped and type(report.longrepr) is tuple:  # an expected failure has no reason here
        reason = report.longrepr[2]
        if any(word in reason.lower() for word in words):
            report.outcome, report.longrepr = "failed", f"XPNN_REQUIRE names what this test lacks. {reason}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport():
    return insisted((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report():
    return insisted((yield))
