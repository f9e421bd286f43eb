"""``mqttseg run`` without the command line, to be killed: python -m tests.support.serve MQTTSEG_YAML"""

from __future__ import annotations

import sys
from pathlib import Path

from mqttseg.broker.run import serve

if __name__ == "__main__":
    serve(Path(sys.argv[1]))
