"""``python -m mqttseg``."""

import sys

from mqttseg.cli import main

sys.exit(main())
