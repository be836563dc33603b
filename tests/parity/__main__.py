"""`python -m parity [words]`: run all cases, print what became of them, and write docs/parity.md.

With words, only the modules and optimizers whose names hold one of them are shown, each case that failed with its
reason, and no page is written. The exit code says whether any case failed.
"""

import sys
from collections import Counter

from parity import modules, optimizers
from parity.judging import counts


def main(words):
    results = [*modules.results(), *optimizers.results()]
    if words:
        results = [result for result in results if any(word.lower() in result.subject.lower() for word in words)]
    for subject in dict.fromkeys(result.subject for result in results):
        found = counts(result for result in results if result.subject == subject)
        print(f"{subject}: {', '.join(f'{n} {outcome}' for outcome, n in sorted(found.items()))}")
    for result in results:
        if result.outcome == "failed":
            print(f"  failed: {result.name}: {result.reason}")
    for (subject, reason), n in Counter(
        (r.subject, r.reason) for r in results if words and r.outcome == "left out"
    ).items():
        print(f"  left out: {subject}, {n} cases: {reason}")
    print(dict(counts(results)))
    return 1 if counts(results)["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
