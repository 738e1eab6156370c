"""The order of the keys of an object, which msgspec takes from Python: for slots it is alphabetical.

What holds here is written in the reference, under "JSON". A version of msgspec that changes it fails here.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property

import attrs
import msgspec
import pytest
from pydantic import BaseModel

from trio_sse.wire import encode_json


@attrs.define
class Slotted:
    z: int = 1
    a: int = 2
    m: int = 3


@attrs.define(slots=False)
class Ordered:
    z: int = 1
    a: int = 2
    m: int = 3


@attrs.frozen(weakref_slot=False)
class Cached:
    z: int = 1
    a: int = 2

    @cached_property
    def total(self) -> int:
        return self.z + self.a


@attrs.define
class Derived(Slotted):
    y: int = 4
    b: int = 5


@attrs.define(slots=False)
class Mixed(Slotted):
    y: int = 4
    b: int = 5


@dataclasses.dataclass(slots=True)
class Data:
    z: int = 1
    a: int = 2
    m: int = 3


class Struct(msgspec.Struct):
    z: int = 1
    a: int = 2
    m: int = 3


class Model(BaseModel):
    z: int = 1
    a: int = 2
    m: int = 3


IN_ORDER = b'{"z":1,"a":2,"m":3}'


@pytest.mark.parametrize("value", [Ordered(), Data(), Struct(), Model(), {"z": 1, "a": 2, "m": 3}])
def test_keys_are_in_the_order_of_the_fields(value: object) -> None:
    assert encode_json(value) == IN_ORDER


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Slotted(), b'{"a":2,"m":3,"z":1}'),
        (Cached(), b'{"a":2,"z":1}'),
        (Derived(), b'{"b":5,"y":4,"a":2,"m":3,"z":1}'),
        (Mixed(), b'{"y":4,"b":5,"a":2,"m":3,"z":1}'),
    ],
)
def test_keys_of_an_attrs_class_with_slots_are_in_alphabetical_order_class_by_class(
    value: object, written: bytes
) -> None:
    assert encode_json(value) == written
