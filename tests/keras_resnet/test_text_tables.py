"""Tables of text, against the same tables set by hand."""

from keras_resnet.text_tables import WIDEST, aligned, markdown

ROWS = [("network", "error"), ("A", "9.5"), ("größer", "10.25")]


def test_columns_are_as_wide_as_their_longest_cell():
    assert aligned(ROWS, right=(1,)) == ["network  error", "A          9.5", "größer   10.25"]
    assert aligned([("a", ""), ("bc", "")]) == ["a", "bc"]


def test_markdown_reads_as_a_table_of_text():
    assert markdown(ROWS, right=(1,)) == [
        "| network | error |",
        "|---------|------:|",
        "| A       |   9.5 |",
        "| größer  | 10.25 |",
    ]


def test_bar_within_a_cell_does_not_end_it():
    assert markdown([("a|b", "c"), ("d", "e")]) == [r"| a\|b | c |", "|------|---|", "| d    | e |"]


def test_one_long_cell_does_not_fill_all_others_with_blanks():
    head, rule, short, long = markdown([("value",), ("a",), ("b" * 300,)])
    assert len(head) == len(rule) == len(short) == WIDEST + 4
    assert long == f"| {'b' * 300} |"
