"""Print the lower bound of each dependency as a pinned requirement, read from the installed metadata.

urllib3 is not ours to bound: it comes with requests, which lets in version 1.26 beside 2. Both must work,
and with everything else at its newest it is version 2 that the other runs test.
"""

from importlib.metadata import requires

from packaging.requirements import Requirement

for line in requires("monocloud-mw") or []:
    requirement = Requirement(line)
    (bound,) = (part.version for part in requirement.specifier if part.operator == ">=")
    print(f"{requirement.name}=={bound}")
print("urllib3==1.26.20")
