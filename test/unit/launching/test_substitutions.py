"""Grammar and evaluation of ``$(…)``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoox_stack.launching.expression import evaluate_expression
from zoox_stack.launching.scope import Scope
from zoox_stack.launching.substitutions import SubstitutionError, parse_template, perform, split_words


@pytest.fixture
def scope() -> Scope:
    scope = Scope({"HOME_TOWN": "Utrecht"}, variables={"x": "value of x", "name": "x", "flag": "true"})
    scope.file = Path("/somewhere/test.launch.xml")
    return scope


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a$(var x)b", "avalue of xb"),
        ("$(var $(var name))", "value of x"),
        ("$(var nothing default)", "default"),
        ("$(var nothing 'a default')", "a default"),
        ('$(var nothing "with $(var x)")', "with value of x"),
        ("$(var nothing '')", ""),
        ("$(env HOME_TOWN)", "Utrecht"),
        ("$(env NOT_SET here)", "here"),
        ("$(dirname)/b", "/somewhere/b"),
        ("$(filename)", "/somewhere/test.launch.xml"),
        (r"\$(var x)", "$(var x)"),
        (r"back\\slash", r"back\slash"),
        ("5$ and $5", "5$ and $5"),
        ("$(not $(var flag))", "false"),
        ("$(and true $(or false 1))", "true"),
        ("$(equals a a)", "true"),
        ("$(equals True 1)", "true"),
        ("$(equals 1.0 1.00)", "true"),
        ("$(not-equals $(var flag) a)", "true"),
        ("$(eval '1 + 2')", "3"),
        ("""$(eval "'$(var x)' == 'value of x'")""", "True"),
    ],
)
def test_value(text: str, expected: str, scope: Scope) -> None:
    assert perform(parse_template(text), scope) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("$(var", "closing )"),
        ("$(var x", "closing )"),
        ("$(var 'x)", "closing '"),
        ("$()", "name is missing"),
        ("$(vr x)", "did you mean var?"),
        ("$(var)", "expected 1 or 2 arguments, found 0"),
        ("$(var a b c)", "expected 1 or 2 arguments, found 3"),
        ("$(var  x)", "exactly one space"),
        ("$(var a(b)", "unexpected '('"),
        ("$(command ls)", "known to ros2 launch but not to"),
        ("$(dirname x)", "expected 0 arguments"),
        ("$(equals $(var x) '')", "compare with an empty variable"),
    ],
)
def test_malformed(text: str, problem: str) -> None:
    with pytest.raises(SubstitutionError) as error:
        parse_template(text)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("$(var flg)", "did you mean flag?"),
        ("$(env NOT_SET)", "environment variable NOT_SET is not set"),
        ("$(find-pkg-share no_such_package)", "package 'no_such_package' not found"),
        ("$(not perhaps)", "expected true or false"),
        ("$(eval 'open(1)')", "not allowed"),
    ],
)
def test_fails_to_evaluate(text: str, problem: str, scope: Scope) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        perform(parse_template(text), scope)
    assert problem in str(error.value)


@given(st.text(alphabet=st.characters(exclude_characters="\\$", exclude_categories=("Cs",))))
def test_text_without_substitutions_stays(text: str) -> None:
    assert parse_template(text) == (text,)


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse_template(f"$(var {text}")
    except SubstitutionError:
        return


def test_words_are_split_at_blanks_of_the_text_only(scope: Scope) -> None:
    words = split_words(parse_template("a 'b c' x$(var x)y $(var x) --d=$(var x)  e"))
    assert [perform(word, scope) for word in words] == [
        "a", "b c", "xvalue of xy", "value of x", "--d=value of x", "e",
    ]  # fmt: skip


def test_quotes_cannot_enclose_a_substitution() -> None:
    with pytest.raises(SubstitutionError, match="quotes cannot enclose"):
        split_words(parse_template("'$(var x) y'"))


@pytest.mark.parametrize(
    "expression",
    ["1 + 2 * 3", "7 // 2", "7 % 4", "-3 / 2", "'a' + 'b'", "1 < 2 <= 2", "'a' in 'abc'", "not True or False",
     "0 or 'x'", "1 and 0", "'yes' if 2 > 1 else 'no'", "min(3, 2)", "round(2.6)", "int('4') + 1", "[1, 2]", "(1,)",
     "None", "'a' * 3", "1 == 1.0", "'x' not in ['y']"],
)  # fmt: skip
def test_expression_means_what_python_means(expression: str) -> None:
    assert evaluate_expression(expression) == str(eval(expression))


@pytest.mark.parametrize(
    "expression",
    ["__import__('os')", "().__class__", "x", "open('a')", "lambda: 1", "[i for i in (1,)]", "1 +", "1 / 0", "'a' + 1",
     "2 ** 9999", "'a' * 10**9", "'%s' % 1", "f'{1}'", "max(1, key=2)", "(1).real", "1 if", "'a' * 'b'", "int('x')",
     "1" * 1001],
)  # fmt: skip
def test_expression_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        evaluate_expression(expression)
