"""An alert as a JSON notice of the General Coordinates Network.

The model below holds what the unified schema of GCN, version 7.2.3, says of the fields that we use:
their names, types, units, and what they may be; see the tables of ``Alert``, ``Event``,
``Reporter``, ``DateTime``, ``Localization``, ``Statistics`` and ``AdditionalInfo`` at
https://gcn.nasa.gov/docs/schema . It is stricter where the schema leaves a choice, and a field that
is not in it is an error. The two fields of ours, as missions may have them, come last.
"""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from skysift.core.config import Config, build_config
from skysift.serve.alerts.content import Content
from skysift.serve.alerts.options import AlertOptions, Tense
from skysift.serve.clock import iso_time

__all__ = ["Notice", "notice_json"]

CONTAINMENT = 0.68

_TENSES: dict[Tense, Literal["current", "test", "injection"]] = {
    "live": "current",
    "test": "test",
    "injection": "injection",
}


def _utc(text: str) -> str:
    if not text.endswith("Z"):
        raise ValueError("a time ends with Z, for UTC")
    datetime.fromisoformat(text)
    return text


_Time = Annotated[str, AfterValidator(_utc)]
_Degrees = Annotated[float, Field(ge=0, le=180, allow_inf_nan=False)]
_Right = Annotated[float, Field(ge=0, le=360, allow_inf_nan=False)]
_Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Notice(Config):
    """A notice; what is None is left out of the JSON.

    Examples
    --------
    >>> Notice.model_fields["far"].description
    'Rate of false alarms at least as strong [Hz].'
    """

    schema_: str = Field(alias="$schema", pattern=r"^https://\S+\.schema\.json$")
    # Event
    id: tuple[str, ...] = Field(min_length=1)
    event_name: tuple[str, ...] | None = None
    # Alert
    alert_datetime: _Time
    alert_tense: Literal["current", "test", "injection"]
    alert_type: Literal["initial", "update", "retraction"]
    # Reporter
    mission: str | None = None
    instrument: str | None = None
    messenger: Literal["EM", "GW", "Neutrino"]
    record_number: Annotated[int, Field(ge=1)]
    # DateTime
    trigger_time: _Time
    observation_start: _Time | None = None
    observation_stop: _Time | None = None
    observation_livetime: _NotNegative | None = None
    # Localization
    ra: _Right | None = None
    dec: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    ra_dec_error: tuple[_Degrees, _Degrees, _Degrees] | None = Field(
        None, description="Semi-axes and position angle from north through east [deg]."
    )
    containment_probability: _Probability | None = None
    systematic_included: bool | None = None
    # Statistics
    far: _NotNegative | None = Field(
        None, description="Rate of false alarms at least as strong [Hz]."
    )
    image_snr: FiniteFloat | None = None
    image_duration: _NotNegative | None = None
    # AdditionalInfo
    additional_info: str | None = None
    # ours
    significance: FiniteFloat | None = None
    significance_post_trial: FiniteFloat | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Notice":
        if (self.ra is None) != (self.dec is None):
            raise ValueError("a position has ra and dec")
        if self.ra_dec_error is not None:
            if self.ra is None or self.containment_probability is None:
                raise ValueError("an error is that of a position, with a containment")
            if self.ra_dec_error[0] < self.ra_dec_error[1]:
                raise ValueError("the first axis of an error is the major one")
        start, stop = self.observation_start, self.observation_stop
        if start is not None and stop is not None and stop < start:
            raise ValueError("an observation stops after it starts")
        if self.alert_type == "initial" and self.record_number != 1:
            raise ValueError("the first record is the initial one")
        return self


def notice_json(content: Content, options: AlertOptions) -> bytes:
    """Return a notice, checked.

    Raises
    ------
    ConfigError
        If it is not one.
    """
    notice = build_config(Notice, _fields(content, options))
    document = notice.model_dump(by_alias=True, exclude_none=True)
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()


def _fields(content: Content, options: AlertOptions) -> dict[str, Any]:
    row, values = content.row, content.row.values or {}
    fields: dict[str, Any] = {
        "$schema": options.schema_url,
        "id": (content.id,),
        "event_name": (row.source,) if row.source else None,
        "alert_datetime": iso_time(content.decided),
        "alert_tense": _TENSES[content.tense],
        "alert_type": content.kind,
        "mission": options.mission or None,
        "instrument": options.instrument or None,
        "messenger": options.messenger,
        "record_number": content.revision,
        "trigger_time": iso_time(content.trigger_time),
        "ra": row.ra,
        "dec": row.dec,
        "far": row.far,
        "additional_info": content.sentence,
    }
    if row.start is not None and row.begun is not None and row.ended is not None:
        fields["observation_start"] = iso_time(row.begun)
        fields["observation_stop"] = iso_time(row.ended)
        if row.good is not None and "window" in values:
            fields["observation_livetime"] = row.good * values["window"]
    if row.major is not None and row.minor is not None:
        fields["ra_dec_error"] = (row.major, row.minor, (row.angle or 0.0) % 180)
        fields["containment_probability"] = CONTAINMENT
        fields["systematic_included"] = values.get("err_systematic", 0.0) > 0
    for name in ("significance", "significance_post_trial"):
        fields[name] = values.get(name)
    if "significance" in values and "window" in values:
        fields |= {"image_snr": values["significance"], "image_duration": values["window"]}
    return fields
