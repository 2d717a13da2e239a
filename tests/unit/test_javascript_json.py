from __future__ import annotations

import json

import pytest
from heliscore.domain.javascript_json import encode_as_javascript


@pytest.mark.parametrize(
    ("sent", "written"),
    [  # as node 20 prints JSON.stringify(JSON.parse(sent))
        ("1.0", "1"),
        ("-0.0", "0"),
        ("0.10", "0.1"),
        ("100", "100"),
        ("1e2", "100"),
        ("9007199254740993", "9007199254740992"),
        ("-123456789012345678901", "-123456789012345680000"),
        ("123456789012345678901234", "1.2345678901234569e+23"),
        ("1e21", "1e+21"),
        ("1e20", "100000000000000000000"),
        ("12345.678", "12345.678"),
        ("0.000001", "0.000001"),
        ("0.0000012", "0.0000012"),
        ("1e-7", "1e-7"),
        ("1.5e-9", "1.5e-9"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ('"a\\u001f\\u007f\\u2028é\\b\\/\\ud83d\\ude00"', '"a\\u001f\x7f\u2028é\\b/😀"'),
        ('{"b": 1, "10": 2, "9": [true, null], "01": {"2": 0, "1": 0}}', None),
        ('{"4294967295": 1, "4294967294": 2, "a": {}}', '{"4294967294":2,"4294967295":1,"a":{}}'),
        ("[]", "[]"),
    ],
)
def test_json_is_written_as_javascript_writes_it(sent: str, written: str | None) -> None:
    expected = written or '{"9":[true,null],"10":2,"b":1,"01":{"1":0,"2":0}}'
    encoded = encode_as_javascript(json.loads(sent))
    assert encoded.decode() == expected
    assert encode_as_javascript(json.loads(encoded)) == encoded
