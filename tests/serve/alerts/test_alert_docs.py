"""What docs/alerts.md says is so."""

import re
import tomllib
from pathlib import Path

from skysift.core.config import build_config
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.vetoes import FLAG_VETOES

DOCS = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
BLOCKS = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)]
WHO = {"authority", "mission", "instrument", "contact"}


def test_every_block_of_configuration_is_valid():
    assert len(BLOCKS) == 3
    for block in BLOCKS:
        build_config(AlertOptions, block["alerts"])


def test_all_keys_are_listed_with_their_defaults():
    listed = BLOCKS[-1]["alerts"]
    fields = set(AlertOptions.model_fields) - {"rule", "webhooks", "kafka"}
    assert set(listed) == fields
    found, defaults = build_config(AlertOptions, listed), AlertOptions()
    for name in fields - WHO:
        value, default = getattr(found, name), getattr(defaults, name)
        near = isinstance(default, float) and abs(value - default) < 1e-3 * default
        assert near or value == default, name


def test_destinations_are_listed_with_their_defaults():
    hooks = BLOCKS[1]["alerts"]["webhooks"]["control-room"]
    found = build_config(AlertOptions, BLOCKS[1]["alerts"])
    (webhook,) = found.webhooks.values()
    assert set(hooks) == set(type(webhook).model_fields)
    plain = type(webhook)(url=webhook.url)
    for name in set(hooks) - {"url", "secret"}:
        assert getattr(plain, name) == getattr(webhook, name), name


def test_every_veto_is_explained():
    source = Path(__file__).parents[3] / "src" / "skysift" / "serve" / "alerts"
    code = "".join((source / name).read_text() for name in ("vetoes.py", "policy.py"))
    names = set(re.findall(r'Veto\("([a-z-]+)"', code)) | set(FLAG_VETOES)
    names |= set(re.findall(r'Decision\(_what\(\w+\), "([a-z-]+)"', code))
    table = set(re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\|.*\|$", DOCS, re.MULTILINE))))
    assert names >= {"far", "weak", "rate-limit", "origin", "format"}
    assert names <= table
