"""Scripts that hypothesis makes: real statements with every trap between and inside them."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = ["t", "`a;b`", "db.`t``x`", "`订单`", "cat . db /* ; */ . t", "T$1"]
TEXTS = ["''", "'x'", "';'", "'it''s'", "'--'", "'/*'", "'END;'", "'分号;'", "'two\nlines'"]
GAPS = [" ", "\n", "\r\n", "\t", " -- c; 'x\n", " /* ; '\n */ ", "/* /* */"]
CONNECTORS = ["kafka", "upsert-kafka", "datagen", "Kafka"]


@st.composite
def _create(draw: st.DrawFn) -> list[str]:
    name = draw(st.sampled_from(NAMES))
    options = [f"'connector' = '{draw(st.sampled_from(CONNECTORS))}'"]
    if draw(st.booleans()):
        options.append("'scan.startup.mode'='latest-offset'")
    options.append(f"'k'={draw(st.sampled_from(TEXTS))}")
    words = ["CREATE", *draw(st.sampled_from([[], ["TEMPORARY"]])), "TABLE"]
    words += draw(st.sampled_from([[], ["IF", "NOT", "EXISTS"]]))
    words += [name, "(a INT, ts AS PROCTIME())", "WITH", f"({', '.join(options)})"]
    like = f"LIKE {draw(st.sampled_from(NAMES))}"
    return words + draw(st.sampled_from([[], [], [like], ["AS", "SELECT", "1"]]))


@st.composite
def _other(draw: st.DrawFn) -> list[str]:
    name = draw(st.sampled_from(NAMES))
    text = draw(st.sampled_from(TEXTS))
    insert = f"INSERT INTO {name} SELECT CASE a WHEN {text} THEN 1 END FROM {name}"
    return draw(
        st.sampled_from(
            [
                [insert],
                ["EXECUTE", "STATEMENT", "SET", "BEGIN", f"{insert};", f"{insert};", "END"],
                ["BEGIN", "STATEMENT", f"SET; {insert}; {insert}; END"],
                ["ALTER", "TABLE", name, "SET", f"('scan.startup.mode'='x', 'k'={text})"],
                ["ALTER", "TABLE", name, "RESET", "('scan.startup.mode')"],
                ["DROP", "TABLE", "IF", "EXISTS", name],
                ["SET", "'table.x'", "=", text],
                ["CREATE", "VIEW", "v", "AS", "SELECT", "/*+ ; ' */", "1"],
            ]
        )
    )


@st.composite
def _script(draw: st.DrawFn) -> str:
    gaps = st.sampled_from(GAPS)
    script = draw(st.sampled_from(["", *GAPS]))
    for words in draw(st.lists(st.one_of(_create(), _other()), max_size=6)):
        script += "".join(word + draw(gaps) for word in words) + ";" + draw(gaps)
    return script


SCRIPTS = _script()


def any_text() -> st.SearchStrategy[str]:
    """Text that is no SQL, of the characters that matter."""
    pieces = ["'", '"', "`", "--", "/*", "*/", "/*+", ";", "\n", "\r", " ", "a", "END", "(", "列"]
    pieces += ["EXECUTE STATEMENT SET BEGIN ", "BEGIN STATEMENT SET", "CASE ", "CREATE TABLE "]
    return st.lists(st.sampled_from(pieces), max_size=25).map("".join)
