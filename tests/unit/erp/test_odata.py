from urllib.parse import quote

from bridge.erp.odata import LONGEST_FILTER, any_of, literal


def test_text_in_a_filter_cannot_end_itself():
    assert literal("a' or 'b") == "'a'' or ''b'"


def test_many_values_are_filters_of_bounded_length_that_name_each_once():
    values = [f"ORDER-{number:05}" for number in range(1000)]
    filters = list(any_of("number", [*values, *values], "entryType eq 'Output'"))
    assert 1 < len(filters) < 100
    assert all(len(quote(each, safe="")) <= LONGEST_FILTER for each in filters)
    assert all(each.endswith(" and entryType eq 'Output'") for each in filters)
    named = [clause.strip("()") for each in filters for clause in each.partition(" and ")[0].split(" or ")]
    assert named == [f"number eq '{value}'" for value in values]


def test_one_value_needs_no_brackets_and_none_no_question():
    assert list(any_of("a", ["x"], "b eq 'y'")) == ["a eq 'x' and b eq 'y'"]
    assert list(any_of("a", ["x", "y"])) == ["a eq 'x' or a eq 'y'"]
    assert list(any_of("a", [])) == []


def test_value_that_is_longer_than_any_filter_has_one_of_its_own():
    long = "x" * 3000
    assert [long in each for each in any_of("a", ["1", long, "2"])] == [False, True, False]
