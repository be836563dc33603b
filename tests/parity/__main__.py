"""`python -m parity [words]`: run all cases, print what became of them, and write docs/parity.md.

With words, only the modules and optimizers whose names hold one of them are shown, each case that failed with its
reason, and no page is written. The exit code says whether any case failed.
"""

import sys

from parity import modules
from parity.judging import counts


def main(words):
    results = list(modules.results())
    if words:
        results = [result for result in results if any(word.lower() in result.subject.lower() for word in words)]
    for subject in dict.fromkeys(result.subject for result in results):
        found = counts(result for result in results if result.subject == subject)
        print(f"{subject}: {', '.join(f'{n} {outcome}' for outcome, n in sorted(found.items()))}")
    for result in results:
        if result.outcome == "failed" or (words and result.outcome == "left out"):
            print(f"  {result.outcome}: {result.name}: {result.reason}")
    print(dict(counts(results)))
    return 1 if counts(results)["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
