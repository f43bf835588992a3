from __future__ import annotations

import pytest

from streamjob_operator.flink.text import one_line

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'properties.x'='sesame'", "'properties.x'='…'"),
        ("'a' = 'se''same', 'connector'='kafka'", "'a'='…', 'connector'='kafka'"),
        ("https://bob:sesame@h/x.jar", "https://h/x.jar"),
        ("https://h/x.jar?X-Amz-Signature=sesame said no", "https://h/x.jar said no"),
        ("jdbc:mysql://h/db?user=a&password=sesame", "jdbc:mysql://h/db"),
        ("jdbc:x;password=sesame;user=a", "jdbc:x;password=…;user=a"),
        ('user="alice" password="sesame words";', 'user="alice" password=…;'),
        ("aws_secret_access_key=sesame, s3.secret = x", "aws_secret_access_key=…, s3.secret = …"),
        ("Unexpected token: SELECT", "Unexpected token: SELECT"),
        ("Could not parse value 'se''same' for key 'k'.", "Could not parse value '…' for key 'k'."),
        ("What? Is 'this' = wrong?", "What? Is 'this' = wrong?"),
        ("a\tb\r\n c\x00d", "a b c d"),
        ("SQL validation failed. SQL validation failed. From", "SQL validation failed. From"),
    ],
)  # fmt: skip
def test_what_is_shown(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_the_cut_is_marked() -> None:
    assert one_line("word " * 300, 11) == "word word…"
