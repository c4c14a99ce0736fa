"""Where the files that come with the code are: `config/` and `launch/`."""

from __future__ import annotations

from pathlib import Path

from zoox_stack.core.errors import ConfigurationError

_HERE = Path(__file__).absolute()  # absolute, not resolved: a linked install is an install
_ROOT = _HERE.parents[2]


def share_folder() -> Path:
    """The folder that holds ``config/`` and ``launch/`` of the code that runs.

    It is the root of the source tree, or ``share/zoox_stack`` of the prefix into which a wheel or colcon has put this
    package.

    Raises:
        ConfigurationError: There is none: the package is not whole.
    """
    if (_ROOT / "package.xml").is_file():
        return _ROOT
    for prefix in _HERE.parents:
        folder = prefix / "share" / "zoox_stack"
        if (folder / "config").is_dir():
            return folder
    raise ConfigurationError(f"no share/zoox_stack/config in any folder above {_HERE}: install zoox_stack again")
