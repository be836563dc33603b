"""`python -m parity [words]`: run all cases, print what became of them, and write docs/parity.md.

With words, only the modules and optimizers whose names hold one of them are run and shown, with the reasons of what was
left out, and no page is written. The exit code says whether any case failed.
"""

import sys
from collections import Counter
from itertools import chain

from parity import modules, optimizers, page
from parity.judging import counts


def main(words):
    def wanted(name):
        return not words or any(word.lower() in name.lower() for word in words)

    results = list(chain(modules.results(wanted), optimizers.results(wanted)))
    for subject in dict.fromkeys(result.subject for result in results):
        found = counts(result for result in results if result.subject == subject)
        print(f"{subject}: {', '.join(f'{n} {outcome}' for outcome, n in sorted(found.items()))}")
    left_out = Counter((r.subject, r.reason) for r in results if words and r.outcome == "left out")
    for (subject, reason), n in left_out.items():
        print(f"  left out: {subject}, {n} cases: {reason}")
    for result in results:
        if result.outcome == "failed":
            print(f"  failed: {result.name}: {result.reason}")
    found = counts(results)
    run = found["passed"] + found["failed"]
    print(f"{len(results)} cases, {run} run, {found['passed']} passed, {found['left out']} left out")
    if not words:
        page.written(results)
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
