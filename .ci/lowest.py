"""Print the lower bound of each dependency as a pinned requirement, read from the installed metadata.

urllib3 is a dependency of requests, which allows versions 1.26 and 2. Both must work: this run tests 1.26,
the others test 2. The extra ``mcp`` is left out: it needs newer versions of what other extras need too.
"""

from importlib.metadata import requires

from packaging.requirements import Requirement

for line in requires("monocloud-mw") or []:
    requirement = Requirement(line)
    if requirement.name == "mcp":
        continue
    (bound,) = (part.version for part in requirement.specifier if part.operator == ">=")
    print(f"{requirement.name}=={bound}")
print("urllib3==1.26.20")
