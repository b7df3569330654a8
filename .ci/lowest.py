"""Print the lower bound of each dependency as a pinned requirement, read from the installed metadata."""

from importlib.metadata import requires

from packaging.requirements import Requirement

for line in requires("monocloud-mw") or []:
    requirement = Requirement(line)
    (bound,) = (part.version for part in requirement.specifier if part.operator == ">=")
    print(f"{requirement.name}=={bound}")
