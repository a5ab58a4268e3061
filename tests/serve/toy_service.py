"""A service with the toy for a worker, as a process of its own: ``toy_service.py CONFIG``."""

import logging
import sys
from pathlib import Path

from skysift.serve.config import WatchConfig
from skysift.serve.journal import LOGGER, JsonLines
from skysift.serve.service import Service, stopped_by_signals

if __name__ == "__main__":
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.getLogger(LOGGER).addHandler(handler)
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    config = WatchConfig.model_validate_json(sys.argv[1])
    toy = (sys.executable, str(Path(__file__).with_name("toy_worker.py")), "")
    service = Service(config, worker_command=toy)
    with stopped_by_signals(service):
        service.run()
